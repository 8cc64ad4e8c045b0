//! One request over HTTP: sent, refused or answered, its body read within bounds.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use call::{Fault, FaultClass};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use reqwest::Client;
use secrecy::ExposeSecret;
use tokio::time::{Instant, timeout, timeout_at};

use super::net::network_fault;
use super::{Net, Patience, TokenSource};
use crate::LinkId;
use crate::dialect::{Body, HeaderText, HttpRequest, Part, Refusal, Refuses};
use crate::inject::Injected;

/// So much of a refusal's body is read, and for so long.
const REFUSAL_BYTES: usize = 16 * 1024;
const REFUSAL_TIME: Duration = Duration::from_secs(1);
/// What stands in for an answer where garbage is injected.
const GARBAGE: &[u8] = b"\xff\xfe<!doctype html><p>injected garbage";

/// A vendor's API behind one dialect, over HTTP. What it can be asked is its role's.
pub struct HttpLink<D: ?Sized> {
    pub(super) id: LinkId,
    pub(super) dialect: Arc<D>,
    pub(super) net: Arc<Net>,
    pub(super) tokens: Option<Arc<dyn TokenSource>>,
    pub(super) patience: Patience,
}

impl<D: ?Sized> Clone for HttpLink<D> {
    fn clone(&self) -> Self {
        Self {
            id: self.id.clone(),
            dialect: Arc::clone(&self.dialect),
            net: Arc::clone(&self.net),
            tokens: self.tokens.clone(),
            patience: self.patience,
        }
    }
}

/// A success, with its body to be read.
pub(super) struct Answered {
    response: reqwest::Response,
    injected: Option<Injected>,
    pieces: usize,
}

impl<D: ?Sized> HttpLink<D> {
    pub(super) const fn over(id: LinkId, dialect: Arc<D>, net: Arc<Net>, patience: Patience) -> Self {
        Self { id, dialect, net, tokens: None, patience }
    }

    /// The same with tokens that change.
    #[must_use]
    pub fn with_tokens(mut self, tokens: Arc<dyn TokenSource>) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// The same with another patience; each driver says what it counts.
    #[must_use]
    pub const fn with_patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }
}

impl<D: Refuses + ?Sized> HttpLink<D> {
    /// Sends, and waits for the answer's head until `by`.
    pub(super) async fn ask(&self, request: HttpRequest, by: Instant) -> Result<Answered, Fault> {
        timeout_at(by, self.ask_at_all(request)).await.unwrap_or_else(|_| Err(Fault::slow()))
    }

    async fn ask_at_all(&self, mut request: HttpRequest) -> Result<Answered, Fault> {
        let injected = self.net.injector.draw(&self.id);
        before(injected, &*self.dialect).await?;
        if let Some(tokens) = &self.tokens {
            let bearer = format!("Bearer {}", tokens.bearer().await?.expose_secret());
            request = request.secret(header::AUTHORIZATION, bearer.into());
        }
        let request = build(&self.net.requests, request)?;
        let response = self.net.requests.execute(request).await.map_err(network_fault)?;
        if !response.status().is_success() {
            return Err(refused(response, &*self.dialect).await);
        }
        Ok(Answered { response, injected, pieces: 0 })
    }

    /// Asks and throws the answer away. Gives how long it took.
    pub(super) async fn try_out(&self, request: HttpRequest) -> Result<Duration, Fault> {
        let start = Instant::now();
        let mut answer = self.ask(request, start + self.patience.first).await?;
        let took = start.elapsed();
        answer.drain().await;
        Ok(took)
    }
}

impl Answered {
    /// What the vendor says that its answer is, in its own words; empty when it says nothing.
    pub(super) fn content_type(&self) -> String {
        let value = self.response.headers().get(header::CONTENT_TYPE);
        value.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    }

    /// Whether an answer without content is to be made of it.
    pub(super) fn is_silenced(&self) -> bool {
        self.injected == Some(Injected::Silence)
    }

    /// The next piece of the body, until `by`.
    pub(super) async fn piece(&mut self, by: Instant) -> Result<Option<Bytes>, Fault> {
        let piece = timeout_at(by, self.response.chunk()).await.map_err(|_| Fault::slow())?;
        let piece = piece.map_err(network_fault)?;
        self.pieces += 1;
        match self.injected {
            Some(Injected::Garbage) if self.pieces == 1 => Ok(Some(Bytes::from_static(GARBAGE))),
            Some(Injected::Garbage) => Ok(None),
            Some(Injected::Cut) => match piece {
                Some(piece) if self.pieces == 1 => Ok(Some(piece.slice(..piece.len() / 2))),
                _ => Err(injected_cut()),
            },
            _ => Ok(piece),
        }
    }

