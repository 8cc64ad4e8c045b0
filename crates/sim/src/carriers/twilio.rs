//! Twilio's REST interface, version 2010-04-01: calls, recordings, numbers (Twilio, "Calls resource", "Making calls",
//! "Answering machine detection", "Recordings resource", "IncomingPhoneNumbers resource").

mod access;
mod body;
mod calls;
mod create;
mod life;
mod numbers;
mod recordings;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use axum::Router;
use axum::routing::get;
use jiff::Timestamp;
use tokio::sync::watch;

use super::World;
use crate::phone::Order;
use create::Create;
pub(super) use life::talked;
use numbers::Number;
use recordings::Recording;

/// Calls by their ids, and the numbers' settings.
#[derive(Debug, Default)]
pub(super) struct TwilioCalls {
    calls: Mutex<BTreeMap<String, TwilioCall>>,
    numbers: Mutex<Vec<Number>>,
}

/// One call.
#[derive(Debug)]
struct TwilioCall {
    request: Create,
    status: Status,
    answered_by: Option<&'static str>,
    queue_ms: u64,
    created: Timestamp,
    started: Option<Timestamp>,
    ended: Option<Timestamp>,
    orders: watch::Sender<Order>,
    recordings: Vec<Recording>,
}

/// Where a call is, in the words of the REST interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Queued,
    Ringing,
    InProgress,
    Completed,
    Busy,
    Failed,
    NoAnswer,
    Canceled,
}

impl Status {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Ringing => "ringing",
            Self::InProgress => "in-progress",
            Self::Completed => "completed",
            Self::Busy => "busy",
            Self::Failed => "failed",
            Self::NoAnswer => "no-answer",
            Self::Canceled => "canceled",
        }
    }

    const fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Ringing | Self::InProgress)
    }
}

impl TwilioCalls {
    fn calls(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, TwilioCall>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes a call, if it is still there.
    fn change(&self, sid: &str, change: impl FnOnce(&mut TwilioCall)) {
        if let Some(call) = self.calls().get_mut(sid) {
            change(call);
        }
    }
}

pub(super) fn routes() -> Router<World> {
    let base = "/2010-04-01/Accounts/{account}";
    Router::new()
        .route(base, get(numbers::account))
        .route(&format!("{base}/Calls.json"), get(calls::list).post(calls::create))
        .route(&format!("{base}/Calls/{{sid}}"), get(calls::fetch).post(calls::update).delete(calls::delete))
        .route(
            &format!("{base}/Calls/{{sid}}/Recordings.json"),
            get(recordings::list).post(recordings::start),
        )
        .route(
            &format!("{base}/Calls/{{sid}}/Recordings/{{recording}}"),
            axum::routing::post(recordings::update),
        )
        .route(&format!("{base}/Recordings/{{recording}}"), get(recordings::sound))
        .route(&format!("{base}/IncomingPhoneNumbers.json"), get(numbers::list))
        .route(&format!("{base}/IncomingPhoneNumbers/{{sid}}"), get(numbers::fetch).post(numbers::update))
}
