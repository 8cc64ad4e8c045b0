//! Handing a call on over Twilio: whom it is told to dial once a stream is over, and what follows when that leg is over
//! too.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::response::Response;
use carriers::twilio::callbacks::{self, Form, Leg};
use carriers::twilio::{VoiceRequest, twiml};
use carriers::{Address, Carrier};
use jiff::Timestamp;
use records::{Direction, Fact};
use store::{CallId, InboxEntry};

use super::{Signed, answer, genuine};
use crate::gateway::Gateway;
use crate::handover::Handover;
use crate::metrics::handed_on;

pub(super) const DIALLED: &str = "/twilio/dialled";
/// The name of this callback in the inbox and in metrics.
const KIND: &str = "dialled";
/// By this every delivery of one callback is known.
const TOKEN: &str = "i-twilio-idempotency-token";

/// TwiML that hands the call on; `None` when there is nobody of that name any more.
pub(super) fn dial(gateway: &Gateway, signed: &Signed, handover: &Handover) -> Option<String> {
    let transfers = &handover.agent.transfers;
    let to = transfers.to.get(&handover.target)?;
    let voice = VoiceRequest::of(&signed.pairs);
    // In a call that we placed the other side's number is the one that we show.
    let ours = voice.from.filter(|_| voice.direction == Direction::Outbound);
    let public = gateway.config.public_url.as_deref().and_then(|url| Address::parse(url).ok());
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("call", &handover.id.to_string())
        .append_pair("agent", &handover.agent.name)
        .append_pair("to", &handover.target)
        .finish();
    tracing::info!(call_id = %handover.id, target = handover.target, "the caller is handed on");
    Some(twiml::dial(&twiml::Dial {
        to,
        caller_id: transfers.caller_id.as_deref().or(ours.as_deref()),
        ring_s: u32::try_from(transfers.ring.as_secs()).unwrap_or(u32::MAX),
        action_url: &public.as_ref().unwrap_or(&signed.address).http(&format!("{DIALLED}?{query}")),
    }))
}

/// Twilio tells how the leg went that a call was handed on to
///
/// The call ends; where nobody was reached, the caller hears so first.
#[utoipa::path(
    method(get, post), path = "/twilio/dialled", tag = "carriers",
    responses(
        (status = 200, description = "TwiML.", body = String, content_type = "text/xml"),
        (status = 400, description = "There is no signature.", body = ref("#/components/schemas/Problem"),
            content_type = "application/problem+json"),
        (status = 403, description = "The signature is wrong.", body = ref("#/components/schemas/Problem"),
            content_type = "application/problem+json"),
        (status = 404, description = "Twilio is not configured.", body = ref("#/components/schemas/Problem"),
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn dialled(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let began = Instant::now();
    let (asked, signed) = match genuine(&gateway, request).await {
        Ok(genuine) => genuine,
        Err(refused) => return *refused,
    };
    asked.log("webhook after a dialled leg", began);
    let now = Timestamp::now();
    let token = super::header_text(&asked.headers, TOKEN);
    let (callback, leg) = callbacks::dialled(Form { pairs: &signed.pairs[signed.query..], token, now });
    handed_on(Carrier::Twilio, leg.as_str());
    let target = signed.query("to").unwrap_or_default();
    if let Some(id) = signed.query("call").and_then(|id| id.parse::<CallId>().ok()) {
        let detail = format!("{target}: {}", leg.as_str());
        tracing::info!(call_id = %id, target, outcome = leg.as_str(), "the leg that the call was handed on to is over");
        let entry = InboxEntry {
            carrier: Carrier::Twilio.as_str().to_owned(),
            kind: KIND.to_owned(),
            key: callback.key,
            received_at: now,
            body: callback.events.iter().find_map(|event| told(&event.fact)).unwrap_or_default(),
        };
        gateway.handed_on(id, callback.events, detail, Some(entry)).await;
    }
    let agent = signed.query("agent").and_then(|name| gateway.agent(name));
    let words = agent.as_ref().map_or("", |agent| agent.transfers.unreached.as_str());
    let is_unreached = matches!(leg, Leg::Busy | Leg::NoAnswer | Leg::Failed);
    answer(match agent.as_ref().filter(|_| is_unreached && !words.is_empty()) {
        Some(agent) => twiml::say_and_hang_up(&agent.language, words),
        None => twiml::hang_up(),
    })
}

/// What a report says.
fn told(fact: &Fact) -> Option<String> {
    let Fact::Report { fields } = fact else { return None };
    serde_json::to_string(fields).ok()
}
