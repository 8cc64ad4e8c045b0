//! Acting on calls over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use http::HeaderMap;
use store::{CallId, Scope};

use super::hang_up::HungUp;
use super::request::{PlaceCall, PlacedCall, SweepQuery, idempotency_key};
use super::sweep::SweepReport;
use crate::Control;
use crate::auth::may;
use crate::problem::{
    BadRequest, Code, Conflict, Forbidden, NotFound, Problem, ServerFault, TooMany, Unauthorized,
    Unavailable, Unprocessable, Upstream,
};

/// Place a call
///
/// The call is kept before it is dialled, and never dialled twice: with an `Idempotency-Key` the same request again is
/// given the first answer, word for word, for a day at least. Answers 202 where the carrier's answer was lost: whether
/// it dialled is then found out by asking it, and the call's status tells.
#[utoipa::path(
    post, path = "/api/v1/calls", tag = "calls", security(("key" = [])), request_body = PlaceCall,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same for the same request again.")),
    responses(
        (status = 201, description = "The carrier took the call.", body = PlacedCall),
        (status = 202, description = "It is being found out whether the carrier dialled.", body = PlacedCall),
        BadRequest, Unauthorized, Forbidden, Conflict, Unprocessable, TooMany, Upstream, ServerFault, Unavailable,
        (status = 415, description = "The body is no JSON.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn place(
    State(control): State<Arc<Control>>,
    headers: HeaderMap,
    body: Result<Json<PlaceCall>, JsonRejection>,
) -> Result<Response, Problem> {
    let caller = may(&control, &headers, Scope::Call).await?;
    let Json(asked) = body?;
    if !control.store.health().writable {
        let what = "There is no room on the server's disk to keep a call; ask again when there is.";
        return Err(Problem::new(Code::Unavailable, what));
    }
    let key = idempotency_key(&headers)?;
    let (answer, is_repeated) = control.outbound.place(&caller, asked, key).await?;
    Ok(answer.response(is_repeated))
}

/// Place a call, at the path of older set-ups
///
/// The same as `POST /api/v1/calls`.
#[utoipa::path(
    post, path = "/call", tag = "calls", security(("key" = [])), request_body = PlaceCall,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same for the same request again.")),
    responses(
        (status = 201, description = "The carrier took the call.", body = PlacedCall),
        (status = 202, description = "It is being found out whether the carrier dialled.", body = PlacedCall),
        BadRequest, Unauthorized, Forbidden, Conflict, Unprocessable, TooMany, Upstream, ServerFault, Unavailable,
        (status = 415, description = "The body is no JSON.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn place_by_older_path(
    control: State<Arc<Control>>,
    headers: HeaderMap,
    body: Result<Json<PlaceCall>, JsonRejection>,
) -> Result<Response, Problem> {
    place(control, headers, body).await
}

/// End a call
///
/// A call that runs on this server, or on another one that shares the database, ends by itself; any other is ended by
/// its carrier, where that can be done. A call that is over stays so, and the answer is 200 all the same.
#[utoipa::path(
    post, path = "/api/v1/calls/{id}/hangup", tag = "calls", security(("key" = [])),
    params(("id" = String, Path, description = "Our id of the call.", example = "call_01JD3V6W0Z8Q4T1F5N9R2X7KBM")),
    responses(
        (status = 200, description = "It ends, or was over.", body = HungUp),
        Unauthorized, Forbidden, NotFound, Conflict, Upstream, ServerFault, Unavailable,
    ),
)]
pub(crate) async fn hang_up(
    State(control): State<Arc<Control>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<HungUp>, Problem> {
    may(&control, &headers, Scope::Call).await?;
    let none = |_| Problem::new(Code::CallNotFound, "There is no call of this id.");
    let id: CallId = id.parse().map_err(none)?;
    control.outbound.hang_up(id).await.map(Json)
}

/// Look after silent calls
///
/// Calls that are not over and have shown no sign of life for `sweep.after_ms`: their carriers are asked, and those that
/// nobody knows to live are closed as failed. Done again it changes nothing more.
#[utoipa::path(
    post, path = "/api/v1/calls/cleanup-stale", tag = "calls", security(("key" = [])), params(SweepQuery),
    responses(
        (status = 200, description = "What was found and done.", body = SweepReport),
        BadRequest, Unauthorized, Forbidden, ServerFault, Unavailable,
    ),
)]
pub(crate) async fn sweep(
    State(control): State<Arc<Control>>,
    headers: HeaderMap,
    query: Result<Query<SweepQuery>, QueryRejection>,
) -> Result<Json<SweepReport>, Problem> {
    may(&control, &headers, Scope::Call).await?;
    let Ok(Query(query)) = query else {
        let what = "`dry_run` is true or false, and there is nothing else to say.";
        return Err(Problem::new(Code::InvalidParameters, what));
    };
    Ok(Json(control.outbound.sweep(query.dry_run).await?))
}
