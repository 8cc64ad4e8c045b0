//! A call's life from the queue to its last callback.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use super::super::posting::{Callback, Posting, Sender};
use super::super::{Manner, Moment, Person, What, World, person};
use super::Status;
use super::body::date;
use super::create::{Create, Source};
use super::recordings::Recording;
use crate::phone::{CallPlan, EndedBy, Order, Phone, PhoneError, PhoneEvent, PhoneReport, TwilioLine};
use crate::twilio::{Call, Direction, Document, Next};
use crate::webhook::Account;

struct Life {
    world: World,
    sid: String,
    person: Person,
    request: Create,
    line: TwilioLine,
    account: Account,
    posting: Posting,
    orders: watch::Receiver<Order>,
    sequence: u32,
}

/// Lives the call through.
pub(super) async fn live(world: World, sid: String, manner: Manner) {
    let found = {
        let calls = world.twilio().calls();
        calls.get(&sid).map(|call| (call.request.clone(), call.orders.subscribe(), call.queue_ms))
    };
    let Some((request, orders, queue_ms)) = found else { return };
    let settings = world.settings();
    let mut line = TwilioLine::new(
        Call {
            account: settings.twilio.sid.clone(),
            call: sid.clone(),
            stream: format!("MZ{}", world.id()),
            from: request.from.clone(),
            to: request.to.clone(),
            direction: Direction::OutboundApi,
            parameters: std::collections::BTreeMap::new(),
        },
        Some(settings.twilio.token.clone()),
    );
    line.detour.clone_from(&settings.detour);
    (line.rings, line.longest_ring) = (settings.pace.ring, settings.pace.longest_ring);
    let account = Account::of(&CallPlan::twilio("", line.clone()), &line);
    let sender = Sender::Twilio(Box::new(account.clone()));
    let posting = Posting::begin(sender, manner.callbacks, world.ledger().clone(), sid.clone());
    let mut life =
        Life { world, sid, person: manner.person, request, line, account, posting, orders, sequence: 0 };
    let status = life.course(Duration::from_millis(queue_ms)).await;
    life.end(status).await;
}

impl Life {
    /// Everything up to the end, and how it ends.
    async fn course(&mut self, queue: Duration) -> Status {
        let pace = self.world.settings().pace;
        let queue = if self.person == Person::Queued { Duration::MAX } else { queue };
        if self.is_hung_up_within(queue).await {
            return Status::Canceled;
        }
        let (to, from) = (self.request.to.clone(), self.request.from.clone());
        self.world.ledger().note("twilio", &self.sid, What::Dialled { to, from });
        self.tell("initiated", "initiated", Vec::new(), false);
        if self.is_hung_up_within(pace.setup).await {
            return Status::Canceled;
        }
        if self.person == Person::Unreachable {
            return Status::Failed;
        }
        self.set(Status::Ringing);
        self.tell("ringing", "ringing", Vec::new(), false);
        let (rings, end) = match self.person {
            Person::Busy => (pace.ring, Some(Status::Busy)),
            Person::Away => {
                (Duration::from_secs(self.request.ring_s).min(pace.longest_ring), Some(Status::NoAnswer))
            }
            _ => (pace.ring, None),
        };
        if self.is_hung_up_within(rings).await {
            return Status::Canceled;
        }
        if let Some(end) = end {
            return end;
        }
        self.set(Status::InProgress);
        self.tell("answered", "in-progress", Vec::new(), false);
        self.talk().await;
        Status::Completed
    }

