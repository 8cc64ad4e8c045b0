//! Chains of links over real sockets: whatever the first choice does, the call goes on, and nothing that was said
//! is lost.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy takes for code")]

mod wire;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use audio::{Pcm, SampleRate};
use call::{Fault, FaultClass, Heard, Input, Listen, SpeechId, Thought, TurnId, UtteranceId, Voiced};
use futures_util::future::join_all;
use providers::chain::{BreakerState, EarChain, Link, ModelChain, VoiceChain};
use providers::driver::{HttpEar, HttpModel, HttpVoice, Net, Patience, SocketEar, SocketVoice};
use providers::{
    Answers, Health, LanguageModel, ListenSpec, QueueFull, Recogniser, Refused, Role, Running, SpeechToText,
    TextToSpeech, Transport, VoiceSpec,
};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use wire::{
    SOON, Server, accept, head, hear, inbox, link, net, next, prompt, read_request, reset, response, tell,
};

/// A deadline that is not to pass, however loaded the machine is.
const LONG: Patience = Patience { first: SOON, between: SOON };
/// One that is to pass.
const SHORT: Duration = Duration::from_millis(300);

fn model(name: &str, server: &Server, net: &Arc<Net>, deadline: Duration) -> Link<dyn LanguageModel> {
    let id = link(name, Role::LanguageModel, Transport::Http);
    let model = HttpModel::new(id.clone(), server.plain(), Arc::clone(net)).with_patience(LONG);
    Link { id, role: Arc::new(model), deadline }
}

fn voice(name: &str, server: &Server, net: &Arc<Net>, deadline: Duration) -> Link<dyn TextToSpeech> {
    let id = link(name, Role::TextToSpeech, Transport::Http);
    let voice = HttpVoice::new(id.clone(), server.plain(), Arc::clone(net)).with_patience(LONG);
    Link { id, role: Arc::new(voice), deadline }
}

