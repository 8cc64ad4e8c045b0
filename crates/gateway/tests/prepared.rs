//! What is opened before a call is there, and what of its first moments reaches the vendors.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy takes for code")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use call::{AgentKind, Fault, Heard, Input, Listen, Settings, SpeechId};
use gateway::{Agent, Config, Timing};
use providers::fake::{FakeVoice, Manner};
use providers::{Answers, ListenSpec, QueueFull, Recogniser, Refused, SpeechToText};
use serde_json::Value;
use support::{LONG, Server};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// A recogniser that tells what is opened, heard and closed.
#[derive(Clone)]
struct Ears {
    told: mpsc::UnboundedSender<Told>,
    /// How many may be open at once.
    places: usize,
    open: Arc<AtomicUsize>,
    /// Whether it breaks as soon as it is opened.
    breaks: Arc<AtomicBool>,
}

#[derive(Debug, PartialEq, Eq)]
enum Told {
    Opened(u32),
    Heard(Vec<i16>),
    Closed,
}

struct Ear(Ears);

impl Ears {
    fn new(places: usize) -> (Self, mpsc::UnboundedReceiver<Told>) {
        let (told, inbox) = mpsc::unbounded_channel();
        (Self { told, places, open: Arc::default(), breaks: Arc::default() }, inbox)
    }
}

impl SpeechToText for Ears {
    fn name(&self) -> &str {
        "ears"
    }

    fn open(&self, spec: &ListenSpec, answers: Answers) -> Result<Box<dyn Recogniser>, Refused> {
        if self.open.load(SeqCst) >= self.places {
            return Err(Refused::Busy("all places are taken".to_owned()));
        }
        self.open.fetch_add(1, SeqCst);
        let _ = self.told.send(Told::Opened(spec.rate.hz()));
        if self.breaks.load(SeqCst) {
            let what = Heard::Lost(Fault::local("it broke"));
            tokio::spawn(async move { answers.send(Input::Heard { speech: SpeechId(0), what }).await });
        }
        Ok(Box::new(Ear(self.clone())))
    }
}

impl Recogniser for Ear {
    fn listen(&mut self, what: Listen) -> Result<(), QueueFull> {
        if let Listen::Audio(pcm) = what {
            let _ = self.0.told.send(Told::Heard(pcm.to_vec()));
        }
        Ok(())
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, SeqCst);
        let _ = self.0.told.send(Told::Closed);
    }
}

fn agent(ears: Ears) -> Agent {
    let settings =
        Settings { agent: AgentKind::Greeting, greeting: "Hello.".to_owned(), ..Settings::default() };
    let mut agent = Agent::new("desk", settings);
    agent.recogniser = Some(Arc::new(ears));
    agent.voice = Some(Arc::new(FakeVoice::new(Manner::default())));
    agent
}

async fn next(inbox: &mut mpsc::UnboundedReceiver<Told>) -> Told {
    timeout(LONG, inbox.recv()).await.expect("nothing is told").unwrap()
}

/// What happens next beside frames.
async fn next_sign(inbox: &mut mpsc::UnboundedReceiver<Told>) -> Told {
    loop {
        match next(inbox).await {
            Told::Heard(_) => {}
            sign => return sign,
        }
    }
}

/// Announces a call and gives the query of the URL that the webhook answers with.
async fn announce(server: &Server, call: &str) -> String {
    let (status, body) = server.get(&format!("/api/v1/exotel/voice/connect?CallSid={call}")).await;
    assert_eq!(status, 200);
    let answer: Value = serde_json::from_str(&body).unwrap();
    answer["url"].as_str().unwrap().split_once('?').unwrap().1.to_owned()
}

