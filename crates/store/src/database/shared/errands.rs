//! What a call leaves to be done, asked for in the transaction that makes it due: so a job is there exactly once,
//! however the call ended and whichever process heard of it.

use records::{AfterRules, CallRecord, newly_due};
use serde_json::json;

use super::jobs::enqueue;
use super::{Connection, Result};
use crate::jobs::NewJob;

/// Asks for what this change makes due.
pub(super) async fn leave(
    connection: &mut Connection,
    (before, after): (&CallRecord, &CallRecord),
    rules: &AfterRules,
) -> Result<()> {
    for errand in newly_due(before, after, rules) {
        let ended = after.ended_at.unwrap_or(after.started_at);
        let payload = json!({ "call": after.id, "subject": errand.subject }).to_string();
        let key = match errand.subject.as_str() {
            "" => after.id.clone(),
            subject => format!("{}:{subject}", after.id),
        };
        let run_at = ended.checked_add(errand.wait).unwrap_or(ended);
        let kind = errand.kind.as_str().to_owned();
        enqueue(connection, &NewJob { kind, key, payload, run_at, asked_at: ended }).await?;
    }
    Ok(())
}
