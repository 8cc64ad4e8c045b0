//! What is kept of one call: its record, its log and its recording, gathered in memory and handed to the store
//! a few times a second. The store never makes a call wait.

mod sound;
mod story;

use audio::SampleRate;
use call::log::LogWriter;
use call::{CarrierEvent, Input, Output, RecordState, Settings, Tick};
use jiff::Timestamp;
use records::{CallRecord, CallStatus, EndReason};
use store::{CallFiles, CallId, Store};

use self::sound::Sound;
use self::story::Story;

pub(crate) use self::story::Serving;

/// Log lines are handed over when there is this much, without waiting for the next round.
const LOG_PIECE: usize = 32 * 1024;
/// How many kinds of findings are kept, so that a hostile peer can't grow a record.
const MAX_FINDINGS: usize = 32;

/// The record, log and recording of one call.
pub(crate) struct Keeper {
    files: Option<CallFiles>,
    record: Box<CallRecord>,
    log: Option<LogWriter>,
    lines: Vec<u8>,
    sound: Sound,
    story: Story,
    changed: bool,
    /// The call lives on at its carrier after its end here.
    lives_on: bool,
}

/// What is kept beside the record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keep {
    pub(crate) log: bool,
    pub(crate) audio: bool,
}

impl Keeper {
    pub(crate) fn begin(
        store: Option<&Store>,
        id: CallId,
        record: CallRecord,
        keep: Keep,
        settings: &Settings,
    ) -> Self {
        let files = store.map(|store| store.begin(id, record.clone()));
        let mut lines = Vec::new();
        let log = (keep.log && files.is_some()).then(|| LogWriter::new(settings));
        if let (Some(log), Ok(rate)) = (&log, SampleRate::try_from(record.sample_rate)) {
            log.header(&mut lines, settings, rate);
        }
        Self {
            sound: Sound::new(keep.audio && files.is_some(), settings),
            files,
            record: Box::new(record),
            log,
            lines,
            story: Story::default(),
            changed: false,
            lives_on: false,
        }
    }

    pub(crate) fn record(&self) -> &CallRecord {
        &self.record
    }

    /// To be changed; the store gets the change at the next `flush`.
    pub(crate) fn record_mut(&mut self) -> &mut CallRecord {
        self.changed = true;
        &mut self.record
    }

    /// Begins the recording, once the stream's rate is known, where nobody is asked.
    pub(crate) fn answered(&mut self, rate: SampleRate) {
        self.record.sample_rate = rate.hz();
        self.changed = true;
        self.sound.answered(rate);
    }

    /// The core has decided something about the recording.
    pub(crate) fn recorded(&mut self, at: Tick, state: RecordState) {
        self.sound.turned(at, state, SampleRate::try_from(self.record.sample_rate).ok());
    }

    /// Whether sound is kept, which is to be handed over several times a second.
    pub(crate) fn is_recording(&self) -> bool {
        self.sound.is_running()
    }

    /// Keeps an input, before the core handles it.
    pub(crate) fn input(&mut self, at: Tick, input: &Input) {
        if let Some(log) = &mut self.log {
            log.input(&mut self.lines, at, input);
        }
        if let Input::Carrier(CarrierEvent::Audio(pcm)) = input
            && let Some(recorder) = self.sound.recorder()
        {
            recorder.caller(at.0, pcm);
        }
    }

    /// Keeps what the core answered.
    pub(crate) fn outputs(&mut self, at: Tick, outputs: &[Output]) {
        if let Some(log) = &mut self.log {
            log.outputs(&mut self.lines, at, outputs);
        }
        if self.lines.len() > LOG_PIECE {
            self.flush_log();
        }
    }

    /// Keeps audio that was handed to the carrier.
    pub(crate) fn sent(&mut self, plays_at: Tick, pcm: &[i16]) {
        self.record.counters.chunks_out += 1;
        if let Some(recorder) = self.sound.recorder() {
            recorder.agent(plays_at.0, pcm);
        }
    }

    /// The carrier was told to drop what it holds.
    pub(crate) fn cleared(&mut self, at: Tick) {
        if let Some(recorder) = self.sound.recorder() {
            recorder.clear(at.0);
        }
    }

    /// A frame of audio came.
    pub(crate) fn count_frame(&mut self) {
        self.record.counters.frames_in += 1;
    }

    /// Counts an oddity of the carrier's. Says whether it is the first of its kind.
    pub(crate) fn finding(&mut self, kind: &str) -> bool {
        let findings = &mut self.record.counters.findings;
        if let Some(count) = findings.get_mut(kind) {
            *count += 1;
            return false;
        }
        if findings.len() >= MAX_FINDINGS {
            return false;
        }
        findings.insert(kind.to_owned(), 1).is_none()
    }

    /// Hands over what has gathered but for sound. To be called twice a second.
    pub(crate) fn flush(&mut self) {
        self.flush_log();
        let Some(files) = &mut self.files else { return };
        if std::mem::take(&mut self.changed) {
            files.update(&self.record);
        }
    }

    /// Hands over the sound that has gathered. To be called several times a second: what was not handed over is lost when
    /// the server is killed.
    pub(crate) fn flush_sound(&mut self, now: Tick) {
        if let Some(files) = &mut self.files {
            self.sound.flush(now, files);
        }
    }

    /// Notes that the call is handed on: its carrier says when it is over.
    pub(crate) const fn lives_on(&mut self) {
        self.lives_on = true;
    }

    /// Ends the record. What comes after is not kept.
    pub(crate) fn finish(&mut self, reason: EndReason, detail: String, at: Tick) {
        self.flush_log();
        self.settle_usage();
        self.record.ended_at = Some(Timestamp::now());
        self.record.end_reason = Some(reason);
        self.record.status = if self.lives_on { CallStatus::InProgress } else { reason.status() };
        self.record.end_detail = detail;
        let Some(mut files) = self.files.take() else { return };
        self.sound.finish(at, &mut files);
        files.finish((*self.record).clone());
    }

    fn flush_log(&mut self) {
        if self.lines.is_empty() {
            return;
        }
        let mut lines = std::mem::take(&mut self.lines);
        if let Some(files) = &mut self.files {
            // Pieces of all calls wait for the disk: what they have and don't fill is memory too.
            lines.shrink_to_fit();
            files.log(lines);
        }
    }
}
