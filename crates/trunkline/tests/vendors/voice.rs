//! What every voice does.

use std::sync::Arc;

use audio::{SampleRate, level_db};
use call::{Fault, FaultClass, Input, UtteranceId, Voiced};
use providers::dialect::{VoiceDialect, VoiceSocketDialect};
use providers::driver::{HttpVoice, Probe, SocketVoice};
use providers::{DialectOptions, Role, Speaker, TextToSpeech, Transport, VoiceSpec};
use sim::vendors::{Delays, VendorServer};

use crate::scene::{FAULTS, Inbox, check, link, net, options, patience, quick, with};

const RATES: [SampleRate; 3] = [SampleRate::HZ_8000, SampleRate::HZ_16000, SampleRate::HZ_24000];

/// A way to a vendor's voice.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    /// Over HTTP.
    Http(fn(DialectOptions) -> Arc<dyn VoiceDialect>),
    /// Over a WebSocket.
    Socket(fn(DialectOptions) -> Arc<dyn VoiceSocketDialect>),
}

impl Way {
    /// The voice behind it.
    pub(crate) fn voice(self, server: &VendorServer, key: &str) -> Arc<dyn TextToSpeech> {
        let (options, patience) = (options(server, key), patience(key));
        match self {
            Self::Http(of) => {
                let link = link(Role::TextToSpeech, Transport::Http);
                Arc::new(HttpVoice::new(link, of(options), net()).with_patience(patience))
            }
            Self::Socket(of) => {
                let link = link(Role::TextToSpeech, Transport::Websocket);
                Arc::new(SocketVoice::new(link, of(options), net()).with_patience(patience))
            }
        }
    }

    fn probe(self, server: &VendorServer, key: &str) -> Arc<dyn Probe> {
        let options = options(server, key);
        match self {
            Self::Http(of) => {
                Arc::new(HttpVoice::new(link(Role::TextToSpeech, Transport::Http), of(options), net()))
            }
            Self::Socket(of) => {
                Arc::new(SocketVoice::new(link(Role::TextToSpeech, Transport::Websocket), of(options), net()))
            }
        }
    }
}

/// A voice in a call.
pub(crate) struct Talk {
    pub(crate) speaker: Box<dyn Speaker>,
    pub(crate) inbox: Inbox,
}

/// What came of an utterance.
pub(crate) type Spoken = (Vec<i16>, Result<(), Fault>);

impl Talk {
    /// Opens it.
    pub(crate) fn open(voice: &dyn TextToSpeech, rate: SampleRate) -> Self {
        let (inbox, answers) = Inbox::new();
        Self { speaker: voice.open(&VoiceSpec::at(rate), answers), inbox }
    }

    /// What comes of these utterances, in the order in which they end. Anything of another is a failure.
    pub(crate) async fn ends(&mut self, ids: &[u32], rate: SampleRate) -> Vec<(u32, Spoken)> {
        let mut open = ids.iter().map(|id| (*id, Vec::new())).collect::<std::collections::BTreeMap<_, _>>();
        let mut ends = Vec::new();
        while !open.is_empty() {
            let Input::Voiced { utterance, what } = self.inbox.next().await else {
                panic!("not a voice's answer")
            };
            let UtteranceId(id) = utterance;
            let samples = open.get_mut(&id).unwrap_or_else(|| panic!("{what:?} of {id}"));
            let end = match what {
                Voiced::Audio { rate: given, pcm } => {
                    assert_eq!(given, rate);
                    samples.extend_from_slice(&pcm);
                    continue;
                }
                Voiced::Done => Ok(()),
                Voiced::Failed(fault) => Err(fault),
            };
            ends.push((id, (open.remove(&id).unwrap(), end)));
        }
        ends
    }
}

/// How many samples the stand-ins make of a text.
pub(crate) fn length(text: &str, rate: SampleRate) -> usize {
    rate.samples(text.chars().count() as u64 * 60_000)
}

