//! A carrier to dial over: the few answers of Twilio's Calls resource that these tests need, on a real socket.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use jiff::Timestamp;
use records::CallRecord;
use serde_json::{Value, json};

/// The account's id and token.
pub(crate) const ACCOUNT: &str = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
pub(crate) const TOKEN: &str = "canary-twilio-token";

/// How it answers a dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// It dials.
    Dials,
    /// It dials, and its answer is of no use.
    DialsAndLosesTheAnswer,
    /// It refuses the number.
    Refuses,
}

#[derive(Debug, Default)]
struct Book {
    /// The fields of every dial.
    dials: Vec<BTreeMap<String, String>>,
    /// Calls by id, with their status.
    calls: BTreeMap<String, Value>,
    mood: Option<Mood>,
    looks: usize,
    /// How often Exotel's list was asked for.
    searches: usize,
    hang_ups: Vec<String>,
}

/// The carrier.
#[derive(Clone, Default)]
pub(crate) struct Fake(Arc<Mutex<Book>>);

impl Fake {
    /// Starts it; gives where it listens.
    pub(crate) async fn start(&self) -> String {
        let calls = "/2010-04-01/Accounts/{account}/Calls.json";
        let call = "/2010-04-01/Accounts/{account}/Calls/{call}";
        let router = Router::new()
            .route(calls, post(dial).get(list))
            .route(call, get(look).post(update))
            .route("/v1/Accounts/{account}/Calls.json", get(exotel_list))
            .route("/v1/Accounts/{account}/Calls/{call}", get(exotel_look).post(exotel_dial))
            .with_state(self.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}")
    }

    pub(crate) fn is(&self, mood: Mood) {
        self.0.lock().unwrap().mood = Some(mood);
    }

    pub(crate) fn dials(&self) -> Vec<BTreeMap<String, String>> {
        self.0.lock().unwrap().dials.clone()
    }

    pub(crate) fn looks(&self) -> usize {
        self.0.lock().unwrap().looks
    }

    pub(crate) fn searches(&self) -> usize {
        self.0.lock().unwrap().searches
    }

    pub(crate) fn hang_ups(&self) -> Vec<String> {
        self.0.lock().unwrap().hang_ups.clone()
    }

    /// A call that it knows, over; what it took and cost once that is known.
    pub(crate) fn tells(&self, sid: &str, duration: Option<&str>, price: Option<&str>) {
        let mut call = call_body(sid, "completed", &BTreeMap::new());
        (call["duration"], call["price"]) = (json!(duration), json!(price));
        self.0.lock().unwrap().calls.insert(sid.to_owned(), call);
    }

    /// A call of Twilio's that was made for this dial, in this state.
    pub(crate) fn made(&self, sid: &str, status: &str, dial: &CallRecord) {
        let [to, from] = [&dial.to, &dial.from].map(|number| number.clone().unwrap_or_default());
        let mut call = call_body(sid, status, &[("To".to_owned(), to), ("From".to_owned(), from)].into());
        let at = dial.started_at.to_zoned(jiff::tz::TimeZone::UTC);
        call["date_created"] = json!(jiff::fmt::rfc2822::to_string(&at).unwrap());
        self.0.lock().unwrap().calls.insert(sid.to_owned(), call);
    }

    /// A call that it knows, in this state.
    pub(crate) fn knows(&self, sid: &str, status: &str) {
        self.0.lock().unwrap().calls.insert(sid.to_owned(), call_body(sid, status, &BTreeMap::new()));
    }
}

fn call_body(sid: &str, status: &str, form: &BTreeMap<String, String>) -> Value {
    let text = |name: &str| form.get(name).cloned().unwrap_or_default();
    let now = jiff::fmt::rfc2822::to_string(&Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC)).unwrap();
    json!({
        "sid": sid, "account_sid": ACCOUNT, "to": text("To"), "from": text("From"), "status": status,
        "direction": "outbound-api", "answered_by": null, "start_time": now, "end_time": null,
        "duration": null, "price": null, "price_unit": "USD", "date_created": now, "date_updated": now,
    })
}

async fn dial(State(fake): State<Fake>, body: String) -> Response {
    let form: BTreeMap<String, String> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let mut book = fake.0.lock().unwrap();
    book.dials.push(form.clone());
    if book.mood == Some(Mood::Refuses) {
        let refused = json!({ "code": 21211, "message": "The 'To' number is not valid.", "status": 400 });
        return (StatusCode::BAD_REQUEST, Json(refused)).into_response();
    }
    let sid = format!("CA{:032x}", book.dials.len());
    let call = call_body(&sid, "queued", &form);
    book.calls.insert(sid, call.clone());
    if book.mood == Some(Mood::DialsAndLosesTheAnswer) {
        return (StatusCode::BAD_GATEWAY, "<html>").into_response();
    }
    (StatusCode::CREATED, Json(call)).into_response()
}

async fn list(State(fake): State<Fake>) -> Json<Value> {
    let calls: Vec<Value> = fake.0.lock().unwrap().calls.values().rev().cloned().collect();
    Json(json!({ "calls": calls, "page": 0, "page_size": 100, "next_page_uri": null }))
}

async fn look(State(fake): State<Fake>, Path((_, call)): Path<(String, String)>) -> Response {
    let mut book = fake.0.lock().unwrap();
    book.looks += 1;
    match book.calls.get(call.trim_end_matches(".json")) {
        Some(call) => Json(call.clone()).into_response(),
        None => missing(),
    }
}

async fn update(State(fake): State<Fake>, Path((_, call)): Path<(String, String)>) -> Response {
    let mut book = fake.0.lock().unwrap();
    let sid = call.trim_end_matches(".json").to_owned();
    book.hang_ups.push(sid.clone());
    match book.calls.get(&sid) {
        Some(call) => Json(call.clone()).into_response(),
        None => missing(),
    }
}

/// Exotel's list, which shows no call that goes on.
async fn exotel_list(State(fake): State<Fake>) -> Json<Value> {
    fake.0.lock().unwrap().searches += 1;
    Json(json!({ "Metadata": { "Total": 0 }, "Calls": [] }))
}

async fn exotel_look(State(fake): State<Fake>, Path((_, call)): Path<(String, String)>) -> Response {
    let mut book = fake.0.lock().unwrap();
    book.looks += 1;
    let sid = call.trim_end_matches(".json").to_owned();
    match book.calls.get(&sid) {
        Some(call) => Json(json!({ "Call": { "Sid": sid, "Status": call["status"] } })).into_response(),
        None => {
            let body = json!({ "RestException": { "Status": 404, "Message": "no such call" } });
            (StatusCode::NOT_FOUND, Json(body)).into_response()
        }
    }
}

/// Takes a dial and loses the answer.
async fn exotel_dial(State(fake): State<Fake>, body: String) -> Response {
    let form = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    fake.0.lock().unwrap().dials.push(form);
    (StatusCode::BAD_GATEWAY, "<html>").into_response()
}

fn missing() -> Response {
    let body = json!({ "code": 20404, "message": "The requested resource was not found", "status": 404 });
    (StatusCode::NOT_FOUND, Json(body)).into_response()
}
