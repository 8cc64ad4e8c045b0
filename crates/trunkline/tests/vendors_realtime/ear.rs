//! The Realtime API as a recogniser.

use audio::SampleRate;
use call::{FaultClass, Heard};
use serde_json::json;

use crate::support::{Bench, session};

fn said(text: &str) -> Heard {
    Heard::Final(text.to_owned())
}

#[tokio::test]
async fn each_stretch_is_committed_and_gets_its_text() {
    for rate in [SampleRate::HZ_8000, SampleRate::HZ_16000] {
        let bench = Bench::new(&[]).await;
        let mut ear = bench.listen(rate, "test", "{}");
        ear.stretch(0, 800);
        let (speech, heard, partials) = ear.settled().await;
        assert_eq!((speech, heard), (0, said("what are your hours")));
        assert_eq!(partials.first().map(String::as_str), Some("what"), "{partials:?}");
        ear.stretch(1, 800);
        assert_eq!(ear.settled().await.1, said("and on sunday"));

        let seen = bench.seen();
        assert_eq!(
            (seen.api, seen.texts.as_slice()),
            ("openai/realtime-transcription", &["commit".to_owned(), "commit".to_owned()][..])
        );
        let session = session(&seen);
        assert_eq!(
            (&session["type"], &session["audio"]["input"]["turn_detection"]),
            (&json!("transcription"), &json!(null))
        );
        // Of each stretch of 1.6 s all came, with 0.5 s of what was before; the silence between did not.
        let per_ms = if rate == SampleRate::HZ_8000 { 8 } else { 24 };
        let sent_ms = seen.samples / per_ms;
        assert!((4_100..=4_300).contains(&sent_ms), "{sent_ms} ms at {rate}");
        bench.is_without_breaches();
    }
}

#[tokio::test]
async fn with_the_vendors_detection_every_frame_is_sent() {
    let bench = Bench::new(&[]).await;
    let body = r#"{"audio":{"input":{"turn_detection":{"type":"server_vad","silence_duration_ms":300}}}}"#;
    let mut ear = bench.listen(SampleRate::HZ_8000, "test", body);
    ear.stretch(0, 800);
    assert_eq!(ear.settled().await.1, said("what are your hours"));
    ear.stretch(1, 800);
    assert_eq!(ear.settled().await.1, said("and on sunday"));
    let seen = bench.seen();
    assert_eq!(seen.samples, SampleRate::HZ_8000.samples(5_200_000) as u64);
    assert_eq!(seen.texts, Vec::<String>::new());
    bench.is_without_breaches();
}

#[tokio::test]
async fn what_is_too_short_to_commit_is_nothing_and_no_fault() {
    let bench = Bench::new(&[]).await;
    let mut ear = bench.listen(SampleRate::HZ_8000, "test", "{}");
    ear.nothing(0);
    assert_eq!(ear.settled().await.1, said(""));
    ear.stretch(1, 800);
    let (speech, heard, _) = ear.settled().await;
    assert_eq!((speech, heard), (1, said("what are your hours")));
}

#[tokio::test]
async fn each_failure_settles_the_stretch() {
    for (key, class) in [
        ("fail-401", FaultClass::Auth),
        ("no-credit", FaultClass::Quota),
        ("cut", FaultClass::Network),
        ("stall", FaultClass::Slow),
    ] {
        let bench = Bench::new(&[]).await;
        let mut ear = bench.listen(SampleRate::HZ_8000, key, "{}");
        ear.stretch(0, 800);
        let (_, heard, _) = ear.settled().await;
        let failed = match &heard {
            Heard::Failed(fault) | Heard::Lost(fault) => fault.class,
            other => panic!("{key}: {other:?}"),
        };
        assert_eq!(failed, class, "{key}: {heard:?}");
    }
    let bench = Bench::new(&[]).await;
    let mut ear = bench.listen(SampleRate::HZ_8000, "x-no-transcript", "{}");
    ear.stretch(0, 800);
    assert!(matches!(ear.settled().await.1, Heard::Failed(_)));
    ear.stretch(1, 800);
    assert!(matches!(ear.settled().await.1, Heard::Failed(_)), "the session goes on");
}