/// All goes well, at each rate: each utterance is spoken whole, and nothing that the documents forbid was done.
pub(crate) async fn speaks(way: Way) {
    for rate in RATES {
        let server = quick().await;
        let mut talk = Talk::open(&*way.voice(&server, "test"), rate);
        let texts = ["Namaste, how can I help you?", "One moment.", "नमस्ते।"];
        for (id, text) in (1..).zip(texts) {
            let running = talk.speaker.speak(UtteranceId(id), text.to_owned());
            let ends = talk.ends(&[id], rate).await;
            drop(running);
            let (_, (samples, end)) = &ends[0];
            assert_eq!(*end, Ok(()), "{rate} {text}");
            assert_eq!(samples.len(), length(text, rate), "{rate} {text}");
            assert!(level_db(samples) > -30.0, "{rate} {text}");
        }
        let seen = server.ledger().all();
        assert_eq!(seen.iter().flat_map(|line| line.texts.clone()).collect::<Vec<_>>(), texts);
        assert_eq!(server.ledger().breaches(), Vec::<String>::new());
    }
}

/// Several utterances that are asked for at once are all spoken, each from its own text.
pub(crate) async fn speaks_several(way: Way) {
    let (server, rate) = (quick().await, SampleRate::HZ_8000);
    let mut talk = Talk::open(&*way.voice(&server, "test"), rate);
    let texts = (1..=9).map(|id: u32| "la ".repeat(id as usize).trim_end().to_owned()).collect::<Vec<_>>();
    let running = (1..).zip(&texts).map(|(id, text)| talk.speaker.speak(UtteranceId(id), text.clone()));
    let running = running.collect::<Vec<_>>();
    let ends = talk.ends(&(1..=9).collect::<Vec<_>>(), rate).await;
    drop(running);
    for (id, (samples, end)) in ends {
        assert_eq!(end, Ok(()));
        assert_eq!(samples.len(), length(&texts[id as usize - 1], rate));
    }
    assert_eq!(server.ledger().breaches(), Vec::<String>::new());
}

/// A vendor at its usual speed is waited for.
pub(crate) async fn waits(way: Way) {
    let server = with(Delays { upgrade_ms: 200, voice_ms: 300, ..Delays::none() }).await;
    let mut talk = Talk::open(&*way.voice(&server, "test"), SampleRate::HZ_8000);
    let _running = talk.speaker.speak(UtteranceId(1), "Hello.".to_owned());
    let ends = talk.ends(&[1], SampleRate::HZ_8000).await;
    assert_eq!(ends[0].1.1, Ok(()));
}

/// Each fault ends the utterance once, as the failure that it is.
pub(crate) async fn fails(way: Way, own: &[(&str, FaultClass)]) {
    for (key, class) in FAULTS.iter().chain(own) {
        let server = quick().await;
        let mut talk = Talk::open(&*way.voice(&server, key), SampleRate::HZ_8000);
        let _running = talk.speaker.speak(UtteranceId(1), "This is a longer sentence to speak.".to_owned());
        let ends = talk.ends(&[1], SampleRate::HZ_8000).await;
        let fault = ends[0].1.1.clone().expect_err(key);
        check(&fault, *class, key);
        assert!(talk.inbox.rest().is_empty(), "{key}");
    }
}

/// What was refused for a while works after that.
pub(crate) async fn recovers(way: Way) {
    let server = quick().await;
    let voice = way.voice(&server, "fail-503-twice");
    let mut ends = Vec::new();
    for _ in 0..3 {
        let mut talk = Talk::open(&*voice, SampleRate::HZ_8000);
        let _running = talk.speaker.speak(UtteranceId(1), "Hello.".to_owned());
        ends.push(talk.ends(&[1], SampleRate::HZ_8000).await[0].1.1.clone().map_err(|fault| fault.class));
    }
    assert_eq!(ends, [Err(FaultClass::Busy), Err(FaultClass::Busy), Ok(())]);
}

/// The cheap request tells whether the vendor is there and the key is good.
pub(crate) async fn is_probed(way: Way) {
    let server = quick().await;
    way.probe(&server, "test").probe().await.unwrap();
    check(&way.probe(&server, "fail-401").probe().await.unwrap_err(), FaultClass::Auth, "probe");
    assert_eq!(server.ledger().breaches(), Vec::<String>::new());
}
