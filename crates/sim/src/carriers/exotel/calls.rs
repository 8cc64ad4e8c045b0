//! Placing calls and asking after them.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::form::Form;
use super::super::{Answering, Moment, server};
use super::access::{Asked, exception, shaped};
use super::{ExotelCall, Mode, News, body, life};

/// Every field that the document has.
const KNOWN: &[&str] = &[
    "From",
    "To",
    "CallerId",
    "Url",
    "StreamUrl",
    "StreamType",
    "StreamBegin",
    "StreamName",
    "CallType",
    "TimeLimit",
    "TimeOut",
    "Record",
    "RecordingChannels",
    "RecordingFormat",
    "CustomField",
    "StatusCallback",
    "StatusCallbackEvents",
    "StatusCallbackContentType",
    "WaitUrl",
    "StartPlaybackToNew",
    "StartPlaybackValueNew",
];
const EVENTS: &[&str] = &["terminal", "answered", "ringing"];
const LONGEST_S: u64 = 14_400;
const LONGEST_CUSTOM: usize = 128;
const LONGEST_STREAM_URL: usize = 600;
const LONGEST_STREAM_NAME: usize = 32;
/// Calls on a page, by default and at most.
const PAGE: usize = 50;
const LARGEST_PAGE: usize = 100;

/// Two numbers, a number and a flow, or a number and a bot.
pub(super) async fn connect(asked: Asked) -> Response {
    let world = &asked.world;
    let from = asked.form.one("From").unwrap_or_default().to_owned();
    let manner = world.manner(&from);
    let too_many = || asked.refuse("", 429, "Rate limit exceeded");
    match manner.answering {
        Answering::Refused(status) => {
            let status = if status < 600 { u16::try_from(status).unwrap_or(400) } else { 400 };
            return asked.refuse("", status, "the From number is not valid");
        }
        Answering::Busy => return too_many(),
        Answering::BusyOnce if world.is_first_refusal(&from) => return too_many(),
        _ => {}
    }
    let call = match read(&asked) {
        Ok(call) => call,
        Err(why) => return asked.refuse("", 400, &why),
    };
    if !world.takes_another() {
        return too_many();
    }
    let failed = exception(asked.json, 500, "Internal server error");
    if !manner.answering.makes_a_call() && manner.answering != Answering::BusyOnce {
        asked.note("", None);
        return server::spoilt(manner.answering, StatusCode::OK.into_response(), failed).await;
    }
    let sid = world.id();
    let answer = body::of(&world.settings().exotel.sid, &sid, &call, Timestamp::now());
    world.exotel().calls().insert(sid.clone(), call);
    let whole = asked.answer(&sid, 200, &json!({"Call": answer}));
    tokio::spawn(life::live(world.clone(), sid.clone(), manner.clone()));
    let answer = server::spoilt(manner.answering, whole, failed).await;
    world.ledger().moment("exotel", &sid, Moment::Answers);
    answer
}

/// Reads the form. What the document forbids but Exotel lets pass is noted as a breach.
fn read(asked: &Asked) -> Result<ExotelCall, String> {
    let form = &asked.form;
    let needed = |name: &str| form.one(name).map(str::to_owned).ok_or_else(|| format!("{name} is mandatory"));
    let (from, caller_id) = (needed("From")?, needed("CallerId")?);
    for name in form.unknown(KNOWN) {
        asked.breach(&format!("Calls/connect has no field {name}"));
    }
    let custom = form.one("CustomField").map(str::to_owned);
    if custom.as_ref().is_some_and(|custom| custom.chars().count() > LONGEST_CUSTOM) {
        return Err("CustomField has more than 128 characters".to_owned());
    }
    let longest_s = form.number("TimeLimit").unwrap_or(LONGEST_S);
    if longest_s > LONGEST_S {
        return Err("TimeLimit is at most 14400".to_owned());
    }
    Ok(ExotelCall {
        mode: mode(asked)?,
        from,
        caller_id,
        custom,
        news: news(asked),
        longest_s,
        status: "in-progress",
        created: Timestamp::now(),
        answered: None,
        ended: None,
        answered_by: None,
        settles: None,
    })
}

