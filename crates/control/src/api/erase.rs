//! Erasing all that is kept of somebody's number, over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use http::HeaderMap;
use jiff::Timestamp;
use records::masked;
use serde::{Deserialize, Serialize};
use store::{CallId, Erased, ForgetError, Scope};
use utoipa::ToSchema;

use crate::Control;
use crate::auth::may;
use crate::problem::{
    BadRequest, Code, Forbidden, Mistake, Problem, ServerFault, Unauthorized, Unavailable, Unprocessable,
};

/// Fewer digits could be anybody's.
const LEAST_DIGITS: usize = 6;
/// A number has at most fifteen (ITU-T E.164); the rest is how it may be written.
const LONGEST: usize = 40;

/// Whose calls are to be erased.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EraseNumber {
    /// The number, with or without country code, spaces and dashes.
    #[schema(example = "+919876543210", min_length = 6, max_length = 40)]
    number: String,
    /// Only say what would be erased.
    #[serde(default)]
    dry_run: bool,
}

/// What was erased.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErasedNumber {
    /// The number, masked.
    #[schema(example = "+91******3210")]
    number: String,
    /// Whether this only says what would be done.
    dry_run: bool,
    /// These calls are erased: sound, words, numbers and parameters. Their ids, times and states are left.
    erased: Vec<String>,
    /// These calls run; each is erased as soon as it is over.
    running: Vec<String>,
    /// These calls are held and keep everything; see `/api/v1/calls/{id}/hold`.
    held: Vec<String>,
    /// These calls could not be erased now; it is tried again until they are.
    failed: Vec<NotErased>,
}

/// A call that could not be erased now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NotErased {
    /// The call.
    call_id: String,
    /// What is in the way: `storage`, `database`, `disk`.
    because: &'static str,
}

/// Erase a number
///
/// Takes out all that is kept of calls from or to a number, however the number is written in them: recordings here and
/// in the bucket, words, numbers, parameters, what carriers sent. Of each call a tombstone stays. Calls that run are
/// erased when they are over, and what can't be erased now is tried again by itself. Done again it changes nothing more.
/// The same as `trunkline erase`.
#[utoipa::path(
    post, path = "/api/v1/erase", tag = "calls", security(("key" = [])), request_body = EraseNumber,
    responses(
        (status = 200, description = "What was erased, or would be.", body = ErasedNumber),
        BadRequest, Unauthorized, Forbidden, Unprocessable, ServerFault, Unavailable,
        (status = 413, description = "The body is too large.", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The body is no JSON.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn erase(
    State(control): State<Arc<Control>>,
    headers: HeaderMap,
    body: Result<Json<EraseNumber>, JsonRejection>,
) -> Result<Json<ErasedNumber>, Problem> {
    let caller = may(&control, &headers, Scope::Admin).await?;
    let Json(asked) = body?;
    let digits = asked.number.chars().filter(char::is_ascii_digit).count();
    if digits < LEAST_DIGITS || asked.number.chars().count() > LONGEST {
        let mistake = Mistake::at("/number", "Give a whole number, such as +919876543210.");
        return Err(Problem::of_mistakes(Code::NotANumber, vec![mistake]));
    }
    let forgetter = control.store.forgetter(control.database.clone());
    let (number, dry_run) = (masked(&asked.number), asked.dry_run);
    let erased = if dry_run {
        forgetter.would_erase(&asked.number).await
    } else {
        // A task of its own: whoever asked may hang up, and what is begun is done.
        let by = caller.owner.clone();
        let done =
            tokio::spawn(async move { forgetter.erase(&asked.number, &by, Timestamp::now()).await }).await;
        done.map_err(|_| Problem::new(Code::Internal, "The erasure broke off; ask again."))?
    };
    let erased = erased.map_err(|error| unfinished(&error))?;
    let (calls, left) = (erased.calls.len(), erased.running.len() + erased.held.len() + erased.failed.len());
    tracing::info!(by = caller.owner, dry_run, calls, left, "a number was asked to be erased");
    Ok(Json(report(number, dry_run, erased)))
}

fn report(number: String, dry_run: bool, erased: Erased) -> ErasedNumber {
    let ids = |calls: Vec<CallId>| calls.iter().map(ToString::to_string).collect();
    let failed = erased.failed.into_iter().map(|(id, error)| NotErased {
        call_id: id.to_string(),
        because: match error {
            ForgetError::Remote(_) => "storage",
            ForgetError::Database(_) => "database",
            _ => "disk",
        },
    });
    ErasedNumber {
        number,
        dry_run,
        erased: ids(erased.calls),
        running: ids(erased.running),
        held: ids(erased.held),
        failed: failed.collect(),
    }
}

/// The answer where not even what there is could be found out, or the audit line not be written.
pub(crate) fn unfinished(error: &ForgetError) -> Problem {
    if let ForgetError::Database(error) = error {
        return error.clone().into();
    }
    tracing::error!(%error, "what is kept can't be changed");
    Problem::new(Code::Internal, "What is kept can't be changed; the log says why.")
}
