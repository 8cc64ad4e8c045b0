//! Answers as S3 gives them, and the ways in which they come to grief.

use std::io;
use std::ops::Range;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;

use super::bucket::Object;

/// How much of a slow answer comes at once.
const SLOW_PIECE: usize = 64 << 10;

/// An error in XML, with the status that S3 has for its code ("Error responses", S3 API reference).
pub(super) fn error(code: &str, message: &str) -> Response {
    let status = match code {
        "NoSuchKey" | "NoSuchUpload" | "NoSuchBucket" => StatusCode::NOT_FOUND,
        "AccessDenied" | "InvalidAccessKeyId" | "RequestTimeTooSkewed" | "SignatureDoesNotMatch" => {
            StatusCode::FORBIDDEN
        }
        "InternalError" => StatusCode::INTERNAL_SERVER_ERROR,
        "InvalidRange" => StatusCode::RANGE_NOT_SATISFIABLE,
        "NotImplemented" => StatusCode::NOT_IMPLEMENTED,
        "PreconditionFailed" => StatusCode::PRECONDITION_FAILED,
        "SlowDown" => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    };
    let message = message.replace('&', "&amp;").replace('<', "&lt;");
    xml(status, &format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>"))
}

/// An answer in XML.
pub(super) fn xml(status: StatusCode, text: &str) -> Response {
    let text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{text}");
    (status, [(header::CONTENT_TYPE, "application/xml")], text).into_response()
}

/// An object, whole or the part that is asked for.
pub(super) fn object(object: &Object, asked: &HeaderMap) -> Response {
    if asked.get(header::IF_MATCH).is_some_and(|tag| tag.as_bytes() != object.tag.as_bytes()) {
        return error("PreconditionFailed", "the object has another ETag");
    }
    let length = object.bytes.len();
    let wanted = match asked.get(header::RANGE).map(|range| part(range.to_str().unwrap_or_default(), length))
    {
        None => None,
        Some(Some(part)) => Some(part),
        Some(None) => return error("InvalidRange", "there are no such bytes"),
    };
    let part = wanted.clone().unwrap_or(0..length);
    let mut response = Response::new(Body::from(object.bytes[part.clone()].to_vec()));
    let headers = response.headers_mut();
    let mut set = |name, value: String| {
        headers.insert(name, value.parse().expect("tags, times and numbers are fit for a header"));
    };
    set(header::ETAG, object.tag.clone());
    set(header::LAST_MODIFIED, object.changed.clone());
    set(header::ACCEPT_RANGES, "bytes".to_owned());
    set(header::CONTENT_LENGTH, part.len().to_string());
    if wanted.is_some() {
        set(header::CONTENT_RANGE, format!("bytes {}-{}/{length}", part.start, part.end - 1));
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    response
}

/// The bytes that `bytes=1-2`, `bytes=1-` or `bytes=-2` asks for.
fn part(range: &str, length: usize) -> Option<Range<usize>> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let part = match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), Ok(last)) => first..length.min(last + 1),
        (Ok(first), Err(_)) => first..length,
        (Err(_), Ok(count)) => length.saturating_sub(count)..length,
        (Err(_), Err(_)) => return None,
    };
    (!part.is_empty()).then_some(part)
}

/// The first half of an answer, and then nothing: the connection breaks.
pub(super) async fn cut(whole: Response) -> Response {
    let (mut head, body) = whole.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let half = bytes.slice(..bytes.len() / 2);
    // More is promised than comes.
    let promised = bytes.len().max(1);
    head.headers.insert(header::CONTENT_LENGTH, promised.into());
    let broken = stream::iter([Ok(half), Err(io::Error::other("cut"))]);
    Response::from_parts(head, Body::from_stream(broken))
}

/// The same answer, each piece of it later.
pub(super) async fn slow(whole: Response, wait: Duration) -> Response {
    let (head, body) = whole.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let pieces = stream::unfold(bytes, move |mut left: Bytes| async move {
        if left.is_empty() {
            return None;
        }
        tokio::time::sleep(wait).await;
        let piece = left.split_to(left.len().min(SLOW_PIECE));
        Some((Ok::<_, io::Error>(piece), left))
    });
    Response::from_parts(head, Body::from_stream(pieces))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_within_the_object() {
        for (range, expected) in [
            ("bytes=0-9", Some(0..10)),
            ("bytes=90-200", Some(90..100)),
            ("bytes=90-", Some(90..100)),
            ("bytes=-5", Some(95..100)),
            ("bytes=100-", None),
            ("bytes=9-3", None),
            ("lines=0-9", None),
        ] {
            assert_eq!(part(range, 100), expected, "{range}");
        }
    }
}
