//! Who may come in, and how Google words its refusals.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::vendors::World;
use crate::vendors::script::Script;
use crate::vendors::visit::Visit;

/// Lets a request in, or refuses it as its key or the lack of one says.
pub(super) async fn admit(
    world: &World,
    api: &'static str,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Visit, Response> {
    let in_header = headers.get("x-goog-api-key").and_then(|value| value.to_str().ok());
    let in_query = uri.query().unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("key="));
    let key = in_header.or(in_query).unwrap_or_default();
    let visit = Visit::begin(world, api, uri, key);
    if key.is_empty() {
        visit.breach("no `x-goog-api-key`");
        let message = "Method doesn't allow unregistered callers. Please use API Key or other form of API consumer \
                       identity to call this API.";
        return Err(refuse(403, &error(403, message, "PERMISSION_DENIED", None)));
    }
    visit.by_key(by_status).await?;
    if visit.has("bad-key") {
        let reason = json!({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID",
            "domain": "googleapis.com"});
        let message = "API key not valid. Please pass a valid API key.";
        return Err(refuse(400, &error(400, message, "INVALID_ARGUMENT", Some(reason))));
    }
    Ok(visit)
}

/// The list of models.
pub(super) async fn models(State(world): State<World>, uri: Uri, headers: HeaderMap) -> Response {
    match admit(&world, "gemini/models", &uri, &headers).await {
        Ok(visit) => {
            let list = json!({"models": [{"name": "models/gemini-2.5-flash-lite", "version": "001",
                "supportedGenerationMethods": ["generateContent"]}]});
            let mut script = Script::of("application/json; charset=UTF-8");
            script.send(list.to_string());
            script.answer(&visit, None)
        }
        Err(refusal) => refusal,
    }
}

/// What the documents forbid: noted, and refused with status 400.
pub(super) fn forbid(visit: &Visit, message: &str) -> Response {
    visit.breach(message);
    refuse(400, &error(400, message, "INVALID_ARGUMENT", None))
}

/// An error's body.
pub(super) fn error(code: u16, message: &str, status: &str, detail: Option<Value>) -> Value {
    let mut error = json!({"code": code, "message": message, "status": status});
    if let Some(detail) = detail {
        error["details"] = json!([detail]);
    }
    json!({"error": error})
}

pub(super) fn refuse(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(body)).into_response()
}

/// A refusal with this status, or for want of credit.
fn by_status(status: Option<u16>) -> Response {
    let Some(status) = status else {
        let quota = json!({"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations":
            [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier", "quotaValue": "200"}]});
        let message = "You exceeded your current quota, please check your plan and billing details.";
        return refuse(429, &error(429, message, "RESOURCE_EXHAUSTED", Some(quota)));
    };
    let retry = || json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"});
    let (word, message, detail) = match status {
        401 => ("UNAUTHENTICATED", "Request had invalid authentication credentials.", None),
        403 => ("PERMISSION_DENIED", "The caller does not have permission", None),
        404 => ("NOT_FOUND", "models/none is not found for API version v1beta", None),
        429 => ("RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota).", Some(retry())),
        499 => ("CANCELLED", "The operation was cancelled.", None),
        503 => ("UNAVAILABLE", "The model is overloaded. Please try again later.", None),
        504 => ("DEADLINE_EXCEEDED", "Deadline expired before operation could complete.", None),
        500..=599 => ("INTERNAL", "An internal error has occurred.", None),
        _ => ("INVALID_ARGUMENT", "Request contains an invalid argument.", None),
    };
    refuse(status, &error(status, message, word, detail))
}
