//! The drivers over real sockets, against servers that misbehave in every way that vendors do.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy takes for code")]

mod agent;
mod ear;
mod model;
mod scene;
mod voice;
#[path = "../wire/mod.rs"]
mod wire;

use std::time::{Duration, Instant};

use call::{FaultClass, Heard, Listen, SpeechId};
use providers::driver::Probe;
use providers::{FaultPlan, SpeechToText};

use scene::{
    LONG, PATIENCE, WORDS, ask, counting, frame, heard, http_ear, listen_spec, model, socket_ear,
    socket_voice, voice,
};
use wire::{SOON, Server, accept, hear, inbox, net, response};

#[tokio::test]
async fn a_probe_says_whether_a_vendor_is_there() {
    let net = net();
    let there = Server::answering(response("200 OK", "", b"[]")).await;
    assert!(model(&there, &net, LONG).probe().await.unwrap() < SOON);
    assert!(voice(&there, &net, LONG).probe().await.is_ok());
    assert!(http_ear(&there, &net).probe().await.is_ok());
    let refuses = Server::answering(response("401 Unauthorized", "", b"")).await;
    assert_eq!(model(&refuses, &net, LONG).probe().await.unwrap_err().class, FaultClass::Auth);
    assert_eq!(socket_ear(&refuses, &net).probe().await.unwrap_err().class, FaultClass::Auth);
    let opens = Server::new(|_, stream| async move {
        let mut socket = accept(stream).await;
        while hear(&mut socket).await.is_some() {}
    })
    .await;
    assert!(socket_ear(&opens, &net).probe().await.is_ok());
    assert!(socket_voice(&opens, &net, LONG).probe().await.is_ok());
}

#[tokio::test]
async fn faults_are_injected_on_purpose() {
    let bytes = response("200 OK", "content-type: text/event-stream\r\n", WORDS.as_bytes());
    let server = Server::answering(bytes).await;
    let net = net();
    let model = model(&server, &net, PATIENCE);
    let with = |rule: &str| net.inject(toml::from_str::<FaultPlan>(&format!("[[links]]\n{rule}")).unwrap());
    for (rule, expected) in [
        ("fault = 'status'", FaultClass::Rate),
        ("fault = 'status'\nstatus = 401", FaultClass::Auth),
        ("fault = 'hang'", FaultClass::Slow),
        ("fault = 'cut'", FaultClass::Network),
        ("fault = 'garbage'", FaultClass::Garbage),
    ] {
        with(rule);
        assert_eq!(ask(&model).await.1.unwrap_err().class, expected, "{rule}");
    }
    with("fault = 'silence'");
    assert_eq!(ask(&model).await, (String::new(), Ok(())));
    with("fault = 'delay'\ndelay_ms = 100");
    let start = Instant::now();
    assert_eq!(ask(&model).await.1, Ok(()));
    assert!(start.elapsed() >= Duration::from_millis(100));
    with("fault = 'hang'\nvendor = 'other'");
    assert_eq!(ask(&model).await.1, Ok(()));

    let count = Server::new(|_, stream| async move {
        counting(&mut accept(stream).await).await;
    })
    .await;
    let ear = socket_ear(&count, &net);
    for (rule, expected) in [
        ("fault = 'status'", FaultClass::Rate),
        ("fault = 'hang'", FaultClass::Slow),
        ("fault = 'garbage'", FaultClass::Garbage),
        ("fault = 'silence'", FaultClass::Slow),
    ] {
        with(rule);
        let (answers, mut inbox) = inbox();
        let mut ear = ear.open(&listen_spec(), answers).unwrap();
        ear.listen(Listen::Began(SpeechId(1))).unwrap();
        ear.listen(frame(1)).unwrap();
        ear.listen(Listen::Finish(SpeechId(1))).unwrap();
        let Heard::Failed(fault) = heard(&mut inbox).await.1 else { panic!("{rule}") };
        assert_eq!(fault.class, expected, "{rule}");
    }
}
