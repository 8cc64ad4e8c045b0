//! The scenarios that are calls of their own kind: the whole call, the interruption, the broken connection, the
//! message too long, the wrong token.

use std::time::Duration;

use call::Micros;
use tokio_tungstenite::tungstenite::Message;

use super::scenario::{ECHO, Fact, GREETING, Observed, finish_greeting, ping, works};
use super::session::{Session, Voice, open};
use super::{Profile, Target, Verdict};
use crate::exotel::Messages;
use crate::phone::PhoneError;
use crate::side::Side;
use crate::wire;

/// How much speech over the agent must be answered by a clear.
const INTERRUPTION: Micros = Micros::from_ms(2_500);

/// A whole call, from the handshake to the close.
pub(super) async fn plain(target: &Target, messages: Messages) -> Result<Observed, PhoneError> {
    Ok(talk(open(target, messages).await?, target.profile).await)
}

/// A whole call on a socket that was just opened.
pub(super) async fn talk<S: Side>(mut session: Session<S>, profile: Profile) -> Observed {
    let mut observed = Observed::default();
    let took = session.handshake.as_millis();
    observed.set(Fact::Opened, Verdict::Pass(format!("101 after {took} ms")));
    session.begin().await;
    match profile {
        Profile::Echo => {
            let worked = works(&mut session, Profile::Echo, &mut Voice::Noise(7)).await;
            observed.set(Fact::Worked, worked);
            session.live(&mut Voice::Noise(9), Duration::from_secs(1), |_| false).await;
            let all = |session: &Session<S>| session.seen.received.len() >= session.seen.sent.len();
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
    if session.side.closes_after_stop() {
        session.live(&mut Voice::Absent, Duration::from_millis(700), |_| false).await;
        session.send_message(Message::Close(None)).await;
    }
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
    observed.noted = session.side.watch().findings(session.now());
    session.hang_up().await;
    observed
}

fn unchanged<S>(session: &Session<S>) -> Verdict {
    let (sent, received) = (&session.seen.sent, &session.seen.received);
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
pub(super) async fn barge_in(target: &Target, messages: Messages) -> Result<Observed, PhoneError> {
    Ok(interrupt(open(target, messages).await?, target).await)
}

/// The same on a socket that was just opened.
pub(super) async fn interrupt<S: Side>(mut session: Session<S>, target: &Target) -> Observed {
    let rate = session.side.rate();
    let mut observed = Observed::default();
    session.begin().await;
    let mut verdict = None;
    for attempt in 0..3 {
        let talking =
            |session: &Session<S>| session.speaks_for().is_some_and(|length| length > Micros::from_ms(1_000));
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
        let (began, before) = (session.now(), session.seen.clears.len());
        let settled = |session: &Session<S>| {
            session.seen.clears.len() > before
                || session.speaks_for().is_none()
                || session.now().since(began) > INTERRUPTION
        };
        session.live(&mut voice, Duration::from_secs(4), settled).await;
        if let Some(clear) = session.seen.clears.get(before) {
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
    let verdict = verdict.unwrap_or_else(never);
    if matches!(verdict, Verdict::Pass(_)) {
        // What the clear brought back has reached the server by then.
        session.live(&mut Voice::Quiet, Duration::from_millis(500), |_| false).await;
        let pong = ping(&mut session, &mut Voice::Quiet).await;
        observed.set(Fact::Worked, pong);
    }
    observed.set(Fact::Cleared, verdict);
    observed.noted = session.side.watch().findings(session.now());
    session.hang_up().await;
    observed
}

/// The greeting was heard, the socket breaks, and the same call comes again.
pub(super) async fn reconnect(target: &Target, messages: Messages) -> Result<Observed, PhoneError> {
    let mut second = messages.call().clone();
    second.stream = format!("{}r", &second.stream[..31]);
    let mut session = open(target, messages).await?;
    session.begin().await;
    session.live(&mut Voice::Quiet, GREETING, |session| session.side.watch().first_sound().is_some()).await;
    let mut observed = Observed::default();
    if session.side.watch().first_sound().is_none() {
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
        .live(&mut Voice::Quiet, Duration::from_secs(3), |session| {
            session.side.watch().first_sound().is_some()
        })
        .await;
    let verdict = match (&session.closed, session.side.watch().first_sound()) {
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

pub(super) async fn oversize(target: &Target, messages: Messages) -> Result<Observed, PhoneError> {
    let mut session = open(target, messages).await?;
    session.begin().await;
    let text = session.side.messages.media_payload(&"A".repeat(2 << 20));
    Ok(too_long(session, text).await)
}

/// One message of this length, which is too much.
pub(super) async fn too_long<S: Side>(mut session: Session<S>, text: String) -> Observed {
    session.flood(text, Duration::from_secs(5)).await;
    let mut observed = Observed::default();
    let verdict = match &session.closed {
        Some(closed) if closed.code == Some(1009) => Verdict::Pass("1009".to_owned()),
        Some(closed) => Verdict::Fail(closed.to_string()),
        None => Verdict::Fail("still open after 5 s".to_owned()),
    };
    observed.set(Fact::Closed, verdict);
    session.hang_up().await;
    observed
}

pub(super) async fn abrupt(target: &Target, messages: Messages) -> Result<Observed, PhoneError> {
    let mut next = messages.call().clone();
    next.call = format!("{}n", &next.call[..31]);
    next.stream = format!("{}n", &next.stream[..31]);
    break_off(open(target, messages).await?, target.profile).await;
    Ok(next_call(open(target, Messages::new(next)).await?, target.profile).await)
}

/// A call whose connection breaks.
pub(super) async fn break_off<S: Side>(mut session: Session<S>, profile: Profile) {
    session.begin().await;
    session.live(&mut voice_for(profile), Duration::from_millis(300), |_| false).await;
    drop(session);
    // A server that falls over is given the time to.
    tokio::time::sleep(Duration::from_millis(300)).await;
}

/// Whether the call after it works.
pub(super) async fn next_call<S: Side>(mut session: Session<S>, profile: Profile) -> Observed {
    session.begin().await;
    let mut observed = Observed::default();
    let worked = works(&mut session, profile, &mut voice_for(profile)).await;
    observed.set(Fact::Worked, worked);
    session.hang_up().await;
    observed
}

fn voice_for(profile: Profile) -> Voice {
    match profile {
        Profile::Echo => Voice::Noise(1),
        Profile::Agent => Voice::Quiet,
    }
}

/// The same URL with other credentials.
pub(super) async fn wrong_token(target: &Target, messages: Messages) -> Result<Observed, PhoneError> {
    let mut observed = Observed::default();
    let url = wire::Target::parse(&target.url)?;
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
