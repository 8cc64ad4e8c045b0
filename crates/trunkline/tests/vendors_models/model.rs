//! What has to hold for every language model.

use std::sync::Arc;
use std::time::Duration;

use call::{Fault, FaultClass, Input, Message, Prompt, Thought, Tool, ToolCall, TurnId};
use providers::driver::{HttpModel, Patience, Probe};
use providers::{Answers, LanguageModel, Running};
use sim::vendors::Delays;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use crate::bench::{Bench, LONG, classes, patience};

/// A vendor in this role.
pub(crate) struct Vendor {
    /// The vendor with this key.
    pub(crate) make: fn(&Bench, key: &str, Patience) -> HttpModel,
    /// What the stand-in's ledger calls it.
    pub(crate) api: &'static str,
    /// Keys that mean something else than usual.
    pub(crate) different: &'static [(&'static str, FaultClass)],
}

/// The suite for one vendor, as tests.
macro_rules! model_suite {
    ($vendor:expr) => {
        model_suite!(@ $vendor; answers tools conversations streams faults withdrawals recovery crowds probes);
    };
    (@ $vendor:expr; $($name:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                crate::model::$name(&$vendor).await;
            }
        )*
    };
}

/// One question under way.
pub(crate) struct Asked {
    inbox: mpsc::Receiver<Input>,
    running: Option<Running>,
}

pub(crate) fn ask(model: &HttpModel, prompt: Prompt) -> Asked {
    let (to, inbox) = mpsc::channel(64);
    let running = model.ask(TurnId(3), prompt, Answers::new(to));
    Asked { inbox, running: Some(running) }
}

impl Asked {
    pub(crate) async fn next(&mut self) -> Option<Thought> {
        match timeout(LONG, self.inbox.recv()).await.expect("an answer or its end comes") {
            Some(Input::Thought { turn: TurnId(3), what }) => Some(what),
            Some(other) => panic!("{other:?} is no thought of this turn"),
            None => None,
        }
    }

    /// All that comes.
    pub(crate) async fn all(mut self) -> Vec<Thought> {
        let mut all = Vec::new();
        while let Some(thought) = self.next().await {
            all.push(thought);
        }
        all
    }
}

/// What came of a question.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) text: String,
    pub(crate) tools: Vec<ToolCall>,
    pub(crate) output_tokens: Option<u64>,
    pub(crate) end: Result<(), Fault>,
}

pub(crate) async fn outcome(model: &HttpModel, prompt: Prompt) -> Outcome {
    let all = ask(model, prompt).all().await;
    let is_end = |thought: &&Thought| matches!(thought, Thought::Done | Thought::Failed(_));
    assert_eq!(all.iter().filter(is_end).count(), 1, "exactly one end: {all:?}");
    let end = match all.last() {
        Some(Thought::Done) => Ok(()),
        Some(Thought::Failed(fault)) => Err(fault.clone()),
        other => panic!("{other:?} is no end"),
    };
    let mut outcome = Outcome { text: String::new(), tools: Vec::new(), output_tokens: None, end };
    for thought in all {
        match thought {
            Thought::Delta(text) => outcome.text.push_str(&text),
            Thought::Tool(call) => outcome.tools.push(call),
            Thought::Used(usage) => outcome.output_tokens = Some(usage.output_tokens),
            Thought::Done | Thought::Failed(_) => {}
        }
    }
    outcome
}

pub(crate) fn prompt(messages: Vec<Message>) -> Prompt {
    let lookup = Tool {
        name: "lookup".to_owned(),
        description: "Looks an order up.".to_owned(),
        parameters: serde_json::json!({"type": "object", "properties": {"id": {"type": ["integer", "null"]}},
            "required": ["id"], "additionalProperties": false}),
        side_effects: false,
    };
    let hang_up = Tool {
        name: "end_call".to_owned(),
        description: "Ends the call.".to_owned(),
        parameters: serde_json::json!({"type": "object", "properties": {}}),
        side_effects: true,
    };
    Prompt { system: "You answer the phone.".to_owned(), messages, tools: Arc::new([lookup, hang_up]) }
}

pub(crate) fn caller(text: &str) -> Message {
    Message::Caller(text.to_owned())
}

