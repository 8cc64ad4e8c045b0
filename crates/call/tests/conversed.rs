//! Whatever a speech-to-speech agent gives, in whatever order: no panic, at most one greeting, exactly one end,
//! no audio beyond the lead, nothing cut that was not begun, and never more heard of an item than came of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use audio::{Pcm, SampleRate, tone};
use call::{
    AgentKind, Call, CarrierEvent, Converse, Conversed, END_CALL, Event, Fault, Input, ItemId, Output,
    Settings, StreamStart, Tick, ToCarrier, ToolAnswer, ToolCall, ToolId, Usage, UtteranceId, Voiced,
};
use proptest::prelude::*;
use records::EndReason;

const RATE: SampleRate = SampleRate::HZ_8000;

fn start() -> Input {
    Input::Carrier(CarrierEvent::Start(Box::new(StreamStart {
        stream: "s".to_owned(),
        call: None,
        account: None,
        from: None,
        to: None,
        custom: BTreeMap::new(),
        rate: RATE,
        least_chunk: None,
    })))
}

fn any_item() -> impl Strategy<Value = ItemId> {
    prop_oneof![6 => 0u32..8, 1 => any::<u32>()].prop_map(ItemId)
}

fn any_conversed() -> impl Strategy<Value = Conversed> {
    let audio = (any_item(), 0u32..3_000, any::<bool>()).prop_map(|(item, length_ms, fast)| {
        let rate = if fast { SampleRate::HZ_24000 } else { RATE };
        Conversed::Audio { item, rate, pcm: tone(rate, 300.0, length_ms, -20.0) }
    });
    prop_oneof![
        6 => audio,
        3 => (any_item(), any::<String>()).prop_map(|(item, text)| Conversed::Text { item, text }),
        2 => any_item().prop_map(Conversed::ItemDone),
        2 => Just(Conversed::Done(Usage::default())),
        1 => Just(Conversed::Ready),
        2 => Just(Conversed::SpeechStarted),
        2 => Just(Conversed::SpeechStopped),
        2 => any::<String>().prop_map(Conversed::CallerSaid),
        1 => Just(Conversed::Tool(ToolCall::of(END_CALL))),
        1 => any::<String>().prop_map(|name| Conversed::Tool(ToolCall::of(&name))),
        1 => Just(Conversed::Failed(Fault::slow())),
        1 => Just(Conversed::NeverDone),
        2 => Just(Conversed::Interrupted),
        1 => any::<String>().prop_map(Conversed::Corrected),
        1 => Just(Conversed::Ending),
        1 => Just(Conversed::Over),
        1 => Just(Conversed::Reopened),
    ]
}

fn any_carrier() -> impl Strategy<Value = CarrierEvent> {
    let buzz = || tone(RATE, 150.0, 200, -20.0).iter().map(|sample| sample.wrapping_mul(3)).collect::<Pcm>();
    let mark = prop_oneof![Just("greeting_done".to_owned()), (0u32..9).prop_map(|n| format!("u{n}"))];
    prop_oneof![
        2 => Just(CarrierEvent::Audio(buzz())),
        2 => (0usize..4_000).prop_map(|length| CarrierEvent::Audio(Pcm::silence(length))),
        2 => mark.prop_map(|name| CarrierEvent::Mark { name }),
        1 => Just(CarrierEvent::Dtmf { digit: '5' }),
        1 => Just(CarrierEvent::Clear),
    ]
}

fn any_input() -> impl Strategy<Value = Input> {
    let tool = prop_oneof![
        any::<String>().prop_map(ToolAnswer::Result),
        any::<String>().prop_map(ToolAnswer::Failed)
    ];
    let voiced = prop_oneof![
        (1u32..500).prop_map(|ms| Voiced::Audio { rate: RATE, pcm: tone(RATE, 300.0, ms, -20.0) }),
        Just(Voiced::Done),
        Just(Voiced::Failed(Fault::slow())),
    ];
    prop_oneof![
        12 => any_conversed().prop_map(Input::Conversed),
        5 => any_carrier().prop_map(Input::Carrier),
        1 => (0u32..4, tool).prop_map(|(tool, what)| Input::Tool { tool: ToolId(tool), what }),
        1 => (0u32..12, voiced).prop_map(|(id, what)| Input::Voiced { utterance: UtteranceId(id), what }),
        1 => Just(Input::Reattached),
        1 => Just(Input::Detached { clean: false }),
        3 => Just(Input::Time),
    ]
}

