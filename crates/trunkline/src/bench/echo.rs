//! Echo of 20 ms frames against the floor: processor time, round trip, memory.

use std::rc::Rc;
use std::time::Duration;

use sim::load::{Clip, Echoed, Latencies, Moment, drive};

use super::figure::{Figure, Target, median};
use super::process::{Process, Subject};
use super::{Bench, Window, rss_per_call};
use crate::failure::Failure;

/// The two loads of the target about growth.
const FEW: usize = 50;
const MANY: usize = 500;
/// How long the calls have run before they are measured: what was to be written when they began is on the disk, and in
/// the database.
const SETTLE: Duration = Duration::from_secs(4);

/// What one round showed of one process.
#[derive(Debug, Clone)]
struct Round {
    /// Seconds of processor for a second of one call.
    cpu: f64,
    p50_ms: f64,
    p99_ms: f64,
    /// Bytes.
    per_call: f64,
    load_cpu: f64,
    lost: usize,
}

/// The rounds of the server and of the floor at one number of calls.
struct Rounds {
    calls: usize,
    server: Vec<Round>,
    floor: Vec<Round>,
}

impl Rounds {
    fn server(&self, of: impl Fn(&Round) -> f64) -> Option<f64> {
        median(self.server.iter().map(of).collect())
    }

    fn floor(&self, of: impl Fn(&Round) -> f64) -> Option<f64> {
        median(self.floor.iter().map(of).collect())
    }

    /// The median of what the rounds, pair by pair, say: a machine that is busy for a while slows both of a pair.
    fn paired(&self, of: impl Fn(&Round, &Round) -> f64) -> Option<f64> {
        median(self.server.iter().zip(&self.floor).map(|(server, floor)| of(server, floor)).collect())
    }
}

/// Measures it.
pub(crate) fn run(bench: &Bench) -> Result<Vec<Figure>, Failure> {
    let (few, many) = if bench.quick { (2, 5) } else { (FEW, bench.calls.unwrap_or(MANY)) };
    let few = rounds(bench, few.min(many))?;
    let many = rounds(bench, many)?;
    let mut figures = Vec::new();
    for rounds in [&few, &many] {
        figures.extend(at(rounds));
    }
    let growth = |of: fn(&Round) -> f64| Some(many.server(of)? / few.server(of)?);
    let label = |what: &str| format!("echo: {what} per call, {} calls over {}", many.calls, few.calls);
    figures.push(Figure::new(label("memory"), growth(|round| round.per_call), "times", Target::AtMost(1.1)));
    figures.push(Figure::new(label("CPU"), growth(|round| round.cpu), "times", Target::AtMost(1.1)));
    Ok(figures)
}

fn rounds(bench: &Bench, calls: usize) -> Result<Rounds, Failure> {
    let mut all = Rounds { calls, server: Vec::new(), floor: Vec::new() };
    let server = Subject::Server(bench.config("echo", calls, false));
    for number in 0..bench.rounds() {
        bench.progress(&format!("echo, {calls} calls, round {} of {}", number + 1, bench.rounds()));
        all.floor.push(round(bench, &Subject::Floor, calls)?);
        all.server.push(round(bench, &server, calls)?);
    }
    Ok(all)
}

fn round(bench: &Bench, subject: &Subject, calls: usize) -> Result<Round, Failure> {
    let process = Process::start(subject, bench.cores)?;
    let before = process.resident()?;
    let clip = bench.clip.clone();
    let callers: Vec<_> =
        (0..calls).map(|number| Echoed::numbered(number, Rc::<Clip>::clone(&clip))).collect();
    let mut window = Window::default();
    let mut plan = bench.plan(process.address, Duration::from_secs(2), SETTLE);
    plan.exact = true;
    let (callers, effort) = drive(&plan, callers, &mut |moment: Moment| window.note(moment, &process))?;
    let taken = window.taken()?;
    let mut trips = Latencies::default();
    callers.iter().for_each(|caller| trips.extend(&caller.round_trips));
    Ok(Round {
        cpu: taken.cpu.as_secs_f64() / taken.length.as_secs_f64() / calls as f64,
        p50_ms: trips.quantile_ms(0.5).unwrap_or(f64::NAN),
        p99_ms: trips.quantile_ms(0.99).unwrap_or(f64::NAN),
        per_call: rss_per_call(before, taken.resident, calls),
        load_cpu: effort.busy,
        lost: effort.lost,
    })
}

fn at(rounds: &Rounds) -> Vec<Figure> {
    let label = |what: &str| format!("echo, {} calls: {what}", rounds.calls);
    let us = |round: &Round| round.cpu * 1e6;
    let spread = |of: &dyn Fn(&Round, &Round) -> f64| {
        let pairs = rounds
            .server
            .iter()
            .zip(&rounds.floor)
            .map(|(server, floor)| format!("{:.2}", of(server, floor)));
        format!("rounds: {}", pairs.collect::<Vec<_>>().join(", "))
    };
    let ratio = |server: &Round, floor: &Round| server.cpu / floor.cpu;
    let extra = |server: &Round, floor: &Round| server.p99_ms - floor.p99_ms;
    let both = |of: fn(&Round) -> f64| {
        format!(
            "server {:.2}, floor {:.2}",
            rounds.server(of).unwrap_or(f64::NAN),
            rounds.floor(of).unwrap_or(f64::NAN)
        )
    };
    let load = rounds.server.iter().chain(&rounds.floor).map(|round| round.load_cpu).fold(0.0, f64::max);
    let lost: usize = rounds.server.iter().chain(&rounds.floor).map(|round| round.lost).sum();
    vec![
        Figure::new(label("CPU, times the floor"), rounds.paired(ratio), "times", Target::AtMost(1.3))
            .note(spread(&ratio)),
        Figure::info(label("CPU per call-second"), rounds.server(us), "us").note(both(us)),
        Figure::new(
            label("p99 round trip over the floor's"),
            rounds.paired(extra),
            "ms",
            Target::AtMost(1.0),
        )
        .note(format!("p99 {}; {}", both(|round| round.p99_ms), spread(&extra))),
        Figure::info(label("p50 round trip"), rounds.server(|round| round.p50_ms), "ms")
            .note(both(|round| round.p50_ms)),
        Figure::new(
            label("memory"),
            rounds.server(|round| round.per_call / 1000.0),
            "kB a call",
            Target::AtMost(25.0),
        )
        .note(both(|round| round.per_call / 1000.0)),
        Figure::info(label("load busy"), Some(load * 100.0), "%").note(format!("{lost} calls lost")),
    ]
}
