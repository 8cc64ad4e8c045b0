//! Lists of calls and carriers' callbacks, over HTTP, on a server whose database holds as many calls as a busy month
//! brings.

mod asked;
mod filled;

use std::time::{Duration, Instant};

use ::store::{Database, DatabaseOptions};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use sim::load::{Latencies, post_at_rate};

use self::asked::{FILTERS, posts};
use super::Bench;
use super::figure::{Figure, Target};
use super::process::{Folder, Process, Subject, get};
use super::scrape;
use crate::failure::Failure;

/// How many calls there are.
const CALLS: u32 = 100_000;
const QUICK_CALLS: u32 = 500;
/// How many pages are read of each list, one after the other, from the first again after the last.
const PAGES: usize = 40;
/// How often the health of callbacks is asked for.
const LOOKS: usize = 20;
const PER_SECOND: u32 = 200;
/// The slowest of a hundred pages, and of a hundred callbacks, in milliseconds.
const LIST_MS: f64 = 100.0;
const CALLBACK_MS: f64 = 50.0;

/// Measures it, on SQLite and, where there is one, on PostgreSQL.
pub(crate) fn run(bench: &Bench) -> Result<Vec<Figure>, Failure> {
    let calls = if bench.quick { QUICK_CALLS } else { CALLS };
    let folder = Folder::new()?;
    std::fs::create_dir_all(folder.data())?;
    let sqlite = DatabaseOptions::Sqlite { file: folder.data().join("trunkline.db") };
    let mut figures = measure(bench, folder, ("sqlite", sqlite), calls)?;
    if let Some(url) = bench.postgres.clone() {
        let postgres = DatabaseOptions::Postgres { url };
        figures.extend(measure(bench, Folder::new()?, ("postgres", postgres), calls)?);
    }
    Ok(figures)
}

fn measure(
    bench: &Bench,
    folder: Folder,
    (name, options): (&str, DatabaseOptions),
    calls: u32,
) -> Result<Vec<Figure>, Failure> {
    bench.progress(&format!("store, {name}: {calls} calls are put in"));
    let count = PER_SECOND * u32::try_from(bench.seconds()).unwrap_or(u32::MAX / PER_SECOND);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let dialled = runtime.block_on(fill(options.clone(), calls, count))?;
    drop(runtime);
    let process = Process::start_on(folder, &Subject::Server(config(bench, &options)), bench.cores)?;
    let what = |what: &str| format!("store, {name}, {calls} calls: {what}");
    let mut figures = Vec::new();
    for (filter, query) in FILTERS {
        let times = pages(&process, query, PAGES)?;
        let note = format!("{} pages of 50, p50 {:.1} ms", times.len(), ms(&times, 0.5));
        let p95 = times.quantile_ms(0.95);
        figures.push(
            Figure::new(what(&format!("list, {filter}, p95")), p95, "ms", Target::AtMost(LIST_MS)).note(note),
        );
    }
    let times = pages(&process, "limit=200", (calls / 200) as usize + 1)?;
    let p95 = times.quantile_ms(0.95);
    figures.push(
        Figure::new(what("list, from the first page to the last, p95"), p95, "ms", Target::AtMost(LIST_MS))
            .note(format!("{} pages of 200, longest {:.1} ms", times.len(), ms(&times, 1.0))),
    );
    bench.progress(&format!("store, {name}: {count} callbacks"));
    figures.extend(callbacks(&process, &dialled, &what)?);
    let mut looks = Latencies::default();
    for _ in 0..LOOKS {
        looks.push(ask(&process, "/api/v1/webhooks")?.0);
    }
    figures.push(Figure::info(what("how callbacks do, p95"), looks.quantile_ms(0.95), "ms"));
    Ok(figures)
}

