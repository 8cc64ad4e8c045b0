//! Conversations with stand-ins that cost nothing: how many a core holds, what each takes, how soon it answers.

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use records::CallRecord;
use sim::load::{Clip, Effort, Latencies, Talker, Timing, Told, drive};

use super::figure::{Figure, Target};
use super::process::{Process, Subject, get};
use super::{Bench, Taken, Window, rss_per_call};
use crate::failure::Failure;

/// Numbers of calls that are tried, until one is not held.
const STEPS: [usize; 8] = [100, 200, 400, 600, 800, 1000, 1200, 1500];
/// The target, and the number of calls at which memory is looked at.
const WANTED: usize = 600;
/// The number of calls at which response times are looked at.
const RESPONSE: usize = 200;

/// What one run showed.
pub(super) struct Run {
    pub(super) calls: usize,
    pub(super) told: Told,
    pub(super) effort: Effort,
    pub(super) taken: Taken,
    pub(super) before: u64,
}

impl Run {
    /// Why this many calls were too many; `None` when they were held.
    fn fault(&self) -> Option<String> {
        let late = self.told.lateness.quantile_ms(0.99).unwrap_or(f64::INFINITY);
        let gaps = self.told.gaps.len();
        if self.effort.lost > 0 {
            Some(format!("{} calls were lost", self.effort.lost))
        } else if gaps > 0 {
            let longest = self.told.gaps.quantile_ms(1.0).unwrap_or(0.0);
            Some(format!("{gaps} gaps, the longest {longest:.1} ms"))
        } else if late >= 20.0 {
            Some(format!("p99 lateness {late:.1} ms"))
        } else {
            None
        }
    }

    pub(super) fn cpu(&self) -> f64 {
        self.taken.cpu.as_secs_f64() / self.taken.length.as_secs_f64() / self.calls as f64
    }

    pub(super) fn summary(&self) -> String {
        format!(
            "lateness p99 {:.1} ms, answers {} of {}, server {:.0} % of its core, load {:.0} %",
            self.told.lateness.quantile_ms(0.99).unwrap_or(f64::NAN),
            self.told.answers.len(),
            self.told.questions,
            self.taken.cpu.as_secs_f64() / self.taken.length.as_secs_f64() * 100.0,
            self.effort.busy * 100.0
        )
    }
}

/// Measures it.
pub(crate) fn run(bench: &Bench) -> Result<Vec<Figure>, Failure> {
    let mut figures = capacity(bench)?;
    let wanted = if bench.quick { 3 } else { bench.calls.unwrap_or(WANTED) };
    for (recording, words, most) in [(false, "without recording", 150.0), (true, "with recording", 300.0)] {
        let process = start(bench, wanted, recording)?;
        let run = converse(bench, &process, wanted)?;
        let per_call = rss_per_call(run.before, run.taken.resident, wanted) / 1000.0;
        let what = format!("conversation, {wanted} calls {words}");
        figures.push(
            Figure::new(format!("{what}: memory"), Some(per_call), "kB a call", Target::AtMost(most))
                .note(run.summary()),
        );
        figures.push(Figure::info(format!("{what}: CPU per call-second"), Some(run.cpu() * 1e6), "us"));
    }
    figures.extend(response(bench)?);
    Ok(figures)
}

/// The greatest number of calls that is held, recording as by default.
fn capacity(bench: &Bench) -> Result<Vec<Figure>, Failure> {
    let steps = match (bench.quick, bench.calls) {
        (true, _) => vec![3],
        (false, Some(calls)) => vec![calls],
        (false, None) => STEPS.to_vec(),
    };
    let (mut held, mut notes) = (0, String::new());
    for calls in steps {
        // Twice, since one hiccup of a machine that does other things too is not the server's limit.
        let mut fault = None;
        for _ in 0..2 {
            let process = start(bench, calls, true)?;
            let run = converse(bench, &process, calls)?;
            bench.progress(&format!("{calls} conversations: {}", run.summary()));
            fault = run.fault();
            notes = format!("at {calls}: {}", run.summary());
            if fault.is_none() {
                held = calls;
                break;
            }
        }
        if let Some(fault) = fault {
            notes = format!("{calls} are too many: {fault} ({notes})");
            break;
        }
    }
    let what = "conversation: calls that one core holds, recording";
    Ok(vec![Figure::new(what, Some(held as f64), "calls", Target::AtLeast(600.0)).note(notes)])
}

