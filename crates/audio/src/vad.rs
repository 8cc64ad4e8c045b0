//! Voice activity: a small neural network (earshot) over 16 ms frames, run only when the line is louder than its own
//! noise, since the network costs more than all else that a frame goes through.

use earshot::Detector;

use crate::tonal::prediction_gain_db;
use crate::{NoiseFloor, Resampler, SampleRate, level_db};

/// What the network takes: 256 samples at 16 kHz, 16 ms.
const NETWORK_FRAME: usize = 256;
const FRAME_MICROS: u64 = 16_000;
/// Silent frames that the network still sees after the last loud one, so that it, not the gate, judges the dips
/// within a word: 256 ms.
const HOLD_FRAMES: u32 = 16;
/// Gated frames that are run after all once the gate opens, since a score rests on three frames.
const PRIMING_FRAMES: usize = 2;
/// How far above the noise floor the gate opens unless set otherwise.
const GATE_DB: f32 = 6.0;
/// From here on a frame is a tone's, if so is the one before it: the network alone takes ringing for a voice.
const TONAL_DB: f32 = 25.0;
const TONAL_FRAMES: u32 = 2;
/// How long the network, which remembers, is not believed after a tone: 64 ms.
const AFTER_TONE_FRAMES: u32 = 4;

/// What was found in one frame of 16 ms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VoiceFrame {
    /// From 0 (no voice) to 1. On a telephone line, take 0.8 as voice beginning and 0.6 as voice going on.
    pub score: f32,
    /// The frame's own level, in the unit of [`level_db`].
    pub level_db: f32,
    /// The line's noise floor after this frame, in the same unit.
    pub floor_db: f32,
    /// How many samples, at the stream's rate, the frame stands for.
    pub samples: usize,
}

/// Finds voice in one stream of audio. The same samples give the same scores, however they were cut. About 10 kB.
pub struct VoiceDetector {
    gate_db: f32,
    floor: NoiseFloor,
    /// Samples of a 16 ms frame at the stream's rate (rounded up), and those that have come of the frame under way.
    frame_samples: usize,
    frame: Vec<i16>,
    /// The last gated frames, oldest first, at the stream's rate.
    gated: Vec<i16>,
    /// How many more frames the network sees; 0 while the gate is shut.
    open: u32,
    to_network: Resampler,
    /// Audio at 16 kHz that the network has not taken yet.
    wide: Vec<i16>,
    network: Box<Detector>,
    score: f32,
    /// Tonal frames in a row, and how many more frames the last tone still silences.
    tonal: u32,
    after_tone: u32,
}

impl VoiceDetector {
    /// For a stream at `rate`, with a gate 6 dB above the noise floor.
    pub fn new(rate: SampleRate) -> Self {
        let frame_samples = (rate.hz() as usize * FRAME_MICROS as usize).div_ceil(1_000_000);
        Self {
            gate_db: GATE_DB,
            floor: NoiseFloor::new(),
            frame_samples,
            frame: Vec::with_capacity(frame_samples),
            gated: Vec::with_capacity(PRIMING_FRAMES * frame_samples),
            open: 0,
            to_network: Resampler::new(rate, SampleRate::HZ_16000),
            wide: Vec::new(),
            network: Detector::default_boxed(),
            score: 0.0,
            tonal: 0,
            after_tone: 0,
        }
    }

    /// Opens the gate only `gate_db` above the noise floor; a value far below zero keeps it open.
    #[must_use]
    pub fn with_gate_db(mut self, gate_db: f32) -> Self {
        self.gate_db = gate_db;
        self
    }

    /// Takes any number of samples and calls `each` for every frame that they complete.
    pub fn push(&mut self, samples: &[i16], each: &mut dyn FnMut(VoiceFrame)) {
        let mut rest = samples;
        while !rest.is_empty() {
            let (part, after) = rest.split_at(rest.len().min(self.frame_samples - self.frame.len()));
            self.frame.extend_from_slice(part);
            rest = after;
            if self.frame.len() == self.frame_samples {
                each(self.judge());
                self.frame.clear();
            }
        }
    }

    /// Forgets the audio so far but not the line's noise floor: for a stream that goes on after a break.
    pub fn reset(&mut self) {
        self.frame.clear();
        self.gated.clear();
        self.open = 0;
        (self.tonal, self.after_tone) = (0, 0);
        self.network.reset();
    }

    fn judge(&mut self) -> VoiceFrame {
        let level = level_db(&self.frame);
        let floor = self.floor.push(level, FRAME_MICROS);
        let was_shut = self.open == 0;
        self.open = if level >= floor + self.gate_db { HOLD_FRAMES } else { self.open.saturating_sub(1) };
        if self.open == 0 {
            self.score = 0.0;
            let kept = self.gated.len().min((PRIMING_FRAMES - 1) * self.frame_samples);
            self.gated.drain(..self.gated.len() - kept);
            self.gated.extend_from_slice(&self.frame);
        } else {
            if was_shut {
                self.prime();
            }
            self.to_network.push(&self.frame, &mut self.wide);
            self.run_network();
        }
        let score = if self.after_tone > 0 { 0.0 } else { self.score };
        VoiceFrame { score, level_db: level, floor_db: floor, samples: self.frame.len() }
    }

    /// Puts the moments before the gate opened before the network, preceded by as much silence as the resampler holds
    /// back, so that every frame of the stream completes one of the network's.
    fn prime(&mut self) {
        self.to_network.reset();
        self.wide.clear();
        self.wide.resize(self.to_network.delay(), 0);
        self.to_network.push(&self.gated, &mut self.wide);
        self.gated.clear();
        self.run_network();
    }

    fn run_network(&mut self) {
        let (frames, rest) = self.wide.as_chunks::<NETWORK_FRAME>();
        for frame in frames {
            self.score = self.network.predict_i16(frame);
            self.tonal = if prediction_gain_db(frame) >= TONAL_DB { self.tonal + 1 } else { 0 };
            let tone = self.tonal >= TONAL_FRAMES;
            self.after_tone = if tone { AFTER_TONE_FRAMES } else { self.after_tone.saturating_sub(1) };
        }
        let taken = self.wide.len() - rest.len();
        self.wide.drain(..taken);
    }
}

impl std::fmt::Debug for VoiceDetector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VoiceDetector")
            .field("gate_db", &self.gate_db)
            .field("floor_db", &self.floor.db())
            .field("open", &self.open)
            .finish_non_exhaustive()
    }
}
