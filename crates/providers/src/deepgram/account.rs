//! What all of Deepgram's APIs share: where they are, the key, refusals, and what a closing means.

use call::{Fault, FaultClass};
use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use secrecy::ExposeSecret;
use serde::Deserialize;
use url::Url;

use crate::DialectOptions;
use crate::dialect::{Body, HeaderText, HttpRequest, Refusal, one_line};

/// One account at Deepgram, in one role of one agent.
#[derive(Debug, Clone)]
pub(super) struct Account {
    options: DialectOptions,
}

impl Account {
    pub(super) const fn new(options: DialectOptions) -> Self {
        Self { options }
    }

    /// The options themselves, for URLs and bodies.
    pub(super) const fn options(&self) -> &DialectOptions {
        &self.options
    }

    /// The model that was chosen: the role's own, or one given as a query parameter.
    pub(super) fn model(&self) -> Option<String> {
        self.setting("model").or_else(|| self.options.role.model.clone())
    }

    /// Has this model, whatever was chosen.
    pub(super) fn choose_model(&mut self, model: &str) {
        self.options.role.model = Some(model.to_owned());
    }

    /// The same without these query parameters, which another of Deepgram's APIs knows and this one would refuse.
    pub(super) fn without(mut self, names: &[&str]) -> Self {
        self.options.role.query.retain(|name, _| !names.contains(&name.as_str()));
        self
    }

    /// A query parameter that the operator has set.
    pub(super) fn setting(&self, name: &str) -> Option<String> {
        self.options.role.query.get(name).and_then(|value| value.texts().into_iter().next())
    }

    /// The authorization and whatever the operator adds to every request.
    ///
    /// A key is sent as `Token`, a short-lived token (a JWT, told by its three parts between dots) as `Bearer`:
    /// Deepgram refuses each under the other's name.
    pub(super) fn headers(&self) -> Vec<(HeaderName, HeaderText)> {
        let key = self.options.key.as_ref().map(|key| {
            let key = key.expose_secret().trim();
            let scheme = if is_jwt(key) { "Bearer" } else { "Token" };
            (header::AUTHORIZATION, HeaderText::Secret(format!("{scheme} {key}").into()))
        });
        self.options.with_own_headers(key.into_iter().collect())
    }

    /// A `POST` to this address.
    pub(super) fn post(&self, url: Url, body: Body) -> HttpRequest {
        HttpRequest { method: Method::POST, url, headers: self.headers(), body }
    }

    /// `GET /v1/projects`, without the parameters that are meant for the role.
    pub(super) fn probe(&self) -> HttpRequest {
        let mut bare = self.options.clone();
        bare.role.query.clear();
        HttpRequest { headers: self.headers(), ..HttpRequest::get(bare.url("v1/projects", &[])) }
    }
}

fn is_jwt(key: &str) -> bool {
    let mut parts = key.split('.');
    let three = [parts.next(), parts.next(), parts.next()];
    parts.next().is_none() && three.iter().all(|part| part.is_some_and(|part| !part.is_empty()))
}

/// Deepgram's two shapes of an error as JSON; the third shape is the bare text.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ErrorBody {
    err_code: String,
    err_msg: String,
    category: String,
    message: String,
    details: String,
}

/// What a refusal means. The reason is in the body in one of three shapes, or, where an upgrade was refused, in
/// the header `dg-error`.
pub(super) fn fault(refusal: &Refusal<'_>) -> Fault {
    let body: ErrorBody = serde_json::from_slice(refusal.body).unwrap_or_default();
    let code = if body.err_code.is_empty() { &body.category } else { &body.err_code };
    let said = [&body.err_msg, &body.message, &body.details];
    let said = said.into_iter().find(|text| !text.is_empty()).map(String::as_str);
    let header = || refusal.headers.get("dg-error").and_then(|value| value.to_str().ok());
    let message = said.or_else(header).or_else(|| bare_text(refusal.body)).unwrap_or_default();
    match class_of_code(code) {
        Some(class) => refusal.of_class(class, message),
        None => refusal.usual(message),
    }
}