/// From the end of speech to the first audio, and from an interruption to the clear.
fn response(bench: &Bench) -> Result<Vec<Figure>, Failure> {
    let calls = if bench.quick { 3 } else { RESPONSE };
    let mut process = start(bench, calls, true)?;
    let run = converse(bench, &process, calls)?;
    let metrics = get(process.address, "/metrics")?;
    process.stop()?;
    let own = Turns::read(&process.data())?;
    let silence = call::Settings::default().turn.end_silence_ms as f64;
    let over_silence = |share| Some(run.told.answers.quantile_ms(share)? - silence);
    let label = |what: &str| format!("conversation, {calls} calls: {what}");
    let from_records = format!("{} turns, from the call records", own.response.len());
    let from_caller = format!(
        "{} of {} answered, at the caller, whose frames are 20 ms apart",
        run.told.answers.len(),
        run.told.questions
    );
    let clears = format!(
        "{} of {} interruptions, {} of them a frame or more before that, at the caller",
        run.told.clears.len(),
        run.told.interruptions,
        run.told.early
    );
    let bucket = |name: &str, share| super::scrape::quantile_ms(&metrics, name, share);
    Ok(vec![
        Figure::new(
            label("end of turn decided to first audio sent, p50"),
            own.response.quantile_ms(0.5),
            "ms",
            Target::AtMost(5.0),
        )
        .note(from_records.clone()),
        Figure::new(
            label("end of turn decided to first audio sent, p99"),
            own.response.quantile_ms(0.99),
            "ms",
            Target::AtMost(20.0),
        )
        .note(from_records),
        Figure::info(label("speech ended to first audio, less the silence, p50"), over_silence(0.5), "ms")
            .note(from_caller.clone()),
        Figure::new(
            label("speech ended to first audio, less the silence, p99"),
            over_silence(0.99),
            "ms",
            Target::AtMost(40.0),
        )
        .note(from_caller),
        Figure::info(
            label("enough speech to interrupt to clear, p50"),
            run.told.clears.quantile_ms(0.5),
            "ms",
        )
        .note(clears.clone()),
        Figure::info(
            label("enough speech to interrupt to clear, p99"),
            run.told.clears.quantile_ms(0.99),
            "ms",
        )
        .note(clears),
        Figure::info(
            label("decision to interrupt to clear on the wire, p99"),
            bucket("trunkline_barge_in_clear_seconds", 0.99),
            "ms",
        )
        .note("upper bound of its bucket in /metrics"),
        Figure::info(
            label("chunk sent later than due, p99"),
            bucket("trunkline_frame_lateness_seconds", 0.99),
            "ms",
        )
        .note("upper bound of its bucket in /metrics"),
    ])
}

/// A server whose agent converses with stand-ins.
pub(super) fn start(bench: &Bench, calls: usize, recording: bool) -> Result<Process, Failure> {
    Process::start(&Subject::Server(bench.config("bench", calls, recording)), bench.cores)
}

/// Lets this many callers talk to it.
pub(super) fn converse(bench: &Bench, process: &Process, calls: usize) -> Result<Run, Failure> {
    let before = process.resident()?;
    let timing = Timing { lead: Duration::from_millis(call::Settings::default().playout.lead_ms) };
    let callers = (0..calls)
        .map(|number| Talker::numbered(number, calls, Rc::<Clip>::clone(&bench.clip), timing))
        .collect();
    let plan = bench.plan(process.address, Duration::from_secs(3), Duration::from_secs(6));
    let mut window = Window::default();
    let (callers, effort) = drive(&plan, callers, &mut |moment| window.note(moment, process))?;
    let mut told = Told::default();
    callers.iter().for_each(|caller: &Talker| told.add(&caller.told));
    Ok(Run { calls, told, effort, taken: window.taken()?, before })
}

/// What the server's own records say.
#[derive(Default)]
struct Turns {
    /// From the decision that the caller's turn is over to the first audio handed to the socket.
    response: Latencies,
}

impl Turns {
    fn read(data: &Path) -> Result<Self, Failure> {
        let mut turns = Self::default();
        for day in std::fs::read_dir(data.join("calls"))? {
            for call in std::fs::read_dir(day?.path())? {
                // A call that the end of the server cut short may have none yet.
                let Ok(text) = std::fs::read(call?.path().join("record.json")) else { continue };
                let Ok(record) = serde_json::from_slice::<CallRecord>(&text) else { continue };
                for latency in record.turns.iter().filter_map(|turn| turn.latency) {
                    turns
                        .response
                        .push(Duration::from_micros(latency.total_us.saturating_sub(latency.endpoint_us)));
                }
            }
        }
        Ok(turns)
    }
}
