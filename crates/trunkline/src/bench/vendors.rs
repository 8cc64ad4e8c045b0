//! Conversations through vendors over the network: stand-ins that speak the vendors' own protocols and take as long
//! as vendors do. What the server adds to their time is its own.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;

use sim::vendors::{Delays, VendorServer, World};
use tokio::sync::oneshot;

use super::conversation::{Run, converse};
use super::figure::{Figure, Target};
use super::process::{Process, Subject, get};
use super::{Bench, rss_per_call};
use crate::failure::Failure;

/// The number of calls at which response times are looked at.
const RESPONSE: usize = 200;
/// The number of calls that one core is to hold.
const WANTED: usize = 600;
/// Silence after which our own voice activity ends a turn, in the second run.
const OWN_SILENCE_MS: u64 = 200;

/// Who decides that the caller has finished.
#[derive(Debug, Clone, Copy)]
enum End {
    /// The recogniser's vendor, by its endpointing.
    Vendor,
    /// Our own voice activity, after 200 ms; the recogniser is told to finish at once.
    Own,
}

/// Measures it.
pub(crate) fn run(bench: &Bench) -> Result<Vec<Figure>, Failure> {
    let delays = Delays { token_ms: 0, ..Delays::default() };
    let stand_ins = StandIns::start(delays)?;
    let calls = if bench.quick { 3 } else { RESPONSE };
    // What a vendor takes counts from the last sound.
    let by_sound = Bench { clip: Rc::new(bench.clip.ending_with_sound()), postgres: None, ..*bench };
    let mut figures = Vec::new();
    for end in [End::Vendor, End::Own] {
        let process = start(bench, &stand_ins, calls, end)?;
        let run = converse(&by_sound, &process, calls)?;
        figures.extend(response(&run, end, &delays));
        if matches!(end, End::Vendor) {
            figures.extend(interruptions(&run, &get(process.address, "/metrics")?));
        }
    }
    figures.extend(capacity(bench, &stand_ins)?);
    Ok(figures)
}

/// From the last of the caller's voice to the first of the answer, less what the vendors take.
fn response(run: &Run, end: End, delays: &Delays) -> Vec<Figure> {
    let vendors = delays.recogniser_ms + delays.model_ms + delays.voice_ms;
    let (who, silence) = match end {
        End::Vendor => ("the vendor", delays.endpointing_ms),
        End::Own => ("our own voice activity", OWN_SILENCE_MS),
    };
    let sum = (silence + vendors) as f64;
    let over = |share| Some(run.told.answers.quantile_ms(share)? - sum);
    let note = format!(
        "vendors' sum {sum} ms ({silence} of silence, {} recogniser, {} model, {} voice); {} of {} answered",
        delays.recogniser_ms,
        delays.model_ms,
        delays.voice_ms,
        run.told.answers.len(),
        run.told.questions
    );
    let label =
        |share: &str| format!("vendors, {} calls, turn ended by {who}: over their sum, {share}", run.calls);
    vec![
        Figure::new(label("p50"), over(0.5), "ms", Target::AtMost(20.0)).note(note.clone()),
        Figure::new(label("p99"), over(0.99), "ms", Target::AtMost(40.0)).note(note),
    ]
}

fn interruptions(run: &Run, metrics: &str) -> Vec<Figure> {
    let label = |what: &str| format!("vendors, {} calls: {what}", run.calls);
    vec![
        Figure::new(
            label("enough speech to interrupt to clear, p99"),
            run.told.clears.quantile_ms(0.99),
            "ms",
            Target::AtMost(15.0),
        )
        .note(format!(
            "{} of {} interruptions, {} of them by the recogniser's words before that, at the caller",
            run.told.clears.len(),
            run.told.interruptions,
            run.told.early
        )),
        Figure::info(
            label("decision to interrupt to clear on the wire, p99"),
            super::scrape::quantile_ms(metrics, "trunkline_barge_in_clear_seconds", 0.99),
            "ms",
        )
        .note("upper bound of its bucket in /metrics"),
    ]
}

/// What a full core takes.
fn capacity(bench: &Bench, stand_ins: &StandIns) -> Result<Vec<Figure>, Failure> {
    let calls = if bench.quick { 3 } else { bench.calls.unwrap_or(WANTED) };
    let process = start(bench, stand_ins, calls, End::Vendor)?;
    let run = converse(bench, &process, calls)?;
    let label = |what: &str| format!("vendors, {calls} calls, recording: {what}");
    let memory = rss_per_call(run.before, run.taken.resident, calls) / 1000.0;
    let late = run.told.lateness.quantile_ms(0.99);
    Ok(vec![
        Figure::new(label("chunks later than paced, p99"), late, "ms", Target::AtMost(20.0))
            .note(run.summary()),
        Figure::new(label("CPU per call-second"), Some(run.cpu() * 1e3), "ms", Target::AtMost(1.5))
            .note("without the stand-ins, which share the load's processor"),
        Figure::new(label("memory"), Some(memory), "kB a call", Target::AtMost(300.0)),
        Figure::new(label("calls lost"), Some(run.effort.lost as f64), "calls", Target::AtMost(0.0)),
    ])
}

/// A server whose agent converses through the stand-ins.
fn start(bench: &Bench, stand_ins: &StandIns, calls: usize, end: End) -> Result<Process, Failure> {
    let turn = match end {
        // As by default: whoever notices first, which is the vendor.
        End::Vendor => String::new(),
        End::Own => format!(
            "turn.end = \"own\"\nturn.stop_ms = {OWN_SILENCE_MS}\nturn.end_silence_ms = {OWN_SILENCE_MS}\n"
        ),
    };
    let url = format!("http://{}", stand_ins.address);
    let agent = format!(
        "greeting = \"Hello.\"\n\
         speech_to_text = [\"deepgram\"]\n\
         language_model = [\"openai\"]\n\
         text_to_speech = [\"elevenlabs\"]\n\
         {turn}"
    );
    let vendor =
        |name: &str, path: &str| format!("[vendors.{name}]\nbase_url = \"{url}{path}\"\nkey = \"test\"\n");
    let config = format!(
        "{}{}{}{}[agents.vendors]\nkind = \"assistant\"\n{agent}",
        bench.config("vendors", calls, true),
        vendor("deepgram", ""),
        vendor("openai", "/v1"),
        vendor("elevenlabs", ""),
    );
    Process::start(&Subject::Server(config), bench.cores)
}

/// The stand-ins, on a thread of this process and so on the load's processor.
struct StandIns {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
}

impl StandIns {
    fn start(delays: Delays) -> Result<Self, Failure> {
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = mpsc::channel();
        let work = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let answers =
                    ["We are open from nine to five on every day of the week. Is there anything else?"];
                let world = World::new(delays, Vec::new(), answers.map(str::to_owned).to_vec());
                let server = VendorServer::start(world).await?;
                // Nobody to tell: the benchmark has given up.
                let _ = tell.send(server.address());
                let _ = stopped.await;
                Ok::<_, std::io::Error>(())
            })
        };
        thread::Builder::new().name("stand-ins".to_owned()).spawn(work)?;
        let address =
            told.recv().map_err(|_| Failure::failed("the stand-ins for the vendors do not start"))?;
        Ok(Self { address, stop: Some(stop) })
    }
}

impl Drop for StandIns {
    fn drop(&mut self) {
        // They have ended already.
        self.stop.take().map(|stop| stop.send(()));
    }
}
