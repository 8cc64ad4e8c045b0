//! The scenarios: what they are, what they can show, and the many that are ordinary calls with one odd thing.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use audio::SampleRate;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::session::{Session, Voice, open};
use super::{Profile, Target, Verdict, calls};
use crate::exotel::{Call, Messages, Spelling, Types};
use crate::phone::{Finding, PhoneError};
use crate::side::Side;

/// How long an echo may take.
pub(super) const ECHO: Duration = Duration::from_secs(2);
/// How long a greeting is waited for, and how long it may be.
pub(super) const GREETING: Duration = Duration::from_secs(5);
const GREETING_ENDS: Duration = Duration::from_secs(15);

/// A small call. In the order of their length, longest first, so that they fit together well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scenario {
    BargeIn,
    Plain,
    Reconnect,
    StartTwice,
    Oversize,
    Rate16000,
    Rate24000,
    Abrupt,
    LateStart,
    StaticQuery,
    WrongToken,
    Numbers,
    CamelCase,
    NoConnected,
    MediaFirst,
    UnknownEvent,
    BadJson,
    Binary,
    OddByte,
    EmptyPayload,
    Frames100,
    Dtmf,
    StrangeMark,
    Clear,
}

/// What a scenario can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fact {
    Opened,
    Refused,
    Worked,
    Unchanged,
    Pong,
    Closed,
    Cleared,
    NotGreeted,
    Answered,
    Typed,
    Followable,
    Secure,
    Short,
}

/// What a scenario showed.
#[derive(Debug, Default)]
pub(super) struct Observed {
    facts: BTreeMap<Fact, Verdict>,
    pub(super) noted: Vec<Finding>,
    failed: Option<String>,
}

impl Observed {
    /// It could not be played.
    pub(super) fn failed(why: impl Into<String>) -> Self {
        Self { failed: Some(why.into()), ..Self::default() }
    }

    pub(super) fn fact(&self, fact: Fact) -> Verdict {
        match (self.facts.get(&fact), &self.failed) {
            (Some(verdict), _) => verdict.clone(),
            (None, Some(why)) => Verdict::Fail(why.clone()),
            (None, None) => Verdict::Skip("the call did not get so far".to_owned()),
        }
    }

    pub(super) fn set(&mut self, fact: Fact, verdict: Verdict) {
        self.facts.insert(fact, verdict);
    }
}

/// Whether a rule about the server's messages was broken in any of these scenarios.
pub(super) fn breached<K: Ord>(rule: &str, scenarios: &[K], observed: &BTreeMap<K, Observed>) -> Verdict {
    let played: Vec<&Observed> = scenarios
        .iter()
        .filter_map(|scenario| observed.get(scenario))
        .filter(|seen| seen.failed.is_none())
        .collect();
    if played.is_empty() {
        return Verdict::Skip("no call could be made".to_owned());
    }
    let noted = played.iter().flat_map(|observed| &observed.noted).filter(|noted| noted.rule == rule);
    let (mut count, mut first) = (0, None);
    for noted in noted {
        count += noted.count;
        first.get_or_insert(noted);
    }
    match first {
        None => Verdict::Pass(String::new()),
        Some(noted) => {
            let at = noted.at_ms as f64 / 1000.0;
            let seen = format!("{} at {at:.3} s, {count} times in all", noted.seen);
            match noted.is_advice {
                false => Verdict::Fail(seen),
                true => Verdict::Pass(format!("warning: {seen}")),
            }
        }
    }
}

impl Scenario {
    /// Plays it. `number` tells the calls of one test apart.
    pub(super) async fn run(self, target: &Target, number: u64) -> Observed {
        let rate = match self {
            Self::Rate16000 => SampleRate::HZ_16000,
            Self::Rate24000 => SampleRate::HZ_24000,
            _ => SampleRate::HZ_8000,
        };
        let moment = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64;
        let call = Call::invented(moment << 8 | number << 1, rate);
        let messages = Messages::new(call);
        let played = match self {
            Self::Plain => Box::pin(calls::plain(target, messages)).await,
            Self::BargeIn => Box::pin(calls::barge_in(target, messages)).await,
            Self::Reconnect => Box::pin(calls::reconnect(target, messages)).await,
            Self::Oversize => Box::pin(calls::oversize(target, messages)).await,
            Self::WrongToken => Box::pin(calls::wrong_token(target, messages)).await,
            Self::Abrupt => Box::pin(calls::abrupt(target, messages)).await,
            _ => Box::pin(self.odd(target, messages)).await,
        };
        played.unwrap_or_else(|error| {
            let mut observed = Observed::failed(error.to_string());
            observed.set(Fact::Opened, Verdict::Fail(error.to_string()));
            observed
        })
    }

