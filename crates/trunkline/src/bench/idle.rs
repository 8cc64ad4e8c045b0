//! A server that has nothing to do: how soon it is ready and how much memory it takes.

use std::time::Duration;

use super::Bench;
use super::figure::{Figure, Target, median};
use super::process::{Process, Subject};
use crate::failure::Failure;

/// How long it is left alone before its memory is looked at.
const QUIET: Duration = Duration::from_secs(3);

/// Measures it, with the configuration that is in force without a file.
pub(crate) fn run(bench: &Bench) -> Result<Vec<Figure>, Failure> {
    bench.progress("idle");
    let (mut ready, mut resident) = (Vec::new(), Vec::new());
    for _ in 0..if bench.quick { 1 } else { 5 } {
        let process = Process::start(&Subject::Server(String::new()), bench.cores)?;
        ready.push(process.ready_after.as_secs_f64() * 1000.0);
        std::thread::sleep(if bench.quick { Duration::ZERO } else { QUIET });
        resident.push(process.resident()? as f64 / 1e6);
    }
    let slowest = ready.iter().copied().fold(0.0, f64::max);
    Ok(vec![
        Figure::new("idle: resident memory", median(resident), "MB", Target::AtMost(25.0))
            .note("agent assistant, built-in voice, nobody has called"),
        Figure::new("idle: start of the process to ready", median(ready), "ms", Target::AtMost(200.0))
            .note(format!("slowest {slowest:.0} ms")),
    ])
}