#[tokio::test]
async fn a_recogniser_is_opened_when_the_call_is_announced_and_taken_by_it() {
    let (ears, mut told) = Ears::new(10);
    let server = Server::with(Config::default(), agent(ears)).await;
    let query = announce(&server, "a").await;
    assert_eq!(next(&mut told).await, Told::Opened(8000));
    let mut carrier = server.open(&query).await.unwrap();
    carrier.connected().await;
    carrier.start("a", 8000).await;
    carrier.media(&[1; 320]).await;
    assert_eq!(next(&mut told).await, Told::Heard(vec![257; 160]), "the one that waited hears it");
    carrier.stop("callended").await;
    assert_eq!(next_sign(&mut told).await, Told::Closed);
    assert_eq!(server.record().await.turns.len(), 1);
}

#[tokio::test]
async fn what_was_opened_for_another_rate_or_broke_meanwhile_is_opened_anew() {
    let (ears, mut told) = Ears::new(10);
    let server = Server::with(Config::default(), agent(ears.clone())).await;
    let query = announce(&server, "a").await;
    assert_eq!(next(&mut told).await, Told::Opened(8000));
    let mut carrier = server.open(&query).await.unwrap();
    carrier.start("a", 16_000).await;
    assert_eq!(
        [next_sign(&mut told).await, next_sign(&mut told).await],
        [Told::Closed, Told::Opened(16_000)]
    );

    ears.breaks.store(true, SeqCst);
    let query = announce(&server, "b").await;
    assert_eq!(next_sign(&mut told).await, Told::Opened(8000));
    ears.breaks.store(false, SeqCst);
    let mut carrier = server.open(&query).await.unwrap();
    carrier.start("b", 8000).await;
    assert_eq!([next_sign(&mut told).await, next_sign(&mut told).await], [Told::Closed, Told::Opened(8000)]);
}

#[tokio::test]
async fn an_announced_call_that_does_not_come_holds_nothing_for_long() {
    let (ears, mut told) = Ears::new(10);
    let timing = Timing { prepared_for: Duration::from_millis(50), ..Timing::default() };
    let server = Server::with(Config { timing, ..Config::default() }, agent(ears)).await;
    announce(&server, "a").await;
    assert_eq!([next(&mut told).await, next(&mut told).await], [Told::Opened(8000), Told::Closed]);
}

#[tokio::test]
async fn announcements_are_bounded_and_a_real_call_goes_before_them() {
    let (ears, mut told) = Ears::new(32);
    let server = Server::with(Config::default(), agent(ears.clone())).await;
    for call in 0..100 {
        announce(&server, &format!("flood-{call}")).await;
    }
    // The same call announced again takes no second place.
    announce(&server, "flood-0").await;
    for _ in 0..32 {
        assert_eq!(next(&mut told).await, Told::Opened(8000));
    }
    assert_eq!(ears.open.load(SeqCst), 32);
    let mut carrier = server.open("call_id=real").await.unwrap();
    carrier.start("real", 8000).await;
    for _ in 0..32 {
        assert_eq!(next_sign(&mut told).await, Told::Closed);
    }
    assert_eq!(next_sign(&mut told).await, Told::Opened(8000));
    carrier.media(&[1; 320]).await;
    assert_eq!(next(&mut told).await, Told::Heard(vec![257; 160]));
}

#[tokio::test]
async fn audio_from_before_the_start_reaches_the_recogniser() {
    for with_start in [true, false] {
        let (ears, mut told) = Ears::new(1);
        let mut agent = agent(ears);
        let mut settings = (*agent.settings).clone();
        settings.limits.lazy_start_ms = if with_start { 10_000 } else { 300 };
        agent.settings = Arc::new(settings);
        let server = Server::with(Config::default(), agent).await;
        let mut carrier = server.open("call_id=a").await.unwrap();
        for frame in 1..=5 {
            carrier.media(&[frame; 320]).await;
        }
        if with_start {
            carrier.start("a", 8000).await;
        }
        assert_eq!(next(&mut told).await, Told::Opened(8000));
        for frame in 1..=5 {
            assert_eq!(next(&mut told).await, Told::Heard(vec![257 * frame; 160]), "{with_start}");
        }
    }
}
