//! The recording of one call: both sides, from the moment on at which it may be made, up to the last tenth of a second.

use audio::{SampleRate, StereoRecorder};
use call::{Consent, RecordState, Settings, Tick};
use store::CallFiles;

/// How much audio a piece of the recording holds at most as a rule, in microseconds: a round's, and what a frame that
/// came late adds.
const PIECE_MICROS: u64 = 180_000;

/// Both sides of a call on their way to the store.
pub(super) struct Sound {
    /// Whether the call may be recorded at all, as far as it is known.
    wanted: bool,
    /// The caller is told or asked first.
    waits: bool,
    recorder: Option<Box<(SampleRate, StereoRecorder)>>,
}

impl Sound {
    /// `wanted`: whether there is somewhere to put it and the operator wants it.
    pub(super) fn new(wanted: bool, settings: &Settings) -> Self {
        let consent = settings.recording.consent;
        Self { wanted: wanted && consent != Consent::Off, waits: consent != Consent::None, recorder: None }
    }

    pub(super) fn is_running(&self) -> bool {
        self.recorder.is_some()
    }

    /// The stream's rate is known.
    pub(super) fn answered(&mut self, rate: SampleRate) {
        if self.wanted && !self.waits && self.recorder.is_none() {
            self.recorder = Some(Box::new((rate, StereoRecorder::new(rate))));
        }
    }

    /// The core has decided something about the recording.
    pub(super) fn turned(&mut self, at: Tick, state: RecordState, rate: Option<SampleRate>) {
        match (state, self.recorder.as_deref_mut(), rate) {
            (RecordState::On, Some((_, recorder)), _) => recorder.resume(at.0),
            (RecordState::On, None, Some(rate)) if self.wanted => {
                self.recorder = Some(Box::new((rate, StereoRecorder::beginning_at(rate, at.0))));
            }
            (RecordState::Paused, Some((_, recorder)), _) => recorder.pause(at.0),
            (RecordState::Off, ..) => self.wanted = false,
            _ => {}
        }
    }

    pub(super) fn recorder(&mut self) -> Option<&mut StereoRecorder> {
        self.recorder.as_deref_mut().map(|(_, recorder)| recorder)
    }

    /// Hands over what is known by now.
    pub(super) fn flush(&mut self, now: Tick, files: &mut CallFiles) {
        let Some((rate, recorder)) = self.recorder.as_deref_mut() else { return };
        // Room for both sides, so that the piece is not grown step by step.
        let mut samples = Vec::with_capacity(rate.samples(PIECE_MICROS) * 2);
        let from = recorder.show(now.0, &mut samples);
        if !samples.is_empty() {
            files.audio(*rate, from, samples);
        }
    }

    /// Hands over the rest: the call has ended.
    pub(super) fn finish(&mut self, at: Tick, files: &mut CallFiles) {
        let Some((rate, mut recorder)) = self.recorder.take().map(|both| *both) else { return };
        let mut samples = Vec::new();
        let from = recorder.finish(at.0, &mut samples);
        if !samples.is_empty() {
            files.audio(rate, from, samples);
        }
    }
}
