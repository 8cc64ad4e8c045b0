//! Getting to Exotel's socket: the connect webhook first where the URL is one, then the upgrade, tried twice as
//! Exotel does (Exotel, "AgentStream: limits and retries": one automatic retry, 10 s for the handshake).

use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;

use super::caller::{Caller, Link, ms};
use super::{CallPlan, PhoneError, PhoneEvent, PhoneReport};
use crate::exotel::{AfterClear, Call, ExotelSide, Messages, Types};
use crate::wire::{self, Along, Socket, Target};

/// How long the carrier gives the webhook.
const PATIENCE: Duration = Duration::from_secs(10);

/// A call through Exotel.
pub(super) async fn call(
    mut plan: CallPlan,
    call: Call,
    types: Types,
    mut events: impl FnMut(PhoneEvent),
) -> Result<PhoneReport, PhoneError> {
    if ![8_000, 16_000, 24_000].contains(&call.rate.hz()) {
        return Err(PhoneError::Rate(call.rate));
    }
    let headers = std::mem::take(&mut plan.headers);
    let tls = plan.tls.clone();
    let along = Along { headers: &headers, tls: tls.as_ref() };
    let mut target = Target::parse(&plan.url)?;
    if target.is_webhook() {
        let (url, took) = ask_webhook(&call, &target, along).await?;
        target = Target::parse(&url)?;
        events(PhoneEvent::Webhook { took_ms: ms(took), socket: target.shown() });
    }
    let (socket, took) = open(&target, along).await?;
    let side = ExotelSide::new(Messages::new(call).types(types), AfterClear::DropMarks);
    let mut link = Link { socket, side: Box::new(side) };
    let mut caller = Caller::new(&mut plan, AfterClear::DropMarks, events);
    caller.answered(took);
    // There is no TwiML here: whatever is ordered ends the call.
    let (end, _) = caller.stream(&mut link).await;
    Ok(caller.report(end))
}

/// Asks the webhook for the socket's URL, with the parameters that Exotel sends.
pub(crate) async fn ask_webhook(
    who: &Call,
    target: &Target,
    along: Along<'_>,
) -> Result<(String, Duration), PhoneError> {
    let fault = |why: String| PhoneError::Webhook(target.shown(), why);
    let separator = if target.uri.query().is_some() { '&' } else { '?' };
    let path = target.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let path = format!(
        "{path}{separator}CallSid={}&CallFrom={from}&CallTo={to}&Direction=incoming&DialWhomNumber=&From={from}&To={to}",
        who.call,
        from = who.from,
        to = who.to,
    );
    let request = http::Request::get(path)
        .body(Full::<Bytes>::default())
        .map_err(|error| fault(format!("can't be asked: {error}")))?;
    let answer = wire::exchange(target, along, request, PATIENCE).await?;
    if answer.status != 200 {
        return Err(fault(format!("answered {}, not 200", answer.status)));
    }
    let json: serde_json::Value =
        serde_json::from_slice(&answer.body).map_err(|e| fault(format!("answered no JSON: {e}")))?;
    match json["url"].as_str() {
        Some(url) if url.starts_with("ws://") || url.starts_with("wss://") => {
            Ok((url.to_owned(), answer.took))
        }
        Some(_) => Err(fault("named a url that is neither ws:// nor wss://".to_owned())),
        None => Err(fault("answered without a url".to_owned())),
    }
}

/// Opens the socket.
async fn open(target: &Target, along: Along<'_>) -> Result<(Socket, Duration), PhoneError> {
    let began = Instant::now();
    let first = wire::open(target, along).await;
    let socket = match first {
        Err(PhoneError::Refused { .. } | PhoneError::Handshake(..)) => wire::open(target, along).await?,
        other => other?,
    };
    Ok((socket, began.elapsed()))
}
