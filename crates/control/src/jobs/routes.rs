//! The jobs over HTTP: what is still to be done, what was given up, and having it tried again.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use http::HeaderMap;
use jiff::Timestamp;
use serde::Serialize;
use store::Scope;
use store::jobs::{JobRow, JobState, Retried};
use utoipa::ToSchema;

use crate::Control;
use crate::auth::may;
use crate::problem::{
    BadRequest, Code, Conflict, Forbidden, Mistake, NotFound, Problem, ServerFault, Unauthorized, Unavailable,
};

/// What stands before a job's number in its id and in a cursor.
const ID: &str = "job_";
/// How many jobs a page has when nothing is said, and at most.
const PAGE: u32 = 50;
const MAX_PAGE: u32 = 200;

/// A page of jobs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobPage {
    /// The jobs, newest first.
    jobs: Vec<JobView>,
    /// The `cursor` of the next page; null on the last one.
    #[schema(required = true)]
    next_cursor: Option<String>,
}

/// A job that is not done.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobView {
    /// Its id.
    #[schema(example = "job_1042")]
    id: String,
    /// `fetch_conversation`, `fetch_details`, `notify`, `purge`.
    kind: String,
    /// What tells it from others of its kind: a call's id, an hour.
    key: String,
    /// Where it is.
    state: JobStateView,
    /// How often it was begun.
    attempts: u32,
    /// Why it was not done the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    /// When it was asked for.
    asked_at: Timestamp,
    /// When it is begun, or, while it runs, when it is begun again if its process dies; absent once given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<Timestamp>,
    /// Since when an attempt runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    begun_at: Option<Timestamp>,
    /// When it was given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    given_up_at: Option<Timestamp>,
}

/// Where a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum JobStateView {
    /// It waits for its time.
    Waiting,
    /// An attempt runs.
    Running,
    /// It failed too often, or for good.
    GivenUp,
    /// It is done: not in a list.
    Done,
}

impl From<JobRow> for JobView {
    fn from(row: JobRow) -> Self {
        let (state, due_at) = match row.status.state {
            JobState::Open { due_at } if row.begun_at.is_some() => (JobStateView::Running, Some(due_at)),
            JobState::Open { due_at } => (JobStateView::Waiting, Some(due_at)),
            JobState::GivenUp => (JobStateView::GivenUp, None),
            JobState::Done => (JobStateView::Done, None),
        };
        Self {
            id: format!("{ID}{}", row.id),
            kind: row.kind,
            key: row.key,
            state,
            attempts: row.status.attempts,
            last_error: row.status.last_error,
            asked_at: row.asked_at,
            due_at,
            begun_at: row.begun_at,
            given_up_at: row.ended_at,
        }
    }
}

/// Which page.
#[derive(Debug, PartialEq, Eq, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct JobQuery {
    /// How many jobs the page has.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200, default = 50)]
    limit: u32,
    /// `next_cursor` of the page before this one.
    #[param(value_type = Option<String>, min_length = 1, max_length = 64)]
    cursor: Option<i64>,
}

impl JobQuery {
    fn parse(query: &str) -> Result<Self, Problem> {
        let mut wanted = Self { limit: PAGE, cursor: None };
        let (mut seen, mut mistakes) = (Vec::new(), Vec::new());
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let fault = match &*name {
                _ if seen.contains(&name) => "is given twice",
                "limit" => match value.parse().ok().filter(|limit| (1..=MAX_PAGE).contains(limit)) {
                    Some(limit) => {
                        wanted.limit = limit;
                        ""
                    }
                    None => "is a number from 1 to 200",
                },
                "cursor" => {
                    wanted.cursor = number(&value);
                    if wanted.cursor.is_some() { "" } else { "is no `next_cursor` of a page" }
                }
                _ => "is no parameter of this",
            };
            if !fault.is_empty() {
                let shown: String = name.chars().filter(|letter| !letter.is_control()).take(40).collect();
                mistakes.push(Mistake::of(&shown, format!("`{shown}` {fault}.")));
            }
            seen.push(name);
        }
        if mistakes.is_empty() {
            Ok(wanted)
        } else {
            Err(Problem::of_mistakes(Code::InvalidParameters, mistakes))
        }
    }
}

/// The number in a job's id.
fn number(id: &str) -> Option<i64> {
    let digits = id.strip_prefix(ID)?;
    digits.parse().ok().filter(|number: &i64| *number > 0 && number.to_string() == digits)
}

/// Work that is not done
///
/// What is done in the background for calls and for the server, as far as it waits, runs or was given up; newest first.
/// What was done is not shown.
#[utoipa::path(
    get, path = "/api/v1/jobs", tag = "health", security(("key" = [])), params(JobQuery),
    responses(
        (status = 200, description = "A page of jobs.", body = JobPage),
        BadRequest, Unauthorized, Forbidden, ServerFault, Unavailable,
    ),
)]
pub(crate) async fn list(
    State(control): State<Arc<Control>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Json<JobPage>, Problem> {
    may(&control, &headers, Scope::Read).await?;
    let query = JobQuery::parse(query.as_deref().unwrap_or_default())?;
    let limit = query.limit as usize;
    // One more than the page has, to know whether there is a next one.
    let mut rows = control.database.jobs(query.cursor, query.limit + 1).await?;
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let jobs: Vec<JobView> = rows.into_iter().map(Into::into).collect();
    let next_cursor = jobs.last().filter(|_| has_more).map(|job| job.id.clone());
    Ok(Json(JobPage { jobs, next_cursor }))
}

/// Have a job tried again
///
/// One that was given up is begun again at once, and as often as a new one.
#[utoipa::path(
    post, path = "/api/v1/jobs/{id}/retry", tag = "health", security(("key" = [])),
    params(("id" = String, Path, description = "The job's id.", example = "job_1042")),
    responses(
        (status = 200, description = "It waits to be begun.", body = JobView),
        Unauthorized, Forbidden, NotFound, Conflict, ServerFault, Unavailable,
    ),
)]
pub(crate) async fn retry(
    State(control): State<Arc<Control>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<JobView>, Problem> {
    may(&control, &headers, Scope::Admin).await?;
    let none = || Problem::new(Code::NotFound, "There is no job of this id.");
    let id = number(&id).ok_or_else(none)?;
    match control.database.retry_job(id, Timestamp::now()).await? {
        Retried::Open(row) => Ok(Json(row.into())),
        Retried::Unknown => Err(none()),
        Retried::NotGivenUp => {
            Err(Problem::new(Code::Conflict, "It was not given up: it is done, or is begun when it is due."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_asked_for_in_one_way() {
        assert_eq!(JobQuery::parse("").unwrap(), JobQuery { limit: 50, cursor: None });
        let wanted = JobQuery { limit: 7, cursor: Some(12) };
        assert_eq!(JobQuery::parse("limit=7&cursor=job_12").unwrap(), wanted);
        for bad in
            ["limit=0", "limit=201", "limit=1&limit=1", "cursor=12", "cursor=job_", "cursor=job_-1", "x=1"]
        {
            assert!(JobQuery::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(number("job_007"), None);
    }
}
