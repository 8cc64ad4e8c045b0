//! The scenarios: small calls, each with one thing that is odd about it, and what they show.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use audio::SampleRate;
use call::Micros;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::session::{Session, Voice, open};
use super::{Profile, Target, Verdict};
use crate::exotel::{Breach, Call, Messages, Noted, Spelling, Types, Weight};
use crate::phone::PhoneError;
use crate::phone::connect;

/// How long an echo may take.
const ECHO: Duration = Duration::from_secs(2);
/// How long a greeting is waited for, and how long it may be.
const GREETING: Duration = Duration::from_secs(5);
const GREETING_ENDS: Duration = Duration::from_secs(15);
/// How much speech over the agent must be answered by a clear.
const INTERRUPTION: Micros = Micros::from_ms(2_500);

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
}

/// What a scenario showed.
#[derive(Debug, Default)]
pub(super) struct Observed {
    facts: BTreeMap<Fact, Verdict>,
    noted: Vec<Noted>,
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

    fn set(&mut self, fact: Fact, verdict: Verdict) {
        self.facts.insert(fact, verdict);
    }
}

/// Whether a rule about the server's messages was broken in any of these scenarios.
pub(super) fn breached(
    breach: Breach,
    scenarios: &[Scenario],
    observed: &BTreeMap<Scenario, Observed>,
) -> Verdict {
    let played: Vec<&Observed> = scenarios
        .iter()
        .filter_map(|scenario| observed.get(scenario))
        .filter(|seen| seen.failed.is_none())
        .collect();
    if played.is_empty() {
        return Verdict::Skip("no call could be made".to_owned());
    }
    let noted = played.iter().flat_map(|observed| &observed.noted).filter(|noted| noted.breach == breach);
    let (mut count, mut first) = (0, None);
    for noted in noted {
        count += noted.count;
        first.get_or_insert(noted);
    }
    match first {
        None => Verdict::Pass(String::new()),
        Some(noted) => {
            let seen = format!("{} at {}, {count} times in all", noted.seen, noted.at);
            match breach.weight() {
                Weight::Error => Verdict::Fail(seen),
                Weight::Warning => Verdict::Pass(format!("warning: {seen}")),
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
            Self::Plain => Box::pin(plain(target, messages)).await,
            Self::BargeIn => Box::pin(barge_in(target, messages)).await,
            Self::Reconnect => Box::pin(reconnect(target, messages)).await,
            Self::Oversize => Box::pin(oversize(target, messages)).await,
            Self::WrongToken => Box::pin(wrong_token(target, messages)).await,
            Self::Abrupt => Box::pin(abrupt(target, messages)).await,
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
                let connected = session.messages.connected();
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
        observed.noted = session.checker.noted(session.now());
        session.hang_up().await;
        Ok(observed)
    }

    async fn do_odd_thing(self, session: &mut Session, voice: &mut Voice) {
        session.live(voice, Duration::from_millis(200), |_| false).await;
        let strange = match self {
            Self::StartTwice => session.messages.start(),
            Self::UnknownEvent => session.messages.message("silence", Some(json!({"duration": 5}))),
            Self::BadJson => "{\"event\":\"media\",\"media\":{\"payl".to_owned(),
            Self::EmptyPayload => session.messages.media_payload(""),
            Self::Dtmf => session.messages.dtmf('5'),
            Self::StrangeMark => session.messages.mark("never asked for"),
            Self::Clear => session.messages.clear(),
            Self::OddByte => session.messages.media_bytes(&[7; 319]),
            Self::Binary => {
                let bytes = vec![0xFF, 0x00, 0x80, 0x7F];
                return session.send_message(Message::binary(bytes)).await;
            }
            _ => return,
        };
        session.send(strange).await;
        if self == Self::OddByte {
            // The other half, so that the caller's samples are whole again.
            let rest = session.messages.media_bytes(&[7]);
            session.send(rest).await;
        }
    }
}

/// Whether the call works: an echo comes back, or the caller is greeted and the line is alive.
async fn works(session: &mut Session, profile: Profile, voice: &mut Voice) -> Verdict {
    match profile {
        Profile::Echo => {
            let before = session.received.len();
            let wanted = session.messages.call().rate.samples(200_000) * 2;
            session.live(voice, ECHO, |session| session.received.len() >= before + wanted).await;
            let came = session.received.len() - before;
            match &session.closed {
                Some(closed) => Verdict::Fail(closed.to_string()),
                None if came < wanted => Verdict::Fail(format!("{came} bytes of echo within 2 s")),
                None => Verdict::Pass(String::new()),
            }
        }
        Profile::Agent => {
            session.live(voice, GREETING, |session| session.checker.first_sound().is_some()).await;
            if session.closed.is_none() && session.checker.first_sound().is_none() {
                return Verdict::Fail("no greeting within 5 s".to_owned());
            }
            match ping(session, voice).await {
                Verdict::Pass(_) => Verdict::Pass(String::new()),
                other => other,
            }
        }
    }
}

async fn ping(session: &mut Session, voice: &mut Voice) -> Verdict {
    let (before, asked) = (session.pongs, session.now());
    session.send_message(Message::Ping("trunkline".into())).await;
    let answered = session.live(voice, Duration::from_secs(2), |session| session.pongs > before).await;
    match &session.closed {
        Some(closed) => Verdict::Fail(closed.to_string()),
        None if answered => Verdict::Pass(format!("after {:.0} ms", session.now().since(asked).as_ms())),
        None => Verdict::Fail("no pong within 2 s".to_owned()),
    }
}

/// Lets the agent finish: its audio was played, its mark is back.
async fn finish_greeting(session: &mut Session) {
    let over = |session: &Session| session.checker.is_greeting_marked() && session.line.waiting().0 == 0;
    session.live(&mut Voice::Quiet, GREETING_ENDS, over).await;
}

async fn plain(target: &Target, messages: Messages) -> Result<Observed, PhoneError> {
    let mut session = open(target, messages).await?;
    let mut observed = Observed::default();
    let took = session.handshake.as_millis();
    observed.set(Fact::Opened, Verdict::Pass(format!("101 after {took} ms")));
    session.begin().await;
    match target.profile {
        Profile::Echo => {
            let worked = works(&mut session, Profile::Echo, &mut Voice::Noise(7)).await;
            observed.set(Fact::Worked, worked);
            session.live(&mut Voice::Noise(9), Duration::from_secs(1), |_| false).await;
            let all = |session: &Session| session.received.len() >= session.sent.len();
            session.live(&mut Voice::Absent, ECHO, all).await;
            observed.set(Fact::Unchanged, unchanged(&session));
        }
        Profile::Agent => {
            let worked = works(&mut session, Profile::Agent, &mut Voice::Quiet).await;
            observed.set(Fact::Worked, worked);
            finish_greeting(&mut session).await;
            // A second greeting would come now.
            session.live(&mut Voice::Quiet, Duration::from_millis(2_500), |_| false).await;
        }
    }
    let pong = ping(&mut session, &mut Voice::Absent).await;
    observed.set(Fact::Pong, pong);
    let early = session.closed.clone();
    session.stop().await;
    let stopped = session.now();
    session.live(&mut Voice::Absent, Duration::from_secs(5), |_| false).await;
    let verdict = match (early, &session.closed) {
        (Some(closed), _) => Verdict::Fail(format!("before the stop: {closed}")),
        (None, Some(closed)) => {
            let after = closed.at.since(stopped).as_ms();
            Verdict::Pass(format!(
                "{} {after:.0} ms after the stop",
                closed.code.map_or("closed".to_owned(), |code| code.to_string())
            ))
        }
        (None, None) => Verdict::Fail("still open 5 s after the stop".to_owned()),
    };
    observed.set(Fact::Closed, verdict);
    observed.noted = session.checker.noted(session.now());
    session.hang_up().await;
    Ok(observed)
}

fn unchanged(session: &Session) -> Verdict {
    let (sent, received) = (&session.sent, &session.received);
    match sent.iter().zip(received).position(|(sent, received)| sent != received) {
        Some(at) => Verdict::Fail(format!("byte {at} is {} and was {}", received[at], sent[at])),
        None if received.len() < sent.len() => {
            Verdict::Fail(format!("{} of {} bytes came back", received.len(), sent.len()))
        }
        None if received.len() > sent.len() => {
            Verdict::Fail(format!("{} bytes came back and {} were sent", received.len(), sent.len()))
        }
        None => Verdict::Pass(format!("{} bytes", sent.len())),
    }
}

/// Speaks over the agent wherever it speaks, and provokes it where it does not.
async fn barge_in(target: &Target, messages: Messages) -> Result<Observed, PhoneError> {
    let rate = messages.call().rate;
    let mut session = open(target, messages).await?;
    let mut observed = Observed::default();
    session.begin().await;
    let mut verdict = None;
    for attempt in 0..3 {
        let talking = |session: &Session| {
            session.busy_since.is_some_and(|since| session.now().since(since) > Micros::from_ms(1_000))
        };
        let wait = Duration::from_secs(if attempt == 0 { 5 } else { 7 });
        let mut voice = Voice::speech(target, rate);
        if !session.live(&mut Voice::Quiet, wait, talking).await {
            if session.closed.is_some() {
                break;
            }
            // Say something that deserves an answer, then listen.
            session.live(&mut voice, Duration::from_millis(1_500), |_| false).await;
            continue;
        }
        let (began, before) = (session.now(), session.clears.len());
        let settled = |session: &Session| {
            session.clears.len() > before
                || session.busy_since.is_none()
                || session.now().since(began) > INTERRUPTION
        };
        session.live(&mut voice, Duration::from_secs(4), settled).await;
        if let Some(clear) = session.clears.get(before) {
            let after = clear.since(began).as_ms();
            verdict = Some(Verdict::Pass(format!("clear {after:.0} ms after the caller began")));
            break;
        }
        if session.now().since(began) > INTERRUPTION {
            let seen = format!(
                "no clear while the caller spoke over the agent for {:.1} s",
                INTERRUPTION.as_ms() / 1e3
            );
            verdict = Some(Verdict::Fail(seen));
            break;
        }
    }
    let never = || match &session.closed {
        Some(closed) => Verdict::Fail(closed.to_string()),
        None => Verdict::Skip("the agent never spoke long enough to be interrupted".to_owned()),
    };
    observed.set(Fact::Cleared, verdict.unwrap_or_else(never));
    observed.noted = session.checker.noted(session.now());
    session.hang_up().await;
    Ok(observed)
}

/// The greeting was heard, the socket breaks, and the same call comes again.
async fn reconnect(target: &Target, messages: Messages) -> Result<Observed, PhoneError> {
    let mut second = messages.call().clone();
    second.stream = format!("{}r", &second.stream[..31]);
    let mut session = open(target, messages).await?;
    session.begin().await;
    session.live(&mut Voice::Quiet, GREETING, |session| session.checker.first_sound().is_some()).await;
    let mut observed = Observed::default();
    if session.checker.first_sound().is_none() {
        observed.set(Fact::NotGreeted, Verdict::Skip("there was no first greeting".to_owned()));
        return Ok(observed);
    }
    finish_greeting(&mut session).await;
    session.live(&mut Voice::Quiet, Duration::from_millis(300), |_| false).await;
    drop(session);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut session = open(target, Messages::new(second)).await?;
    session.begin().await;
    session
        .live(&mut Voice::Quiet, Duration::from_secs(3), |session| session.checker.first_sound().is_some())
        .await;
    let verdict = match (&session.closed, session.checker.first_sound()) {
        (Some(closed), _) => Verdict::Fail(closed.to_string()),
        (None, Some(at)) => {
            Verdict::Fail(format!("speech {:.1} s after the second start", at.0 as f64 / 1e6))
        }
        (None, None) => Verdict::Pass(String::new()),
    };
    observed.set(Fact::NotGreeted, verdict);
    session.hang_up().await;
    Ok(observed)
}

async fn oversize(target: &Target, messages: Messages) -> Result<Observed, PhoneError> {
    let mut session = open(target, messages).await?;
    session.begin().await;
    let text = session.messages.media_payload(&"A".repeat(2 << 20));
    session.flood(text, Duration::from_secs(5)).await;
    let mut observed = Observed::default();
    let verdict = match &session.closed {
        Some(closed) if closed.code == Some(1009) => Verdict::Pass("1009".to_owned()),
        Some(closed) => Verdict::Fail(closed.to_string()),
        None => Verdict::Fail("still open after 5 s".to_owned()),
    };
    observed.set(Fact::Closed, verdict);
    session.hang_up().await;
    Ok(observed)
}

async fn abrupt(target: &Target, messages: Messages) -> Result<Observed, PhoneError> {
    let mut next = messages.call().clone();
    next.call = format!("{}n", &next.call[..31]);
    next.stream = format!("{}n", &next.stream[..31]);
    let mut voice = Voice::Noise(1);
    if target.profile == Profile::Agent {
        voice = Voice::Quiet;
    }
    let mut session = open(target, messages).await?;
    session.begin().await;
    session.live(&mut voice, Duration::from_millis(300), |_| false).await;
    drop(session);
    // A server that falls over is given the time to.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut session = open(target, Messages::new(next)).await?;
    session.begin().await;
    let mut observed = Observed::default();
    let worked = works(&mut session, target.profile, &mut voice).await;
    observed.set(Fact::Worked, worked);
    session.hang_up().await;
    Ok(observed)
}

/// The same URL with other credentials.
async fn wrong_token(target: &Target, messages: Messages) -> Result<Observed, PhoneError> {
    let mut observed = Observed::default();
    let url = connect::Target::parse(&target.url)?;
    let authorized = target.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    let token = target.url.split_once('?').is_some_and(|(_, query)| {
        query.split('&').any(|pair| pair.starts_with("k=") || pair.starts_with("token="))
    });
    if !authorized && url.basic.is_none() && !token || url.is_webhook() {
        observed.set(Fact::Refused, Verdict::Skip("no token is known".to_owned()));
        return Ok(observed);
    }
    let mut wrong = target.clone();
    let (base, query) = target.url.split_once('?').unwrap_or((&target.url, ""));
    let kept: Vec<&str> =
        query.split('&').filter(|pair| !pair.starts_with("k=") && !pair.starts_with("token=")).collect();
    wrong.url = format!("{base}?{}", kept.join("&"));
    if let (Some(scheme), Some(at)) =
        (wrong.url.find("://"), wrong.url.find('@').filter(|_| url.basic.is_some()))
    {
        wrong.url.replace_range(scheme + 3..=at, "");
    }
    wrong.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("authorization"));
    wrong.headers.push(("Authorization".to_owned(), "Bearer not-the-token".to_owned()));
    let verdict = match open(&wrong, messages).await {
        Err(PhoneError::Refused { status: 401, .. }) => Verdict::Pass("HTTP 401".to_owned()),
        Err(PhoneError::Refused { status, .. }) => Verdict::Fail(format!("HTTP {status}")),
        Err(error) => Verdict::Fail(error.to_string()),
        Ok(session) => {
            session.hang_up().await;
            Verdict::Fail("101: let in".to_owned())
        }
    };
    observed.set(Fact::Refused, verdict);
    Ok(observed)
}