/// The codes that say more than the status. Those of payment and of rate are given by some gateways with 400.
fn class_of_code(code: &str) -> Option<FaultClass> {
    match code {
        "INVALID_AUTH" | "INSUFFICIENT_PERMISSIONS" | "FORBIDDEN" => Some(FaultClass::Auth),
        "ASR_PAYMENT_REQUIRED" | "PAYMENT_REQUIRED" | "INSUFFICIENT_CREDITS" => Some(FaultClass::Quota),
        "TOO_MANY_REQUESTS" | "RATE_LIMIT_EXCEEDED" => Some(FaultClass::Rate),
        "INTERNAL_SERVER_ERROR" | "SERVICE_UNAVAILABLE" => Some(FaultClass::Busy),
        _ => None,
    }
}

/// The fault that the body of a success is, if it is one.
pub(super) fn fault_within(body: &[u8]) -> Option<Fault> {
    let error: ErrorBody = serde_json::from_slice(body).ok()?;
    let is_error = !error.err_code.is_empty() || !error.category.is_empty();
    let (status, headers) = (StatusCode::OK, HeaderMap::new());
    is_error.then(|| fault(&Refusal { status, headers: &headers, body }))
}

/// A body that is a sentence and no page of a proxy.
fn bare_text(body: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(body).ok()?.trim();
    (!text.starts_with(['<', '{', '['])).then_some(text.trim_matches('"'))
}

/// What a closing by the vendor means. Deepgram names the cause in the reason, as its pages about WebSocket errors
/// list them; the number for undecodable audio differs between those pages, so the reason goes first.
pub(super) fn closing(code: Option<u16>, reason: &str) -> Fault {
    let lower = reason.to_ascii_lowercase();
    let names = |name: &str, link: &str| lower.contains(name) || lower.contains(link);
    let class = if names("net-0001", "net0001") || lower.contains("did not receive audio data") {
        FaultClass::Idle
    } else if names("data-0000", "data0000") {
        FaultClass::Config
    } else if names("net-0000", "net0000") {
        FaultClass::Busy
    } else {
        match code {
            Some(1001) => FaultClass::Lifetime,
            Some(1002 | 1003 | 1007..=1010) => FaultClass::Config,
            Some(1011..=1014) => FaultClass::Busy,
            _ => FaultClass::Network,
        }
    };
    let reason = one_line(reason);
    let code = code.map_or_else(|| "no code".to_owned(), |code| code.to_string());
    let why = if reason.is_empty() {
        format!("closed with {code}")
    } else {
        format!("closed with {code}: {reason}")
    };
    Fault::new(class, why)
}

