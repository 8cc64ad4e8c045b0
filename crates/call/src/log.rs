//! The call log: one JSON object a line, enough to run the call again and get the same answers.
//!
//! ```text
//! {"header":{"version":1,"audio":true,"rate":8000,"settings":{...}}}
//! {"t":20000,"in":{"carrier":{"audio":"<base64>"}}}
//! {"t":20000,"out":[{"carrier":{"media":{"samples":1600,"plays_at":20000,"crc":1234567}}}]}
//! ```
//!
//! Audio that goes out is logged as its length and checksum: it follows from what came in. Frames given to the
//! recogniser are left out for the same reason.
//!
//! A log is a recording too: where the caller has not agreed to one, or it is paused, no sound is in it, and a line says
//! so. Such a log tells what happened and can't be run again.

use std::sync::Arc;

use audio::{Pcm, SampleRate};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Call, CarrierEvent, Consent, Converse, Conversed, Event, Input, Listen, Micros, Output, RecordState,
    Settings, Tick, ToCarrier, Voiced,
};

/// The version of the log's format.
pub const VERSION: u32 = 1;

/// A log's first line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// The format's version.
    pub version: u32,
    /// Whether the caller's audio is in the log. Where the answers do not depend on it (echo, beep, silent),
    /// only its length is kept.
    pub audio: bool,
    /// The log begins without sound: the caller has not agreed to be recorded.
    #[serde(default, skip_serializing_if = "is_no")]
    pub partial: bool,
    /// The URL's sample rate, which the call began with.
    pub rate: SampleRate,
    /// The settings that the call ran with.
    pub settings: Settings,
}

#[derive(Serialize, Deserialize)]
struct HeaderLine {
    header: Header,
}

#[derive(Serialize, Deserialize)]
struct InputLine<I> {
    t: Tick,
    #[serde(rename = "in")]
    input: I,
}

#[derive(Serialize, Deserialize)]
struct OutputLine {
    t: Tick,
    out: Vec<Value>,
}

/// How often the caller's audio shows in the log of an agent that does not listen: often enough to tell when a
/// call that was cut off ended, seldom enough to cost nothing.
const SIGN_OF_LIFE: Micros = Micros::from_ms(1_000);

/// Writes the lines of one call's log.
#[derive(Debug, Clone)]
pub struct LogWriter {
    audio: bool,
    /// No sound is to be kept now.
    hushed: bool,
    answered: bool,
    last_line: Tick,
}

impl LogWriter {
    /// A writer for a call with these settings. The caller's audio is kept for agents that listen to it.
    pub fn new(settings: &Settings) -> Self {
        let audio = settings.agent.listens();
        let hushed = audio && settings.recording.consent != Consent::None;
        Self { audio, hushed, answered: false, last_line: Tick::default() }
    }

    /// Appends the first line.
    pub fn header(&self, to: &mut Vec<u8>, settings: &Settings, rate: SampleRate) {
        let settings = settings.clone();
        let header = Header { version: VERSION, audio: self.audio, partial: self.hushed, rate, settings };
        write_line(to, &HeaderLine { header });
    }

    /// Appends an input. To be called before the input is handled. Once a call is answered by an agent that does
    /// not listen, its audio decides nothing: only a sign of life of it is kept, once a second.
    pub fn input(&mut self, to: &mut Vec<u8>, at: Tick, input: &Input) {
        match input {
            Input::Carrier(CarrierEvent::Audio(_))
                if !self.audio && self.answered && at.since(self.last_line) < SIGN_OF_LIFE =>
            {
                return;
            }
            Input::Carrier(CarrierEvent::Audio(pcm)) if !self.audio => {
                use std::io::Write as _;
                let written = writeln!(to, "{{\"t\":{},\"in\":{{\"samples\":{}}}}}", at.0, pcm.len());
                written.expect("writing to a Vec never fails");
            }
            other if self.hushed && sound(other).is_some() => {
                let samples = sound(other).unwrap_or_default();
                write_line(to, &InputLine { t: at, input: serde_json::json!({ LEFT_OUT: samples }) });
            }
            other => write_line(to, &InputLine { t: at, input: other }),
        }
        self.last_line = at;
    }

