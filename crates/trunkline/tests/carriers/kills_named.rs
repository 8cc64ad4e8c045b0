//! The server is killed at chosen moments of a call, each seen from outside: by what the carrier's stand-in is asked,
//! does and sends. Where something is to be sent and not read, the server stands still from the moment before.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use sim::carriers::{Answering, Entry, Manner, Moment, Person, What};

use crate::kills::{NUMBER, Watch, all, ask, call_of, is_patient};
use crate::placing::Scene;
use crate::support::LONG;

/// How long what was sent to a server that stands still may take to get there.
const ARRIVES: Duration = Duration::from_millis(150);
/// How far into the agent's speech is in the middle of it.
const MIDDLE: Duration = Duration::from_millis(300);

/// Somebody whose line breaks after a while, so that the carrier tells of it at once.
const GONE: Person = Person::Vanishes(1_500);

/// A moment of a call, as the carrier's ledger shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// The request to dial has come, and was answered where it will be.
    Asked,
    /// The answer goes out.
    Answers,
    /// The telephone is called.
    Dialled,
    /// A callback of this kind goes out.
    Sends(&'static str),
    /// A callback of this kind was answered.
    Told(&'static str),
    /// The media socket is open.
    Connected,
    /// The agent is heard.
    Heard,
    /// The server had its words dropped.
    Cleared,
    /// The person has hung up.
    Stopped,
}

/// Where the server is killed.
#[derive(Debug, Clone, Copy)]
struct Point {
    name: &'static str,
    person: Person,
    answering: Answering,
    /// From when on the server stands still.
    frozen: Option<At>,
    killed: At,
    /// How long after that.
    after: Duration,
}

const fn point(name: &'static str, killed: At) -> Point {
    let (person, answering) = (Person::Talks, Answering::Taken);
    Point { name, person, answering, frozen: None, killed, after: Duration::ZERO }
}

impl Point {
    const fn answering(self, answering: Answering) -> Self {
        Self { answering, ..self }
    }

    const fn of(self, person: Person) -> Self {
        Self { person, ..self }
    }

    const fn frozen(self, at: At) -> Self {
        Self { frozen: Some(at), after: ARRIVES, ..self }
    }

    const fn after(self, after: Duration) -> Self {
        Self { after, ..self }
    }
}

/// The points of a call over this carrier. Those that take longest to settle come first.
fn points(carrier: &str) -> Vec<Point> {
    let is_twilio = carrier == "twilio";
    let mut points = Vec::new();
    if is_twilio || is_patient() {
        points.push(point("asked, nobody called", At::Asked).answering(Answering::HangsBefore));
    }
    points.extend([
        point("asked, called, not answered", At::Asked).answering(Answering::HangsAfter),
        point("asked, called, the connection broke", At::Answers).answering(Answering::CutAfter),
        point("answered, not read", At::Answers).answering(Answering::Late(300)).frozen(At::Asked),
        point("answered", At::Answers),
        point("media socket open", At::Connected),
        point("agent heard", At::Heard),
        point("in the middle of an utterance", At::Heard).after(MIDDLE),
        point("clear sent", At::Cleared).of(Person::Interrupts),
        point("stop sent", At::Stopped),
    ]);
    if is_twilio {
        points.extend([
            point("dialling told", At::Told("initiated")),
            point("ringing sent, not read", At::Sends("ringing")).frozen(At::Told("initiated")),
            point("ringing told", At::Told("ringing")),
            point("answer sent, not read", At::Sends("answered")).frozen(At::Told("ringing")),
            point("answer told", At::Told("answered")),
            point("busy sent, not read", At::Sends("completed")).of(Person::Busy).frozen(At::Told("ringing")),
            point("end sent, not read", At::Sends("completed")).of(GONE).frozen(At::Connected),
            point("end told", At::Told("completed")),
        ]);
    } else {
        points.extend([
            point("answer sent, not read", At::Sends("answered")).frozen(At::Dialled),
            point("answer told", At::Told("answered")),
            point("busy sent, not read", At::Sends("terminal")).of(Person::Busy).frozen(At::Dialled),
            point("end sent, not read", At::Sends("terminal")).of(GONE).frozen(At::Connected),
            point("end told", At::Told("terminal")),
        ]);
    }
    points
}

/// One call from its request to the kill.
struct Visit<'a> {
    scene: &'a Scene,
    /// The ledger's lines from here on are looked at.
    from: usize,
    /// The carrier's id of the call; empty where it made none.
    sid: String,
    /// Ours.
    call: String,
    /// Who asked waits for the answer.
    _asked: Option<TcpStream>,
}

