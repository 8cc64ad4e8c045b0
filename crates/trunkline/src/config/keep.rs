//! What is kept of calls, where, and for how long.

use std::path::PathBuf;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use store::{RemoteOptions, Retention};

use super::schema::redacted;

/// Whether calls are recorded, and where recordings go once a call is over.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Recording {
    pub(crate) enabled: bool,
    pub(crate) url: Option<String>,
    pub(crate) endpoint: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) access_key_id: Option<String>,
    #[serde(serialize_with = "redacted")]
    pub(crate) secret_access_key: Option<SecretString>,
    pub(crate) secret_access_key_file: Option<PathBuf>,
    pub(crate) keep_local: bool,
}

impl Default for Recording {
    fn default() -> Self {
        Self {
            enabled: true,
            url: None,
            endpoint: None,
            region: None,
            access_key_id: None,
            secret_access_key: None,
            secret_access_key_file: None,
            keep_local: false,
        }
    }
}

impl Recording {
    /// Whether anything but the secret differs that holds from the start on.
    pub(crate) fn differs(&self, other: &Self) -> bool {
        let kept = |one: &Self| {
            (
                one.url.clone(),
                one.endpoint.clone(),
                one.region.clone(),
                one.access_key_id.clone(),
                one.keep_local,
            )
        };
        kept(self) != kept(other)
    }

    /// The other place, where one is named.
    pub(crate) fn remote(&self) -> Option<RemoteOptions> {
        Some(RemoteOptions {
            url: self.url.clone()?,
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            access_key_id: self.access_key_id.clone(),
            secret_access_key: self.secret_access_key.clone(),
        })
    }
}

/// For how many days each part of a call is kept. 0: for ever.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RetentionDays {
    pub(crate) audio_days: u32,
    pub(crate) transcript_days: u32,
    pub(crate) record_days: u32,
}

impl From<&RetentionDays> for Retention {
    fn from(days: &RetentionDays) -> Self {
        let RetentionDays { audio_days, transcript_days, record_days } = *days;
        Self { audio_days, transcript_days, record_days }
    }
}
