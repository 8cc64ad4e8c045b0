//! A whole call in virtual time: a caller, a carrier's line and vendors that do what they are told, against the
//! real core. A scenario is a conversation; what came of it is a timeline as text.
//!
//! ```
//! use sim::scenario::{Answer, Scenario};
//! let mut scene = Scenario::assistant("Hello.");
//! scene.caller_says("are you open today", 2_000, 1_000);
//! scene.model_answers(Answer::of("Yes, we are."));
//! scene.hangs_up(7_000);
//! let story = scene.play();
//! assert!(story.timeline.contains("caller: are you open today"));
//! ```

mod agent;
mod line;
mod speech;
mod timeline;
mod world;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use audio::SampleRate;
use call::{
    AgentKind, CarrierEvent, END_CALL, Input, Output, Settings, StreamStart, Tick, Tool, ToolAnswer, ToolCall,
};
use records::EndReason;

pub use agent::{Partner, Spoken};

/// What the model does when it is asked.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its words.
    pub text: String,
    /// Until its first word, in milliseconds.
    pub first_word_ms: u64,
    /// Between its words, in milliseconds.
    pub word_ms: u64,
    /// The tools that it asks for after its words.
    pub tools: Vec<ToolCall>,
    /// It says nothing at all, ever.
    pub hangs: bool,
    /// It fails with this.
    pub fails: Option<String>,
}

impl Answer {
    /// An answer that is there at once.
    pub fn of(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            first_word_ms: 0,
            word_ms: 0,
            tools: Vec::new(),
            hangs: false,
            fails: None,
        }
    }

    /// The same after a while.
    pub fn after(self, first_word_ms: u64) -> Self {
        Self { first_word_ms, ..self }
    }

    /// The same, and then the call ends.
    pub fn and_hangs_up(self) -> Self {
        self.and_uses(END_CALL, "{}")
    }

    /// The same, and then this tool is asked for.
    pub fn and_uses(mut self, name: &str, arguments: &str) -> Self {
        let id = format!("call_{}", self.tools.len() + 1);
        self.tools.push(ToolCall { id, arguments: arguments.to_owned(), ..ToolCall::of(name) });
        self
    }
}

/// How the voice behaves.
#[derive(Debug, Clone)]
pub struct Voice {
    /// Until its first audio, in milliseconds.
    pub first_audio_ms: u64,
    /// How long it speaks for each letter, in milliseconds.
    pub letter_ms: u64,
    /// It gives nothing at all, ever.
    pub hangs: bool,
    /// It fails with this.
    pub fails: Option<String>,
    /// Whether there are recordings that need no vendor.
    pub recordings: bool,
}

/// How the carrier's line behaves.
#[derive(Debug, Clone)]
pub struct LineSettings {
    /// Until what we send reaches the caller, and what they say reaches us, in milliseconds each way.
    pub delay_ms: u64,
    /// Whether marks come back.
    pub marks: bool,
    /// Whether a clear sends the marks back that wait, as Twilio's does.
    pub clear_returns_marks: bool,
    /// How much of what the caller hears comes back on their line, in dB below it; `None`: nothing.
    pub echo_db: Option<f32>,
    /// The level of the caller's voice, in dB relative to the recorded one.
    pub caller_gain_db: f32,
}

/// A conversation to be played.
pub struct Scenario {
    /// How the call is answered.
    pub settings: Settings,
    /// The stream's rate.
    pub rate: SampleRate,
    /// The voice.
    pub voice: Voice,
    /// The line.
    pub line: LineSettings,
    /// From `Finish` to the recogniser's final text, in milliseconds. `None`: it never comes.
    pub recogniser_ms: Option<u64>,
    /// Whether the recogniser gives partial texts, word by word.
    pub partials: bool,
    /// The speech-to-speech agent, where the settings ask for one.
    pub agent: Partner,
    says: Vec<Says>,
    tools: BTreeMap<String, (u64, ToolAnswer)>,
    answers: VecDeque<Answer>,
    inputs: Vec<(Tick, Input)>,
}

#[derive(Debug, Clone)]
struct Says {
    text: String,
    from: Tick,
    to: Tick,
}

/// What came of a scenario.
pub struct Story {
    /// What happened, a line each: seconds, then what.
    pub timeline: String,
    /// Every output with its moment.
    pub outputs: Vec<(Tick, Output)>,
    /// The call log, as it would lie on disk.
    pub log: String,
}

impl Story {
    /// The moments at which `wanted` holds of an output.
    pub fn moments(&self, wanted: impl Fn(&Output) -> bool) -> Vec<Tick> {
        self.outputs.iter().filter(|(_, output)| wanted(output)).map(|(at, _)| *at).collect()
    }