impl<'a> Visit<'a> {
    /// Asks for a call, and waits until the carrier is asked.
    fn begin(scene: &'a Scene, carrier: &str, key: &str) -> Self {
        let ledger = scene.carriers.ledger();
        let from = ledger.all().len();
        let asked = ask(&scene.server.address, carrier, key);
        let dial = |lines: &[Entry]| {
            lines.iter().skip(from).find_map(|line| match &line.what {
                What::Request { form, .. } => Some((line.call.clone(), call_of(form)?)),
                _ => None,
            })
        };
        wait(scene, key, |lines| dial(lines).is_some());
        let (sid, call) = dial(&ledger.all()).expect("it was waited for");
        Self { scene, from, sid, call, _asked: asked }
    }

    /// Waits for a moment of this call.
    fn until(&self, at: At) {
        let is_it = |line: &Entry| {
            line.call == self.sid
                && match (&line.what, at) {
                    (What::Request { form, .. }, At::Asked) => call_of(form).is_some(),
                    (What::Dialled { .. }, At::Dialled) => true,
                    (What::Callback { kind, status, .. }, At::Told(wanted)) => {
                        kind == wanted && status.is_some()
                    }
                    (What::Moment { moment }, at) => match (moment, at) {
                        (Moment::Sends(kind), At::Sends(wanted)) => kind == wanted,
                        (Moment::Answers, At::Answers)
                        | (Moment::Connected, At::Connected)
                        | (Moment::Heard, At::Heard)
                        | (Moment::Cleared, At::Cleared)
                        | (Moment::Stopped, At::Stopped) => true,
                        _ => false,
                    },
                    _ => false,
                }
        };
        let what = format!("{at:?} of {} ({})", self.call, self.sid);
        wait(self.scene, &what, |lines| lines.iter().skip(self.from).any(is_it));
    }
}

fn wait(scene: &Scene, what: &str, is_so: impl Fn(&[Entry]) -> bool) {
    let ledger = scene.carriers.ledger();
    let waited = scene.runtime.block_on(async { tokio::time::timeout(LONG, ledger.until(is_so)).await });
    assert!(waited.is_ok(), "it does not come to {what}: {:#?}", ledger.all());
}

/// When the server was killed, by our id of the call; and where.
type Killed = BTreeMap<String, (Instant, String)>;

fn visit(scene: &mut Scene, carrier: &str, point: Point, killed: &mut Killed) {
    let Point { name, person, answering, .. } = point;
    let name = format!("{carrier}: {name}");
    scene.carriers.world().treat(NUMBER, Manner { person, answering, ..Manner::default() });
    let visit = Visit::begin(scene, carrier, &name);
    if let Some(at) = point.frozen {
        visit.until(at);
        scene.server.freeze();
    }
    visit.until(point.killed);
    sleep(point.after);
    let call = visit.call;
    scene.server.kill_and_restart();
    killed.insert(call, (Instant::now(), name.clone()));
    // Whoever does not get an answer asks again, and soon gives up.
    let again = ask(&scene.server.address, carrier, &name);
    sleep(ARRIVES);
    drop(again);
}

