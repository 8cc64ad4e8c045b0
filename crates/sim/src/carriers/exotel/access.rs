//! Who may ask Exotel's REST interface, and how it refuses.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Multipart, Path, Request};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::super::form::Form;
use super::super::{What, World};
use super::body::xml;

/// The largest form.
const LARGEST: usize = 64 * 1024;

/// A request that may be answered.
pub(super) struct Asked {
    pub(super) world: World,
    method: Method,
    target: String,
    pub(super) form: Form,
    /// The call's id, without `.json`.
    pub(super) sid: String,
    /// Whether the answer is JSON: the path ends in `.json`.
    pub(super) json: bool,
}

impl FromRequest<World> for Asked {
    type Rejection = Response;

    async fn from_request(request: Request, world: &World) -> Result<Self, Response> {
        let (mut head, body) = request.into_parts();
        let target = head.uri.path_and_query().map_or_else(String::new, ToString::to_string);
        let path = Path::<Vec<(String, String)>>::from_request_parts(&mut head, world).await;
        let mut path = path.map(|Path(path)| path).unwrap_or_default().into_iter().map(|(_, value)| value);
        let account = path.next().unwrap_or_default();
        let mut asked = Self {
            world: world.clone(),
            method: head.method.clone(),
            json: head.uri.path().ends_with(".json"),
            target,
            form: Form::urlencoded(head.uri.query().unwrap_or_default().as_bytes()),
            sid: path.next().unwrap_or_default().trim_end_matches(".json").to_owned(),
        };
        if asked.method == Method::POST {
            asked.form = form(Request::from_parts(head.clone(), body), world).await?;
        }
        let ours = &world.settings().exotel;
        let pair = format!("{}:{}", ours.key, ours.token.expose_secret());
        let pair = format!("Basic {}", base64_simd::STANDARD.encode_to_string(pair));
        let shown = head.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        if shown != Some(&pair) {
            return Err(asked.refuse("", 401, "Authorization failed: invalid key or token"));
        }
        if account != ours.sid {
            return Err(asked.refuse("", 403, "this account is not yours"));
        }
        Ok(asked)
    }
}

/// A form in either encoding.
async fn form(request: Request, world: &World) -> Result<Form, Response> {
    let bad = |_| StatusCode::BAD_REQUEST.into_response();
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !kind.is_some_and(|kind| kind.starts_with("multipart/form-data")) {
        let bytes: Bytes = axum::body::to_bytes(request.into_body(), LARGEST).await.map_err(|_| bad(()))?;
        return Ok(Form::urlencoded(&bytes));
    }
    let mut parts = Multipart::from_request(request, world).await.map_err(|_| bad(()))?;
    let mut fields = Vec::new();
    while let Some(part) = parts.next_field().await.map_err(|_| bad(()))? {
        let name = part.name().unwrap_or_default().to_owned();
        fields.push((name, part.text().await.map_err(|_| bad(()))?));
    }
    Ok(Form(fields))
}

impl Asked {
    /// Answers with this body in the shape that the path asks for, and writes the request down.
    pub(super) fn answer(&self, call: &str, status: u16, body: &serde_json::Value) -> Response {
        self.note(call, Some(status));
        shaped(self.json, status, body)
    }

    pub(super) fn note(&self, call: &str, status: Option<u16>) {
        let request = What::Request {
            method: self.method.to_string(),
            target: self.target.clone(),
            form: if self.method == Method::POST { self.form.0.clone() } else { Vec::new() },
            status,
        };
        self.world.ledger().note("exotel", call, request);
    }

    pub(super) fn breach(&self, about: &str) {
        self.world.ledger().note("exotel", "", What::Breach { about: about.to_owned() });
    }

    /// A `RestException`.
    pub(super) fn refuse(&self, call: &str, status: u16, message: &str) -> Response {
        self.note(call, Some(status));
        exception(self.json, status, message)
    }
}

/// A `RestException` that is written nowhere.
pub(super) fn exception(json: bool, status: u16, message: &str) -> Response {
    let mut response =
        shaped(json, status, &json!({"RestException": {"Status": status, "Message": message}}));
    if status == 429 {
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    }
    response
}

/// JSON, or XML under `TwilioResponse`.
pub(super) fn shaped(json: bool, status: u16, body: &serde_json::Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if json {
        return (status, axum::Json(body)).into_response();
    }
    (status, [(header::CONTENT_TYPE, "application/xml")], xml(body)).into_response()
}
