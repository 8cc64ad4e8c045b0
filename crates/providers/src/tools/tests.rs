//! Hostile arguments, hostile names and hostile servers: what must not leave does not leave.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::Mutex;

use futures_util::future::BoxFuture;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;

/// A resolver that gives one answer after the other, and then none.
#[derive(Default)]
struct Scripted(Mutex<VecDeque<Vec<IpAddr>>>);

impl Scripted {
    fn of(answers: &[&[&str]]) -> Arc<dyn Lookup> {
        let answers = answers.iter().map(|all| all.iter().map(|one| one.parse().unwrap()).collect());
        Arc::new(Self(Mutex::new(answers.collect())))
    }
}

impl Lookup for Scripted {
    fn addresses(&self, _: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let answer = self.0.lock().unwrap().pop_front();
        Box::pin(async move { answer.ok_or_else(|| io::Error::other("it was asked too often")) })
    }
}

/// A server that answers every request with the same bytes and hands over what it was sent.
struct Server {
    port: u16,
    asked: mpsc::UnboundedReceiver<String>,
}

impl Server {
    async fn on(address: &str, answer: Vec<u8>, hang: bool) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, asked) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let (sender, answer) = (sender.clone(), answer.clone());
                tokio::spawn(async move {
                    let mut request = Vec::new();
                    while !is_whole(&request) {
                        let mut piece = [0; 4096];
                        let Ok(length) = socket.read(&mut piece).await else { return };
                        if length == 0 {
                            break;
                        }
                        request.extend_from_slice(&piece[..length]);
                    }
                    let _ = sender.send(String::from_utf8(request).unwrap());
                    let _ = socket.write_all(&answer).await;
                    if hang {
                        std::future::pending::<()>().await;
                    }
                });
            }
        });
        Self { port, asked }
    }

    async fn answering(status: &str, body: &str) -> Self {
        Self::on("127.0.0.1:0", response(status, "", body), false).await
    }

    /// What it was sent, now that all tools have answered.
    fn requests(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.asked.try_recv().ok()).collect()
    }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0usize)
}

