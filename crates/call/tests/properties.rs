//! Whatever happens in whatever order: no panic, at most one greeting, exactly one end and nothing after it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use audio::{Pcm, SampleRate, tone};
use call::{
    AgentKind, BUILTIN, Budget, COLLECT_DIGITS, Call, CarrierEvent, Dtmf, DtmfMode, END_CALL, Event, Failure,
    FailureThen, Fault, Filler, FillerKind, Heard, Input, Message, Output, RECORD_RESULT, SEND_DTMF,
    Settings, Speculate, SpeechId, StreamStart, TRANSFER, Thought, Tick, Tool, ToolAnswer, ToolCall, ToolId,
    Tools, Transfer, Turn, TurnEnd, TurnId, UtteranceId, Voiced,
};
use proptest::prelude::*;
use records::EndReason;

fn start() -> CarrierEvent {
    CarrierEvent::Start(Box::new(StreamStart {
        stream: "s".to_owned(),
        call: None,
        account: None,
        from: None,
        to: None,
        custom: BTreeMap::new(),
        rate: SampleRate::HZ_8000,
        least_chunk: None,
    }))
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("yes".to_owned()),
        Just("tell me. More and".to_owned()),
        any::<String>()
    ]
}

fn any_pcm() -> impl Strategy<Value = Pcm> {
    prop_oneof![
        (0usize..2_000).prop_map(Pcm::silence),
        // A buzz that voice activity takes for speech more often than not.
        (1u32..300).prop_map(|ms| tone(SampleRate::HZ_8000, 150.0, ms, -20.0)
            .iter()
            .map(|s| s.wrapping_mul(3))
            .collect()),
        proptest::collection::vec(any::<i16>(), 0..800).prop_map(Pcm::from),
    ]
}

fn any_carrier_event() -> impl Strategy<Value = CarrierEvent> {
    prop_oneof![
        Just(CarrierEvent::Connected),
        Just(start()),
        any_pcm().prop_map(CarrierEvent::Audio),
        any_pcm().prop_map(CarrierEvent::Audio),
        any_pcm().prop_map(CarrierEvent::Audio),
        prop_oneof![Just('5'), Just('#'), any::<char>()].prop_map(|digit| CarrierEvent::Dtmf { digit }),
        prop_oneof![
            Just("greeting_done".to_owned()),
            (0u32..9).prop_map(|n| format!("u{n}")),
            any::<String>()
        ]
        .prop_map(|name| CarrierEvent::Mark { name }),
        Just(CarrierEvent::Clear),
    ]
}

/// One of each kind: done by the call itself, declared with and without side effects, unknown.
fn any_tool_call() -> impl Strategy<Value = ToolCall> {
    let names = [END_CALL, TRANSFER, SEND_DTMF, COLLECT_DIGITS, RECORD_RESULT, "look_up", "book", "nothing"];
    let arguments = ["{}", "", "{\"digits\":\"12#x\",\"count\":2}", "{\"name\":\"a\",\"value\":7}"];
    (0..names.len(), 0..arguments.len(), 0u32..1000).prop_map(move |(name, given, id)| ToolCall {
        id: format!("call_{id}"),
        arguments: arguments[given].to_owned(),
        ..ToolCall::of(names[name])
    })
}

fn declared(name: &str, side_effects: bool) -> Tool {
    let (name, description) = (name.to_owned(), String::new());
    Tool { name, description, parameters: serde_json::json!({ "type": "object" }), side_effects }
}

fn any_settings() -> impl Strategy<Value = Settings> {
    let turn = (0..3usize, 0..3usize, any::<bool>(), any::<bool>());
    let rest = (0..3usize, any::<bool>(), 0..3usize, 1u32..4, any::<bool>(), any::<bool>());
    (any_agent(), turn, rest).prop_map(|(agent, turn, rest)| {
        let (end, speculate, adaptive, quick) = turn;
        let (dtmf, interrupts, then, after, budget, tone) = rest;
        Settings {
            agent,
            greeting: "Hello. How are you?".to_owned(),
            turn: Turn {
                end: [TurnEnd::Auto, TurnEnd::Own, TurnEnd::Vendor][end],
                speculate: [Speculate::Off, Speculate::Likely, Speculate::Pause][speculate],
                adaptive,
                stop_ms: if quick { 200 } else { 500 },
                end_silence_ms: if quick { 200 } else { 600 },
                ..Turn::default()
            },
            tools: Tools {
                builtin: BUILTIN.map(str::to_owned).to_vec(),
                max_steps: 2,
                declared: vec![declared("look_up", false), declared("book", true)].into(),
                transfer: match after {
                    1 => Transfer::default(),
                    _ => Transfer { to: vec!["sales".to_owned()], usual: "sales".to_owned() },
                },
            },
            dtmf: Dtmf {
                mode: [DtmfMode::Off, DtmfMode::Single, DtmfMode::Collect][dtmf],
                interrupts,
                ..Dtmf::default()
            },
            failure: Failure {
                then: [FailureThen::Stay, FailureThen::HangUp, FailureThen::Transfer][then],
                after,
            },
            budget: Budget { total_ms: if budget { 1_000 } else { 0 }, hurry_ms: 500 },
            filler: Filler {
                kind: if tone { FillerKind::Tone } else { FillerKind::Speech },
                ..Filler::default()
            },
            ..Settings::default()
        }
    })
}

