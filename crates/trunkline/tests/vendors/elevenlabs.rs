//! ElevenLabs, against its stand-in.

use std::sync::Arc;

use audio::SampleRate;
use call::{FaultClass, Heard, Input, SpeechId, UtteranceId};
use providers::QueryValue;
use providers::elevenlabs::{ElevenVoice, ElevenVoiceSocket, Scribe, ScribeSocket};
use sim::vendors::Delays;

use crate::scene::{check, options, quick, with};
use crate::voice::{Talk, length};
use crate::{ear, voice};

const VOICE: voice::Way = voice::Way::Http(|options| Arc::new(ElevenVoice::new(options)));
const SOCKET: voice::Way = voice::Way::Socket(|options| Arc::new(ElevenVoiceSocket::new(options)));
const SCRIBE: ear::Way = ear::Way::Http(|options| Arc::new(Scribe::new(options)));
const REALTIME: ear::Way = ear::Way::Socket(|options| Arc::new(ScribeSocket::new(options)));
const RATE: SampleRate = SampleRate::HZ_8000;

/// What only ElevenLabs does, at all of its doors.
const OWN: [(&str, FaultClass); 5] = [
    ("x-concurrent", FaultClass::Rate),
    ("x-busy", FaultClass::Busy),
    ("x-validation", FaultClass::Config),
    ("fail-404", FaultClass::Config),
    ("mute", FaultClass::Slow),
];

#[tokio::test]
async fn a_voice_speaks_over_http() {
    voice::speaks(VOICE).await;
    voice::speaks_several(VOICE).await;
    voice::waits(VOICE).await;
}

#[tokio::test]
async fn a_voice_over_http_fails_as_what_it_is() {
    voice::fails(VOICE, &OWN).await;
    voice::fails(VOICE, &[("in-stream-error", FaultClass::Network), ("drip", FaultClass::Slow)]).await;
    voice::recovers(VOICE).await;
    voice::is_probed(VOICE).await;
}

#[tokio::test]
async fn a_voice_speaks_over_its_socket() {
    voice::speaks(SOCKET).await;
    voice::speaks_several(SOCKET).await;
    voice::waits(SOCKET).await;
}

#[tokio::test]
async fn a_voice_over_its_socket_fails_as_what_it_is() {
    voice::fails(SOCKET, &OWN).await;
    let own = [
        ("in-stream-error", FaultClass::Busy),
        ("drip", FaultClass::Slow),
        ("x-too-big", FaultClass::Config),
        ("x-no-final", FaultClass::Slow),
        ("hang-websocket", FaultClass::Slow),
        ("cut-websocket", FaultClass::Network),
        ("no-websocket", FaultClass::Auth),
    ];
    voice::fails(SOCKET, &own).await;
    voice::recovers(SOCKET).await;
    voice::is_probed(SOCKET).await;
}

#[tokio::test]
async fn both_spellings_of_the_socket_are_understood() {
    let server = quick().await;
    let mut talk = Talk::open(&*SOCKET.voice(&server, "x-snake"), RATE);
    let _running = talk.speaker.speak(UtteranceId(1), "Hello.".to_owned());
    let ends = talk.ends(&[1], RATE).await;
    assert_eq!((ends[0].1.0.len(), &ends[0].1.1), (length("Hello.", RATE), &Ok(())));
}

/// An interruption: what was being spoken and what waited is withdrawn, more than once, and only the answer that is
/// wanted is heard. The vendor sees no context more than it allows.
#[tokio::test]
async fn what_was_interrupted_is_never_heard_again() {
    let server = with(Delays { voice_ms: 30, ..Delays::none() }).await;
    let mut talk = Talk::open(&*SOCKET.voice(&server, "test"), RATE);
    for round in 0..6 {
        let running = (0..3).map(|index| {
            talk.speaker.speak(
                UtteranceId(10 * round + index),
                "A long sentence that nobody wants to hear.".to_owned(),
            )
        });
        drop(running.collect::<Vec<_>>());
    }
    // Audio of the old may be on its way to the call, and is the core's to drop; none comes once it was withdrawn.
    let _running = talk.speaker.speak(UtteranceId(99), "Yes?".to_owned());
    let ends = talk.ends(&[99], RATE).await;
    assert_eq!((ends[0].1.0.len(), &ends[0].1.1), (length("Yes?", RATE), &Ok(())));
    assert_eq!(server.ledger().breaches(), Vec::<String>::new());
    assert_eq!(server.ledger().count("elevenlabs/multi"), 1, "on one socket");
}

