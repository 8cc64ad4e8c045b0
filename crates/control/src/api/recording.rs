//! The recording of a call over HTTP, whole or in parts. Where it lies is a [`Source`]'s affair; what is answered is
//! the same for all of them.

use std::io::SeekFrom;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_range_header::parse_range_header;
use store::{CallId, Playback, Scope};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

use super::calls::no_call;
use crate::Control;
use crate::auth::may;
use crate::problem::{
    Code, Forbidden, NotFound, Problem, RangeNotSatisfiable, ServerFault, Unauthorized, Unavailable,
};

/// How much is read from a disk at once.
const PIECE: usize = 64 * 1024;

/// The recording of a call
///
/// A WAV file with two channels: the caller left, the agent right, as each was heard. `Range` gives a part, as players
/// ask for to jump; `If-Range` with the `ETag` of an earlier answer keeps parts of two states apart. While the call
/// runs, this is what was recorded so far, with a header that says how much that is. `HEAD` gives the headers alone.
#[utoipa::path(
    get, path = "/api/v1/calls/{id}/recording", tag = "calls", security(("key" = [])),
    params(
        ("id" = String, Path, description = "Our id of the call.", example = "call_01JD3V6W0Z8Q4T1F5N9R2X7KBM"),
        ("Range" = Option<String>, Header, description = "Which bytes: `bytes=0-1023`. More than one part is not given."),
        ("If-Range" = Option<String>, Header, description = "The part is of use only while this `ETag` holds."),
    ),
    responses(
        (
            status = 200, description = "All of it.", content_type = "audio/wav", body = Vec<u8>,
            headers(
                ("ETag" = String, description = "This state of it."),
                ("Accept-Ranges" = String, description = "`bytes`."),
                ("Content-Disposition" = String, description = "A name to keep it under."),
            ),
        ),
        (
            status = 206, description = "The part that was asked for.", content_type = "audio/wav", body = Vec<u8>,
            headers(
                ("ETag" = String, description = "This state of it."),
                ("Content-Range" = String, description = "Which bytes of how many."),
            ),
        ),
        Unauthorized, Forbidden, NotFound, RangeNotSatisfiable, ServerFault, Unavailable,
    ),
)]
pub(crate) async fn recording(
    State(control): State<Arc<Control>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    may(&control, &headers, Scope::Read).await?;
    let id: CallId = id.parse().map_err(|_| no_call())?;
    let source = find(&control, id).await?;
    tracing::info!(call_id = %id, "a recording is asked for");
    let (length, tag) = (source.length(), source.tag());
    let wanted = wanted(&headers, length, &tag);
    let part = match &wanted {
        Wanted::All => 0..length,
        Wanted::Part(part) => part.clone(),
        Wanted::Nothing => {
            let detail = format!("The recording has {length} bytes.");
            let problem = Problem::new(Code::RangeNotSatisfiable, detail);
            return Ok(([(header::CONTENT_RANGE, format!("bytes */{length}"))], problem).into_response());
        }
    };
    let mut response = source.read(part.clone()).await?.into_response();
    if matches!(wanted, Wanted::Part(_)) {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    let headers = response.headers_mut();
    let mut set = |name, value: String| {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    };
    if matches!(wanted, Wanted::Part(_)) {
        set(header::CONTENT_RANGE, format!("bytes {}-{}/{length}", part.start, part.end - 1));
    }
    set(header::CONTENT_LENGTH, (part.end - part.start).to_string());
    set(header::CONTENT_TYPE, "audio/wav".to_owned());
    set(header::CONTENT_DISPOSITION, format!("attachment; filename=\"{id}.wav\""));
    set(header::ACCEPT_RANGES, "bytes".to_owned());
    set(header::ETAG, tag);
    set(header::CACHE_CONTROL, "private, no-store".to_owned());
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned());
    Ok(response)
}

/// Where a recording lies.
enum Source {
    /// With the call's files.
    File(Playback),
}

impl Source {
    /// How long it is, in bytes.
    const fn length(&self) -> u64 {
        match self {
            Self::File(playback) => playback.bytes,
        }
    }

    /// A word for the state that it is in, as an entity tag.
    fn tag(&self) -> String {
        match self {
            Self::File(playback) => {
                let since = playback.changed.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
                format!("\"{:x}-{:x}\"", playback.bytes, since.unwrap_or(Duration::ZERO).as_nanos())
            }
        }
    }

