//! Speech-to-speech over sockets.

use std::sync::Arc;
use std::time::Duration;

use audio::{Pcm, SampleRate};
use call::{Converse, Conversed, FaultClass, Input};
use providers::driver::SocketAgent;
use providers::{CallFacts, ConverseSpec, Role, SpeechToSpeech, Transport};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message as WsMessage;

use crate::scene::PATIENCE;
use crate::wire::{Server, accept, hear, inbox, link, net, next, tell};

/// What comes next that is not only a step on the way.
async fn given(from: &mut mpsc::Receiver<Input>) -> Input {
    loop {
        let input = next(from).await;
        if !matches!(input, Input::Conversed(Conversed::Step { .. })) {
            return input;
        }
    }
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
        call: CallFacts::default(),
        rate: SampleRate::HZ_8000,
        language: "en-IN".to_owned(),
        system: String::new(),
        greeting: String::new(),
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
    assert_eq!(given(&mut from).await, Input::Conversed(Conversed::Ready));
    let Input::Conversed(Conversed::Audio { pcm, .. }) = given(&mut from).await else { panic!() };
    assert_eq!(pcm.len(), 50 * 160);
    let Input::Conversed(Conversed::Failed(fault)) = given(&mut from).await else { panic!() };
    assert_eq!(fault.class, FaultClass::Network);

    let never_ready = Server::new(|_, stream| async move {
        let mut socket = accept(stream).await;
        while hear(&mut socket).await.is_some() {}
    })
    .await;
    let (answers, mut from) = inbox();
    let _agent = open(&never_ready, answers);
    let Input::Conversed(Conversed::Failed(fault)) = given(&mut from).await else { panic!() };
    assert_eq!(fault.class, FaultClass::Slow);
}
