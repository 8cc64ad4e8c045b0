//! What a bucket does wrong when it is told to.

use std::time::Duration;

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum S3Fault {
    /// 503 `SlowDown`: too many requests, as Amazon says it ("Error responses", S3 API reference).
    SlowDown,
    /// 500 `InternalError`.
    Internal,
    /// 403 `AccessDenied`, whatever the signature says.
    Denied,
    /// It is done, and the connection breaks before or in the middle of the answer.
    Cut,
    /// It is taken and never answered.
    Hang,
    /// Each piece of the answer comes this much later.
    Slow(Duration),
}
