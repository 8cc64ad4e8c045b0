//! A call's record into its tables: the narrow row, the record beside it, what was measured of turns, recordings,
//! dials; and the words that told it.

use records::{CallEvent, CallRecord, CallStatus, EndReason, Fact, Speaker, TurnLatency, TurnRecord};

use super::{Connection, Result, facets, json, numbers, parse};
use crate::database::values::Which;

/// The record of one call.
pub(super) async fn load(connection: &mut Connection, id: &str) -> Result<Option<CallRecord>> {
    let text: Option<String> = sqlx::query_scalar("SELECT record FROM records WHERE call = $1")
        .bind(id)
        .fetch_optional(connection)
        .await?;
    text.map(|text| parse("a call's record", &text)).transpose()
}

/// The id under which a call is kept.
pub(super) async fn locate(connection: &mut Connection, which: &Which) -> Result<Option<String>> {
    let query = match which {
        Which::Id(id) => sqlx::query_scalar(
            "SELECT id FROM calls WHERE id = $1 UNION ALL SELECT call FROM aliases WHERE alias = $1",
        )
        .bind(id.to_string()),
        // A call that the carrier has not named yet is found by no name.
        Which::Carrier { id, .. } if id.is_empty() => return Ok(None),
        Which::Carrier { carrier, id } => sqlx::query_scalar(
            "SELECT id FROM calls WHERE carrier_call_id = $1 AND carrier = $2 ORDER BY id LIMIT 1",
        )
        .bind(id.clone())
        .bind(carrier.clone()),
    };
    Ok(query.fetch_optional(connection).await?)
}

/// Makes the rows of a call that is not known yet.
pub(super) async fn create(connection: &mut Connection, record: &CallRecord) -> Result<()> {
    sqlx::query(
        "INSERT INTO calls (id, carrier, carrier_call_id, direction, status, is_final, agent, started_at, facets)
         VALUES ($1, $2, $3, $4, $5, 0, $6, $7, $8)",
    )
    .bind(&record.id)
    .bind(&record.carrier)
    .bind(&record.carrier_call_id)
    .bind(record.direction.as_str())
    .bind(record.status.as_str())
    .bind(&record.agent)
    .bind(record.started_at.as_microsecond())
    .bind(facets::of(record))
    .execute(&mut *connection)
    .await?;
    sqlx::query("INSERT INTO records (call, record) VALUES ($1, $2)")
        .bind(&record.id)
        .bind(json(record)?)
        .execute(&mut *connection)
        .await?;
    Ok(())
}

/// Writes what changed. `before` is what the rows hold.
pub(super) async fn save(
    connection: &mut Connection,
    before: &CallRecord,
    record: &CallRecord,
) -> Result<()> {
    sqlx::query(
        "UPDATE calls SET carrier_call_id = $2, direction = $3, status = $4, is_final = $5, end_reason = $6,
         agent = $7, from_number = $8, to_number = $9, answered_at = $10, ended_at = $11, facets = $12
         WHERE id = $1",
    )
    .bind(&record.id)
    .bind(&record.carrier_call_id)
    .bind(record.direction.as_str())
    .bind(record.status.as_str())
    .bind(i64::from(record.status.is_final()))
    .bind(record.end_reason.map(EndReason::as_str))
    .bind(&record.agent)
    .bind(&record.from)
    .bind(&record.to)
    .bind(record.answered_at.map(jiff::Timestamp::as_microsecond))
    .bind(record.ended_at.map(jiff::Timestamp::as_microsecond))
    .bind(facets::of(record))
    .execute(&mut *connection)
    .await?;
    sqlx::query("UPDATE records SET record = $2 WHERE call = $1")
        .bind(&record.id)
        .bind(json(record)?)
        .execute(&mut *connection)
        .await?;
    save_turns(connection, &record.id, &before.turns, &record.turns).await?;
    save_recordings(connection, before, record).await?;
    settle_attempt(connection, before, record).await
}

