//! The drivers over real sockets, against servers that misbehave in every way that vendors do.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy takes for code")]

mod wire;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use audio::{Pcm, SampleRate};
use call::{
    Converse, Conversed, Fault, FaultClass, Heard, Input, Listen, SpeechId, Thought, TurnId, UtteranceId,
    Voiced,
};
use providers::driver::{
    HttpEar, HttpModel, HttpVoice, Net, Patience, Probe, SocketAgent, SocketEar, SocketVoice,
};
use providers::{
    ConverseSpec, FaultPlan, LanguageModel, ListenSpec, QueueFull, Role, SpeechToSpeech, SpeechToText,
    TextToSpeech, Transport, VoiceSpec,
};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message as WsMessage;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use wire::{
    SOON, Server, accept, head, hear, inbox, link, net, next, prompt, read_request, reset, response, tell,
};

const PATIENCE: Patience =
    Patience { first: Duration::from_millis(400), between: Duration::from_millis(400) };
/// A patience that nothing is to exceed, however loaded the machine is.
const LONG: Patience = Patience { first: SOON, between: SOON };

fn listen_spec() -> ListenSpec {
    ListenSpec { rate: SampleRate::HZ_8000, language: "en-IN".to_owned(), phrases: Vec::new() }
}

/// 20 ms whose samples all are `value`.
fn frame(value: i16) -> Listen {
    Listen::Audio(Pcm::from(vec![value; 160]))
}

fn model(server: &Server, net: &Arc<Net>, patience: Patience) -> HttpModel {
    let id = link("plain", Role::LanguageModel, Transport::Http);
    HttpModel::new(id, server.plain(), Arc::clone(net)).with_patience(patience)
}

fn voice(server: &Server, net: &Arc<Net>, patience: Patience) -> HttpVoice {
    let id = link("plain", Role::TextToSpeech, Transport::Http);
    HttpVoice::new(id, server.plain(), Arc::clone(net)).with_patience(patience)
}

fn http_ear(server: &Server, net: &Arc<Net>) -> HttpEar {
    let id = link("plain", Role::SpeechToText, Transport::Http);
    HttpEar::new(id, server.plain(), Arc::clone(net))
}

fn socket_ear(server: &Server, net: &Arc<Net>) -> SocketEar {
    let id = link("plain", Role::SpeechToText, Transport::Websocket);
    SocketEar::new(id, server.plain(), Arc::clone(net))
}

fn socket_voice(server: &Server, net: &Arc<Net>, patience: Patience) -> SocketVoice {
    let id = link("plain", Role::TextToSpeech, Transport::Websocket);
    SocketVoice::new(id, server.plain(), Arc::clone(net)).with_patience(patience)
}

/// What a model said, and how it ended.
async fn ask(model: &HttpModel) -> (String, Result<(), Fault>) {
    let (answers, mut inbox) = inbox();
    let _running = model.ask(TurnId(1), prompt("hello"), answers);
    let mut said = String::new();
    loop {
        match next(&mut inbox).await {
            Input::Thought { turn: TurnId(1), what: Thought::Delta(text) } => said += &text,
            Input::Thought { turn: TurnId(1), what: Thought::Done } => return (said, Ok(())),
            Input::Thought { turn: TurnId(1), what: Thought::Failed(fault) } => return (said, Err(fault)),
            other => panic!("{other:?}"),
        }
    }
}

/// What a voice spoke of one utterance, and how it ended.
async fn speech_of(inbox: &mut mpsc::Receiver<Input>, of: u32) -> (Vec<i16>, Result<(), Fault>) {
    let mut spoken = Vec::new();
    loop {
        match next(inbox).await {
            Input::Voiced { utterance, what } if utterance == UtteranceId(of) => match what {
                Voiced::Audio { pcm, .. } => spoken.extend_from_slice(&pcm),
                Voiced::Done => return (spoken, Ok(())),
                Voiced::Failed(fault) => return (spoken, Err(fault)),
            },
            other => panic!("{other:?}"),
        }
    }
}

