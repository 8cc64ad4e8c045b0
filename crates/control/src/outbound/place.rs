//! Placing a call: checked, kept, dialled once, and its outcome kept.

use std::time::Duration;

use carriers::rest::{Dialled, RestFault, RestFaultKind};
use jiff::Timestamp;
use records::{CallEvent, CallRecord, CallStatus, Direction, EndReason, Fact, Number, Refusal, Witness};
use store::{CallId, Idempotency, Intent, Which};
use tokio::time::Instant;

use super::answer::Answer;
use super::request::{PlaceCall, PlacedCall, shown_number};
use super::{CarrierLine, Outbound, whole_seconds};
use crate::auth::Caller;
use crate::problem::{Code, Mistake, Problem};

/// How long a request waits for the answer of the same one that came before it.
const WAIT: Duration = Duration::from_secs(40);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(100);
/// After how long a settled call without an answer is answered from its record: whoever dialled it has died.
const ORPHANED: Duration = Duration::from_secs(5);
/// How often, and after how long, an outcome is tried to be kept.
const KEEP: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(8)];

/// What is to be dialled, checked.
struct Checked {
    line: CarrierLine,
    to: Number,
    record: CallRecord,
    once: Idempotency,
}

impl Outbound {
    /// Places a call, or says why not. `key` is the request's `Idempotency-Key`. Says whether the answer was given
    /// before.
    pub(crate) async fn place(
        &self,
        caller: &Caller,
        asked: PlaceCall,
        key: Option<String>,
    ) -> Result<(Answer, bool), Problem> {
        let checked = self.checked(caller, &asked, key)?;
        let once = checked.once.clone();
        let quota = self.0.options.rules.quota(whole_seconds(self.0.options.longest));
        let intent = match self.0.database.intend_within(&checked.record, Some(&once), quota).await? {
            Ok(intent) => intent,
            Err(refusal) => {
                // Somebody may have got hold of the key: the operator is to see it.
                tracing::warn!(
                    owner = caller.owner,
                    code = refusal.code(),
                    "a limit of placed calls is reached"
                );
                return Err(refused(&refusal));
            }
        };
        match intent {
            Intent::Different => Err(Problem::new(
                Code::IdempotencyKeyReused,
                "This Idempotency-Key was used for another request; take a new one.",
            )),
            Intent::Repeated { call, answer: Some((status, body)) } => match Answer::kept(status, &body) {
                Some(answer) => Ok((answer, true)),
                None => self.wait(&once, call).await.map(|answer| (answer, true)),
            },
            Intent::Repeated { call, answer: None } => {
                self.wait(&once, call).await.map(|answer| (answer, true))
            }
            Intent::New => {
                tracing::info!(call = checked.record.id, to = checked.to.masked(), "a call is to be dialled");
                let (outbound, machine) = (self.clone(), asked.machine_detection);
                if let Ok(call) = checked.record.id.parse() {
                    self.0.data_plane.expect(call, checked.record.custom.clone());
                }
                let dialling = self.is_dialling(&checked.record.id);
                // A task of its own: whoever asked may hang up and must not cut the dial in two.
                let dialled = tokio::spawn(async move {
                    let machine = machine.map_or(outbound.0.options.machine, Into::into);
                    let dial = outbound.dial(&checked.record, &checked.line, machine);
                    let dialled = checked.line.client.dial(&dial).await;
                    let answer = outbound.outcome(checked, dialled).await;
                    drop(dialling);
                    answer
                });
                let fault =
                    |_| Problem::new(Code::Internal, "The call could not be dialled; the log says why.");
                dialled.await.map_err(fault).map(|answer| (answer, false))
            }
        }
    }

    fn checked(&self, caller: &Caller, asked: &PlaceCall, key: Option<String>) -> Result<Checked, Problem> {
        if self.0.data_plane.is_draining() {
            return Err(Problem::new(Code::Unavailable, "The server is about to stop."));
        }
        let custom = asked.texts()?;
        let line = self.chosen(asked.carrier.as_deref())?;
        let to = self.0.options.rules.number(&asked.to).map_err(|refusal| refused(&refusal))?;
        let agent = asked.agent.clone().unwrap_or_else(|| self.0.data_plane.default_agent());
        if !self.0.data_plane.has_agent(&agent) {
            let mistake = Mistake::at("/agent", "There is no agent of this name.");
            return Err(Problem::of_mistakes(Code::Unprocessable, vec![mistake]));
        }
        let from = asked.from.as_ref().or(line.from.as_ref()).ok_or_else(|| {
            let what = "No number to show: give `from`, or configure the carrier's `from`.";
            Problem::new(Code::NotConfigured, what)
        })?;
        let from = shown_number(from).ok_or_else(|| {
            let mistake = Mistake::at("/from", "`from` is a phone number of the carrier's account.");
            Problem::of_mistakes(Code::Unprocessable, vec![mistake])
        })?;
        if line.urls.is_none() {
            let what = "The carrier must reach this server: set server.public_url.";
            return Err(Problem::new(Code::NotConfigured, what));
        }
        let mut random = [0; 10];
        let no_chance = |_| Problem::new(Code::Internal, "The system gives no random numbers.");
        getrandom::fill(&mut random).map_err(no_chance)?;
        let now = Timestamp::now();
        let id = CallId::new(now, random);
        let record = CallRecord {
            direction: Direction::Outbound,
            agent,
            from: Some(from),
            to: Some(to.as_str().to_owned()),
            custom,
            ..CallRecord::new(id.to_string(), line.client.rest().name(), now)
        };
        // Without a key the request is its own: the call's id is nobody else's key.
        let key = key.unwrap_or_else(|| format!(" {id}"));
        let once = Idempotency { owner: caller.owner.clone(), key, digest: asked.digest() };
        Ok(Checked { line, to, record, once })
    }

