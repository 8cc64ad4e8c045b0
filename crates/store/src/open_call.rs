//! The files of one call while it runs, as the store's thread holds them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use records::CallRecord;

use crate::CallId;
use crate::fault::Fault;
use crate::layout::{self, LOG, Layout, RECORDING};
use crate::recording::{Piece, Recording};

/// A file that is opened when it is first needed, and given up when a write to it fails.
#[derive(Debug)]
enum Lazy<F> {
    Unopened,
    Open(F),
    GivenUp,
}

/// A call that is being written.
#[derive(Debug)]
pub(crate) struct OpenCall {
    folder: PathBuf,
    log: Lazy<File>,
    recording: Lazy<Recording>,
    /// The carrier's report, when it came before the end.
    pub(crate) report: Option<BTreeMap<String, String>>,
    /// The carrier's id of the call, as the database was last told to look.
    pub(crate) told_as: Option<String>,
    has_recording: bool,
    log_is_cut: bool,
    recording_is_cut: bool,
}

impl OpenCall {
    pub(crate) fn new(layout: &Layout, id: CallId) -> Self {
        Self {
            folder: layout.folder(id),
            log: Lazy::Unopened,
            recording: Lazy::Unopened,
            report: None,
            told_as: None,
            has_recording: false,
            log_is_cut: false,
            recording_is_cut: false,
        }
    }

    /// Makes the call's marker and folder.
    pub(crate) fn create(layout: &Layout, id: CallId, fault: &mut dyn Fault) -> io::Result<()> {
        let marker = layout.marker(id);
        fault.before_write(&marker, 0)?;
        layout::append(&marker)?;
        layout::create_folder(&layout.folder(id))
    }

    /// Appends whole lines to the call log. After a failure the log ends there: a line in its middle would be
    /// worse than none.
    pub(crate) fn log(&mut self, lines: &[u8], fault: &mut dyn Fault) -> io::Result<()> {
        let path = self.folder.join(LOG);
        let result = match &mut self.log {
            Lazy::GivenUp => return Ok(()),
            Lazy::Open(file) => fault.before_write(&path, lines.len()).and_then(|()| file.write_all(lines)),
            Lazy::Unopened => fault.before_write(&path, lines.len()).and_then(|()| {
                let mut file = layout::append(&path)?;
                file.write_all(lines)?;
                self.log = Lazy::Open(file);
                Ok(())
            }),
        };
        if result.is_err() {
            self.log = Lazy::GivenUp;
            self.log_is_cut = true;
        }
        result
    }

    /// Writes to the recording. After a failure the recording ends there: a full disk is left alone.
    pub(crate) fn audio(&mut self, piece: &Piece, fault: &mut dyn Fault) -> io::Result<()> {
        let result = match &mut self.recording {
            Lazy::GivenUp => return Ok(()),
            Lazy::Open(recording) => recording.write(piece, fault),
            Lazy::Unopened => {
                Recording::create(self.folder.join(RECORDING), piece.rate, fault).and_then(|mut recording| {
                    self.has_recording = true;
                    let result = recording.write(piece, fault);
                    self.recording = Lazy::Open(recording);
                    result
                })
            }
        };
        if result.is_err() {
            self.stop_recording();
        }
        result
    }

    /// Ends the recording here; the call goes on without it.
    pub(crate) fn stop_recording(&mut self) {
        let was = std::mem::replace(&mut self.recording, Lazy::GivenUp);
        self.recording_is_cut |= !matches!(was, Lazy::GivenUp);
        if let Lazy::Open(recording) = was
            && let Err(error) = recording.finish()
        {
            tracing::error!(%error, "a recording's header could not be written; the next start repairs it");
        }
    }

    /// Adds to a record what only the store knows.
    pub(crate) fn complete(&self, record: &mut CallRecord) {
        if self.has_recording {
            record.recording = Some(RECORDING.to_owned());
        }
        if let Some(report) = &self.report {
            record.carrier_report = Some(report.clone());
        }
        for (finding, found) in [("log_cut", self.log_is_cut), ("recording_cut", self.recording_is_cut)] {
            if found {
                record.counters.findings.insert(finding.to_owned(), 1);
            }
        }
    }

    /// Closes the files.
    pub(crate) fn close(&mut self) -> io::Result<()> {
        self.log = Lazy::GivenUp;
        match std::mem::replace(&mut self.recording, Lazy::GivenUp) {
            Lazy::Open(recording) => recording.finish(),
            Lazy::Unopened | Lazy::GivenUp => Ok(()),
        }
    }
}
