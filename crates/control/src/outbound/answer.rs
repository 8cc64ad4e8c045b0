//! What a request to place a call is answered with, so that it can be kept and given again, word for word.

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use records::{CallRecord, EndReason};
use serde::{Deserialize, Serialize};
use std::time::Duration;

use super::request::PlacedCall;
use crate::problem::{Code, Problem};

/// Set on an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// An answer.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// The call is placed, or being found out about.
    Placed(u16, PlacedCall),
    /// It is not.
    Not(Box<Problem>),
}

/// How a problem is kept.
#[derive(Debug, Deserialize, Serialize)]
struct Kept {
    code: String,
    detail: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<u64>,
}

impl Answer {
    /// What a call's record says about how its request is to be answered; `None` while that is open.
    pub(crate) fn of(record: &CallRecord) -> Option<Self> {
        match record.end_reason {
            Some(EndReason::DialRefused | EndReason::NeverDialled) => {
                Some(Self::Not(Box::new(Problem::new(Code::DialRefused, record.end_detail.clone()))))
            }
            None if record.carrier_call_id.is_empty() => None,
            _ => Some(Self::Placed(201, PlacedCall::of(record))),
        }
    }

    /// Status and body, to be kept.
    pub(crate) fn keep(&self) -> (u16, String) {
        match self {
            Self::Placed(status, placed) => (*status, serde_json::to_string(placed).unwrap_or_default()),
            Self::Not(problem) => {
                let kept = Kept {
                    code: problem.code().as_str().to_owned(),
                    detail: problem.detail().to_owned(),
                    retry_after_s: problem.waits(),
                };
                (problem.code().status().as_u16(), serde_json::to_string(&kept).unwrap_or_default())
            }
        }
    }

    /// What was kept.
    pub(crate) fn kept(status: u16, body: &str) -> Option<Self> {
        if status < 300 {
            return Some(Self::Placed(status, serde_json::from_str(body).ok()?));
        }
        let kept: Kept = serde_json::from_str(body).ok()?;
        let problem = Problem::new(Code::of_word(&kept.code)?, kept.detail);
        Some(Self::Not(Box::new(match kept.retry_after_s {
            Some(seconds) => problem.retry_after(Duration::from_secs(seconds)),
            None => problem,
        })))
    }

    /// Over HTTP; `again`: it was given before.
    pub(crate) fn response(self, again: bool) -> Response {
        let mut response = match &self {
            Self::Not(problem) => (**problem).clone().into_response(),
            Self::Placed(status, _) => {
                let (_, body) = self.keep();
                let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::CREATED);
                let kind = [(header::CONTENT_TYPE, "application/json")];
                (status, kind, body).into_response()
            }
        };
        if again {
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}
