//! An answer's body as a plan: what is sent when, and how it goes wrong.

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::header;

use super::Fault;
use super::visit::{Visit, Watch};

/// One step.
#[derive(Debug, Clone)]
enum Step {
    /// Wait so many milliseconds. None at all still lets what was sent before go out by itself.
    Pause(u64),
    /// Send this.
    Send(Bytes),
}

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// As it should.
    Complete,
    /// Not at all: the connection stays open.
    Never,
    /// The TCP connection breaks.
    Broken,
}

/// What is sent when.
#[derive(Debug)]
pub(super) struct Script {
    content_type: &'static str,
    steps: Vec<Step>,
    end: End,
    sent: usize,
}

impl Script {
    /// A body of this type, without anything in it yet.
    pub(super) const fn of(content_type: &'static str) -> Self {
        Self { content_type, steps: Vec::new(), end: End::Complete, sent: 0 }
    }

    /// Waits.
    pub(super) fn pause(&mut self, ms: u64) {
        if ms > 0 {
            self.steps.push(Step::Pause(ms));
        }
    }

    /// Sends bytes in two pieces, cut at a place that moves on: within `data:`, within a character, within a sample.
    pub(super) fn send(&mut self, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        self.sent += 7;
        let cut = self.sent % bytes.len().max(1);
        if cut > 0 {
            self.steps.push(Step::Send(bytes.slice(..cut)));
            self.steps.push(Step::Pause(0));
        }
        self.steps.push(Step::Send(bytes.slice(cut..)));
    }

    /// The answer as the key wants it. `failure` is how the vendor reports one inside an answer that began well;
    /// where it can't, the connection breaks.
    pub(super) fn answer(mut self, visit: &Visit, failure: Option<String>) -> Response {
        let half = self.steps.len() / 2;
        match &visit.fault {
            Some(Fault::Mute) => self.stop(0, End::Never),
            Some(Fault::Stall) => self.stop(half, End::Never),
            Some(Fault::Cut) => self.stop(half, End::Broken),
            Some(Fault::InStream) => match failure {
                Some(failure) => {
                    self.stop(half, End::Complete);
                    self.end_piece();
                    self.steps.push(Step::Send(failure.into()));
                }
                None => self.stop(half, End::Broken),
            },
            Some(Fault::Drip) => self.drip(),
            Some(Fault::Garbage) => {
                self.steps = vec![Step::Send(Bytes::from_static(b"data: {\"\x01\xff<nothing>\n\n"))];
            }
            Some(Fault::Html) => {
                self.content_type = "text/html; charset=utf-8";
                self.steps = vec![Step::Send(Bytes::from_static(b"<!doctype html><title>Welcome</title>"))];
            }
            _ => {}
        }
        let headers = [(header::CONTENT_TYPE, self.content_type)];
        let watch = visit.watch();
        (headers, self.body(watch)).into_response()
    }

    fn stop(&mut self, after: usize, end: End) {
        self.steps.truncate(after);
        self.end = end;
    }

    /// Takes back the first piece of an event of which the second is not sent, so that what follows is an event.
    fn end_piece(&mut self) {
        let is_end = |step: &Step| match step {
            Step::Send(bytes) => bytes.ends_with(b"\n\n") || bytes.ends_with(b"\r\n\r\n"),
            Step::Pause(_) => false,
        };
        let whole = self.steps.iter().rposition(is_end).map_or(0, |last| last + 1);
        self.steps.truncate(whole);
    }

    /// A byte a second.
    fn drip(&mut self) {
        let all: Vec<u8> = self
            .steps
            .iter()
            .filter_map(|step| match step {
                Step::Send(bytes) => Some(bytes.to_vec()),
                Step::Pause(_) => None,
            })
            .flatten()
            .collect();
        let byte = |byte: u8| [Step::Send(Bytes::copy_from_slice(&[byte])), Step::Pause(1_000)];
        self.steps = all.into_iter().flat_map(byte).collect();
    }

    fn body(self, watch: Watch) -> Body {
        let end = self.end;
        let steps = stream::iter(self.steps).filter_map(|step| async move {
            match step {
                Step::Send(bytes) => Some(Ok(bytes)),
                Step::Pause(0) => {
                    tokio::task::yield_now().await;
                    None
                }
                Step::Pause(ms) => {
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                    None
                }
            }
        });
        let last = stream::once(async move {
            let mut watch = watch;
            match end {
                End::Complete => {
                    watch.complete();
                    None
                }
                End::Never => std::future::pending().await,
                End::Broken => {
                    watch.complete();
                    // What was sent goes out first.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    Some(Err(io::Error::new(io::ErrorKind::ConnectionReset, "cut")))
                }
            }
        });
        Body::from_stream(steps.chain(last.filter_map(|end| async move { end })))
    }
}
