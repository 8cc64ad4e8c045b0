//! The core of a call under any sequence of inputs at any moments.

mod choices;

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock};

use audio::{Pcm, SampleRate, tone};
use call::log::{LogFault, LogWriter, replay};
use call::{
    AgentKind, Call, CarrierEvent, Consent, Event, Fault, Heard, Input, Listen, Message, Next, Output,
    Playout, RecordState, Settings, SpeechId, Thought, Tick, ToCarrier, ToolAnswer, ToolId, TurnId,
    UtteranceId, Voiced,
};
use records::{AnsweredBy, EndReason};

use super::bytes::Bytes;
use choices::{CarrierKind, TEXTS, one_of, settings, start, tool_call};

/// Someone speaking, so that voice activity has something to find.
static SPEECH: LazyLock<Vec<i16>> = LazyLock::new(|| {
    let file = include_bytes!("../../crates/audio/tests/fixtures/speech.wav");
    audio::wav::read(file).expect("the fixture is a WAV file").samples
});
/// More inputs than this teach nothing new and cost time.
const MOST_STEPS: usize = 600;

/// Whatever happens: no panic, at most one greeting, exactly one end and nothing after it, audio never further ahead
/// of the caller than the lead, nothing for a carrier that is gone, every wait bounded, and the log of it all runs to
/// the same answers again.
pub fn call_core(data: &[u8]) {
    let mut bytes = Bytes(data);
    let mut world = World::new(&mut bytes);
    world.give(Input::Time);
    for _ in 0..MOST_STEPS {
        let Some(op) = bytes.next() else { break };
        world.step(op, &mut bytes);
    }
    world.finish();
}

struct World {
    call: Call,
    settings: Settings,
    rate: SampleRate,
    at: Tick,
    next: Next,
    spoken: usize,
    asked: Asked,
    seen: Seen,
    writer: LogWriter,
    log: Vec<u8>,
}

/// What the call has asked for and was not given yet.
#[derive(Default)]
struct Asked {
    voices: Vec<UtteranceId>,
    turns: Vec<TurnId>,
    speeches: Vec<SpeechId>,
    marks: VecDeque<String>,
    tools: Vec<ToolId>,
}

/// What the call has done so far.
#[derive(Default)]
struct Seen {
    answered: usize,
    greetings: usize,
    ended: usize,
    detached: bool,
    last_utterance: Option<UtteranceId>,
    last_tool: Option<ToolId>,
    tool_calls: usize,
    hushed: bool,
}

impl World {
    fn new(bytes: &mut Bytes<'_>) -> Self {
        let rate = bytes.pick([SampleRate::HZ_8000, SampleRate::HZ_16000, SampleRate::HZ_24000]);
        let settings = settings(bytes);
        let mut log = Vec::new();
        let writer = LogWriter::new(&settings);
        writer.header(&mut log, &settings, rate);
        Self {
            call: Call::new(Arc::new(settings.clone()), rate),
            settings,
            rate,
            at: Tick::default(),
            next: Next { deadline: None },
            spoken: 0,
            asked: Asked::default(),
            seen: Seen::default(),
            writer,
            log,
        }
    }

