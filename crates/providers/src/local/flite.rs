//! flite's English voices: speech with no account and no network, a few tens of milliseconds a sentence.
//!
//! flite is a C library, opened when the first voice is asked for, so that the program builds and starts without
//! it. Its audio is handed over as it is made. It works on threads of its own, bounded in number and in queue:
//! past them an utterance fails at once and says why, and no call's audio waits for another call's speech.

mod engine;
mod pool;
mod text;

use std::fmt;
use std::ops::ControlFlow;
use std::str::FromStr;
use std::sync::Arc;

use audio::{Pcm, SampleRate};
use call::{Fault, FaultClass, Input, UtteranceId, Voiced};

use crate::{Answers, Running, Speaker, TextToSpeech, VoiceSpec};

pub use engine::FliteError;
pub use pool::VoicePool;

use pool::Ticket;

/// How much audio is collected before it is handed over: little at first, so that the caller waits little.
const FIRST_PIECE_MS: u64 = 20;
const PIECE_MS: u64 = 100;

/// One of flite's American English voices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VoiceName {
    /// A woman; the default.
    #[default]
    Slt,
    /// A man.
    Rms,
    /// A man with a Scottish accent.
    Awb,
    /// A man, of an older and much cheaper kind, at 8 kHz.
    Kal,
    /// The same at 16 kHz.
    Kal16,
}

/// There is no such voice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("flite has no voice \"{0}\"; take slt, rms, awb, kal or kal16")]
pub struct UnknownVoice(String);

impl VoiceName {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Slt, Self::Rms, Self::Awb, Self::Kal, Self::Kal16];

    /// The name as flite has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Slt => "slt",
            Self::Rms => "rms",
            Self::Awb => "awb",
            Self::Kal => "kal",
            Self::Kal16 => "kal16",
        }
    }

    /// The rate of its audio.
    pub const fn rate(self) -> SampleRate {
        match self {
            Self::Kal => SampleRate::HZ_8000,
            Self::Slt | Self::Rms | Self::Awb | Self::Kal16 => SampleRate::HZ_16000,
        }
    }
}

impl fmt::Display for VoiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for VoiceName {
    type Err = UnknownVoice;

    fn from_str(name: &str) -> Result<Self, UnknownVoice> {
        Self::ALL
            .into_iter()
            .find(|voice| voice.as_str() == name)
            .ok_or_else(|| UnknownVoice(name.chars().take(40).collect()))
    }
}

/// Speaks `text` and gives all of it at once. Blocks for about a hundredth of what it lasts (`slt`); not for use on
/// a runtime's thread. `Err` when the library is missing or nothing in the text can be spoken.
pub fn render(text: &str, voice: VoiceName) -> Result<(SampleRate, Vec<i16>), FliteError> {
    let mut samples = Vec::new();
    let mut rate = voice.rate();
    stream(text, voice, &mut |made_at, piece| {
        rate = made_at;
        samples.extend_from_slice(piece);
        ControlFlow::Continue(())
    })?;
    Ok((rate, samples))
}

/// Loads the libraries of `voice` unless they are: tells whether they are installed.
pub fn check(voice: VoiceName) -> Result<(), FliteError> {
    engine::Voice::open(voice).map(|_| ())
}

/// Speaks `text`, handing over audio as flite makes it, until `take` breaks. `Err` when nothing was spoken.
fn stream(
    text: &str,
    voice: VoiceName,
    take: &mut dyn FnMut(SampleRate, &[i16]) -> ControlFlow<()>,
) -> Result<(), FliteError> {
    let engine = engine::Voice::open(voice)?;
    let mut spoken = 0;
    let mut stopped = false;
    for part in text::speakable(text) {
        let made = engine.speak(&part, &mut |rate, piece| {
            spoken += piece.len();
            let flow = take(rate, piece);
            stopped = flow.is_break();
            flow
        });
        made?;
        if stopped {
            return Ok(());
        }
    }
    if spoken == 0 { Err(FliteError::NothingToSay) } else { Ok(()) }
}

/// A voice of flite behind the role of text-to-speech.
#[derive(Debug, Clone)]
pub struct FliteVoice {
    voice: VoiceName,
    name: String,
    pool: Arc<VoicePool>,
}

impl FliteVoice {
    /// `voice`, working on the threads of `pool`.
    pub fn new(voice: VoiceName, pool: Arc<VoicePool>) -> Self {
        Self { voice, name: format!("flite:{voice}"), pool }
    }
}

impl TextToSpeech for FliteVoice {
    fn name(&self) -> &str {
        &self.name
    }

    fn open(&self, _spec: &VoiceSpec, answers: Answers) -> Box<dyn Speaker> {
        Box::new(Mouth { voice: self.voice, pool: Arc::clone(&self.pool), answers })
    }
}

/// The voice in one call.
struct Mouth {
    voice: VoiceName,
    pool: Arc<VoicePool>,
    answers: Answers,
}

impl Speaker for Mouth {
    fn speak(&mut self, utterance: UtteranceId, text: String) -> Running {
        let ticket = Ticket::default();
        let answers = self.answers.clone();
        let job = Job { voice: self.voice, utterance, text, answers: answers.clone() };
        match self.pool.submit(&ticket, move |ticket| job.run(ticket)) {
            Ok(()) => Running::new(move || ticket.withdraw()),
            Err(full) => Running::spawn(async move {
                let what = Voiced::Failed(Fault::new(FaultClass::Busy, full.to_string()));
                // The call being over leaves nobody to tell.
                let _ = answers.send(Input::Voiced { utterance, what }).await;
            }),
        }
    }
}

/// One utterance.
struct Job {
    voice: VoiceName,
    utterance: UtteranceId,
    text: String,
    answers: Answers,
}

impl Job {
    /// Speaks, on a thread of the pool.
    fn run(self, ticket: &Ticket) {
        let mut piece = Vec::new();
        let mut wanted_ms = FIRST_PIECE_MS;
        let mut rate = self.voice.rate();
        let outcome = stream(&self.text, self.voice, &mut |made_at, samples| {
            if ticket.is_withdrawn() || self.answers.is_closed() {
                return ControlFlow::Break(());
            }
            rate = made_at;
            piece.extend_from_slice(samples);
            if piece.len() < rate.samples(wanted_ms * 1_000) {
                return ControlFlow::Continue(());
            }
            wanted_ms = PIECE_MS;
            self.give(ticket, Voiced::Audio { rate, pcm: Pcm::from(std::mem::take(&mut piece)) })
        });
        let last = match outcome {
            Ok(()) => Voiced::Done,
            Err(error) => Voiced::Failed(Fault::local(error.to_string())),
        };
        if !piece.is_empty() && self.give(ticket, Voiced::Audio { rate, pcm: Pcm::from(piece) }).is_break() {
            return;
        }
        // Nothing follows: whether the call still listens makes no difference.
        let _ = self.give(ticket, last);
    }

    fn give(&self, ticket: &Ticket, what: Voiced) -> ControlFlow<()> {
        if ticket.is_withdrawn() {
            return ControlFlow::Break(());
        }
        match self.answers.blocking_send(Input::Voiced { utterance: self.utterance, what }) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }
}
