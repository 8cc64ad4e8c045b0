//! The listener of the bucket, and what each request does.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::S3Fault;
use super::answer::{cut, error, object, slow, xml};
use super::bucket::{Asked, Bucket, Op, tag};
use super::sign::{Signer, decode};

/// The largest part that is taken.
const LARGEST: usize = 64 << 20;

/// Whom the bucket lets in, and where it is.
#[derive(Debug, Clone)]
pub struct S3Keys {
    /// The key's id.
    pub id: String,
    /// The key.
    pub secret: String,
    /// The region.
    pub region: String,
    /// The bucket's name.
    pub bucket: String,
}

impl Default for S3Keys {
    fn default() -> Self {
        Self {
            id: "AKIDTRUNKLINE".to_owned(),
            secret: "the stand-in's secret".to_owned(),
            region: "ap-south-1".to_owned(),
            bucket: "calls".to_owned(),
        }
    }
}

/// A bucket on a port of its own. It and what lies in it go with this.
#[derive(Debug)]
pub struct S3Server {
    address: SocketAddr,
    world: Arc<World>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct World {
    keys: S3Keys,
    bucket: Mutex<Bucket>,
    /// How many requests came or were answered.
    news: watch::Sender<usize>,
}

impl S3Server {
    /// Starts it on a port of the loopback interface.
    ///
    /// # Errors
    /// Where no port can be had.
    pub async fn start(keys: S3Keys) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let world = Arc::new(World { keys, bucket: Mutex::default(), news: watch::Sender::new(0) });
        let routes = Router::new().fallback(serve).with_state(world.clone());
        let task = tokio::spawn(async move {
            // It ends when the task is aborted.
            let _ = axum::serve(listener, routes).await;
        });
        Ok(Self { address, world, task })
    }

    /// What a client is told as the endpoint: the bucket is a part of the path.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Whom it lets in.
    pub fn keys(&self) -> &S3Keys {
        &self.world.keys
    }

    /// So many of the next requests of this kind go wrong so.
    pub fn spoil(&self, op: Op, fault: S3Fault, times: u32) {
        self.world.bucket().spoil(op, fault, times);
    }

    /// Nothing goes wrong any more.
    pub fn mend(&self) {
        self.world.bucket().mend();
    }

    /// What lies in it, by key.
    pub fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        let bucket = self.world.bucket();
        bucket.objects.iter().map(|(key, object)| (key.clone(), object.bytes.clone())).collect()
    }

    /// How many uploads in parts were begun and neither completed nor given up.
    pub fn unfinished(&self) -> usize {
        self.world.bucket().uploads.len()
    }

    /// What was asked of it, oldest first.
    pub fn asked(&self) -> Vec<Asked> {
        self.world.bucket().asked.clone()
    }

    /// Waits until the requests so far are as they should be.
    pub async fn until(&self, is_so: impl Fn(&[Asked]) -> bool) {
        let mut news = self.world.news.subscribe();
        while !is_so(&self.asked()) {
            // The sender lives as long as this.
            let _ = news.changed().await;
        }
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl World {
    fn bucket(&self) -> MutexGuard<'_, Bucket> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a request before anything is done about it. Gives its number.
    fn asks(&self, op: Option<Op>, key: &str) -> usize {
        let mut bucket = self.bucket();
        bucket.asked.push(Asked { op, key: key.to_owned(), status: 0 });
        let number = bucket.asked.len() - 1;
        drop(bucket);
        self.news.send_modify(|news| *news += 1);
        number
    }

    fn answers(&self, number: usize, status: StatusCode) {
        self.bucket().asked[number].status = status.as_u16();
        self.news.send_modify(|news| *news += 1);
    }
}

async fn serve(State(world): State<Arc<World>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let query: BTreeMap<String, String> =
        form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let key = key_of(&head, &world.keys.bucket);
    let op = op_of(&head.method, &query, key.as_deref());
    let number = world.asks(op, key.as_deref().unwrap_or_default());
    let Ok(body) = to_bytes(body, LARGEST).await else { return StatusCode::BAD_REQUEST.into_response() };
    let fault = op.and_then(|op| world.bucket().fault(op));
    let whole = match (fault, op, key) {
        (Some(S3Fault::Hang), ..) => std::future::pending().await,
        (Some(S3Fault::SlowDown), ..) => error("SlowDown", "Please reduce your request rate."),
        (Some(S3Fault::Internal), ..) => error("InternalError", "We encountered an internal error."),
        (Some(S3Fault::Denied), ..) => error("AccessDenied", "Access Denied"),
        (_, Some(op), Some(key)) => match signed(&world.keys, &head, &body) {
            Ok(()) => done(&mut world.bucket(), op, &key, (&query, &head.headers, &body)),
            Err((code, message)) => error(code, &message),
        },
        (_, _, None) => error("NoSuchBucket", "The specified bucket does not exist."),
        (_, None, _) => error("NotImplemented", "The stand-in does not do this."),
    };
    world.answers(number, whole.status());
    match fault {
        Some(S3Fault::Cut) => cut(whole).await,
        Some(S3Fault::Slow(wait)) => slow(whole, wait).await,
        _ => whole,
    }
}

fn signed(keys: &S3Keys, head: &Parts, body: &[u8]) -> Result<(), (&'static str, String)> {
    Signer { key_id: &keys.id, secret: &keys.secret, region: &keys.region }.check(
        head,
        body,
        Timestamp::now(),
    )
}

/// The object's key; empty for the bucket itself, `None` for another bucket.
fn key_of(head: &Parts, bucket: &str) -> Option<String> {
    let path = decode(head.uri.path(), false).ok()?;
    let path = String::from_utf8(path).ok()?;
    let rest = path.strip_prefix('/')?.strip_prefix(bucket)?;
    if rest.is_empty() { Some(String::new()) } else { rest.strip_prefix('/').map(str::to_owned) }
}

fn op_of(method: &Method, query: &BTreeMap<String, String>, key: Option<&str>) -> Option<Op> {
    let has = |name| query.contains_key(name);
    let is_object = key.is_some_and(|key| !key.is_empty());
    match (method.as_str(), is_object) {
        ("GET", false) if query.get("list-type").is_some_and(|kind| kind == "2") => Some(Op::List),
        ("GET", true) => Some(Op::Get),
        ("HEAD", true) => Some(Op::Head),
        ("PUT", true) if has("partNumber") && has("uploadId") => Some(Op::Part),
        ("PUT", true) => Some(Op::Put),
        ("POST", true) if has("uploads") => Some(Op::Begin),
        ("POST", true) if has("uploadId") => Some(Op::Complete),
        ("DELETE", true) if has("uploadId") => Some(Op::Abort),
        ("DELETE", true) => Some(Op::Delete),
        _ => None,
    }
}

type Told<'a> = (&'a BTreeMap<String, String>, &'a HeaderMap, &'a Bytes);