    fn step(&mut self, op: u8, bytes: &mut Bytes<'_>) {
        const LENGTHS_US: [u64; 14] = [
            0, 0, 1, 1_000, 5_000, 20_000, 20_000, 20_000, 40_000, 100_000, 200_000, 500_000, 1_000_000,
            2_500_000,
        ];
        match usize::from(op >> 4) {
            // The shell was asleep and missed its timers.
            14 => self.at.0 += 300_000,
            15 => self.at.0 += 3_000_000,
            length => self.advance(LENGTHS_US[length]),
        }
        match op & 15 {
            0 => {
                let pcm = self.caller_audio(bytes);
                self.give(Input::Carrier(CarrierEvent::Audio(pcm)));
            }
            1 => self.speak_for(bytes.byte() % 64),
            2 => self.silent_for(bytes.byte() % 128),
            3 => self.give(Input::Carrier(CarrierEvent::Start(Box::new(start(self.rate))))),
            4 => {
                let event = bytes.pick([CarrierKind::Connected, CarrierKind::Connected, CarrierKind::Clear]);
                self.give(Input::Carrier(event.into()));
            }
            5 => self.give(Input::Carrier(CarrierEvent::Dtmf { digit: bytes.pick(['0', '5', '#', '*']) })),
            6 => self.mark(bytes),
            7 => self.rarely(
                bytes,
                Input::Carrier(CarrierEvent::Stop {
                    reason: EndReason::CallerHungUp,
                    word: "callended".to_owned(),
                }),
            ),
            8 => self.give(Input::Detached { clean: bytes.byte() == 255 }),
            9 if bytes.byte() >= 224 => {
                let by = bytes.pick([AnsweredBy::Human, AnsweredBy::Machine, AnsweredBy::MachineBeep]);
                self.give(Input::AnsweredBy(by));
            }
            9 => self.give(Input::Reattached),
            10 | 11 if self.settings.converses() => {
                let what = choices::conversed(bytes);
                self.give(Input::Conversed(what));
            }
            10 => self.heard(bytes),
            11 => self.thought(bytes),
            12 | 13 => self.voiced(bytes),
            14 => self.answer_all(),
            _ => self.rarely(bytes, Input::End(EndReason::Drained)),
        }
    }

    /// What would end nearly every run at once if it came as often as the rest.
    fn rarely(&mut self, bytes: &mut Bytes<'_>, input: Input) {
        let input = if bytes.byte() < 8 { input } else { Input::Time };
        self.give(input);
    }

    fn caller_audio(&mut self, bytes: &mut Bytes<'_>) -> Pcm {
        let samples = bytes.pick([0, 1, 7, 160, 160, 320, 480, 1600, 4000]);
        match bytes.byte() % 4 {
            0 => Pcm::silence(samples),
            1 => self.speech_samples(samples),
            2 => (0..samples).map(|at| if at % 2 == 0 { i16::MAX } else { i16::MIN }).collect(),
            _ => (0..samples).map(|at| (at as i16).wrapping_mul(31_415)).collect(),
        }
    }

    fn speech_samples(&mut self, samples: usize) -> Pcm {
        let from = self.spoken % SPEECH.len();
        self.spoken += samples;
        SPEECH.iter().cycle().skip(from).take(samples).copied().collect()
    }

    fn speak_for(&mut self, frames: u8) {
        for _ in 0..frames {
            self.advance(20_000);
            let pcm = self.speech_samples(self.rate.samples(20_000));
            self.give(Input::Carrier(CarrierEvent::Audio(pcm)));
        }
    }

    fn silent_for(&mut self, frames: u8) {
        for _ in 0..frames {
            self.advance(20_000);
            self.give(Input::Carrier(CarrierEvent::Audio(Pcm::silence(self.rate.samples(20_000)))));
        }
    }

    fn mark(&mut self, bytes: &mut Bytes<'_>) {
        let name = match bytes.byte() % 4 {
            0 => "never_sent".to_owned(),
            1 => self.asked.marks.pop_back().unwrap_or_default(),
            _ => self.asked.marks.pop_front().unwrap_or_default(),
        };
        self.give(Input::Carrier(CarrierEvent::Mark { name }));
    }

    fn heard(&mut self, bytes: &mut Bytes<'_>) {
        let speech = one_of(&mut self.asked.speeches, bytes).unwrap_or(SpeechId(u32::from(bytes.byte())));
        let text = bytes.pick(TEXTS).to_owned();
        let what = match bytes.byte() % 16 {
            0..=2 => Heard::Partial(text),
            3 => Heard::Failed(Fault::slow()),
            4 | 5 => Heard::Pause(text),
            6 | 7 => Heard::TurnOver(text),
            8 | 9 => Heard::Likely(text),
            10 => Heard::GoesOn,
            11 if self.at.0.is_multiple_of(7) => Heard::Lost(Fault::slow()),
            _ => Heard::Final(text),
        };
        self.give(Input::Heard { speech, what });
    }

