//! What the data plane counts. Names and labels are made once; a call adds up its frames itself and hands the
//! sums over now and then, so that no frame costs a look-up.

use std::time::Duration;

use carriers::Carrier;
use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram,
};
use metrics::{gauge, histogram};
use providers::Role;
use records::{Direction, EndReason, TurnLatency};

use crate::keeper::Serving;

const DIRECTIONS: [Direction; 2] = [Direction::Inbound, Direction::Outbound];

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
    active: [[Gauge; DIRECTIONS.len()]; Carrier::ALL.len()],
    setup: Histogram,
    stages: [(Histogram, Part); STAGES.len()],
    carrier: Histogram,
    clear: Histogram,
    lateness: Histogram,
    overruns: Counter,
    panics: Counter,
    incoming: [Counter; IN.len()],
    outgoing: [Counter; OUT.len()],
}

/// A part of a turn's latency in microseconds.
type Part = fn(&TurnLatency) -> u64;

/// The stages that are ours.
const STAGES: [(&str, Part); 6] = [
    ("endpoint", |parts| parts.endpoint_us),
    ("tool", |parts| parts.tool_us),
    ("sentence", |parts| parts.sentence_us),
    ("voice_asked", |parts| parts.queue_us),
    ("first_audio", |parts| parts.send_us),
    ("e2e", |parts| parts.total_us),
];
/// The stages that are a vendor's.
const VENDOR_STAGES: [(&str, Role, Part); 3] = [
    ("stt", Role::SpeechToText, |parts| parts.transcript_us),
    ("llm_first_token", Role::LanguageModel, |parts| parts.model_us),
    ("tts_first_byte", Role::TextToSpeech, |parts| parts.voice_us),
];

impl Metrics {
    /// Makes the handles with the recorder that is installed now.
    pub(crate) fn new() -> Self {
        describe();
        Self {
            active: Carrier::ALL.map(|carrier| DIRECTIONS.map(|direction| active(carrier, direction))),
            setup: histogram!("trunkline_call_setup_seconds"),
            stages: STAGES
                .map(|(stage, part)| (histogram!("trunkline_turn_latency_seconds", "stage" => stage), part)),
            carrier: histogram!("trunkline_turn_latency_seconds", "stage" => "carrier"),
            clear: histogram!("trunkline_barge_in_clear_seconds"),
            lateness: histogram!("trunkline_frame_lateness_seconds"),
            overruns: counter!("trunkline_buffer_overrun_total"),
            panics: counter!("trunkline_call_panics_total"),
            incoming: IN.map(|event| counter!("trunkline_ws_frames_total", "dir" => "in", "event" => event)),
            outgoing: OUT
                .map(|event| counter!("trunkline_ws_frames_total", "dir" => "out", "event" => event)),
        }
    }

    pub(crate) fn began(&self, carrier: Carrier, direction: Direction) {
        self.active[carrier as usize][direction as usize].increment(1.0);
    }

    pub(crate) fn ended(&self, carrier: Carrier, direction: Direction, reason: EndReason) {
        self.active[carrier as usize][direction as usize].decrement(1.0);
        let labels = [
            ("carrier", carrier.as_str()),
            ("direction", direction.as_str()),
            ("end_reason", reason.as_str()),
        ];
        counter!("trunkline_calls_total", &labels).increment(1);
    }

    pub(crate) fn answered(&self, after: Duration) {
        self.setup.record(after);
    }

    /// An answer is heard. `serving` says whose part each vendor's stage is; at most a few a minute and call.
    pub(crate) fn turn(&self, parts: &TurnLatency, serving: &Serving) {
        for (histogram, part) in &self.stages {
            histogram.record(Duration::from_micros(part(parts)));
        }
        for (stage, role, part) in VENDOR_STAGES {
            let provider = serving.get(&role).map_or("none", |served| vendor(served)).to_owned();
            histogram!("trunkline_turn_latency_seconds", "stage" => stage, "provider" => provider)
                .record(Duration::from_micros(part(parts)));
        }
    }

    /// The carrier's leg of an answer is known.
    pub(crate) fn carrier(&self, took: Duration) {
        self.carrier.record(took);
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

    /// A call's request to a role is answered, or nobody could answer it. At most a few a turn.
    pub(crate) fn provider(&self, vendor: Option<&str>, kind: &'static str, failed: bool) {
        let provider = vendor.unwrap_or("none").to_owned();
        let outcome = if failed { "failed" } else { "ok" };
        counter!("trunkline_role_answers_total", "provider" => provider, "kind" => kind, "outcome" => outcome)
            .increment(1);
    }
}

fn active(carrier: Carrier, direction: Direction) -> Gauge {
    gauge!("trunkline_calls_active", "carrier" => carrier.as_str(), "direction" => direction.as_str())
}

/// The vendor's name in `vendor (transport)`.
fn vendor(served: &str) -> &str {
    served.split(" (").next().unwrap_or(served)
}

/// What became of vendors that were opened ahead of a call.
pub(crate) fn prepared(outcome: &'static str) {
    counter!("trunkline_prepared_total", "outcome" => outcome).increment(1);
}

/// A carrier's webhook was refused for its signature: there is none, or it is wrong.
pub(crate) fn webhook_refused(carrier: Carrier, missing: bool) {
    let reason = if missing { "no_signature" } else { "wrong_signature" };
    counter!("trunkline_webhooks_refused_total", "carrier" => carrier.as_str(), "reason" => reason)
        .increment(1);
}

/// The leg is over that a call was handed on to.
pub(crate) fn handed_on(carrier: Carrier, outcome: &'static str) {
    counter!("trunkline_transfers_total", "carrier" => carrier.as_str(), "outcome" => outcome).increment(1);
}

/// A connection or an upgrade was refused.
pub(crate) fn rejected(reason: &'static str) {
    counter!("trunkline_ws_rejected_total", "reason" => reason).increment(1);
}

fn describe() {
    describe_gauge!("trunkline_calls_active", Unit::Count, "Calls that run now.");
    describe_counter!(
        "trunkline_transfers_total",
        Unit::Count,
        "Calls that were handed on, by how that went."
    );
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
    describe_counter!(
        "trunkline_webhooks_refused_total",
        Unit::Count,
        "Webhooks of carriers that were refused, by why."
    );
    describe_counter!("trunkline_tool_runs_total", Unit::Count, "Tools that ran, by how it went.");
    describe_histogram!("trunkline_tool_seconds", Unit::Seconds, "How long tools took.");
    describe_counter!(
        "trunkline_voice_cache_total",
        Unit::Count,
        "Fixed sentences, by whether they were in memory."
    );
    describe_gauge!("trunkline_voice_cache_bytes", Unit::Bytes, "Audio of fixed sentences in memory.");
    describe_counter!(
        "trunkline_role_answers_total",
        Unit::Count,
        "What calls got of each role, after every other vendor was tried."
    );
}
