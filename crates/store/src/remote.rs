//! Recordings in another place than the data folder: a bucket at S3 or at a server that speaks as S3 does, or a folder
//! that is mounted. A call's recording has one name there, so that doing anything twice does it once.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use audio::wav::{self, HEADER_BYTES};
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, stream};
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, GetOptions, ObjectStore, ObjectStoreExt as _, PutPayload, RetryConfig,
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::timeout;

use crate::uploads::Counts;
use crate::{CallId, layout};

/// A recording larger than this goes in parts of this size, so that a long call needs no memory for all of it.
const PART_BYTES: usize = 8 << 20;
/// How long one request may take: a part over a slow line needs minutes.
const REQUEST: Duration = Duration::from_secs(300);
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// How long somebody who asks for a recording waits for the other place, for each piece of it.
const ANSWERS: Duration = Duration::from_secs(15);
/// How much of a recording is fetched at once. A listener who takes it slowly holds this much memory and no connection
/// to the other place.
const PIECE_BYTES: u64 = 512 << 10;

/// Where recordings go besides the data folder.
#[derive(Debug, Clone)]
pub struct RemoteOptions {
    /// `s3://bucket/prefix` or `file:///folder`.
    pub url: String,
    /// Another server than Amazon's that speaks as S3 does, such as `https://minio.example.com`.
    pub endpoint: Option<String>,
    /// The region, such as `ap-south-1`.
    pub region: Option<String>,
    /// The key's id. Without one, what the machine's role or the environment's `AWS_...` names give.
    pub access_key_id: Option<String>,
    /// The key.
    pub secret_access_key: Option<SecretString>,
}

/// What is wrong with the other place.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// It is not said in a way that can be understood.
    #[error("recording.url: {0}")]
    Unusable(String),
    /// It did not do what was asked. Trying again later may help.
    #[error("the storage of recordings did not answer as it should: {0}")]
    Storage(object_store::Error),
    /// It refuses us: a wrong key, a wrong region, or a right that the key does not have.
    #[error("the storage of recordings refuses the key that is configured: {0}")]
    Refused(object_store::Error),
    /// It did not answer in time.
    #[error("the storage of recordings does not answer")]
    Silent,
    /// The recording lies in a place that is not the configured one.
    #[error("the recording lies at {0}, which is not where recording.url points now")]
    Elsewhere(String),
    /// The file here can't be read.
    #[error("the recording can't be read: {0}")]
    Io(#[from] io::Error),
    /// What arrived there is not what was sent.
    #[error("{there} bytes of the recording arrived, of {here}")]
    Incomplete {
        /// How long the file is.
        here: u64,
        /// How long the object is.
        there: u64,
    },
}

impl From<object_store::Error> for RemoteError {
    fn from(error: object_store::Error) -> Self {
        use object_store::Error::{PermissionDenied, Unauthenticated};
        match error {
            PermissionDenied { .. } | Unauthenticated { .. } => Self::Refused(error),
            error => Self::Storage(error),
        }
    }
}

/// The other place. Cloning gives another handle of the same.
#[derive(Debug, Clone)]
pub struct Remote {
    objects: Arc<dyn ObjectStore>,
    /// What comes before an object's name in its address, with a slash at its end.
    base: String,
    prefix: String,
    /// What was taken there since the start.
    pub(crate) counts: Arc<Counts>,
}

/// A recording as it lies there.
#[derive(Debug, Clone)]
pub(crate) struct RemoteObject {
    remote: Remote,
    id: CallId,
    /// Its length in bytes.
    pub(crate) length: u64,
    /// A word for the state that it is in, without quotes.
    pub(crate) tag: String,
    /// The same as the other place writes it; empty where it has none.
    e_tag: Option<String>,
}

impl Remote {
    /// Makes the client; asks nobody yet.
    ///
    /// # Errors
    /// [`RemoteError::Unusable`] when the address or the keys can't be used.
    pub fn open(options: &RemoteOptions) -> Result<Self, RemoteError> {
        let unusable = |error: object_store::Error| RemoteError::Unusable(error.to_string());
        if let Some(folder) = options.url.strip_prefix("file://") {
            let objects = LocalFileSystem::new_with_prefix(folder).map_err(unusable)?;
            return Ok(Self::over(Arc::new(objects), &format!("file://{folder}"), ""));
        }
        let Some(place) = options.url.strip_prefix("s3://") else {
            return Err(RemoteError::Unusable("it begins with s3:// or file://".to_owned()));
        };
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        if bucket.is_empty() {
            return Err(RemoteError::Unusable("it names no bucket: s3://bucket/prefix".to_owned()));
        }
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(bucket)
            .with_client_options(ClientOptions::new().with_timeout(REQUEST).with_connect_timeout(CONNECT))
            // Uploads have their own patience, which outlives the process, and whoever listens has little.
            .with_retry(RetryConfig {
                backoff: BackoffConfig { max_backoff: Duration::from_secs(2), ..BackoffConfig::default() },
                max_retries: 3,
                retry_timeout: Duration::from_secs(10),
            })
            // Not all that speak as S3 does can delete many at once, and no more than one is ever deleted.
            .with_disable_bulk_delete(true);
        if let Some(region) = &options.region {
            builder = builder.with_region(region);
        }
        if let Some(endpoint) = &options.endpoint {
            builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
        }
        if let (Some(id), Some(key)) = (&options.access_key_id, &options.secret_access_key) {
            builder = builder.with_access_key_id(id).with_secret_access_key(key.expose_secret());
        }
        let objects = builder.build().map_err(unusable)?;
        Ok(Self::over(Arc::new(objects), &format!("s3://{bucket}"), prefix))
    }

