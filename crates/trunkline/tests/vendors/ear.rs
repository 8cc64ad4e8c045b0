//! What every recogniser does.

use std::sync::Arc;

use audio::{Pcm, SampleRate, tone};
use call::{Fault, FaultClass, Heard, Input, Listen, SpeechId};
use providers::dialect::{EarDialect, EarSocketDialect};
use providers::driver::{HttpEar, Probe, SocketEar};
use providers::{DialectOptions, ListenSpec, Recogniser, Role, SpeechToText, Transport};
use sim::vendors::{Delays, VendorServer};

use crate::scene::{FAULTS, Inbox, check, link, net, options, patience, quick, with};

const RATES: [SampleRate; 3] = [SampleRate::HZ_8000, SampleRate::HZ_16000, SampleRate::HZ_24000];

/// A way to a vendor's recogniser.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    /// Over HTTP.
    Http(fn(DialectOptions) -> Arc<dyn EarDialect>),
    /// Over a WebSocket.
    Socket(fn(DialectOptions) -> Arc<dyn EarSocketDialect>),
}

impl Way {
    /// The recogniser behind it.
    pub(crate) fn ear(self, server: &VendorServer, key: &str) -> Arc<dyn SpeechToText> {
        self.ear_with(options(server, key), key)
    }

    /// The same with these options.
    pub(crate) fn ear_with(self, options: DialectOptions, key: &str) -> Arc<dyn SpeechToText> {
        match self {
            Self::Http(of) => {
                let link = link(Role::SpeechToText, Transport::Http);
                Arc::new(HttpEar::new(link, of(options), net()).with_patience(patience(key)))
            }
            Self::Socket(of) => {
                Arc::new(SocketEar::new(link(Role::SpeechToText, Transport::Websocket), of(options), net()))
            }
        }
    }
}

/// A recogniser in a call.
pub(crate) struct Call {
    ear: Box<dyn Recogniser>,
    pub(crate) inbox: Inbox,
    rate: SampleRate,
    /// How many samples were given to it.
    pub(crate) given: usize,
}

impl Call {
    /// Opens it.
    pub(crate) fn open(ear: &dyn SpeechToText, rate: SampleRate) -> Self {
        let (inbox, answers) = Inbox::new();
        let spec =
            ListenSpec { rate, language: "en-IN".to_owned(), phrases: vec!["opening hours".to_owned()] };
        Self { ear: ear.open(&spec, answers).unwrap(), inbox, rate, given: 0 }
    }

    /// Gives it sound in frames of 20 ms.
    pub(crate) fn hears(&mut self, sound: &Pcm) {
        for frame in sound.chunks(self.rate.samples(20_000)) {
            self.ear.listen(Listen::Audio(Pcm::from(frame))).unwrap();
        }
        self.given += sound.len();
    }

    pub(crate) fn quiet(&mut self, ms: u64) {
        self.hears(&Pcm::silence(self.rate.samples(ms * 1_000)));
    }

    /// A stretch of speech: what our own ear needs to notice it lies before `Began`.
    pub(crate) fn speaks(&mut self, id: u32, ms: u32) {
        let voice = tone(self.rate, 440.0, ms, -12.0);
        let (first, rest) = voice.split_at(self.rate.samples(100_000));
        self.hears(&Pcm::from(first));
        self.ear.listen(Listen::Began(SpeechId(id))).unwrap();
        self.hears(&Pcm::from(rest));
    }

    pub(crate) fn finish(&mut self, id: u32) {
        self.quiet(200);
        self.ear.listen(Listen::Finish(SpeechId(id))).unwrap();
    }

    /// What settles the stretch, and the partials before it. A recogniser that is lost settles all of them.
    pub(crate) async fn settled(&mut self, id: u32) -> (Vec<String>, Result<Heard, Fault>) {
        let mut partials = Vec::new();
        loop {
            let Input::Heard { speech, what } = self.inbox.next().await else {
                panic!("not a recogniser's answer")
            };
            match what {
                Heard::Lost(fault) => return (partials, Err(fault)),
                _ if speech != SpeechId(id) => panic!("{what:?} of {speech:?}"),
                Heard::Partial(text) => partials.push(text),
                Heard::Failed(fault) => return (partials, Err(fault)),
                what => return (partials, Ok(what)),
            }
        }
    }
}

