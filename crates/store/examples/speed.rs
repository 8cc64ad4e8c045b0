//! Fills a database and measures it: `cargo run --release -p store --example speed -- <file or postgres:// URL> [calls]`.

use std::path::PathBuf;

use store::{Database, DatabaseOptions, bench};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let place = words.next().ok_or("name an empty file, or a database's URL")?;
    let calls: u32 = words.next().map_or(Ok(100_000), |calls| calls.parse())?;
    let options = if place.starts_with("postgres") {
        DatabaseOptions::Postgres { url: place.into() }
    } else {
        DatabaseOptions::Sqlite { file: PathBuf::from(place) }
    };
    let database = Database::open(options).await?;
    let took = bench::fill(&database, calls).await?;
    println!("{calls} calls put in within {:.1} s", took.as_secs_f64());
    let mut figures = bench::lists(&database).await?;
    figures.push(bench::callbacks(&database, 200, 20).await?);
    println!("{:<48} {:>6} {:>9} {:>9} {:>9} {:>9}", "milliseconds", "count", "p50", "p95", "p99", "longest");
    for one in figures {
        let ms = [one.p50, one.p95, one.p99, one.longest].map(|time| time.as_secs_f64() * 1000.0);
        println!(
            "{:<48} {:>6} {:>9.2} {:>9.2} {:>9.2} {:>9.2}",
            one.name, one.count, ms[0], ms[1], ms[2], ms[3]
        );
    }
    database.close().await;
    Ok(())
}
