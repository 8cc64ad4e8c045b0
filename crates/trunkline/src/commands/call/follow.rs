//! The live events of a running server (`GET /api/v1/events`), gone on with where they broke off, so that none is missed
//! and none told twice; and `trunkline call tail`.

use std::ops::ControlFlow;
use std::time::Duration;

use clap::Args;
use providers::dialect::SseDecoder;
use reqwest::Method;
use serde_json::Value;
use store::CallId;
use tokio::time::{Instant, sleep, timeout};

use super::id_of;
use super::place::is_over;
use crate::api::{Api, Ask, Fault, ServerArgs};
use crate::failure::Failure;
use crate::terminal::{bold, dim, message, say};

/// The server says something every 15 s; a connection that is silent for longer is dead.
const SILENT: Duration = Duration::from_secs(40);
/// How long to wait before coming back, at first and at most.
const WAITS: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(8)];

/// Events to be watched.
#[derive(Debug, Args)]
pub(super) struct Tail {
    /// Only of this call, from its beginning; ends when the call is over.
    id: Option<String>,
    /// Begin after the event of this number; 0 is the beginning of all.
    #[arg(long, value_name = "NUMBER")]
    since: Option<u64>,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

impl Tail {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let id = self.id.as_deref().map(id_of).transpose()?;
        let api = self.server.open()?;
        if let Some(id) = id {
            // A call that is not there would be waited for in vain.
            let target = format!("/api/v1/calls/{id}");
            api.json(Ask::new(Method::GET, &target)).await.map_err(|fault| api.failure(fault))?;
        }
        let since = self.since.map(|number| number.to_string()).or_else(|| id.map(|_| "0".to_owned()));
        if id.is_none() && !self.json {
            message(&format!("what happens on {}, until Ctrl-C", api.base()));
        }
        let mut follower = Follower::new(&api, id, since, None);
        follower
            .follow(|event| {
                say(&if self.json { event.to_string() } else { line(event) });
                let is_over = is_over(event["call_status"].as_str().unwrap_or_default());
                if id.is_some() && is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .await
    }
}

/// Follows events over as many connections as it takes.
pub(super) struct Follower<'a> {
    api: &'a Api,
    call: Option<CallId>,
    /// The number of the last event that was seen, or after which to begin.
    last: Option<String>,
    /// For how long the server may be away; without it for ever.
    away: Option<Duration>,
}

/// How one connection ended.
enum Ended {
    /// Whoever reads has enough.
    Enough,
    /// It broke, after it had worked.
    Broke,
}

impl<'a> Follower<'a> {
    pub(super) fn new(
        api: &'a Api,
        call: Option<CallId>,
        last: Option<String>,
        away: Option<Duration>,
    ) -> Self {
        Self { api, call, last, away }
    }

    /// Gives each event to `take` until that has enough.
    pub(super) async fn follow(
        &mut self,
        mut take: impl FnMut(&Value) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        let mut wait = WAITS[0];
        let mut gone: Option<Instant> = None;
        let mut worked = false;
        loop {
            match self.once(&mut take).await {
                Ok(Ended::Enough) => return Ok(()),
                Ok(Ended::Broke) => {
                    worked = true;
                    (wait, gone) = (WAITS[0], None);
                }
                Err(fault) => {
                    let since = *gone.get_or_insert_with(Instant::now);
                    let is_long = self.away.is_some_and(|away| since.elapsed() >= away);
                    if !worked || is_long || !may_pass(&fault) {
                        return Err(self.api.failure(fault));
                    }
                    if since.elapsed() < WAITS[0] {
                        message("the server is away; waiting for it");
                    }
                }
            }
            sleep(wait).await;
            wait = (wait * 2).min(WAITS[1]);
        }
    }

    async fn once(&mut self, take: &mut impl FnMut(&Value) -> ControlFlow<()>) -> Result<Ended, Fault> {
        let call = self.call.map_or_else(String::new, |call| format!("?call={call}"));
        let target = format!("/api/v1/events{call}");
        let headers = self.last.iter().map(|last| ("last-event-id", last.clone())).collect();
        let ask = Ask { headers, within: None, ..Ask::new(Method::GET, &target) };
        let sent = timeout(SILENT, self.api.send(ask)).await;
        let mut response = sent.unwrap_or_else(|_| Err(Fault::Lost("it takes too long".to_owned())))?;
        let mut decoder = SseDecoder::new();
        loop {
            // Silence, an end and a break are the same: the connection is of no more use.
            let Ok(Ok(Some(piece))) = timeout(SILENT, response.chunk()).await else {
                return Ok(Ended::Broke);
            };
            let mut has_enough = false;
            let mut last = None;
            let decoded = decoder.push(&piece, |_, data| {
                if let Ok(event) = serde_json::from_str::<Value>(data)
                    && !has_enough
                {
                    has_enough = take(&event).is_break();
                    last = event["seq"].as_i64();
                }
                Ok(())
            });
            if has_enough {
                return Ok(Ended::Enough);
            }
            if !decoder.last_id().is_empty() {
                self.last = Some(decoder.last_id().to_owned());
            } else if let Some(last) = last {
                self.last = Some(last.to_string());
            }
            if decoded.is_err() {
                return Ok(Ended::Broke);
            }
        }
    }
}

/// Whether coming back later may go better.
fn may_pass(fault: &Fault) -> bool {
    match fault {
        Fault::Nobody(_) | Fault::Lost(_) => true,
        Fault::Refused(refusal) => refusal.is_for_now(),
    }
}

/// An event for people.
pub(super) fn line(event: &Value) -> String {
    let text = |name: &str| {
        let clean = event[name].as_str().unwrap_or_default().chars().filter(|c| !c.is_control());
        clean.collect::<String>()
    };
    let at = text("at");
    let clock = at.get(11..19).unwrap_or(&at).to_owned();
    let because = |what: String, reason: &str| {
        if reason.is_empty() { what } else { format!("{what}: {reason}") }
    };
    let what = match text("kind").as_str() {
        "status" => {
            let said = because(bold(&text("status")), &text("end_reason"));
            because(said, &text("detail"))
        }
        "talk" if event["end_reason"].is_null() => format!("agent {} is on the line", text("agent")),
        "talk" => because("conversation over".to_owned(), &text("end_reason")),
        "carrier_call" => format!("the carrier's id is {}", text("carrier_call_id")),
        "duration" => format!("{} s long", event["seconds"]),
        "price" => format!("costs {} {}", text("amount"), text("currency")),
        "recording" => "the carrier keeps a recording".to_owned(),
        "answered_by" => format!("answered by {}", text("answered_by")),
        "report" => "the carrier's report of the stream".to_owned(),
        "agent_report" => "the agent's report".to_owned(),
        other => other.to_owned(),
    };
    format!("{clock}  {}  {what}  {}", text("call_id"), dim(&format!("({})", text("from"))))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_a_line() {
        let event = json!({"seq": 7, "call_id": "call_1", "at": "2026-11-21T12:00:01.5Z", "from": "carrier",
            "call_status": "failed", "kind": "status", "status": "failed", "end_reason": "dial_refused",
            "detail": "21211: no\nnumber"});
        assert_eq!(line(&event), "12:00:01  call_1  failed: dial_refused: 21211: nonumber  (carrier)");
        let event = json!({"call_id": "call_1", "at": "2026-11-21T12:00:01Z", "from": "media", "kind": "talk",
            "agent": "assistant"});
        assert_eq!(line(&event), "12:00:01  call_1  agent assistant is on the line  (media)");
    }
}