/// Each tool's result stands behind the agent's message that asked for it, and each call has its result.
fn is_well_formed(messages: &[Message]) -> bool {
    let mut wanted: Vec<&str> = Vec::new();
    for message in messages {
        match message {
            Message::Agent { calls, .. } if wanted.is_empty() => {
                wanted = calls.iter().rev().map(|call| call.id.as_str()).collect();
            }
            Message::Tool { id, .. } if wanted.pop() == Some(id) => {}
            Message::Caller(_) if wanted.is_empty() => {}
            _ => return false,
        }
    }
    wanted.is_empty()
}

fn any_input() -> impl Strategy<Value = Input> {
    let heard = prop_oneof![
        any_text().prop_map(Heard::Partial),
        any_text().prop_map(Heard::Final),
        any_text().prop_map(Heard::Pause),
        any_text().prop_map(Heard::Likely),
        Just(Heard::GoesOn),
        any_text().prop_map(Heard::TurnOver),
        any_text().prop_map(|why| Heard::Lost(Fault::local(why))),
        any_text().prop_map(|why| Heard::Failed(Fault::local(why)))
    ];
    let thought = prop_oneof![
        any_text().prop_map(Thought::Delta),
        any_tool_call().prop_map(Thought::Tool),
        any_tool_call().prop_map(Thought::Tool),
        Just(Thought::Done),
        any_text().prop_map(|why| Thought::Failed(Fault::local(why)))
    ];
    let voiced = prop_oneof![
        any_pcm().prop_map(|pcm| Voiced::Audio { rate: SampleRate::HZ_16000, pcm }),
        any_pcm().prop_map(|pcm| Voiced::Audio { rate: SampleRate::HZ_8000, pcm }),
        Just(Voiced::Done),
        any_text().prop_map(|why| Voiced::Failed(Fault::local(why)))
    ];
    prop_oneof![
        8 => any_carrier_event().prop_map(Input::Carrier),
        2 => (0u32..6, heard).prop_map(|(speech, what)| Input::Heard { speech: SpeechId(speech), what }),
        3 => (0u32..6, thought).prop_map(|(turn, what)| Input::Thought { turn: TurnId(turn), what }),
        3 => (0u32..12, voiced).prop_map(|(id, what)| Input::Voiced { utterance: UtteranceId(id), what }),
        2 => (0u32..4, any_text()).prop_map(|(tool, text)| Input::Tool {
            tool: ToolId(tool),
            what: ToolAnswer::Result(text)
        }),
        1 => Just(Input::Reattached),
        1 => Just(Input::Detached { clean: false }),
        2 => Just(Input::Time),
    ]
}

fn any_agent() -> impl Strategy<Value = AgentKind> {
    prop_oneof![
        4 => Just(AgentKind::Assistant),
        1 => Just(AgentKind::Greeting),
        1 => Just(AgentKind::Beep),
        1 => Just(AgentKind::Echo),
        1 => Just(AgentKind::Silent),
    ]
}

fn any_end() -> impl Strategy<Value = Input> {
    prop_oneof![
        Just(Input::End(EndReason::Drained)),
        Just(Input::Detached { clean: true }),
        Just(Input::Carrier(CarrierEvent::Stop {
            reason: EndReason::CallerHungUp,
            word: "callended".to_owned()
        })),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_gives_at_most_one_greeting_and_exactly_one_end(
        settings in any_settings(),
        steps in proptest::collection::vec((0u64..1_500_000, any_input()), 0..120),
        end in any_end(),
    ) {
        let mut call = Call::new(Arc::new(settings), SampleRate::HZ_8000);
        let mut at = Tick(0);
        let mut out = Vec::new();
        let (mut greetings, mut ends) = (0, 0);
        let mut tools = BTreeSet::new();
        let after_the_end = [(1_000, end), (1_000, Input::Time), (0, Input::Carrier(start()))];
        for (wait, input) in steps.into_iter().chain(after_the_end) {
            at = Tick(at.0 + wait);
            out.clear();
            let over = call.is_over();
            let next = call.handle(at, input, &mut out);
            prop_assert!(!over || out.is_empty(), "after the end came {out:?}");
            prop_assert_eq!(call.is_over(), next.deadline.is_none());
            if let Some((due, timer)) = next.deadline {
                prop_assert!(due > at, "{timer:?} is due at {due}, now is {at}");
            }
            greetings += out.iter().filter(|output| matches!(output, Output::Event(Event::Greeting))).count();
            for output in &out {
                match output {
                    Output::RunTool { tool, .. } => prop_assert!(tools.insert(*tool), "{tool:?} ran twice"),
                    Output::StopTool(tool) => prop_assert!(tools.contains(tool)),
                    Output::Think { prompt, .. } => {
                        prop_assert!(is_well_formed(&prompt.messages), "{:?}", prompt.messages);
                    }
                    _ => {}
                }
            }
            ends += out.iter().filter(|output| matches!(output, Output::Ended { .. })).count();
        }
        prop_assert!(greetings <= 1);
        prop_assert_eq!(ends, 1);
    }
}
