//! The requests that Twilio makes of a server: fields, signature, sending (Twilio, "TwiML request parameters",
//! "Security", "Media Streams status callbacks").

use std::time::Duration;

use http_body_util::Full;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use crate::phone::{CallPlan, PhoneError, TwilioLine};
use crate::twilio::{Call, Stream, signature};
use crate::wire::{self, Along, Answer, Target};

/// How long Twilio waits for a document.
pub(crate) const DOCUMENT_PATIENCE: Duration = Duration::from_secs(15);

/// One call's requests.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) call: Call,
    pub(crate) auth_token: Option<SecretString>,
    pub(crate) detour: Option<Detour>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) tls: Option<std::sync::Arc<rustls::ClientConfig>>,
}

/// Where a server is reached, when not at the address that it goes by: behind a proxy that is not asked, or on a
/// developer's own machine. What is signed is the address that it goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detour {
    /// Scheme, host and port that it goes by, and absent for every address.
    public: Option<String>,
    /// Scheme, host and port where it is reached.
    reached: String,
}

impl Detour {
    /// The server that is reached at `url` goes by `public`.
    pub fn known_as(url: &str, public: &str) -> Self {
        Self { public: Some(origin(public).to_owned()), reached: origin(url).to_owned() }
    }

    /// Whatever a server calls itself, it is reached at `url`.
    pub fn always(url: &str) -> Self {
        Self { public: None, reached: origin(url).to_owned() }
    }

    fn public(&self, url: &str) -> String {
        match &self.public {
            Some(public) if same_place(origin(url), &self.reached) => moved(url, public),
            _ => url.to_owned(),
        }
    }

    pub(crate) fn reached(&self, url: &str) -> String {
        match &self.public {
            Some(public) if !same_place(origin(url), public) => url.to_owned(),
            _ => moved(url, &self.reached),
        }
    }
}

/// Scheme, host and port of a URL.
fn origin(url: &str) -> &str {
    let begin = url.find("://").map_or(0, |at| at + 3);
    &url[..url[begin..].find(['/', '?', '#']).map_or(url.len(), |at| begin + at)]
}

/// Whether two origins are one place, by HTTP or by WebSocket.
fn same_place(one: &str, other: &str) -> bool {
    let place = |origin: &str| {
        let (scheme, host) = origin.split_once("://").unwrap_or(("", origin));
        (matches!(scheme, "https" | "wss"), host.to_ascii_lowercase())
    };
    place(one) == place(other)
}

/// The URL at another origin; a WebSocket stays one.
fn moved(url: &str, to: &str) -> String {
    let (scheme, host) = to.split_once("://").unwrap_or(("https", to));
    let is_secure = matches!(scheme, "https" | "wss");
    let scheme = match (url.starts_with("ws"), is_secure) {
        (true, true) => "wss",
        (true, false) => "ws",
        (false, true) => "https",
        (false, false) => "http",
    };
    format!("{scheme}://{host}{}", &url[origin(url).len()..])
}

/// What there is to say of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StreamNews {
    Started,
    Stopped,
    Error(String),
}

impl Account {
    pub(crate) fn of(plan: &CallPlan, line: &TwilioLine) -> Self {
        Self::new(line, plan.headers.clone(), plan.tls.clone())
    }

    pub(crate) fn new(
        line: &TwilioLine,
        headers: Vec<(String, String)>,
        tls: Option<std::sync::Arc<rustls::ClientConfig>>,
    ) -> Self {
        let TwilioLine { call, auth_token, detour, .. } = line.clone();
        Self { call, auth_token, detour, headers, tls }
    }

