//! What a fuzzer's bytes choose among: a call's settings, what is said, who is meant.

use audio::SampleRate;
use call::{AgentKind, BargeIn, CarrierEvent, Idle, Limits, Playout, Settings, StreamStart, Turn};

use super::super::bytes::Bytes;

/// What may be said, by callers, recognisers and models.
pub(super) const TEXTS: [&str; 8] = [
    "",
    "yes",
    "what are your opening hours",
    "One. Two! Three? Four, five; six",
    "हाँ जी, ठीक है।",
    "I want to",
    ".",
    "a very long sentence without any end that goes on and on and on and on, and on, and so on and so forth and \
     then some more, and on",
];

/// An event of the carrier that says nothing but itself.
#[derive(Clone, Copy)]
pub(super) enum CarrierKind {
    Connected,
    Clear,
}

impl From<CarrierKind> for CarrierEvent {
    fn from(kind: CarrierKind) -> Self {
        match kind {
            CarrierKind::Connected => Self::Connected,
            CarrierKind::Clear => Self::Clear,
        }
    }
}

/// One of what was asked for, kept or taken out, by choice.
pub(super) fn one_of<T: Copy>(asked: &mut Vec<T>, bytes: &mut Bytes<'_>) -> Option<T> {
    let choice = bytes.byte();
    if asked.is_empty() || choice == 255 {
        return None;
    }
    let index = usize::from(choice >> 1) % asked.len();
    Some(if choice & 1 == 0 { asked[index] } else { asked.remove(index) })
}

/// A stream's start that says only its rate.
pub(super) fn start(rate: SampleRate) -> StreamStart {
    StreamStart {
        stream: "s".to_owned(),
        call: None,
        account: None,
        from: None,
        to: None,
        custom: std::collections::BTreeMap::new(),
        rate,
    }
}

/// A call's settings: mostly a conversation, and limits short enough that a run reaches them.
pub(super) fn settings(bytes: &mut Bytes<'_>) -> Settings {
    let listening = AgentKind::Assistant;
    let agent = bytes.pick([
        listening,
        listening,
        listening,
        listening,
        AgentKind::Greeting,
        AgentKind::Beep,
        AgentKind::Echo,
        AgentKind::Silent,
    ]);
    let flags = bytes.byte();
    let flag = |bit: u8| flags & (1 << bit) != 0;
    Settings {
        agent,
        greeting: if flag(0) { String::new() } else { "Hello. How can I help?".to_owned() },
        barge_in: BargeIn {
            enabled: !flag(1),
            min_speech_ms: if flag(2) { 0 } else { 300 },
            protect_ms: if flag(3) { 0 } else { 200 },
            resume_ms: if flag(4) { 0 } else { 1000 },
            ..BargeIn::default()
        },
        turn: Turn { longest_ms: if flag(5) { 500 } else { 10_000 }, ..Turn::default() },
        idle: Idle {
            prompt_after_ms: if flag(6) { 0 } else { 2_000 },
            hang_up_after_ms: if flag(7) { 0 } else { 5_000 },
            ..Idle::default()
        },
        limits: Limits { max_call_ms: 30_000, history_messages: 6, ..Limits::default() },
        playout: Playout {
            chunk_bytes: bytes.pick([3200, 320, 640, 1600, 9600]),
            lead_ms: bytes.pick([400, 0, 1, 100, 2000]),
        },
        ..Settings::default()
    }
}