    /// Fails unless the timeline is this one; indentation and empty lines do not count.
    ///
    /// # Panics
    /// When the timelines differ, with both.
    #[track_caller]
    pub fn expect(&self, timeline: &str) {
        let lines = |text: &str| -> String {
            text.lines()
                .map(str::trim)
                .filter(|line| !line.is_empty())
                .map(|line| format!("{line}\n"))
                .collect()
        };
        assert!(
            lines(&self.timeline) == lines(timeline),
            "the timeline differs.\nwanted:\n{}\ngot:\n{}",
            lines(timeline),
            lines(&self.timeline)
        );
    }
}

impl Scenario {
    /// A call at 8 kHz: `connected` at 0, `start` at 50 ms.
    pub fn new(settings: Settings) -> Self {
        let mut scene = Self::unstarted(settings);
        scene.send(0, CarrierEvent::Connected);
        scene.start(50);
        scene
    }

    /// A call of which the carrier has said nothing yet.
    pub fn unstarted(settings: Settings) -> Self {
        Self {
            settings,
            rate: SampleRate::HZ_8000,
            voice: Voice { first_audio_ms: 0, letter_ms: 60, hangs: false, fails: None, recordings: true },
            line: LineSettings {
                delay_ms: 0,
                marks: true,
                clear_returns_marks: false,
                echo_db: None,
                caller_gain_db: 0.0,
            },
            recogniser_ms: Some(0),
            partials: false,
            agent: Partner::default(),
            says: Vec::new(),
            tools: BTreeMap::new(),
            answers: VecDeque::new(),
            inputs: Vec::new(),
        }
    }

    /// A call that converses, with this greeting.
    pub fn assistant(greeting: &str) -> Self {
        Self::new(Settings {
            agent: AgentKind::Assistant,
            greeting: greeting.to_owned(),
            ..Settings::default()
        })
    }

    /// A call with a speech-to-speech agent, which is asked for this greeting.
    pub fn conversation(greeting: &str) -> Self {
        let mut scene = Self::assistant(greeting);
        scene.settings.speech_to_speech = true;
        scene
    }

    /// The speech-to-speech agent's answer to the next thing that it hears or is told.
    pub fn agent_answers(&mut self, spoken: Spoken) {
        self.agent.replies.push_back(spoken);
    }

    /// The caller says `text` from `at_ms` on, for `for_ms`. An empty text is a voice without words.
    pub fn caller_says(&mut self, text: &str, at_ms: u64, for_ms: u64) {
        let from = Tick(at_ms * 1000);
        self.says.push(Says { text: text.to_owned(), from, to: Tick(from.0 + for_ms * 1000) });
    }

    /// The model's answer to the next question.
    pub fn model_answers(&mut self, answer: Answer) {
        self.answers.push_back(answer);
    }

    /// A tool that the model may ask for, and what it gives after so many milliseconds.
    pub fn has_tool(&mut self, name: &str, side_effects: bool, after_ms: u64, answer: ToolAnswer) {
        let tool = Tool {
            name: name.to_owned(),
            description: String::new(),
            parameters: serde_json::json!({ "type": "object" }),
            side_effects,
        };
        let declared = &mut self.settings.tools.declared;
        *declared = declared.iter().cloned().chain([tool]).collect();
        self.tools.insert(name.to_owned(), (after_ms, answer));
    }

    /// The carrier sends `event`.
    pub fn send(&mut self, at_ms: u64, event: CarrierEvent) {
        self.input(at_ms, Input::Carrier(event));
    }

    /// Anything at all happens.
    pub fn input(&mut self, at_ms: u64, input: Input) {
        self.inputs.push((Tick(at_ms * 1000), input));
    }

    /// The stream starts.
    pub fn start(&mut self, at_ms: u64) {
        let start = StreamStart {
            stream: "stream-1".to_owned(),
            call: Some("call-1".to_owned()),
            account: None,
            from: None,
            to: None,
            custom: BTreeMap::new(),
            rate: self.rate,
            least_chunk: None,
        };
        self.send(at_ms, CarrierEvent::Start(Box::new(start)));
    }

    /// The caller hangs up.
    pub fn hangs_up(&mut self, at_ms: u64) {
        self.send(
            at_ms,
            CarrierEvent::Stop { reason: EndReason::CallerHungUp, word: "callended".to_owned() },
        );
    }

    /// Plays it to the call's end.
    ///
    /// # Panics
    /// When the call does not end within 90 minutes of its own time.
    pub fn play(self) -> Story {
        let settings = Arc::new(self.settings.clone());
        world::World::new(self, settings).play()
    }
}
