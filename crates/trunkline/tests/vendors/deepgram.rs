//! Deepgram, against its stand-in.

use std::time::Duration;

use audio::SampleRate;
use call::{FaultClass, Heard, Input, SpeechId, UtteranceId, Voiced};
use providers::{DialectOptions, QueryValue, deepgram};
use sim::vendors::{Delays, VendorServer, World};

use crate::ear::Call;
use crate::scene::{Inbox, check, options, quick, with};
use crate::voice::{Talk, length};
use crate::{ear, voice};

const VOICE: voice::Way = voice::Way::Http(deepgram::voice);
const SOCKET: voice::Way = voice::Way::Socket(deepgram::voice_socket);
const RECORDED: ear::Way = ear::Way::Http(deepgram::ear);
const LISTEN: ear::Way = ear::Way::Socket(deepgram::ear_socket);
const RATE: SampleRate = SampleRate::HZ_8000;

/// What goes wrong only at a WebSocket.
const SOCKETS: [(&str, FaultClass); 4] = [
    ("hang-websocket", FaultClass::Slow),
    ("cut-websocket", FaultClass::Network),
    ("no-websocket", FaultClass::Auth),
    ("mute", FaultClass::Slow),
];

/// The three shapes of an error, and statuses that not every vendor has.
const SHAPES: [(&str, FaultClass); 4] = [
    ("x-shape-plain", FaultClass::Config),
    ("x-shape-category", FaultClass::Config),
    ("fail-402", FaultClass::Quota),
    ("fail-504", FaultClass::Busy),
];

#[tokio::test]
async fn a_voice_speaks_over_http() {
    voice::speaks(VOICE).await;
    voice::speaks_several(VOICE).await;
    voice::waits(VOICE).await;
}

#[tokio::test]
async fn a_voice_over_http_fails_as_what_it_is() {
    voice::fails(VOICE, &SHAPES).await;
    let own = [
        ("in-stream-error", FaultClass::Busy),
        ("drip", FaultClass::Slow),
        ("mute", FaultClass::Slow),
        ("fail-413", FaultClass::Config),
    ];
    voice::fails(VOICE, &own).await;
    voice::recovers(VOICE).await;
    voice::is_probed(VOICE).await;
}

#[tokio::test]
async fn a_header_that_nobody_asked_for_is_taken_off() {
    let server = quick().await;
    let mut talk = Talk::open(&*VOICE.voice(&server, "x-wav-anyway"), RATE);
    let _running = talk.speaker.speak(UtteranceId(1), "Hello.".to_owned());
    let ends = talk.ends(&[1], RATE).await;
    assert_eq!((ends[0].1.0.len(), &ends[0].1.1), (length("Hello.", RATE), &Ok(())));
}

#[tokio::test]
async fn a_voice_speaks_over_its_socket() {
    voice::speaks(SOCKET).await;
    voice::speaks_several(SOCKET).await;
    voice::waits(SOCKET).await;
}

#[tokio::test]
async fn a_voice_over_its_socket_fails_as_what_it_is() {
    voice::fails(SOCKET, &SHAPES).await;
    voice::fails(SOCKET, &SOCKETS).await;
    let own = [
        ("in-stream-error", FaultClass::Busy),
        ("drip", FaultClass::Slow),
        ("x-close-early", FaultClass::Busy),
    ];
    voice::fails(SOCKET, &own).await;
    voice::recovers(SOCKET).await;
    voice::is_probed(SOCKET).await;
}

#[tokio::test]
async fn messages_of_no_known_type_are_no_fault() {
    let server = quick().await;
    let mut talk = Talk::open(&*SOCKET.voice(&server, "x-unknown-type"), RATE);
    let _running = talk.speaker.speak(UtteranceId(1), "Hello.".to_owned());
    assert_eq!(talk.ends(&[1], RATE).await[0].1.1, Ok(()));
    let mut call = Call::open(&*LISTEN.ear(&server, "x-unknown-type"), RATE);
    call.speaks(1, 800);
    call.finish(1);
    let heard = call.settled(1).await.1;
    assert!(matches!(&heard, Ok(Heard::Final(text)) if !text.is_empty()), "{heard:?}");
}

