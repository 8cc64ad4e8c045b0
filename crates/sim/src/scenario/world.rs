//! Plays a scenario: one queue of things to come, ordered by their moment and, within it, by when they were
//! thought of. The same scenario gives the same story on every machine.

mod agent;

use std::collections::BTreeMap;
use std::sync::Arc;

use audio::{Pcm, SampleRate, tone};
use call::log::LogWriter;
use call::{
    Call, CarrierEvent, Converse, Conversed, Fault, Heard, Input, Listen, Micros, Output, Say, Settings,
    SpeechId, Thought, Tick, ToCarrier, TurnId, UtteranceId, Voiced,
};

use super::line::Line;
use super::speech::Speech;
use super::{Scenario, Story, timeline};

const FRAME: Micros = Micros(20_000);
/// No scenario is longer than this.
const LONGEST: Tick = Tick(5_400_000_000);
/// The voice of the agent: a hum of 200 Hz, as loud as speech.
const HUM_HZ: f32 = 200.0;
const HUM_DB: f32 = -20.0;
/// How long each recording is.
const RECORDING_MS: u32 = 1_000;

enum Coming {
    Input(Input),
    /// What the speech-to-speech agent gives for its answer of this number.
    Agent(u32, Conversed),
    /// The next frame of the caller's audio.
    Frame,
    /// The carrier's queue reaches its next item.
    Line,
    /// What we sent reaches the carrier.
    Arrives(ToCarrier),
    Deadline,
}

/// What is to come, by its moment and by when it was thought of.
#[derive(Default)]
struct Queue {
    coming: BTreeMap<(Tick, u64), Coming>,
    thought_of: u64,
}

impl Queue {
    fn push(&mut self, at: Tick, coming: Coming) {
        self.thought_of += 1;
        self.coming.insert((at, self.thought_of), coming);
    }

    fn pop(&mut self) -> Option<(Tick, Coming)> {
        self.coming.pop_first().map(|((at, _), coming)| (at, coming))
    }

    fn forget_deadline(&mut self) {
        self.coming.retain(|_, coming| !matches!(coming, Coming::Deadline));
    }
}

/// The call's log, as it is written.
struct Log {
    writer: LogWriter,
    bytes: Vec<u8>,
}

pub(super) struct World {
    scene: Scenario,
    call: Call,
    queue: Queue,
    line: Line,
    speech: Speech,
    log: Log,
    story: Story,
    /// When the recogniser's stretch under way began.
    stretch: Tick,
    agent: agent::Agent,
    attached: bool,
    over: bool,
}

impl World {
    pub(super) fn new(mut scene: Scenario, settings: Arc<Settings>) -> Self {
        let mut log = Log { writer: LogWriter::new(&settings), bytes: Vec::new() };
        log.writer.header(&mut log.bytes, &settings, scene.rate);
        let inputs = std::mem::take(&mut scene.inputs);
        let mut world = Self {
            call: Call::new(settings, scene.rate),
            queue: Queue::default(),
            line: Line::new(scene.rate),
            speech: Speech::new(scene.rate, scene.line.caller_gain_db),
            log,
            story: Story { timeline: String::new(), outputs: Vec::new(), log: String::new() },
            stretch: Tick::default(),
            agent: agent::Agent::default(),
            attached: true,
            over: false,
            scene,
        };
        let started = inputs.iter().find(|(_, input)| {
            matches!(input, Input::Carrier(CarrierEvent::Start(_) | CarrierEvent::Audio(_)))
        });
        let started = started.map(|(at, _)| *at);
        if let Some(at) = started {
            world.comes(at + FRAME, Coming::Frame);
        }
        for (at, input) in inputs {
            world.comes(at, Coming::Input(input));
        }
        let begins = started.unwrap_or_default() + Micros::from_ms(1);
        world.agent_begins(begins);
        world
    }

    pub(super) fn play(mut self) -> Story {
        while let Some((at, coming)) = self.queue.pop() {
            assert!(at < LONGEST, "the call does not end:\n{}", self.story.timeline);
            if self.over {
                break;
            }
            self.happens(at, coming);
        }
        self.story.log = String::from_utf8(self.log.bytes).expect("the log is JSON");
        self.story
    }