/// What came of each item and what was said about it.
#[derive(Default)]
struct Books {
    came_ms: BTreeMap<u32, u64>,
    cut: BTreeSet<u32>,
    free: u64,
}

impl Books {
    fn note(&mut self, input: &Input) {
        if let Input::Conversed(Conversed::Audio { item: ItemId(item), rate, pcm }) = input {
            *self.came_ms.entry(*item).or_default() += rate.micros(pcm.len()) / 1000 + 1;
        }
    }

    fn check(&mut self, at: Tick, output: &Output, lead_us: u64) -> Result<(), TestCaseError> {
        match output {
            Output::Converse(Converse::Cut { item: ItemId(item), heard_ms }) => {
                prop_assert!(self.cut.insert(*item), "item {item} is cut twice");
                let came = self.came_ms.get(item).copied().unwrap_or_default();
                prop_assert!(*heard_ms <= came, "{heard_ms} ms of {came} ms of item {item}");
            }
            Output::Carrier(ToCarrier::Media { pcm, .. }) => {
                self.free = self.free.max(at.0) + RATE.micros(pcm.len());
                prop_assert!(self.free - at.0 <= lead_us + 1_000, "{} us ahead", self.free - at.0);
            }
            Output::Carrier(ToCarrier::Clear) | Output::Event(Event::Reattached { .. }) => self.free = at.0,
            _ => {}
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_agent_leaves_a_call_in_order(
        enabled in any::<bool>(),
        falls_back in any::<bool>(),
        greeting in prop_oneof![Just(""), Just("Hello. How are you?")],
        steps in proptest::collection::vec((0u64..1_500_000, any_input()), 0..120),
    ) {
        let mut settings = Settings {
            agent: AgentKind::Assistant,
            speech_to_speech: true,
            speech_to_speech_fallback: falls_back,
            greeting: greeting.to_owned(),
            ..Settings::default()
        };
        settings.barge_in.enabled = enabled;
        let lead_us = settings.playout.lead_ms * 1000;
        let mut call = Call::new(Arc::new(settings), RATE);
        let (mut at, mut out, mut books) = (Tick(0), Vec::new(), Books::default());
        let (mut greetings, mut ends, mut models, mut replaced) = (0, 0, 0, 0);
        let end = [(1_000, Input::End(EndReason::Drained)), (1_000, Input::Time)];
        for (wait, input) in [(0, start())].into_iter().chain(steps).chain(end) {
            at = Tick(at.0 + wait);
            books.note(&input);
            out.clear();
            let over = call.is_over();
            let next = call.handle(at, input, &mut out);
            prop_assert!(!over || out.is_empty(), "after the end came {out:?}");
            if let Some((due, timer)) = next.deadline {
                prop_assert!(due > at, "{timer:?} is due at {due}, now is {at}");
            }
            for output in &out {
                books.check(at, output, lead_us)?;
                greetings += usize::from(matches!(output, Output::Event(Event::Greeting)));
                ends += usize::from(matches!(output, Output::Ended { .. }));
                replaced += usize::from(matches!(output, Output::Event(Event::AgentReplaced)));
                if replaced > 0 {
                    prop_assert!(!matches!(output, Output::Converse(_)), "the agent is gone");
                    continue;
                }
                models += usize::from(matches!(output, Output::Think { .. } | Output::Listen(_)));
            }
        }
        prop_assert!(greetings <= 1);
        prop_assert!(replaced <= usize::from(falls_back));
        prop_assert_eq!((ends, models), (1, 0));
    }
}