/// Also where the vendor sends on for a while after it was told to stop.
#[tokio::test]
async fn what_was_interrupted_is_never_heard_again() {
    for key in ["test", "x-late-binary"] {
        let server = with(Delays { voice_ms: 30, ..Delays::none() }).await;
        let mut talk = Talk::open(&*SOCKET.voice(&server, key), RATE);
        for round in 0..4 {
            let say = |index| {
                let text = "A long sentence that nobody wants to hear.".to_owned();
                (UtteranceId(10 * round + index), text)
            };
            let running = (0..3).map(say).map(|(id, text)| talk.speaker.speak(id, text)).collect::<Vec<_>>();
            // The first sound of the first of them is heard, then all are withdrawn.
            let Input::Voiced { utterance, .. } = talk.inbox.next().await else { panic!() };
            assert_eq!(utterance, UtteranceId(10 * round), "{key}");
            drop(running);
            let _running = talk.speaker.speak(UtteranceId(10 * round + 9), "Yes?".to_owned());
            loop {
                let Input::Voiced { utterance, what } = talk.inbox.next().await else { panic!() };
                // Pieces of the first may have been on their way to the call before it was withdrawn.
                if utterance == UtteranceId(10 * round + 9) {
                    assert!(matches!(what, Voiced::Audio { .. }), "{key}: {what:?}");
                    break;
                }
                assert_eq!(utterance, UtteranceId(10 * round), "{key}");
            }
            let ends = loop {
                let Input::Voiced { utterance, what } = talk.inbox.next().await else { panic!() };
                assert_eq!(utterance, UtteranceId(10 * round + 9), "{key}: {what:?}");
                if !matches!(what, Voiced::Audio { .. }) {
                    break what;
                }
            };
            assert_eq!(ends, Voiced::Done, "{key}");
        }
        assert_eq!(server.ledger().breaches(), Vec::<String>::new(), "{key}");
        assert_eq!(server.ledger().count("deepgram/speak-socket"), 1, "{key}: on one socket");
    }
}

/// One is withdrawn while it is spoken; those behind it are spoken all the same, whole and in order.
#[tokio::test]
async fn what_waits_behind_a_withdrawn_one_is_spoken() {
    let server = quick().await;
    let mut talk = Talk::open(&*SOCKET.voice(&server, "test"), RATE);
    let text = "A sentence of some length, so that it takes a while.".to_owned();
    let first = talk.speaker.speak(UtteranceId(1), text);
    let _rest =
        [(2, "Two."), (3, "Three.")].map(|(id, text)| talk.speaker.speak(UtteranceId(id), text.to_owned()));
    let Input::Voiced { utterance: UtteranceId(1), .. } = talk.inbox.next().await else { panic!() };
    drop(first);
    let mut heard = std::collections::BTreeMap::<u32, usize>::new();
    let mut done = Vec::new();
    while done.len() < 2 {
        let Input::Voiced { utterance: UtteranceId(id), what } = talk.inbox.next().await else { panic!() };
        match what {
            Voiced::Audio { pcm, .. } => *heard.entry(id).or_default() += pcm.len(),
            end => done.push((id, end)),
        }
    }
    assert_eq!(done, [(2, Voiced::Done), (3, Voiced::Done)]);
    assert_eq!((heard[&2], heard[&3]), (length("Two.", RATE), length("Three.", RATE)));
}