/// A server that reads the request of each connection and then does this.
async fn then<F>(act: impl Fn(TcpStream) -> F + Clone + Send + 'static) -> Server
where
    F: Future<Output = ()> + Send + 'static,
{
    Server::new(move |_, mut stream| {
        let act = act.clone();
        async move {
            if read_request(&mut stream).await.is_some() {
                act(stream).await;
            }
        }
    })
    .await
}

async fn hangs() -> Server {
    then(|stream| async move {
        tokio::time::sleep(2 * SOON).await;
        drop(stream);
    })
    .await
}

async fn refuses(status: &str, headers: &str) -> Server {
    Server::answering(response(status, headers, b"because")).await
}

/// Says this.
async fn says(text: &str) -> Server {
    let body = format!("event: word\ndata: {text}\n\nevent: end\ndata: \n\n");
    Server::answering(response("200 OK", "content-type: text/event-stream\r\n", body.as_bytes())).await
}

/// What a chain said, and how it ended.
async fn answer(inbox: &mut mpsc::Receiver<Input>) -> (String, Result<(), Fault>) {
    let mut said = String::new();
    loop {
        match next(inbox).await {
            Input::Thought { what: Thought::Delta(text), .. } => said += &text,
            Input::Thought { what: Thought::Done, .. } => return (said, Ok(())),
            Input::Thought { what: Thought::Failed(fault), .. } => return (said, Err(fault)),
            other => panic!("{other:?}"),
        }
    }
}

async fn ask(chain: &ModelChain) -> (String, Result<(), Fault>) {
    let (answers, mut inbox) = inbox();
    let _running = chain.ask(TurnId(1), prompt("hello"), answers);
    let answer = answer(&mut inbox).await;
    assert_eq!(timeout(SOON, inbox.recv()).await, Ok(None), "nothing follows");
    answer
}

#[tokio::test]
async fn whatever_a_model_does_the_next_answers() {
    let net = net();
    let good = says("hi").await;
    let html = response("200 OK", "content-type: text/html\r\n", b"<html>");
    let empty = response("200 OK", "content-type: text/event-stream\r\n", b"event: end\ndata: \n\n");
    let bad = [
        ("dead", Server::dead().await),
        ("wrong key", refuses("401 Unauthorized", "").await),
        ("no credit", refuses("402 Payment Required", "").await),
        ("too much", refuses("429 Too Many Requests", "retry-after: 9\r\n").await),
        ("broken", refuses("500 Internal Server Error", "").await),
        ("a web page", Server::answering(html).await),
        ("nothing", Server::answering(empty).await),
        ("resets", then(|stream| async move { reset(stream) }).await),
        ("hangs", hangs().await),
    ];
    for (what, server) in &bad {
        let health = Arc::new(Health::new());
        let links = vec![model("first", server, &net, SHORT), model("second", &good, &net, SOON)];
        let chain = ModelChain::new(links, Arc::clone(&health));
        assert_eq!(ask(&chain).await, ("hi".to_owned(), Ok(())), "{what}");
        let snapshot = health.snapshot();
        assert_eq!(snapshot[0].failures.values().sum::<u64>(), 1, "{what}: {snapshot:?}");
        assert_eq!((snapshot[1].requests, snapshot[1].failures.len()), (1, 0), "{what}: {snapshot:?}");
        assert!(server.connections() <= 1, "{what}: it is asked once");
    }
}

#[tokio::test]
async fn what_was_begun_is_not_begun_again() {
    let net = net();
    let dies = then(|mut stream| async move {
        let _ = stream.write_all(&head("text/event-stream")).await;
        let _ = stream.write_all(b"event: word\ndata: Well\n\nevent: error\ndata: overloaded\n\n").await;
    })
    .await;
    let good = says("hi").await;
    let links = vec![model("first", &dies, &net, SOON), model("second", &good, &net, SOON)];
    let (said, end) = ask(&ModelChain::new(links, Arc::new(Health::new()))).await;
    assert_eq!((said.as_str(), end.unwrap_err().class), ("Well", FaultClass::Busy));
    assert_eq!(good.connections(), 0);
}

/// Answers so many questions with a status, then well.
async fn recovers(bad: usize, status: &'static str) -> (Server, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let body = b"event: word\ndata: hi\n\nevent: end\ndata: \n\n";
    let good = response("200 OK", "content-type: text/event-stream\r\n", body);
    let server = Server::new(move |_, mut stream| {
        let (counted, good) = (Arc::clone(&counted), good.clone());
        async move {
            while read_request(&mut stream).await.is_some() {
                let is_bad = counted.fetch_add(1, Ordering::SeqCst) < bad;
                let bytes = if is_bad { response(status, "", b"") } else { good.clone() };
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    (server, asked)
}

#[tokio::test]
async fn a_lone_model_is_asked_again_where_that_can_help() {
    let net = net();
    let (server, asked) = recovers(1, "503 Service Unavailable").await;
    let chain = ModelChain::new(vec![model("only", &server, &net, SOON)], Arc::new(Health::new()));
    assert_eq!(ask(&chain).await, ("hi".to_owned(), Ok(())));
    assert_eq!(asked.load(Ordering::SeqCst), 2);

    let (server, asked) = recovers(1, "401 Unauthorized").await;
    let chain = ModelChain::new(vec![model("only", &server, &net, SOON)], Arc::new(Health::new()));
    assert_eq!(ask(&chain).await.1.unwrap_err().class, FaultClass::Auth);
    assert_eq!(ask(&chain).await.1.unwrap_err().class, FaultClass::Busy, "it is left alone");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_thousand_questions_at_a_dead_vendor_are_no_storm() {
    let (server, asked) = recovers(usize::MAX, "503 Service Unavailable").await;
    let health = Arc::new(Health::new());
    let chain = ModelChain::new(vec![model("only", &server, &net(), SHORT)], Arc::clone(&health));
    for _ in 0..20 {
        let answers = join_all((0..50).map(|_| ask(&chain))).await;
        assert!(answers.iter().all(|(said, end)| said.is_empty() && end.is_err()));
    }
    let asked = asked.load(Ordering::SeqCst);
    assert!(asked <= 1_100, "{asked} requests for 1000 questions");
    assert!(asked >= 1_000, "a lone vendor is not given up: {asked} requests");

    // With somebody else to ask it is left alone almost at once.
    let (dead, asked) = recovers(usize::MAX, "503 Service Unavailable").await;
    let good = says("hi").await;
    let net = net();
    let links = vec![model("first", &dead, &net, SOON), model("second", &good, &net, SOON)];
    let chain = ModelChain::new(links, Arc::clone(&health));
    for _ in 0..100 {
        assert_eq!(ask(&chain).await.1, Ok(()));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    let snapshot = health.snapshot();
    let first = snapshot.iter().find(|link| link.vendor == "first").unwrap();
    assert_eq!((first.breaker, first.failures[&FaultClass::Busy]), (BreakerState::Open, 3));
}

#[tokio::test]
async fn a_model_that_is_hurried_is_raced_and_withdrawn() {
    let net = net();
    let (gone, mut is_gone) = mpsc::channel(1);
    let slow = then(move |mut stream| {
        let gone = gone.clone();
        async move {
            // Until the client hangs up.
            let mut rest = Vec::new();
            let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await;
            let _ = gone.send(()).await;
        }
    })
    .await;
    let good = says("hi").await;
    let links = vec![model("first", &slow, &net, SOON), model("second", &good, &net, SOON)];
    let health = Arc::new(Health::new());
    let chain = ModelChain::new(links, Arc::clone(&health));
    let (answers, mut inbox) = inbox();
    let running = chain.ask(TurnId(1), prompt("hello"), answers);
    assert!(timeout(Duration::from_millis(200), inbox.recv()).await.is_err());
    running.hurry();
    running.hurry();
    assert_eq!(answer(&mut inbox).await, ("hi".to_owned(), Ok(())));
    timeout(SOON, is_gone.recv()).await.unwrap().unwrap();
    assert!(health.snapshot()[0].failures.is_empty(), "to be overtaken is no failure");
}

#[tokio::test]
async fn a_late_model_may_still_be_the_first() {
    let net = net();
    let late = then(|mut stream| async move {
        tokio::time::sleep(2 * SHORT).await;
        let _ = stream.write_all(&head("text/event-stream")).await;
        let _ = stream.write_all(b"event: word\ndata: late\n\nevent: end\ndata: \n\n").await;
    })
    .await;
    let hangs = hangs().await;
    let links = vec![model("first", &late, &net, SHORT), model("second", &hangs, &net, SOON)];
    let chain = ModelChain::new(links, Arc::new(Health::new()));
    assert_eq!(ask(&chain).await, ("late".to_owned(), Ok(())));
    assert_eq!(hangs.connections(), 1);
}

#[tokio::test]
async fn every_model_down_is_one_failure() {
    let net = net();
    let (dead, refuses) = (Server::dead().await, refuses("401 Unauthorized", "").await);
    let links = vec![model("first", &dead, &net, SOON), model("second", &refuses, &net, SOON)];
    let (said, end) = ask(&ModelChain::new(links, Arc::new(Health::new()))).await;
    assert_eq!((said.as_str(), end.unwrap_err().class), ("", FaultClass::Auth));
    let (said, end) = ask(&ModelChain::new(Vec::new(), Arc::new(Health::new()))).await;
    assert!(said.is_empty() && end.is_err());
}

/// Speaks so many samples.
async fn speaks(samples: usize) -> Server {
    Server::answering(response("200 OK", "content-type: audio/pcm\r\n", &vec![1; 2 * samples])).await
}

/// What came of one utterance.
async fn spoken(inbox: &mut mpsc::Receiver<Input>, of: u32) -> (usize, Result<(), Fault>) {
    let mut samples = 0;
    loop {
        match next(inbox).await {
            Input::Voiced { utterance: UtteranceId(id), what } if id == of => match what {
                Voiced::Audio { pcm, .. } => samples += pcm.len(),
                Voiced::Done => return (samples, Ok(())),
                Voiced::Failed(fault) => return (samples, Err(fault)),
            },
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn whatever_a_voice_does_the_next_speaks_and_is_remembered() {
    let net = net();
    let good = speaks(400).await;
    let json = response("200 OK", "content-type: application/json\r\n", b"{}");
    let silent = response("200 OK", "content-type: audio/pcm\r\n", b"");
    let bad = [
        ("dead", Server::dead().await),
        ("wrong key", refuses("401 Unauthorized", "").await),
        ("broken", refuses("503 Service Unavailable", "").await),
        ("no audio", Server::answering(json).await),
        ("nothing", Server::answering(silent).await),
        ("resets", then(|stream| async move { reset(stream) }).await),
        ("hangs", hangs().await),
    ];
    for (what, server) in &bad {
        let links = vec![voice("first", server, &net, SHORT), voice("second", &good, &net, SOON)];
        let chain = VoiceChain::new(links, Arc::new(Health::new()));
        let (answers, mut inbox) = inbox();
        let mut speaker = chain.open(&VoiceSpec::at(SampleRate::HZ_8000), answers);
        for id in 1..4 {
            let _running = speaker.speak(UtteranceId(id), "hello".to_owned());
            assert_eq!(spoken(&mut inbox, id).await, (400, Ok(())), "{what}");
        }
        assert!(server.connections() <= 1, "{what}: not every sentence tries it again");
    }
}

#[tokio::test]
async fn a_sentence_that_was_begun_is_not_spoken_twice() {
    let net = net();
    let dies = then(|mut stream| async move {
        let head = b"HTTP/1.1 200 OK\r\ncontent-type: audio/pcm\r\ncontent-length: 9999\r\n\r\n";
        let _ = stream.write_all(head).await;
        let _ = stream.write_all(&[1; 400]).await;
    })
    .await;
    let good = speaks(400).await;
    let links = vec![voice("first", &dies, &net, SOON), voice("second", &good, &net, SOON)];
    let chain = VoiceChain::new(links, Arc::new(Health::new()));
    let (answers, mut inbox) = inbox();
    let mut speaker = chain.open(&VoiceSpec::at(SampleRate::HZ_8000), answers);
    let _running = speaker.speak(UtteranceId(1), "hello".to_owned());
    let (samples, end) = spoken(&mut inbox, 1).await;
    assert_eq!((samples, end.unwrap_err().class), (200, FaultClass::Network));
    assert_eq!(good.connections(), 0);
    let _running = speaker.speak(UtteranceId(2), "hello".to_owned());
    assert_eq!(spoken(&mut inbox, 2).await, (400, Ok(())), "the next sentence takes the other way");
}

#[tokio::test]
async fn a_voices_socket_that_is_blocked_gives_way_to_http() {
    let net = net();
    let blocks = refuses("403 Forbidden", "").await;
    let good = speaks(400).await;
    let id = link("plain", Role::TextToSpeech, Transport::Websocket);
    let socket = SocketVoice::new(id.clone(), blocks.plain(), Arc::clone(&net));
    let links = vec![
        Link { id, role: Arc::new(socket) as Arc<dyn TextToSpeech>, deadline: SOON },
        voice("plain", &good, &net, SOON),
    ];
    let chain = VoiceChain::new(links, Arc::new(Health::new()));
    let (answers, mut inbox) = inbox();
    let mut speaker = chain.open(&VoiceSpec::at(SampleRate::HZ_8000), answers);
    let _running = speaker.speak(UtteranceId(1), "hello".to_owned());
    assert_eq!(spoken(&mut inbox, 1).await, (400, Ok(())));
}

/// What a recogniser that misses nothing writes: each word is a value that is not zero, with how often it came.
fn words(samples: &[i16]) -> String {
    let said: Vec<i16> = samples.iter().copied().filter(|sample| *sample != 0).collect();
    let words = said.chunk_by(|one, next| one == next);
    words.map(|word| format!("{}x{}", word[0], word.len())).collect::<Vec<_>>().join(" ")
}

/// How a socket fails.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Ill {
    Not,
    Refused,
    UpgradeHangs,
    Hangs,
    /// Dies after so many frames.
    Dies(usize),
    Closes(usize),
    /// Hears everything and never gives a final text.
    NoFinal,
    Babbles,
}

/// A recogniser over a socket.
async fn socket_ear(ill: Ill) -> Server {
    Server::new(move |_, mut stream| async move {
        match ill {
            Ill::Refused => {
                read_request(&mut stream).await;
                let _ = stream.write_all(&response("403 Forbidden", "", b"blocked")).await;
                return;
            }
            Ill::UpgradeHangs => return tokio::time::sleep(2 * SOON).await,
            _ => {}
        }
        let mut socket = accept(stream).await;
        let (mut heard, mut frames) = (Vec::new(), 0);
        while let Some(message) = hear(&mut socket).await {
            if message.is_binary() {
                heard.extend_from_slice(&Pcm::from_le_bytes(&message.into_data()));
                frames += 1;
                match ill {
                    Ill::Dies(at) if frames == at => return reset(socket.into_inner()),
                    Ill::Closes(at) if frames == at => {
                        let _ = socket.close(None).await;
                        return;
                    }
                    Ill::Babbles => {
                        tell(&mut socket, "{").await;
                    }
                    Ill::Hangs => return tokio::time::sleep(2 * SOON).await,
                    _ => {
                        tell(&mut socket, "noise").await;
                    }
                }
            } else if let Some(id) = message.to_text().unwrap().strip_prefix("finish ")
                && ill != Ill::NoFinal
            {
                let text = format!("final {id} {}", words(&heard));
                heard.clear();
                tell(&mut socket, text).await;
            }
        }
    })
    .await
}

/// A recogniser over HTTP; it keeps what it was posted.
async fn http_ear() -> (Server, Arc<Mutex<Vec<Vec<i16>>>>) {
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let posted = Arc::clone(&bodies);
    let server = Server::new(move |_, mut stream| {
        let posted = Arc::clone(&posted);
        async move {
            while let Some((_, body)) = read_request(&mut stream).await {
                let samples = Pcm::from_le_bytes(&body).to_vec();
                let text = format!("text {}", words(&samples));
                posted.lock().unwrap().push(samples);
                let _ = stream.write_all(&response("200 OK", "", text.as_bytes())).await;
            }
        }
    })
    .await;
    (server, bodies)
}

fn ear_chain(socket: &Server, http: &Server, health: &Arc<Health>) -> EarChain {
    let net = net();
    let mut plain = wire::Plain::at(&format!("http://{}", socket.address));
    // The chain is to give up sooner than the dialect.
    plain.patience_ms = 60_000;
    let ws = link("plain", Role::SpeechToText, Transport::Websocket);
    let by_http = link("plain", Role::SpeechToText, Transport::Http);
    let first = SocketEar::new(ws.clone(), Arc::new(plain), Arc::clone(&net));
    let second = HttpEar::new(by_http.clone(), http.plain(), net);
    EarChain::new(
        vec![
            Link { id: ws, role: Arc::new(first) as Arc<dyn SpeechToText>, deadline: 3 * SHORT },
            Link { id: by_http, role: Arc::new(second), deadline: SOON },
        ],
        Arc::clone(health),
    )
}

fn listen_spec() -> ListenSpec {
    ListenSpec { rate: SampleRate::HZ_8000, language: "en-IN".to_owned(), phrases: Vec::new() }
}

async fn frames(ear: &mut Box<dyn Recogniser>, value: i16, count: usize, pause: Duration) {
    for _ in 0..count {
        assert_eq!(ear.listen(Listen::Audio(Pcm::from(vec![value; 160]))), Ok(()));
        tokio::time::sleep(pause).await;
    }
}

/// Two stretches with silence round them; the finals in the order in which they came.
async fn conversation(ear: &mut Box<dyn Recogniser>, pause: Duration) {
    frames(ear, 0, 30, pause).await;
    for (id, word) in [(1, 5), (2, 7)] {
        // Speech begins before it is noticed.
        frames(ear, word, 5, pause).await;
        ear.listen(Listen::Began(SpeechId(id))).unwrap();
        frames(ear, word, 25, pause).await;
        frames(ear, word + 1, 20, pause).await;
        frames(ear, 0, 10, pause).await;
        ear.listen(Listen::Finish(SpeechId(id))).unwrap();
        frames(ear, 0, 25, pause).await;
    }
}

async fn finals(inbox: &mut mpsc::Receiver<Input>, of: usize) -> Vec<(u32, String)> {
    let mut finals = Vec::new();
    while finals.len() < of {
        match next(inbox).await {
            Input::Heard { speech, what: Heard::Final(text) } => finals.push((speech.0, text)),
            Input::Heard { what: Heard::Partial(_), .. } => {}
            other => panic!("{other:?}"),
        }
    }
    finals.sort();
    finals
}

#[tokio::test]
async fn whatever_a_recogniser_does_every_sample_is_understood_once() {
    let expected = [(1, "5x4800 6x3200".to_owned()), (2, "7x4800 8x3200".to_owned())];
    for ill in [
        Ill::Not,
        Ill::Refused,
        Ill::UpgradeHangs,
        Ill::Hangs,
        Ill::Dies(1),
        Ill::Dies(40),
        Ill::Dies(60),
        Ill::Dies(85),
        Ill::Closes(45),
        Ill::Closes(130),
        Ill::NoFinal,
        Ill::Babbles,
    ] {
        for pause in [Duration::ZERO, Duration::from_millis(3)] {
            let (socket, (http, bodies)) = (socket_ear(ill).await, http_ear().await);
            let health = Arc::new(Health::new());
            let chain = ear_chain(&socket, &http, &health);
            let (answers, mut inbox) = inbox();
            let mut ear = chain.open(&listen_spec(), answers).unwrap();
            conversation(&mut ear, pause).await;
            assert_eq!(finals(&mut inbox, 2).await, expected, "{ill:?}");
            assert_eq!(socket.connections(), 1, "{ill:?}: the same is not asked twice");
            let posts = bodies.lock().unwrap().len();
            let most = if ill == Ill::Not { 0 } else { 2 };
            assert!(posts <= most, "{ill:?}: {posts} posts");
            drop(ear);
            let last = timeout(SOON, inbox.recv()).await.unwrap();
            assert_eq!(last, None, "{ill:?}: one final for each");
        }
    }
}

#[tokio::test]
async fn a_call_without_any_recogniser_is_told() {
    let (socket, http) = (socket_ear(Ill::Refused).await, refuses("401 Unauthorized", "").await);
    let chain = ear_chain(&socket, &http, &Arc::new(Health::new()));
    let (answers, mut inbox) = inbox();
    let mut ear = chain.open(&listen_spec(), answers).unwrap();
    conversation(&mut ear, Duration::ZERO).await;
    let mut failed = Vec::new();
    loop {
        match next(&mut inbox).await {
            Input::Heard { speech, what: Heard::Failed(fault) } => failed.push((speech.0, fault.class)),
            Input::Heard { what: Heard::Lost(fault), .. } => {
                assert_eq!(fault.class, FaultClass::Auth);
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    // What is finished after that is told by the loss itself.
    assert_eq!(failed[0], (1, FaultClass::Auth));
    assert_eq!(ear.listen(Listen::Audio(Pcm::silence(160))), Ok(()), "it does no harm");
}

#[tokio::test]
async fn links_that_nobody_uses_are_probed() {
    let (up, down) = (says("hi").await, refuses("401 Unauthorized", "").await);
    let (net, health) = (net(), Health::new());
    for (name, server) in [("up", &up), ("down", &down)] {
        let id = link(name, Role::LanguageModel, Transport::Http);
        health.watch(Arc::new(HttpModel::new(id, server.plain(), Arc::clone(&net))));
    }
    health.probe_idle(Duration::from_secs(60)).await;
    health.probe_idle(Duration::from_secs(60)).await;
    let snapshot = health.snapshot();
    let seen: Vec<_> = snapshot.iter().map(|link| (&*link.vendor, link.requests, link.is_well())).collect();
    assert_eq!(seen, [("down", 1, false), ("up", 1, true)], "who was asked just now is not asked again");
}

/// A recogniser that fails or works as a switch says, without a socket.
struct Switch {
    works: Arc<Mutex<bool>>,
    opened: Arc<AtomicUsize>,
}

struct SwitchEar {
    works: bool,
    answers: mpsc::UnboundedSender<(SpeechId, Heard)>,
}

impl SpeechToText for Switch {
    fn name(&self) -> &str {
        "switch"
    }

    fn open(&self, _: &ListenSpec, answers: Answers) -> Result<Box<dyn Recogniser>, Refused> {
        self.opened.fetch_add(1, Ordering::SeqCst);
        let (to, mut from) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some((speech, what)) = from.recv().await {
                let _ = answers.send(Input::Heard { speech, what }).await;
            }
        });
        Ok(Box::new(SwitchEar { works: *self.works.lock().unwrap(), answers: to }))
    }
}

impl Recogniser for SwitchEar {
    fn listen(&mut self, what: Listen) -> Result<(), QueueFull> {
        if let Listen::Finish(speech) = what {
            let failed = Heard::Failed(Fault::new(FaultClass::Busy, "not now"));
            let what = if self.works { Heard::Final("first".to_owned()) } else { failed };
            self.answers.send((speech, what)).unwrap();
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_choice_is_tried_again_beside_the_one_that_works() {
    let (works, opened) = (Arc::new(Mutex::new(false)), Arc::new(AtomicUsize::new(0)));
    let first = Switch { works: Arc::clone(&works), opened: Arc::clone(&opened) };
    let manner = providers::fake::Manner::slow(Duration::from_millis(50));
    let second = providers::fake::FakeRecogniser::new(vec!["second".to_owned()], manner);
    let id = |vendor| link(vendor, Role::SpeechToText, Transport::Local);
    let deadline = Duration::from_secs(2);
    let links: Vec<Link<dyn SpeechToText>> = vec![
        Link { id: id("first"), role: Arc::new(first), deadline },
        Link { id: id("second"), role: Arc::new(second), deadline },
    ];
    let chain = EarChain::new(links, Arc::new(Health::new()));
    let (answers, mut inbox) = inbox();
    let mut ear = chain.open(&listen_spec(), answers).unwrap();
    let mut texts = Vec::new();
    for id in 0..12 {
        ear.listen(Listen::Began(SpeechId(id))).unwrap();
        ear.listen(Listen::Audio(Pcm::silence(160))).unwrap();
        ear.listen(Listen::Finish(SpeechId(id))).unwrap();
        texts.extend(finals(&mut inbox, 1).await.into_iter().map(|(_, text)| text));
        if id == 5 {
            *works.lock().unwrap() = true;
        }
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    let seconds = texts.iter().take_while(|text| *text == "second").count();
    assert!((6..12).contains(&seconds), "{texts:?}");
    assert!(texts[seconds..].iter().all(|text| text == "first"), "and keeps: {texts:?}");
    assert!((3..7).contains(&opened.load(Ordering::SeqCst)), "now and then, not for every stretch");
}

/// A model that never answers and counts its questions.
struct Mute(Arc<AtomicUsize>);

impl LanguageModel for Mute {
    fn name(&self) -> &str {
        "mute"
    }

    fn ask(&self, _: TurnId, _: call::Prompt, answers: Answers) -> Running {
        self.0.fetch_add(1, Ordering::SeqCst);
        Running::new(move || drop(answers))
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_hangs_ends_within_its_deadlines() {
    let asked = Arc::new(AtomicUsize::new(0));
    let link = |vendor| {
        let id = link(vendor, Role::LanguageModel, Transport::Local);
        let role: Arc<dyn LanguageModel> = Arc::new(Mute(Arc::clone(&asked)));
        Link { id, role, deadline: Duration::from_millis(1_500) }
    };
    let chain = ModelChain::new(vec![link("a"), link("b"), link("c")], Arc::new(Health::new()));
    let began = tokio::time::Instant::now();
    assert_eq!(ask(&chain).await.1.unwrap_err().class, FaultClass::Slow);
    assert!(began.elapsed() <= Duration::from_secs(10), "{:?}", began.elapsed());
    assert!((3..=4).contains(&asked.load(Ordering::SeqCst)));
}