    /// Waits. Whether the call was hung up meanwhile.
    async fn is_hung_up_within(&mut self, length: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(length) => false,
            changed = self.orders.changed() => changed.is_ok(),
        }
    }

    fn set(&self, status: Status) {
        self.world.twilio().change(&self.sid, |call| {
            call.status = status;
            if status == Status::InProgress {
                call.started = Some(Timestamp::now());
            }
            if status.is_final() {
                call.ended = Some(Timestamp::now());
            }
        });
    }

    /// From the answer to the end: the machine's detection, the document, the stream.
    async fn talk(&mut self) {
        let recording = self.request.recording.clone().map(|wish| Recording::begin(&self.world.id(), wish));
        let machine = self.request.machine.clone();
        let (verdict, after) = self.verdict();
        self.world.twilio().change(&self.sid, |call| call.recordings.extend(recording));
        if machine.is_on && !machine.is_async {
            if self.is_hung_up_within(after).await {
                return;
            }
            self.found(verdict);
            self.line.fields = vec![
                ("AnsweredBy".to_owned(), verdict.to_owned()),
                ("MachineDetectionDuration".to_owned(), after.as_millis().to_string()),
            ];
        }
        let plan = self.plan();
        let beside = async {
            if machine.is_on && machine.is_async {
                tokio::time::sleep(after).await;
                self.found(verdict);
                self.tell_verdict(machine.callback, verdict, after);
            }
            std::future::pending::<()>().await;
        };
        let limit = async {
            match self.request.longest_s {
                Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
                None => std::future::pending().await,
            }
            let world = &self.world;
            world.twilio().change(&self.sid, |call| drop(call.orders.send(Order::HangUp)));
            std::future::pending::<()>().await;
        };
        let seen = |event: PhoneEvent| {
            if let Some(moment) = Moment::of(&event) {
                self.world.ledger().moment("twilio", &self.sid, moment);
            }
        };
        let lived = tokio::select! {
            lived = Phone::call(plan, seen) => lived,
            () = beside => return,
            () = limit => return,
            // The socket goes with the phone, and nobody says a word.
            () = person::vanishes(self.person) => return,
        };
        self.note(lived);
    }

    fn plan(&self) -> CallPlan {
        let settings = self.world.settings();
        let mut line = self.line.clone();
        let url = match &self.request.document {
            Source::Url(next) => {
                line.by_get = next.is_get;
                next.url.clone()
            }
            Source::Text(text) => {
                line.twiml = Document::parse(text).ok();
                "https://api.twilio.com/".to_owned()
            }
        };
        line.fallback.clone_from(&self.request.fallback);
        let mut plan = CallPlan::twilio(url, line);
        plan.steps = person::steps(self.person, settings, plan.rate());
        plan.patience = settings.pace.patience;
        plan.orders = self.orders.clone();
        plan
    }

    /// Who the carrier takes the person for, and after how long.
    fn verdict(&self) -> (&'static str, Duration) {
        let listens = self.world.settings().pace.verdict;
        match self.person {
            Person::Machine if self.request.machine.to_the_end => {
                ("machine_end_beep", listens.max(person::beeps_after()))
            }
            Person::Machine => ("machine_start", listens),
            Person::Fax => ("fax", listens),
            Person::Unknown | Person::Silent(_) => ("unknown", listens),
            _ => ("human", listens),
        }
    }

    fn found(&self, verdict: &'static str) {
        self.world.twilio().change(&self.sid, |call| call.answered_by = Some(verdict));
    }

    fn tell_verdict(&self, callback: Option<Next>, verdict: &str, after: Duration) {
        let Some(callback) = callback else { return };
        let form = [
            ("CallSid", self.sid.clone()),
            ("AccountSid", self.line.call.account.clone()),
            ("AnsweredBy", verdict.to_owned()),
            ("MachineDetectionDuration", after.as_millis().to_string()),
        ];
        self.post("amd", &callback, named(form), false);
    }

    /// Writes down how the talk was, and completes the recording.
    fn note(&self, lived: Result<PhoneReport, PhoneError>) {
        let what = match &lived {
            Ok(report) => talked(report),
            Err(error) => What::Talked {
                ended_by: "fault".to_owned(),
                detail: error.to_string(),
                audible_ms: 0,
                findings: Vec::new(),
            },
        };
        self.world.ledger().note("twilio", &self.sid, what);
        let sound = lived.map_or_else(|_| Vec::new(), |report| report.recording.interleaved());
        self.world.twilio().change(&self.sid, |call| {
            for recording in &mut call.recordings {
                recording.status = "completed".to_owned();
                recording.duration_s = Some(sound.len() as u64 / 2 / 8_000);
                recording.sound.clone_from(&sound);
            }
        });
    }

    /// The end and what is told of it.
    async fn end(mut self, status: Status) {
        self.set(status);
        let (mut fields, mut recordings) = (Vec::new(), Vec::new());
        self.world.twilio().change(&self.sid, |call| {
            fields.extend(named([
                ("CallDuration", call.duration_s().to_string()),
                ("Duration", call.minutes().to_string()),
                ("SipResponseCode", sip_code(status).to_string()),
            ]));
            fields.extend(call.answered_by.map(|by| ("AnsweredBy".to_owned(), by.to_owned())));
            recordings.clone_from(&call.recordings);
        });
        if let Some(recording) = recordings.first() {
            fields.extend(named([
                ("RecordingUrl", self.recording_url(recording)),
                ("RecordingSid", recording.sid.clone()),
                ("RecordingDuration", recording.duration_s.unwrap_or(0).to_string()),
            ]));
        }
        self.tell("completed", status.as_str(), fields, true);
        for recording in &recordings {
            self.tell_recording(recording);
        }
        let Self { posting, world, sid, .. } = self;
        posting.finish().await;
        world.ledger().note("twilio", &sid, What::Ended { status: status.as_str().to_owned() });
    }

    fn recording_url(&self, recording: &Recording) -> String {
        let account = &self.line.call.account;
        format!("https://api.twilio.com/2010-04-01/Accounts/{account}/Recordings/{}", recording.sid)
    }

    fn tell_recording(&self, recording: &Recording) {
        let Some(callback) = recording.wish.callback.clone() else { return };
        if !recording.wish.events.iter().any(|event| event == "completed") {
            return;
        }
        let form = named([
            ("AccountSid", self.line.call.account.clone()),
            ("CallSid", self.sid.clone()),
            ("RecordingSid", recording.sid.clone()),
            ("RecordingUrl", self.recording_url(recording)),
            ("RecordingStatus", recording.status.clone()),
            ("RecordingDuration", recording.duration_s.unwrap_or(0).to_string()),
            ("RecordingChannels", recording.wish.channels.to_string()),
            ("RecordingStartTime", date(recording.started)),
            ("RecordingSource", recording.wish.source.to_owned()),
            ("RecordingTrack", "both".to_owned()),
        ]);
        self.post("recording", &callback, form, false);
    }

    /// Tells the status callback of an event, where it is wanted. The sequence counts events whether or not they are.
    fn tell(&mut self, event: &'static str, status: &str, fields: Vec<(String, String)>, is_final: bool) {
        let number = self.sequence;
        self.sequence += 1;
        let Some(callback) = self.request.status.clone() else { return };
        if !self.request.events.iter().any(|wanted| wanted == event) {
            return;
        }
        let mut form = self.account.form(status);
        form.extend(named([
            ("CallbackSource", "call-progress-events".to_owned()),
            ("SequenceNumber", number.to_string()),
            ("Timestamp", date(Timestamp::now())),
        ]));
        form.extend(fields);
        self.post(event, &callback, form, is_final);
    }

    fn post(&self, kind: &'static str, to: &Next, form: Vec<(String, String)>, is_final: bool) {
        self.posting.post(Callback { kind, url: to.url.clone(), is_get: to.is_get, form, is_final });
    }
}

/// What there is to write down of a talk.
pub(in crate::carriers) fn talked(report: &PhoneReport) -> What {
    let ended_by = match report.end.by {
        EndedBy::Caller => "caller",
        EndedBy::Server => "server",
        EndedBy::Carrier => "carrier",
        EndedBy::Fault => "fault",
    };
    let finding =
        |finding: &crate::phone::Finding| format!("{} {}: {}", finding.rule, finding.what, finding.seen);
    What::Talked {
        ended_by: ended_by.to_owned(),
        detail: report.end.detail.clone(),
        audible_ms: report.received.audible_ms,
        findings: report.received.findings.iter().filter(|found| !found.is_advice).map(finding).collect(),
    }
}

fn named<const N: usize>(fields: [(&str, String); N]) -> Vec<(String, String)> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// RFC 3261.
const fn sip_code(status: Status) -> u16 {
    match status {
        Status::Busy => 486,
        Status::Failed => 404,
        Status::NoAnswer | Status::Canceled => 487,
        _ => 200,
    }
}
