//! A media socket opened and closed again, as a carrier opens it. It says nothing: a call begins with a `start`, and none
//! is sent, so that no record is made.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};
use tokio_tungstenite::tungstenite::{Error, http};
use tokio_tungstenite::{Connector, connect_async_tls_with_config};

use super::finding::Finding;
use super::http::{ms, one_line};

/// How long carriers give a server for the handshake.
const PATIENCE: Duration = Duration::from_secs(10);
/// Slower, and callers hear silence before the greeting.
const SLOW: Duration = Duration::from_secs(2);
/// How long the goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);
/// What a proxy must be told to let an upgrade through; the lines are nginx's.
const LET_THROUGH: &str = "proxy_http_version 1.1;\nproxy_set_header Upgrade $http_upgrade;\n\
                           proxy_set_header Connection \"upgrade\";";

/// What came of asking for a socket.
pub(super) enum Opened {
    /// It was opened, name, TCP, TLS and upgrade together within this time.
    After(Duration),
    /// An answer over HTTP.
    Refused(u16, String),
    /// No answer.
    Failed(String),
}

/// Opens a socket with these headers, and closes it.
pub(super) async fn open(
    url: &str,
    headers: &[(&'static str, String)],
    tls: &Arc<rustls::ClientConfig>,
) -> Opened {
    let mut request = match url.into_client_request() {
        Ok(request) => request,
        Err(error) => return Opened::Failed(error.to_string()),
    };
    for (name, value) in headers {
        let Ok(mut value) = http::HeaderValue::from_str(value) else {
            return Opened::Failed(format!("the header {name} can't be sent"));
        };
        value.set_sensitive(true);
        request.headers_mut().insert(*name, value);
    }
    let began = Instant::now();
    let connector = Connector::Rustls(tls.clone());
    let opening = connect_async_tls_with_config(request, None, true, Some(connector));
    match timeout(PATIENCE, Box::pin(opening)).await {
        Err(_) => Opened::Failed(format!("no answer within {} s", PATIENCE.as_secs())),
        Ok(Err(Error::Http(answer))) => {
            let body = answer.body().as_deref().map(String::from_utf8_lossy).unwrap_or_default();
            Opened::Refused(answer.status().as_u16(), body.into_owned())
        }
        Ok(Err(error)) => Opened::Failed(one_line(&error.to_string())),
        Ok(Ok((mut socket, _))) => {
            let took = began.elapsed();
            let goodbye = CloseFrame { code: CloseCode::Normal, reason: "".into() };
            // A server that does not say goodbye has opened the socket all the same.
            let _ = timeout(GOODBYE, async {
                let _ = socket.close(Some(goodbye)).await;
                while socket.next().await.is_some_and(|message| message.is_ok()) {}
            })
            .await;
            Opened::After(took)
        }
    }
}

/// What to say of it. `refused` explains a refusal that means something for this socket.
pub(super) fn finding(
    check: &'static str,
    name: &str,
    opened: Opened,
    refused: impl Fn(u16) -> Option<(String, String)>,
) -> Finding {
    match opened {
        Opened::After(took) if took > SLOW => Finding::warn(
            check,
            format!("{name}, open in {}", ms(took)),
            "callers hear silence for that long",
        ),
        Opened::After(took) => Finding::ok(check, format!("{name}, open in {}", ms(took))),
        Opened::Failed(why) => Finding::fail(check, name, why),
        Opened::Refused(status, body) => {
            // The server was reached, and not by an upgrade.
            // Words that come behind the head may be lost; what else is wrong is refused with other numbers.
            let says_so = body.is_empty() || body.to_ascii_lowercase().contains("upgrade");
            if status == 426 || status == 400 && says_so {
                let problem = "the request for an upgrade comes here as an ordinary one: a proxy on the way takes \
                               `Upgrade` out";
                return Finding::fail(check, name, problem).fix(LET_THROUGH);
            }
            if let Some((problem, fix)) = refused(status) {
                return Finding::fail(check, name, problem).fix(fix);
            }
            let problem = match status {
                301 | 302 | 307 | 308 => {
                    "it is answered with a redirect, which no carrier follows".to_owned()
                }
                404 => "HTTP 404: does the proxy pass this path on?".to_owned(),
                503 => "HTTP 503: all places are taken, or the server is about to stop".to_owned(),
                200..=299 => format!(
                    "HTTP {status} instead of 101: a proxy on the way takes `Upgrade` out, or something else answers"
                ),
                _ => format!("HTTP {status}: {}", one_line(&body)),
            };
            let found = Finding::fail(check, name, problem);
            if (200..300).contains(&status) { found.fix(LET_THROUGH) } else { found }
        }
    }
}