const HINDI: &str = "नमस्ते, हम नौ से पाँच बजे तक खुले हैं। और कुछ?";
const WISH: &str = r#"{"tool":"lookup","arguments":{"id":7,"for":"Asha"},"say":"One moment."}"#;

pub(crate) async fn answers(vendor: &Vendor) {
    let bench = Bench::new(&[HINDI, "Until five."]).await;
    let model = (vendor.make)(&bench, "test", patience("test"));
    let first = outcome(&model, prompt(vec![caller("Hello?")])).await;
    assert_eq!((first.text.as_str(), &first.end, first.tools.len()), (HINDI, &Ok(()), 0));
    assert!(first.output_tokens.is_some_and(|tokens| tokens > 0), "{first:?}");
    let second = vec![caller("Hello?"), Message::agent(HINDI), caller("How long?")];
    assert_eq!(outcome(&model, prompt(second)).await.text, "Until five.");
    assert_eq!(bench.server.ledger().count(vendor.api), 2);
    bench.assert_no_breach();
}

pub(crate) async fn tools(vendor: &Vendor) {
    let bench = Bench::new(&[WISH]).await;
    let model = (vendor.make)(&bench, "test", patience("test"));
    let mut messages = vec![caller("Where is order seven?")];
    let wish = outcome(&model, prompt(messages.clone())).await;
    assert_eq!((wish.text.as_str(), &wish.end), ("One moment.", &Ok(())));
    let [call] = &wish.tools[..] else { panic!("one tool: {wish:?}") };
    assert_eq!(call.name, "lookup");
    let arguments: serde_json::Value = serde_json::from_str(&call.arguments).expect("whole arguments");
    assert_eq!(arguments, serde_json::json!({"id": 7, "for": "Asha"}));
    messages.push(Message::Agent { text: wish.text, calls: wish.tools.clone() });
    let result = "it left \"yesterday\"".to_owned();
    messages.push(Message::Tool { id: call.id.clone(), name: call.name.clone(), result: result.clone() });
    let said = outcome(&model, prompt(messages)).await;
    assert!(said.text.contains(&result) && said.end.is_ok(), "{said:?}");
    bench.assert_no_breach();
}

/// Histories as calls leave them, which no vendor takes as they are.
pub(crate) async fn conversations(vendor: &Vendor) {
    let bench = Bench::new(&["Yes."]).await;
    let model = (vendor.make)(&bench, "test", patience("test"));
    let asks = |ids: &[&str]| Message::Agent {
        text: String::new(),
        calls: ids.iter().map(|id| ToolCall { id: (*id).to_owned(), ..ToolCall::of("lookup") }).collect(),
    };
    let gives = |id: &str| Message::Tool {
        id: id.to_owned(),
        name: "lookup".to_owned(),
        result: r#"{"ok":true}"#.to_owned(),
    };
    for messages in [
        vec![Message::agent("Hello!"), caller("Hi"), Message::agent(""), caller("Hi again"), caller("Hm")],
        vec![caller("a"), asks(&["x", "y"]), caller("Are you there?"), gives("y"), gives("x"), caller("So?")],
        vec![caller("a"), asks(&["x"]), Message::agent("Well"), caller("It was cut off")],
        vec![caller("a"), asks(&["x"]), gives("x"), asks(&["x"]), gives("x"), caller("The same id")],
        vec![caller("a"), asks(&["fc:1/2"]), gives("fc:1/2"), Message::agent("So."), caller("Another's id")],
        vec![Message::agent("Hello!"), asks(&["x"]), gives("x")],
    ] {
        let said = outcome(&model, prompt(messages.clone())).await;
        assert!(said.end.is_ok(), "{messages:?}: {said:?}");
    }
    bench.assert_no_breach();
}

/// Words are given as they come, not when all are there.
pub(crate) async fn streams(vendor: &Vendor) {
    let delays = Delays { model_ms: 100, token_ms: 100, ..Delays::none() };
    let bench = Bench::with(delays, &["one two three four five six seven eight nine"]).await;
    let model = (vendor.make)(&bench, "test", patience("test"));
    let start = Instant::now();
    let mut asked = ask(&model, prompt(vec![caller("Count.")]));
    while !matches!(asked.next().await, Some(Thought::Delta(_))) {}
    let first = start.elapsed();
    while asked.next().await.is_some() {}
    assert!(first >= Duration::from_millis(100), "{first:?}");
    // What is still to be said after the first words takes longer than this.
    assert!(start.elapsed() - first >= Duration::from_millis(150), "{first:?} of {:?}", start.elapsed());
}