async fn say(voice: &dyn TextToSpeech) -> (Vec<i16>, Result<(), Fault>) {
    let (answers, mut inbox) = inbox();
    let mut speaker = voice.open(&VoiceSpec::at(SampleRate::HZ_8000), answers);
    let _running = speaker.speak(UtteranceId(1), "hello".to_owned());
    speech_of(&mut inbox, 1).await
}

async fn heard(inbox: &mut mpsc::Receiver<Input>) -> (u32, Heard) {
    match next(inbox).await {
        Input::Heard { speech, what } => (speech.0, what),
        other => panic!("{other:?}"),
    }
}

/// The samples of a message.
fn samples(message: &WsMessage) -> Vec<i16> {
    Pcm::from_le_bytes(&message.clone().into_data()).to_vec()
}

/// A server that accepts every connection, reads the request and then does this.
async fn then<F>(act: impl Fn(TcpStream) -> F + Clone + Send + 'static) -> Server
where
    F: Future<Output = ()> + Send + 'static,
{
    Server::new(move |_, mut stream| {
        let act = act.clone();
        async move {
            read_request(&mut stream).await;
            act(stream).await;
        }
    })
    .await
}

const WORDS: &str = ": hi\n\nevent: word\ndata: नमस्ते \n\nevent: word\ndata: there\n\nevent: end\ndata: \n\n";

#[tokio::test]
async fn a_model_is_understood_however_its_answer_is_cut() {
    for piece in [1, 3, 7, 1000] {
        let server = then(move |mut stream| async move {
            let _ = stream.write_all(&head("text/event-stream")).await;
            for piece in WORDS.as_bytes().chunks(piece) {
                stream.write_all(piece).await.unwrap();
                stream.flush().await.unwrap();
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert_eq!(ask(&model(&server, &net(), LONG)).await, ("नमस्ते there".to_owned(), Ok(())));
    }
}

#[tokio::test]
async fn one_connection_serves_many_questions() {
    let bytes = response("200 OK", "content-type: text/event-stream\r\n", WORDS.as_bytes());
    let server = Server::answering(bytes).await;
    let model = model(&server, &net(), LONG);
    for _ in 0..5 {
        assert_eq!(ask(&model).await.1, Ok(()));
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_models_faults_are_told_by_class() {
    let net = net();
    let class = |answer: (String, Result<(), Fault>)| answer.1.unwrap_err().class;
    let refused = |status: &'static str, headers: &'static str| async move {
        Server::answering(response(status, headers, b"because")).await
    };
    let server = refused("429 Too Many Requests", "retry-after: 7\r\n").await;
    let fault = ask(&model(&server, &net, LONG)).await.1.unwrap_err();
    let expected = Fault::new(FaultClass::Rate, "HTTP 429: because").with_retry_after_ms(7_000);
    assert_eq!(fault, expected);
    for (status, expected) in [
        ("401 Unauthorized", FaultClass::Auth),
        ("402 Payment Required", FaultClass::Quota),
        ("503 Service Unavailable", FaultClass::Busy),
        ("404 Not Found", FaultClass::Config),
        ("302 Found", FaultClass::Garbage),
    ] {
        let server = refused(status, "location: http://127.0.0.1:1/\r\n").await;
        assert_eq!(class(ask(&model(&server, &net, LONG)).await), expected, "{status}");
    }
    let html = response("200 OK", "content-type: text/html; charset=utf-8\r\n", b"<html>");
    assert_eq!(class(ask(&model(&Server::answering(html).await, &net, LONG)).await), FaultClass::Garbage);
    let dead = Server::dead().await;
    assert_eq!(class(ask(&model(&dead, &net, LONG)).await), FaultClass::Network);
    let hangs = then(|stream| async move {
        tokio::time::sleep(SOON).await;
        drop(stream);
    })
    .await;
    assert_eq!(class(ask(&model(&hangs, &net, PATIENCE)).await), FaultClass::Slow);
    let resets = then(|stream| async move { reset(stream) }).await;
    assert_eq!(class(ask(&model(&resets, &net, LONG)).await), FaultClass::Network);
}

#[tokio::test]
async fn what_a_model_said_before_it_failed_is_heard() {
    let net = net();
    let begins = |rest: &'static [u8]| {
        then(move |mut stream| async move {
            let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 9999\r\n\r\n";
            let _ = stream.write_all(head).await;
            let _ = stream.write_all(b"event: word\ndata: Well\n\n").await;
            let _ = stream.write_all(rest).await;
            if rest.is_empty() {
                tokio::time::sleep(SOON).await;
            }
        })
    };
    let server = begins(b"event: error\ndata: overloaded\n\n").await;
    let expected = Err(Fault::new(FaultClass::Busy, "overloaded"));
    assert_eq!(ask(&model(&server, &net, LONG)).await, ("Well".to_owned(), expected));
    let server = begins(b"event: word\nda").await;
    let (said, end) = ask(&model(&server, &net, LONG)).await;
    assert_eq!((said.as_str(), end.unwrap_err().class), ("Well", FaultClass::Network));
    let server = begins(b"").await;
    let (said, end) = ask(&model(&server, &net, PATIENCE)).await;
    assert_eq!((said.as_str(), end.unwrap_err().class), ("Well", FaultClass::Slow));
}

#[tokio::test]
async fn a_model_that_ends_without_an_end_or_drips_is_given_up() {
    let net = net();
    let body = b"event: word\ndata: Well\n\n";
    let server = Server::answering(response("200 OK", "content-type: text/event-stream\r\n", body)).await;
    assert_eq!(ask(&model(&server, &net, LONG)).await.1.unwrap_err().class, FaultClass::Garbage);
    let drips = then(|mut stream| async move {
        let _ = stream.write_all(&head("text/event-stream")).await;
        while stream.write_all(b":").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let (said, end) = ask(&model(&drips, &net, PATIENCE)).await;
    assert_eq!((said.as_str(), end.unwrap_err().class), ("", FaultClass::Slow));
}

#[tokio::test]
async fn a_voice_is_heard_as_it_comes_and_its_faults_are_told() {
    let net = net();
    let pcm: Vec<u8> = (0..1601u32).map(|at| at as u8).collect();
    let expected = Pcm::from_le_bytes(&pcm[..1600]).to_vec();
    let sent = pcm.clone();
    let odd = then(move |mut stream| {
        let sent = sent.clone();
        async move {
            let _ = stream.write_all(&head("audio/pcm")).await;
            for piece in sent.chunks(333) {
                stream.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
        }
    })
    .await;
    assert_eq!(say(&voice(&odd, &net, LONG)).await, (expected.clone(), Ok(())));
    let class = |said: (Vec<i16>, Result<(), Fault>)| said.1.unwrap_err().class;
    let json = response("200 OK", "content-type: application/json\r\n", b"{\"error\":\"no\"}");
    assert_eq!(class(say(&voice(&Server::answering(json).await, &net, LONG)).await), FaultClass::Garbage);
    let nothing = response("200 OK", "content-type: audio/pcm\r\n", b"");
    assert_eq!(class(say(&voice(&Server::answering(nothing).await, &net, LONG)).await), FaultClass::Garbage);
    let drips = then(|mut stream| async move {
        let _ = stream.write_all(&head("audio/pcm")).await;
        while stream.write_all(b"ab").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let (spoken, end) = say(&voice(&drips, &net, PATIENCE)).await;
    assert_eq!(end.unwrap_err().class, FaultClass::Slow);
    assert!(!spoken.is_empty(), "what came is not thrown away");
    let cut = then(|mut stream| async move {
        let head = b"HTTP/1.1 200 OK\r\ncontent-type: audio/pcm\r\ncontent-length: 9999\r\n\r\n";
        let _ = stream.write_all(head).await;
        let _ = stream.write_all(&[1; 400]).await;
    })
    .await;
    let (spoken, end) = say(&voice(&cut, &net, LONG)).await;
    assert_eq!((spoken.len(), end.unwrap_err().class), (200, FaultClass::Network));
}

#[tokio::test]
async fn a_voice_that_never_stops_is_stopped() {
    let endless = then(|mut stream| async move {
        let _ = stream.write_all(&head("audio/pcm")).await;
        while stream.write_all(&[0; 65_536]).await.is_ok() {}
    })
    .await;
    let (spoken, end) = say(&voice(&endless, &net(), LONG)).await;
    assert_eq!(end.unwrap_err().class, FaultClass::Garbage);
    assert!(spoken.len() <= 181 * 8_000, "{}", spoken.len());
}

#[tokio::test]
async fn an_ear_over_http_posts_the_stretch_with_what_came_before() {
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&bodies);
    let server = Server::new(move |_, mut stream| {
        let seen = Arc::clone(&seen);
        async move {
            while let Some((_, body)) = read_request(&mut stream).await {
                seen.lock().unwrap().push(Pcm::from_le_bytes(&body).to_vec());
                let _ = stream.write_all(&response("200 OK", "", b"text hello")).await;
            }
        }
    })
    .await;
    let (answers, mut inbox) = inbox();
    let mut ear = http_ear(&server, &net()).open(&listen_spec(), answers).unwrap();
    for value in 0..50 {
        ear.listen(frame(value)).unwrap();
    }
    ear.listen(Listen::Began(SpeechId(3))).unwrap();
    for value in 50..100 {
        ear.listen(frame(value)).unwrap();
    }
    ear.listen(Listen::Finish(SpeechId(3))).unwrap();
    assert_eq!(heard(&mut inbox).await, (3, Heard::Final("hello".to_owned())));
    let body = bodies.lock().unwrap().pop().unwrap();
    let expected: Vec<i16> = (35..100).flat_map(|value| [value; 160]).collect();
    assert_eq!(body, expected, "300 ms before it began");
}

/// A recogniser's server that records all audio, and answers `finish` with how many samples it has.
async fn counting(socket: &mut tokio_tungstenite::WebSocketStream<TcpStream>) -> Vec<i16> {
    let mut all = Vec::new();
    while let Some(message) = hear(socket).await {
        if message.is_binary() {
            all.extend(samples(&message));
        } else if let Some(id) = message.to_text().unwrap().strip_prefix("finish ") {
            tell(socket, format!("final {id} {}", all.len())).await;
        }
    }
    all
}

#[tokio::test]
async fn what_is_said_while_a_socket_opens_waits_in_it() {
    let (done, mut heard_all) = mpsc::channel(1);
    let server = Server::new(move |_, stream| {
        let done = done.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let mut socket = accept(stream).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
            tell(&mut socket, "ready").await;
            done.send(counting(&mut socket).await).await.unwrap();
        }
    })
    .await;
    let mut plain = wire::Plain::at(&format!("http://{}", server.address));
    plain.says_hello = true;
    let id = link("plain", Role::SpeechToText, Transport::Websocket);
    let ear = SocketEar::new(id, Arc::new(plain), net());
    let (answers, mut inbox) = inbox();
    let mut ear = ear.open(&listen_spec(), answers).unwrap();
    ear.listen(Listen::Began(SpeechId(1))).unwrap();
    for value in 0..100 {
        ear.listen(frame(value)).unwrap();
    }
    ear.listen(Listen::Finish(SpeechId(1))).unwrap();
    assert_eq!(heard(&mut inbox).await, (1, Heard::Final("16000".to_owned())));
    drop(ear);
    let all = timeout(SOON, heard_all.recv()).await.unwrap().unwrap();
    assert_eq!(all, (0..100).flat_map(|value| [value; 160]).collect::<Vec<i16>>());
}

/// What a recogniser's answers are after one stretch, up to its being lost.
async fn lost(server: &Server) -> (Vec<Heard>, Fault) {
    let (answers, mut inbox) = inbox();
    let mut ear = socket_ear(server, &net()).open(&listen_spec(), answers).unwrap();
    ear.listen(Listen::Began(SpeechId(1))).unwrap();
    for value in 0..10 {
        ear.listen(frame(value)).unwrap();
    }
    ear.listen(Listen::Finish(SpeechId(1))).unwrap();
    let mut before = Vec::new();
    loop {
        match heard(&mut inbox).await {
            (1, Heard::Lost(fault)) => {
                assert_eq!(timeout(SOON, inbox.recv()).await, Ok(None), "nothing follows");
                return (before, fault);
            }
            (1, what) => before.push(what),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn an_ear_that_is_refused_hangs_or_dies_says_why() {
    let refuses = Server::answering(response("401 Unauthorized", "dg-error: x\r\n", b"bad key")).await;
    let (before, fault) = lost(&refuses).await;
    assert_eq!(fault, Fault::new(FaultClass::Auth, "HTTP 401: bad key"));
    assert_eq!(before, [Heard::Failed(fault)]);

    assert_eq!(lost(&Server::dead().await).await.1.class, FaultClass::Network);

    let never_answers = then(|stream| async move {
        tokio::time::sleep(SOON).await;
        drop(stream);
    })
    .await;
    assert_eq!(lost(&never_answers).await.1.class, FaultClass::Slow);

    let never_reads = Server::new(|_, stream| async move {
        let _socket = accept(stream).await;
        tokio::time::sleep(SOON).await;
    })
    .await;
    assert_eq!(lost(&never_reads).await.1.class, FaultClass::Slow);

    let never_speaks = Server::new(|_, stream| async move {
        let mut socket = accept(stream).await;
        while hear(&mut socket).await.is_some() {}
    })
    .await;
    assert_eq!(lost(&never_speaks).await.1.class, FaultClass::Slow, "it answers pings and nothing else");

    let closes = Server::new(|_, stream| async move {
        let mut socket = accept(stream).await;
        while hear(&mut socket).await.is_some_and(|message| !message.is_binary()) {}
        tell(&mut socket, "partial 1 hel").await;
        let _ = socket.close(Some(CloseFrame { code: 1011.into(), reason: "too quiet".into() })).await;
        while hear(&mut socket).await.is_some() {}
    })
    .await;
    let (before, fault) = lost(&closes).await;
    assert_eq!(fault, Fault::new(FaultClass::Idle, "1011: too quiet"));
    assert_eq!(before.first(), Some(&Heard::Partial("hel".to_owned())));

    let resets = Server::new(|_, stream| async move {
        let mut socket = accept(stream).await;
        while hear(&mut socket).await.is_some_and(|message| !message.is_binary()) {}
        reset(socket.into_inner());
    })
    .await;
    assert_eq!(lost(&resets).await.1.class, FaultClass::Network);

    let babbles = Server::new(|_, stream| async move {
        let mut socket = accept(stream).await;
        tell(&mut socket, "{").await;
        while hear(&mut socket).await.is_some() {}
    })
    .await;
    assert_eq!(lost(&babbles).await.1.class, FaultClass::Garbage);
}

#[tokio::test]
async fn a_vendor_that_hears_and_has_nothing_to_say_is_given_up_by_its_dialect() {
    let server = Server::new(|_, stream| async move {
        let mut socket = accept(stream).await;
        while let Some(message) = hear(&mut socket).await {
            if message.is_binary() {
                tell(&mut socket, "noise").await;
            }
        }
    })
    .await;
    let (answers, mut inbox) = inbox();
    let mut ear = socket_ear(&server, &net()).open(&listen_spec(), answers).unwrap();
    for id in 1..3 {
        ear.listen(Listen::Began(SpeechId(id))).unwrap();
        ear.listen(frame(1)).unwrap();
        ear.listen(Listen::Finish(SpeechId(id))).unwrap();
        assert_eq!(heard(&mut inbox).await, (id, Heard::Final("given up".to_owned())));
    }
}

#[tokio::test]
async fn a_vendor_that_does_not_read_never_holds_the_call_up() {
    let server = Server::new(|_, stream| async move {
        let _socket = accept(stream).await;
        tokio::time::sleep(2 * SOON).await;
    })
    .await;
    let (answers, mut inbox) = inbox();
    let mut ear = socket_ear(&server, &net()).open(&listen_spec(), answers).unwrap();
    let second = Pcm::silence(8_000);
    let mut full = 0;
    let mut slowest = Duration::ZERO;
    for _ in 0..20_000 {
        let start = Instant::now();
        match ear.listen(Listen::Audio(second.clone())) {
            Ok(()) => {}
            Err(QueueFull) => full += 1,
        }
        slowest = slowest.max(start.elapsed());
        tokio::task::yield_now().await;
    }
    assert!(full > 0, "the queue has a bound");
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    assert_eq!(
        heard(&mut inbox).await.1,
        Heard::Lost(Fault::new(FaultClass::Slow, "it does not take what it is sent"))
    );
}

#[tokio::test]
async fn a_quiet_socket_is_kept_alive_and_closed_politely() {
    let (to, mut said) = mpsc::channel(64);
    let server = Server::new(move |_, stream| {
        let to = to.clone();
        async move {
            let mut socket = accept(stream).await;
            while let Some(message) = hear(&mut socket).await {
                let _ = to.send(message.to_text().unwrap().to_owned()).await;
            }
        }
    })
    .await;
    let mut plain = wire::Plain::at(&format!("http://{}", server.address));
    plain.keep_alive_ms = Some(50);
    let id = link("plain", Role::SpeechToText, Transport::Websocket);
    let (answers, _inbox) = inbox();
    let ear = SocketEar::new(id, Arc::new(plain), net()).open(&listen_spec(), answers).unwrap();
    let mut texts = Vec::new();
    for _ in 0..4 {
        texts.push(timeout(SOON, said.recv()).await.unwrap().unwrap());
    }
    assert_eq!(texts, ["hello", "still here", "still here", "still here"]);
    drop(ear);
    loop {
        let text = timeout(SOON, said.recv()).await.unwrap().expect("it says goodbye");
        if text == "goodbye" {
            break;
        }
        assert_eq!(text, "still here");
    }
}

/// A voice's server: speaks what it is asked for, as many samples as the text has bytes, times 100.
async fn speaks(socket: &mut tokio_tungstenite::WebSocketStream<TcpStream>, most: usize) {
    use futures_util::SinkExt;
    let mut spoken = 0;
    while spoken < most
        && let Some(message) = hear(socket).await
    {
        let Some(rest) = message.to_text().unwrap().strip_prefix("speak ").map(str::to_owned) else {
            continue;
        };
        let (id, text) = rest.split_once(' ').unwrap();
        tell(socket, format!("audio {id}")).await;
        let audio = vec![1u8; 200 * text.len()];
        let _ = socket.send(WsMessage::Binary(audio.into())).await;
        tell(socket, format!("done {id}")).await;
        spoken += 1;
    }
}

#[tokio::test]
async fn a_voices_socket_that_died_between_utterances_is_opened_again() {
    let server = Server::new(|at, stream| async move {
        let mut socket = accept(stream).await;
        speaks(&mut socket, if at == 0 { 1 } else { usize::MAX }).await;
        if at == 0 {
            reset(socket.into_inner());
        }
    })
    .await;
    let (answers, mut inbox) = inbox();
    let mut speaker = socket_voice(&server, &net(), LONG).open(&VoiceSpec::at(SampleRate::HZ_8000), answers);
    for id in 1..4 {
        let _running = speaker.speak(UtteranceId(id), "four".to_owned());
        let (spoken, end) = speech_of(&mut inbox, id).await;
        assert_eq!((spoken.len(), end), (400, Ok(())), "utterance {id}");
    }
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_voice_that_dies_in_an_utterance_has_failed_and_is_not_asked_again() {
    let server = Server::new(|_, stream| async move {
        use futures_util::SinkExt;
        let mut socket = accept(stream).await;
        while hear(&mut socket).await.is_some_and(|message| message.to_text().unwrap() == "hello") {}
        tell(&mut socket, "audio 1").await;
        let _ = socket.send(WsMessage::Binary(vec![1; 100].into())).await;
    })
    .await;
    let (spoken, end) = say(&socket_voice(&server, &net(), LONG)).await;
    assert_eq!((spoken.len(), end.unwrap_err().class), (50, FaultClass::Network));
    assert_eq!(server.connections(), 1);

    let hangs = Server::new(|_, stream| async move {
        let mut socket = accept(stream).await;
        while hear(&mut socket).await.is_some() {}
    })
    .await;
    let (spoken, end) = say(&socket_voice(&hangs, &net(), PATIENCE)).await;
    assert_eq!((spoken.len(), end.unwrap_err().class), (0, FaultClass::Slow));
    let refuses = Server::answering(response("402 Payment Required", "", b"no credit")).await;
    assert_eq!(say(&socket_voice(&refuses, &net(), LONG)).await.1.unwrap_err().class, FaultClass::Quota);
}

#[tokio::test]
async fn an_utterance_that_is_let_go_is_withdrawn_and_what_comes_late_is_dropped() {
    let server = Server::new(|_, stream| async move {
        use futures_util::SinkExt;
        let mut socket = accept(stream).await;
        while let Some(message) = hear(&mut socket).await {
            match message.to_text().unwrap() {
                "stop 1" => {
                    tell(&mut socket, "audio 1").await;
                    let _ = socket.send(WsMessage::Binary(vec![9; 100].into())).await;
                    tell(&mut socket, "done 1").await;
                }
                "speak 2 b" => {
                    tell(&mut socket, "audio 2").await;
                    let _ = socket.send(WsMessage::Binary(vec![1; 100].into())).await;
                    tell(&mut socket, "done 2").await;
                }
                _ => {}
            }
        }
    })
    .await;
    let (answers, mut inbox) = inbox();
    let mut speaker = socket_voice(&server, &net(), LONG).open(&VoiceSpec::at(SampleRate::HZ_8000), answers);
    drop(speaker.speak(UtteranceId(1), "a".to_owned()));
    let _running = speaker.speak(UtteranceId(2), "b".to_owned());
    assert_eq!(speech_of(&mut inbox, 2).await.0.len(), 50);
}

#[tokio::test]
async fn an_agent_gets_what_was_said_before_it_was_ready() {
    let server = Server::new(|_, stream| async move {
        use futures_util::SinkExt;
        let mut socket = accept(stream).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        tell(&mut socket, "ready").await;
        let mut bytes = 0;
        while let Some(message) = hear(&mut socket).await {
            bytes += if message.is_binary() { message.len() } else { 0 };
            if message.to_text().is_ok_and(|text| text == "say done") {
                let _ = socket.send(WsMessage::Binary(vec![0; bytes].into())).await;
                let _ = socket.close(None).await;
            }
        }
    })
    .await;
    let spec = ConverseSpec {
        rate: SampleRate::HZ_8000,
        language: "en-IN".to_owned(),
        system: String::new(),
        tools: Arc::default(),
    };
    let open = |server: &Server, answers| {
        let id = link("plain", Role::SpeechToSpeech, Transport::Websocket);
        SocketAgent::new(id, server.plain(), net()).with_patience(PATIENCE).open(&spec, answers).unwrap()
    };
    let (answers, mut from) = inbox();
    let mut agent = open(&server, answers);
    for _ in 0..50 {
        agent.take(Converse::Audio(Pcm::silence(160))).unwrap();
    }
    agent.take(Converse::Say("done".to_owned())).unwrap();
    assert_eq!(next(&mut from).await, Input::Conversed(Conversed::Ready));
    let Input::Conversed(Conversed::Audio { pcm, .. }) = next(&mut from).await else { panic!() };
    assert_eq!(pcm.len(), 50 * 160);
    let Input::Conversed(Conversed::Failed(fault)) = next(&mut from).await else { panic!() };
    assert_eq!(fault.class, FaultClass::Network);

    let never_ready = Server::new(|_, stream| async move {
        let mut socket = accept(stream).await;
        while hear(&mut socket).await.is_some() {}
    })
    .await;
    let (answers, mut from) = inbox();
    let _agent = open(&never_ready, answers);
    let Input::Conversed(Conversed::Failed(fault)) = next(&mut from).await else { panic!() };
    assert_eq!(fault.class, FaultClass::Slow);
}

#[tokio::test]
async fn a_probe_says_whether_a_vendor_is_there() {
    let net = net();
    let there = Server::answering(response("200 OK", "", b"[]")).await;
    assert!(model(&there, &net, LONG).probe().await.unwrap() < SOON);
    assert!(voice(&there, &net, LONG).probe().await.is_ok());
    assert!(http_ear(&there, &net).probe().await.is_ok());
    let refuses = Server::answering(response("401 Unauthorized", "", b"")).await;
    assert_eq!(model(&refuses, &net, LONG).probe().await.unwrap_err().class, FaultClass::Auth);
    assert_eq!(socket_ear(&refuses, &net).probe().await.unwrap_err().class, FaultClass::Auth);
    let opens = Server::new(|_, stream| async move {
        let mut socket = accept(stream).await;
        while hear(&mut socket).await.is_some() {}
    })
    .await;
    assert!(socket_ear(&opens, &net).probe().await.is_ok());
    assert!(socket_voice(&opens, &net, LONG).probe().await.is_ok());
}

#[tokio::test]
async fn faults_are_injected_on_purpose() {
    let bytes = response("200 OK", "content-type: text/event-stream\r\n", WORDS.as_bytes());
    let server = Server::answering(bytes).await;
    let net = net();
    let model = model(&server, &net, PATIENCE);
    let with = |rule: &str| net.inject(toml::from_str::<FaultPlan>(&format!("[[links]]\n{rule}")).unwrap());
    for (rule, expected) in [
        ("fault = 'status'", FaultClass::Rate),
        ("fault = 'status'\nstatus = 401", FaultClass::Auth),
        ("fault = 'hang'", FaultClass::Slow),
        ("fault = 'cut'", FaultClass::Network),
        ("fault = 'garbage'", FaultClass::Garbage),
    ] {
        with(rule);
        assert_eq!(ask(&model).await.1.unwrap_err().class, expected, "{rule}");
    }
    with("fault = 'silence'");
    assert_eq!(ask(&model).await, (String::new(), Ok(())));
    with("fault = 'delay'\ndelay_ms = 100");
    let start = Instant::now();
    assert_eq!(ask(&model).await.1, Ok(()));
    assert!(start.elapsed() >= Duration::from_millis(100));
    with("fault = 'hang'\nvendor = 'other'");
    assert_eq!(ask(&model).await.1, Ok(()));

    let count = Server::new(|_, stream| async move {
        counting(&mut accept(stream).await).await;
    })
    .await;
    let ear = socket_ear(&count, &net);
    for (rule, expected) in [
        ("fault = 'status'", FaultClass::Rate),
        ("fault = 'hang'", FaultClass::Slow),
        ("fault = 'garbage'", FaultClass::Garbage),
        ("fault = 'silence'", FaultClass::Slow),
    ] {
        with(rule);
        let (answers, mut inbox) = inbox();
        let mut ear = ear.open(&listen_spec(), answers).unwrap();
        ear.listen(Listen::Began(SpeechId(1))).unwrap();
        ear.listen(frame(1)).unwrap();
        ear.listen(Listen::Finish(SpeechId(1))).unwrap();
        let Heard::Failed(fault) = heard(&mut inbox).await.1 else { panic!("{rule}") };
        assert_eq!(fault.class, expected, "{rule}");
    }
}
