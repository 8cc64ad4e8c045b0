//! Carriers' callbacks over HTTP. Each carrier's paths are named here, and what its callbacks mean in its own folder.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::Uri;
use axum::routing::post;
use carriers::rest::Callback;
use carriers::twilio::callbacks::{self as twilio, Form};
use carriers::twilio::signature::{self, SignatureFault};
use carriers::{Address, exotel};
use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{Told, body, refuse, take};
use crate::Control;
use crate::carrier::form_pairs;
use crate::problem::{Code, Problem};

/// The largest body that is looked at.
const BODY: usize = 64 * 1024;
/// The header by which every delivery of one callback is known.
const TOKEN: &str = "i-twilio-idempotency-token";

/// The routes. They are not part of the API: carriers ask them, in the carriers' words.
pub(crate) fn router() -> Router<Arc<Control>> {
    Router::new()
        .route("/twilio/status", post(status))
        .route("/twilio/amd", post(machine))
        .route("/twilio/recording", post(recording))
        .route("/twilio/stream-status", post(stream))
        .route("/api/v1/exotel/status", post(exotel_status))
        .layer(DefaultBodyLimit::max(BODY))
}

type Shared = State<Arc<Control>>;
type Taken = Result<StatusCode, Problem>;

async fn status(control: Shared, uri: Uri, headers: HeaderMap, body: Bytes) -> Taken {
    signed(&control, "status", twilio::status, Came { uri: &uri, headers: &headers, body: &body }).await
}

async fn machine(control: Shared, uri: Uri, headers: HeaderMap, body: Bytes) -> Taken {
    signed(&control, "amd", twilio::machine, Came { uri: &uri, headers: &headers, body: &body }).await
}

async fn recording(control: Shared, uri: Uri, headers: HeaderMap, body: Bytes) -> Taken {
    signed(&control, "recording", twilio::recording, Came { uri: &uri, headers: &headers, body: &body }).await
}

async fn stream(control: Shared, uri: Uri, headers: HeaderMap, body: Bytes) -> Taken {
    signed(&control, "stream", twilio::stream, Came { uri: &uri, headers: &headers, body: &body }).await
}

/// A request as it came.
#[derive(Clone, Copy)]
struct Came<'a> {
    uri: &'a Uri,
    headers: &'a HeaderMap,
    body: &'a [u8],
}

impl Came<'_> {
    fn text(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// A parameter of the query.
    fn parameter(&self, name: &str) -> Option<String> {
        let query = self.uri.query().unwrap_or_default();
        form_urlencoded::parse(query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    /// The URL that the carrier asked, by the address that it was told.
    fn url(&self, address: Option<&Address>) -> Option<String> {
        let target = self.uri.path_and_query().map_or("/", |target| target.as_str());
        match address {
            Some(address) => Some(address.http(target)),
            None => {
                let host = self.text(header::HOST)?;
                Some(Address::parse(&format!("http://{host}")).ok()?.http(target))
            }
        }
    }
}

/// A callback of a carrier that signs: nothing of it is looked at before the signature is.
async fn signed(
    control: &Control,
    kind: &'static str,
    read: fn(Form<'_>) -> Callback,
    came: Came<'_>,
) -> Taken {
    let secrets = &control.callbacks;
    let Some(key) = &secrets.signing else { return Err(unconfigured()) };
    let url = came.url(secrets.address.as_ref()).unwrap_or_default();
    let content_type = came.text(header::CONTENT_TYPE);
    let request = signature::Request { url: &url, content_type, body: came.body };
    let given = came.text(signature::HEADER);
    let pairs = match signature::check(key.expose_secret().as_bytes(), request, given) {
        Ok(pairs) => pairs,
        Err(fault) => {
            let usual = match fault {
                SignatureFault::Missing => unsigned(),
                SignatureFault::Wrong => wrong(),
            };
            return Err(refuse(control, "twilio", kind).await.unwrap_or(usual));
        }
    };
    let callback = read(Form { pairs: &pairs, token: came.text(TOKEN), now: Timestamp::now() });
    let call = came.parameter("call").and_then(|id| id.parse().ok());
    take(control, Told { carrier: "twilio", kind, call, callback, body: body::kept(&pairs) }).await;
    Ok(StatusCode::NO_CONTENT)
}

/// A callback of a carrier that does not sign: the URL holds a secret.
async fn exotel_status(State(control): Shared, uri: Uri, headers: HeaderMap, body: Bytes) -> Taken {
    let came = Came { uri: &uri, headers: &headers, body: &body };
    let Some(secret) = &control.callbacks.in_url else { return Err(unconfigured()) };
    let digest = |text: &str| Sha256::digest(text.as_bytes());
    let given = came.parameter("k");
    let fits =
        given.as_ref().is_some_and(|given| digest(given).ct_eq(&digest(secret.expose_secret())).into());
    if !fits {
        let usual = if given.is_some() { wrong() } else { unsigned() };
        return Err(refuse(&control, "exotel", "status").await.unwrap_or(usual));
    }
    let Ok(pairs) = form_pairs(&headers, &body).await else {
        tracing::warn!(carrier = "exotel", kind = "status", "a callback is no form");
        refuse(&control, "exotel", "status").await;
        // What can't be read now can't be read when it is sent again.
        return Ok(StatusCode::OK);
    };
    let callback = exotel::status::callback(Timestamp::now(), &pairs);
    let call = came.parameter("call").unwrap_or_else(|| callback.call.clone()).parse().ok();
    take(&control, Told { carrier: "exotel", kind: "status", call, callback, body: body::kept(&pairs) })
        .await;
    Ok(StatusCode::OK)
}

fn unconfigured() -> Problem {
    Problem::new(Code::NotFound, "The carrier's account is not configured, so nothing of it is taken.")
}

fn unsigned() -> Problem {
    Problem::new(Code::MissingSignature, "The request is not signed, or lacks the secret of the URL.")
}

fn wrong() -> Problem {
    Problem::new(Code::WrongSignature, "The signature, or the secret of the URL, does not fit.")
}
