//! The scenarios: small calls, each with at most one odd thing.

use std::time::Duration;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::super::scenario::{Fact, Observed, finish_greeting, works};
use super::super::session::{Session, Voice};
use super::super::{Profile, Verdict, calls};
use super::TwilioTarget;
use super::visit::{Signing, THROWN_OUT, Visit, stream_of};
use crate::phone::PhoneError;
use crate::side::Side as _;
use crate::twilio::{LONGEST_PARAMETER, Stream, TwilioSide, is_loopback};
use crate::wire;

/// A small call. In the order of their length, longest first, so that they fit together well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scenario {
    BargeIn,
    Plain,
    StartTwice,
    Oversize,
    Abrupt,
    NoParameters,
    MediaFirst,
    UnknownEvent,
    BadJson,
    Binary,
    EmptyPayload,
    Frames100,
    Dtmf,
    StrangeMark,
    NewKeys,
    Document,
    Unsigned,
    Forged,
    UnsignedUpgrade,
    ForgedUpgrade,
}

impl Scenario {
    /// Plays it. `number` tells the calls of one test apart.
    pub(super) async fn run(self, target: &TwilioTarget, number: u64) -> Observed {
        let number = number << 1;
        let played = match self {
            Self::Document => document(target, number).await,
            Self::Unsigned => refused(target, number, Signing::Absent).await,
            Self::Forged => refused(target, number, Signing::Wrong).await,
            Self::UnsignedUpgrade => not_upgraded(target, number, Signing::Absent).await,
            Self::ForgedUpgrade => not_upgraded(target, number, Signing::Wrong).await,
            Self::NoParameters => Box::pin(no_parameters(target, number)).await,
            Self::Abrupt => Box::pin(abrupt(target, number)).await,
            _ => Box::pin(self.call(target, number)).await,
        };
        played.unwrap_or_else(|error| {
            let mut observed = Observed::failed(error.to_string());
            observed.set(Fact::Opened, Verdict::Fail(error.to_string()));
            observed
        })
    }

    async fn call(self, target: &TwilioTarget, number: u64) -> Result<Observed, PhoneError> {
        let profile = target.server.profile;
        let session = Visit::new(target, number, Signing::Right).session().await?;
        Ok(match self {
            Self::Plain => calls::talk(session, profile).await,
            Self::BargeIn => calls::interrupt(session, &target.server).await,
            Self::Oversize => {
                let mut session = session;
                let text = session.side.messages.media_payload(&"A".repeat(2 << 20));
                session.begin().await;
                calls::too_long(session, text).await
            }
            _ => self.odd(session, profile).await,
        })
    }

    /// An ordinary call with one odd thing.
    async fn odd(self, mut session: Session<TwilioSide>, profile: Profile) -> Observed {
        let mut observed = Observed::default();
        if self == Self::Frames100 {
            session.frame_ms = 100;
        }
        let mut voice = if profile == Profile::Agent { Voice::Quiet } else { Voice::Noise(1) };
        if self == Self::MediaFirst {
            session.live(&mut voice, Duration::from_millis(100), |_| false).await;
        }
        session.begin().await;
        session.live(&mut voice, Duration::from_millis(200), |_| false).await;
        match self.strange(&mut session) {
            Some(Message::Text(text)) => session.send(text.to_string()).await,
            Some(other) => session.send_message(other).await,
            None => {}
        }
        let worked = works(&mut session, profile, &mut voice).await;
        observed.set(Fact::Worked, worked);
        if self == Self::StartTwice && profile == Profile::Agent {
            finish_greeting(&mut session).await;
            session.live(&mut Voice::Quiet, Duration::from_millis(2_500), |_| false).await;
        }
        observed.noted = session.side.watch().findings(session.now());
        session.hang_up().await;
        observed
    }

    /// The odd thing, where it is a message.
    fn strange(self, session: &mut Session<TwilioSide>) -> Option<Message> {
        let messages = &mut session.side.messages;
        let text = match self {
            Self::StartTwice => messages.start(),
            Self::UnknownEvent => messages.message("closed", Some(json!({"duration": 5}))),
            Self::BadJson => "{\"event\":\"media\",\"media\":{\"payl".to_owned(),
            Self::EmptyPayload => messages.media_payload(""),
            Self::Dtmf => messages.dtmf('5'),
            Self::StrangeMark => messages.mark("never asked for"),
            Self::NewKeys => {
                let mut media: Value = serde_json::from_str(&messages.media(&[0; 160])).unwrap_or_default();
                media["media"]["newKey"] = json!({"deep": [1, 2]});
                media["another"] = json!(7);
                media.to_string()
            }
            Self::Binary => return Some(Message::binary(vec![0xFF, 0x00, 0x80, 0x7F])),
            _ => return None,
        };
        Some(Message::text(text))
    }
}

