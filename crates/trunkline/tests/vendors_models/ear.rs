//! What has to hold for every recogniser.

use audio::{Pcm, SampleRate, tone};
use call::{FaultClass, Heard, Input, Listen, SpeechId};
use providers::driver::Patience;
use providers::{Answers, ListenSpec, Recogniser, SpeechToText};
use sim::vendors::Seen;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::bench::{Bench, LONG, classes, patience};

/// A vendor in this role, by one of its ways.
pub(crate) struct Vendor {
    /// The vendor with this key.
    pub(crate) make: fn(&Bench, key: &str, Patience) -> Box<dyn SpeechToText>,
    /// What the stand-in's ledger calls it.
    pub(crate) api: &'static str,
    /// Keys that mean something else than usual.
    pub(crate) different: &'static [(&'static str, FaultClass)],
}

/// The suite for one vendor, as tests.
macro_rules! ear_suite {
    ($vendor:expr) => {
        ear_suite!(@ $vendor; hearing quiet faults withdrawals);
    };
    (@ $vendor:expr; $($name:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                crate::ear::$name(&$vendor).await;
            }
        )*
    };
}

const RATE: SampleRate = SampleRate::HZ_8000;
const FRAME_MICROS: u64 = 20_000;

/// A recogniser in one call.
pub(crate) struct Listening {
    recogniser: Box<dyn Recogniser>,
    inbox: mpsc::Receiver<Input>,
    /// How many samples were given to it.
    pub(crate) samples: u64,
}

impl Listening {
    pub(crate) fn open(ear: &dyn SpeechToText) -> Self {
        let (to, inbox) = mpsc::channel(64);
        let spec = ListenSpec {
            rate: RATE,
            language: "en-IN".to_owned(),
            phrases: vec!["order".to_owned(), "trunkline".to_owned()],
        };
        let recogniser = ear.open(&spec, Answers::new(to)).expect("there is room");
        Self { recogniser, inbox, samples: 0 }
    }

    /// One stretch of sound, or of silence that was taken for speech.
    pub(crate) fn stretch(&mut self, number: u32, sound: &Pcm) {
        self.take(Listen::Began(SpeechId(number)));
        for frame in sound.chunks(RATE.samples(FRAME_MICROS)) {
            self.samples += frame.len() as u64;
            self.take(Listen::Audio(frame.into()));
        }
        self.take(Listen::Finish(SpeechId(number)));
    }

    fn take(&mut self, what: Listen) {
        self.recogniser.listen(what).expect("its queue has room");
    }

    /// What settles the stretch.
    pub(crate) async fn settled(&mut self, number: u32) -> Heard {
        loop {
            match timeout(LONG, self.inbox.recv()).await.expect("a stretch is settled") {
                Some(Input::Heard { speech, what: Heard::Final(text) }) => {
                    assert_eq!(speech, SpeechId(number));
                    return Heard::Final(text);
                }
                Some(Input::Heard { speech, what: Heard::Failed(fault) }) => {
                    assert_eq!(speech, SpeechId(number));
                    return Heard::Failed(fault);
                }
                Some(Input::Heard { .. }) => {}
                other => panic!("{other:?} was not heard"),
            }
        }
    }
}

fn sound() -> Pcm {
    tone(RATE, 440.0, 600, -12.0)
}

/// Texts in order, and not a sample lost.
pub(crate) async fn hearing(vendor: &Vendor) {
    let bench = Bench::new(&[]).await;
    let ear = (vendor.make)(&bench, "test", patience("test"));
    let mut listening = Listening::open(&*ear);
    for (number, text) in [(1, "what are your hours"), (2, "और रविवार को"), (3, "what are your hours")]
    {
        listening.stretch(number, &sound());
        assert_eq!(listening.settled(number).await, Heard::Final(text.to_owned()));
    }
    let of = |seen: &Seen| if seen.api == vendor.api { seen.samples } else { 0 };
    assert_eq!(bench.server.ledger().all().iter().map(of).sum::<u64>(), listening.samples);
    bench.assert_no_breach();
}

/// Silence has no text, and is not the next thing that the caller says.
pub(crate) async fn quiet(vendor: &Vendor) {
    let bench = Bench::new(&[]).await;
    let ear = (vendor.make)(&bench, "test", patience("test"));
    let mut listening = Listening::open(&*ear);
    listening.stretch(1, &Pcm::silence(RATE.samples(400_000)));
    assert_eq!(listening.settled(1).await, Heard::Final(String::new()));
    listening.stretch(2, &sound());
    assert_eq!(listening.settled(2).await, Heard::Final("what are your hours".to_owned()));
    bench.assert_no_breach();
}

pub(crate) async fn faults(vendor: &Vendor) {
    let bench = Bench::new(&[]).await;
    for (key, class) in classes(vendor.different) {
        let ear = (vendor.make)(&bench, key, patience(key));
        let mut listening = Listening::open(&*ear);
        listening.stretch(1, &sound());
        let Heard::Failed(fault) = listening.settled(1).await else { panic!("{key} is a failure") };
        assert_eq!(fault.class, class, "{key}: {fault}");
        if key == "fail-429" {
            assert_eq!(fault.retry_after_ms, Some(1_000));
        }
    }
    let ear = (vendor.make)(&bench, "silence", patience("silence"));
    let mut listening = Listening::open(&*ear);
    listening.stretch(1, &sound());
    assert_eq!(listening.settled(1).await, Heard::Final(String::new()));
    bench.assert_no_breach();
}

pub(crate) async fn withdrawals(vendor: &Vendor) {
    let bench = Bench::new(&[]).await;
    let ear = (vendor.make)(&bench, "hang", patience("test"));
    let mut listening = Listening::open(&*ear);
    listening.stretch(1, &sound());
    let is_seen = |lines: &[Seen]| lines.iter().any(|line| line.api == vendor.api);
    timeout(LONG, bench.server.ledger().until(is_seen)).await.expect("it was asked");
    drop(listening);
    bench.until_withdrawn(vendor.api).await;
}
