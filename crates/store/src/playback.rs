//! A recording, to be read back: also one that is still being written, or was cut off, whose header does not say yet
//! how long it is.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::time::SystemTime;

use audio::wav::{self, HEADER_BYTES};

use crate::layout::RECORDING;
use crate::{CallId, Store};

/// A recording as it was when it was opened.
#[derive(Debug)]
pub struct Playback {
    /// The file, to be read from `head.len()` on; its own beginning may be wrong.
    pub file: File,
    /// How long it is, in bytes. What is added later is not part of it.
    pub bytes: u64,
    /// Its first bytes, with the lengths that are true now.
    pub head: Vec<u8>,
    /// When it was last written to.
    pub changed: Option<SystemTime>,
}

impl Store {
    /// The recording of a call, where it lies with the call's files; `None` when there is none. Reads a file: not for the
    /// runtime's own threads.
    pub fn playback(&self, id: CallId) -> io::Result<Option<Playback>> {
        let path = self.folder(id).join(RECORDING);
        let no_links = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
        let mut file = match OpenOptions::new().read(true).custom_flags(no_links).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let metadata = file.metadata()?;
        let bytes = metadata.len();
        let mut head = Vec::new();
        file.by_ref().take(HEADER_BYTES as u64).read_to_end(&mut head)?;
        if let Ok(written) = <&[u8; HEADER_BYTES]>::try_from(head.as_slice())
            && let Some(right) = wav::repaired_header(written, bytes)
        {
            head = right.to_vec();
        }
        Ok(Some(Playback { file, bytes, head, changed: metadata.modified().ok() }))
    }
}
