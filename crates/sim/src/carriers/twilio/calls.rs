//! The Calls resource.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::watch;

use super::super::{Answering, Moment, server};
use super::access::{Asked, error};
use super::create::{Create, Source, next};
use super::{Status, TwilioCall, body, life};
use crate::phone::Order;
use crate::twilio::Document;

/// Calls on a page, by default and at most.
const PAGE: usize = 50;
const LARGEST_PAGE: usize = 1000;

pub(super) async fn create(asked: Asked) -> Response {
    let world = &asked.world;
    let to = asked.form.one("To").unwrap_or_default().to_owned();
    let manner = world.manner(&to);
    let too_many = || asked.refuse("", 429, 20429, "Too Many Requests");
    match manner.answering {
        Answering::Refused(code) if code >= 20_000 => {
            let status = if code == 20_003 { 401 } else { 400 };
            return asked.refuse(
                "",
                status,
                code,
                &format!("The 'To' number {to} is not a valid phone number."),
            );
        }
        Answering::Refused(status) => {
            return asked.refuse("", u16::try_from(status).unwrap_or(400), 20_001, "refused");
        }
        Answering::Busy => return too_many(),
        Answering::BusyOnce if world.is_first_refusal(&to) => return too_many(),
        _ => {}
    }
    let request = match Create::read(&asked) {
        Ok(request) => request,
        Err((code, message)) => return asked.refuse("", 400, code, &message),
    };
    let failed = error(500, 20_500, "An internal server error has occurred");
    if !manner.answering.makes_a_call() && manner.answering != Answering::BusyOnce {
        asked.note("", None);
        return server::spoilt(manner.answering, StatusCode::OK.into_response(), failed).await;
    }
    let sid = format!("CA{}", world.id());
    let call = TwilioCall {
        request,
        status: Status::Queued,
        answered_by: None,
        queue_ms: u64::try_from(world.queue().as_millis()).unwrap_or(u64::MAX),
        created: Timestamp::now(),
        started: None,
        ended: None,
        orders: watch::channel(Order::Talk).0,
        recordings: Vec::new(),
    };
    let answer = body::fresh(&world.settings().twilio.sid, &sid, &call);
    world.twilio().calls().insert(sid.clone(), call);
    let whole = asked.answer(&sid, StatusCode::CREATED, &answer);
    tokio::spawn(life::live(world.clone(), sid.clone(), manner.clone()));
    let answer = server::spoilt(manner.answering, whole, failed).await;
    world.ledger().moment("twilio", &sid, Moment::Answers);
    answer
}

pub(super) async fn fetch(asked: Asked) -> Response {
    let sid = asked.ids.first().cloned().unwrap_or_default();
    let account = &asked.world.settings().twilio.sid;
    let found = asked.world.twilio().calls().get(&sid).map(|call| body::of(account, &sid, call));
    match found {
        Some(body) => asked.answer(&sid, StatusCode::OK, &body),
        None => asked.not_found(&asked.target),
    }
}

pub(super) async fn delete(asked: Asked) -> Response {
    let sid = asked.ids.first().cloned().unwrap_or_default();
    let is_over = asked.world.twilio().calls().get(&sid).map(|call| call.status.is_final());
    match is_over {
        Some(true) => {
            asked.world.twilio().calls().remove(&sid);
            asked.note(&sid, Some(204));
            StatusCode::NO_CONTENT.into_response()
        }
        Some(false) => asked.refuse(&sid, 409, 20_009, "Call is in progress and cannot be deleted"),
        None => asked.not_found(&asked.target),
    }
}

/// Hangs up, cancels or redirects.
pub(super) async fn update(asked: Asked) -> Response {
    let sid = asked.ids.first().cloned().unwrap_or_default();
    let (account, form) = (&asked.world.settings().twilio.sid, &asked.form);
    let order = match (form.one("Status"), next(form, "Url", "Method"), form.one("Twiml")) {
        (Some("completed" | "canceled"), ..) => Ok(Order::HangUp),
        (Some(other), ..) => Err((21_218, format!("Status {other} is not completed or canceled"))),
        (None, Some(url), _) => Ok(Order::Fetch(url)),
        (None, None, Some(text)) => {
            Document::parse(text).map(Order::Follow).map_err(|error| (21_218, error.to_string()))
        }
        (None, None, None) => Ok(Order::Talk),
    };
    let order = match order {
        Ok(order) => order,
        Err((code, message)) => return asked.refuse(&sid, 400, code, &message),
    };
    let mut calls = asked.world.twilio().calls();
    let Some(call) = calls.get_mut(&sid) else {
        drop(calls);
        return asked.not_found(&asked.target);
    };
    let is_live = call.status == Status::InProgress;
    let possible = match (&order, form.one("Status")) {
        (Order::HangUp, Some("canceled")) => !call.status.is_final() && !is_live,
        (Order::HangUp, _) => !call.status.is_final(),
        (Order::Talk, _) => true,
        _ => is_live,
    };
    if !possible {
        drop(calls);
        return asked.refuse(&sid, 400, 21220, "Call is not in-progress. Cannot redirect.");
    }
    match &order {
        Order::Talk => {}
        Order::Fetch(url) => call.request.document = Source::Url(url.clone()),
        _ => {}
    }
    let answer = body::of(account, &sid, call);
    if order != Order::Talk {
        // Nobody listens where the call has just ended.
        let _ = call.orders.send(order);
    }
    drop(calls);
    asked.answer(&sid, StatusCode::OK, &answer)
}

pub(super) async fn list(asked: Asked) -> Response {
    let (account, form) = (&asked.world.settings().twilio.sid, &asked.form);
    let size = form.number::<usize>("PageSize").unwrap_or(PAGE).clamp(1, LARGEST_PAGE);
    let page = form.number::<usize>("Page").unwrap_or(0);
    let is_wanted = |call: &TwilioCall| {
        let is = |name: &str, value: &str| form.one(name).is_none_or(|wanted| wanted == value);
        let day = call.started.unwrap_or(call.created).strftime("%Y-%m-%d").to_string();
        is("Status", call.status.as_str())
            && is("To", &call.request.to)
            && is("From", &call.request.from)
            && is("StartTime", &day)
            && form.one("StartTime>").is_none_or(|from| day.as_str() >= &from[..from.len().min(10)])
            && form.one("StartTime<").is_none_or(|to| day.as_str() <= &to[..to.len().min(10)])
    };
    let calls = asked.world.twilio().calls();
    let mut wanted: Vec<_> = calls.iter().filter(|(_, call)| is_wanted(call)).collect();
    // Newest first.
    wanted.sort_by_key(|(_, call)| std::cmp::Reverse(call.created));
    let is_more = wanted.len() > (page + 1) * size;
    let bodies: Vec<_> =
        wanted.iter().skip(page * size).take(size).map(|(sid, call)| body::of(account, sid, call)).collect();
    drop(calls);
    let path = format!("/2010-04-01/Accounts/{account}/Calls.json?PageSize={size}");
    let body = json!({
        "calls": bodies,
        "first_page_uri": format!("{path}&Page=0"),
        "next_page_uri": is_more.then(|| format!("{path}&Page={}", page + 1)),
        "previous_page_uri": (page > 0).then(|| format!("{path}&Page={}", page - 1)),
        "page": page,
        "page_size": size,
        "uri": format!("{path}&Page={page}"),
    });
    asked.answer("", StatusCode::OK, &body)
}
