//! Exotel's REST interface, version 1: connecting two numbers, a number with a flow, or a number with a bot; details,
//! lists, streams (Exotel, "Make a call", "Call details", "Bulk call details", "ActiveStreams").

mod access;
mod body;
mod calls;
mod life;
mod passthru;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use axum::Router;
use axum::routing::{get, post};
use jiff::Timestamp;

use super::World;

/// Calls by their ids, and which of them have a media socket.
#[derive(Debug, Default)]
pub(super) struct ExotelCalls {
    calls: Mutex<BTreeMap<String, ExotelCall>>,
    streams: Mutex<BTreeSet<String>>,
}

/// One call.
#[derive(Debug, Clone)]
struct ExotelCall {
    mode: Mode,
    /// Who is called first.
    from: String,
    /// The number that is shown.
    caller_id: String,
    custom: Option<String>,
    news: News,
    longest_s: u64,
    status: &'static str,
    created: Timestamp,
    answered: Option<Timestamp>,
    ended: Option<Timestamp>,
    answered_by: Option<&'static str>,
    /// When duration, price and end time are filled in.
    settles: Option<Timestamp>,
}

/// What is done with who answers.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Mode {
    /// The number is connected with another one.
    Number(String),
    /// The number is connected with a flow.
    Flow(String),
    /// The number is connected with a media socket.
    Bot(String),
}

/// Which callbacks are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct News {
    url: Option<String>,
    events: Vec<String>,
    json: bool,
}

impl ExotelCalls {
    fn calls(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, ExotelCall>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, sid: &str, change: impl FnOnce(&mut ExotelCall)) {
        if let Some(call) = self.calls().get_mut(sid) {
            change(call);
        }
    }

    /// Media sockets that are open.
    fn streams(&self) -> usize {
        self.open().len()
    }

    /// Whether a call gets one, where the account may have so many.
    fn opens(&self, sid: &str, most: u32) -> bool {
        let mut open = self.open();
        open.len() < most as usize && open.insert(sid.to_owned())
    }

    fn closes(&self, sid: &str) {
        self.open().remove(sid);
    }

    fn open(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn routes() -> Router<World> {
    let mut routes = Router::new();
    for version in ["v1/Accounts", "v1/accounts"] {
        let base = format!("/{version}/{{account}}");
        routes = routes
            .route(&format!("{base}/Calls/connect"), post(calls::connect))
            .route(&format!("{base}/Calls/connect.json"), post(calls::connect))
            .route(&format!("{base}/calls/connect"), post(calls::connect))
            .route(&format!("{base}/Calls.json"), get(calls::list))
            .route(&format!("{base}/Calls/{{sid}}"), get(calls::details))
            .route(&format!("{base}/ActiveStreams"), get(calls::streams));
    }
    routes
}
