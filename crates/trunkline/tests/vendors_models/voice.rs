//! What has to hold for every voice.

use std::time::Duration;

use audio::{SampleRate, level_db};
use call::{Fault, FaultClass, Input, UtteranceId, Voiced};
use providers::driver::Patience;
use providers::{Answers, Running, Speaker, TextToSpeech, VoiceSpec};
use sim::vendors::{Delays, Seen};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use crate::bench::{Bench, LONG, classes, patience};

/// A vendor in this role, by one of its ways.
pub(crate) struct Vendor {
    /// The vendor with this key.
    pub(crate) make: fn(&Bench, key: &str, Patience) -> Box<dyn TextToSpeech>,
    /// What the stand-in's ledger calls it.
    pub(crate) api: &'static str,
    /// The rate of what it gives to a call of this rate.
    pub(crate) rate: fn(SampleRate) -> SampleRate,
    /// Keys that mean something else than usual.
    pub(crate) different: &'static [(&'static str, FaultClass)],
}

/// The suite for one vendor, as tests.
macro_rules! voice_suite {
    ($vendor:expr) => {
        voice_suite!(@ $vendor; speech streams faults withdrawals);
    };
    (@ $vendor:expr; $($name:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                crate::voice::$name(&$vendor).await;
            }
        )*
    };
}

const UTTERANCE: UtteranceId = UtteranceId(5);

/// The stand-ins speak a character in so many milliseconds.
const MS_PER_CHAR: usize = 60;

/// A voice in one call.
pub(crate) struct Mouth {
    speaker: Box<dyn Speaker>,
    inbox: mpsc::Receiver<Input>,
}

impl Mouth {
    pub(crate) fn open(voice: &dyn TextToSpeech, rate: SampleRate) -> Self {
        let (to, inbox) = mpsc::channel(64);
        Self { speaker: voice.open(&VoiceSpec::at(rate), Answers::new(to)), inbox }
    }

    pub(crate) fn speak(&mut self, text: &str) -> Running {
        self.speaker.speak(UTTERANCE, text.to_owned())
    }

    pub(crate) async fn next(&mut self) -> Voiced {
        match timeout(LONG, self.inbox.recv()).await.expect("sound or its end comes") {
            Some(Input::Voiced { utterance, what }) => {
                assert_eq!(utterance, UTTERANCE);
                what
            }
            other => panic!("{other:?} is no sound"),
        }
    }

    /// The whole utterance: its rate, its samples, and how it ended.
    pub(crate) async fn say(&mut self, text: &str) -> (Option<SampleRate>, Vec<i16>, Result<(), Fault>) {
        let _running = self.speak(text);
        let (mut rate, mut samples) = (None, Vec::new());
        loop {
            match self.next().await {
                Voiced::Audio { rate: now, pcm } => {
                    assert_eq!(*rate.get_or_insert(now), now, "one rate in one utterance");
                    samples.extend_from_slice(&pcm);
                }
                Voiced::Done => return (rate, samples, Ok(())),
                Voiced::Failed(fault) => return (rate, samples, Err(fault)),
            }
        }
    }
}

const TEXT: &str = "We are open from nine to five.";
const HINDI: &str = "हम नौ से पाँच बजे तक खुले हैं।";

/// Every sample that was sent comes out, at the rate that is expected.
pub(crate) async fn speech(vendor: &Vendor) {
    let bench = Bench::new(&[]).await;
    let voice = (vendor.make)(&bench, "test", patience("test"));
    for line in [SampleRate::HZ_8000, SampleRate::HZ_16000, SampleRate::HZ_24000] {
        let mut mouth = Mouth::open(&*voice, line);
        for text in [TEXT, HINDI] {
            let (rate, samples, end) = mouth.say(text).await;
            assert_eq!((rate, &end), (Some((vendor.rate)(line)), &Ok(())));
            let micros = text.chars().count() as u64 * MS_PER_CHAR as u64 * 1_000;
            assert_eq!(samples.len(), (vendor.rate)(line).samples(micros), "{text}");
            assert!(level_db(&samples) > -20.0);
        }
    }
    let texts = |seen: &Seen| if seen.api == vendor.api { seen.texts.concat() } else { String::new() };
    let spoken: String = bench.server.ledger().all().iter().map(texts).collect();
    assert_eq!(spoken.matches(HINDI).count(), 3, "{spoken}");
    bench.assert_no_breach();
}

/// Sound is given as it comes, not before the delay and not all at the end.
pub(crate) async fn streams(vendor: &Vendor) {
    let bench = Bench::with(Delays { voice_ms: 150, ..Delays::none() }, &[]).await;
    let voice = (vendor.make)(&bench, "test", patience("test"));
    let mut mouth = Mouth::open(&*voice, SampleRate::HZ_8000);
    let start = Instant::now();
    let _running = mouth.speak(&TEXT.repeat(4));
    assert!(matches!(mouth.next().await, Voiced::Audio { .. }));
    assert!(start.elapsed() >= Duration::from_millis(150), "{:?}", start.elapsed());
    assert!(matches!(mouth.next().await, Voiced::Audio { .. }), "in parts");
}

pub(crate) async fn faults(vendor: &Vendor) {
    let bench = Bench::new(&[]).await;
    for (key, class) in classes(vendor.different) {
        let voice = (vendor.make)(&bench, key, patience(key));
        let (_, samples, end) = Mouth::open(&*voice, SampleRate::HZ_8000).say(TEXT).await;
        let fault = end.expect_err(key);
        assert_eq!(fault.class, class, "{key}: {fault}");
        if key == "fail-429" {
            assert_eq!(fault.retry_after_ms, Some(1_000));
        }
        if ["stall", "cut"].contains(&key) {
            assert!(!samples.is_empty(), "what came before is given: {key}");
        }
    }
    let voice = (vendor.make)(&bench, "silence", patience("silence"));
    let (_, samples, end) = Mouth::open(&*voice, SampleRate::HZ_8000).say(TEXT).await;
    assert!(end.is_ok() && !samples.is_empty() && samples.iter().all(|sample| *sample == 0));
    bench.assert_no_breach();
}

pub(crate) async fn withdrawals(vendor: &Vendor) {
    let bench = Bench::new(&[]).await;
    let voice = (vendor.make)(&bench, "stall", patience("test"));
    let mut mouth = Mouth::open(&*voice, SampleRate::HZ_8000);
    let running = mouth.speak(TEXT);
    assert!(matches!(mouth.next().await, Voiced::Audio { .. }));
    drop((running, mouth));
    bench.until_withdrawn(vendor.api).await;
}
