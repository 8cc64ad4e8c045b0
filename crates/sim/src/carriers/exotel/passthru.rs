//! The Passthru applet behind a Voicebot: a GET with what the flow knows of the call and how its stream went (Exotel,
//! "Passthru applet", "Voicebot applet").

use jiff::Timestamp;
use serde_json::json;

use super::body;
use super::{ExotelCall, Mode};
use crate::phone::{EndedBy, PhoneError, PhoneReport};

/// How a stream went.
#[derive(Debug, Clone)]
pub(super) struct Streamed {
    pub(super) id: String,
    pub(super) url: String,
    pub(super) began: Timestamp,
    pub(super) end: StreamEnd,
}

/// How a stream ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StreamEnd {
    /// The server closed the socket.
    ByBot,
    /// The caller hung up, or the line broke.
    ByUser,
    /// It never came about.
    Failed(String),
    /// The account had as many streams as it may.
    Throttled,
}

impl StreamEnd {
    pub(super) fn of(lived: &Result<PhoneReport, PhoneError>) -> Self {
        match lived {
            Ok(report) if report.end.by == EndedBy::Server => Self::ByBot,
            Ok(_) => Self::ByUser,
            Err(error) => Self::Failed(format!("3009 failed to establish ws conn: {error}")),
        }
    }

    const fn status(&self) -> (&'static str, &'static str) {
        match self {
            Self::ByBot => ("completed", "bot"),
            Self::ByUser => ("cancelled", "user"),
            Self::Failed(_) | Self::Throttled => ("failed", "NA"),
        }
    }
}

/// The applet's parameters; those of the stream with bracketed keys, or all in one text of JSON.
pub(super) fn fields(
    sid: &str,
    call: &ExotelCall,
    streamed: &Streamed,
    as_json: bool,
) -> Vec<(String, String)> {
    let now = Timestamp::now();
    let (from, to) = (body::national(&call.from), body::national(&call.caller_id));
    let flow = match &call.mode {
        Mode::Flow(url) => url.rsplit('/').next().unwrap_or_default(),
        Mode::Number(_) | Mode::Bot(_) => "",
    };
    let mut fields: Vec<(String, String)> = [
        ("CallSid", sid.to_owned()),
        ("CallFrom", from.clone()),
        ("CallTo", to.clone()),
        ("Direction", "outbound-api".to_owned()),
        ("Created", body::date(call.created)),
        (
            "CallType",
            if streamed.end == StreamEnd::ByUser { "client-hangup" } else { "completed" }.to_owned(),
        ),
        ("flow_id", flow.to_owned()),
        ("From", from),
        ("To", to),
        ("CurrentTime", body::date(now)),
        ("CustomField", call.custom.clone().unwrap_or_default()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let (status, by) = streamed.end.status();
    let lasted = match streamed.end {
        StreamEnd::ByBot | StreamEnd::ByUser => now.duration_since(streamed.began).as_secs().max(0),
        StreamEnd::Failed(_) | StreamEnd::Throttled => 0,
    };
    let mut stream = vec![
        ("StreamSID", streamed.id.clone()),
        ("Status", status.to_owned()),
        ("Duration", lasted.to_string()),
        ("StreamUrl", streamed.url.clone()),
        ("DisconnectedBy", by.to_owned()),
    ];
    match &streamed.end {
        StreamEnd::Failed(why) => stream.push(("Error", why.clone())),
        StreamEnd::Throttled => stream.push(("DetailedStatus", "Streaming_call_throttled".to_owned())),
        StreamEnd::ByBot | StreamEnd::ByUser => {}
    }
    if as_json {
        let object: serde_json::Map<_, _> =
            stream.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
        fields.push(("Stream".to_owned(), serde_json::Value::Object(object).to_string()));
    } else {
        fields.extend(stream.into_iter().map(|(name, value)| (format!("Stream[{name}]"), value)));
    }
    fields
}
