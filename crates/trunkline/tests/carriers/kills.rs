//! The server is killed again and again while it places calls and talks: afterwards no call is open that is not alive,
//! and nobody was called twice for one request.
//!
//! `TRUNKLINE_KILLS=1000 cargo test -p trunkline --test carriers -- kills` kills as often as one likes.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sim::carriers::{Answering, Manner, Person, What};

use crate::placing::Scene;

const KILLS: usize = 12;
/// Within so long after its begin the server is killed, in milliseconds: before, during and after the dial, while it
/// rings, while they talk.
const LATEST_MS: u64 = 1_500;
/// How long until every call is settled: a dial whose answer is lost may only be given up after a minute.
const SETTLED: Duration = Duration::from_secs(150);

/// Who is called over which carrier, in turn. What Exotel was asked and never answered can only be looked for once it
/// must be over, an hour later, so that is asked of Twilio alone.
fn turns() -> Vec<(&'static str, Manner)> {
    let manner = |person, answering| Manner { person, answering, ..Manner::default() };
    vec![
        ("twilio", manner(Person::Talks, Answering::Taken)),
        ("exotel", manner(Person::Talks, Answering::Taken)),
        ("twilio", manner(Person::Silent(2_000), Answering::Late(300))),
        ("exotel", manner(Person::Busy, Answering::Taken)),
        ("twilio", manner(Person::Talks, Answering::CutAfter)),
        ("twilio", manner(Person::Away, Answering::HangsBefore)),
    ]
}

/// Asks for a call, and does not wait for the answer: the server may be gone before.
fn ask(address: &str, carrier: &str, n: usize) {
    let body = json!({"to": "+919800000001", "carrier": carrier, "agent": "assistant"}).to_string();
    let Ok(mut socket) = TcpStream::connect(address) else { return };
    // The same key again is the same call: whoever asks twice has not called twice.
    let request = format!(
        "POST /call HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Idempotency-Key: {n}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    // A server that is being killed does not take it.
    let _ = socket.write_all(request.as_bytes());
    // Held until the server has it, whatever becomes of the answer.
    sleep(Duration::from_millis(50));
}

#[test]
fn a_killed_server_leaves_no_call_open_and_calls_nobody_twice() {
    let kills = std::env::var("TRUNKLINE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS);
    let mut scene = Scene::start();
    let turns = turns();
    // The moments differ from kill to kill and are the same in every run.
    let mut moment: u64 = 0x9E37_79B9_7F4A_7C15;
    for n in 0..kills {
        let (carrier, manner) = turns[n % turns.len()].clone();
        scene.carriers.world().treat("+919800000001", manner);
        ask(&scene.server.address, carrier, n);
        moment = moment.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        sleep(Duration::from_millis((moment >> 33) % LATEST_MS));
        // Whoever does not get an answer asks again.
        ask(&scene.server.address, carrier, n);
        scene.server.kill_and_restart();
        ask(&scene.server.address, carrier, n);
    }
    let calls = settled(&scene);
    let dialled: Vec<String> = scene.carriers.ledger().dials().into_iter().map(|(id, ..)| id).collect();
    let known: BTreeSet<&str> = calls.iter().filter_map(|call| call["carrier_call_id"].as_str()).collect();
    for id in &dialled {
        assert!(known.contains(id.as_str()), "a call was dialled that nobody knows of: {id}\n{calls:#?}");
    }
    assert!(dialled.len() <= calls.len(), "{} dials of {} calls", dialled.len(), calls.len());
    let mut asked = BTreeSet::new();
    for entry in scene.carriers.ledger().all() {
        if let What::Request { method, form, .. } = entry.what
            && method == "POST"
            && let Some(id) = form.iter().find_map(|(_, value)| value.split_once("call_")?.1.get(..26))
        {
            assert!(asked.insert(id.to_owned()), "call_{id} was dialled twice");
        }
    }
    assert!(!asked.is_empty(), "nothing was dialled");
}

/// All calls, once none is open.
fn settled(scene: &Scene) -> Vec<Value> {
    let until = Instant::now() + SETTLED;
    loop {
        let calls = all(scene);
        let open: Vec<&Value> = calls.iter().filter(|call| call["ended_at"].is_null()).collect();
        if open.is_empty() {
            return calls;
        }
        assert!(Instant::now() < until, "still open: {open:#?}");
        sleep(Duration::from_millis(250));
    }
}

/// Every page of the list.
fn all(scene: &Scene) -> Vec<Value> {
    let mut calls = Vec::new();
    let mut path = "/api/v1/calls?limit=200".to_owned();
    loop {
        let (status, page) = scene.server.ask("GET", &path, "");
        assert_eq!(status, 200, "{page}");
        calls.extend(page["calls"].as_array().cloned().unwrap_or_default());
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/api/v1/calls?limit=200&cursor={cursor}"),
            None => return calls,
        }
    }
}