    /// An ordinary call with one odd thing.
    async fn odd(self, target: &Target, messages: Messages) -> Result<Observed, PhoneError> {
        let messages = match self {
            Self::Numbers => messages.types(Types::Docs),
            Self::CamelCase => messages.spelling(Spelling::Camel),
            _ => messages,
        };
        let mut with_query = target.clone();
        if self == Self::StaticQuery {
            let mark = if with_query.url.contains('?') { '&' } else { '?' };
            with_query.url = format!("{}{mark}lead_id=42&campaign=a%20b", with_query.url);
        }
        let mut session = open(&with_query, messages).await?;
        let mut observed = Observed::default();
        observed.set(Fact::Opened, Verdict::Pass(format!("101 after {} ms", session.handshake.as_millis())));
        if self == Self::Frames100 {
            session.frame_ms = 100;
        }
        let mut voice = Voice::Noise(1);
        if target.profile == Profile::Agent {
            voice = Voice::Quiet;
        }
        match self {
            Self::NoConnected => session.start().await,
            Self::MediaFirst => {
                session.live(&mut voice, Duration::from_millis(100), |_| false).await;
                session.begin().await;
            }
            Self::LateStart => {
                let connected = session.side.messages.connected();
                session.send(connected).await;
                session.live(&mut Voice::Absent, Duration::from_millis(800), |_| false).await;
                session.start().await;
            }
            _ => session.begin().await,
        }
        self.do_odd_thing(&mut session, &mut voice).await;
        let worked = works(&mut session, target.profile, &mut voice).await;
        observed.set(Fact::Worked, worked);
        if self == Self::StartTwice && target.profile == Profile::Agent {
            finish_greeting(&mut session).await;
            session.live(&mut Voice::Quiet, Duration::from_millis(2_500), |_| false).await;
        }
        observed.noted = session.side.watch().findings(session.now());
        session.hang_up().await;
        Ok(observed)
    }

    async fn do_odd_thing(self, session: &mut Session, voice: &mut Voice) {
        session.live(voice, Duration::from_millis(200), |_| false).await;
        let strange = match self {
            Self::StartTwice => session.side.messages.start(),
            Self::UnknownEvent => session.side.messages.message("silence", Some(json!({"duration": 5}))),
            Self::BadJson => "{\"event\":\"media\",\"media\":{\"payl".to_owned(),
            Self::EmptyPayload => session.side.messages.media_payload(""),
            Self::Dtmf => session.side.messages.dtmf('5'),
            Self::StrangeMark => session.side.messages.mark("never asked for"),
            Self::Clear => session.side.messages.clear(),
            Self::OddByte => session.side.messages.media_bytes(&[7; 319]),
            Self::Binary => {
                let bytes = vec![0xFF, 0x00, 0x80, 0x7F];
                return session.send_message(Message::binary(bytes)).await;
            }
            _ => return,
        };
        session.send(strange).await;
        if self == Self::OddByte {
            // The other half, so that the caller's samples are whole again.
            let rest = session.side.messages.media_bytes(&[7]);
            session.send(rest).await;
        }
    }
}

/// Whether the call works: an echo comes back, or the caller is greeted and the line is alive.
pub(super) async fn works<S: Side>(session: &mut Session<S>, profile: Profile, voice: &mut Voice) -> Verdict {
    match profile {
        Profile::Echo => {
            let before = session.seen.received.len();
            let frame = vec![0; session.side.rate().samples(200_000)];
            let wanted = session.side.bytes(&frame).len();
            session.live(voice, ECHO, |session| session.seen.received.len() >= before + wanted).await;
            let came = session.seen.received.len() - before;
            match &session.closed {
                Some(closed) => Verdict::Fail(closed.to_string()),
                None if came < wanted => Verdict::Fail(format!("{came} bytes of echo within 2 s")),
                None => Verdict::Pass(String::new()),
            }
        }
        Profile::Agent => {
            session.live(voice, GREETING, |session| session.side.watch().first_sound().is_some()).await;
            if session.closed.is_none() && session.side.watch().first_sound().is_none() {
                return Verdict::Fail("no greeting within 5 s".to_owned());
            }
            match ping(session, voice).await {
                Verdict::Pass(_) => Verdict::Pass(String::new()),
                other => other,
            }
        }
    }
}

pub(super) async fn ping<S: Side>(session: &mut Session<S>, voice: &mut Voice) -> Verdict {
    let (before, asked) = (session.seen.pongs, session.now());
    session.send_message(Message::Ping("trunkline".into())).await;
    let answered = session.live(voice, Duration::from_secs(2), |session| session.seen.pongs > before).await;
    match &session.closed {
        Some(closed) => Verdict::Fail(closed.to_string()),
        None if answered => Verdict::Pass(format!("after {:.0} ms", session.now().since(asked).as_ms())),
        None => Verdict::Fail("no pong within 2 s".to_owned()),
    }
}

/// Lets the agent finish: its audio was played, its mark is back.
pub(super) async fn finish_greeting<S: Side>(session: &mut Session<S>) {
    let over =
        |session: &Session<S>| session.side.watch().is_greeting_marked() && session.line.waiting().0 == 0;
    session.live(&mut Voice::Quiet, GREETING_ENDS, over).await;
}
