//! A call through Twilio: the voice webhook is asked, its TwiML followed verb by verb, each `<Stream>` lived through.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use secrecy::ExposeSecret as _;
use tokio::task::JoinSet;

use super::caller::{Caller, Link, ms};
use super::{CallPlan, EndReport, EndedBy, Order, PhoneError, PhoneEvent, PhoneReport, TwilioLine};
use crate::carriers::{Manner, Person};
use crate::exotel::AfterClear;
use crate::twilio::{Dial, Document, Next, Stream, TwilioSide, Verb, is_loopback, upgrade_signature};
use crate::webhook::{Account, DOCUMENT_PATIENCE, StreamNews};
use crate::wire::{self, Along, Target};

/// A call that goes from document to document is going in circles after so many.
const MOST_DOCUMENTS: u32 = 50;

/// Follows the TwiML of one call.
struct Flow<'a, F> {
    plan: &'a CallPlan,
    line: &'a TwilioLine,
    account: Account,
    caller: Caller<F>,
    /// The document's own address, for relative ones in it.
    base: String,
    verbs: VecDeque<Verb>,
    documents: u32,
    answered: bool,
    /// What the next request tells of a leg that was dialled.
    dialled: Vec<(String, String)>,
    news: JoinSet<()>,
}

/// A call through Twilio.
pub(super) async fn call(
    mut plan: CallPlan,
    line: TwilioLine,
    events: impl FnMut(PhoneEvent),
) -> Result<PhoneReport, PhoneError> {
    let caller = Caller::new(&mut plan, AfterClear::ReturnMarks, events);
    let account = Account::of(&plan, &line);
    let mut flow = Flow {
        base: plan.url.clone(),
        plan: &plan,
        line: &line,
        account,
        caller,
        verbs: VecDeque::new(),
        documents: 0,
        answered: false,
        dialled: Vec::new(),
        news: JoinSet::new(),
    };
    if let Some(document) = line.twiml.clone() {
        flow.verbs = document.verbs;
    } else if Target::parse(&plan.url)?.is_webhook() {
        flow.first_document().await?;
    } else {
        let parameters = line.call.parameters.clone();
        let stream = Stream { url: plan.url.clone(), parameters, ..Stream::default() };
        flow.verbs.push_back(Verb::Connect { stream, action: None });
    }
    let end = flow.follow().await;
    while flow.news.join_next().await.is_some() {}
    Ok(flow.caller.report(end?))
}

