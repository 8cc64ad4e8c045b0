//! Sending one call's callbacks: one after the other beside the call, and as its number asks for late, twice, the wrong
//! way round or not at all.

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http_body_util::Full;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{Callbacks, Ledger, Lost, Moment, What};
use crate::webhook::{Account, Detour};
use crate::wire::{self, Along, Target};

/// How long a carrier waits for an answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// The token of somebody else.
const FORGED: &str = "a token that is not the account's";

/// One callback.
#[derive(Debug, Clone)]
pub(super) struct Callback {
    pub(super) kind: &'static str,
    pub(super) url: String,
    pub(super) is_get: bool,
    pub(super) form: Vec<(String, String)>,
    pub(super) is_final: bool,
}

/// Who sends, which says in which shape.
#[derive(Debug, Clone)]
pub(super) enum Sender {
    /// A signed form.
    Twilio(Box<Account>),
    /// `multipart/form-data`, or JSON where it was asked for; not signed.
    Exotel { json: bool, detour: Option<Detour>, body: fn(&[(String, String)]) -> serde_json::Value },
}

impl Sender {
    const fn carrier(&self) -> &'static str {
        match self {
            Self::Twilio(_) => "twilio",
            Self::Exotel { .. } => "exotel",
        }
    }
}

/// The callbacks of one call.
#[derive(Debug)]
pub(super) struct Posting {
    queue: mpsc::UnboundedSender<Callback>,
    worker: JoinHandle<()>,
}

impl Posting {
    pub(super) fn begin(sender: Sender, manner: Callbacks, ledger: Ledger, call: String) -> Self {
        let (queue, mut callbacks) = mpsc::unbounded_channel::<Callback>();
        let worker = tokio::spawn(async move {
            let mut held = Vec::new();
            while let Some(callback) = callbacks.recv().await {
                if is_lost(manner.lost, callback.is_final) {
                    continue;
                }
                if manner.reversed {
                    held.push(callback);
                } else {
                    send(&sender, manner, &ledger, &call, callback).await;
                }
            }
            for callback in held.into_iter().rev() {
                send(&sender, manner, &ledger, &call, callback).await;
            }
        });
        Self { queue, worker }
    }

    /// Sends one, beside the call.
    pub(super) fn post(&self, callback: Callback) {
        // The worker ends only after this end of the queue.
        let _ = self.queue.send(callback);
    }

    /// Waits until all were sent.
    pub(super) async fn finish(self) {
        drop(self.queue);
        // It can't be cancelled, and what panics in it is shown by the runtime.
        let _ = self.worker.await;
    }
}

const fn is_lost(lost: Lost, is_final: bool) -> bool {
    match lost {
        Lost::None => false,
        Lost::All => true,
        Lost::Final => is_final,
        Lost::ButFinal => !is_final,
    }
}

async fn send(sender: &Sender, manner: Callbacks, ledger: &Ledger, call: &str, callback: Callback) {
    if manner.late_ms > 0 {
        tokio::time::sleep(Duration::from_millis(manner.late_ms)).await;
    }
    for _ in 0..if manner.twice { 2 } else { 1 } {
        ledger.moment(sender.carrier(), call, Moment::Sends(callback.kind.to_owned()));
        let status = match sender {
            Sender::Twilio(account) => {
                let mut account = account.clone();
                if manner.forged {
                    account.auth_token = Some(FORGED.into());
                }
                let answer = account.send(&callback.url, callback.is_get, &callback.form, PATIENCE).await;
                answer.ok().map(|answer| answer.status)
            }
            Sender::Exotel { json, detour, body } => {
                send_plain(*json, detour.as_ref(), *body, &callback).await
            }
        };
        let Callback { kind, url, form, .. } = &callback;
        let (kind, url, form) = ((*kind).to_owned(), url.clone(), form.clone());
        ledger.note(sender.carrier(), call, What::Callback { kind, url, form, status });
    }
}

async fn send_plain(
    json: bool,
    detour: Option<&Detour>,
    body: fn(&[(String, String)]) -> serde_json::Value,
    callback: &Callback,
) -> Option<u16> {
    let url = detour.map_or_else(|| callback.url.clone(), |detour| detour.reached(&callback.url));
    let target = Target::parse(&url).ok()?;
    let path = target.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    if callback.is_get {
        let separator = if path.contains('?') { '&' } else { '?' };
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&callback.form).finish();
        let request = http::Request::get(format!("{path}{separator}{query}")).body(Full::default()).ok()?;
        return wire::exchange(&target, Along::default(), request, PATIENCE)
            .await
            .ok()
            .map(|answer| answer.status);
    }
    let (content_type, body) = if json {
        ("application/json".to_owned(), body(&callback.form).to_string())
    } else {
        multipart(&callback.form)
    };
    let request = http::Request::post(path)
        .header(CONTENT_TYPE, content_type)
        .body(Full::new(Bytes::from(body)))
        .ok()?;
    wire::exchange(&target, Along::default(), request, PATIENCE).await.ok().map(|answer| answer.status)
}

/// RFC 7578.
pub(crate) fn multipart(form: &[(String, String)]) -> (String, String) {
    let boundary = "------------------------d74496d66958873e";
    let mut body = String::new();
    for (name, value) in form {
        body +=
            &format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    }
    body += &format!("--{boundary}--\r\n");
    (format!("multipart/form-data; boundary={boundary}"), body)
}