/// The three modes exclude each other.
fn mode(asked: &Asked) -> Result<Mode, String> {
    let form = &asked.form;
    let sid = &asked.world.settings().exotel.sid;
    match (form.one("To"), form.one("Url"), form.one("StreamUrl")) {
        (Some(to), None, _) => Ok(Mode::Number(to.to_owned())),
        (None, Some(url), None) => {
            if !url.contains(&format!("/{sid}/exoml/start_voice/")) {
                return Err("Url is not a flow of this account".to_owned());
            }
            Ok(Mode::Flow(url.to_owned()))
        }
        (None, None, Some(url)) => {
            if form.one("StreamType") != Some("bidirectional") {
                return Err("StreamType must be bidirectional".to_owned());
            }
            if !url.starts_with("ws://") && !url.starts_with("wss://") || url.len() >= LONGEST_STREAM_URL {
                return Err("StreamUrl must be ws or wss and have under 600 characters".to_owned());
            }
            if form.one("StreamName").is_some_and(|name| name.len() > LONGEST_STREAM_NAME) {
                return Err("StreamName has more than 32 characters".to_owned());
            }
            Ok(Mode::Bot(url.to_owned()))
        }
        (None, None, None) => Err("To, Url or StreamUrl is mandatory".to_owned()),
        _ => Err("To, Url and StreamUrl exclude each other".to_owned()),
    }
}

fn news(asked: &Asked) -> News {
    let form = &asked.form;
    let events: Vec<String> = form.all("StatusCallbackEvents").into_iter().map(str::to_owned).collect();
    for event in events.iter().filter(|event| !EVENTS.contains(&event.as_str())) {
        asked.breach(&format!("StatusCallbackEvents has no {event}"));
    }
    let kind = form.one("StatusCallbackContentType").unwrap_or("multipart/form-data");
    if !matches!(kind, "multipart/form-data" | "application/json") {
        asked.breach("StatusCallbackContentType is multipart/form-data or application/json");
    }
    News { url: form.one("StatusCallback").map(str::to_owned), events, json: kind == "application/json" }
}

pub(super) async fn details(asked: Asked) -> Response {
    let found = asked.world.exotel().calls().get(&asked.sid).cloned();
    let Some(call) = found else { return asked.refuse("", 404, "no such call") };
    let account = &asked.world.settings().exotel.sid;
    let mut answer = body::of(account, &asked.sid, &call, Timestamp::now());
    if asked.form.one("details") == Some("true") {
        answer["Details"] = body::details(&call);
    }
    asked.answer(&asked.sid, 200, &json!({"Call": answer}))
}

pub(super) async fn list(asked: Asked) -> Response {
    let account = asked.world.settings().exotel.sid.clone();
    let size = asked.form.number::<usize>("PageSize").unwrap_or(PAGE).clamp(1, LARGEST_PAGE);
    let now = Timestamp::now();
    let calls = asked.world.exotel().calls();
    let shows_all = asked.world.settings().exotel.lists_running;
    let is_shown = |call: &ExotelCall| (shows_all || call.ended.is_some()) && is_wanted(&asked.form, call);
    let mut wanted: Vec<_> = calls.iter().filter(|(_, call)| is_shown(call)).collect();
    // Newest first.
    wanted.sort_by_key(|(_, call)| std::cmp::Reverse(call.created));
    let total = wanted.len();
    let bodies: Vec<Value> =
        wanted.into_iter().take(size).map(|(sid, call)| body::of(&account, sid, call, now)).collect();
    drop(calls);
    let metadata = json!({
        "Total": total, "PageSize": size, "FirstPageUri": format!("/v1/Accounts/{account}/Calls.json?PageSize={size}"),
        "PrevPageUri": null, "NextPageUri": null,
    });
    asked.answer("", 200, &json!({"Metadata": metadata, "Calls": bodies}))
}

fn is_wanted(form: &Form, call: &ExotelCall) -> bool {
    let same = |wanted: &str, number: &str| body::national(wanted) == body::national(number);
    let date = body::date(call.created);
    let in_time = form.one("DateCreated").is_none_or(|range| {
        range.split(';').all(|bound| match bound.split_once(':') {
            Some(("gte", from)) => date.as_str() >= from,
            Some(("gt", from)) => date.as_str() > from,
            Some(("lte", to)) => date.as_str() <= to,
            Some(("lt", to)) => date.as_str() < to,
            _ => true,
        })
    });
    form.one("Status").is_none_or(|wanted| wanted == call.status)
        && form.one("From").is_none_or(|wanted| same(wanted, &call.from))
        && form.one("To").is_none_or(|wanted| same(wanted, &body::to(call)))
        && in_time
}

/// How many media sockets are open, and how many may be. Always XML.
pub(super) async fn streams(asked: Asked) -> Response {
    asked.note("", Some(200));
    let (streams, limit) = (asked.world.exotel().streams(), asked.world.settings().exotel.streams);
    shaped(false, 200, &json!({"Stream": {"ActiveStreamCount": streams, "ThrottleLimit": limit}}))
}
