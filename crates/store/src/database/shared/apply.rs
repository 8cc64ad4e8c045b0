//! Words about a call, taken in. They come from carriers, from the media socket's side and from the sweep, and may
//! come before the call is known: then they wait, and are taken in with its row.

use jiff::Timestamp;
use records::{AfterRules, CallEvent, CallRecord, CallStatus, Change, Fact, Witness};

use super::errands::leave;
use super::save::{begin_attempt, create, keep_events, load, locate, save};
use super::{Connection, Db, Result, json, numbers, parse};
use crate::database::operation::{Answer, Apply, Intend, On, Recall, TakeIn};
use crate::database::values::{Applied, Idempotency, InboxEntry, Intent, Which};

impl On<Db> for Intend {
    async fn run(&self, connection: &mut Connection) -> Result<Intent> {
        if let Some(once) = &self.once
            && let Some(known) = known(connection, once, &self.call.id).await?
        {
            return Ok(known);
        }
        let is_known: Option<i64> = sqlx::query_scalar("SELECT started_at FROM calls WHERE id = $1")
            .bind(&self.call.id)
            .fetch_optional(&mut *connection)
            .await?;
        if is_known.is_some() {
            // The same intent again, whose first commit was not heard of.
            return Ok(Intent::New);
        }
        create(connection, &self.call).await?;
        let blank = CallRecord::new(&*self.call.id, &*self.call.carrier, self.call.started_at);
        save(connection, &blank, &self.call).await?;
        begin_attempt(connection, &self.call, self.once.as_ref().map_or("", |once| &once.owner)).await?;
        if let Some(once) = &self.once {
            sqlx::query("INSERT INTO idempotency (owner, key, digest, call, at) VALUES ($1, $2, $3, $4, $5)")
                .bind(&once.owner)
                .bind(&once.key)
                .bind(&once.digest)
                .bind(&self.call.id)
                .bind(self.call.started_at.as_microsecond())
                .execute(&mut *connection)
                .await?;
        }
        let status = self.call.status;
        let fact = Fact::Status { status, reason: None, detail: String::new() };
        let intent = CallEvent { at: self.call.started_at, from: Witness::Socket, fact };
        keep_events(connection, &self.call.id, vec![(intent, status)]).await?;
        settle(connection, self.call.clone(), &self.rules).await?;
        Ok(Intent::New)
    }
}

type Asked = (String, String, Option<i64>, Option<String>);

/// What became of the same request before.
pub(super) async fn known(
    connection: &mut Connection,
    once: &Idempotency,
    call: &str,
) -> Result<Option<Intent>> {
    let known: Option<Asked> =
        sqlx::query_as("SELECT digest, call, status, body FROM idempotency WHERE owner = $1 AND key = $2")
            .bind(&once.owner)
            .bind(&once.key)
            .fetch_optional(connection)
            .await?;
    let Some((digest, first, status, body)) = known else { return Ok(None) };
    if digest != once.digest {
        return Ok(Some(Intent::Different));
    }
    if first == call {
        return Ok(Some(Intent::New));
    }
    let first = first.parse().map_err(|error| super::DatabaseError::unreadable("a call's id", error))?;
    let answer = status.and_then(|status| u16::try_from(status).ok()).zip(body);
    Ok(Some(Intent::Repeated { call: first, answer }))
}

impl On<Db> for Recall {
    async fn run(&self, connection: &mut Connection) -> Result<Option<Intent>> {
        known(connection, &self.once, "").await
    }
}

impl On<Db> for Answer {
    async fn run(&self, connection: &mut Connection) -> Result<()> {
        sqlx::query(
            "UPDATE idempotency SET status = $3, body = $4 WHERE owner = $1 AND key = $2 AND digest = $5",
        )
        .bind(&self.once.owner)
        .bind(&self.once.key)
        .bind(i64::from(self.status))
        .bind(&self.body)
        .bind(&self.once.digest)
        .execute(connection)
        .await?;
        Ok(())
    }
}

impl On<Db> for Apply {
    async fn run(&self, connection: &mut Connection) -> Result<Applied> {
        let call = locate(connection, &self.which).await?;
        let mut inbox = None;
        if let Some(entry) = &self.callback {
            inbox = keep(connection, entry, call.as_deref()).await?;
            if inbox.is_none() {
                let record = match &call {
                    Some(id) => load(connection, id).await?,
                    None => None,
                };
                return Ok(Applied { record, changes: Vec::new(), is_repeated: true });
            }
        }
        match call {
            Some(id) => take(connection, &id, self.events.clone(), &self.rules).await,
            None => {
                let kept_at = self.callback.as_ref().map(|entry| entry.received_at);
                let kept_at = kept_at.or(self.events.iter().map(|event| event.at).max());
                wait(connection, &self.which, &self.events, (inbox, kept_at)).await?;
                Ok(Applied { record: None, changes: Vec::new(), is_repeated: false })
            }
        }
    }
}

