//! The built-in voice, with the real library: that it speaks, streams, stops and says what is missing.

use std::sync::Arc;

use audio::{SampleRate, level_db};
use call::{Input, UtteranceId, Voiced};
use providers::local::flite::{FliteError, render};
use providers::local::{FliteVoice, VoiceName, VoicePool};
use providers::{Answers, TextToSpeech as _, VoiceSpec};
use tokio::sync::mpsc;

const SENTENCE: &str = "Thank you for calling, please tell me how I can help you.";
/// What stands in every failure here, since these tests need the real thing.
const INSTALL: &str = "this test needs flite: apt-get install libflite1";

#[test]
fn every_voice_speaks_at_its_rate() {
    for voice in VoiceName::ALL {
        let (rate, samples) = render(SENTENCE, voice).expect(INSTALL);
        assert_eq!(rate, voice.rate(), "{voice}");
        let ms = rate.micros(samples.len()) / 1_000;
        assert!((2_000..6_000).contains(&ms), "{voice}: {ms} ms for twelve words");
        assert!(level_db(&samples) > -40.0, "{voice}: {} dB", level_db(&samples));
    }
}

#[test]
fn text_without_words_is_refused() {
    for text in ["", "  ", "...", "\u{0939}\u{093e}\u{0901}"] {
        assert_eq!(render(text, VoiceName::Slt), Err(FliteError::NothingToSay), "{text:?} ({INSTALL})");
    }
}

#[test]
fn kal_says_the_same_on_many_threads() {
    let (_, alone) = render(SENTENCE, VoiceName::Kal).expect(INSTALL);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..5 {
                    assert_eq!(render(SENTENCE, VoiceName::Kal).expect(INSTALL).1, alone);
                }
            });
        }
    });
}

#[test]
fn slt_speaks_as_long_on_many_threads() {
    let alone = render(SENTENCE, VoiceName::Slt).expect(INSTALL).1.len();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..2 {
                    let (_, samples) = render(SENTENCE, VoiceName::Slt).expect(INSTALL);
                    assert_eq!(samples.len(), alone);
                    assert!(level_db(&samples) > -40.0);
                }
            });
        }
    });
}

#[tokio::test]
async fn audio_comes_in_pieces_and_stops_when_withdrawn() {
    let voice = FliteVoice::new(VoiceName::Slt, Arc::new(VoicePool::new(1)));
    let (inbox, mut answers) = mpsc::channel(1);
    let utterance = UtteranceId(1);
    let long = SENTENCE.repeat(20);
    let mut speaker = voice.open(&VoiceSpec::at(SampleRate::HZ_8000), Answers::new(inbox));
    let running = speaker.speak(utterance, long);
    let first = answers.recv().await;
    let Some(Input::Voiced { what: Voiced::Audio { rate, pcm }, .. }) = first else {
        panic!("{first:?} ({INSTALL})")
    };
    assert!(rate.micros(pcm.len()) < 60_000, "the first piece is {} samples", pcm.len());
    drop(running);
    // The thread is free for the next utterance long before the first would have ended.
    let next = UtteranceId(2);
    let _running = speaker.speak(next, "Yes.".to_owned());
    let mut withdrawn = 0;
    loop {
        match answers.recv().await {
            Some(Input::Voiced { utterance: said, what }) if said == utterance => {
                withdrawn += 1;
                assert!(matches!(what, Voiced::Audio { .. }), "{what:?} for a withdrawn utterance");
            }
            Some(Input::Voiced { what: Voiced::Done, .. }) => break,
            Some(Input::Voiced { what: Voiced::Audio { .. }, .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(withdrawn <= 2, "{withdrawn} pieces of a withdrawn utterance");
}