/// The fault of an error that came as a message.
pub(super) fn message_fault(code: &str, description: &str) -> Fault {
    let lower = code.to_ascii_lowercase();
    let class = if lower.starts_with("data-") || lower.contains("invalid") || lower.contains("unparsable") {
        FaultClass::Config
    } else {
        FaultClass::Busy
    };
    let text = [code, description].into_iter().filter(|text| !text.is_empty());
    Fault::new(class, one_line(&format!("error: {}", text.collect::<Vec<_>>().join(": "))))
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use secrecy::SecretString;

    use super::*;
    use crate::RoleOptions;

    pub(in crate::deepgram) fn account(role: RoleOptions) -> Account {
        let key = Some(SecretString::from("0123abcd"));
        let base = "https://api.deepgram.com".parse().unwrap();
        Account::new(DialectOptions { base, key, headers: BTreeMap::new(), role })
    }

    fn authorization(key: &str) -> String {
        let mut account = account(RoleOptions::default());
        account.options.key = Some(SecretString::from(key));
        match &account.headers()[0] {
            (name, HeaderText::Secret(value)) if name == header::AUTHORIZATION => {
                value.expose_secret().to_owned()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_key_is_a_token_and_a_jwt_a_bearer() {
        assert_eq!(authorization("0123abcd"), "Token 0123abcd");
        assert_eq!(authorization(" 0123abcd\n"), "Token 0123abcd");
        assert_eq!(authorization("eyJh.eyJz.c2ln"), "Bearer eyJh.eyJz.c2ln");
        assert_eq!(authorization("a..b"), "Token a..b");
        assert_eq!(authorization("a.b.c.d"), "Token a.b.c.d");
    }

    #[test]
    fn the_operators_headers_go_along_and_their_authorization_wins() {
        let mut account = account(RoleOptions::default());
        account.options.headers = [("authorization", "Basic x"), ("x-proxy", "yes"), ("not a name", "no")]
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let names: Vec<_> = account.headers().into_iter().map(|(name, _)| name.to_string()).collect();
        assert_eq!(names, ["authorization", "x-proxy"]);
        assert!(!format!("{account:?}").contains("0123abcd"));
    }

    #[test]
    fn the_probe_has_no_parameters_of_the_role() {
        let role = RoleOptions { model: Some("nova-3".to_owned()), ..RoleOptions::default() };
        let probe = account(role).probe();
        assert_eq!((probe.method, probe.url.as_str()), (Method::GET, "https://api.deepgram.com/v1/projects"));
    }

    fn refused(status: u16, header: &str, body: &str) -> String {
        let mut headers = HeaderMap::new();
        if !header.is_empty() {
            headers.insert("dg-error", header.parse().unwrap());
        }
        let status = StatusCode::from_u16(status).unwrap();
        fault(&Refusal { status, headers: &headers, body: body.as_bytes() }).to_string()
    }

    #[test]
    fn refusals_are_understood_in_each_of_their_shapes() {
        let cases = [
            refused(
                401,
                "",
                r#"{"err_code":"INVALID_AUTH","err_msg":"Invalid credentials.","request_id":"7"}"#,
            ),
            refused(
                400,
                "",
                r#"{"category":"INVALID_JSON","message":"Invalid JSON submitted.","details":"eof"}"#,
            ),
            refused(402, "", r#"{"err_code":"ASR_PAYMENT_REQUIRED","err_msg":"Not enough credits."}"#),
            refused(400, "", "Bad Request: unknown model"),
            refused(429, "Too many requests.", ""),
            refused(503, "", "<html>down</html>"),
            refused(403, "no access", ""),
            refused(200, "", "hello"),
            refused(504, "", "{}"),
        ];
        let expected = [
            "HTTP 401: Invalid credentials. (auth)",
            "HTTP 400: Invalid JSON submitted. (config)",
            "HTTP 402: Not enough credits. (quota)",
            "HTTP 400: Bad Request: unknown model (config)",
            "HTTP 429: Too many requests. (rate)",
            "HTTP 503 (busy)",
            "HTTP 403: no access (auth)",
            "HTTP 200: hello (garbage)",
            "HTTP 504 (busy)",
        ];
        assert_eq!(cases, expected);
    }

    #[test]
    fn closings_are_told_by_their_reason_first() {
        let net = "Deepgram did not receive audio data or a text message within the timeout window. \
                   See https://dpgr.am/net0001";
        let class = |code, reason| closing(code, reason).class;
        assert_eq!(class(Some(1011), net), FaultClass::Idle);
        assert_eq!(class(Some(1011), "NET-0001"), FaultClass::Idle);
        assert_eq!(class(Some(1011), "NET-0000: no output"), FaultClass::Busy);
        assert_eq!(class(Some(1008), "DATA-0000: can't decode"), FaultClass::Config);
        assert_eq!(class(Some(1002), "See https://dpgr.am/data0000"), FaultClass::Config);
        assert_eq!(class(Some(1011), ""), FaultClass::Busy);
        assert_eq!(class(Some(1001), "going away"), FaultClass::Lifetime);
        assert_eq!(class(Some(1000), ""), FaultClass::Network);
        assert_eq!(class(None, ""), FaultClass::Network);
    }
}