/// Turns from the first that differs.
async fn save_turns(
    connection: &mut Connection,
    call: &str,
    before: &[TurnRecord],
    turns: &[TurnRecord],
) -> Result<()> {
    let same = before.iter().zip(turns).take_while(|(old, new)| old == new).count();
    if same < before.len() {
        sqlx::query("DELETE FROM turns WHERE call = $1 AND n >= $2")
            .bind(call)
            .bind(signed(same as u64))
            .execute(&mut *connection)
            .await?;
    }
    for (n, turn) in turns.iter().enumerate().skip(same) {
        let part = |part: fn(&TurnLatency) -> u64| turn.latency.as_ref().map(|all| signed(part(all)));
        let rare = |part: fn(&TurnLatency) -> Option<u64>| turn.latency.as_ref().and_then(part).map(signed);
        sqlx::query(
            "INSERT INTO turns (call, n, speaker, at_ms, served_by, total_us, endpoint_us, transcript_us, model_us,
             tool_us, sentence_us, queue_us, voice_us, send_us, carrier_us, filler_us)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        )
        .bind(call)
        .bind(signed(n as u64))
        .bind(match turn.speaker {
            Speaker::Caller => "caller",
            Speaker::Agent => "agent",
        })
        .bind(signed(turn.at_ms))
        .bind(json(&turn.served_by)?)
        .bind(part(|all| all.total_us))
        .bind(part(|all| all.endpoint_us))
        .bind(part(|all| all.transcript_us))
        .bind(part(|all| all.model_us))
        .bind(part(|all| all.tool_us))
        .bind(part(|all| all.sentence_us))
        .bind(part(|all| all.queue_us))
        .bind(part(|all| all.voice_us))
        .bind(part(|all| all.send_us))
        .bind(rare(|all| all.carrier_us))
        .bind(rare(|all| all.filler_us))
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

async fn save_recordings(
    connection: &mut Connection,
    before: &CallRecord,
    record: &CallRecord,
) -> Result<()> {
    let ours = record.recording.iter().filter(|file| before.recording.as_ref() != Some(*file));
    let theirs = record.carrier_recordings.difference(&before.carrier_recordings);
    for (place, location) in ours.map(|file| ("file", file)).chain(theirs.map(|url| ("carrier", url))) {
        sqlx::query(
            "INSERT INTO recordings (call, place, location) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )
        .bind(&record.id)
        .bind(place)
        .bind(location)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// What became of the dial, once that is known: the carrier took it, refused it, or was never asked.
async fn settle_attempt(connection: &mut Connection, before: &CallRecord, record: &CallRecord) -> Result<()> {
    let (was, is) = (outcome(before), outcome(record));
    if was == is {
        return Ok(());
    }
    sqlx::query("UPDATE attempts SET outcome = $2, settled_at = $3 WHERE call = $1 AND outcome <> $2")
        .bind(&record.id)
        .bind(is)
        .bind(jiff::Timestamp::now().as_microsecond())
        .execute(connection)
        .await?;
    Ok(())
}

fn outcome(record: &CallRecord) -> &'static str {
    match record.end_reason {
        Some(EndReason::DialRefused) => "refused",
        Some(EndReason::NeverDialled) => "never_dialled",
        _ if !record.carrier_call_id.is_empty() || record.status > CallStatus::Queued => "taken",
        _ => "dialling",
    }
}

/// Keeps a dial that is about to be made.
pub(super) async fn begin_attempt(connection: &mut Connection, record: &CallRecord, by: &str) -> Result<()> {
    sqlx::query("INSERT INTO attempts (call, n, asked_by, at, outcome) VALUES ($1, 1, $2, $3, $4)")
        .bind(&record.id)
        .bind(by)
        .bind(record.started_at.as_microsecond())
        .bind(outcome(record))
        .execute(connection)
        .await?;
    Ok(())
}

/// Keeps words that told something, each with the status after it.
pub(super) async fn keep_events(
    connection: &mut Connection,
    call: &str,
    told: Vec<(CallEvent, CallStatus)>,
) -> Result<()> {
    if told.is_empty() {
        return Ok(());
    }
    let first = numbers(connection, told.len()).await?;
    for (seq, (event, status)) in (first..).zip(told) {
        sqlx::query("INSERT INTO events (seq, call, status, event) VALUES ($1, $2, $3, $4)")
            .bind(seq)
            .bind(call)
            .bind(status.as_str())
            .bind(json(&without_words(event))?)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// What was said lies in the call's record, once, and not again in each word about it.
fn without_words(mut event: CallEvent) -> CallEvent {
    if let Fact::Talk { record } = &mut event.fact {
        record.turns.clear();
        record.incidents.clear();
        record.results.clear();
        record.custom.clear();
        record.transfer = None;
        record.carrier_report = None;
        record.agent_report = None;
    }
    event
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