    /// The fields that every request about the call has.
    pub(crate) fn form(&self, status: &str) -> Vec<(String, String)> {
        let Call { account, call, from, to, direction, .. } = &self.call;
        let fields = [
            ("CallSid", call.as_str()),
            ("AccountSid", account),
            ("From", from),
            ("To", to),
            ("Caller", from),
            ("Called", to),
            ("CallStatus", status),
            ("ApiVersion", "2010-04-01"),
            ("Direction", direction.as_str()),
            ("FromCity", ""),
            ("FromState", ""),
            ("FromZip", ""),
            ("FromCountry", "US"),
            ("ToCity", ""),
            ("ToState", ""),
            ("ToZip", ""),
            ("ToCountry", "US"),
        ];
        fields.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// The fields of a stream's status callback.
    pub(crate) fn stream_form(&self, sid: &str, stream: &Stream, news: StreamNews) -> Vec<(String, String)> {
        let name = if stream.name.is_empty() { sid } else { &stream.name };
        let (event, error) = match news {
            StreamNews::Started => ("stream-started", None),
            StreamNews::Stopped => ("stream-stopped", None),
            StreamNews::Error(error) => ("stream-error", Some(error)),
        };
        let mut form = vec![
            ("AccountSid".to_owned(), self.call.account.clone()),
            ("CallSid".to_owned(), self.call.call.clone()),
            ("StreamSid".to_owned(), sid.to_owned()),
            ("StreamName".to_owned(), name.to_owned()),
            ("StreamEvent".to_owned(), event.to_owned()),
        ];
        form.extend(error.map(|error| ("StreamError".to_owned(), error)));
        form.push(("Timestamp".to_owned(), Timestamp::now().to_string()));
        form
    }

    /// The URL as the server knows it, and as it is reached.
    pub(crate) fn ways(&self, url: &str) -> (String, String) {
        match &self.detour {
            Some(detour) => (detour.public(url), detour.reached(url)),
            None => (url.to_owned(), url.to_owned()),
        }
    }

    /// Sends a signed request; by `GET` the fields stand in the query.
    pub(crate) async fn send(
        &self,
        url: &str,
        is_get: bool,
        form: &[(String, String)],
        limit: Duration,
    ) -> Result<Answer, PhoneError> {
        let mut url = url.to_owned();
        if is_get {
            let mark = if url.contains('?') { '&' } else { '?' };
            url = format!("{url}{mark}{}", wire::form_body(form));
        }
        let (public, reached) = self.ways(&url);
        let target = Target::parse(&reached)?;
        let fault = |why: &dyn std::fmt::Display| {
            PhoneError::Webhook(target.shown(), format!("can't be asked: {why}"))
        };
        let path = target.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let request = if is_get {
            http::Request::get(path).body(Full::default()).map_err(|error| fault(&error))?
        } else {
            wire::post_form(path, form).map_err(|error| fault(&error))?
        };
        let mut headers = self.headers.clone();
        if let Some(token) = &self.auth_token {
            let signed = if is_get { &[] } else { form };
            let signature = signature(token.expose_secret(), &public, signed);
            headers.push(("X-Twilio-Signature".to_owned(), signature));
        }
        headers.push(("I-Twilio-Idempotency-Token".to_owned(), self.token_of(&public, form)));
        wire::exchange(&target, Along { headers: &headers, tls: self.tls.as_ref() }, request, limit).await
    }

    /// What tells this request from every other, and is the same when it is sent again.
    fn token_of(&self, url: &str, form: &[(String, String)]) -> String {
        signature(&self.call.call, url, form).replace(['+', '/', '='], "-")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(detour: Option<Detour>) -> Account {
        Account { call: Call::invented(1), auth_token: None, detour, headers: Vec::new(), tls: None }
    }

    #[test]
    fn a_detour_changes_where_is_asked_and_not_what_is_signed() {
        let ways = |detour: Option<Detour>, url: &str| account(detour).ways(url);
        let (local, public) =
            ("http://127.0.0.1:1/twilio/voice?a=1", "https://gw.example.com/twilio/voice?a=1");
        assert_eq!(ways(None, local), (local.to_owned(), local.to_owned()));
        let known = Some(Detour::known_as(local, "https://gw.example.com/"));
        assert_eq!(ways(known.clone(), local), (public.to_owned(), local.to_owned()));
        assert_eq!(ways(known.clone(), public), (public.to_owned(), local.to_owned()));
        let media = "wss://gw.example.com/twilio/media";
        assert_eq!(
            ways(known.clone(), media),
            (media.to_owned(), "ws://127.0.0.1:1/twilio/media".to_owned())
        );
        let other = "https://elsewhere.example.com/x";
        assert_eq!(ways(known, other), (other.to_owned(), other.to_owned()));
        let always = Some(Detour::always("http://127.0.0.1:1"));
        assert_eq!(ways(always, other), (other.to_owned(), "http://127.0.0.1:1/x".to_owned()));
    }

    #[test]
    fn the_fields_are_the_documents() {
        let form = account(None).form("ringing");
        for name in ["CallSid", "AccountSid", "From", "To", "CallStatus", "ApiVersion", "Direction"] {
            assert_eq!(form.iter().filter(|(key, _)| key == name).count(), 1, "{name}");
        }
        let stream = Stream { name: "main".to_owned(), ..Stream::default() };
        let news = account(None).stream_form("MZ1", &stream, StreamNews::Error("31920: x".to_owned()));
        let names: Vec<&str> = news.iter().map(|(name, _)| name.as_str()).collect();
        let wanted =
            ["AccountSid", "CallSid", "StreamSid", "StreamName", "StreamEvent", "StreamError", "Timestamp"];
        assert_eq!(names, wanted);
    }
}
