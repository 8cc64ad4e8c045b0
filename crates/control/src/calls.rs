//! The records of calls over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::json;
use store::{CallId, ReadError};

use crate::Control;
use crate::auth::allowed;
use crate::problem::{problem, unauthorized};

/// How many calls a page has when nothing is said.
const PAGE: usize = 50;
/// How many it has at most.
const MAX_PAGE: usize = 500;

/// Which page.
#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    limit: Option<usize>,
    before: Option<String>,
}

/// `GET /api/v1/calls?limit=50&before=<id>`: newest first; `next` is the `before` of the page after this one.
pub(crate) async fn list(
    State(control): State<Arc<Control>>,
    headers: HeaderMap,
    page: Result<Query<Page>, QueryRejection>,
) -> Response {
    if !allowed(control.token.as_ref(), &headers) {
        return unauthorized();
    }
    let Ok(Query(page)) = page else {
        return problem(StatusCode::BAD_REQUEST, "`limit` is a number; `before` is a call's id.");
    };
    let before = match page.before.as_deref().map(str::parse::<CallId>).transpose() {
        Ok(before) => before,
        Err(error) => return problem(StatusCode::BAD_REQUEST, &format!("`before` is {error}.")),
    };
    let limit = page.limit.unwrap_or(PAGE).clamp(1, MAX_PAGE);
    let store = control.store.clone();
    match tokio::task::spawn_blocking(move || store.list(limit, before)).await {
        Ok(Ok(calls)) => {
            let next = calls.last().filter(|_| calls.len() == limit).map(|call| call.id.clone());
            Json(json!({ "calls": calls, "next": next })).into_response()
        }
        Ok(Err(error)) => unreadable(&error),
        Err(_) => {
            problem(StatusCode::INTERNAL_SERVER_ERROR, "The calls could not be read; the log says why.")
        }
    }
}

/// `GET /api/v1/calls/{id}`: one record.
pub(crate) async fn load(
    State(control): State<Arc<Control>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Response {
    if !allowed(control.token.as_ref(), &headers) {
        return unauthorized();
    }
    let none = || problem(StatusCode::NOT_FOUND, "There is no call of this id.");
    let Ok(id) = id.parse::<CallId>() else { return none() };
    let store = control.store.clone();
    match tokio::task::spawn_blocking(move || store.load(id)).await {
        Ok(Ok(Some(call))) => Json(call).into_response(),
        Ok(Ok(None)) => none(),
        Ok(Err(error)) => unreadable(&error),
        Err(_) => problem(StatusCode::INTERNAL_SERVER_ERROR, "The call could not be read; the log says why."),
    }
}

fn unreadable(error: &ReadError) -> Response {
    tracing::error!(%error, "calls can't be read");
    problem(StatusCode::INTERNAL_SERVER_ERROR, "The data folder can't be read; the log says why.")
}
