//! What a call leaves in its record: who served it, what it cost, what its tools did, what went wrong.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy takes for code")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use call::{
    AgentKind, Fault, FaultClass, Input, Message, Prompt, Recorded, Settings, Thought, ToolCall, TurnId,
    Usage,
};
use gateway::{Agent, Config};
use providers::fake::{FakeVoice, Manner};
use providers::recorded::Recording;
use providers::tools::{ToolMethod, ToolOptions, ToolRunner};
use providers::{Answers, LanguageModel, LinkId, Note, Role, Running, Transport};
use serde_json::json;
use support::{Carrier, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A model that asks for a tool and then says what it gave; it notes that another failed before it.
struct Asking;

fn link(vendor: &str) -> LinkId {
    LinkId::new(vendor, Role::LanguageModel, Transport::Http)
}

impl LanguageModel for Asking {
    fn name(&self) -> &str {
        "first"
    }

    fn ask(&self, turn: TurnId, prompt: Prompt, answers: Answers) -> Running {
        Running::spawn(async move {
            let result = prompt.messages.iter().rev().find_map(|message| match message {
                Message::Tool { result, .. } => Some(result.clone()),
                _ => None,
            });
            let used =
                |output_tokens| Thought::Used(Usage { input_tokens: 100, cached_tokens: 60, output_tokens });
            let said = match result {
                None => {
                    let class = FaultClass::Busy;
                    answers.note(Note::Failed { link: link("first"), class });
                    answers.note(Note::Switched { from: link("first"), to: link("second"), class });
                    let call =
                        ToolCall { arguments: r#"{"article": "tea"}"#.to_owned(), ..ToolCall::of("stock") };
                    vec![Thought::Tool(call), used(1), used(7), Thought::Done]
                }
                Some(result) => vec![Thought::Delta(format!("It says {result}.")), used(9), Thought::Done],
            };
            for what in said {
                let _ = answers.send(Input::Thought { turn, what }).await;
            }
        })
    }
}

/// A tool's server that answers one request and gives what it was sent.
async fn shop() -> (u16, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4096];
        let length = socket.read(&mut request).await.unwrap();
        socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nthree!").await.unwrap();
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    (port, asked)
}

fn tools(port: u16) -> Arc<ToolRunner> {
    let options = ToolOptions {
        url: format!("http://127.0.0.1:{port}/stock/{{article}}?caller={{from}}"),
        method: ToolMethod::Get,
        parameters: json!({ "type": "object", "properties": { "article": { "type": "string" } } }),
        bound: BTreeMap::from([("call".to_owned(), "{call_id}".to_owned())]),
        allow: vec!["127.0.0.0/8".parse().unwrap()],
        ..ToolOptions::default()
    };
    Arc::new(ToolRunner::new([("stock", &options)]).unwrap())
}

fn agent(model: impl LanguageModel + 'static) -> Agent {
    let settings = Settings { agent: AgentKind::Assistant, ..Settings::default() };
    let mut agent = Agent::new("desk", settings);
    agent.model = Some(Arc::new(model));
    agent.voice = Some(Arc::new(FakeVoice::new(Manner::default())));
    agent
}

async fn press(carrier: &mut Carrier, digit: char) {
    let stream = carrier.stream.clone();
    carrier
        .json(json!({ "event": "dtmf", "stream_sid": stream, "dtmf": { "digit": digit.to_string() } }))
        .await;
}

/// Reads until a mark, and returns it as the carrier does when the audio before it was played. Gives the audio.
async fn hear(carrier: &mut Carrier) -> Vec<u8> {
    let mut heard = Vec::new();
    loop {
        let message = carrier.next().await.expect("the socket is closed");
        match message["event"].as_str() {
            Some("media") => {
                let payload = message["media"]["payload"].as_str().unwrap();
                heard.extend(base64_simd::STANDARD.decode_to_vec(payload).unwrap());
            }
            Some("mark") => {
                carrier.json(message).await;
                return heard;
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_turn_with_a_tool_is_told_with_who_served_it_and_what_it_cost() {
    let (port, asked) = shop().await;
    let mut agent = agent(Asking);
    let runner = tools(port);
    let mut settings = (*agent.settings).clone();
    settings.tools.declared = runner.declared().into();
    (agent.settings, agent.tools) = (Arc::new(settings), Some(runner));
    let server = Server::with(Config::default(), agent).await;
    let mut carrier = server.open("call_id=a").await.unwrap();
    carrier.connected().await;
    carrier.start("a", 8000).await;
    press(&mut carrier, '1').await;
    assert!(!hear(&mut carrier).await.is_empty());
    carrier.stop("callended").await;
    let record = server.record().await;

    let asked = asked.await.unwrap();
    let wanted = format!("GET /stock/tea?caller=09800000001&call={} HTTP/1.1\r\n", record.id);
    assert!(asked.starts_with(&wanted), "{asked}");
    let turn = record.turns.iter().find(|turn| turn.latency.is_some()).expect("no answer");
    assert_eq!(turn.text, "It says three!.");
    assert_eq!(turn.served_by["language_model"], "second (http)");
    assert_eq!(turn.served_by["text_to_speech"], "fake");
    let usage = record.usage.unwrap();
    let counts = (usage.answers, usage.input_tokens, usage.cached_tokens, usage.output_tokens);
    assert_eq!(counts, (2, 200, 120, 16));
    let told: Vec<_> = record.incidents.iter().map(|it| (it.kind.as_str(), it.who.as_str())).collect();
    let first = "language_model first (http)";
    assert_eq!(told[..2], [("failed", first), ("switched", first)], "{:?}", record.incidents);
    assert!(record.incidents[1].detail.contains("second (http)"));
}

/// A model that never answers well.
struct Broken;

impl LanguageModel for Broken {
    fn name(&self) -> &str {
        "broken"
    }

    fn ask(&self, turn: TurnId, _: Prompt, answers: Answers) -> Running {
        Running::spawn(async move {
            let what = Thought::Failed(Fault::new(FaultClass::Auth, "the key is wrong"));
            let _ = answers.send(Input::Thought { turn, what }).await;
        })
    }
}

#[tokio::test]
async fn a_failure_is_on_the_call_s_timeline() {
    let server = Server::with(Config::default(), agent(Broken)).await;
    let mut carrier = server.open("call_id=a").await.unwrap();
    carrier.start("a", 8000).await;
    press(&mut carrier, '1').await;
    assert!(!hear(&mut carrier).await.is_empty(), "the apology");
    carrier.stop("callended").await;
    let record = server.record().await;
    let failed = record.incidents.iter().find(|it| it.kind == "vendor_failed").unwrap();
    assert_eq!((failed.who.as_str(), failed.detail.as_str()), ("model", "the key is wrong (auth)"));
    assert_eq!(record.usage, None);
}

#[tokio::test]
async fn without_any_voice_the_caller_hears_a_recording() {
    let mut agent = agent(Broken);
    agent.voice = Some(Arc::new(FakeVoice::new(Manner::fails("all of them are down"))));
    agent.language = "hi-IN".to_owned();
    let server = Server::with(Config::default(), agent).await;
    let mut carrier = server.open("call_id=a").await.unwrap();
    carrier.start("a", 8000).await;
    press(&mut carrier, '1').await;
    let heard = hear(&mut carrier).await;
    let apology = &Recording::of(Recorded::Apology, "hi").pcm;
    // The rate is the recording's own, so what goes out is it to the sample, but for a lead of silence.
    let samples: Vec<i16> = heard.chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]])).collect();
    assert!(samples.windows(800).any(|window| window == &apology[1000..1800]), "{} samples", samples.len());
}
