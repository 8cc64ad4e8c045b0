//! The connect webhook while calls run, and while the store's thread stands still.

use std::time::Duration;

use sim::load::{Asked, ask_at_rate};

use super::figure::{Figure, Target};
use super::process::Process;
use super::{Bench, conversation};
use crate::failure::Failure;

const PATH: &str = "/api/v1/exotel/voice/connect";
const CALLS: usize = 200;
const PER_SECOND: u32 = 200;

/// Measures it.
pub(crate) fn run(bench: &Bench) -> Result<Vec<Figure>, Failure> {
    let calls = if bench.quick { 3 } else { bench.calls.unwrap_or(CALLS) };
    let mut figures = Vec::new();
    for (hangs, words) in [(false, ""), (true, ", the store hangs")] {
        bench.progress(&format!("webhook, {calls} calls{words}"));
        let process = conversation::start(bench, calls, true)?;
        let measured = if hangs { under_hang(bench, &process, calls) } else { both(bench, &process, calls) };
        figures.extend(match measured {
            Ok((asked, run)) => {
                shown(&asked, &run, &format!("webhook, {PER_SECOND}/s, {calls} calls{words}"))
            }
            Err(failure) if hangs => {
                let what = format!("webhook, {PER_SECOND}/s, {calls} calls{words}: p99");
                vec![Figure::new(what, None, "ms", Target::AtMost(5.0)).note(failure.to_string())]
            }
            Err(failure) => return Err(failure),
        });
    }
    Ok(figures)
}

fn under_hang(bench: &Bench, process: &Process, calls: usize) -> Result<(Asked, conversation::Run), Failure> {
    let _hung = process.hang_store()?;
    both(bench, process, calls)
}

/// Calls and requests at once: requests from a thread of their own, on the load's core too, while the calls are
/// measured.
fn both(bench: &Bench, process: &Process, calls: usize) -> Result<(Asked, conversation::Run), Failure> {
    let address = process.address;
    let plan = bench.plan(address, Duration::from_secs(3), Duration::from_secs(6));
    std::thread::scope(|scope| {
        let asking = scope.spawn(move || {
            std::thread::sleep(plan.ramp + plan.settle);
            ask_at_rate(address, PATH, PER_SECOND, plan.steady)
        });
        let run = conversation::converse(bench, process, calls)?;
        let asked = asking.join().map_err(|_| Failure::failed("the requests broke off"))?;
        Ok((asked, run))
    })
}

fn shown(asked: &Asked, run: &conversation::Run, what: &str) -> Vec<Figure> {
    let failed = format!("{} answered, {} not", asked.answers.len(), asked.failed);
    let late = run.told.lateness.quantile_ms(0.99);
    vec![
        Figure::new(format!("{what}: p99"), asked.answers.quantile_ms(0.99), "ms", Target::AtMost(5.0))
            .note(failed),
        Figure::info(format!("{what}: p50"), asked.answers.quantile_ms(0.5), "ms"),
        Figure::new(format!("{what}: calls' p99 lateness"), late, "ms", Target::AtMost(20.0)).note(format!(
            "{} gaps, {} calls lost",
            run.told.gaps.len(),
            run.effort.lost
        )),
    ]
}
