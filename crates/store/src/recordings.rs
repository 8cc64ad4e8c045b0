//! A call's recording to be listened to, wherever it lies: with the call's files, also while it is still being written,
//! or in the other place.

use std::fs::File;
use std::io::{self, Read, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use audio::wav::{self, HEADER_BYTES};
use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt as _, TryStreamExt as _};
use records::CallRecord;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

use crate::layout::{Layout, RECORDING};
use crate::remote::{Remote, RemoteError, RemoteObject};
use crate::uploads::UploadState;
use crate::{CallId, layout, read};

/// How much is read from a disk at once.
const DISK_PIECE: usize = 64 * 1024;

/// The recordings of a data folder and of the other place. Cloning gives another handle of the same.
#[derive(Debug, Clone)]
pub struct Recordings {
    layout: Layout,
    remote: Option<Remote>,
}

/// What there is of a recording.
#[derive(Debug)]
pub enum Opened {
    /// This.
    Found(Recording),
    /// Nothing, and why.
    Absent(Absent),
}

/// Why there is no recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// There is no call of this id in this data folder.
    NoCall,
    /// The call was not recorded.
    NotRecorded,
    /// The call runs, and nothing of it was recorded so far.
    NotYet,
    /// The recording was erased.
    Erased,
    /// The record tells of one, and it is not there: somebody took it away.
    Gone,
}

/// Where a recording lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// With the call's files.
    Here,
    /// With the call's files, on its way to the other place.
    OnItsWay,
    /// In the other place.
    There,
    /// Nowhere: the call runs, and nothing of it was recorded so far.
    NotYet,
    /// Nowhere: the call was not recorded.
    None,
    /// Nowhere: it was erased.
    Erased,
}

/// A recording as it was when it was opened.
#[derive(Debug)]
pub struct Recording {
    /// How long it is, in bytes. What is added later is not part of it.
    pub length: u64,
    /// A word for the state that it is in: another state has another.
    pub tag: String,
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// A file, and its first bytes with the lengths that are true now.
    File(File, Vec<u8>),
    Remote(RemoteObject),
}

impl Recordings {
    pub(crate) fn new(layout: Layout, remote: Option<Remote>) -> Self {
        Self { layout, remote }
    }

    /// Opens a call's recording.
    ///
    /// # Errors
    /// When the disk or the other place fails.
    pub async fn open(&self, id: CallId) -> Result<Opened, RemoteError> {
        let layout = self.layout.clone();
        let here = self.blocking(move || match open_file(&layout.folder(id).join(RECORDING))? {
            Some(recording) => Ok((Some(recording), None)),
            None => Ok((None, read::load(&layout, id).map_err(io::Error::other)?)),
        });
        match here.await? {
            (Some(recording), _) => Ok(Opened::Found(recording)),
            (None, None) => Ok(Opened::Absent(Absent::NoCall)),
            (None, Some(record)) => self.open_there(id, &record).await,
        }
    }

    /// Opens a recording that is not here, as the call's record tells of it.
    ///
    /// # Errors
    /// When the other place fails, or is not the one that the record names.
    pub async fn open_there(&self, id: CallId, record: &CallRecord) -> Result<Opened, RemoteError> {
        let absent = match &record.recording {
            Some(address) if address.contains("://") => {
                let remote = self.remote.as_ref().filter(|remote| remote.address(id) == *address);
                let remote = remote.ok_or_else(|| RemoteError::Elsewhere(address.clone()))?;
                if let Some(object) = remote.find(id).await? {
                    let (length, tag) = (object.length, object.tag.clone());
                    return Ok(Opened::Found(Recording { length, tag, source: Source::Remote(object) }));
                }
                Absent::Gone
            }
            Some(_) => Absent::Gone,
            None if record.erased_at.or(record.recording_erased_at).is_some() => Absent::Erased,
            None if record.ended_at.is_none() => Absent::NotYet,
            None => Absent::NotRecorded,
        };
        Ok(Opened::Absent(absent))
    }

    /// Where the recording of this call lies.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn place(&self, id: CallId, record: &CallRecord) -> io::Result<Place> {
        let is_elsewhere = record.recording.as_ref().map(|place| place.contains("://"));
        Ok(match is_elsewhere {
            Some(true) => Place::There,
            Some(false) => {
                let note = self.layout.upload(id);
                if self.blocking(move || note.try_exists()).await? { Place::OnItsWay } else { Place::Here }
            }
            None if record.recording_erased_at.is_some() => Place::Erased,
            None if record.ended_at.is_none() => Place::NotYet,
            None => Place::None,
        })
    }

    /// How it goes with what is to be taken to the other place; `None` where there is none.
    pub fn uploads(&self) -> Option<UploadState> {
        self.remote.as_ref().map(|remote| remote.counts.state())
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
    }
}

impl Recording {
    /// These bytes of it, as they are taken: a slow listener holds one piece in memory. `part` lies within `length`.
    ///
    /// # Errors
    /// When the disk or the other place fails at once; what fails later is in the stream.
    pub async fn read(self, part: Range<u64>) -> Result<BoxStream<'static, io::Result<Bytes>>, RemoteError> {
        match self.source {
            Source::File(file, head) => Ok(of_file(file, head, part).await?),
            Source::Remote(object) => object.read(part).await,
        }
    }
}

/// Opens a recording's file, never through a link; `None` when there is none. Its header may not say yet how long the
/// sound is, since the call runs or was cut off: what is given is true.
fn open_file(path: &Path) -> io::Result<Option<Recording>> {
    let mut file = match layout::read(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    let length = metadata.len();
    let mut head = Vec::new();
    file.by_ref().take(HEADER_BYTES as u64).read_to_end(&mut head)?;
    if let Some(written) = head.first_chunk_mut::<HEADER_BYTES>()
        && let Some(right) = wav::repaired_header(written, length)
    {
        *written = right;
    }
    let changed = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let tag = format!("{length:x}-{:x}", changed.unwrap_or(Duration::ZERO).as_nanos());
    Ok(Some(Recording { length, tag, source: Source::File(file, head) }))
}

async fn of_file(
    file: File,
    head: Vec<u8>,
    part: Range<u64>,
) -> io::Result<BoxStream<'static, io::Result<Bytes>>> {
    let head_bytes = head.len() as u64;
    let cut = |at: u64| usize::try_from(at.min(head_bytes)).unwrap_or(usize::MAX);
    let head = Bytes::from(head).slice(cut(part.start)..cut(part.end));
    let rest = part.start.max(head_bytes)..part.end.max(head_bytes);
    let mut file = tokio::fs::File::from_std(file);
    file.seek(SeekFrom::Start(rest.start)).await?;
    let rest = ReaderStream::with_capacity(file.take(rest.end - rest.start), DISK_PIECE).into_stream();
    Ok(stream::iter((!head.is_empty()).then_some(Ok(head))).chain(rest).boxed())
}
