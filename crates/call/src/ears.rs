//! Listens for the caller's voice: turns frames into stretches of speech, leaving out our own echo, tones of
//! keys and whatever is too short.

use audio::{SampleRate, VoiceDetector, VoiceFrame};

use crate::settings::ms;
use crate::{Event, Micros, Settings, SpeechId, Tick, Turn};

/// Keys pressed reach the line as tones that sound like speech to a detector, also a little after.
const DEAF_AFTER_KEY: Micros = Micros::from_ms(100);

/// The noise floors of a noisy and of a quiet line, dB below full scale.
const NOISY_DB: f32 = -42.0;
const QUIET_DB: f32 = -55.0;

/// What changed in the caller's speech.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Edge {
    /// Speech began; it had gone on for `speech` when it was noticed.
    Began { speech: SpeechId, length: Micros, frame: FrameLevels },
    /// Speech ended; its last voiced frame was at `last_voice`.
    Ended { speech: SpeechId, length: Micros, last_voice: Tick },
    /// The line carries our own echo.
    Echo { level_db: f32, played_db: f32 },
}

/// The numbers of the frame that decided.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct FrameLevels {
    pub(crate) score: f32,
    pub(crate) level_db: f32,
    pub(crate) floor_db: f32,
}

/// A stretch of speech under way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stretch {
    pub(crate) speech: SpeechId,
    pub(crate) began: Tick,
    pub(crate) last_voice: Tick,
}

pub(crate) struct Ears {
    detector: Box<VoiceDetector>,
    turn: Turn,
    echo_margin_db: f32,
    rate: SampleRate,
    frames: Vec<VoiceFrame>,
    stretch: Option<Stretch>,
    /// Speech gathered towards the start of a stretch; silence takes it back twice as fast.
    gathered: Micros,
    deaf_until: Tick,
    last: FrameLevels,
    next: u32,
    /// Sound that would be speech, were it not our own echo.
    echoed: Micros,
}

impl Ears {
    pub(crate) fn new(rate: SampleRate, settings: &Settings) -> Self {
        let detector = Box::new(VoiceDetector::new(rate).with_gate_db(settings.turn.gate_db));
        Self {
            detector,
            turn: settings.turn.clone(),
            echo_margin_db: settings.barge_in.echo_margin_db,
            rate,
            frames: Vec::new(),
            stretch: None,
            gathered: Micros::default(),
            deaf_until: Tick::default(),
            last: FrameLevels::default(),
            next: 0,
            echoed: Micros::default(),
        }
    }

    /// The stretch of speech under way, if the caller is speaking.
    pub(crate) fn stretch(&self) -> Option<Stretch> {
        self.stretch
    }

    /// The numbers of the last frame that was speech.
    pub(crate) fn levels(&self) -> FrameLevels {
        self.last
    }

    /// A key was pressed.
    pub(crate) fn key(&mut self, at: Tick) {
        self.deaf_until = at + DEAF_AFTER_KEY;
    }

    /// Takes audio that arrived at `at`. `played_db` gives the level of what we played around a moment.
    pub(crate) fn hear(
        &mut self,
        at: Tick,
        pcm: &[i16],
        played_db: impl Fn(Tick) -> Option<f32>,
        each: &mut Vec<Edge>,
    ) {
        let mut frames = std::mem::take(&mut self.frames);
        self.detector.push(pcm, &mut |frame| frames.push(frame));
        let mut moment = at - Micros(self.rate.micros(frames.iter().map(|frame| frame.samples).sum()));
        for frame in frames.drain(..) {
            moment = moment + Micros(self.rate.micros(frame.samples));
            self.frame(moment, &frame, played_db(moment), each);
        }
        self.frames = frames;
    }

    /// Ends the stretch under way when it has been quiet for long enough.
    pub(crate) fn settle(&mut self, at: Tick) -> Option<Edge> {
        let stretch = self.stretch.filter(|stretch| at >= stretch.last_voice + ms(self.turn.stop_ms))?;
        self.stretch = None;
        self.gathered = Micros::default();
        let Stretch { speech, began, last_voice } = stretch;
        Some(Edge::Ended { speech, length: last_voice.since(began), last_voice })
    }

