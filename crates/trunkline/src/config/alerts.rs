//! Whom alerts are told.

use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::schema::redacted;

/// Where alerts are told, and how what is told is signed.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Alerts {
    #[serde(serialize_with = "redacted")]
    pub(crate) webhook_url: Option<SecretString>,
    #[serde(serialize_with = "redacted")]
    pub(crate) webhook_secret: Option<SecretString>,
    pub(crate) webhook_secret_file: Option<PathBuf>,
}

impl Alerts {
    /// What is wrong: a key below `alerts`, and what.
    pub(super) fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        match (&self.webhook_url, &self.webhook_secret) {
            (Some(_), None) => {
                problems
                    .push(("webhook_url", "alerts.webhook_secret is missing; what is told is signed".into()));
            }
            (None, Some(_)) => problems.push(("webhook_secret", "alerts.webhook_url is missing".to_owned())),
            _ => {}
        }
        if let Some(url) = &self.webhook_url
            && !["https://", "http://"].iter().any(|scheme| url.expose_secret().starts_with(scheme))
        {
            let what = "it begins with https:// (or http:// for a receiver nearby)".to_owned();
            problems.push(("webhook_url", what));
        }
        if let Some(secret) = &self.webhook_secret
            && let Err(why) = control::jobs::webhook_key(secret.expose_secret())
        {
            problems.push(("webhook_secret", why.to_string()));
        }
        problems
    }

    /// Whether something else is set than in another.
    pub(crate) fn differs(&self, other: &Self) -> bool {
        let set = |alerts: &Self| {
            [&alerts.webhook_url, &alerts.webhook_secret]
                .map(|secret| secret.as_ref().map(|secret| secret.expose_secret().to_owned()))
        };
        set(self) != set(other)
    }
}
