//! Holding a call over HTTP: while it is held, neither its time nor an erasure takes anything of it out.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use http::HeaderMap;
use jiff::Timestamp;
use records::{CallEvent, Fact, Witness};
use serde::{Deserialize, Serialize};
use store::{CallId, ForgetError, Scope, Which};
use utoipa::ToSchema;

use super::calls::no_call;
use super::erase::unfinished;
use crate::Control;
use crate::auth::may;
use crate::problem::{
    BadRequest, Code, Conflict, Forbidden, NotFound, Problem, ServerFault, Unauthorized, Unavailable,
};

/// Whether a call is to be held.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HoldCall {
    /// Whether nothing of it is to be taken out from now on.
    hold: bool,
}

/// Whether a call is held.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HeldCall {
    /// The call.
    call_id: String,
    /// Whether it is held now.
    held: bool,
    /// Whether that is news.
    changed: bool,
}

/// Hold a call
///
/// While a call is held, nothing of it is taken out: not by `[retention]`, not by `/api/v1/erase` and not by
/// `trunkline erase`, and each of them says so. The hold lies with the call's files, on the server that had the call.
#[utoipa::path(
    post, path = "/api/v1/calls/{id}/hold", tag = "calls", security(("key" = [])), request_body = HoldCall,
    params(("id" = String, Path, description = "Our id of the call.", example = "call_01JD3V6W0Z8Q4T1F5N9R2X7KBM")),
    responses(
        (status = 200, description = "Whether it is held now.", body = HeldCall),
        BadRequest, Unauthorized, Forbidden, NotFound, Conflict, ServerFault, Unavailable,
        (status = 413, description = "The body is too large.", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The body is no JSON.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn hold(
    State(control): State<Arc<Control>>,
    headers: HeaderMap,
    Path(id): Path<String>,
    body: Result<Json<HoldCall>, JsonRejection>,
) -> Result<Json<HeldCall>, Problem> {
    let caller = may(&control, &headers, Scope::Admin).await?;
    let id: CallId = id.parse().map_err(|_| no_call())?;
    let Json(HoldCall { hold: held }) = body?;
    if !is_here(&control, id).await? {
        if control.database.call(&Which::Id(id)).await?.is_none() {
            return Err(no_call());
        }
        // A hold lies with the call's files: one that is kept elsewhere would hold nothing.
        let what =
            "No files of the call are here: it has not begun, or another server keeps them. Ask that one.";
        return Err(Problem::new(Code::Conflict, what));
    }
    let now = Timestamp::now();
    let forgetter = control.store.forgetter(control.database.clone());
    let changed = match forgetter.hold(id, held, &caller.owner, now).await {
        Err(ForgetError::Erased) => {
            let what = "The call is erased: nothing is left of it to be held.";
            return Err(Problem::new(Code::CallErased, what));
        }
        done => done.map_err(|error| unfinished(&error))?,
    };
    if changed {
        tracing::info!(call_id = %id, by = caller.owner, held, "a call is held, or let go");
        let fact = Fact::Held { by: caller.owner, held };
        let noted = control.database.note(id, CallEvent { at: now, from: Witness::Socket, fact }).await;
        if let Err(error) = noted {
            tracing::warn!(call_id = %id, %error, "a hold is in the audit file only");
        }
    }
    Ok(Json(HeldCall { call_id: id.to_string(), held, changed }))
}

/// Whether the files of the call are here.
async fn is_here(control: &Control, id: CallId) -> Result<bool, Problem> {
    let store = control.store.clone();
    let loaded = tokio::task::spawn_blocking(move || store.load(id)).await;
    match loaded.map_err(std::io::Error::other) {
        Ok(Ok(Some(_))) => Ok(true),
        Ok(Ok(None)) => Ok(false),
        Ok(Err(error)) => Err(unfinished(&ForgetError::from(error))),
        Err(error) => Err(unfinished(&ForgetError::from(error))),
    }
}