    /// Appends what the call answered, unless it is nothing.
    pub fn outputs(&mut self, to: &mut Vec<u8>, at: Tick, outputs: &[Output]) {
        self.answered |= outputs.iter().any(|output| matches!(output, Output::Event(Event::Answered { .. })));
        if let Some(state) = outputs.iter().rev().find_map(recorded).filter(|_| self.audio) {
            self.hushed = state != RecordState::On;
        }
        let out: Vec<Value> = outputs.iter().filter_map(|output| self.output(output)).collect();
        if !out.is_empty() {
            write_line(to, &OutputLine { t: at, out });
        }
    }

    fn output(&self, output: &Output) -> Option<Value> {
        match output {
            Output::Listen(Listen::Audio(_)) | Output::Converse(Converse::Audio(_)) => None,
            Output::Carrier(ToCarrier::Media { .. }) if !self.audio => None,
            Output::Carrier(ToCarrier::Media { pcm, plays_at }) => Some(serde_json::json!({
                "carrier": { "media": { "samples": pcm.len(), "plays_at": plays_at, "crc": checksum(pcm) } }
            })),
            other => Some(serde_json::to_value(other).expect("outputs have only string keys")),
        }
    }
}

/// In the place of an input's sound that must not be kept: how many samples it had.
const LEFT_OUT: &str = "samples_left_out";

/// How many samples an input carries, if it carries any.
fn sound(input: &Input) -> Option<usize> {
    match input {
        Input::Carrier(CarrierEvent::Audio(pcm))
        | Input::Voiced { what: Voiced::Audio { pcm, .. }, .. }
        | Input::Conversed(Conversed::Audio { pcm, .. }) => Some(pcm.len()),
        _ => None,
    }
}

fn recorded(output: &Output) -> Option<RecordState> {
    match output {
        Output::Record(state) => Some(*state),
        _ => None,
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_no(flag: &bool) -> bool {
    !flag
}

fn write_line(to: &mut Vec<u8>, line: &impl Serialize) {
    serde_json::to_writer(&mut *to, line).expect("writing to a Vec never fails");
    to.push(b'\n');
}

/// FNV-1a over the samples: enough to notice a change.
fn checksum(pcm: &[i16]) -> u32 {
    pcm.iter()
        .fold(0x811c_9dc5, |hash: u32, sample| (hash ^ u32::from(*sample as u16)).wrapping_mul(0x0100_0193))
}

/// What running a log again showed.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Replay {
    /// Inputs that were run.
    pub inputs: usize,
    /// Outputs in the log.
    pub outputs: usize,
    /// Where the answers differ, in the order of the call.
    pub differences: Vec<Difference>,
    /// Whether the log ends in the middle of a line, as after a crash.
    pub cut: bool,
}

/// One moment at which the call now answers otherwise.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// The moment.
    pub at: Tick,
    /// What the log says and is not answered any more.
    pub was: Vec<Value>,
    /// What is answered now and is not in the log.
    pub now: Vec<Value>,
}

impl Difference {
    /// Whether a decision differs, not only audio or its timing.
    pub fn is_decision(&self) -> bool {
        self.was
            .iter()
            .chain(&self.now)
            .any(|output| output.get("event").is_some() || output.get("ended").is_some())
    }
}

/// Why a log can't be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogFault {
    /// The first line is not a header.
    NoHeader(String),
    /// It was written in another format.
    Version(u32),
    /// A line can't be read.
    Line {
        /// Its number, from 1.
        number: usize,
        /// What is wrong with it.
        why: String,
    },
    /// Its sound is left out, in whole or in part.
    Partial,
    /// The changed settings can't be used.
    Settings(String),
}

