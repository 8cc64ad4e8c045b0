//! A call's life from the operator to its last callback.

use std::collections::BTreeMap;
use std::time::Duration;

use audio::SampleRate;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::super::posting::{Callback, Posting, Sender};
use super::super::twilio::talked;
use super::super::{Flow, Manner, Moment, Passthru, Person, What, World, person};
use super::passthru::{self, StreamEnd, Streamed};
use super::{ExotelCall, Mode, body};
use crate::exotel::Call;
use crate::phone::{CallPlan, Order, Phone, PhoneEvent};

/// How long a call lasts that has no socket.
const ELSEWHERE: Duration = Duration::from_secs(1);
/// At most so many parameters of a URL become custom parameters (Exotel, "Voicebot applet").
const MOST_CUSTOM: usize = 3;

struct Life {
    world: World,
    sid: String,
    person: Person,
    posting: Posting,
}

/// Lives the call through.
pub(super) async fn live(world: World, sid: String, manner: Manner) {
    let Some(call) = world.exotel().calls().get(&sid).cloned() else { return };
    let detour = world.settings().detour.clone();
    let sender = Sender::Exotel { json: call.news.json, detour, body: json_of };
    let posting = Posting::begin(sender, manner.callbacks, world.ledger().clone(), sid.clone());
    let life = Life { world, sid, person: manner.person, posting };
    let status = life.course(&call).await;
    life.end(status).await;
}

