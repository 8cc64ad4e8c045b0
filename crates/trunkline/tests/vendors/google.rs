//! Google Cloud's speech, against its stand-in.

use std::sync::Arc;

use audio::SampleRate;
use call::{FaultClass, Heard, UtteranceId};
use providers::driver::{ExchangedTokens, HttpEar, HttpVoice};
use providers::google::{GoogleEar, GoogleVoice, ServiceAccount};
use providers::{DialectOptions, Role, TextToSpeech, Transport};
use sim::vendors::{VendorServer, service_account};

use crate::scene::{check, link, net, options, patience, quick};
use crate::voice::{Talk, length};
use crate::{ear, voice};

const VOICE: voice::Way = voice::Way::Http(|options| Arc::new(GoogleVoice::new(options)));
const EAR: ear::Way = ear::Way::Http(|options| Arc::new(GoogleEar::new(options)));
const RATE: SampleRate = SampleRate::HZ_8000;

/// What only Google does.
const OWN: [(&str, FaultClass); 4] = [
    ("x-bad-key", FaultClass::Auth),
    ("mute", FaultClass::Slow),
    ("drip", FaultClass::Slow),
    ("in-stream-error", FaultClass::Network),
];

#[tokio::test]
async fn a_voice_speaks() {
    voice::speaks(VOICE).await;
    voice::speaks_several(VOICE).await;
    voice::waits(VOICE).await;
}

#[tokio::test]
async fn a_voice_fails_as_what_it_is() {
    voice::fails(VOICE, &OWN).await;
    voice::recovers(VOICE).await;
    voice::is_probed(VOICE).await;
}

#[tokio::test]
async fn a_header_without_sizes_is_taken_off() {
    let server = quick().await;
    let mut talk = Talk::open(&*VOICE.voice(&server, "x-open-sizes"), RATE);
    let _running = talk.speaker.speak(UtteranceId(1), "Hello.".to_owned());
    let ends = talk.ends(&[1], RATE).await;
    assert_eq!((ends[0].1.0.len(), &ends[0].1.1), (length("Hello.", RATE), &Ok(())));
}

#[tokio::test]
async fn a_wish_to_be_left_alone_is_heard() {
    let server = quick().await;
    let mut talk = Talk::open(&*VOICE.voice(&server, "fail-429"), RATE);
    let _running = talk.speaker.speak(UtteranceId(1), "Hello.".to_owned());
    let fault = talk.ends(&[1], RATE).await[0].1.1.clone().unwrap_err();
    assert_eq!(fault.retry_after_ms, Some(2_000), "{fault}");
}

#[tokio::test]
async fn a_recogniser_hears() {
    ear::hears(EAR).await;
    ear::hears_nothing(EAR).await;
}

#[tokio::test]
async fn a_recogniser_fails_as_what_it_is() {
    ear::fails(EAR, &OWN).await;
    ear::recovers(EAR).await;
    ear::is_probed(EAR).await;
}

#[tokio::test]
async fn a_text_in_two_results_is_one() {
    let server = quick().await;
    let mut call = ear::Call::open(&*EAR.ear(&server, "x-split"), RATE);
    call.speaks(1, 600);
    call.finish(1);
    let wanted = Heard::Final("what are your opening hours".to_owned());
    assert_eq!(call.settled(1).await.1, Ok(wanted));
    // What callers are expected to say goes along.
    assert!(server.ledger().all()[0].body.contains(r#""speechContexts":[{"phrases":["opening hours"]}]"#));
}

/// A service account instead of a key.
fn account(server: &VendorServer, manner: &str) -> (DialectOptions, Arc<ExchangedTokens>) {
    let file = service_account(&server.url(), manner);
    let account = Arc::new(ServiceAccount::from_key_file(file.as_bytes()).unwrap());
    let tokens = ExchangedTokens::new(link(Role::TextToSpeech, Transport::Http), account, net());
    (DialectOptions { key: None, ..options(server, "") }, Arc::new(tokens))
}

#[tokio::test]
async fn a_service_account_asks_for_one_token_for_all_its_calls() {
    let server = quick().await;
    let (options, tokens) = account(&server, "test");
    let dialect = Arc::new(GoogleVoice::new(options.clone()));
    let link_of = |role| link(role, Transport::Http);
    let voice = HttpVoice::new(link_of(Role::TextToSpeech), dialect, net()).with_tokens(tokens.clone());
    let mut talk = Talk::open(&voice, RATE);
    let running =
        (1..=4).map(|id| talk.speaker.speak(UtteranceId(id), "Hello.".to_owned())).collect::<Vec<_>>();
    for (_, (samples, end)) in talk.ends(&[1, 2, 3, 4], RATE).await {
        assert_eq!((samples.len(), end), (length("Hello.", RATE), Ok(())));
    }
    drop(running);
    let ear = HttpEar::new(link_of(Role::SpeechToText), Arc::new(GoogleEar::new(options)), net());
    let mut call = ear::Call::open(&ear.with_tokens(tokens), RATE);
    call.speaks(1, 600);
    call.finish(1);
    assert!(matches!(call.settled(1).await.1, Ok(Heard::Final(text)) if !text.is_empty()));
    assert_eq!(server.ledger().count("google/token"), 1);
    assert_eq!(server.ledger().breaches(), Vec::<String>::new());
}

#[tokio::test]
async fn an_account_that_is_refused_is_a_fault_of_its_key() {
    for (manner, class) in [("x-no-account", FaultClass::Auth), ("fail-403", FaultClass::Auth)] {
        let server = quick().await;
        let (options, tokens) = account(&server, manner);
        let link = link(Role::TextToSpeech, Transport::Http);
        let voice = HttpVoice::new(link, Arc::new(GoogleVoice::new(options)), net());
        let voice: Box<dyn TextToSpeech> =
            Box::new(voice.with_tokens(tokens).with_patience(patience(manner)));
        let mut talk = Talk::open(&*voice, RATE);
        let _running = talk.speaker.speak(UtteranceId(1), "Hello.".to_owned());
        check(&talk.ends(&[1], RATE).await[0].1.1.clone().unwrap_err(), class, manner);
    }
}