    fn thought(&mut self, bytes: &mut Bytes<'_>) {
        let turn = one_of(&mut self.asked.turns, bytes).unwrap_or(TurnId(u32::from(bytes.byte())));
        let what = match bytes.byte() % 8 {
            0..=3 => Thought::Delta(bytes.pick(TEXTS).to_owned()),
            4 => {
                self.seen.tool_calls += 1;
                Thought::Tool(tool_call(bytes, self.seen.tool_calls))
            }
            5 => Thought::Failed(Fault::local("it broke")),
            _ => Thought::Done,
        };
        self.give(Input::Thought { turn, what });
        if let Some(tool) = self.asked.tools.pop() {
            let what = match bytes.byte() % 4 {
                // It takes its time.
                0 => return self.asked.tools.push(tool),
                1 => ToolAnswer::Failed("out of order".to_owned()),
                _ => ToolAnswer::Result("it is done".to_owned()),
            };
            self.give(Input::Tool { tool, what });
        }
    }

    fn voiced(&mut self, bytes: &mut Bytes<'_>) {
        let utterance = one_of(&mut self.asked.voices, bytes).unwrap_or(UtteranceId(u32::from(bytes.byte())));
        let rate = bytes.pick([
            SampleRate::HZ_8000,
            SampleRate::HZ_16000,
            SampleRate::HZ_22050,
            SampleRate::HZ_48000,
        ]);
        let what = match bytes.byte() % 6 {
            0 => Voiced::Done,
            1 => Voiced::Failed(Fault::local("no such voice")),
            2 => Voiced::Audio { rate, pcm: Pcm::silence(usize::from(bytes.byte())) },
            _ => Voiced::Audio { rate, pcm: tone(rate, 300.0, u32::from(bytes.byte()) * 8, -12.0) },
        };
        self.give(Input::Voiced { utterance, what });
    }

    /// Every vendor answers all it was asked, as on a good day.
    fn answer_all(&mut self) {
        for speech in std::mem::take(&mut self.asked.speeches) {
            self.give(Input::Heard { speech, what: Heard::Final(TEXTS[2].to_owned()) });
        }
        for turn in std::mem::take(&mut self.asked.turns) {
            self.give(Input::Thought { turn, what: Thought::Delta(TEXTS[3].to_owned()) });
            self.give(Input::Thought { turn, what: Thought::Done });
        }
        for utterance in std::mem::take(&mut self.asked.voices) {
            let (rate, pcm) = (SampleRate::HZ_16000, tone(SampleRate::HZ_16000, 300.0, 700, -12.0));
            self.give(Input::Voiced { utterance, what: Voiced::Audio { rate, pcm } });
            self.give(Input::Voiced { utterance, what: Voiced::Done });
        }
    }

    /// Lets time pass as a shell does that is never late.
    fn advance(&mut self, micros: u64) {
        let until = Tick(self.at.0 + micros);
        while let Some((due, _)) = self.next.deadline.filter(|(due, _)| *due <= until) {
            self.at = self.at.max(due);
            self.give(Input::Time);
        }
        self.at = until;
    }

    fn give(&mut self, input: Input) {
        let was_over = self.seen.ended > 0;
        match &input {
            Input::Detached { .. } => self.seen.detached = true,
            Input::Reattached => self.seen.detached = false,
            _ => {}
        }
        self.writer.input(&mut self.log, self.at, &input);
        let mut out = Vec::new();
        self.next = self.call.handle(self.at, input, &mut out);
        self.writer.outputs(&mut self.log, self.at, &out);
        assert!(!was_over || out.is_empty(), "after the end: {out:?}");
        for (index, output) in out.iter().enumerate() {
            self.check(output, index + 1 == out.len());
        }
        let over = self.seen.ended > 0;
        assert_eq!(self.call.is_over(), over, "over, and said so");
        match self.next.deadline {
            None => assert!(over, "a call that is not over always waits for something"),
            Some((due, timer)) => {
                assert!(!over && due > self.at, "{timer:?} is due at {due}, now is {}", self.at);
            }
        }
    }