/// The vendor flushes twenty times a minute. The text after that is refused at once, for another way to speak it.
#[tokio::test]
async fn the_twenty_first_text_of_a_minute_is_refused_and_no_other_is_harmed() {
    for key in ["test", "x-old-warning"] {
        let server = quick().await;
        let mut talk = Talk::open(&*SOCKET.voice(&server, key), RATE);
        let running =
            (1..=21).map(|id| talk.speaker.speak(UtteranceId(id), "Ja.".to_owned())).collect::<Vec<_>>();
        let ends = talk.ends(&(1..=21).collect::<Vec<_>>(), RATE).await;
        drop(running);
        for (id, (samples, end)) in ends {
            match end {
                Ok(()) => assert_eq!((id < 21, samples.len()), (true, length("Ja.", RATE)), "{key} {id}"),
                Err(fault) => {
                    check(&fault, FaultClass::Rate, key);
                    assert_eq!((id, samples.len(), fault.retry_after_ms), (21, 0, Some(60_000)), "{key}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_recogniser_hears_over_http() {
    ear::hears(RECORDED).await;
    ear::hears_nothing(RECORDED).await;
}

#[tokio::test]
async fn a_recogniser_over_http_fails_as_what_it_is() {
    ear::fails(RECORDED, &SHAPES).await;
    let own = [("in-stream-error", FaultClass::Busy), ("mute", FaultClass::Slow), ("drip", FaultClass::Slow)];
    ear::fails(RECORDED, &own).await;
    ear::recovers(RECORDED).await;
    ear::is_probed(RECORDED).await;
}

#[tokio::test]
async fn a_recogniser_hears_over_its_socket() {
    ear::hears(LISTEN).await;
    ear::hears_nothing(LISTEN).await;
    ear::loses_nothing(LISTEN, "deepgram/listen").await;
}

#[tokio::test]
async fn a_recogniser_over_its_socket_fails_as_what_it_is() {
    ear::fails(LISTEN, &SHAPES).await;
    ear::fails(LISTEN, &SOCKETS).await;
    let own = [
        ("in-stream-error", FaultClass::Busy),
        ("drip", FaultClass::Slow),
        ("x-close-early", FaultClass::Busy),
        ("x-undecodable", FaultClass::Config),
    ];
    ear::fails(LISTEN, &own).await;
    ear::recovers(LISTEN).await;
    ear::is_probed(LISTEN).await;
}

#[tokio::test]
async fn a_text_in_pieces_is_put_together() {
    for key in ["x-finals-split", "x-empty-finals"] {
        let server = quick().await;
        let mut call = Call::open(&*LISTEN.ear(&server, key), RATE);
        call.speaks(1, 900);
        call.finish(1);
        let heard = call.settled(1).await.1;
        assert_eq!(heard, Ok(Heard::Final("what are your opening hours".to_owned())), "{key}");
    }
}

/// The vendor's own end of the utterance comes before ours, and settles the stretch; the next one is another.
#[tokio::test]
async fn the_vendors_own_ear_finds_the_pause() {
    let server = quick().await;
    let mut call = Call::open(&*LISTEN.ear(&server, "test"), RATE);
    call.speaks(1, 1_200);
    call.quiet(400);
    let (partials, what) = call.settled(1).await;
    assert_eq!(what, Ok(Heard::Pause("what are your opening hours".to_owned())));
    assert!(partials.contains(&"what".to_owned()), "{partials:?}");
    call.finish(1);
    call.speaks(2, 500);
    call.finish(2);
    assert_eq!(call.settled(2).await.1, Ok(Heard::Final("thank you".to_owned())));
    assert_eq!(server.ledger().breaches(), Vec::<String>::new());
}

/// Without an answer to `Finalize`, the vendor's own pause still comes.
#[tokio::test]
async fn an_unanswered_end_is_settled_by_the_pause() {
    let server = quick().await;
    let mut call = Call::open(&*LISTEN.ear(&server, "x-no-finalize"), RATE);
    call.speaks(1, 800);
    call.finish(1);
    call.quiet(200);
    assert_eq!(call.settled(1).await.1, Ok(Heard::Pause("what are your opening hours".to_owned())));
}

/// The vendor closes after so long without anything: half of 10 s here, in which a sign of life is sent.
#[tokio::test]
async fn a_quiet_socket_is_kept_open() {
    let server = with(Delays { idle_percent: 50, ..Delays::none() }).await;
    let mut call = Call::open(&*LISTEN.ear(&server, "test"), RATE);
    call.quiet(100);
    tokio::time::sleep(Duration::from_millis(6_500)).await;
    call.speaks(1, 800);
    call.finish(1);
    let heard = call.settled(1).await.1;
    assert!(matches!(&heard, Ok(Heard::Final(text)) if !text.is_empty()), "{heard:?}");
    assert_eq!(server.ledger().count("deepgram/listen"), 1);
}

#[tokio::test]
async fn a_socket_that_was_closed_for_being_idle_says_so() {
    let server = with(Delays { idle_percent: 1, ..Delays::none() }).await;
    let mut call = Call::open(&*LISTEN.ear(&server, "test"), RATE);
    call.quiet(100);
    check(&call.settled(1).await.1.unwrap_err(), FaultClass::Idle, "idle");
}

#[tokio::test]
async fn what_the_documents_do_not_know_is_refused_as_a_fault_of_the_configuration() {
    let refused = async |way: ear::Way, name: &str, value: &str| {
        let server = quick().await;
        let mut options = options(&server, "test");
        options.role.query.insert(name.to_owned(), QueryValue::Text(value.to_owned()));
        let mut call = Call::open(&*way.ear_with(options, "test"), RATE);
        call.speaks(1, 400);
        call.finish(1);
        check(&call.settled(1).await.1.unwrap_err(), FaultClass::Config, name);
    };
    for way in [LISTEN, RECORDED] {
        refused(way, "model", "nowhere-1").await;
        refused(way, "langauge", "en").await;
    }
    refused(LISTEN, "endpointing", "soon").await;
}

/// A recogniser that takes turns.
fn flux(server: &VendorServer, key: &str, eager: bool) -> Call {
    let mut options: DialectOptions = options(server, key);
    options.role.model = Some("flux-general-en".to_owned());
    if eager {
        options.role.query.insert("eager_eot_threshold".to_owned(), QueryValue::Number(0.4));
    }
    Call::open(&*LISTEN.ear_with(options, key), RATE)
}

/// The next that is heard, but partials.
async fn next(inbox: &mut Inbox) -> (u32, Heard) {
    loop {
        let Input::Heard { speech: SpeechId(speech), what } = inbox.next().await else { panic!() };
        if !matches!(what, Heard::Partial(_)) {
            return (speech, what);
        }
    }
}

#[tokio::test]
async fn a_turn_is_over_when_the_vendor_says_so() {
    let server = quick().await;
    let mut call = flux(&server, "test", false);
    call.quiet(200);
    for (id, text) in [(1, "what are your opening hours"), (2, "thank you")] {
        call.speaks(id, 1_000);
        call.finish(id);
        call.quiet(200);
        assert_eq!(next(&mut call.inbox).await, (id, Heard::TurnOver(text.to_owned())));
    }
    let ledger = server.ledger();
    assert_eq!(ledger.breaches(), Vec::<String>::new());
    assert_eq!(ledger.all().iter().map(|line| line.samples).sum::<u64>(), call.given as u64);
}

#[tokio::test]
async fn a_likely_end_is_told_and_taken_back() {
    let server = quick().await;
    let mut call = flux(&server, "test", true);
    call.speaks(1, 800);
    call.finish(1);
    assert_eq!(next(&mut call.inbox).await, (1, Heard::Likely("what are your opening hours".to_owned())));
    call.speaks(2, 600);
    assert_eq!(next(&mut call.inbox).await, (2, Heard::GoesOn));
    let all = "what are your opening hours thank you".to_owned();
    call.finish(2);
    assert_eq!(next(&mut call.inbox).await, (2, Heard::Likely(all.clone())));
    call.quiet(200);
    assert_eq!(next(&mut call.inbox).await, (1, Heard::Final(String::new())));
    assert_eq!(next(&mut call.inbox).await, (2, Heard::TurnOver(all)));
}

/// The line falls silent in the middle of a turn: the vendor is given silence, or the turn would never end.
#[tokio::test]
async fn a_gap_in_the_audio_does_not_hold_the_turn_up() {
    let server = quick().await;
    let mut call = flux(&server, "test", false);
    call.speaks(1, 1_000);
    assert_eq!(next(&mut call.inbox).await, (1, Heard::TurnOver("what are your opening hours".to_owned())));
}

#[tokio::test]
async fn a_recogniser_that_takes_turns_fails_as_what_it_is() {
    let own = [
        ("in-stream-error", FaultClass::Busy),
        ("x-no-connected", FaultClass::Slow),
        ("x-close-early", FaultClass::Network),
        ("fail-401", FaultClass::Auth),
        ("fail-429", FaultClass::Rate),
        ("garbage", FaultClass::Garbage),
        ("stall", FaultClass::Slow),
    ];
    for (key, class) in own.iter().chain(&SOCKETS) {
        let server = quick().await;
        let mut call = flux(&server, key, false);
        call.speaks(1, 1_000);
        call.finish(1);
        check(&call.settled(1).await.1.expect_err(key), *class, key);
    }
}

#[tokio::test]
async fn a_short_lived_token_goes_as_a_bearer() {
    let server = VendorServer::start(World::default()).await.unwrap();
    let mut call = Call::open(&*LISTEN.ear(&server, "head.claims.signature"), RATE);
    call.speaks(1, 600);
    call.finish(1);
    assert!(call.settled(1).await.1.is_ok());
}
