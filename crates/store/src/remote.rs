//! Recordings in another place than the data folder: a bucket at S3 or at a server that speaks as S3 does, or a folder
//! that is mounted. A call's recording has one name there, so that doing anything twice does it once.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path as FilePath;
use std::sync::Arc;

use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{GetOptions, ObjectStore, ObjectStoreExt as _, PutPayload, WriteMultipart};
use secrecy::{ExposeSecret as _, SecretString};

use crate::CallId;

/// A recording larger than this goes in parts of this size, so that a long call needs no memory for all of it.
const PART_BYTES: usize = 8 << 20;
/// How many parts may be under way at once.
const PARTS_AT_ONCE: usize = 2;

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
    Storage(#[from] object_store::Error),
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

/// The other place. Cloning gives another handle of the same.
#[derive(Debug, Clone)]
pub struct Remote {
    objects: Arc<dyn ObjectStore>,
    /// What comes before an object's name in its address, with a slash at its end.
    base: String,
    prefix: String,
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
        let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
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
        Self { objects, base: format!("{}/{prefix}", base.trim_end_matches('/')), prefix }
    }

    /// The address of a call's recording there, such as `s3://bucket/prefix/2026-11-21/call_....wav`.
    pub fn address(&self, id: CallId) -> String {
        format!("{}{}", self.base, name(id))
    }

    /// Puts a recording there, and makes sure that all of it arrived.
    pub(crate) async fn upload(&self, id: CallId, file: &FilePath) -> Result<(), RemoteError> {
        let (path, mut file) = (self.path(id), File::open(file)?);
        let here = file.metadata()?.len();
        let (mut part, read_on) = read_part(file).await?;
        file = read_on;
        if part.len() < PART_BYTES {
            self.objects.put(&path, PutPayload::from(part)).await?;
        } else {
            let upload = self.objects.put_multipart(&path).await?;
            let mut upload = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
            while !part.is_empty() {
                upload.wait_for_capacity(PARTS_AT_ONCE).await?;
                upload.put(part.into());
                (part, file) = read_part(file).await?;
            }
            upload.finish().await?;
        }
        let there = self.objects.head(&path).await?.size;
        if here == there { Ok(()) } else { Err(RemoteError::Incomplete { here, there }) }
    }

    /// Removes a call's recording there. That there is none is no error.
    pub(crate) async fn delete(&self, id: CallId) -> Result<(), RemoteError> {
        match self.objects.delete(&self.path(id)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// How long a call's recording there is; `None` when there is none.
    pub(crate) async fn length(&self, id: CallId) -> Result<Option<u64>, RemoteError> {
        match self.objects.head(&self.path(id)).await {
            Ok(found) => Ok(Some(found.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// A part of a call's recording there, as it comes.
    pub(crate) async fn read(
        &self,
        id: CallId,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, io::Result<bytes::Bytes>>, RemoteError> {
        let options = GetOptions::new().with_range(Some(range));
        let found = self.objects.get_opts(&self.path(id), options).await?;
        Ok(found.into_stream().map_err(io::Error::other).boxed())
    }

    fn path(&self, id: CallId) -> Path {
        Path::from(format!("{}{}", self.prefix, name(id)))
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
