//! `trunkline call`: the calls that were kept, read beside a running server (`list`, `show`), and calls placed, ended and
//! watched by a running server (`place`, `hangup`, `tail`).

mod follow;
mod place;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use records::{CallRecord, Speaker, TurnLatency, masked};
use store::{Archive, CallId};

use crate::config::{self, Sources};
use crate::failure::{EXIT_CODES, Failure};
use crate::terminal::{bold, dim, json, say};

/// Look at calls, place, end and watch them.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES, before_help = "Examples:
  trunkline call list
  trunkline call show call_01JD3V6W0Z8Q4T1F5N9R2X7KBM
  trunkline call list --json --limit 500
  trunkline call place +919876543210 --agent assistant --var name=Asha --wait
  trunkline call hangup call_01JD3V6W0Z8Q4T1F5N9R2X7KBM
  trunkline call tail                               what happens to all calls, until Ctrl-C
  TRUNKLINE_API_KEY=... trunkline call tail --server https://voice.example.com --json")]
pub(crate) struct CallCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// The newest calls, one on a line. Numbers are masked.
    List {
        #[command(flatten)]
        place: Kept,
        /// How many.
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// One call: what was said, what was heard, and where the time went.
    Show {
        /// Its id.
        id: String,
        #[command(flatten)]
        place: Kept,
    },
    /// Place a call. It is kept before it is dialled, and never dialled twice.
    #[command(after_help = EXIT_CODES, before_help = "Examples:
  trunkline call place +919876543210
  trunkline call place +919876543210 --agent assistant --var name=Asha --wait
  trunkline call place +12025550123 --carrier twilio --idempotency-key order-4711 --json")]
    Place(place::Place),
    /// End a call. One that is over stays so.
    #[command(after_help = EXIT_CODES, before_help = "Examples:
  trunkline call hangup call_01JD3V6W0Z8Q4T1F5N9R2X7KBM")]
    Hangup(place::Hangup),
    /// Watch what happens, as it happens. Goes on by itself when the connection breaks, and misses nothing.
    #[command(after_help = EXIT_CODES, before_help = "Examples:
  trunkline call tail
  trunkline call tail call_01JD3V6W0Z8Q4T1F5N9R2X7KBM
  trunkline call tail --since 0 --json | jq .kind")]
    Tail(follow::Tail),
}

/// Where calls are kept.
#[derive(Debug, Args)]
struct Kept {
    /// The data folder; without it the configuration's.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Report as JSON, numbers as they are.
    #[arg(long)]
    json: bool,
}

impl CallCommand {
    pub(crate) fn run(self) -> Result<(), Failure> {
        match self.action {
            Action::List { place, limit } => list(&place, limit),
            Action::Show { id, place } => show(&place, &id),
            Action::Place(place) => super::small_runtime()?.block_on(Box::pin(place.run())),
            Action::Hangup(hangup) => super::small_runtime()?.block_on(Box::pin(hangup.run())),
            Action::Tail(tail) => super::small_runtime()?.block_on(Box::pin(tail.run())),
        }
    }
}

fn archive(place: &Kept) -> Result<Archive, Failure> {
    let folder = match &place.data {
        Some(folder) => folder.clone(),
        None => config::load(&Sources::of_process(None))?.config.data.dir,
    };
    Ok(Archive::new(&folder))
}

fn list(place: &Kept, limit: usize) -> Result<(), Failure> {
    let records = archive(place)?.list(limit, None).map_err(|error| Failure::failed(error.to_string()))?;
    if place.json {
        json(&records);
        return Ok(());
    }
    if records.is_empty() {
        say("no calls yet");
    }
    for record in &records {
        let reason = record.end_reason.map_or("running", |reason| reason.as_str());
        say(&format!(
            "{}  {}  {:>7}  {:<10} {:<16} {}",
            record.id,
            record.started_at.strftime("%Y-%m-%d %H:%M:%S"),
            length(record),
            record.agent,
            record.from.as_deref().map_or_else(|| "-".to_owned(), masked),
            reason
        ));
    }
    Ok(())
}

