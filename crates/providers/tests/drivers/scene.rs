//! What the drivers' tests share: a driver of each kind for a server, and what is heard of it.

use std::sync::Arc;
use std::time::Duration;

use audio::{Pcm, SampleRate};
use call::{Fault, Heard, Input, Listen, Thought, TurnId, UtteranceId, Voiced};
use providers::driver::{HttpEar, HttpModel, HttpVoice, Net, Patience, SocketEar, SocketVoice};
use providers::{LanguageModel, ListenSpec, Role, TextToSpeech, Transport, VoiceSpec};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message as WsMessage;

use crate::wire::{SOON, Server, hear, inbox, link, next, prompt, read_request, tell};

pub(crate) const PATIENCE: Patience =
    Patience { first: Duration::from_millis(400), between: Duration::from_millis(400) };
/// A patience that nothing is to exceed, however loaded the machine is.
pub(crate) const LONG: Patience = Patience { first: SOON, between: SOON };

pub(crate) fn listen_spec() -> ListenSpec {
    ListenSpec { rate: SampleRate::HZ_8000, language: "en-IN".to_owned(), phrases: Vec::new() }
}

/// 20 ms whose samples all are `value`.
pub(crate) fn frame(value: i16) -> Listen {
    Listen::Audio(Pcm::from(vec![value; 160]))
}

pub(crate) fn model(server: &Server, net: &Arc<Net>, patience: Patience) -> HttpModel {
    let id = link("plain", Role::LanguageModel, Transport::Http);
    HttpModel::new(id, server.plain(), Arc::clone(net)).with_patience(patience)
}

pub(crate) fn voice(server: &Server, net: &Arc<Net>, patience: Patience) -> HttpVoice {
    let id = link("plain", Role::TextToSpeech, Transport::Http);
    HttpVoice::new(id, server.plain(), Arc::clone(net)).with_patience(patience)
}

pub(crate) fn http_ear(server: &Server, net: &Arc<Net>) -> HttpEar {
    let id = link("plain", Role::SpeechToText, Transport::Http);
    HttpEar::new(id, server.plain(), Arc::clone(net))
}

pub(crate) fn socket_ear(server: &Server, net: &Arc<Net>) -> SocketEar {
    let id = link("plain", Role::SpeechToText, Transport::Websocket);
    SocketEar::new(id, server.plain(), Arc::clone(net))
}

pub(crate) fn socket_voice(server: &Server, net: &Arc<Net>, patience: Patience) -> SocketVoice {
    let id = link("plain", Role::TextToSpeech, Transport::Websocket);
    SocketVoice::new(id, server.plain(), Arc::clone(net)).with_patience(patience)
}

/// What a model said, and how it ended.
pub(crate) async fn ask(model: &HttpModel) -> (String, Result<(), Fault>) {
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
pub(crate) async fn speech_of(inbox: &mut mpsc::Receiver<Input>, of: u32) -> (Vec<i16>, Result<(), Fault>) {
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

pub(crate) async fn say(voice: &dyn TextToSpeech) -> (Vec<i16>, Result<(), Fault>) {
    let (answers, mut inbox) = inbox();
    let mut speaker = voice.open(&VoiceSpec::at(SampleRate::HZ_8000), answers);
    let _running = speaker.speak(UtteranceId(1), "hello".to_owned());
    speech_of(&mut inbox, 1).await
}

pub(crate) async fn heard(inbox: &mut mpsc::Receiver<Input>) -> (u32, Heard) {
    match next(inbox).await {
        Input::Heard { speech, what } => (speech.0, what),
        other => panic!("{other:?}"),
    }
}

/// The samples of a message.
pub(crate) fn samples(message: &WsMessage) -> Vec<i16> {
    Pcm::from_le_bytes(&message.clone().into_data()).to_vec()
}

/// A server that accepts every connection, reads the request and then does this.
pub(crate) async fn then<F>(act: impl Fn(TcpStream) -> F + Clone + Send + 'static) -> Server
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

pub(crate) const WORDS: &str =
    ": hi\n\nevent: word\ndata: नमस्ते \n\nevent: word\ndata: there\n\nevent: end\ndata: \n\n";

/// A recogniser's server that records all audio, and answers `finish` with how many samples it has.
pub(crate) async fn counting(socket: &mut tokio_tungstenite::WebSocketStream<TcpStream>) -> Vec<i16> {
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
