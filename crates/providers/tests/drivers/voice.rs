//! Voices over HTTP and over sockets.

use std::time::Duration;

use audio::{Pcm, SampleRate};
use call::{Fault, FaultClass, UtteranceId};
use providers::{TextToSpeech, VoiceSpec};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message as WsMessage;

use crate::scene::{LONG, PATIENCE, say, socket_voice, speech_of, then, voice};
use crate::wire::{Server, accept, head, hear, inbox, net, reset, response, tell};

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
