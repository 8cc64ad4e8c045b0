//! Who did what with what is kept of calls: a line of `audit.jsonl` each, only ever added to. It names calls and keys,
//! never a number or a word that was said.

use std::io::{self, Write as _};

use jiff::Timestamp;
use serde_json::Value;

use crate::layout::{self, Layout};

/// The audit file of a data folder. Cloning gives another handle of the same.
#[derive(Debug, Clone)]
pub struct Audit {
    layout: Layout,
}

impl Audit {
    pub(crate) const fn new(layout: Layout) -> Self {
        Self { layout }
    }

    /// Adds a line: when, what, and the members of `more`, a JSON object.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn note(&self, what: &str, now: Timestamp, more: Value) -> io::Result<()> {
        let mut line = serde_json::json!({ "at": now, "what": what });
        if let (Some(line), Value::Object(more)) = (line.as_object_mut(), more) {
            line.extend(more);
        }
        let layout = self.layout.clone();
        let written = tokio::task::spawn_blocking(move || {
            layout::create_folder(&layout.root)?;
            layout::append(&layout.audit())?.write_all(format!("{line}\n").as_bytes())
        });
        written.await.map_err(io::Error::other)?
    }
}
