//! The recording of a call over HTTP, whole or in parts. Where it lies is the store's affair; what is answered is the
//! same wherever that is.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_range_header::parse_range_header;
use jiff::{SignedDuration, Timestamp};
use records::{CallEvent, Fact, Witness};
use serde_json::json;
use store::{Absent, CallId, Opened, Recording, RemoteError, Scope, Which};

use super::calls::no_call;
use crate::Control;
use crate::auth::may;
use crate::problem::{
    Code, Forbidden, NotFound, Problem, RangeNotSatisfiable, ServerFault, Storage, Unauthorized, Unavailable,
};

/// A player asks for a recording in many parts, and again when somebody jumps: within this time after its last request
/// that is one play.
const ONE_PLAY: SignedDuration = SignedDuration::from_mins(10);
/// How many plays are known at once.
const PLAYS: usize = 10_000;

/// Who listened to which call when last, so that each play is noted once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plays(Arc<Mutex<HashMap<(CallId, String), Timestamp>>>);

impl Plays {
    /// Whether this request begins a play.
    fn begins(&self, call: CallId, by: &str, now: Timestamp) -> bool {
        let mut plays = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = |at: &Timestamp| now.duration_since(*at) < ONE_PLAY;
        if plays.len() >= PLAYS {
            plays.retain(|_, at| is_fresh(at));
        }
        if plays.len() >= PLAYS {
            // Noted too often rather than not at all.
            plays.clear();
        }
        let before = plays.insert((call, by.to_owned()), now);
        !before.is_some_and(|at| is_fresh(&at))
    }
}

/// The recording of a call
///
/// A WAV file with two channels: the caller left, the agent right, as each was heard. `Range` gives a part, as players
/// ask for to jump; `If-Range` with the `ETag` of an earlier answer keeps parts of two states apart. While the call
/// runs, this is what was recorded so far, with a header that says how much that is. `HEAD` gives the headers alone.
/// A recording that lies in a bucket is given in the same way. Each play is an event of the call, `played`, and a line
/// of the audit file; requests of one key within ten minutes of each other are one play.
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
        Unauthorized, Forbidden, NotFound, RangeNotSatisfiable, Storage, ServerFault, Unavailable,
    ),
)]
pub(crate) async fn recording(
    State(control): State<Arc<Control>>,
    Extension(plays): Extension<Plays>,
    method: Method,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let caller = may(&control, &headers, Scope::Read).await?;
    let id: CallId = id.parse().map_err(|_| no_call())?;
    let recording = find(&control, id).await?;
    let (length, tag) = (recording.length, format!("\"{}\"", recording.tag));
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
    let body = if method == Method::HEAD {
        Body::empty()
    } else {
        let sound = recording.read(part.clone()).await.map_err(|error| unreadable(id, &error))?;
        let now = Timestamp::now();
        if plays.begins(id, &caller.owner, now) {
            note_play(&control, id, caller.owner, now).await;
        }
        Body::from_stream(sound)
    };
    Ok(answer(id, body, &wanted, (part, length), tag))
}

/// What is answered with these bytes of so many.
fn answer(
    id: CallId,
    body: Body,
    wanted: &Wanted,
    (part, length): (Range<u64>, u64),
    tag: String,
) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    let mut set = |name, value: String| {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    };
    set(header::CONTENT_LENGTH, (part.end - part.start).to_string());
    set(header::CONTENT_TYPE, "audio/wav".to_owned());
    set(header::CONTENT_DISPOSITION, format!("attachment; filename=\"{id}.wav\""));
    set(header::ACCEPT_RANGES, "bytes".to_owned());
    set(header::ETAG, tag);
    set(header::CACHE_CONTROL, "private, no-store".to_owned());
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned());
    if matches!(wanted, Wanted::Part(_)) {
        set(header::CONTENT_RANGE, format!("bytes {}-{}/{length}", part.start, part.end - 1));
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    response
}

/// Finds the recording, or says why there is none.
async fn find(control: &Control, id: CallId) -> Result<Recording, Problem> {
    let recordings = control.store.recordings();
    let mut opened = recordings.open(id).await;
    if let Ok(Opened::Absent(Absent::NoCall)) = opened
        // A call of another server, whose recording may lie where this one can reach it.
        && let Some(record) = control.database.call(&Which::Id(id)).await?
    {
        let kept_as = record.id.parse().unwrap_or(id);
        opened = recordings.open_there(kept_as, &record).await;
    }
    match opened.map_err(|error| unreadable(id, &error))? {
        Opened::Found(recording) => Ok(recording),
        Opened::Absent(Absent::NoCall) => Err(no_call()),
        Opened::Absent(Absent::NotRecorded) => Err(no_recording("The call was not recorded.")),
        Opened::Absent(Absent::NotYet) => {
            Err(no_recording("The call runs, and nothing of it was recorded so far."))
        }
        Opened::Absent(Absent::Erased) => Err(no_recording("The recording was erased.")),
        Opened::Absent(Absent::Gone) => {
            Err(no_recording("The recording is not where it was put: somebody took it away."))
        }
    }
}

fn no_recording(detail: &str) -> Problem {
    Problem::new(Code::RecordingNotFound, detail)
}

fn unreadable(id: CallId, error: &RemoteError) -> Problem {
    tracing::error!(call_id = %id, %error, "a recording can't be read");
    match error {
        RemoteError::Refused(_) => Problem::new(
            Code::StorageFault,
            "The recording lies in a bucket that refuses the key of this server; the log says more.",
        ),
        RemoteError::Elsewhere(_) | RemoteError::Unusable(_) => Problem::new(
            Code::StorageFault,
            "The recording lies in a place that is not the configured one; the call's `recording` names it.",
        ),
        RemoteError::Storage(_) | RemoteError::Silent | RemoteError::Incomplete { .. } => Problem::new(
            Code::StorageUnavailable,
            "The recording lies in a bucket that does not answer now; ask again later.",
        ),
        RemoteError::Io(_) => Problem::new(Code::Internal, "The recording can't be read; the log says why."),
    }
}

/// Notes who listens: in the audit file, which is there whatever happens to the database, and among the call's events.
async fn note_play(control: &Control, id: CallId, by: String, now: Timestamp) {
    tracing::info!(call_id = %id, by, "a recording is listened to");
    let line = json!({ "by": by, "call": id.to_string() });
    if let Err(error) = control.store.audit().note("play", now, line).await {
        tracing::error!(call_id = %id, by, %error, "it can't be noted that a recording is listened to");
    }
    let event = CallEvent { at: now, from: Witness::Socket, fact: Fact::Played { by } };
    if let Err(error) = control.database.note(id, event).await {
        tracing::warn!(call_id = %id, %error, "a play is in the audit file only");
    }
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
    fn requests_that_follow_each_other_are_one_play() {
        let plays = Plays::default();
        let at = |minutes: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes);
        let (one, other) = (CallId::new(at(0), [1; 10]), CallId::new(at(0), [2; 10]));
        let begins = |call, by, minutes| plays.begins(call, by, at(minutes));
        assert!(begins(one, "key_a", 0) && !begins(one, "key_a", 9) && !begins(one, "key_a", 18));
        assert!(begins(one, "key_b", 18) && begins(other, "key_a", 18) && begins(one, "key_a", 28));
    }

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