/// A call's id from the command line.
fn id_of(text: &str) -> Result<CallId, Failure> {
    let wrong = |_| Failure::usage(format!("\"{text}\" is no call's id; `trunkline call list` shows them"));
    text.trim().parse().map_err(wrong)
}

fn length(record: &CallRecord) -> String {
    record.ended_at.map_or_else(
        || "-".to_owned(),
        |end| format!("{:.1} s", end.duration_since(record.started_at).as_secs_f64()),
    )
}

fn show(place: &Kept, id: &str) -> Result<(), Failure> {
    let archive = archive(place)?;
    let id = id_of(id)?;
    let record = archive
        .load(id)
        .map_err(|error| Failure::failed(error.to_string()))?
        .ok_or_else(|| Failure::failed(format!("there is no call {id}")))?;
    if place.json {
        json(&record);
        return Ok(());
    }
    let reason = record.end_reason.map_or("still running", |reason| reason.as_str());
    say(&format!(
        "{}  agent {}, {} Hz, {}, {reason}",
        bold(&record.id),
        record.agent,
        record.sample_rate,
        length(&record)
    ));
    let number = |number: &Option<String>| number.as_deref().map_or_else(|| "unknown".to_owned(), masked);
    say(&format!(
        "from {} to {}, {} call {}",
        number(&record.from),
        number(&record.to),
        record.carrier,
        record.carrier_call_id
    ));
    if !record.end_detail.is_empty() {
        say(&record.end_detail);
    }
    record.turns.iter().for_each(|turn| turn_line(turn).iter().for_each(|line| say(line)));
    let counters = &record.counters;
    say(&dim(&format!(
        "{} frames in, {} chunks out, {} interruptions ({} false), {} reconnects",
        counters.frames_in,
        counters.chunks_out,
        counters.interruptions,
        counters.false_interruptions,
        counters.reconnects
    )));
    for (finding, count) in &counters.findings {
        say(&dim(&format!("oddity of the carrier, {count} times: {finding}")));
    }
    if record.recording.is_some() {
        say(&format!("recording  {}", archive.recording(id).display()));
    }
    let log = archive.log(id);
    if log.exists() {
        say(&format!("call log   {}", log.display()));
    }
    Ok(())
}

/// A turn for people: who, when, what, and the parts of an answer's latency on a second line.
pub(crate) fn turn_line(turn: &records::TurnRecord) -> Vec<String> {
    let who = match turn.speaker {
        Speaker::Caller => "caller",
        Speaker::Agent => "agent ",
    };
    let unheard =
        if turn.unheard.is_empty() { String::new() } else { dim(&format!(" [not heard: {}]", turn.unheard)) };
    let mut lines =
        vec![format!("{:>8.2} s  {}  {}{unheard}", turn.at_ms as f64 / 1000.0, bold(who), turn.text)];
    lines.extend(turn.latency.map(|latency| dim(&format!("{:>20}{}", "", parts(&latency)))));
    lines
}

/// The parts of an answer's latency, which add up. Parts that most answers do not have are left out.
pub(crate) fn parts(latency: &TurnLatency) -> String {
    let ms = |micros: u64| format!("{:.0}", micros as f64 / 1000.0);
    let waited = latency.total_us + latency.carrier_us.unwrap_or(0);
    let mut text = format!("answered in {} ms = silence {}", ms(waited), ms(latency.endpoint_us));
    for (name, part, always) in [
        ("transcript", latency.transcript_us, true),
        ("model", latency.model_us, true),
        ("tools", latency.tool_us, false),
        ("sentence", latency.sentence_us, true),
        ("queue", latency.queue_us, false),
        ("voice", latency.voice_us, true),
        ("send", latency.send_us, true),
        ("carrier", latency.carrier_us.unwrap_or(0), latency.carrier_us.is_some()),
    ] {
        if always || part > 0 {
            text.push_str(&format!(" + {name} {}", ms(part)));
        }
    }
    if let Some(filler) = latency.filler_us {
        text.push_str(&format!(" (filler after {})", ms(filler)));
    }
    text
}
