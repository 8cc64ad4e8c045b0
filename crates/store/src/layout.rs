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
pub(crate) const HOLD: &str = "hold.json";

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

    /// Calls whose records have news for the database.
    pub(crate) fn pending(&self) -> PathBuf {
        self.root.join("pending")
    }

    /// Those of them that are being taken in.
    pub(crate) fn taking(&self) -> PathBuf {
        self.root.join("taking")
    }

    /// Words about calls that wait for the database.
    pub(crate) fn spool(&self) -> PathBuf {
        self.root.join("spool")
    }

    /// Which database has been given every call of this folder.
    pub(crate) fn indexed(&self) -> PathBuf {
        self.root.join("indexed")
    }

    /// Notes that a call's record has news for the database.
    pub(crate) fn mark_pending(&self, id: CallId) -> io::Result<()> {
        let mark = self.pending().join(id.to_string());
        // While the call runs this is a second name of its marker: a name is made in a tenth of the time that a file
        // takes, and hundreds of calls may begin within a second.
        match std::fs::hard_link(self.marker(id), &mark) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(_) => append(&mark).map(drop),
        }
    }

    pub(crate) fn marker(&self, id: CallId) -> PathBuf {
        self.live().join(id.to_string())
    }

    pub(crate) fn folder(&self, id: CallId) -> PathBuf {
        self.calls().join(id.day()).join(id.to_string())
    }

    pub(crate) fn uploads(&self) -> PathBuf {
        self.root.join("uploads")
    }

    /// The note that a call's recording is to be taken to the other place.
    pub(crate) fn upload(&self, id: CallId) -> PathBuf {
        self.uploads().join(id.to_string())
    }

    /// Calls of which something may lie in the other place that is not to: it is looked at, and put right.
    pub(crate) fn unsettled(&self) -> PathBuf {
        self.root.join("unsettled")
    }

    /// Calls that are to be erased as soon as they can be.
    pub(crate) fn erasing(&self) -> PathBuf {
        self.root.join("erasing")
    }

    /// The note that nothing of a call is to be taken out.
    pub(crate) fn hold(&self, id: CallId) -> PathBuf {
        self.folder(id).join(HOLD)
    }

    /// Locked while the record of a call that is over is read, changed and written.
    pub(crate) fn changing(&self) -> PathBuf {
        self.root.join("changing")
    }

    /// Room that is given up when the disk is full, so that the records of live calls can still be written.
    pub(crate) fn reserve(&self) -> PathBuf {
        self.root.join("reserve")
    }

    pub(crate) fn audit(&self) -> PathBuf {
        self.root.join("audit.jsonl")
    }

    /// Notes that a call's recording is to be taken to the other place.
    pub(crate) fn note_upload(&self, id: CallId) -> io::Result<()> {
        create_folder(&self.uploads())?;
        append(&self.upload(id)).map(drop)
    }

    /// Makes the folders that every store has.
    pub(crate) fn create(&self) -> io::Result<()> {
        for folder in [self.live(), self.calls(), self.pending(), self.taking(), self.spool()] {
            create_folder(&folder)?;
        }
        Ok(())
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

/// Removes a file. That it is gone already is no error.
pub(crate) fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Opens a file for reading.
pub(crate) fn read(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(no_links()).open(path)
}

/// Opens a file that is there for reading and writing.
pub(crate) fn update(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).custom_flags(no_links()).open(path)
}

/// Waits until nobody else changes the record of a call that is over; to be kept while one does. What is done under it
/// is a few writes to the disk, so that the wait is short.
pub(crate) fn lock_changes(layout: &Layout) -> io::Result<File> {
    create_folder(&layout.root)?;
    let lock = append(&layout.changing())?;
    lock.lock()?;
    Ok(lock)
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).mode(0o600).custom_flags(no_links());
    options
}

fn no_links() -> i32 {
    rustix::fs::OFlags::NOFOLLOW.bits().cast_signed()
}

/// Writes a record whole: whoever reads it meanwhile, or after a crash, sees the old one or the new one.
pub(crate) fn write_record(folder: &Path, record: &CallRecord, fault: &mut dyn Fault) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(record)?;
    text.push(b'\n');
    let (path, draft) = (folder.join(RECORD), folder.join("record.json.new"));
    fault.before_write(&path, text.len())?;
    create_folder(folder)?;
    replace(&draft, &path, &text)
}

/// Puts a file in place of another, whole, by way of a draft beside it.
pub(crate) fn replace(draft: &Path, path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = options().write(true).truncate(true).open(draft)?;
    file.write_all(text)?;
    drop(file);
    std::fs::rename(draft, path)
}