/// The vendor closes a socket that is quiet for too long: the next sentence is spoken all the same.
#[tokio::test]
async fn a_socket_that_was_closed_for_being_idle_is_opened_again() {
    // The 180 s that the client asks for are 1.8 s.
    let server = with(Delays { idle_percent: 1, ..Delays::none() }).await;
    let mut talk = Talk::open(&*SOCKET.voice(&server, "test"), RATE);
    let _first = talk.speaker.speak(UtteranceId(1), "Hello.".to_owned());
    assert_eq!(talk.ends(&[1], RATE).await[0].1.1, Ok(()));
    tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
    let _second = talk.speaker.speak(UtteranceId(2), "Are you there?".to_owned());
    assert_eq!(talk.ends(&[2], RATE).await[0].1.1, Ok(()));
    assert_eq!(server.ledger().count("elevenlabs/multi"), 2);
}

#[tokio::test]
async fn scribe_hears_over_http() {
    ear::hears(SCRIBE).await;
    ear::hears_nothing(SCRIBE).await;
}

#[tokio::test]
async fn scribe_over_http_fails_as_what_it_is() {
    ear::fails(SCRIBE, &OWN).await;
    ear::fails(SCRIBE, &[("in-stream-error", FaultClass::Network)]).await;
    ear::recovers(SCRIBE).await;
    ear::is_probed(SCRIBE).await;
}

#[tokio::test]
async fn scribe_hears_over_its_socket() {
    ear::hears(REALTIME).await;
    ear::hears_nothing(REALTIME).await;
    ear::loses_nothing(REALTIME, "elevenlabs/scribe-realtime").await;
}

#[tokio::test]
async fn scribe_over_its_socket_fails_as_what_it_is() {
    ear::fails(REALTIME, &OWN).await;
    let own = [
        ("in-stream-error", FaultClass::Busy),
        ("x-auth_error", FaultClass::Auth),
        ("x-quota_exceeded", FaultClass::Quota),
        ("x-rate_limited", FaultClass::Rate),
        ("x-queue_overflow", FaultClass::Busy),
        ("x-session_time_limit_exceeded", FaultClass::Lifetime),
        ("x-input_error", FaultClass::Config),
        ("hang-websocket", FaultClass::Slow),
        ("cut-websocket", FaultClass::Network),
        ("no-websocket", FaultClass::Auth),
    ];
    ear::fails(REALTIME, &own).await;
    ear::recovers(REALTIME).await;
    ear::is_probed(REALTIME).await;
}

/// What is wrong with the query is told on a socket that was accepted.
#[tokio::test]
async fn a_query_that_scribe_does_not_take_is_a_fault_of_the_configuration() {
    let server = quick().await;
    let mut options = options(&server, "test");
    options.role.query.insert("commit_strategy".to_owned(), QueryValue::Text("sometimes".to_owned()));
    let mut call = ear::Call::open(&*REALTIME.ear_with(options, "test"), RATE);
    call.speaks(1, 400);
    call.finish(1);
    check(&call.settled(1).await.1.unwrap_err(), FaultClass::Config, "query");
}

#[tokio::test]
async fn scribes_own_ear_finds_the_pause() {
    let server = quick().await;
    let mut options = options(&server, "test");
    options.role.query.insert("commit_strategy".to_owned(), QueryValue::Text("vad".to_owned()));
    options.role.query.insert("vad_silence_threshold_secs".to_owned(), QueryValue::Number(0.3));
    options.role.query.insert("include_timestamps".to_owned(), QueryValue::Bool(true));
    let mut call = ear::Call::open(&*REALTIME.ear_with(options, "test"), RATE);
    call.speaks(1, 900);
    call.quiet(400);
    let (partials, what) = call.settled(1).await;
    assert_eq!(what, Ok(Heard::Pause("what are your opening hours".to_owned())));
    assert!(partials.contains(&"what are your".to_owned()), "{partials:?}");
    // Its end was settled by the pause; the next stretch is another.
    call.finish(1);
    call.speaks(2, 500);
    call.finish(2);
    call.quiet(200);
    assert_eq!(call.settled(2).await.1, Ok(Heard::Final("thank you".to_owned())));
}

#[tokio::test]
async fn what_scribe_commits_by_itself_is_part_of_the_stretch() {
    let server = quick().await;
    let mut call = ear::Call::open(&*REALTIME.ear(&server, "x-auto-commit"), RATE);
    call.speaks(1, 1_900);
    let whole = Heard::Partial("what are your opening hours".to_owned());
    while call.inbox.next().await != (Input::Heard { speech: SpeechId(1), what: whole.clone() }) {}
    call.finish(1);
    let (_, what) = call.settled(1).await;
    assert_eq!(what, Ok(Heard::Final("what are your opening hours thank you".to_owned())));
}
