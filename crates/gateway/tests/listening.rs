//! The accept loop: half-sent requests, taken ports, TLS and its reload.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy takes for code")]

mod support;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use call::AgentKind;
use gateway::{BindError, Config, Limits, Listener, Tls, bind};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use store::Store;
use support::{LONG, Server, plain};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

async fn limited(limits: Limits) -> Server {
    let data = tempfile::tempdir().unwrap();
    let store = Store::open(data.path()).unwrap();
    Server::with_store(Config::default(), plain(AgentKind::Echo), store, data, limits).await
}

/// Connects from another address of the loopback.
async fn connect_from(address: &str, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{address}:0").parse().unwrap()).unwrap();
    socket.connect(to).await.unwrap()
}

/// What a connection gives until it is closed.
async fn read_out(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset says the same as an end.
    let _ = timeout(LONG, stream.read_to_end(&mut answer)).await.expect("it stays open");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn half_sent_requests_are_closed_and_hold_nobody_up() {
    let limits =
        Limits { head: Duration::from_millis(400), per_address: 100, connections: 300, ..Limits::default() };
    let server = limited(limits).await;
    let mut good = server.open("call_id=good").await.unwrap();
    good.connected().await;
    good.start("good", 8000).await;

    let began = Instant::now();
    let mut dribblers = Vec::new();
    for n in 0..400 {
        // Some say nothing at all, some half a line, some a line and half a header.
        let mut dribbler = connect_from("127.0.0.9", server.address).await;
        let said: &[u8] = [&b""[..], b"GET /voice", b"GET / HTTP/1.1\r\nHost: x\r\nX-"][n % 3];
        // Refused ones may be closed already.
        let _ = dribbler.write_all(said).await;
        dribblers.push(dribbler);
    }
    // Meanwhile the call goes on, and another from elsewhere begins.
    good.media(&[1; 320]).await;
    assert_eq!(good.audio().await, [1; 320]);
    let (status, _) = server.get("/voicebot/sessions").await;
    assert_eq!(status, 200);
    let mut other = server.open("call_id=other").await.unwrap();
    other.connected().await;
    other.start("other", 8000).await;
    other.media(&[2; 320]).await;
    assert_eq!(other.audio().await, [2; 320]);

    for dribbler in &mut dribblers {
        let answer = read_out(dribbler).await;
        assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    // The live calls are older than any head may be, and still there.
    good.media(&[3; 320]).await;
    assert_eq!(good.audio().await, [3; 320]);
}

#[tokio::test]
async fn media_sockets_do_not_use_up_their_address_s_connections() {
    let limits = Limits { per_address: 2, ..Limits::default() };
    let server = limited(limits).await;
    let mut calls = Vec::new();
    for n in 0..10 {
        let mut call = server.open(&format!("call_id=c{n}")).await.unwrap();
        call.connected().await;
        calls.push(call);
    }
    let idle = [
        TcpStream::connect(server.address).await.unwrap(),
        TcpStream::connect(server.address).await.unwrap(),
    ];
    let mut third = TcpStream::connect(server.address).await.unwrap();
    assert_eq!(read_out(&mut third).await, "", "closed without a word");
    let mut elsewhere = connect_from("127.0.0.8", server.address).await;
    elsewhere.write_all(b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    assert!(read_out(&mut elsewhere).await.starts_with("HTTP/1.1 404"));
    drop(idle);
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let server = limited(Limits::default()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "y".repeat(64 * 1024));
    let _ = stream.write_all(head.as_bytes()).await;
    let answer = read_out(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 431") || answer.is_empty(), "{answer}");
}

#[tokio::test]
async fn a_taken_port_names_its_holder() {
    let first = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = first.local_addr().unwrap();
    let Err(BindError::Taken { address: taken, owner }) = bind(address) else { panic!("it was bound twice") };
    assert_eq!(taken, address);
    assert!(owner.contains(&format!("process {} (", std::process::id())), "{owner}");
    let nobodys = bind("192.0.2.1:80".parse().unwrap());
    assert!(matches!(nobodys, Err(BindError::Refused { .. })));
}

#[tokio::test]
async fn a_stopped_listener_finishes_what_is_under_way_and_frees_its_port() {
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let (began, begun) = tokio::sync::oneshot::channel();
    let (go, wait) = tokio::sync::oneshot::channel::<()>();
    let once = Arc::new(std::sync::Mutex::new(Some((began, wait))));
    let slow = move || async move {
        let (began, wait) = once.lock().unwrap().take().unwrap();
        began.send(()).unwrap();
        wait.await.unwrap();
        "done"
    };
    let router = Router::new().route("/slow", get(slow));
    let serving = tokio::spawn(Listener::new(Limits::default(), None).serve(listener, router, stop.clone()));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    begun.await.unwrap();
    stop.cancel();
    go.send(()).unwrap();
    assert!(read_out(&mut stream).await.ends_with("done"));
    timeout(LONG, serving).await.unwrap().unwrap();
    assert!(bind(address).is_ok());
}

/// Writes a new self-signed certificate; its DER.
fn write_certificate(folder: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(vec!["gw.test".to_owned()]).unwrap();
    std::fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}

/// Whether a client that trusts only this certificate gets an answer.
async fn is_served_with(address: SocketAddr, trusted: &CertificateDer<'static>) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("gw.test").unwrap();
    let Ok(mut stream) = TlsConnector::from(Arc::new(config)).connect(name, stream).await else {
        return false;
    };
    stream.write_all(b"GET /hello HTTP/1.1\r\nHost: gw.test\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    answer.ends_with("hello")
}

#[tokio::test]
async fn a_new_certificate_is_taken_without_a_restart_and_a_bad_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let first = write_certificate(folder.path());
    let tls = Tls::load(&folder.path().join("cert.pem"), &folder.path().join("key.pem")).unwrap();
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let router = Router::new().route("/hello", get(|| async { "hello" }));
    tokio::spawn(Listener::new(Limits::default(), Some(tls.clone())).serve(listener, router, stop.clone()));
    assert!(is_served_with(address, &first).await);

    // A bad file, asked for: an error, and the old one stays.
    std::fs::write(folder.path().join("cert.pem"), "not a certificate").unwrap();
    assert!(tls.reload().is_err());
    assert!(is_served_with(address, &first).await);

    // A good one is seen by itself.
    tokio::spawn(tls.clone().watch(Duration::from_millis(10), stop.clone()));
    tokio::task::yield_now().await;
    let second = write_certificate(folder.path());
    let seen = async {
        while !is_served_with(address, &second).await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG, seen).await.unwrap();
    assert!(!is_served_with(address, &first).await);
    stop.cancel();
}

#[tokio::test]
async fn certificate_files_that_cannot_be_used_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let fault = |expected: &str| {
        let error = Tls::load(&cert, &key).err().unwrap().to_string();
        assert!(error.contains(expected), "{error}");
    };
    fault("cert.pem can't be read");
    std::fs::write(&cert, "").unwrap();
    fault("holds no certificate");
    write_certificate(folder.path());
    let other = tempfile::tempdir().unwrap();
    write_certificate(other.path());
    std::fs::copy(other.path().join("key.pem"), &key).unwrap();
    fault("can't be used together");
}