impl std::fmt::Display for LogFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoHeader(why) => write!(f, "line 1 is not a call log's header: {why}"),
            Self::Version(version) => {
                write!(f, "the log has version {version}; this program reads version {VERSION}")
            }
            Self::Line { number, why } => write!(f, "line {number} can't be read: {why}"),
            Self::Partial => f.write_str(
                "the log holds no sound, or not all of it, since the caller had not agreed to be recorded or the \
                 recording was paused: it can be read, but not run again",
            ),
            Self::Settings(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for LogFault {}

/// Runs a log through the core. `change` may change the settings first; without a change the answers must be
/// the same. A last line that is cut off is left out and reported.
pub fn replay(
    log: &str,
    change: impl FnOnce(&mut Settings) -> Result<(), String>,
) -> Result<Replay, LogFault> {
    let mut lines = log.lines().enumerate();
    let first = lines.next().map_or("", |(_, line)| line);
    let HeaderLine { mut header } =
        serde_json::from_str(first).map_err(|error| LogFault::NoHeader(error.to_string()))?;
    if header.version != VERSION {
        return Err(LogFault::Version(header.version));
    }
    if header.partial {
        return Err(LogFault::Partial);
    }
    change(&mut header.settings).map_err(LogFault::Settings)?;
    let problems = header.settings.problems();
    if !problems.is_empty() {
        return Err(LogFault::Settings(problems.join("; ")));
    }
    let writer =
        LogWriter { audio: header.audio, hushed: false, answered: false, last_line: Tick::default() };
    let mut call = Call::new(Arc::new(header.settings), header.rate);
    let mut result = Replay::default();
    let mut pending: Option<(Tick, Vec<Value>)> = None;
    let mut out = Vec::new();
    for (index, line) in lines {
        let is_last = !log.ends_with('\n') && index + 1 == log.lines().count();
        match read_line(line) {
            Ok(Line::Output { t, out: was }) => {
                result.outputs += was.len();
                let now = pending.take().map_or_else(Vec::new, |(_, now)| now);
                compare(t, &was, &now, &mut result.differences);
            }
            Ok(Line::Input { t, input }) => {
                if let Some((at, now)) = pending.take() {
                    compare(at, &[], &now, &mut result.differences);
                }
                result.inputs += 1;
                out.clear();
                call.handle(t, input, &mut out);
                let now: Vec<Value> = out.iter().filter_map(|output| writer.output(output)).collect();
                pending = (!now.is_empty()).then_some((t, now));
            }
            Ok(Line::LeftOut) => return Err(LogFault::Partial),
            Err(_) if is_last => result.cut = true,
            Err(why) => return Err(LogFault::Line { number: index + 1, why }),
        }
    }
    if let Some((at, now)) = pending.filter(|_| !result.cut) {
        compare(at, &[], &now, &mut result.differences);
    }
    Ok(result)
}

enum Line {
    Input { t: Tick, input: Input },
    Output { t: Tick, out: Vec<Value> },
    LeftOut,
}

fn read_line(line: &str) -> Result<Line, String> {
    let value: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    if value.get("out").is_some() {
        let OutputLine { t, out } = serde_json::from_value(value).map_err(|error| error.to_string())?;
        return Ok(Line::Output { t, out });
    }
    if value.get("in").is_some_and(|input| input.get(LEFT_OUT).is_some()) {
        return Ok(Line::LeftOut);
    }
    if let Some(samples) = value.pointer("/in/samples").and_then(Value::as_u64) {
        let t = value.get("t").and_then(Value::as_u64).ok_or("no t")?;
        // A frame is never longer than a message may be: 1 MiB of base64.
        let pcm = Pcm::silence(samples.min(1 << 19) as usize);
        return Ok(Line::Input { t: Tick(t), input: Input::Carrier(CarrierEvent::Audio(pcm)) });
    }
    let InputLine { t, input } = serde_json::from_value(value).map_err(|error| error.to_string())?;
    Ok(Line::Input { t, input })
}

fn compare(at: Tick, was: &[Value], now: &[Value], differences: &mut Vec<Difference>) {
    if was == now {
        return;
    }
    let gone = was.iter().filter(|output| !now.contains(output)).cloned().collect::<Vec<_>>();
    let new = now.iter().filter(|output| !was.contains(output)).cloned().collect::<Vec<_>>();
    differences.push(Difference { at, was: gone, now: new });
}
