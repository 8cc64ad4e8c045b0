//! A call's recording to be listened to, wherever it lies.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;

use futures_util::stream::BoxStream;

use crate::layout::{Layout, RECORDING};
use crate::remote::{Remote, RemoteError};
use crate::{CallId, read};

/// The recordings of a data folder and of the other place.
#[derive(Debug, Clone)]
pub struct Recordings {
    layout: Layout,
    remote: Option<Remote>,
}

/// A recording that was found.
#[derive(Debug)]
pub enum Opened {
    /// A file here, and its length in bytes. The one of a call that runs still grows.
    Local(File, u64),
    /// An object there.
    Remote(RemoteRecording),
}

/// A recording that lies in the other place.
#[derive(Debug, Clone)]
pub struct RemoteRecording {
    remote: Remote,
    id: CallId,
    /// Its length in bytes.
    pub length: u64,
}

impl Recordings {
    /// For the calls of a data folder, whose recordings may also lie at `remote`.
    pub fn new(data: &Path, remote: Option<Remote>) -> Self {
        Self { layout: Layout { root: data.to_owned() }, remote }
    }

    /// Opens a call's recording; `None` when there is none. Looks at files: they are opened where waiting hinders no
    /// call.
    ///
    /// # Errors
    /// When the disk or the other place fails.
    pub async fn open(&self, id: CallId) -> Result<Option<Opened>, RemoteError> {
        let layout = self.layout.clone();
        let here = tokio::task::spawn_blocking(move || {
            let folder = layout.folder(id);
            match File::open(folder.join(RECORDING)) {
                Ok(file) => file.metadata().map(|about| (Some((file, about.len())), false)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let record = read::load(&layout, id).ok().flatten();
                    let place = record.and_then(|record| record.recording);
                    Ok((None, place.is_some_and(|place| place.contains("://"))))
                }
                Err(error) => Err(error),
            }
        });
        let (here, elsewhere) = here.await.map_err(io::Error::other)??;
        if let Some((file, length)) = here {
            return Ok(Some(Opened::Local(file, length)));
        }
        let Some(remote) = self.remote.as_ref().filter(|_| elsewhere) else { return Ok(None) };
        let length = remote.length(id).await?;
        let remote = remote.clone();
        Ok(length.map(|length| Opened::Remote(RemoteRecording { remote, id, length })))
    }
}

impl RemoteRecording {
    /// Some of its bytes, as they come.
    ///
    /// # Errors
    /// When the other place fails; what fails later is in the stream.
    pub async fn read(
        &self,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, io::Result<bytes::Bytes>>, RemoteError> {
        self.remote.read(self.id, range).await
    }
}