fn response(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

fn options(url: String) -> ToolOptions {
    ToolOptions {
        url,
        parameters: json!({
            "type": "object",
            "properties": { "id": { "type": "string", "maxLength": 40 }, "count": { "type": "integer" } },
            "required": ["id"],
        }),
        method: ToolMethod::Get,
        timeout_ms: 10_000,
        allow: vec!["127.0.0.0/8".parse().unwrap()],
        ..ToolOptions::default()
    }
}

fn facts() -> CallFacts {
    let custom = BTreeMap::from([("plan".to_owned(), "gold".to_owned())]);
    let (from, to) = ("+919876543210".to_owned(), "08047112233".to_owned());
    CallFacts { call_id: "call_1".to_owned(), from, to, agent: "desk".to_owned(), custom }
}

fn runner(options: &ToolOptions, lookup: &Arc<dyn Lookup>) -> Arc<ToolRunner> {
    Arc::new(ToolRunner::with_lookup([("stock", options)], lookup).unwrap())
}

async fn ask(runner: &Arc<ToolRunner>, arguments: &str) -> ToolAnswer {
    let (sender, mut inbox) = mpsc::channel(4);
    let mut tools = runner.open(facts(), Answers::new(sender));
    let _running = tools.run(ToolId(7), "stock", arguments.to_owned());
    match inbox.recv().await {
        Some(Input::Tool { tool: ToolId(7), what }) => what,
        other => panic!("{other:?}"),
    }
}

async fn ask_system(options: &ToolOptions, arguments: &str) -> ToolAnswer {
    ask(&runner(options, &(Arc::new(SystemLookup) as Arc<dyn Lookup>)), arguments).await
}

fn failed(answer: ToolAnswer) -> String {
    match answer {
        ToolAnswer::Failed(why) => why,
        ToolAnswer::Result(text) => panic!("it gave {text:?}"),
    }
}

#[tokio::test]
async fn arguments_headers_and_what_the_server_knows_arrive() {
    let mut server = Server::answering("200 OK", "{\"left\": 3}").await;
    let mut options =
        options(format!("http://127.0.0.1:{}/v1/items/{{id}}?plan={{custom.plan}}", server.port));
    options.headers.insert("x-call".to_owned(), "{call_id}".into());
    options.headers.insert("authorization".to_owned(), "Bearer s3cret".into());
    options.bound.insert("phone".to_owned(), "{from}".to_owned());
    let answer = ask_system(&options, r#"{"id": "a b", "count": 2}"#).await;
    assert_eq!(answer, ToolAnswer::Result("{\"left\": 3}".to_owned()));
    options.method = ToolMethod::Post;
    assert_eq!(ask_system(&options, r#"{"id": "x"}"#).await, answer);

    let asked = server.requests();
    assert!(
        asked[0].starts_with("GET /v1/items/a%20b?plan=gold&count=2&phone=%2B919876543210 HTTP/1.1\r\n"),
        "{asked:?}"
    );
    assert!(asked[0].contains("x-call: call_1\r\n") && asked[0].contains("authorization: Bearer s3cret\r\n"));
    assert!(asked[1].starts_with("POST /v1/items/x?plan=gold HTTP/1.1\r\n"), "{asked:?}");
    assert!(asked[1].ends_with("\r\n\r\n{\"phone\":\"+919876543210\"}"), "{asked:?}");
}

/// The model does what whoever is on the phone says.
#[tokio::test]
async fn a_model_that_obeys_an_attacker_sends_nothing_that_is_forbidden() {
    let mut server = Server::answering("200 OK", "ok").await;
    let mut options = options(format!("http://127.0.0.1:{}/v1/items/{{id}}", server.port));
    options.bound.insert("phone".to_owned(), "{from}".to_owned());
    options.max_runs = 1_000;
    for arguments in [
        r#"{"id": "../../admin"}"#,
        r#"{"id": ".."}"#,
        r#"{"id": ""}"#,
        r#"{"id": "a/b"}"#,
        r#"{"id": "a\\b"}"#,
        r#"{"id": "a\r\nHost: evil.example"}"#,
        r#"{"id": 7}"#,
        r#"{"id": null}"#,
        r#"{"id": "x", "phone": "+919800000001"}"#,
        r#"{"id": "x", "call_id": "call_2"}"#,
        r#"{"id": "x", "url": "http://169.254.169.254/"}"#,
        r#"{"id": "x", "count": "many"}"#,
        r#"{}"#,
        r#"[]"#,
        r#"null"#,
        r#"not json"#,
        "",
    ] {
        failed(ask_system(&options, arguments).await);
    }
    let long = format!(r#"{{"id": "{}"}}"#, "x".repeat(20_000));
    failed(ask_system(&options, &long).await);
    assert_eq!(server.requests(), Vec::<String>::new());
    // What stays in its place is sent, and stays in its place.
    for id in ["http://169.254.169.254", "@evil.example", "x?admin=1", "x#y", "%2e%2e", "x&phone=1"] {
        let _ = ask_system(&options, &json!({ "id": id }).to_string()).await;
    }
    for request in server.requests() {
        assert!(request.starts_with("GET /v1/items/"), "{request}");
        assert!(request.contains("?phone=%2B919876543210 HTTP/1.1"), "{request}");
    }
}

#[tokio::test]
async fn a_name_that_leads_inside_is_not_followed() {
    let mut server = Server::answering("200 OK", "the crown jewels").await;
    for inside in [
        &["127.0.0.1"][..],
        &["10.0.0.8"],
        &["169.254.169.254"],
        &["100.64.0.1"],
        &["::1"],
        &["::ffff:127.0.0.1"],
        &["64:ff9b::7f00:1"],
        &["fd00:ec2::254"],
        // One that is fine does not open the door for the other.
        &["93.184.216.34", "127.0.0.1"],
    ] {
        let mut options = options(format!("https://api.example:{}/{{id}}", server.port));
        options.allow.clear();
        let why = failed(ask(&runner(&options, &Scripted::of(&[inside])), r#"{"id": "x"}"#).await);
        assert_eq!(why, "its address is not allowed", "{inside:?}");
    }
    // Without encryption only an opened network is reached.
    let mut plain = options(format!("http://api.example:{}/{{id}}", server.port));
    plain.allow = vec!["10.0.0.0/8".parse().unwrap()];
    let why = failed(ask(&runner(&plain, &Scripted::of(&[&["93.184.216.34"]])), r#"{"id": "x"}"#).await);
    assert_eq!(why, "its address is not allowed");
    assert_eq!(server.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn a_name_that_changes_its_mind_is_pinned() {
    let mut good = Server::on("127.0.0.2:0", response("200 OK", "", "good"), false).await;
    let mut inside =
        Server::on(&format!("127.0.0.1:{}", good.port), response("200 OK", "", "inside"), false).await;
    let mut options = options(format!("http://api.example:{}/{{id}}", good.port));
    options.allow = vec!["127.0.0.2/32".parse().unwrap()];
    let runner = runner(&options, &Scripted::of(&[&["127.0.0.2"], &["127.0.0.1"]]));
    assert_eq!(ask(&runner, r#"{"id": "x"}"#).await, ToolAnswer::Result("good".to_owned()));
    assert_eq!(failed(ask(&runner, r#"{"id": "x"}"#).await), "its address is not allowed");
    assert_eq!((good.requests().len(), inside.requests().len()), (1, 0));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let mut inside = Server::answering("200 OK", "inside").await;
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"] {
        let location = format!("location: http://127.0.0.1:{}/\r\n", inside.port);
        let server = Server::on("127.0.0.1:0", response(status, &location, ""), false).await;
        let options = options(format!("http://127.0.0.1:{}/{{id}}", server.port));
        assert!(failed(ask_system(&options, r#"{"id": "x"}"#).await).contains("redirect"), "{status}");
    }
    assert_eq!(inside.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn an_answer_has_a_size_and_a_time() {
    let body = "x".repeat(70_000);
    let declared = Server::answering("200 OK", &body).await;
    let chunked =
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n", body.len());
    let endless = Server::on("127.0.0.1:0", chunked.into_bytes(), true).await;
    for server in [&declared, &endless] {
        let options = options(format!("http://127.0.0.1:{}/{{id}}", server.port));
        assert!(failed(ask_system(&options, r#"{"id": "x"}"#).await).contains("larger than 16384"));
    }
    for part in ["", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"] {
        let hanging = Server::on("127.0.0.1:0", part.as_bytes().to_vec(), true).await;
        let mut options = options(format!("http://127.0.0.1:{}/{{id}}", hanging.port));
        options.timeout_ms = 200;
        assert!(failed(ask_system(&options, r#"{"id": "x"}"#).await).contains("too long"));
    }
    let binary =
        Server::on("127.0.0.1:0", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n\xff\xfe".to_vec(), false)
            .await;
    let options = options(format!("http://127.0.0.1:{}/{{id}}", binary.port));
    assert_eq!(failed(ask_system(&options, r#"{"id": "x"}"#).await), "its answer is not text");
}

#[tokio::test]
async fn the_model_is_told_why_and_an_empty_answer_is_one() {
    let server = Server::answering("409 Conflict", "the slot is taken").await;
    let options = options(format!("http://127.0.0.1:{}/{{id}}", server.port));
    assert_eq!(
        failed(ask_system(&options, r#"{"id": "x"}"#).await),
        "its server answered 409: the slot is taken"
    );
    let server = Server::answering("204 No Content", "").await;
    let mut options = options;
    options.url = format!("http://127.0.0.1:{}/{{id}}", server.port);
    assert_eq!(ask_system(&options, r#"{"id": "x"}"#).await, ToolAnswer::Result("done".to_owned()));
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    options.url = format!("http://127.0.0.1:{gone}/{{id}}");
    assert_eq!(failed(ask_system(&options, r#"{"id": "x"}"#).await), "its server can't be reached");
}

#[tokio::test]
async fn a_call_has_a_budget_and_an_unknown_tool_is_refused() {
    let mut server = Server::answering("200 OK", "ok").await;
    let mut options = options(format!("http://127.0.0.1:{}/{{id}}", server.port));
    options.max_runs = 3;
    let (sender, mut inbox) = mpsc::channel(16);
    let runner = runner(&options, &(Arc::new(SystemLookup) as Arc<dyn Lookup>));
    let mut tools = runner.open(facts(), Answers::new(sender));
    let mut good = 0;
    for run in 0..5 {
        let _running = tools.run(ToolId(run), "stock", r#"{"id": "x"}"#.to_owned());
        let Some(Input::Tool { tool, what }) = inbox.recv().await else { panic!("no answer") };
        assert_eq!(tool, ToolId(run));
        good += u32::from(matches!(what, ToolAnswer::Result(_)));
    }
    let _running = tools.run(ToolId(9), "shell", "{}".to_owned());
    let Some(Input::Tool { what, .. }) = inbox.recv().await else { panic!("no answer") };
    assert!(failed(what).contains("there are: stock"));
    assert_eq!((good, server.requests().len()), (3, 3));
}

#[tokio::test]
async fn only_a_tool_without_side_effects_can_be_withdrawn() {
    for side_effects in [true, false] {
        let mut server = Server::on("127.0.0.1:0", Vec::new(), true).await;
        let mut options = options(format!("http://127.0.0.1:{}/{{id}}", server.port));
        (options.side_effects, options.timeout_ms) = (side_effects, 300);
        let (sender, mut inbox) = mpsc::channel(4);
        let runner = runner(&options, &(Arc::new(SystemLookup) as Arc<dyn Lookup>));
        let mut tools = runner.open(facts(), Answers::new(sender));
        let running = tools.run(ToolId(1), "stock", r#"{"id": "x"}"#.to_owned());
        assert!(server.asked.recv().await.is_some());
        drop((running, tools));
        // The last sender goes with the task, so the answer is either there or never comes.
        assert_eq!(inbox.recv().await.is_some(), side_effects);
    }
}

#[test]
fn an_operators_mistakes_are_told() {
    let good = || options("https://api.example/{id}".to_owned());
    let lookup = Scripted::of(&[]);
    let key = |name: &str, options: &ToolOptions| {
        ToolRunner::with_lookup([(name, options)], &lookup).err().map(|all| all[0].key)
    };
    assert_eq!(key("stock", &good()), None);
    assert_eq!(key("end_call", &good()), Some("name"));
    assert_eq!(key("a b", &good()), Some("name"));
    let url = |url: &str| ToolOptions { url: url.to_owned(), allow: Vec::new(), ..good() };
    for wrong in [
        "",
        "ftp://api.example/",
        "https://{id}.example/",
        "https://api.example/{what}",
        "https://10.0.0.1/{id}",
        "https://0177.1/{id}",
    ] {
        assert_eq!(key("stock", &url(wrong)), Some("url"), "{wrong}");
    }
    assert_eq!(
        key("stock", &ToolOptions { allow: Vec::new(), ..url("http://api.example/{id}") }),
        Some("url")
    );
    assert_eq!(
        key("stock", &ToolOptions { parameters: json!({"type": "array"}), ..good() }),
        Some("parameters")
    );
    assert_eq!(
        key(
            "stock",
            &ToolOptions {
                parameters: json!({"type": "object", "properties": {"id": {"type": "strnig"}}}),
                ..good()
            }
        ),
        Some("parameters")
    );
    let clash = json!({"type": "object", "properties": {"id": {}, "call_id": {}}});
    assert_eq!(
        key("stock", &ToolOptions { parameters: clash, ..url("https://api.example/{call_id}") }),
        Some("url")
    );
    let header = |name: &str, value: &str| ToolOptions {
        headers: BTreeMap::from([(name.to_owned(), value.into())]),
        ..good()
    };
    assert_eq!(key("stock", &header("x-id", "{id}")), Some("headers"));
    assert_eq!(key("stock", &header("host", "evil.example")), Some("headers"));
    assert_eq!(
        key(
            "stock",
            &ToolOptions { bound: BTreeMap::from([("id".to_owned(), "{from}".to_owned())]), ..good() }
        ),
        Some("bound")
    );
    assert_eq!(key("stock", &ToolOptions { timeout_ms: 0, ..good() }), Some("timeout_ms"));
    assert_eq!(key("stock", &ToolOptions { max_bytes: usize::MAX, ..good() }), Some("max_bytes"));
}

#[test]
fn options_come_from_a_configuration_and_keys_never_go_out() {
    let options: ToolOptions = toml::from_str(
        r#"
        description = "How many of an article are left"
        url = "https://api.example/v1/items/{id}"
        method = "get"
        headers = { authorization = "Bearer s3cret" }
        allow = ["10.1.2.0/24"]
        [parameters]
        type = "object"
        [parameters.properties.id]
        type = "string"
        "#,
    )
    .unwrap();
    let runner = ToolRunner::new([("stock", &options)]).unwrap();
    assert_eq!(runner.declared()[0].parameters["properties"]["id"]["type"], "string");
    let shown = format!("{options:?} {} {:?}", toml::to_string(&options).unwrap(), facts());
    assert!(!shown.contains("s3cret") && !shown.contains("9812345678"), "{shown}");
}