    /// The same over any store of objects, whose address begins with `base`.
    pub fn over(objects: Arc<dyn ObjectStore>, base: &str, prefix: &str) -> Self {
        let prefix = prefix.trim_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        let base = format!("{}/{prefix}", base.trim_end_matches('/'));
        Self { objects, base, prefix, counts: Arc::default() }
    }

    /// The address of a call's recording there, such as `s3://bucket/prefix/2026-11-21/call_....wav`.
    pub fn address(&self, id: CallId) -> String {
        format!("{}{}", self.base, name(id))
    }

    /// Puts a recording there, and makes sure that all of it arrived. Gives its length in bytes.
    pub(crate) async fn upload(&self, id: CallId, file: &FilePath) -> Result<u64, RemoteError> {
        let path = self.path(id);
        let file = file.to_owned();
        let opened = tokio::task::spawn_blocking(move || {
            let file = layout::read(&file)?;
            file.metadata().map(|about| (file, about.len()))
        });
        let (file, here) = opened.await.map_err(io::Error::other)??;
        let (mut part, file) = read_part(file).await?;
        // A crash may have left a header that does not say yet how long the sound is.
        if let Some(head) = part.first_chunk_mut::<HEADER_BYTES>()
            && let Some(right) = wav::repaired_header(head, here)
        {
            *head = right;
        }
        if part.len() < PART_BYTES {
            self.objects.put(&path, PutPayload::from(part)).await?;
        } else {
            self.upload_parts(&path, part, file).await?;
        }
        let there = self.objects.head(&path).await?.size;
        if here == there { Ok(here) } else { Err(RemoteError::Incomplete { here, there }) }
    }

    async fn upload_parts(&self, path: &Path, first: Vec<u8>, mut file: File) -> Result<(), RemoteError> {
        let mut upload = self.objects.put_multipart(path).await?;
        let all = async {
            let mut part = first;
            while !part.is_empty() {
                upload.put_part(part.into()).await?;
                (part, file) = read_part(file).await?;
            }
            upload.complete().await?;
            Ok(())
        };
        let done: Result<(), RemoteError> = all.await;
        if done.is_err() {
            // Parts that never become an object are paid for. Where this fails too, a rule of the bucket removes them.
            let _ = timeout(ANSWERS, upload.abort()).await;
        }
        done
    }

    /// Removes a call's recording there. That there is none is no error.
    pub(crate) async fn delete(&self, id: CallId) -> Result<(), RemoteError> {
        match in_time(self.objects.delete(&self.path(id))).await {
            Err(RemoteError::Storage(object_store::Error::NotFound { .. })) => Ok(()),
            done => done,
        }
    }

    /// A call's recording there; `None` when there is none.
    pub(crate) async fn find(&self, id: CallId) -> Result<Option<RemoteObject>, RemoteError> {
        match in_time(self.objects.head(&self.path(id))).await {
            Ok(found) => {
                let letters = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect();
                let tag: String = match &found.e_tag {
                    Some(tag) => letters(tag),
                    None => found.last_modified.timestamp_micros().to_string(),
                };
                let tag = format!("{:x}-{tag}", found.size);
                Ok(Some(RemoteObject {
                    remote: self.clone(),
                    id,
                    length: found.size,
                    tag,
                    e_tag: found.e_tag,
                }))
            }
            Err(RemoteError::Storage(object_store::Error::NotFound { .. })) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn path(&self, id: CallId) -> Path {
        Path::from(format!("{}{}", self.prefix, name(id)))
    }
}

impl RemoteObject {
    /// Some of its bytes, as they are asked for. The first piece is there when this returns.
    pub(crate) async fn read(
        self,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, io::Result<Bytes>>, RemoteError> {
        let first = self.piece(&range).await?;
        let rest = range.start + first.len() as u64..range.end;
        let more = stream::try_unfold((self, rest), |(object, rest)| async move {
            if rest.is_empty() {
                return Ok(None);
            }
            let piece = object.piece(&rest).await.map_err(|error| {
                tracing::warn!(call_id = %object.id, %error, "a recording breaks off");
                io::Error::other(error)
            })?;
            let rest = rest.start + piece.len() as u64..rest.end;
            Ok(Some((piece, (object, rest))))
        });
        Ok(stream::once(std::future::ready(Ok(first))).chain(more).boxed())
    }

    /// The first piece of a range, whole.
    async fn piece(&self, range: &Range<u64>) -> Result<Bytes, RemoteError> {
        let end = range.end.min(range.start + PIECE_BYTES);
        if range.start >= end {
            return Ok(Bytes::new());
        }
        // Pieces of two states would be noise.
        let options = GetOptions::new().with_range(Some(range.start..end)).with_if_match(self.e_tag.clone());
        let path = self.remote.path(self.id);
        let piece =
            in_time(async { self.remote.objects.get_opts(&path, options).await?.bytes().await }).await?;
        let (got, wanted) = (piece.len() as u64, end - range.start);
        if got == wanted { Ok(piece) } else { Err(RemoteError::Incomplete { here: wanted, there: got }) }
    }
}

/// Gives up on an answer that somebody waits for.
async fn in_time<T>(
    asked: impl Future<Output = Result<T, object_store::Error>> + Send,
) -> Result<T, RemoteError> {
    match timeout(ANSWERS, asked).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(RemoteError::Silent),
    }
}

fn name(id: CallId) -> String {
    format!("{}/{id}.wav", id.day())
}

/// The next part of a file, and the file.
async fn read_part(mut file: File) -> io::Result<(Vec<u8>, File)> {
    let read = tokio::task::spawn_blocking(move || {
        let mut part = Vec::new();
        Read::by_ref(&mut file).take(PART_BYTES as u64).read_to_end(&mut part)?;
        Ok((part, file))
    });
    read.await.map_err(io::Error::other)?
}