/// Does what is asked by somebody who may.
fn done(bucket: &mut Bucket, op: Op, key: &str, (query, headers, body): Told<'_>) -> Response {
    let now = Timestamp::now();
    let upload = query.get("uploadId").map_or("", String::as_str);
    let tagged = |tag: String| ([(header::ETAG, tag)], "").into_response();
    match op {
        Op::Get | Op::Head => match bucket.objects.get(key) {
            Some(found) => object(found, headers),
            None => error("NoSuchKey", "The specified key does not exist."),
        },
        Op::Put => tagged(bucket.put(key, body.to_vec(), now)),
        Op::Delete => {
            bucket.objects.remove(key);
            StatusCode::NO_CONTENT.into_response()
        }
        Op::Begin => {
            let id = bucket.begin(key);
            let text = format!(
                "<InitiateMultipartUploadResult><Key>{key}</Key><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
            );
            xml(StatusCode::OK, &text)
        }
        Op::Part => {
            let number = query.get("partNumber").and_then(|number| number.parse().ok());
            match (number, bucket.uploads.get_mut(upload).filter(|upload| upload.key == key)) {
                (Some(number), Some(upload)) => {
                    upload.parts.insert(number, body.to_vec());
                    tagged(tag(body))
                }
                _ => error("NoSuchUpload", "The specified upload does not exist."),
            }
        }
        Op::Complete => match bucket.complete(upload, &named(body), now) {
            Ok(tag) => {
                let tag = tag.replace('"', "&quot;");
                let text = format!(
                    "<CompleteMultipartUploadResult><Key>{key}</Key><ETag>{tag}</ETag></CompleteMultipartUploadResult>"
                );
                xml(StatusCode::OK, &text)
            }
            Err(code) => error(code, "The parts are not what was sent."),
        },
        Op::Abort => {
            bucket.uploads.remove(upload);
            StatusCode::NO_CONTENT.into_response()
        }
        Op::List => list(bucket, query.get("prefix").map_or("", String::as_str)),
    }
}

/// The parts that the body of a `CompleteMultipartUpload` names: number and tag.
fn named(body: &[u8]) -> Vec<(u32, String)> {
    #[derive(serde::Deserialize)]
    struct Whole {
        #[serde(rename = "Part", default)]
        parts: Vec<Part>,
    }
    #[derive(serde::Deserialize)]
    struct Part {
        #[serde(rename = "PartNumber")]
        number: u32,
        #[serde(rename = "ETag")]
        tag: String,
    }
    let text = String::from_utf8_lossy(body);
    let whole: Whole = quick_xml::de::from_str(&text).unwrap_or(Whole { parts: Vec::new() });
    whole.parts.into_iter().map(|part| (part.number, part.tag)).collect()
}

/// All objects whose keys begin so, on one page.
fn list(bucket: &Bucket, prefix: &str) -> Response {
    let mut text = String::from("<ListBucketResult><IsTruncated>false</IsTruncated>");
    for (key, object) in bucket.objects.iter().filter(|(key, _)| key.starts_with(prefix)) {
        text.push_str(&format!(
            "<Contents><Key>{key}</Key><LastModified>1970-01-01T00:00:00.000Z</LastModified><Size>{}</Size></Contents>",
            object.bytes.len()
        ));
    }
    text.push_str("</ListBucketResult>");
    xml(StatusCode::OK, &text)
}
