//! Alerts to the operator: what is wrong now, since when, and when it is over again. They are looked for each minute, by
//! rules that are pure ([`rules`]), and shown as log lines, as a metric, over HTTP, and to a webhook where one is
//! configured.

mod board;
mod message;
pub(crate) mod routes;
mod rules;
mod watch;

use std::sync::{Arc, Mutex, PoisonError};

use axum::{Extension, Router};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use board::Raised;
use rules::{AlertKind, Severity};
pub use watch::Watch;

/// An alert that is raised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ActiveAlert {
    /// What it is about.
    alert: AlertKind,
    /// Which carrier, vendor or kind of job it is about; empty where there is only one.
    subject: String,
    /// How bad it is.
    severity: Severity,
    /// What was found, and what to do. Without phone numbers.
    detail: String,
    /// When it was first found.
    since: Timestamp,
}

impl From<Raised> for ActiveAlert {
    fn from(raised: Raised) -> Self {
        let Raised { name, detail, since } = raised;
        Self { alert: name.kind, severity: name.kind.severity(), subject: name.subject, detail, since }
    }
}

/// What the last look found.
#[derive(Debug, Clone, Default)]
struct Latest {
    at: Option<Timestamp>,
    raised: Vec<ActiveAlert>,
}

/// The alerts that are raised, as the last look found them. Cloning gives another handle of the same.
#[derive(Debug, Clone, Default)]
pub struct Alerts(Arc<Mutex<Latest>>);

impl Alerts {
    /// Has the API show them.
    pub fn show_on(&self, router: Router) -> Router {
        router.layer(Extension(self.clone()))
    }

    fn show(&self, at: Timestamp, raised: Vec<ActiveAlert>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Latest { at: Some(at), raised };
    }

    fn latest(&self) -> Latest {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