/// Killed while the telephone rings, and again while the next process asks after what it left.
fn visit_twice(scene: &mut Scene, carrier: &str, killed: &mut Killed) {
    let name = format!("{carrier}: first sweep");
    scene.carriers.world().treat(NUMBER, Manner { person: Person::Away, ..Manner::default() });
    let Visit { sid, call, .. } = Visit::begin(scene, carrier, &name);
    // Else it would be looked for, not at.
    let until = Instant::now() + LONG;
    while all(scene).iter().all(|known| known["carrier_call_id"] != sid.as_str()) {
        assert!(Instant::now() < until, "the carrier's answer is not kept");
        sleep(Duration::from_millis(20));
    }
    let from = scene.carriers.ledger().all().len();
    scene.server.kill_and_restart();
    // On a busy machine it may be over, and told to be, before the process has begun.
    let is_it = |line: &Entry| {
        let is_look = matches!(&line.what, What::Request { method, .. } if method == "GET");
        line.call == sid && (is_look || matches!(line.what, What::Ended { .. }))
    };
    wait(scene, &name, |lines| lines.iter().skip(from).any(is_it));
    scene.server.kill_and_restart();
    killed.insert(call, (Instant::now(), name));
}

#[test]
fn a_server_that_is_killed_at_any_point_of_a_call_leaves_none_open_and_calls_nobody_twice() {
    let mut scene = Scene::start();
    let (mut watch, mut killed) = (Watch::default(), Killed::new());
    for carrier in ["exotel", "twilio"] {
        for point in points(carrier) {
            visit(&mut scene, carrier, point, &mut killed);
            watch.look(&scene);
        }
        visit_twice(&mut scene, carrier, &mut killed);
        watch.look(&scene);
    }
    watch.until_settled(&scene);
    let mut took: Vec<(Duration, &str)> = killed
        .iter()
        .map(|(call, (at, name))| (watch.over[call].saturating_duration_since(*at), name.as_str()))
        .collect();
    took.sort_unstable();
    took.reverse();
    println!(
        "from the kill until the call was seen to be over, at {} points, the longest first:",
        took.len()
    );
    for (length, name) in took.iter().take(8) {
        println!("  {:6.1} s  {name}", length.as_secs_f64());
    }
    watch.check(&scene);
}

/// The intent is in the tables and nothing was sent: the call waits for its turn, which the carrier's pace gives.
#[test]
fn a_call_that_was_wanted_and_never_asked_for_is_closed_and_never_dialled() {
    let carriers: &[&str] = if is_patient() { &["twilio", "exotel"] } else { &["twilio"] };
    let slow =
        [("TRUNKLINE__TWILIO__CALLS_PER_SECOND", "0.04"), ("TRUNKLINE__EXOTEL__CALLS_PER_SECOND", "0.04")];
    let mut scene = Scene::with(&slow);
    scene.carriers.world().treat(NUMBER, Manner { person: Person::Busy, ..Manner::default() });
    let (mut wanted, mut asked) = (0, Vec::new());
    for carrier in carriers {
        for key in ["sent", "waits"] {
            asked.push(ask(&scene.server.address, carrier, &format!("{carrier} {key}")));
            wanted += 1;
            let until = Instant::now() + LONG;
            while all(&scene).len() < wanted {
                assert!(Instant::now() < until, "the intent is not kept");
                sleep(Duration::from_millis(20));
            }
        }
    }
    wait(&scene, "the dials", |lines| {
        let is_dial = |line: &&Entry| matches!(line.what, What::Dialled { .. });
        lines.iter().filter(is_dial).count() == carriers.len()
    });
    scene.server.kill_and_restart();
    let killed = Instant::now();
    let mut watch = Watch::default();
    watch.until_settled(&scene);
    println!("wanted and never asked for: closed {:.1} s after the kill", killed.elapsed().as_secs_f64());
    let reasons: Vec<String> =
        all(&scene).iter().map(|call| call["end_reason"].as_str().unwrap_or_default().to_owned()).collect();
    let never = reasons.iter().filter(|reason| *reason == "never_dialled").count();
    assert_eq!((never, reasons.len()), (carriers.len(), wanted), "{reasons:?}");
    assert_eq!(scene.carriers.ledger().dials().len(), carriers.len());
    watch.check(&scene);
}
