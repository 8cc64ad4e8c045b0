//! What the data plane counts. Names and labels are made once; a call adds up its frames itself and hands the
//! sums over now and then, so that no frame costs a look-up.

use std::time::Duration;

use call::TurnId;
use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram,
};
use metrics::{gauge, histogram};
use records::{EndReason, TurnLatency};

/// Kinds of messages, in the order of the counters.
const IN: [&str; 8] = ["connected", "start", "media", "dtmf", "mark", "clear", "stop", "other"];
const OUT: [&str; 3] = ["media", "mark", "clear"];

/// A message that came in.
#[derive(Debug, Clone, Copy)]
pub(crate) enum In {
    Connected,
    Start,
    Media,
    Dtmf,
    Mark,
    Clear,
    Stop,
    Other,
}

/// A message that went out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Out {
    Media,
    Mark,
    Clear,
}

/// Frames that one call has counted and not handed over yet.
#[derive(Debug, Default)]
pub(crate) struct FrameCounts {
    incoming: [u32; IN.len()],
    outgoing: [u32; OUT.len()],
}

impl FrameCounts {
    pub(crate) const fn came(&mut self, kind: In) {
        self.incoming[kind as usize] += 1;
    }

    pub(crate) const fn went(&mut self, kind: Out) {
        self.outgoing[kind as usize] += 1;
    }
}

/// Handles of all series whose labels are known beforehand.
pub(crate) struct Metrics {
    active: Gauge,
    setup: Histogram,
    stages: [(Histogram, Stage); STAGES.len()],
    clear: Histogram,
    lateness: Histogram,
    overruns: Counter,
    panics: Counter,
    incoming: [Counter; IN.len()],
    outgoing: [Counter; OUT.len()],
}

type Stage = fn(&TurnLatency) -> u64;

const STAGES: [(&str, Stage); 9] = [
    ("endpoint", |parts| parts.endpoint_us),
    ("stt", |parts| parts.transcript_us),
    ("llm_first_token", |parts| parts.model_us),
    ("tool", |parts| parts.tool_us),
    ("sentence", |parts| parts.sentence_us),
    ("voice_asked", |parts| parts.queue_us),
    ("tts_first_byte", |parts| parts.voice_us),
    ("first_audio", |parts| parts.send_us),
    ("e2e", |parts| parts.total_us),
];

impl Metrics {
    /// Makes the handles with the recorder that is installed now.
    pub(crate) fn new() -> Self {
        describe();
        Self {
            active: gauge!("trunkline_calls_active", "carrier" => "exotel", "direction" => "inbound"),
            setup: histogram!("trunkline_call_setup_seconds"),
            stages: STAGES
                .map(|(stage, part)| (histogram!("trunkline_turn_latency_seconds", "stage" => stage), part)),
            clear: histogram!("trunkline_barge_in_clear_seconds"),
            lateness: histogram!("trunkline_frame_lateness_seconds"),
            overruns: counter!("trunkline_buffer_overrun_total"),
            panics: counter!("trunkline_call_panics_total"),
            incoming: IN.map(|event| counter!("trunkline_ws_frames_total", "dir" => "in", "event" => event)),
            outgoing: OUT
                .map(|event| counter!("trunkline_ws_frames_total", "dir" => "out", "event" => event)),
        }
    }

    pub(crate) fn began(&self) {
        self.active.increment(1.0);
    }

    pub(crate) fn ended(&self, reason: EndReason) {
        self.active.decrement(1.0);
        let labels = [("carrier", "exotel"), ("direction", "inbound"), ("end_reason", reason.as_str())];
        counter!("trunkline_calls_total", &labels).increment(1);
    }

    pub(crate) fn answered(&self, after: Duration) {
        self.setup.record(after);
    }

    pub(crate) fn turn(&self, _: TurnId, parts: &TurnLatency) {
        for (histogram, part) in &self.stages {
            histogram.record(Duration::from_micros(part(parts)));
        }
    }

    pub(crate) fn cleared(&self, after: Duration) {
        self.clear.record(after);
    }

    pub(crate) fn late(&self, by: Duration) {
        self.lateness.record(by);
    }

    pub(crate) fn panicked(&self) {
        self.panics.increment(1);
    }

    /// Takes a call's sums over.
    pub(crate) fn frames(&self, counts: &mut FrameCounts, overruns: u64) {
        for (counter, count) in self.incoming.iter().zip(counts.incoming) {
            counter.increment(u64::from(count));
        }
        for (counter, count) in self.outgoing.iter().zip(counts.outgoing) {
            counter.increment(u64::from(count));
        }
        self.overruns.increment(overruns);
        *counts = FrameCounts::default();
    }

    /// A request to a vendor is answered. At most a few a turn.
    pub(crate) fn provider(&self, vendor: Option<&str>, kind: &'static str, failed: bool) {
        let provider = vendor.unwrap_or("none").to_owned();
        let outcome = if failed { "failed" } else { "ok" };
        counter!("trunkline_provider_requests_total", "provider" => provider, "kind" => kind, "outcome" => outcome)
            .increment(1);
    }
}

/// What became of vendors that were opened ahead of a call.
pub(crate) fn prepared(outcome: &'static str) {
    counter!("trunkline_prepared_total", "outcome" => outcome).increment(1);
}

/// A connection or an upgrade was refused.
pub(crate) fn rejected(reason: &'static str) {
    counter!("trunkline_ws_rejected_total", "reason" => reason).increment(1);
}

fn describe() {
    describe_gauge!("trunkline_calls_active", Unit::Count, "Calls that run now.");
    describe_counter!("trunkline_calls_total", Unit::Count, "Calls that ended, by reason.");
    describe_histogram!(
        "trunkline_call_setup_seconds",
        Unit::Seconds,
        "From the socket's opening to the answer."
    );
    describe_histogram!(
        "trunkline_turn_latency_seconds",
        Unit::Seconds,
        "From the caller's last word to the agent's first, whole (e2e) and by step."
    );
    describe_histogram!(
        "trunkline_barge_in_clear_seconds",
        Unit::Seconds,
        "From the decision that the caller interrupts to the clear on the wire."
    );
    describe_histogram!(
        "trunkline_frame_lateness_seconds",
        Unit::Seconds,
        "How much later than due a chunk was handed to the carrier."
    );
    describe_counter!(
        "trunkline_buffer_overrun_total",
        Unit::Count,
        "Frames that a full queue to a recogniser lost."
    );
    describe_counter!("trunkline_call_panics_total", Unit::Count, "Calls that a fault of ours ended.");
    describe_counter!("trunkline_ws_frames_total", Unit::Count, "Messages on media sockets.");
    describe_counter!("trunkline_ws_rejected_total", Unit::Count, "Connections and upgrades refused.");
    describe_counter!(
        "trunkline_prepared_total",
        Unit::Count,
        "Vendors opened when a call was announced, by what became of them."
    );
    describe_counter!("trunkline_provider_requests_total", Unit::Count, "Requests to vendors that ended.");
}