impl Life {
    /// Everything up to the end, and how it ends.
    async fn course(&self, call: &ExotelCall) -> &'static str {
        let pace = self.world.settings().pace;
        if self.person == Person::Queued {
            self.world.exotel().change(&self.sid, |call| call.status = "queued");
            std::future::pending::<()>().await;
        }
        let (to, from) = (call.from.clone(), call.caller_id.clone());
        self.world.ledger().note("exotel", &self.sid, What::Dialled { to, from });
        tokio::time::sleep(pace.setup).await;
        if self.person == Person::Unreachable {
            return "failed";
        }
        if matches!(call.mode, Mode::Bot(_)) {
            self.tell("ringing", false);
        }
        let is_away = self.person == Person::Away;
        tokio::time::sleep(if is_away { pace.longest_ring } else { pace.ring }).await;
        match self.person {
            Person::Busy => return "busy",
            Person::Away => return "no-answer",
            _ => {}
        }
        self.world.exotel().change(&self.sid, |call| {
            call.answered = Some(Timestamp::now());
            call.answered_by = Some(match self.person {
                Person::Machine | Person::Fax => "machine",
                Person::Unknown | Person::Silent(_) => "notsure",
                _ => "human",
            });
        });
        self.tell("answered", false);
        let flow = &self.world.settings().exotel.flow;
        match (&call.mode, flow) {
            (Mode::Bot(url), _) => drop(self.talk(call, url).await),
            (Mode::Flow(_), Flow::Voicebot(url)) => {
                let streamed = self.talk(call, url).await;
                self.tell_passthru(call, &streamed);
            }
            _ => tokio::time::sleep(ELSEWHERE).await,
        }
        "completed"
    }

    /// The media socket, which the person lives through. Gives how it went.
    async fn talk(&self, call: &ExotelCall, url: &str) -> Streamed {
        let settings = self.world.settings();
        let mut streamed = Streamed {
            id: self.world.id(),
            url: url.to_owned(),
            began: Timestamp::now(),
            end: StreamEnd::ByUser,
        };
        if !self.world.exotel().opens(&self.sid, settings.exotel.streams) {
            streamed.end = StreamEnd::Throttled;
            return streamed;
        }
        let url = settings.detour.as_ref().map_or_else(|| url.to_owned(), |detour| detour.reached(url));
        let (rate, custom) = parameters(&url);
        let who = Call {
            stream: streamed.id.clone(),
            call: self.sid.clone(),
            account: settings.exotel.sid.clone(),
            from: body::national(&call.from),
            to: body::national(&call.caller_id),
            custom,
            rate,
        };
        let mut plan = CallPlan::exotel(url, who);
        // What Exotel's own client calls itself.
        plan.headers.push(("User-Agent".to_owned(), "Go-http-client/1.1".to_owned()));
        plan.steps = person::steps(self.person, settings, rate);
        plan.patience = settings.pace.patience;
        let (orders, receiver) = watch::channel(Order::Talk);
        plan.orders = receiver;
        let limit = async {
            tokio::time::sleep(Duration::from_secs(call.longest_s)).await;
            // The call may have ended in the same moment.
            let _ = orders.send(Order::HangUp);
            std::future::pending::<()>().await;
        };
        let seen = |event: PhoneEvent| {
            if let Some(moment) = Moment::of(&event) {
                self.world.ledger().moment("exotel", &self.sid, moment);
            }
        };
        let lived = tokio::select! {
            lived = Phone::call(plan, seen) => lived,
            () = limit => return streamed,
            // The socket goes with the phone, and nobody says a word.
            () = person::vanishes(self.person) => return streamed,
        };
        let what = match &lived {
            Ok(report) => talked(report),
            Err(error) => What::Talked {
                ended_by: "fault".to_owned(),
                detail: error.to_string(),
                audible_ms: 0,
                findings: Vec::new(),
            },
        };
        self.world.ledger().note("exotel", &self.sid, what);
        streamed.end = StreamEnd::of(&lived);
        streamed
    }

    /// The applet behind the flow's Voicebot tells how its stream went.
    fn tell_passthru(&self, call: &ExotelCall, streamed: &Streamed) {
        let Some(Passthru { url, as_json }) = self.world.settings().exotel.passthru.clone() else { return };
        let form = passthru::fields(&self.sid, call, streamed, as_json);
        self.posting.post(Callback { kind: "passthru", url, is_get: true, form, is_final: false });
    }

    async fn end(self, status: &'static str) {
        let settles = SignedDuration::try_from(self.world.settings().pace.settles).unwrap_or_default();
        self.world.exotel().closes(&self.sid);
        self.world.exotel().change(&self.sid, |call| {
            let now = Timestamp::now();
            call.status = status;
            call.ended = Some(now);
            call.settles = now.checked_add(settles).ok();
        });
        self.tell("terminal", true);
        let Self { world, sid, posting, .. } = self;
        posting.finish().await;
        world.ledger().note("exotel", &sid, What::Ended { status: status.to_owned() });
    }

    /// Tells the status callback. The final one always, others where they are wanted and the mode has them: a flow's
    /// calls have none.
    fn tell(&self, event: &'static str, is_final: bool) {
        let Some(call) = self.world.exotel().calls().get(&self.sid).cloned() else { return };
        let Some(url) = call.news.url.clone() else { return };
        let has_events = !matches!(call.mode, Mode::Flow(_)) && !call.news.events.is_empty();
        let is_wanted = call.news.events.iter().any(|wanted| wanted == event);
        if !(is_final || has_events && is_wanted) {
            return;
        }
        let form = form(&self.sid, &call, event, has_events);
        self.posting.post(Callback { kind: event, url, is_get: false, form, is_final });
    }
}

