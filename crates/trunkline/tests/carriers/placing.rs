//! The server places calls over the carriers' stand-ins: who answers is talked with, and how each call ends is on its
//! record.

use std::net::TcpListener;

use serde_json::{Value, json};
use sim::carriers::{CarrierServer, Manner, Pace, Person, Settings, What, World};

use crate::support::{LONG, Server, TOKEN};

/// The stand-ins with the runtime that they live on, and a server that places its calls with them.
pub(crate) struct Scene {
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) carriers: CarrierServer,
    pub(crate) server: Server,
}

impl Scene {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// With these settings of the server besides.
    pub(crate) fn with(more: &[(&str, &str)]) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime can be made");
        let settings = Settings::default();
        let sid = settings.twilio.sid.clone();
        let settings = Settings { pace: Pace { patience: LONG / 6, ..Pace::default() }, ..settings };
        let carriers = runtime.block_on(CarrierServer::start(World::new(settings)));
        let carriers = carriers.expect("there is a free port");
        // The carriers must be told where to come back to before the server has a port of its own.
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port is free");
        let (listen, public) = (port.to_string(), format!("http://{port}"));
        let base_url = carriers.url();
        let mut settings: Vec<(&str, &str)> = vec![
            ("TRUNKLINE__SERVER__LISTEN", listen.as_str()),
            ("TRUNKLINE__SERVER__PUBLIC_URL", &public),
            ("TRUNKLINE__TWILIO__ACCOUNT_SID", &sid),
            ("TRUNKLINE__TWILIO__AUTH_TOKEN", TOKEN),
            ("TRUNKLINE__TWILIO__BASE_URL", &base_url),
            ("TRUNKLINE__TWILIO__FROM", "+918000000002"),
            ("TRUNKLINE__TWILIO__CALLS_PER_SECOND", "50"),
            ("TRUNKLINE__EXOTEL__ACCOUNT_SID", "acme1"),
            ("TRUNKLINE__EXOTEL__API_KEY", "key"),
            ("TRUNKLINE__EXOTEL__API_TOKEN", "token"),
            ("TRUNKLINE__EXOTEL__BASE_URL", &base_url),
            ("TRUNKLINE__EXOTEL__FROM", "08000000002"),
            ("TRUNKLINE__OUTBOUND__DEFAULT_COUNTRY", "IN"),
            ("TRUNKLINE__OUTBOUND__CALLS_PER_MINUTE", "0"),
            ("TRUNKLINE__OUTBOUND__CALLS_PER_DAY", "0"),
            ("TRUNKLINE__OUTBOUND__MINUTES_PER_DAY", "0"),
            ("TRUNKLINE__OUTBOUND__WHOLE_SERVER__CALLS_PER_DAY", "0"),
            ("TRUNKLINE__OUTBOUND__WHOLE_SERVER__MINUTES_PER_DAY", "0"),
        ];
        settings.extend(more);
        let server = Server::start(&settings);
        Self { runtime, carriers, server }
    }

    /// Places a call to somebody; our id of it.
    fn place(&self, carrier: &str, person: Person, to: &str, more: &Value) -> String {
        self.carriers.world().treat(to, Manner { person, ..Manner::default() });
        let mut body = json!({"to": to, "carrier": carrier, "agent": "assistant"});
        for (name, value) in more.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        let (status, placed) = self.server.ask("POST", "/call", &body.to_string());
        assert_eq!(status, 201, "{placed}");
        placed["call_id"].as_str().expect("a placed call has an id").to_owned()
    }

    /// The record, once it is over and the carrier has told everything.
    fn ended(&self, calls: usize, call: &str) -> Value {
        let ledger = self.carriers.ledger();
        let over =
            self.runtime.block_on(async { tokio::time::timeout(LONG, ledger.until_ended(calls)).await });
        assert!(over.is_ok(), "the carrier is not done: {:#?}", ledger.all());
        let path = format!("/api/v1/calls/{call}");
        let until = std::time::Instant::now() + LONG;
        loop {
            let (_, record) = self.server.ask("GET", &path, "");
            if !record["ended_at"].is_null() || !record["call"]["ended_at"].is_null() {
                return record;
            }
            assert!(std::time::Instant::now() < until, "not over: {record}");
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }

    /// What the carriers found fault with.
    fn faults(&self) -> Vec<String> {
        let mut faults = self.carriers.ledger().breaches();
        for entry in self.carriers.ledger().all() {
            match entry.what {
                What::Talked { findings, .. } => faults.extend(findings),
                What::Callback { kind, status, .. } if !matches!(status, Some(200..=299)) => {
                    faults.push(format!("{kind} was answered {status:?}"));
                }
                _ => {}
            }
        }
        faults
    }
}

fn field<'a>(record: &'a Value, name: &str) -> &'a Value {
    if record["call"].is_object() { &record["call"][name] } else { &record[name] }
}

#[test]
fn who_answers_is_talked_with_over_either_carrier() {
    for carrier in ["twilio", "exotel"] {
        let scene = Scene::start();
        let call = scene.place(carrier, Person::Talks, "+919800000001", &json!({}));
        let record = scene.ended(1, &call);
        assert_eq!(field(&record, "status"), "completed", "{record}");
        assert_eq!(field(&record, "direction"), "outbound", "{record}");
        if carrier == "twilio" {
            // What it costs is known later, and asked for then.
            let (_, page) = scene.server.ask("GET", "/api/v1/jobs", "");
            let jobs = page["jobs"].as_array().expect("a list of jobs");
            let late = jobs.iter().find(|job| job["kind"] == "fetch_details" && job["key"] == *call);
            assert_eq!(late.expect("the call leaves work")["state"], "waiting", "{page}");
        }
        let ledger = scene.carriers.ledger();
        let dials = ledger.dials();
        assert_eq!((dials.len(), dials[0].1.as_str()), (1, "+919800000001"));
        assert_eq!(field(&record, "carrier_call_id"), &json!(dials[0].0), "{record}");
        let audible = ledger.all().into_iter().find_map(|entry| match entry.what {
            What::Talked { audible_ms, .. } => Some(audible_ms),
            _ => None,
        });
        assert!(audible.is_some_and(|ms| ms > 1_000), "{carrier}: {:#?}", ledger.all());
        assert_eq!(scene.faults(), Vec::<String>::new(), "{carrier}");
    }
}

#[test]
fn who_does_not_answer_is_on_the_record() {
    let scene = Scene::start();
    let mut calls = 0;
    for carrier in ["twilio", "exotel"] {
        for (person, status) in
            [(Person::Busy, "busy"), (Person::Away, "no_answer"), (Person::Unreachable, "failed")]
        {
            let call = scene.place(carrier, person, "+919876543210", &json!({}));
            calls += 1;
            let record = scene.ended(calls, &call);
            let seen = field(&record, "status").as_str().unwrap_or_default().replace('-', "_");
            assert_eq!(seen, status, "{carrier}: {record}");
        }
    }
    assert_eq!(scene.faults(), Vec::<String>::new());
}

#[test]
fn a_machine_is_known_for_one() {
    let scene = Scene::start();
    let more = json!({"machine_detection": "message_end"});
    let call = scene.place("twilio", Person::Machine, "+919876543210", &more);
    let record = scene.ended(1, &call);
    let by = field(&record, "answered_by").as_str().unwrap_or_default().to_owned();
    assert!(by.starts_with("machine"), "{record}");
    assert_eq!(scene.faults(), Vec::<String>::new());
}