    fn chosen(&self, asked: Option<&str>) -> Result<CarrierLine, Problem> {
        let configured = self.0.options.carrier.as_deref();
        let lines = &self.0.lines;
        match asked.or(configured) {
            Some(name) => self.line(name).cloned().ok_or_else(|| {
                let what = "There is no such carrier, or its account is not configured.";
                Problem::of_mistakes(Code::Unprocessable, vec![Mistake::at("/carrier", what)])
            }),
            None if lines.len() == 1 => Ok(lines[0].clone()),
            None if lines.is_empty() => Err(Problem::new(
                Code::NotConfigured,
                "No carrier is set up for placing calls: configure the account of one.",
            )),
            None => Err(Problem::new(
                Code::NotConfigured,
                "There are several carriers: give `carrier`, or set outbound.carrier.",
            )),
        }
    }

    /// Keeps what came of a dial, and the answer.
    async fn outcome(&self, checked: Checked, dialled: Dialled) -> Answer {
        let Checked { mut record, once, .. } = checked;
        let now = Timestamp::now();
        let said = |from, fact| CallEvent { at: now, from, fact };
        let status = |status, reason, detail| Fact::Status { status, reason, detail };
        let (events, answer) = match dialled {
            Dialled::Taken { id, status: reached } => {
                if let Ok(call) = record.id.parse() {
                    self.0.data_plane.known_as(call, &record.carrier, &id);
                }
                let events = vec![
                    said(Witness::Carrier, Fact::CarrierCall { id }),
                    said(Witness::Carrier, status(reached, None, String::new())),
                ];
                (events, None)
            }
            Dialled::Refused(fault) => {
                let reason = Some(EndReason::DialRefused);
                let event = said(Witness::Socket, status(CallStatus::Failed, reason, fault.why.clone()));
                (vec![event], Some(Answer::Not(Box::new(not_dialled(&fault)))))
            }
            Dialled::Unknown { why } => {
                tracing::warn!(call = record.id, why, "the carrier is asked whether it dialled");
                (Vec::new(), Some(Answer::Placed(202, PlacedCall::of(&record))))
            }
        };
        events.iter().for_each(|event| _ = record.apply(event.clone()));
        let is_known = !events.is_empty();
        if !is_known || !self.keep(&record.id, events).await {
            self.settle_later(&record.id);
        }
        let answer = answer.unwrap_or_else(|| Answer::Placed(201, PlacedCall::of(&record)));
        let (status, body) = answer.keep();
        if let Err(error) = self.0.database.answer(&once, status, &body).await {
            tracing::warn!(%error, call = record.id, "the answer to a request can't be kept");
        }
        answer
    }

    /// Keeps words about a call, however long that takes, within reason. Says whether it could.
    async fn keep(&self, call: &str, events: Vec<CallEvent>) -> bool {
        let Ok(id) = call.parse() else { return false };
        for wait in KEEP {
            tokio::time::sleep(wait).await;
            match self.0.database.apply(&Which::Id(id), events.clone(), None).await {
                Ok(_) => return true,
                Err(error) => tracing::warn!(%error, call, "what came of a dial can't be kept yet"),
            }
        }
        false
    }

    /// Waits for the answer of the first request of a key.
    async fn wait(&self, once: &Idempotency, call: CallId) -> Result<Answer, Problem> {
        let until = Instant::now() + WAIT;
        let mut settled: Option<Instant> = None;
        while Instant::now() < until {
            if let Some(Intent::Repeated { answer: Some((status, body)), .. }) =
                self.0.database.recall(once).await?
                && let Some(answer) = Answer::kept(status, &body)
            {
                return Ok(answer);
            }
            let record = self.0.database.call(&Which::Id(call)).await?;
            if let Some(answer) = record.as_ref().and_then(Answer::of)
                && settled.get_or_insert_with(Instant::now).elapsed() > ORPHANED
            {
                let (status, body) = answer.keep();
                self.0.database.answer(once, status, &body).await?;
                return Ok(answer);
            }
            tokio::time::sleep(LOOK).await;
        }
        let what = format!("The first request with this key still runs; its call is {call}.");
        Err(Problem::new(Code::RequestInProgress, what))
    }
}

/// Why a number is not dialled, over HTTP.
fn refused(refusal: &Refusal) -> Problem {
    let code = Code::of_word(refusal.code()).unwrap_or(Code::Unprocessable);
    let problem = match refusal {
        Refusal::Rate(_)
        | Refusal::Calls(_)
        | Refusal::Minutes(_)
        | Refusal::ServerCalls(_)
        | Refusal::ServerMinutes(_) => Problem::new(code, refusal.to_string()),
        _ => Problem::of_mistakes(code, vec![Mistake::at("/to", refusal.to_string())]),
    };
    match refusal.retry_after_s() {
        Some(seconds) => problem.retry_after(Duration::from_secs(seconds.into())),
        None => problem,
    }
}

/// Why the carrier did not dial, over HTTP.
fn not_dialled(fault: &RestFault) -> Problem {
    let code = match fault.kind {
        RestFaultKind::Busy => Code::CarrierBusy,
        RestFaultKind::Request | RestFaultKind::NoCall => Code::DialRefused,
        RestFaultKind::Auth | RestFaultKind::Network | RestFaultKind::Server | RestFaultKind::Garbage => {
            Code::CarrierFault
        }
    };
    let problem = Problem::new(code, format!("The carrier did not dial: {}", fault.why));
    match fault.retry_after {
        Some(wait) if fault.kind == RestFaultKind::Busy => problem.retry_after(wait),
        _ => problem,
    }
}