fn finally(text: &str) -> Result<Heard, Fault> {
    Ok(Heard::Final(text.to_owned()))
}

/// All goes well, at each rate: each stretch gets its own text, silence none, and nothing that the documents forbid
/// was done.
pub(crate) async fn hears(way: Way) {
    for rate in RATES {
        let server = quick().await;
        let mut call = Call::open(&*way.ear(&server, "test"), rate);
        call.quiet(300);
        for (id, text) in (1..).zip(["what are your opening hours", "thank you"]) {
            call.speaks(id, 800);
            call.finish(id);
            assert_eq!(call.settled(id).await.1, finally(text), "{rate}");
            call.quiet(400);
        }
        assert_eq!(server.ledger().breaches(), Vec::<String>::new());
    }
}

/// What our own ear took for speech and the vendor's does not is an empty text, and the next stretch is heard.
pub(crate) async fn hears_nothing(way: Way) {
    let server = quick().await;
    let mut call = Call::open(&*way.ear(&server, "test"), SampleRate::HZ_8000);
    call.quiet(400);
    call.finish(1);
    assert_eq!(call.settled(1).await.1, finally(""));
    call.speaks(2, 600);
    call.finish(2);
    let heard = call.settled(2).await.1;
    assert!(matches!(&heard, Ok(Heard::Final(text)) if !text.is_empty()), "{heard:?}");
}

/// Not one sample of what is said while the socket opens is lost, nor afterwards.
pub(crate) async fn loses_nothing(way: Way, api: &str) {
    let server = with(Delays { upgrade_ms: 400, recogniser_ms: 50, ..Delays::none() }).await;
    let mut call = Call::open(&*way.ear(&server, "test"), SampleRate::HZ_8000);
    call.quiet(60);
    call.speaks(1, 1_000);
    call.finish(1);
    assert_eq!(call.settled(1).await.1, finally("what are your opening hours"));
    call.speaks(2, 500);
    call.finish(2);
    assert_eq!(call.settled(2).await.1, finally("thank you"));
    let samples =
        server.ledger().all().iter().filter(|line| line.api == api).map(|line| line.samples).sum::<u64>();
    assert_eq!(samples, call.given as u64);
}

/// Each fault settles the stretch once, as the failure that it is.
pub(crate) async fn fails(way: Way, own: &[(&str, FaultClass)]) {
    for (key, class) in FAULTS.iter().chain(own) {
        let server = quick().await;
        let mut call = Call::open(&*way.ear(&server, key), SampleRate::HZ_8000);
        call.speaks(1, 1_000);
        call.finish(1);
        let fault = call.settled(1).await.1.expect_err(key);
        check(&fault, *class, key);
    }
}

/// What was refused for a while works after that.
pub(crate) async fn recovers(way: Way) {
    let server = quick().await;
    let ear = way.ear(&server, "fail-503-twice");
    let mut ends = Vec::new();
    for _ in 0..3 {
        let mut call = Call::open(&*ear, SampleRate::HZ_8000);
        call.speaks(1, 600);
        call.finish(1);
        ends.push(call.settled(1).await.1.map_err(|fault| fault.class));
    }
    assert_eq!(ends[..2], [Err(FaultClass::Busy), Err(FaultClass::Busy)]);
    assert!(matches!(ends[2], Ok(Heard::Final(_))), "{ends:?}");
}

/// The cheap request tells whether the vendor is there and the key is good.
pub(crate) async fn is_probed(way: Way) {
    let server = quick().await;
    let probe = |key: &str| -> Arc<dyn Probe> {
        let options = options(&server, key);
        match way {
            Way::Http(of) => {
                Arc::new(HttpEar::new(link(Role::SpeechToText, Transport::Http), of(options), net()))
            }
            Way::Socket(of) => {
                Arc::new(SocketEar::new(link(Role::SpeechToText, Transport::Websocket), of(options), net()))
            }
        }
    };
    probe("test").probe().await.unwrap();
    check(&probe("fail-401").probe().await.unwrap_err(), FaultClass::Auth, "probe");
}