/// What the webhook answers.
async fn document(target: &TwilioTarget, number: u64) -> Result<Observed, PhoneError> {
    let url = &target.server.url;
    let mut observed = Observed::default();
    if !wire::Target::parse(url)?.is_webhook() {
        return Ok(skipped(&DOCUMENT_FACTS, "a socket is tested, not a webhook"));
    }
    let answer = match Visit::new(target, number, Signing::Right).ask().await {
        Ok(answer) => answer,
        Err(error) => {
            observed.set(Fact::Answered, Verdict::Fail(error.to_string()));
            return Ok(observed);
        }
    };
    let took = answer.took.as_millis();
    let seen = format!("HTTP {} after {took} ms", answer.status);
    if answer.status != 200 {
        observed.set(Fact::Answered, Verdict::Fail(seen));
        return Ok(observed);
    }
    observed.set(Fact::Answered, Verdict::Pass(seen));
    let kind = answer.content_type.clone();
    let is_xml = kind.starts_with("text/xml") || kind.starts_with("application/xml");
    observed
        .set(Fact::Typed, if is_xml { Verdict::Pass(kind) } else { Verdict::Fail(format!("\"{kind}\"")) });
    let stream = match stream_of(url, &answer) {
        Ok(stream) => stream,
        Err(why) => {
            observed.set(Fact::Followable, Verdict::Fail(why));
            return Ok(observed);
        }
    };
    observed.set(Fact::Followable, Verdict::Pass(String::new()));
    let loopback = !target.line.only_wss && is_loopback(&wire::Target::parse(url)?.host);
    let bare = Stream { parameters: std::collections::BTreeMap::new(), ..stream.clone() };
    observed.set(
        Fact::Secure,
        match bare.check(loopback) {
            Ok(()) if stream.url.starts_with("ws://") => Verdict::Pass("ws, on loopback".to_owned()),
            Ok(()) => Verdict::Pass(String::new()),
            Err(fault) => Verdict::Fail(fault.to_string()),
        },
    );
    let longest = stream.parameters.iter().map(|(name, value)| name.len() + value.len()).max().unwrap_or(0);
    let seen = format!("the longest has {longest} characters");
    let is_short = longest < LONGEST_PARAMETER;
    observed.set(Fact::Short, if is_short { Verdict::Pass(seen) } else { Verdict::Fail(seen) });
    Ok(observed)
}

const DOCUMENT_FACTS: [Fact; 5] = [Fact::Answered, Fact::Typed, Fact::Followable, Fact::Secure, Fact::Short];

fn skipped(facts: &[Fact], why: &str) -> Observed {
    let mut observed = Observed::default();
    for fact in facts {
        observed.set(*fact, Verdict::Skip(why.to_owned()));
    }
    observed
}

/// The status that Twilio's own middleware answers.
const fn wanted(signing: Signing) -> u16 {
    match signing {
        Signing::Absent => 400,
        _ => 403,
    }
}

/// A webhook that is not signed, or wrongly.
async fn refused(target: &TwilioTarget, number: u64, signing: Signing) -> Result<Observed, PhoneError> {
    if target.line.auth_token.is_none() {
        return Ok(skipped(&[Fact::Refused], "no token is known"));
    }
    if !wire::Target::parse(&target.server.url)?.is_webhook() {
        return Ok(skipped(&[Fact::Refused], "a socket is tested, not a webhook"));
    }
    let answer = Visit::new(target, number, signing).ask().await?;
    let seen = format!("HTTP {}", answer.status);
    let mut observed = Observed::default();
    let is_right = answer.status == wanted(signing);
    observed.set(Fact::Refused, if is_right { Verdict::Pass(seen) } else { Verdict::Fail(seen) });
    Ok(observed)
}

/// An upgrade that is not signed, or wrongly, to the stream of a call that is.
async fn not_upgraded(target: &TwilioTarget, number: u64, signing: Signing) -> Result<Observed, PhoneError> {
    if target.line.auth_token.is_none() {
        return Ok(skipped(&[Fact::Refused], "no token is known"));
    }
    let stream = Visit::new(target, number, Signing::Right).stream().await?;
    let verdict = match Visit::new(target, number, signing).open(&stream).await {
        Err(PhoneError::Refused { status, .. }) if status == wanted(signing) => {
            Verdict::Pass(format!("HTTP {status}"))
        }
        Err(PhoneError::Refused { status, .. }) => Verdict::Fail(format!("HTTP {status}")),
        Err(error) => Verdict::Fail(error.to_string()),
        Ok(session) => {
            session.hang_up().await;
            Verdict::Fail("101: let in".to_owned())
        }
    };
    let mut observed = Observed::default();
    observed.set(Fact::Refused, verdict);
    Ok(observed)
}

/// The right socket, and none of the parameters that the TwiML gave.
async fn no_parameters(target: &TwilioTarget, number: u64) -> Result<Observed, PhoneError> {
    let visit = Visit::new(target, number, Signing::Right);
    let mut stream = visit.stream().await?;
    if stream.parameters.is_empty() {
        return Ok(skipped(&[Fact::Closed], "the TwiML gives no parameters"));
    }
    stream.parameters.clear();
    let mut session = visit.open(&stream).await?;
    session.begin().await;
    session.live(&mut Voice::Quiet, THROWN_OUT, |_| false).await;
    let verdict = match &session.closed {
        Some(closed) if closed.code == Some(1008) => Verdict::Pass(closed.to_string()),
        Some(closed) => Verdict::Fail(closed.to_string()),
        None => Verdict::Fail(format!("still open after {} s", THROWN_OUT.as_secs())),
    };
    let mut observed = Observed::default();
    observed.set(Fact::Closed, verdict);
    session.hang_up().await;
    Ok(observed)
}

/// A call that breaks, and the next one.
async fn abrupt(target: &TwilioTarget, number: u64) -> Result<Observed, PhoneError> {
    let session = Visit::new(target, number, Signing::Right).session().await?;
    calls::break_off(session, target.server.profile).await;
    let session = Visit::new(target, number + 1, Signing::Right).session().await?;
    Ok(calls::next_call(session, target.server.profile).await)
}
