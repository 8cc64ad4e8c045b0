//! One scenario's way to the server: the webhook asked for its TwiML, the stream opened, signed or not.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use secrecy::ExposeSecret as _;

use super::super::session::Session;
use super::TwilioTarget;
use crate::phone::{PhoneError, socket_url};
use crate::twilio::{Call, Document, Stream, TwilioSide, Verb, upgrade_signature};
use crate::webhook::{Account, DOCUMENT_PATIENCE};
use crate::wire::{self, Along, Answer};

/// How requests are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signing {
    /// As Twilio does.
    Right,
    /// Not at all.
    Absent,
    /// With another token.
    Wrong,
}

/// One call of the test.
pub(super) struct Visit<'a> {
    target: &'a TwilioTarget,
    pub(super) call: Call,
    account: Account,
}

impl<'a> Visit<'a> {
    /// A call of its own; `number` tells the calls of one test apart.
    pub(super) fn new(target: &'a TwilioTarget, number: u64, signing: Signing) -> Self {
        let moment = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64;
        let mut line = target.line.clone();
        line.call = Call { parameters: line.call.parameters, ..Call::invented(moment << 8 | number) };
        line.auth_token = match signing {
            Signing::Right => line.auth_token,
            Signing::Absent => None,
            Signing::Wrong => Some("a token that is not the account's".into()),
        };
        let options = &target.server.options;
        let account = Account::new(&line, target.server.headers.clone(), options.tls.clone());
        Self { target, call: line.call, account }
    }

    /// Asks the webhook, as for a call that comes in.
    pub(super) async fn ask(&self) -> Result<Answer, PhoneError> {
        let form = self.account.form("ringing");
        self.account.send(&self.target.server.url, false, &form, DOCUMENT_PATIENCE).await
    }

    /// The stream to be opened: what the webhook names, or the socket that is tested.
    pub(super) async fn stream(&self) -> Result<Stream, PhoneError> {
        let url = &self.target.server.url;
        let target = wire::Target::parse(url)?;
        if !target.is_webhook() {
            let parameters = self.call.parameters.clone();
            return Ok(Stream { url: url.clone(), parameters, ..Stream::default() });
        }
        let answer = self.ask().await?;
        if answer.status != 200 {
            let why = format!("answered {}, not 200", answer.status);
            return Err(PhoneError::Webhook(target.shown(), why));
        }
        let stream = stream_of(url, &answer).map_err(|why| PhoneError::Twiml(target.shown(), why))?;
        Ok(stream)
    }

    /// Opens a stream.
    pub(super) async fn open(&self, stream: &Stream) -> Result<Session<TwilioSide>, PhoneError> {
        let (public, reached) = self.account.ways(&stream.url);
        let mut headers = self.account.headers.clone();
        if let Some(token) = &self.account.auth_token {
            headers
                .push(("X-Twilio-Signature".to_owned(), upgrade_signature(token.expose_secret(), &public)));
        }
        let began = Instant::now();
        let along = Along { headers: &headers, tls: self.account.tls.as_ref() };
        let socket = wire::open(&wire::Target::parse(&reached)?, along).await?;
        let call = Call { parameters: stream.parameters.clone(), ..self.call.clone() };
        Ok(Session::new(socket, TwilioSide::new(call), began.elapsed()))
    }

    /// Opens the stream of a call of its own.
    pub(super) async fn session(&self) -> Result<Session<TwilioSide>, PhoneError> {
        let stream = self.stream().await?;
        self.open(&stream).await
    }
}

/// The first stream of the answer, with its URL made whole.
pub(super) fn stream_of(base: &str, answer: &Answer) -> Result<Stream, String> {
    let text = String::from_utf8_lossy(&answer.body);
    let document = Document::parse(&text).map_err(|error| error.to_string())?;
    let found = document.verbs.into_iter().find_map(|verb| match verb {
        Verb::Connect { stream, .. } => Some(stream),
        _ => None,
    });
    let mut stream = found.ok_or_else(|| "there is no <Connect><Stream>".to_owned())?;
    stream.url = socket_url(base, &stream.url);
    Ok(stream)
}

/// How long a server may take to throw a stream out.
pub(super) const THROWN_OUT: Duration = Duration::from_secs(5);
