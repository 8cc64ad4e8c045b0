//! Models over HTTP.

use std::time::Duration;

use call::{Fault, FaultClass};
use tokio::io::AsyncWriteExt;

use crate::scene::{LONG, PATIENCE, WORDS, ask, model, then};
use crate::wire::{SOON, Server, head, net, reset, response};

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