    fn comes(&mut self, at: Tick, coming: Coming) {
        self.queue.push(at, coming);
    }

    fn happens(&mut self, at: Tick, coming: Coming) {
        match coming {
            Coming::Input(input) => self.input(at, input),
            Coming::Agent(answer, what) => self.agent_comes(at, answer, what),
            Coming::Deadline => self.input(at, Input::Time),
            Coming::Frame => {
                if self.attached {
                    let pcm = self.caller_frame(at);
                    self.input(at, Input::Carrier(CarrierEvent::Audio(pcm)));
                }
                self.comes(at + FRAME, Coming::Frame);
            }
            Coming::Arrives(message) => {
                match message {
                    ToCarrier::Media { pcm, .. } => self.line.audio(at, pcm),
                    ToCarrier::Mark { name } => self.line.mark(name),
                    ToCarrier::Clear => self.clear(at),
                    ToCarrier::Close => {}
                }
                self.comes(at, Coming::Line);
            }
            Coming::Line => {
                let back = Micros(self.scene.line.delay_ms * 1000);
                for (reached, name) in self.line.play(at) {
                    if self.scene.line.marks {
                        self.comes(
                            reached + back,
                            Coming::Input(Input::Carrier(CarrierEvent::Mark { name })),
                        );
                    }
                }
                if let Some(due) = self.line.due() {
                    self.comes(due, Coming::Line);
                }
            }
        }
    }

    fn clear(&mut self, at: Tick) {
        let marks = self.line.clear(at);
        let line = &self.scene.line;
        let back = at + Micros(line.delay_ms * 1000);
        if line.marks && line.clear_returns_marks {
            for name in marks {
                self.comes(back, Coming::Input(Input::Carrier(CarrierEvent::Mark { name })));
            }
        }
    }

    fn input(&mut self, at: Tick, input: Input) {
        match &input {
            Input::Detached { .. } => self.attached = false,
            Input::Reattached => {
                self.attached = true;
                self.line.clear(at);
            }
            _ => {}
        }
        self.log.writer.input(&mut self.log.bytes, at, &input);
        let mut out = Vec::new();
        let next = self.call.handle(at, input, &mut out);
        self.log.writer.outputs(&mut self.log.bytes, at, &out);
        self.queue.forget_deadline();
        if let Some((due, _)) = next.deadline {
            self.comes(due.max(at), Coming::Deadline);
        }
        for output in out {
            self.output(at, output);
        }
    }

    fn output(&mut self, at: Tick, output: Output) {
        if let Some(line) = timeline::line(at, &output) {
            self.story.timeline.push_str(&line);
        }
        match &output {
            Output::Carrier(message) if self.attached => {
                let there = at + Micros(self.scene.line.delay_ms * 1000);
                self.comes(there, Coming::Arrives(message.clone()));
            }
            Output::Listen(Listen::Began(speech)) => self.begin_listening(at, *speech),
            Output::Listen(Listen::Finish(speech)) => self.finish_listening(at, *speech),
            Output::Think { turn, .. } => self.think(at, *turn),
            Output::Voice { utterance, say: Say::Text(text) } => self.speak(at, *utterance, text),
            Output::Voice { utterance, say: Say::Recorded(_) } => self.play_recording(at, *utterance),
            Output::RunTool { tool, name, .. } => {
                if let Some((after_ms, what)) = self.scene.tools.get(name).cloned() {
                    let input = Input::Tool { tool: *tool, what };
                    self.comes(at + Micros(after_ms * 1000), Coming::Input(input));
                }
            }
            Output::Converse(what) => self.converse(at, what),
            Output::Ended { .. } => self.over = true,
            _ => {}
        }
        if !matches!(output, Output::Listen(Listen::Audio(_)) | Output::Converse(Converse::Audio(_))) {
            self.story.outputs.push((at, output));
        }
    }