/// The callback's fields, legs flattened.
fn form(sid: &str, call: &ExotelCall, event: &str, has_events: bool) -> Vec<(String, String)> {
    let status = if call.ended.is_some() { call.status } else { "in-progress" };
    let updated = call.ended.or(call.answered).unwrap_or(call.created);
    let mut form = vec![
        ("CallSid", sid.to_owned()),
        ("Status", status.to_owned()),
        ("DateUpdated", body::date(updated)),
        ("RecordingUrl", String::new()),
    ];
    if has_events {
        form.extend([
            ("EventType", event.to_owned()),
            ("DateCreated", body::date(call.created)),
            ("To", body::to(call)),
            ("From", body::national(&call.from)),
            ("PhoneNumberSid", body::national(&call.caller_id)),
            ("StartTime", body::date(call.created)),
            ("EndTime", call.ended.map(body::date).unwrap_or_default()),
            ("ConversationDuration", call.duration_s().to_string()),
            ("Direction", "outbound-api".to_owned()),
            ("CustomField", call.custom.clone().unwrap_or_default()),
            ("Legs[0][OnCallDuration]", call.duration_s().to_string()),
            ("Legs[0][Status]", status.to_owned()),
            ("Legs[0][AnsweredBy]", call.answered_by.unwrap_or("NA").to_owned()),
        ]);
    }
    form.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The same fields as JSON: the legs as a list, numbers as numbers.
fn json_of(form: &[(String, String)]) -> Value {
    let mut body = json!({});
    let mut leg = json!({});
    for (name, value) in form {
        let value = match (name.ends_with("Duration"), value.parse::<i64>()) {
            (true, Ok(number)) => json!(number),
            _ if name.ends_with("Duration]") => json!(value.parse::<i64>().unwrap_or(0)),
            _ => json!(value),
        };
        match name.strip_prefix("Legs[0][") {
            Some(key) => leg[key.trim_end_matches(']')] = value,
            None => body[name] = value,
        }
    }
    if leg.as_object().is_some_and(|leg| !leg.is_empty()) {
        body["Legs"] = json!([leg]);
    }
    body
}

/// The rate that a socket's URL asks for, and its custom parameters. They stay in the URL too, as both places are
/// reported.
fn parameters(url: &str) -> (SampleRate, BTreeMap<String, String>) {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let (mut rate, mut custom) = (SampleRate::HZ_8000, BTreeMap::new());
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if matches!(&*name, "sample-rate" | "sample_rate") {
            // Any other is taken for the usual one.
            let rates = [SampleRate::HZ_8000, SampleRate::HZ_16000, SampleRate::HZ_24000];
            let asked = rates.into_iter().find(|rate| value.parse() == Ok(rate.hz()));
            rate = asked.unwrap_or(SampleRate::HZ_8000);
        } else if custom.len() < MOST_CUSTOM {
            custom.insert(name.into_owned(), value.into_owned());
        }
    }
    (rate, custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The document's own callback.
    #[test]
    fn a_final_callback_is_as_the_document_shows_it() {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let call = ExotelCall {
            mode: Mode::Bot("wss://gw.example.com/voicebot/ws".to_owned()),
            from: "09800000001".to_owned(),
            caller_id: "08000000002".to_owned(),
            custom: Some("lead-42".to_owned()),
            news: super::super::News::default(),
            longest_s: 60,
            status: "completed",
            created: time("2025-06-01T04:30:00Z"),
            answered: Some(time("2025-06-01T04:30:27Z")),
            ended: Some(time("2025-06-01T04:31:08Z")),
            answered_by: Some("human"),
            settles: None,
        };
        let body = json_of(&form("5b1d4c0e7a9f42d88e3b60c1f2a7d918", &call, "terminal", true));
        let wanted: Value = serde_json::from_str(
            r#"{"CallSid":"5b1d4c0e7a9f42d88e3b60c1f2a7d918","EventType":"terminal",
            "DateCreated":"2025-06-01 10:00:00","DateUpdated":"2025-06-01 10:01:08","Status":"completed",
            "To":"08000000002","From":"09800000001","PhoneNumberSid":"08000000002",
            "StartTime":"2025-06-01 10:00:00","EndTime":"2025-06-01 10:01:08","ConversationDuration":41,
            "Direction":"outbound-api","CustomField":"lead-42","RecordingUrl":"",
            "Legs":[{"OnCallDuration":41,"Status":"completed","AnsweredBy":"human"}]}"#,
        )
        .unwrap();
        assert_eq!(body, wanted);
    }

    #[test]
    fn a_sockets_url_says_its_rate_and_three_parameters() {
        let (rate, custom) = parameters("wss://h/ws?sample-rate=16000&call_ref=call_1&k=a%20b&c=3&d=4");
        assert_eq!(rate, SampleRate::HZ_16000);
        let names: Vec<_> = custom.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(names, ["c=3", "call_ref=call_1", "k=a b"]);
        assert_eq!(parameters("ws://h/ws?sample-rate=44100").0, SampleRate::HZ_8000);
    }
}
