//! Who may ask Twilio's REST interface, and how it refuses.

use axum::body::Bytes;
use axum::extract::{FromRequest, Path, Request};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::super::form::Form;
use super::super::{What, World};

/// The largest form.
const LARGEST: usize = 64 * 1024;

/// A request that may be answered.
pub(super) struct Asked {
    pub(super) world: World,
    pub(super) method: Method,
    pub(super) target: String,
    /// The form of a `POST`, the query of others.
    pub(super) form: Form,
    /// The path's parts behind the account, without `.json`.
    pub(super) ids: Vec<String>,
}

impl FromRequest<World> for Asked {
    type Rejection = Response;

    async fn from_request(request: Request, world: &World) -> Result<Self, Response> {
        let (mut head, body) = request.into_parts();
        let method = head.method.clone();
        let target = head.uri.path_and_query().map_or_else(String::new, ToString::to_string);
        let path =
            <Path<Vec<(String, String)>> as axum::extract::FromRequestParts<World>>::from_request_parts(
                &mut head, world,
            );
        let path = path.await.map(|Path(path)| path).unwrap_or_default();
        let bytes: Bytes = axum::body::to_bytes(body, LARGEST)
            .await
            .map_err(|_| StatusCode::PAYLOAD_TOO_LARGE.into_response())?;
        let query = head.uri.query().unwrap_or_default();
        let form = Form::urlencoded(if method == Method::POST { &bytes } else { query.as_bytes() });
        let mut ids = path.into_iter().map(|(_, value)| value.trim_end_matches(".json").to_owned());
        let account = ids.next().unwrap_or_default();
        let asked = Self { world: world.clone(), method, target, form, ids: ids.collect() };
        let shown = head.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let ours = &world.settings().twilio;
        let mut pairs = vec![(ours.sid.clone(), ours.token.expose_secret())];
        pairs.extend(ours.key.as_ref().map(|(key, secret)| (key.clone(), secret.expose_secret())));
        let is_known = pairs.iter().any(|(user, password)| {
            let pair = base64_simd::STANDARD.encode_to_string(format!("{user}:{password}"));
            shown == Some(&format!("Basic {pair}"))
        });
        if !is_known {
            return Err(asked.refuse("", 401, 20003, "Authenticate"));
        }
        if account != ours.sid {
            let path = asked.target.clone();
            return Err(asked.not_found(&path));
        }
        if asked.method == Method::POST {
            let kind = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
            if !kind.is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded")) {
                asked.breach("a POST that is not application/x-www-form-urlencoded");
            }
        }
        Ok(asked)
    }
}

impl Asked {
    /// Answers with this body, and writes the request down.
    pub(super) fn answer(&self, call: &str, status: StatusCode, body: &serde_json::Value) -> Response {
        self.note(call, Some(status.as_u16()));
        (status, axum::Json(body)).into_response()
    }

    /// Writes the request down.
    pub(super) fn note(&self, call: &str, status: Option<u16>) {
        let request = What::Request {
            method: self.method.to_string(),
            target: self.target.clone(),
            form: if self.method == Method::POST { self.form.0.clone() } else { Vec::new() },
            status,
        };
        self.world.ledger().note("twilio", call, request);
    }

    pub(super) fn breach(&self, about: &str) {
        self.world.ledger().note("twilio", "", What::Breach { about: about.to_owned() });
    }

    /// An error in Twilio's shape.
    pub(super) fn refuse(&self, call: &str, status: u16, code: u32, message: &str) -> Response {
        self.note(call, Some(status));
        error(status, code, message)
    }

    pub(super) fn not_found(&self, what: &str) -> Response {
        let path = what.split('?').next().unwrap_or_default();
        self.refuse("", 404, 20404, &format!("The requested resource {path} was not found"))
    }
}

/// The body of an error.
pub(super) fn error(status: u16, code: u32, message: &str) -> Response {
    let body = json!({
        "code": code,
        "message": message,
        "more_info": format!("https://www.twilio.com/docs/errors/{code}"),
        "status": status,
    });
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, axum::Json(body)).into_response()
}