    fn caller_frame(&mut self, at: Tick) -> Pcm {
        let count = self.scene.rate.samples(FRAME.0);
        let heard_at = at - Micros(self.scene.line.delay_ms * 1000);
        let speaking = self.scene.says.iter().any(|says| says.from < heard_at && heard_at <= says.to);
        let mut frame = if speaking { self.speech.voice(count) } else { self.speech.quiet(count) };
        if let Some(loss_db) = self.scene.line.echo_db {
            let gain = 10f32.powf(-loss_db / 20.0);
            for (sample, played) in frame.iter_mut().zip(self.line.played(heard_at, count)) {
                *sample = sample.saturating_add((f32::from(played) * gain) as i16);
            }
        }
        frame.into()
    }

    /// The words that were begun by `until`, from those said since the stretch began.
    fn words_until(&self, until: Tick) -> String {
        let delay = Micros(self.scene.line.delay_ms * 1000);
        let mut words = Vec::new();
        for says in &self.scene.says {
            if says.to + delay < self.stretch || says.from + delay > until {
                continue;
            }
            let all: Vec<&str> = says.text.split_whitespace().collect();
            let spoken = until.since(says.from + delay).0.min(says.to.since(says.from).0);
            let count = all.len() as u64 * spoken / says.to.since(says.from).0.max(1);
            words.extend(all.into_iter().take(count as usize));
        }
        words.join(" ")
    }

    fn begin_listening(&mut self, at: Tick, speech: SpeechId) {
        self.stretch = at;
        if !self.scene.partials {
            return;
        }
        for step in 1..50 {
            let moment = at + Micros(step * 100_000);
            let text = self.words_until(moment);
            if !text.is_empty() {
                let what = Heard::Partial(text);
                self.comes(moment, Coming::Input(Input::Heard { speech, what }));
            }
        }
    }

    fn finish_listening(&mut self, at: Tick, speech: SpeechId) {
        let what = Heard::Final(self.words_until(at));
        if let Some(delay) = self.scene.recogniser_ms {
            self.comes(at + Micros(delay * 1000), Coming::Input(Input::Heard { speech, what }));
        }
    }

    fn think(&mut self, at: Tick, turn: TurnId) {
        let answer =
            self.scene.answers.pop_front().unwrap_or_else(|| super::Answer::of("I have nothing to say."));
        if answer.hangs {
            return;
        }
        let mut moment = at + Micros(answer.first_word_ms * 1000);
        if let Some(why) = answer.fails {
            self.comes(
                moment,
                Coming::Input(Input::Thought { turn, what: Thought::Failed(Fault::local(why)) }),
            );
            return;
        }
        for word in answer.text.split_inclusive(' ') {
            let what = Thought::Delta(word.to_owned());
            self.comes(moment, Coming::Input(Input::Thought { turn, what }));
            moment = moment + Micros(answer.word_ms * 1000);
        }
        for call in answer.tools {
            self.comes(moment, Coming::Input(Input::Thought { turn, what: Thought::Tool(call) }));
        }
        self.comes(moment, Coming::Input(Input::Thought { turn, what: Thought::Done }));
    }

    fn play_recording(&mut self, at: Tick, utterance: UtteranceId) {
        let rate = self.scene.rate;
        let what = if self.scene.voice.recordings {
            Voiced::Audio { rate, pcm: tone(rate, HUM_HZ, RECORDING_MS, HUM_DB) }
        } else {
            Voiced::Failed(Fault::local("there is no recording"))
        };
        self.comes(at, Coming::Input(Input::Voiced { utterance, what }));
        if self.scene.voice.recordings {
            self.comes(at, Coming::Input(Input::Voiced { utterance, what: Voiced::Done }));
        }
    }

    fn speak(&mut self, at: Tick, utterance: UtteranceId, text: &str) {
        let voice = &self.scene.voice;
        if voice.hangs {
            return;
        }
        let moment = at + Micros(voice.first_audio_ms * 1000);
        let what = if let Some(why) = &voice.fails {
            Voiced::Failed(Fault::local(why))
        } else {
            let rate = SampleRate::HZ_16000;
            let length = text.chars().count() as u64 * voice.letter_ms;
            Voiced::Audio { rate, pcm: tone(rate, HUM_HZ, length as u32, HUM_DB) }
        };
        let failed = matches!(what, Voiced::Failed(_));
        self.comes(moment, Coming::Input(Input::Voiced { utterance, what }));
        if !failed {
            self.comes(moment, Coming::Input(Input::Voiced { utterance, what: Voiced::Done }));
        }
    }
}