impl On<Db> for TakeIn {
    async fn run(&self, connection: &mut Connection) -> Result<Applied> {
        let told = &self.record;
        let fact = Fact::Talk { record: Box::new(told.clone()) };
        let events = vec![CallEvent { at: self.at, from: Witness::Socket, fact }];
        let known = match told.id.parse() {
            Ok(id) => locate(connection, &Which::Id(id)).await?,
            Err(_) => None,
        };
        if let Some(id) = known {
            return take(connection, &id, events, &self.rules).await;
        }
        let carrier = Which::Carrier { carrier: told.carrier.clone(), id: told.carrier_call_id.clone() };
        if let Some(id) = locate(connection, &carrier).await? {
            sqlx::query("INSERT INTO aliases (alias, call) VALUES ($1, $2) ON CONFLICT (alias) DO NOTHING")
                .bind(&told.id)
                .bind(&id)
                .execute(&mut *connection)
                .await?;
            return take(connection, &id, events, &self.rules).await;
        }
        create(connection, &CallRecord::new(&*told.id, &*told.carrier, told.started_at)).await?;
        let taken = take(connection, &told.id, events, &self.rules).await?;
        let record = match taken.record {
            // Words may have waited for the id itself, which no change of the record tells.
            Some(record) => Some(settle(connection, record, &self.rules).await?),
            None => None,
        };
        Ok(Applied { record, ..taken })
    }
}

/// Takes words about a known call in, and those that waited for what they tell.
async fn take(
    connection: &mut Connection,
    id: &str,
    events: Vec<CallEvent>,
    rules: &AfterRules,
) -> Result<Applied> {
    let Some(before) = load(connection, id).await? else {
        return Err(super::DatabaseError::Failed(format!("{id} has lost its record")));
    };
    let (record, changes) = apply(connection, &before, events, rules).await?;
    let is_named = record.carrier_call_id != before.carrier_call_id;
    let record = if is_named { settle(connection, record, rules).await? } else { record };
    Ok(Applied { record: Some(record), changes, is_repeated: false })
}

async fn apply(
    connection: &mut Connection,
    before: &CallRecord,
    events: Vec<CallEvent>,
    rules: &AfterRules,
) -> Result<(CallRecord, Vec<Change>)> {
    let mut record = before.clone();
    let mut changes = Vec::with_capacity(events.len());
    let mut told: Vec<(CallEvent, CallStatus)> = Vec::new();
    for event in events {
        let change = record.apply(event.clone());
        if change != Change::Nothing {
            told.push((event, record.status));
        }
        changes.push(change);
    }
    if record != *before {
        save(connection, before, &record).await?;
        leave(connection, (before, &record), rules).await?;
    }
    keep_events(connection, &record.id, told).await?;
    Ok((record, changes))
}

type Waited = (i64, String, Option<i64>);

/// Takes in what waited for this call, by our id or by the carrier's, in the order in which it came.
async fn settle(
    connection: &mut Connection,
    mut record: CallRecord,
    rules: &AfterRules,
) -> Result<CallRecord> {
    loop {
        let waited: Vec<Waited> = sqlx::query_as(
            "SELECT seq, events, callback FROM waiting
             WHERE call = $1 OR (carrier_call_id = $2 AND carrier = $3 AND carrier_call_id <> '') ORDER BY seq",
        )
        .bind(&record.id)
        .bind(&record.carrier_call_id)
        .bind(&record.carrier)
        .fetch_all(&mut *connection)
        .await?;
        if waited.is_empty() {
            return Ok(record);
        }
        for (seq, events, callback) in waited {
            let events = parse("words that wait for a call", &events)?;
            record = apply(connection, &record, events, rules).await?.0;
            sqlx::query("UPDATE callbacks SET call = $1 WHERE seq = $2")
                .bind(&record.id)
                .bind(callback)
                .execute(&mut *connection)
                .await?;
            sqlx::query("DELETE FROM waiting WHERE seq = $1").bind(seq).execute(&mut *connection).await?;
        }
    }
}

/// Keeps a callback. Gives its number; `None` when it came before.
async fn keep(connection: &mut Connection, entry: &InboxEntry, call: Option<&str>) -> Result<Option<i64>> {
    let seq = numbers(connection, 1).await?;
    let kept = sqlx::query(
        "INSERT INTO callbacks (seq, carrier, kind, key, received_at, call, body)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (carrier, kind, key) DO NOTHING",
    )
    .bind(seq)
    .bind(&entry.carrier)
    .bind(&entry.kind)
    .bind(&entry.key)
    .bind(entry.received_at.as_microsecond())
    .bind(call)
    .bind(&entry.body)
    .execute(connection)
    .await?;
    Ok((kept.rows_affected() > 0).then_some(seq))
}

async fn wait(
    connection: &mut Connection,
    which: &Which,
    events: &[CallEvent],
    (callback, kept_at): (Option<i64>, Option<Timestamp>),
) -> Result<()> {
    let (call, carrier, carrier_call_id) = match which {
        Which::Id(id) => (Some(id.to_string()), None, None),
        Which::Carrier { carrier, id } => (None, Some(carrier), Some(id)),
    };
    let seq = numbers(connection, 1).await?;
    sqlx::query(
        "INSERT INTO waiting (seq, call, carrier, carrier_call_id, events, callback, kept_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(seq)
    .bind(call)
    .bind(carrier)
    .bind(carrier_call_id)
    .bind(json(&events)?)
    .bind(callback)
    .bind(kept_at.map(Timestamp::as_microsecond))
    .execute(connection)
    .await?;
    Ok(())
}
