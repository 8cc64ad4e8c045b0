//! Whether an answer is under way. The API has one at a time: asking for another meanwhile is an error, so what
//! is wanted then is asked for when it is over.

use serde_json::json;

use super::setup::frame;
use crate::dialect::Frame;

/// The answer under way, and the one that is owed.
#[derive(Debug, Default)]
pub(super) struct Responses {
    active: Option<String>,
    /// It was asked for and has not begun.
    asked: bool,
    /// One is to be asked for when the one under way is over.
    owed: bool,
    /// Whose audio is not wanted any more.
    dropped: Option<String>,
    /// The last one failed and was asked for again.
    retried: bool,
}

impl Responses {
    /// An answer is wanted.
    pub(super) fn want(&mut self, send: &mut Vec<Frame>) {
        if self.active.is_some() || self.asked {
            self.owed = true;
        } else {
            self.asked = true;
            send.push(frame(&json!({ "type": "response.create" })));
        }
    }

    /// An answer begins, whether it was asked for or the vendor found the caller's turn over.
    pub(super) fn created(&mut self, id: &str) {
        self.asked = false;
        self.active = Some(id.to_owned());
    }

    /// The one that was asked for was refused: another is under way, which the vendor may have told before.
    pub(super) fn busy(&mut self) {
        (self.asked, self.owed) = (false, true);
    }

    /// What comes of the answer under way is not wanted any more.
    pub(super) fn cancel(&mut self, send: &mut Vec<Frame>) {
        let Some(active) = &self.active else { return };
        if self.dropped.as_ref() != Some(active) {
            self.dropped = Some(active.clone());
            send.push(frame(&json!({ "type": "response.cancel", "response_id": active })));
        }
    }

    /// Whether what comes of this answer is to be dropped.
    pub(super) fn is_dropped(&self, id: &str) -> bool {
        !id.is_empty() && self.dropped.as_deref() == Some(id)
    }

    /// Whether this is the answer under way.
    pub(super) fn is_active(&self, id: &str) -> bool {
        self.active.as_deref() == Some(id)
    }

    /// The answer is over. The one that is owed is asked for.
    pub(super) fn done(&mut self, send: &mut Vec<Frame>) {
        (self.active, self.retried) = (None, false);
        if std::mem::take(&mut self.owed) {
            self.want(send);
        }
    }

    /// The answer failed. Whether it was asked for again, which happens once.
    pub(super) fn failed(&mut self, send: &mut Vec<Frame>) -> bool {
        let again = !self.retried;
        self.owed |= again;
        self.done(send);
        self.retried = again;
        again
    }
}
