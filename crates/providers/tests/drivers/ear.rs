//! Recognisers over HTTP and over sockets.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use audio::Pcm;
use call::{Fault, FaultClass, Heard, Listen, SpeechId};
use providers::driver::SocketEar;
use providers::{QueueFull, Role, SpeechToText, Transport};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::scene::{counting, frame, heard, http_ear, listen_spec, socket_ear, then};
use crate::wire::{self, SOON, Server, accept, hear, inbox, link, net, read_request, reset, response, tell};

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
