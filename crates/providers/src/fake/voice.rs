//! A voice without words: a tone as long as the text would take to say.

use audio::{Pcm, SampleRate};
use call::{Fault, Input, UtteranceId, Voiced};

use super::{Fate, Manner};
use crate::{Answers, Running, Speaker, TextToSpeech, VoiceSpec};

/// How long a character takes to say; English speech is about 15 characters a second.
const MS_PER_CHAR: usize = 65;
/// The tone's pitch and size.
const TONE_HZ: f32 = 300.0;
const TONE_DB: f32 = -20.0;

/// A voice that plays a tone, or what it is given.
#[derive(Debug, Clone)]
pub struct FakeVoice {
    manner: Manner,
    sound: Sound,
}

#[derive(Debug, Clone)]
enum Sound {
    /// A second and a tenth of it, of which an utterance of any length is put together.
    Tone { second: Pcm, tenth: Pcm },
    /// This, whatever the text.
    Given { rate: SampleRate, pcm: Pcm },
}

impl Default for FakeVoice {
    fn default() -> Self {
        Self::new(Manner::default())
    }
}

impl FakeVoice {
    /// A tone at 8 kHz, 65 ms for each character of the text, at least 100 ms.
    pub fn new(manner: Manner) -> Self {
        let rate = SampleRate::HZ_8000;
        let second = audio::tone(rate, TONE_HZ, 1_000, TONE_DB);
        let tenth = Pcm::from(&second[..second.len() / 10]);
        Self { manner, sound: Sound::Tone { second, tenth } }
    }

    /// Plays `pcm` whatever the text is.
    pub const fn playing(rate: SampleRate, pcm: Pcm, manner: Manner) -> Self {
        Self { manner, sound: Sound::Given { rate, pcm } }
    }
}

impl TextToSpeech for FakeVoice {
    fn name(&self) -> &str {
        "fake"
    }

    fn open(&self, _spec: &VoiceSpec, answers: Answers) -> Box<dyn Speaker> {
        Box::new(Mouth { voice: self.clone(), answers })
    }
}

/// The stand-in's voice in one call.
struct Mouth {
    voice: FakeVoice,
    answers: Answers,
}

impl Speaker for Mouth {
    fn speak(&mut self, utterance: UtteranceId, text: String) -> Running {
        let FakeVoice { manner, sound } = self.voice.clone();
        let answers = self.answers.clone();
        Running::spawn(async move {
            manner.pause().await;
            let outcome = match manner.fate {
                Fate::Hangs => return,
                Fate::Fails(why) => Voiced::Failed(Fault::local(why)),
                Fate::Answers | Fate::Stalls if text.trim().is_empty() => {
                    Voiced::Failed(Fault::local("there is nothing to say"))
                }
                Fate::Answers | Fate::Stalls => {
                    for (rate, pcm) in sound.pieces(&text) {
                        let what = Voiced::Audio { rate, pcm };
                        if answers.send(Input::Voiced { utterance, what }).await.is_err() {
                            return;
                        }
                        if manner.fate == Fate::Stalls {
                            return;
                        }
                    }
                    Voiced::Done
                }
            };
            // The call being over is no concern of a stand-in.
            let _ = answers.send(Input::Voiced { utterance, what: outcome }).await;
        })
    }
}

impl Sound {
    fn pieces(&self, text: &str) -> Vec<(SampleRate, Pcm)> {
        match self {
            Self::Given { rate, pcm } => vec![(*rate, pcm.clone())],
            Self::Tone { second, tenth } => {
                let tenths = (text.chars().count() * MS_PER_CHAR).div_ceil(100).max(1);
                let seconds = std::iter::repeat_n(second, tenths / 10);
                let rest = std::iter::repeat_n(tenth, tenths % 10);
                seconds.chain(rest).map(|pcm| (SampleRate::HZ_8000, pcm.clone())).collect()
            }
        }
    }
}