    /// Ends the stretch under way, whatever is heard.
    pub(crate) fn cut(&mut self) -> Option<Edge> {
        let Stretch { speech, began, last_voice } = self.stretch.take()?;
        self.gathered = Micros::default();
        Some(Edge::Ended { speech, length: last_voice.since(began), last_voice })
    }

    /// When `settle` will end the stretch if nothing more is heard.
    pub(crate) fn due(&self) -> Option<Tick> {
        self.stretch.map(|stretch| stretch.last_voice + ms(self.turn.stop_ms))
    }

    /// The score that makes a frame speech. On a quiet line short words score little and nothing else scores at
    /// all; on a noisy one the noise itself does.
    fn wanted_score(&self, floor_db: f32) -> f32 {
        let Turn { start_threshold, quiet_threshold, stay_threshold, .. } = self.turn;
        if self.stretch.is_some() {
            return stay_threshold;
        }
        let quiet = ((NOISY_DB - floor_db) / (NOISY_DB - QUIET_DB)).clamp(0.0, 1.0);
        start_threshold - (start_threshold - quiet_threshold) * quiet
    }

    fn frame(&mut self, moment: Tick, frame: &VoiceFrame, played_db: Option<f32>, each: &mut Vec<Edge>) {
        let length = Micros(self.rate.micros(frame.samples));
        let wanted = self.wanted_score(frame.floor_db);
        let mut voiced = frame.score >= wanted && moment >= self.deaf_until;
        let echo_of = played_db.filter(|played| voiced && frame.level_db < played - self.echo_margin_db);
        if let Some(played_db) = echo_of {
            voiced = false;
            let wanted = ms(self.turn.min_speech_ms);
            let before = self.echoed;
            self.echoed = Micros(before.0 + length.0);
            if before < wanted && self.echoed >= wanted {
                each.push(Edge::Echo { level_db: frame.level_db, played_db });
            }
        } else if voiced {
            self.echoed = Micros::default();
        }
        if voiced {
            self.last =
                FrameLevels { score: frame.score, level_db: frame.level_db, floor_db: frame.floor_db };
        }
        match &mut self.stretch {
            Some(stretch) if voiced && moment.since(stretch.began) < ms(self.turn.longest_ms) => {
                stretch.last_voice = moment;
            }
            Some(stretch) if voiced => {
                stretch.last_voice = moment;
                let Stretch { speech, began, last_voice } = *stretch;
                self.stretch = None;
                self.gathered = Micros::default();
                each.push(Edge::Ended { speech, length: last_voice.since(began), last_voice });
            }
            Some(_) => each.extend(self.settle(moment)),
            None if voiced => {
                self.gathered = Micros(self.gathered.0 + length.0);
                if self.gathered >= ms(self.turn.min_speech_ms) {
                    let speech = SpeechId(self.next);
                    self.next += 1;
                    let began = moment - self.gathered;
                    self.stretch = Some(Stretch { speech, began, last_voice: moment });
                    each.push(Edge::Began { speech, length: self.gathered, frame: self.last });
                }
            }
            None => self.gathered = Micros(self.gathered.0.saturating_sub(2 * length.0)),
        }
    }
}

impl Edge {
    /// The event that tells of this edge.
    pub(crate) fn event(&self, over_agent: bool) -> Event {
        match *self {
            Self::Began { speech, length, frame } => Event::SpeechStarted {
                speech,
                score: frame.score,
                level_db: frame.level_db,
                floor_db: frame.floor_db,
                speech_ms: length.0 / 1000,
                over_agent,
            },
            Self::Ended { speech, length, .. } => Event::SpeechEnded { speech, speech_ms: length.0 / 1000 },
            Self::Echo { level_db, played_db } => Event::Echo { level_db, played_db },
        }
    }
}
