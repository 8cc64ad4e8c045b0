//! What a fuzzer's bytes choose among: a call's settings, what is said, who is meant.

use audio::SampleRate;
use call::{
    AgentKind, AnsweringMachine, BUILTIN, BargeIn, Budget, CarrierEvent, Consent, Conversed, Dtmf, DtmfMode,
    Failure, FailureThen, Fault, Filler, FillerKind, Idle, ItemId, Limits, Playout, Recording, Settings,
    Speculate, Speech, StreamStart, Tool, ToolCall, Tools, Transfer, Turn, TurnEnd, Usage,
};

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

/// What a speech-to-speech agent may give.
pub(super) fn conversed(bytes: &mut Bytes<'_>) -> Conversed {
    let item = ItemId(u32::from(bytes.byte() % 8));
    match bytes.byte() % 16 {
        0..=4 => {
            let rate = bytes.pick([SampleRate::HZ_24000, SampleRate::HZ_8000]);
            let length_ms = u32::from(bytes.byte()) * 16;
            Conversed::Audio { item, rate, pcm: audio::tone(rate, 300.0, length_ms, -20.0) }
        }
        5 | 6 => Conversed::Text { item, text: bytes.pick(TEXTS).to_owned() },
        7 => Conversed::ItemDone(item),
        8 | 9 => Conversed::Done(Usage::default()),
        10 => Conversed::SpeechStarted,
        11 => Conversed::SpeechStopped,
        12 => Conversed::CallerSaid(bytes.pick(TEXTS).to_owned()),
        13 | 14 => Conversed::Tool(tool_call(bytes, 1)),
        // What would end nearly every run at once if it came as often as the rest.
        _ if bytes.byte() < 8 => Conversed::Failed(Fault::slow()),
        _ => Conversed::Ready,
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
        least_chunk: None,
    }
}

/// A tool call: one of those that the call does itself, one that is declared, or one that there is not.
pub(super) fn tool_call(bytes: &mut Bytes<'_>, id: usize) -> ToolCall {
    let name = bytes.pick([
        BUILTIN[0],
        BUILTIN[1],
        BUILTIN[2],
        BUILTIN[3],
        BUILTIN[4],
        "look_up",
        "book",
        "there_is_none",
    ]);
    let arguments = bytes.pick(["{}", "", "{\"digits\":\"1#\",\"count\":2}", "{\"name\":\"a\",\"value\":1}"]);
    ToolCall { id: format!("call_{id}"), arguments: arguments.to_owned(), ..ToolCall::of(name) }
}

fn tools() -> Tools {
    let declared = |name: &str, side_effects: bool| Tool {
        name: name.to_owned(),
        description: String::new(),
        parameters: serde_json::Value::Null,
        side_effects,
    };
    Tools {
        builtin: BUILTIN.map(str::to_owned).to_vec(),
        max_steps: 2,
        declared: vec![declared("look_up", false), declared("book", true)].into(),
        transfer: Transfer { to: vec!["sales".to_owned()], usual: "sales".to_owned() },
    }
}

/// A call's settings: mostly a conversation, and limits short enough that a run reaches them.
pub(super) fn settings(bytes: &mut Bytes<'_>) -> Settings {
    let assistant = (AgentKind::Assistant, false);
    let (agent, speech_to_speech) = bytes.pick([
        assistant,
        assistant,
        assistant,
        (AgentKind::Assistant, true),
        (AgentKind::Greeting, false),
        (AgentKind::Beep, false),
        (AgentKind::Echo, false),
        (AgentKind::Silent, false),
    ]);
    let flags = bytes.byte();
    let flag = |bit: u8| flags & (1 << bit) != 0;
    Settings {
        agent,
        speech_to_speech,
        greeting: if flag(0) { String::new() } else { "Hello. How can I help?".to_owned() },
        answering_machine: match flags {
            250.. => AnsweringMachine::HangUp,
            200..250 => AnsweringMachine::Message,
            _ => AnsweringMachine::Talk,
        },
        machine_message: "Please call us back. Goodbye.".to_owned(),
        barge_in: BargeIn {
            enabled: !flag(1),
            min_speech_ms: if flag(2) { 0 } else { 300 },
            protect_ms: if flag(3) { 0 } else { 200 },
            resume_ms: if flag(4) { 0 } else { 1000 },
            ..BargeIn::default()
        },
        turn: Turn {
            longest_ms: if flag(5) { 500 } else { 10_000 },
            end: bytes.pick([TurnEnd::Auto, TurnEnd::Own, TurnEnd::Vendor]),
            speculate: bytes.pick([Speculate::Off, Speculate::Likely, Speculate::Pause]),
            ..Turn::default()
        },
        tools: tools(),
        speech: Speech { first_clause_chars: bytes.pick([0, 10]), ..Speech::default() },
        filler: Filler {
            kind: bytes.pick([FillerKind::Speech, FillerKind::Tone, FillerKind::Off]),
            after_ms: 300,
            ..Filler::default()
        },
        budget: Budget { total_ms: bytes.pick([0, 700]), hurry_ms: bytes.pick([0, 500]) },
        dtmf: Dtmf {
            mode: bytes.pick([DtmfMode::Off, DtmfMode::Single, DtmfMode::Collect]),
            longest: 3,
            ..Dtmf::default()
        },
        recording: Recording {
            // Of bits that are there already, so that older inputs keep their meaning.
            consent: match flags & 0b1010_1000 {
                0b1010_1000 => Consent::Ask,
                0b0010_1000 => Consent::Announce,
                0b1000_1000 => Consent::Off,
                _ => Consent::None,
            },
            wait_ms: 1_000,
            ..Recording::default()
        },
        failure: Failure {
            then: bytes.pick([
                FailureThen::Stay,
                FailureThen::Stay,
                FailureThen::HangUp,
                FailureThen::Transfer,
            ]),
            after: 2,
        },
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
