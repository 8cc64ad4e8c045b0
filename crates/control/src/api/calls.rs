//! The calls: a list of them, and one with all that is known.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use http::HeaderMap;
use store::{CallId, Scope, Which};

use super::cursor;
use super::erase::unfinished;
use super::event::Event;
use super::query::CallQuery;
use super::view::{self, CallDetail, CallPage, Links};
use crate::Control;
use crate::auth::may;
use crate::problem::{
    BadRequest, Code, Forbidden, NotFound, Problem, ServerFault, Unauthorized, Unavailable,
};

/// How many events of one call are shown with it.
const EVENTS: u32 = 500;

/// Calls, newest first
///
/// A page of the calls for which all filters hold. Ask for the next page with `cursor` set to `next_cursor`; a page
/// may be asked for again and holds the same calls in the same order. Phone numbers are shown in full.
#[utoipa::path(
    get, path = "/api/v1/calls", tag = "calls", security(("key" = [])), params(CallQuery),
    responses(
        (status = 200, description = "A page of calls.", body = CallPage),
        BadRequest, Unauthorized, Forbidden, ServerFault, Unavailable,
    ),
)]
pub(crate) async fn list(
    State(control): State<Arc<Control>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Json<CallPage>, Problem> {
    may(&control, &headers, Scope::Read).await?;
    let query = CallQuery::parse(query.as_deref().unwrap_or_default())?;
    let (after, limit) = (query.after(), query.limit());
    // One more than the page has, to know whether there is a next one.
    let mut calls = control.database.calls(&query.filter(), after, limit + 1).await?;
    let has_more = calls.len() > limit as usize;
    calls.truncate(limit as usize);
    let next_cursor = calls.last().filter(|_| has_more).map(|call| cursor::write(&call.id));
    Ok(Json(CallPage { calls: calls.into_iter().map(Into::into).collect(), next_cursor }))
}

/// One call
///
/// The record with what was said and what was measured, every step of its life, what its carrier sent about it, and
/// where there is more. Phone numbers are shown in full, but for those in `callbacks`.
#[utoipa::path(
    get, path = "/api/v1/calls/{id}", tag = "calls", security(("key" = [])),
    params(("id" = String, Path, description = "Our id of the call.", example = "call_01JD3V6W0Z8Q4T1F5N9R2X7KBM")),
    responses(
        (status = 200, description = "The call.", body = CallDetail),
        Unauthorized, Forbidden, NotFound, ServerFault, Unavailable,
    ),
)]
pub(crate) async fn detail(
    State(control): State<Arc<Control>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<CallDetail>, Problem> {
    may(&control, &headers, Scope::Read).await?;
    let id: CallId = id.parse().map_err(|_| no_call())?;
    let record = control.database.call(&Which::Id(id)).await?.ok_or_else(no_call)?;
    // A call that two servers had has two ids, and what is known of it lies under one of them.
    let id = record.id.parse().unwrap_or(id);
    let mut events = control.database.events(Some(id), 0, EVENTS + 1).await?;
    let events_truncated = events.len() > EVENTS as usize;
    events.truncate(EVENTS as usize);
    let events: Vec<Event> = events.into_iter().map(Into::into).collect();
    let callbacks = control.database.callbacks(id).await?;
    let recording_place = control.store.recordings().place(id, &record).await;
    let recording_place = recording_place.map_err(|error| unfinished(&error.into()))?.into();
    let forgetter = control.store.forgetter(control.database.clone());
    let held = forgetter.is_held(id).await.map_err(|error| unfinished(&error))?;
    Ok(Json(CallDetail {
        recording_place,
        held,
        status_history: view::steps(&events),
        latency: view::latency(&record),
        events,
        events_truncated,
        callbacks: callbacks.into_iter().map(Into::into).collect(),
        links: Links::of(&record),
        record,
    }))
}

/// The answer where there is no such call.
pub(crate) fn no_call() -> Problem {
    Problem::new(Code::CallNotFound, "There is no call of this id.")
}
