//! Taking calls out of the tables, in part or whole.

use records::{Kept, same_number};

use super::save::{keep_events, load, locate, save};
use super::{Connection, Db, Result};
use crate::CallId;
use crate::database::operation::{FindNumber, Forget, NoteEvent, On};
use crate::database::values::Which;

impl On<Db> for Forget {
    async fn run(&self, connection: &mut Connection) -> Result<bool> {
        let Some(id) = locate(connection, &Which::Id(self.call)).await? else { return Ok(true) };
        let Some(before) = load(connection, &id).await? else { return Ok(true) };
        if !before.status.is_final() {
            return Ok(false);
        }
        let mut record = before.clone();
        record.forget(self.what, self.at);
        save(connection, &before, &record).await?;
        let more: &[&'static str] = match self.what {
            Kept::Audio => &["DELETE FROM recordings WHERE call = $1 AND place = 'file'"],
            // The only event that repeats what was said: a vendor's summary.
            Kept::Transcript => {
                &["DELETE FROM events WHERE call = $1 AND event LIKE '%\"fact\":\"agent_report\"%'"]
            }
            Kept::Record => &[
                "DELETE FROM recordings WHERE call = $1",
                "DELETE FROM events WHERE call = $1",
                "DELETE FROM waiting WHERE call = $1",
                "UPDATE callbacks SET body = '' WHERE call = $1",
                "UPDATE idempotency SET body = NULL WHERE call = $1",
            ],
        };
        for statement in more {
            sqlx::query(*statement).bind(&id).execute(&mut *connection).await?;
        }
        Ok(true)
    }
}

impl On<Db> for NoteEvent {
    async fn run(&self, connection: &mut Connection) -> Result<bool> {
        let Some(id) = locate(connection, &Which::Id(self.call)).await? else { return Ok(false) };
        let Some(record) = load(connection, &id).await? else { return Ok(false) };
        if record.erased_at.is_some() {
            return Ok(false);
        }
        keep_events(connection, &id, vec![(self.event.clone(), record.status)]).await?;
        Ok(true)
    }
}

impl On<Db> for FindNumber {
    async fn run(&self, connection: &mut Connection) -> Result<Vec<CallId>> {
        let digits: String = self.number.chars().filter(char::is_ascii_digit).collect();
        // The end of a number has the same digits however it is written, with spaces or dashes between them; which calls
        // are meant is looked at below.
        let last = digits.chars().skip(digits.len().saturating_sub(8));
        let tail: String = last.flat_map(|digit| ['%', digit]).collect();
        let found: Vec<(String, Option<String>, Option<String>)> = sqlx::query_as(
            "SELECT id, from_number, to_number FROM calls WHERE from_number LIKE $1 OR to_number LIKE $1 ORDER BY id",
        )
        .bind(format!("{tail}%"))
        .fetch_all(connection)
        .await?;
        let meant =
            |number: &Option<String>| number.as_ref().is_some_and(|known| same_number(known, &self.number));
        Ok(found
            .iter()
            .filter(|(_, from, to)| meant(from) || meant(to))
            .filter_map(|(id, ..)| id.parse().ok())
            .collect())
    }
}
