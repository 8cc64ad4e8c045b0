//! Which file lies where, and how files are made: readable by their owner only, never through a link.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use records::CallRecord;

use crate::CallId;
use crate::fault::Fault;

pub(crate) const RECORD: &str = "record.json";
pub(crate) const LOG: &str = "call.jsonl";
pub(crate) const RECORDING: &str = "recording.wav";

/// The data folder's parts.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) root: PathBuf,
}

impl Layout {
    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    pub(crate) fn live(&self) -> PathBuf {
        self.root.join("live")
    }

    pub(crate) fn calls(&self) -> PathBuf {
        self.root.join("calls")
    }

    pub(crate) fn marker(&self, id: CallId) -> PathBuf {
        self.live().join(id.to_string())
    }

    pub(crate) fn folder(&self, id: CallId) -> PathBuf {
        self.calls().join(id.day()).join(id.to_string())
    }

    /// Makes the folders that every store has.
    pub(crate) fn create(&self) -> io::Result<()> {
        create_folder(&self.live())?;
        create_folder(&self.calls())
    }
}

/// Makes a folder and those above it, for the owner only.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Opens a file for appending; makes it when it is not there.
pub(crate) fn append(path: &Path) -> io::Result<File> {
    options().append(true).open(path)
}

/// Opens a file for writing anywhere in it; makes it when it is not there.
pub(crate) fn write(path: &Path) -> io::Result<File> {
    options().write(true).open(path)
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).mode(0o600).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    options
}

/// Writes a record whole: whoever reads it meanwhile, or after a crash, sees the old one or the new one.
pub(crate) fn write_record(folder: &Path, record: &CallRecord, fault: &mut dyn Fault) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(record)?;
    text.push(b'\n');
    let (path, draft) = (folder.join(RECORD), folder.join("record.json.new"));
    fault.before_write(&path, text.len())?;
    create_folder(folder)?;
    let mut file = options().write(true).truncate(true).open(&draft)?;
    file.write_all(&text)?;
    drop(file);
    std::fs::rename(draft, path)
}
