//! The server is killed again and again while it places calls and talks: afterwards no call is open that is not alive,
//! and nobody was called twice for one request. Here at moments that are nobody's choice; `kills_named` chooses them.
//!
//! `TRUNKLINE_KILLS=1000 cargo test -p trunkline --test carriers -- killed` kills as often as one likes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sim::carriers::{Answering, Manner, Person, What};

use crate::placing::Scene;

/// Whom everybody calls here.
pub(crate) const NUMBER: &str = "+919800000001";
const KILLS: usize = 12;
/// From so many on, what takes minutes to be settled is tried too.
const MANY: usize = 100;
/// Within so long after its begin the server is killed, in milliseconds: before, during and after the dial, while it
/// rings, while they talk.
const LATEST_MS: u64 = 1_500;
/// How long until every call is settled, on a machine that has other things to do: what Exotel was asked and never
/// answered can come for two minutes, and what Twilio was for one.
const SETTLED: Duration = Duration::from_secs(300);

/// How often to kill.
pub(crate) fn kills() -> usize {
    std::env::var("TRUNKLINE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS)
}

/// Whether to try what takes minutes too.
pub(crate) fn is_patient() -> bool {
    kills() >= MANY
}

/// Who is called over which carrier, in turn.
fn turns() -> Vec<(&'static str, Manner)> {
    let manner = |person, answering| Manner { person, answering, ..Manner::default() };
    let mut turns = vec![
        ("twilio", manner(Person::Talks, Answering::Taken)),
        ("exotel", manner(Person::Talks, Answering::Taken)),
        ("twilio", manner(Person::Silent(2_000), Answering::Late(300))),
        ("exotel", manner(Person::Busy, Answering::Taken)),
        ("twilio", manner(Person::Talks, Answering::CutAfter)),
        ("exotel", manner(Person::Interrupts, Answering::CutAfter)),
        ("twilio", manner(Person::Away, Answering::HangsBefore)),
    ];
    if is_patient() {
        turns.extend([
            ("exotel", manner(Person::Vanishes(500), Answering::HangsAfter)),
            ("exotel", manner(Person::Talks, Answering::HangsBefore)),
            ("exotel", manner(Person::Away, Answering::ErrorAfter)),
        ]);
    }
    turns
}

/// Asks for a call, and does not wait for the answer: the server may be gone before. The socket is to be held for as long
/// as the answer is wanted; a server that is being killed gives none.
pub(crate) fn ask(address: &str, carrier: &str, key: &str) -> Option<TcpStream> {
    let body = json!({"to": NUMBER, "carrier": carrier, "agent": "assistant"}).to_string();
    let mut socket = TcpStream::connect(address).ok()?;
    // The same key again is the same call: whoever asks twice has not called twice.
    let request = format!(
        "POST /call HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Idempotency-Key: {key}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(request.as_bytes()).ok()?;
    Some(socket)
}

#[test]
fn a_killed_server_leaves_no_call_open_and_calls_nobody_twice() {
    let mut scene = Scene::start();
    let turns = turns();
    // The moments differ from kill to kill and are the same in every run.
    let mut moment: u64 = 0x9E37_79B9_7F4A_7C15;
    for n in 0..kills() {
        let (carrier, manner) = turns[n % turns.len()].clone();
        let key = n.to_string();
        scene.carriers.world().treat(NUMBER, manner);
        let first = ask(&scene.server.address, carrier, &key);
        moment = moment.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        sleep(Duration::from_millis((moment >> 33) % LATEST_MS));
        // Whoever does not get an answer asks again.
        let second = ask(&scene.server.address, carrier, &key);
        scene.server.kill_and_restart();
        drop((first, second));
        let third = ask(&scene.server.address, carrier, &key);
        // Held for a while; then whoever asked has given up.
        sleep(Duration::from_millis(50));
        drop(third);
    }
    let restarted = Instant::now();
    let mut watch = Watch::default();
    watch.until_settled(&scene);
    println!("{} kills; the last call was settled {:?} after the last restart", kills(), restarted.elapsed());
    watch.check(&scene);
}

/// Sees when calls are over, and checks what must be true of them all.
#[derive(Default)]
pub(crate) struct Watch {
    /// When each call was first seen to be over, by our id.
    pub(crate) over: BTreeMap<String, Instant>,
    /// As the list has them, once none is open.
    calls: Vec<Value>,
}

impl Watch {
    /// Looks once. Gives the calls that are open.
    pub(crate) fn look(&mut self, scene: &Scene) -> Vec<Value> {
        self.calls = all(scene);
        let now = Instant::now();
        for call in self.calls.iter().filter(|call| !call["ended_at"].is_null()) {
            self.over.entry(call["id"].as_str().unwrap_or_default().to_owned()).or_insert(now);
        }
        self.calls.iter().filter(|call| call["ended_at"].is_null()).cloned().collect()
    }

    /// Looks until none is open.
    pub(crate) fn until_settled(&mut self, scene: &Scene) {
        let until = Instant::now() + SETTLED;
        loop {
            let open = self.look(scene);
            if open.is_empty() {
                return;
            }
            assert!(Instant::now() < until, "still open: {open:#?}");
            sleep(Duration::from_millis(250));
        }
    }

    /// Nobody was called of whom we know nothing, or twice for one request, and nobody is still called.
    pub(crate) fn check(&self, scene: &Scene) {
        let ledger = scene.carriers.ledger();
        let dialled: Vec<String> = ledger.dials().into_iter().map(|(id, ..)| id).collect();
        let known: BTreeSet<&str> =
            self.calls.iter().filter_map(|call| call["carrier_call_id"].as_str()).collect();
        for id in &dialled {
            assert!(
                known.contains(id.as_str()),
                "a call was dialled that nobody knows of: {id}\n{:#?}",
                self.calls
            );
        }
        assert!(dialled.len() <= self.calls.len(), "{} dials of {} calls", dialled.len(), self.calls.len());
        let mut asked = BTreeSet::new();
        for entry in ledger.all() {
            if let What::Request { form, .. } = entry.what
                && let Some(id) = call_of(&form)
            {
                assert!(asked.insert(id.clone()), "{id} was dialled twice");
            }
        }
        assert!(!asked.is_empty(), "nothing was dialled");
        // We think that all of them are over, and so they are, soon after.
        let over = async {
            for id in dialled {
                let is_end = |what: &What| matches!(what, What::Ended { .. });
                ledger.until(|lines| lines.iter().any(|line| line.call == id && is_end(&line.what))).await;
            }
        };
        let over = scene.runtime.block_on(async { tokio::time::timeout(crate::support::LONG, over).await });
        assert!(over.is_ok(), "somebody is still on the line: {:#?}", ledger.all());
    }
}

/// Our id of the call that a request asks to dial.
pub(crate) fn call_of(form: &[(String, String)]) -> Option<String> {
    let id = form.iter().find_map(|(_, value)| value.rsplit_once("call_")?.1.get(..26))?;
    Some(format!("call_{id}"))
}

/// Every page of the list.
pub(crate) fn all(scene: &Scene) -> Vec<Value> {
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