impl<F: FnMut(PhoneEvent)> Flow<'_, F> {
    async fn first_document(&mut self) -> Result<(), PhoneError> {
        let first = Next { url: self.plan.url.clone(), is_get: self.line.by_get };
        match (self.fetch(&first).await, &self.line.fallback) {
            (Err(_), Some(fallback)) => self.fetch(fallback).await,
            (fetched, _) => fetched,
        }
    }

    /// Does one verb after the other; a stream that broke is over as one that was closed. An error where no stream ever
    /// was.
    async fn follow(&mut self) -> Result<EndReport, PhoneError> {
        let mut last = ended(EndedBy::Carrier, "the TwiML had no more to do");
        while let Some(verb) = self.verbs.pop_front() {
            self.tell(&verb);
            match verb {
                Verb::Connect { stream, action } => {
                    let (end, order) = match self.stream(stream).await {
                        Ok(lived) => lived,
                        Err(fault) if !self.answered => return Err(fault),
                        Err(fault) => (ended(EndedBy::Fault, &fault.to_string()), Order::Talk),
                    };
                    last = end;
                    if last.by == EndedBy::Caller {
                        break;
                    }
                    if order != Order::Talk {
                        if let Some(end) = self.obey(order).await {
                            return Ok(end);
                        }
                    } else if let Some(action) = action
                        && let Some(end) = self.go_to(&action).await
                    {
                        return Ok(end);
                    }
                }
                Verb::Hangup => return Ok(carrier_ended(&last, "the TwiML hung up")),
                Verb::Reject(reason) => {
                    return Ok(carrier_ended(&last, &format!("the TwiML rejected the call: {reason}")));
                }
                Verb::Dial(dial) => {
                    if let Some(end) = self.dial(&dial).await {
                        return Ok(end);
                    }
                }
                Verb::Pause(length) => {
                    let order = self.caller.pause(length).await;
                    if order != Order::Talk
                        && let Some(end) = self.obey(order).await
                    {
                        return Ok(end);
                    }
                }
                Verb::Redirect(next) => {
                    if let Some(end) = self.go_to(&next).await {
                        return Ok(end);
                    }
                }
                Verb::Other(_) => {}
            }
        }
        Ok(last)
    }

    /// Has somebody else join the call: whoever is at the number, by its last digits, answers or does not. Twilio then asks
    /// the action what follows. The caller stays until then, unless an order comes over the REST interface.
    async fn dial(&mut self, dial: &Dial) -> Option<EndReport> {
        let (status, wait) = match Manner::of_number(&dial.to).person {
            Person::Busy => ("busy", self.line.rings),
            Person::Away => ("no-answer", dial.rings.min(self.line.longest_ring)),
            Person::Unreachable => ("failed", Duration::ZERO),
            _ => ("completed", self.line.rings + self.line.talks),
        };
        let order = self.caller.pause(wait).await;
        if order != Order::Talk {
            return self.obey(order).await;
        }
        let at_ms = self.caller.now();
        self.caller.tell(PhoneEvent::Verb { at_ms, what: format!("<Dial> ended: {status}") });
        let action = dial.action.as_ref()?;
        let sid = format!("CA{:032x}", self.documents);
        self.dialled =
            vec![("DialCallStatus".to_owned(), status.to_owned()), ("DialCallSid".to_owned(), sid)];
        if status == "completed" {
            let seconds = self.line.talks.as_secs().max(1).to_string();
            self.dialled.push(("DialCallDuration".to_owned(), seconds));
            self.dialled.push(("DialBridged".to_owned(), "true".to_owned()));
        }
        self.go_to(action).await
    }

    /// Does what came over the REST interface. The end, where that is one.
    async fn obey(&mut self, order: Order) -> Option<EndReport> {
        match order {
            Order::Talk => None,
            Order::HangUp => Some(ended(EndedBy::Carrier, "hung up over the REST interface")),
            Order::Fetch(next) => self.go_to(&next).await,
            Order::Follow(document) => {
                self.verbs = document.verbs;
                None
            }
        }
    }

    async fn go_to(&mut self, next: &Next) -> Option<EndReport> {
        match self.fetch(next).await {
            Ok(()) => None,
            Err(fault) => Some(ended(EndedBy::Fault, &fault.to_string())),
        }
    }

    /// Another document takes the place of the one that is being followed.
    async fn fetch(&mut self, next: &Next) -> Result<(), PhoneError> {
        let url = if next.url.is_empty() { self.base.clone() } else { resolved(&self.base, &next.url) };
        let shown = Target::parse(&url)?.shown();
        self.documents += 1;
        if self.documents > MOST_DOCUMENTS {
            return Err(PhoneError::Twiml(shown, "it goes in circles".to_owned()));
        }
        let is_inbound = self.line.call.direction == crate::twilio::Direction::Inbound;
        let status = if is_inbound && self.documents == 1 { "ringing" } else { "in-progress" };
        let mut form = self.account.form(status);
        form.append(&mut self.dialled);
        if self.documents == 1 {
            form.extend(self.line.fields.iter().cloned());
        }
        let answer = self.account.send(&url, next.is_get, &form, DOCUMENT_PATIENCE).await?;
        if answer.status != 200 {
            let hint = match answer.status {
                400 => "; it wants a signature: give the account's auth token",
                403 => {
                    "; the signature is refused: is the auth token right, and does the server go by this address?"
                }
                404 => "; is the path right, and is Twilio configured there?",
                _ => "",
            };
            return Err(PhoneError::Webhook(shown, format!("answered {}, not 200{hint}", answer.status)));
        }
        if !answer.content_type.contains("xml") {
            let why = format!("12300: its content type is \"{}\", not text/xml", answer.content_type);
            return Err(PhoneError::Twiml(shown, why));
        }
        let text = String::from_utf8_lossy(&answer.body);
        let document = Document::parse(&text).map_err(|error| PhoneError::Twiml(shown, error.to_string()))?;
        let socket = document.verbs.iter().find_map(|verb| match verb {
            Verb::Connect { stream, .. } => Some(stream.url.clone()),
            _ => None,
        });
        self.verbs = document.verbs;
        let socket = match socket {
            Some(socket) => resolved(&url, &socket).split('?').next().unwrap_or_default().to_owned(),
            None => "no stream".to_owned(),
        };
        self.base = url;
        self.caller.tell(PhoneEvent::Webhook { took_ms: ms(answer.took), socket });
        Ok(())
    }

    async fn stream(&mut self, mut stream: Stream) -> Result<(EndReport, Order), PhoneError> {
        stream.url = socket_url(&self.base, &stream.url);
        let loopback_ws =
            !self.line.only_wss && Target::parse(&self.base).is_ok_and(|at| is_loopback(&at.host));
        let mut call = self.line.call.clone();
        call.parameters.clone_from(&stream.parameters);
        if let Err(fault) = stream.check(loopback_ws) {
            self.spread(&stream, StreamNews::Error(fault.to_string()));
            return Err(PhoneError::Twiml(Target::parse(&self.base)?.shown(), fault.to_string()));
        }
        let began = Instant::now();
        let socket = match self.open(&stream.url).await {
            Ok(socket) => socket,
            Err(fault) => {
                let number = if matches!(fault, PhoneError::Refused { .. }) { 31920 } else { 31901 };
                self.spread(&stream, StreamNews::Error(format!("{number}: {fault}")));
                return Err(fault);
            }
        };
        if !std::mem::replace(&mut self.answered, true) {
            self.caller.answered(began.elapsed());
        }
        self.spread(&stream, StreamNews::Started);
        let mut link = Link { socket, side: Box::new(TwilioSide::new(call)) };
        let lived = self.caller.stream(&mut link).await;
        self.spread(&stream, StreamNews::Stopped);
        Ok(lived)
    }

    async fn open(&self, url: &str) -> Result<wire::Socket, PhoneError> {
        let (public, reached) = self.account.ways(url);
        let mut headers = self.plan.headers.clone();
        if let Some(token) = &self.line.auth_token {
            let signature = upgrade_signature(token.expose_secret(), &public);
            headers.push(("X-Twilio-Signature".to_owned(), signature));
        }
        wire::open(&Target::parse(&reached)?, Along { headers: &headers, tls: self.plan.tls.as_ref() }).await
    }

    /// Tells the stream's status callback, beside the call.
    fn spread(&mut self, stream: &Stream, news: StreamNews) {
        if let Some(to) = &stream.status {
            let form = self.account.stream_form(&self.line.call.stream, stream, news);
            let (account, to) = (self.account.clone(), to.clone());
            self.news.spawn(async move {
                // Twilio does not try again, and nothing in the call depends on it.
                let _ = account.send(&to.url, to.is_get, &form, DOCUMENT_PATIENCE).await;
            });
        }
    }

    fn tell(&mut self, verb: &Verb) {
        let what = match verb {
            Verb::Connect { .. } => return,
            Verb::Hangup => "<Hangup>".to_owned(),
            Verb::Reject(reason) => format!("<Reject> {reason}"),
            Verb::Pause(length) => format!("<Pause> {} s", length.as_secs()),
            Verb::Redirect(_) => "<Redirect>".to_owned(),
            Verb::Dial(dial) => format!("<Dial> somebody who ends in {}", last_digits(&dial.to)),
            Verb::Other(name) => format!("<{name}> is passed over"),
        };
        let at_ms = self.caller.now();
        self.caller.tell(PhoneEvent::Verb { at_ms, what });
    }
}

