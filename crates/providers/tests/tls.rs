//! The drivers over TLS: what is trusted is the usual roots and those that are given, and a WebSocket is not asked
//! for over HTTP/2.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy takes for code")]

mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use audio::SampleRate;
use call::{FaultClass, Heard, Input, Listen, SpeechId};
use futures_util::{SinkExt, StreamExt};
use providers::driver::{HttpModel, Net, NetOptions, Probe, SocketEar};
use providers::{ListenSpec, Role, SpeechToText, Transport};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::Message;
use wire::{Plain, inbox, link, net, next};

/// A server with a certificate of its own that prefers HTTP/2 where it is offered. Answers upgrades as a
/// recogniser and all else with an empty page.
async fn server() -> (Plain, CertificateDer<'static>, Arc<AtomicUsize>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let prefaces = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&prefaces);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, counted) = (acceptor.clone(), Arc::clone(&counted));
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                    // What every client begins with; the request is not answered.
                    let mut preface = [0; 24];
                    let read = stream.read_exact(&mut preface).await;
                    if read.is_ok() && &preface == b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" {
                        counted.fetch_add(1, Ordering::SeqCst);
                    }
                    return;
                }
                let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
                while let Some(Ok(message)) = socket.next().await {
                    if message.is_text() && message.to_text().unwrap() == "finish 1" {
                        let _ = socket.send(Message::Text("final 1 secretly".into())).await;
                    }
                }
            });
        }
    });
    (Plain::at(&format!("https://localhost:{port}")), certificate, prefaces)
}

fn trusting(certificate: CertificateDer<'static>) -> Arc<Net> {
    let options = NetOptions { roots: vec![certificate], ..NetOptions::default() };
    Arc::new(Net::new(&options).unwrap())
}

fn ear(plain: Plain, net: Arc<Net>) -> SocketEar {
    SocketEar::new(link("plain", Role::SpeechToText, Transport::Websocket), Arc::new(plain), net)
}

#[tokio::test]
async fn a_socket_over_tls_is_opened_where_the_certificate_is_trusted() {
    let (plain, certificate, prefaces) = server().await;
    let trusting = trusting(certificate);
    let (answers, mut inbox) = inbox();
    let spec = ListenSpec { rate: SampleRate::HZ_8000, language: "en-IN".to_owned(), phrases: Vec::new() };
    let mut ear = ear(plain, trusting).open(&spec, answers).unwrap();
    ear.listen(Listen::Began(SpeechId(1))).unwrap();
    ear.listen(Listen::Finish(SpeechId(1))).unwrap();
    let what = Heard::Final("secretly".to_owned());
    assert_eq!(next(&mut inbox).await, Input::Heard { speech: SpeechId(1), what });
    assert_eq!(prefaces.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn requests_share_a_connection_of_http_2_where_it_is_spoken() {
    let (plain, certificate, prefaces) = server().await;
    let id = link("plain", Role::LanguageModel, Transport::Http);
    let fault = HttpModel::new(id, Arc::new(plain), trusting(certificate)).probe().await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Network, "this server hangs up");
    assert!(prefaces.load(Ordering::SeqCst) > 0);
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_a_fault_of_the_network() {
    let (plain, ..) = server().await;
    let fault = ear(plain, net()).probe().await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Network);
    assert!(fault.why.contains("certificate"), "{fault}");
}
