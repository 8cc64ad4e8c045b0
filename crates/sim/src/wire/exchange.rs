//! One request over HTTP and its answer, on a connection of its own, as carriers make them.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;

use super::{Along, Target};
use crate::phone::PhoneError;

/// The longest answer that is read.
const LONGEST_ANSWER: usize = 256 * 1024;

/// What a server answered.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// `Content-Type`; empty where there was none.
    pub(crate) content_type: String,
    pub(crate) body: Bytes,
    pub(crate) took: Duration,
}

/// Sends a request and waits for the whole answer, for no longer than `limit`. The request's URI is path and query.
pub(crate) async fn exchange(
    target: &Target,
    along: Along<'_>,
    request: http::Request<Full<Bytes>>,
    limit: Duration,
) -> Result<Answer, PhoneError> {
    let fault = |why: String| PhoneError::Webhook(target.shown(), why);
    let mut request = request;
    if let Some(authority) = target.uri.authority() {
        let host =
            authority.as_str().parse().map_err(|_| fault("has a host that can't be sent".to_owned()))?;
        request.headers_mut().insert(HOST, host);
    }
    along.add_to(target, request.headers_mut()).map_err(|why| fault(format!("can't be asked: {why}")))?;
    let began = Instant::now();
    let talk = async {
        let stream = target.stream(along.tls).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| fault(format!("did not speak HTTP: {e}")))?;
        let driver = tokio::spawn(connection);
        let response =
            sender.send_request(request).await.map_err(|e| fault(format!("did not answer: {e}")))?;
        let status = response.status().as_u16();
        let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default().to_owned();
        let body = Limited::new(response.into_body(), LONGEST_ANSWER)
            .collect()
            .await
            .map_err(|e| fault(format!("did not finish its answer: {e}")))?
            .to_bytes();
        driver.abort();
        Ok(Answer { status, content_type, body, took: began.elapsed() })
    };
    tokio::time::timeout(limit, talk)
        .await
        .map_err(|_| fault(format!("did not answer within {} s", limit.as_secs())))?
}

/// `POST` of this form to path and query.
pub(crate) fn post_form(
    path: &str,
    form: &[(String, String)],
) -> Result<http::Request<Full<Bytes>>, http::Error> {
    http::Request::post(path)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded; charset=utf-8")
        .body(Full::from(form_body(form)))
}

/// The form as a body.
pub(crate) fn form_body(form: &[(String, String)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish()
}