fn ended(by: EndedBy, detail: &str) -> EndReport {
    EndReport { by, close_code: None, detail: detail.to_owned() }
}

/// The TwiML ended it; how the server closed its last stream is still told.
fn carrier_ended(last: &EndReport, detail: &str) -> EndReport {
    EndReport { close_code: last.close_code, ..ended(EndedBy::Carrier, detail) }
}

fn last_digits(number: &str) -> &str {
    number.char_indices().rev().nth(1).map_or(number, |(at, _)| &number[at..])
}

/// The address that a document names, which may be relative to its own.
fn resolved(base: &str, named: &str) -> String {
    if named.contains("://") {
        return named.to_owned();
    }
    match url::Url::parse(base).and_then(|base| base.join(named)) {
        Ok(url) => url.to_string(),
        Err(_) => named.to_owned(),
    }
}

/// The same for a socket: a relative address has the document's scheme, as a WebSocket.
pub(crate) fn socket_url(base: &str, named: &str) -> String {
    let url = resolved(base, named);
    if named.contains("://") {
        return url;
    }
    url.replacen("http", "ws", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_addresses_are_of_the_documents_host() {
        assert_eq!(resolved("https://h:8443/twilio/voice?call=1", "/next?a=1"), "https://h:8443/next?a=1");
        assert_eq!(resolved("https://h/twilio/voice", "media"), "https://h/twilio/media");
        assert_eq!(resolved("https://h/twilio/voice", "wss://g/media"), "wss://g/media");
        assert_eq!(socket_url("https://h/twilio/voice", "/media"), "wss://h/media");
        assert_eq!(socket_url("http://h/twilio/voice", "/media"), "ws://h/media");
        assert_eq!(socket_url("https://h/twilio/voice", "https://h/media"), "https://h/media");
    }
}
