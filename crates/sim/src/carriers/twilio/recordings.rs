//! Recordings: of a call that was placed with `Record`, or begun while it is up.

use audio::SampleRate;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::access::Asked;
use super::body::date;
use super::create::{Wish, recording};
use super::{Status, TwilioCall};

/// A recording.
#[derive(Debug, Clone)]
pub(super) struct Recording {
    pub(super) sid: String,
    pub(super) wish: Wish,
    pub(super) status: String,
    pub(super) started: Timestamp,
    pub(super) duration_s: Option<u64>,
    /// Both sides, sample by sample, once it is complete.
    pub(super) sound: Vec<i16>,
}

impl Recording {
    pub(super) fn begin(id: &str, wish: Wish) -> Self {
        Self {
            sid: format!("RE{id}"),
            wish,
            status: "in-progress".to_owned(),
            started: Timestamp::now(),
            duration_s: None,
            sound: Vec::new(),
        }
    }

    fn body(&self, account: &str, call: &str) -> Value {
        json!({
            "sid": self.sid,
            "account_sid": account,
            "call_sid": call,
            "status": self.status,
            "channels": self.wish.channels,
            "duration": self.duration_s.map(|seconds| seconds.to_string()),
            "source": self.wish.source,
            "track": "both",
            "start_time": date(self.started),
            "price": null,
            "error_code": null,
            "api_version": "2010-04-01",
            "uri": format!("/2010-04-01/Accounts/{account}/Recordings/{}.json", self.sid),
        })
    }
}

/// Begins one on a live call.
pub(super) async fn start(asked: Asked) -> Response {
    let sid = asked.ids.first().cloned().unwrap_or_default();
    let account = asked.world.settings().twilio.sid.clone();
    let made = Recording::begin(&asked.world.id(), recording(&asked.form, "StartCallRecordingAPI"));
    let body = made.body(&account, &sid);
    let mut is_live = None;
    asked.world.twilio().change(&sid, |call| {
        is_live = Some(call.status == Status::InProgress);
        if call.status == Status::InProgress {
            call.recordings.push(made);
        }
    });
    match is_live {
        Some(true) => asked.answer(&sid, StatusCode::CREATED, &body),
        Some(false) => asked.refuse(&sid, 400, 21220, "Call is not in-progress. Cannot redirect."),
        None => asked.not_found(&asked.target),
    }
}

/// Pauses, goes on or stops.
pub(super) async fn update(asked: Asked) -> Response {
    let sid = asked.ids.first().cloned().unwrap_or_default();
    let recording = asked.ids.get(1).cloned().unwrap_or_default();
    let account = asked.world.settings().twilio.sid.clone();
    let status = asked.form.one("Status").unwrap_or_default().to_owned();
    if !matches!(status.as_str(), "paused" | "in-progress" | "stopped") {
        return asked.refuse(&sid, 400, 21_218, "Status is paused, in-progress or stopped");
    }
    let mut body = None;
    asked.world.twilio().change(&sid, |call| {
        if let Some(found) = call.recordings.iter_mut().find(|found| found.sid == recording) {
            found.status = status;
            body = Some(found.body(&account, &sid));
        }
    });
    match body {
        Some(body) => asked.answer(&sid, StatusCode::OK, &body),
        None => asked.not_found(&asked.target),
    }
}

pub(super) async fn list(asked: Asked) -> Response {
    let sid = asked.ids.first().cloned().unwrap_or_default();
    let account = asked.world.settings().twilio.sid.clone();
    let found = asked.world.twilio().calls().get(&sid).map(|call: &TwilioCall| {
        call.recordings.iter().map(|recording| recording.body(&account, &sid)).collect::<Vec<_>>()
    });
    match found {
        Some(recordings) => asked.answer(&sid, StatusCode::OK, &json!({"recordings": recordings})),
        None => asked.not_found(&asked.target),
    }
}

/// The sound as WAV.
pub(super) async fn sound(asked: Asked) -> Response {
    let wanted = asked.ids.first().map_or("", |id| id.trim_end_matches(".wav")).to_owned();
    let found = asked
        .world
        .twilio()
        .calls()
        .values()
        .flat_map(|call| &call.recordings)
        .find(|recording| recording.sid == wanted && recording.status == "completed")
        .map(|recording| recording.sound.clone());
    let Some(samples) = found else { return asked.not_found(&asked.target) };
    let mut file = audio::wav::header(SampleRate::HZ_8000, 2, samples.len() as u64 * 2).to_vec();
    file.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    asked.note("", Some(200));
    ([(header::CONTENT_TYPE, "audio/x-wav")], file).into_response()
}