/// Puts calls in, and so many that are dialled now, whose ids it gives.
async fn fill(options: DatabaseOptions, calls: u32, dialled: u32) -> Result<Vec<filled::Dialled>, Failure> {
    let fault = |error: ::store::DatabaseError| Failure::unavailable(error.to_string());
    let database = Database::open(options).await.map_err(fault)?;
    if !database.calls(&::store::CallFilter::default(), None, 1).await.map_err(fault)?.is_empty() {
        return Err(Failure::failed(
            "the database is not empty; give one that is, what is measured stays in it",
        ));
    }
    filled::put_in(&database, calls).await.map_err(fault)?;
    let dialled = filled::dial(&database, dialled).await.map_err(fault)?;
    database.close().await;
    Ok(dialled)
}

/// The server: it takes callbacks of both carriers, and asks neither after calls.
fn config(bench: &Bench, options: &DatabaseOptions) -> String {
    let database = match options {
        DatabaseOptions::Postgres { url } => format!("[database]\nurl = \"{}\"\n", url.expose_secret()),
        DatabaseOptions::Sqlite { .. } => String::new(),
    };
    let server = format!("[server]\npublic_url = \"{}\"\n", asked::PUBLIC);
    let (twilio, exotel) = (asked::TWILIO_TOKEN, asked::EXOTEL_TOKEN);
    format!(
        "{}[api]\nrequire_key = false\nrequests_per_minute = 0\n[twilio]\nauth_token = \"{twilio}\"\n\
         [exotel]\napi_token = \"{exotel}\"\n[sweep]\nevery_ms = 3600000\n{database}",
        bench.config("echo", 0, false).replacen("[server]\n", &server, 1)
    )
}

fn callbacks(
    process: &Process,
    dialled: &[filled::Dialled],
    what: &dyn Fn(&str) -> String,
) -> Result<Vec<Figure>, Failure> {
    let told = post_at_rate(process.address, posts(dialled), PER_SECOND)?;
    let label = |part: &str| what(&format!("{PER_SECOND} status callbacks a second, {part}"));
    let taken = scrape::sum(
        &get(process.address, "/metrics")?,
        "trunkline_callbacks_total",
        &["kind=\"status\"", "outcome=\"taken\""],
    );
    let note = format!(
        "from the moment each was due to its answer; p50 {:.1} ms, longest {:.1} ms; {} answered, {} not",
        ms(&told.answers, 0.5),
        ms(&told.answers, 1.0),
        told.answers.len(),
        told.failed
    );
    Ok(vec![
        Figure::new(label("p99"), told.answers.quantile_ms(0.99), "ms", Target::AtMost(CALLBACK_MS))
            .note(note),
        Figure::new(
            label("not in the database"),
            Some(dialled.len() as f64 - taken),
            "callbacks",
            Target::AtMost(0.0),
        ),
    ])
}

/// Reads a list page by page.
fn pages(process: &Process, query: &str, count: usize) -> Result<Latencies, Failure> {
    let (mut times, mut cursor) = (Latencies::default(), None::<String>);
    for _ in 0..count {
        let after = cursor.as_ref().map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let (took, page) = ask(process, &format!("/api/v1/calls?{query}{after}"))?;
        times.push(took);
        cursor = page["next_cursor"].as_str().map(str::to_owned);
    }
    Ok(times)
}

/// One answer of the API, and how long it took.
fn ask(process: &Process, path: &str) -> Result<(Duration, Value), Failure> {
    let begun = Instant::now();
    let answer = get(process.address, path)?;
    let took = begun.elapsed();
    let body = answer.split_once("\r\n\r\n").filter(|_| answer.starts_with("HTTP/1.1 200 "));
    let body = body.and_then(|(_, body)| serde_json::from_str(body).ok());
    let body = body.ok_or_else(|| {
        Failure::failed(format!("{path} is not answered: {}", answer.lines().next().unwrap_or_default()))
    })?;
    Ok((took, body))
}

fn ms(times: &Latencies, share: f64) -> f64 {
    times.quantile_ms(share).unwrap_or(f64::NAN)
}