    /// These bytes of it, as they are read.
    async fn read(self, part: Range<u64>) -> Result<Body, Problem> {
        match self {
            Self::File(playback) => of_file(playback, part).await.map_err(|error| unreadable(&error)),
        }
    }
}

/// Finds where the recording lies, or says why there is none.
async fn find(control: &Control, id: CallId) -> Result<Source, Problem> {
    let store = control.store.clone();
    let found = tokio::task::spawn_blocking(move || match store.playback(id) {
        Ok(None) => store.load(id).map(|record| (None, record)).map_err(std::io::Error::other),
        found => found.map(|playback| (playback, None)),
    });
    let found = found.await.map_err(std::io::Error::other).and_then(|found| found);
    match found.map_err(|error| unreadable(&error))? {
        (Some(playback), _) => Ok(Source::File(playback)),
        (None, None) => Err(no_call()),
        (None, Some(record)) if record.recording.is_some() => {
            Err(no_recording("The recording was erased, or its file was taken away."))
        }
        (None, Some(record)) if record.ended_at.is_none() => {
            Err(no_recording("The call runs, and nothing of it was recorded so far."))
        }
        (None, Some(_)) => Err(no_recording("The call was not recorded.")),
    }
}

fn no_recording(detail: &str) -> Problem {
    Problem::new(Code::RecordingNotFound, detail)
}

fn unreadable(error: &std::io::Error) -> Problem {
    tracing::error!(%error, "a recording can't be read");
    Problem::new(Code::Internal, "The recording can't be read; the log says why.")
}

async fn of_file(playback: Playback, part: Range<u64>) -> std::io::Result<Body> {
    let head_bytes = playback.head.len() as u64;
    let cut = |at: u64| usize::try_from(at.min(head_bytes)).unwrap_or(usize::MAX);
    let head = Bytes::from(playback.head).slice(cut(part.start)..cut(part.end));
    let rest = part.start.max(head_bytes)..part.end.max(head_bytes);
    let mut file = tokio::fs::File::from_std(playback.file);
    file.seek(SeekFrom::Start(rest.start)).await?;
    let rest = ReaderStream::with_capacity(file.take(rest.end - rest.start), PIECE);
    let head = stream::iter((!head.is_empty()).then_some(Ok(head)));
    let body = Body::from_stream(head.chain(rest));
    Ok(body)
}

/// Which bytes are wanted.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    Part(Range<u64>),
    Nothing,
}

/// What `Range` and `If-Range` ask for. A range that can't be read, several parts, or one of another state than
/// this, is no range (RFC 9110, 14.2).
fn wanted(headers: &HeaderMap, length: u64, tag: &str) -> Wanted {
    let same = headers.get(header::IF_RANGE).is_none_or(|value| value.as_bytes() == tag.as_bytes());
    let range = headers.get(header::RANGE).filter(|_| same).and_then(|value| value.to_str().ok());
    let Some(Ok(ranges)) = range.map(parse_range_header) else { return Wanted::All };
    if ranges.ranges.len() > 1 {
        return Wanted::All;
    }
    match ranges.validate(length).as_deref() {
        Ok([part]) => Wanted::Part(*part.start()..*part.end() + 1),
        _ => Wanted::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_has_them() {
        let of = |range: &str, if_range: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, range.parse().unwrap());
            if let Some(tag) = if_range {
                headers.insert(header::IF_RANGE, tag.parse().unwrap());
            }
            wanted(&headers, 1000, "\"a\"")
        };
        for (range, expected) in [
            ("bytes=0-0", Wanted::Part(0..1)),
            ("bytes=10-19", Wanted::Part(10..20)),
            ("bytes=990-", Wanted::Part(990..1000)),
            ("bytes=-10", Wanted::Part(990..1000)),
            ("bytes=990-5000", Wanted::Part(990..1000)),
            ("bytes=1000-", Wanted::Nothing),
            ("bytes=5-2", Wanted::Nothing),
            ("bytes=x", Wanted::All),
            ("lines=1-2", Wanted::All),
            ("bytes=0-1,5-6", Wanted::All),
        ] {
            assert_eq!(of(range, None), expected, "{range}");
        }
        assert_eq!(of("bytes=0-0", Some("\"a\"")), Wanted::Part(0..1));
        assert_eq!(of("bytes=0-0", Some("\"b\"")), Wanted::All);
        assert_eq!(wanted(&HeaderMap::new(), 0, ""), Wanted::All);
    }
}
