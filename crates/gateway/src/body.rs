//! The body of a request, which must come at some pace: a client that sends a byte now and then would hold its
//! connection, and the memory behind it, for as long as it likes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

/// What it may be slower than, in bytes a second: a bad mobile line is faster.
const SLOWEST: u64 = 8 * 1024;

/// A body with a deadline that moves with what has come.
pub(crate) struct Paced {
    inner: Incoming,
    began: Instant,
    grace: Duration,
    came: u64,
    limit: Pin<Box<Sleep>>,
}

impl Paced {
    /// `grace` is how long it may take apart from its length.
    pub(crate) fn new(inner: Incoming, grace: Duration) -> Self {
        let began = Instant::now();
        Self { inner, began, grace, came: 0, limit: Box::pin(sleep_until(began + grace)) }
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(cx) {
            if let Some(Ok(frame)) = &frame {
                this.came += frame.data_ref().map_or(0, |data| data.len() as u64);
                let earned = Duration::from_millis(this.came.saturating_mul(1000) / SLOWEST);
                this.limit.as_mut().reset(this.began + this.grace + earned);
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        ready!(this.limit.as_mut().poll(cx));
        let slow = io::Error::new(io::ErrorKind::TimedOut, "the body comes too slowly");
        Poll::Ready(Some(Err(slow.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