    /// The whole body, at most `most` bytes, until `by`.
    pub(super) async fn body(&mut self, most: usize, by: Instant) -> Result<Vec<u8>, Fault> {
        let mut body = Vec::new();
        while let Some(piece) = self.piece(by).await? {
            if body.len() + piece.len() > most {
                return Err(Fault::new(
                    FaultClass::Garbage,
                    format!("its answer has more than {most} bytes"),
                ));
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    /// Reads what is left, if it is little, so that the connection can be used again.
    pub(super) async fn drain(&mut self) {
        let all = async {
            let mut left = REFUSAL_BYTES;
            while let Ok(Some(piece)) = self.response.chunk().await {
                let Some(rest) = left.checked_sub(piece.len()) else { return };
                left = rest;
            }
        };
        // Whatever comes of it, the answer itself is there.
        let _ = timeout(REFUSAL_TIME, all).await;
    }
}

/// What is done to a request before it is sent.
pub(super) async fn before<D: Refuses + ?Sized>(
    injected: Option<Injected>,
    dialect: &D,
) -> Result<(), Fault> {
    match injected {
        Some(Injected::Delay(length)) => tokio::time::sleep(length).await,
        Some(Injected::Hang) => std::future::pending().await,
        Some(Injected::Status(status)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::TOO_MANY_REQUESTS);
            let headers = HeaderMap::new();
            return Err(dialect.fault(&Refusal { status, headers: &headers, body: b"injected" }));
        }
        _ => {}
    }
    Ok(())
}

pub(super) fn injected_cut() -> Fault {
    Fault::new(FaultClass::Network, "the connection broke: injected")
}

/// What a refusal means, by its status, its headers and the start of its body.
pub(super) async fn refused<D: Refuses + ?Sized>(mut response: reqwest::Response, dialect: &D) -> Fault {
    let mut body = Vec::new();
    let read = async {
        while body.len() < REFUSAL_BYTES
            && let Ok(Some(piece)) = response.chunk().await
        {
            body.extend_from_slice(&piece);
        }
    };
    // What has come until then says enough.
    let _ = timeout(REFUSAL_TIME, read).await;
    body.truncate(REFUSAL_BYTES);
    dialect.fault(&Refusal { status: response.status(), headers: response.headers(), body: &body })
}

/// The headers of a request; keys are marked, so that nothing prints them.
pub(super) fn headers(from: Vec<(HeaderName, HeaderText)>) -> Result<HeaderMap, Fault> {
    let mut headers = HeaderMap::new();
    for (name, text) in from {
        let (text, is_secret) = match &text {
            HeaderText::Plain(text) => (text.as_str(), false),
            HeaderText::Secret(secret) => (secret.expose_secret(), true),
        };
        let mut value = HeaderValue::from_str(text).map_err(|_| {
            Fault::new(
                FaultClass::Config,
                format!("the value of the header {name} has characters that it can't"),
            )
        })?;
        value.set_sensitive(is_secret);
        headers.append(name, value);
    }
    Ok(headers)
}

fn build(client: &Client, request: HttpRequest) -> Result<reqwest::Request, Fault> {
    let HttpRequest { method, url, headers: given, body } = request;
    let mut builder = client.request(method, url);
    builder = match body {
        Body::Empty => builder,
        Body::Json(bytes) => builder.header(header::CONTENT_TYPE, "application/json").body(bytes),
        Body::Form(pairs) => {
            let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
            builder.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(form)
        }
        Body::Bytes { content_type, bytes } => builder.header(header::CONTENT_TYPE, content_type).body(bytes),
        Body::Multipart(parts) => builder.multipart(multipart(parts)?),
    };
    // These go before what the client would set by itself.
    let unsent = |error: reqwest::Error| {
        Fault::new(FaultClass::Config, format!("its request can't be made: {}", error.without_url()))
    };
    builder.headers(headers(given)?).build().map_err(unsent)
}

fn multipart(parts: Vec<Part>) -> Result<reqwest::multipart::Form, Fault> {
    let mut form = reqwest::multipart::Form::new();
    for part in parts {
        form = match part {
            Part::Text { name, value } => form.text(name, value),
            Part::File { name, file_name, content_type, bytes } => {
                let part = reqwest::multipart::Part::bytes(bytes).file_name(file_name);
                let part = part.mime_str(content_type).map_err(|_| Fault::local("a content type is none"))?;
                form.part(name, part)
            }
        };
    }
    Ok(form)
}

impl Net {
    /// One request outside of any role: a vendor's token, for example. Gives the status and at most 64 kB of the
    /// body; takes at most `within`.
    pub async fn fetch(
        &self,
        request: HttpRequest,
        within: Duration,
    ) -> Result<(StatusCode, HeaderMap, Vec<u8>), Fault> {
        self.fetch_up_to(4 * REFUSAL_BYTES, request, within).await
    }

    /// The same with at most `most` bytes of the body; one that is longer is a fault.
    pub async fn fetch_up_to(
        &self,
        most: usize,
        request: HttpRequest,
        within: Duration,
    ) -> Result<(StatusCode, HeaderMap, Vec<u8>), Fault> {
        let by = Instant::now() + within;
        let request = build(&self.requests, request)?;
        let sent = timeout_at(by, self.requests.execute(request)).await.map_err(|_| Fault::slow())?;
        let response = sent.map_err(network_fault)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut answer = Answered { response, injected: None, pieces: 0 };
        let body = answer.body(most, by).await?;
        Ok((status, headers, body))
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    #[test]
    fn a_key_is_marked_and_a_broken_one_is_not_shown() {
        let secret = |text: &str| HeaderText::Secret(SecretString::from(text.to_owned()));
        let good = headers(vec![(header::AUTHORIZATION, secret("Token k"))]).unwrap();
        assert!(good[header::AUTHORIZATION].is_sensitive());
        let fault = headers(vec![(header::AUTHORIZATION, secret("Token s3cret\n"))]).unwrap_err();
        assert_eq!(fault.class, FaultClass::Config);
        assert!(!fault.why.contains("s3cret"), "{fault}");
    }
}