pub(crate) async fn faults_of(vendor: &Vendor, keys: &[(&'static str, FaultClass)]) {
    let bench = Bench::new(&["One two three four five six seven eight."]).await;
    for (key, class) in keys {
        let model = (vendor.make)(&bench, key, patience(key));
        let said = outcome(&model, prompt(vec![caller("Hello?")])).await;
        let fault = said.end.clone().expect_err(key);
        assert_eq!(fault.class, *class, "{key}: {said:?}");
        assert!(!fault.why.contains(key) || key.len() < 5, "the key is not shown: {fault}");
        if *key == "fail-429" {
            assert_eq!(fault.retry_after_ms, Some(1_000));
        }
        if ["stall", "cut", "in-stream-error"].contains(key) {
            assert!("One two three four five six seven eight.".starts_with(&said.text), "{key}: {said:?}");
            assert!(!said.text.is_empty(), "what was said before is given: {key}: {said:?}");
        }
    }
    let model = (vendor.make)(&bench, "silence", patience("silence"));
    let said = outcome(&model, prompt(vec![caller("Hello?")])).await;
    assert_eq!((said.text.as_str(), said.end), ("", Ok(())));
    bench.assert_no_breach();
}

pub(crate) async fn faults(vendor: &Vendor) {
    faults_of(vendor, &classes(vendor.different)).await;
}

pub(crate) async fn withdrawals(vendor: &Vendor) {
    let bench = Bench::new(&["One two three four five six seven eight."]).await;
    for key in ["hang", "mute", "stall"] {
        let model = (vendor.make)(&bench, key, patience("test"));
        let mut asked = ask(&model, prompt(vec![caller("Hello?")]));
        let is_seen = |lines: &[sim::vendors::Seen]| lines.iter().any(|line| line.key == key);
        timeout(LONG, bench.server.ledger().until(is_seen)).await.expect("it was asked");
        if key == "stall" {
            while !matches!(asked.next().await, Some(Thought::Delta(_))) {}
        }
        drop(asked.running.take());
        let is_gone =
            |lines: &[sim::vendors::Seen]| lines.iter().any(|line| line.key == key && line.withdrawn);
        timeout(LONG, bench.server.ledger().until(is_gone)).await.expect("the connection is closed");
    }
}

/// A failure is over when the vendor says so; nobody asks twice by himself.
pub(crate) async fn recovery(vendor: &Vendor) {
    let bench = Bench::new(&["Here again."]).await;
    let model = (vendor.make)(&bench, "fail-500-twice", patience("test"));
    for is_well in [false, false, true] {
        let said = outcome(&model, prompt(vec![caller("Hello?")])).await;
        assert_eq!(said.end.is_ok(), is_well, "{said:?}");
    }
    assert_eq!(bench.server.ledger().count(vendor.api), 3);
}

/// Answers of many calls at once do not mix.
pub(crate) async fn crowds(vendor: &Vendor) {
    let delays = Delays { token_ms: 1, ..Delays::none() };
    let answers: Vec<String> =
        (0..24).map(|number| format!("This is the answer number {number} .")).collect();
    let bench = Bench::with(delays, &answers.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let model = (vendor.make)(&bench, "test", patience("test"));
    let one = |number: usize| {
        let model = &model;
        let messages =
            (0..number).flat_map(|_| [caller("And?"), Message::agent("So.")]).chain([caller("Last?")]);
        let prompt = prompt(messages.collect());
        async move { outcome(model, prompt).await.text }
    };
    let said = futures_util::future::join_all((0..24).map(one)).await;
    assert_eq!(said, answers);
    bench.assert_no_breach();
}

pub(crate) async fn probes(vendor: &Vendor) {
    let bench = Bench::new(&[]).await;
    let probe = async |key: &str| {
        (vendor.make)(&bench, key, patience(key)).probe().await.map_err(|fault| fault.class)
    };
    assert!(probe("test").await.is_ok());
    assert_eq!(probe("fail-401").await, Err(FaultClass::Auth));
    assert_eq!(probe("fail-503").await, Err(FaultClass::Busy));
    assert_eq!(probe("hang").await, Err(FaultClass::Slow));
    bench.assert_no_breach();
}