    fn check(&mut self, output: &Output, last: bool) {
        match output {
            Output::Carrier(message) => {
                assert!(!self.seen.detached, "{message:?} for a carrier that is gone");
                self.check_message(message);
            }
            Output::Listen(Listen::Finish(speech)) => self.asked.speeches.push(*speech),
            Output::Listen(_) => {}
            Output::Think { turn, prompt } => {
                // A turn's own words and tools come on top, and are bounded by its steps.
                let most = self.settings.limits.history_messages + 1 + 9 * 3;
                assert!(prompt.messages.len() <= most, "the history is bounded");
                assert!(is_well_formed(&prompt.messages), "{:?}", prompt.messages);
                self.asked.turns.push(*turn);
            }
            Output::StopThinking(turn) => self.asked.turns.retain(|asked| asked != turn),
            Output::Voice { utterance, .. } => {
                assert!(self.seen.last_utterance < Some(*utterance), "an utterance is asked for once");
                self.seen.last_utterance = Some(*utterance);
                self.asked.voices.push(*utterance);
            }
            Output::StopVoice(utterance) => self.asked.voices.retain(|asked| asked != utterance),
            Output::Event(Event::Greeting) => self.seen.greetings += 1,
            Output::Event(Event::Answered { .. }) => self.seen.answered += 1,
            Output::RunTool { tool, .. } => {
                assert!(self.seen.last_tool < Some(*tool), "a tool runs once");
                self.seen.last_tool = Some(*tool);
                self.asked.tools.push(*tool);
            }
            Output::StopTool(tool) => self.asked.tools.retain(|asked| asked != tool),
            Output::Record(state) => {
                let wanted = self.settings.recording.consent != Consent::None;
                assert!(
                    wanted || *state != RecordState::Off,
                    "a call that nobody is asked about is recorded"
                );
                self.seen.hushed |= wanted || *state == RecordState::Paused;
            }
            Output::Event(_) | Output::Hurry(_) | Output::Converse(_) => {}
            Output::Ended { .. } => {
                self.seen.ended += 1;
                assert!(last, "the end comes last");
            }
        }
        let Seen { greetings, answered, ended, .. } = self.seen;
        assert!(
            greetings <= 1 && answered <= 1 && ended <= 1,
            "{greetings} greetings, {answered} answers, {ended} ends"
        );
    }

    fn check_message(&mut self, message: &ToCarrier) {
        match message {
            ToCarrier::Media { pcm, plays_at } if self.settings.agent != AgentKind::Echo => {
                let Playout { chunk_bytes, lead_ms } = self.settings.playout;
                assert_eq!(pcm.len() * 2, chunk_bytes, "every chunk has its full length");
                let chunk_us = self.rate.micros(pcm.len());
                let most = (lead_ms * 1000).max(chunk_us);
                let ahead = plays_at.since(self.at).0 + chunk_us;
                // One more chunk: the silence that stands in for a first word may come at any moment.
                assert!(
                    ahead <= most + chunk_us + 1000,
                    "{ahead} us ahead of the caller, {most} are allowed"
                );
            }
            ToCarrier::Mark { name } => self.asked.marks.push_back(name.clone()),
            _ => {}
        }
    }

    /// Nobody says anything any more: the call must end by itself, and stay ended, and its log must be true.
    fn finish(mut self) {
        let limits = &self.settings.limits;
        let latest = self.at.0.max(limits.max_call_ms * 1000) + 120_000_000;
        while let Some((due, timer)) = self.next.deadline {
            assert!(due.0 <= latest, "{timer:?} waits until {due}, long after the longest call");
            self.at = self.at.max(due);
            self.give(Input::Time);
        }
        self.give(Input::Time);
        assert_eq!(self.seen.ended, 1, "every call ends");
        self.give(Input::Reattached);
        self.give(Input::End(EndReason::Operator));
        self.speak_for(2);

        let log = String::from_utf8(self.log).expect("the log is JSON");
        let hushed = self.seen.hushed || self.settings.recording.consent != Consent::None;
        let again = match replay(&log, |_| Ok(())) {
            Err(LogFault::Partial) if hushed => return,
            again => again.expect("what was logged can be run again"),
        };
        assert!(again.differences.is_empty(), "the log runs to other answers: {:?}", again.differences);
    }
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
