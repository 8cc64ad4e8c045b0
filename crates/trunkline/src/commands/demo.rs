//! `trunkline demo`: a whole call with nothing configured. The server runs in this process, a simulated caller
//! rings it through the webhook and a real socket, asks, interrupts and hangs up; the terminal shows the
//! conversation as both ends know it. It proves itself: it fails when the caller was not understood.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use audio::SampleRate;
use clap::Args;
use records::{CallRecord, Speaker, TurnRecord};
use sim::exotel::Call;
use sim::phone::{CallPlan, PhoneEvent, PhoneReport, Speech, Step};
use store::{Archive, CallId, Store};
use tokio::sync::mpsc;

use crate::config::{self, Sources};
use crate::failure::{EXIT_CODES, Failure};
use crate::server::Server;
use crate::speech;
use crate::terminal::{bold, dim, green, message, say};
use crate::vendors::Vendors;

/// What the caller asks, and the interruption.
const QUESTIONS: [&str; 2] = ["where are you", "what are your opening hours"];
const INTERRUPTION: &str = "thank you goodbye";
/// How far into the second answer the caller interrupts: past its protected first moments.
const INTERRUPT_AFTER: Duration = Duration::from_millis(1_300);
/// How often the record is looked at for what is new.
const LOOK: Duration = Duration::from_millis(100);
/// How much later than the caller's side the record tells of the same moment.
const HELD_BACK: Duration = Duration::from_millis(900);
/// How long the record may take to be final after the call.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Play a whole call, with no key, no account and no network.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES, before_help = "Examples:
  trunkline demo
  trunkline demo --data /tmp/demo")]
pub(crate) struct Demo {
    /// Where the server listens while the demonstration runs; by default a free port on loopback.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The folder for the record and the recording.
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,
    /// The caller's voice.
    #[arg(long, default_value = "flite:awb")]
    voice: String,
}

impl Demo {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let runtime = super::small_runtime()?;
        let result = runtime.block_on(self.play());
        runtime.shutdown_timeout(Duration::from_secs(1));
        result
    }

    async fn play(self) -> Result<(), Failure> {
        let began = Instant::now();
        // Nothing of the user's: the demonstration shows what works without any configuration.
        let sources = Sources::default().flag("server.listen", "--listen", Some(self.listen)).flag(
            "data.dir",
            "--data",
            Some(self.data.display()),
        );
        let server = Server::start(config::load(&sources)?.config).await?;
        let address = server.address();
        say(&format!(
            "server ready on {address} after {} ms, nothing configured",
            began.elapsed().as_millis()
        ));
        let plan = self.plan(address).await?;
        say(&format!("a caller rings through the webhook {}", plan.url));
        say("");
        let (report, record) = converse(&server, plan).await?;
        server.stop().await;
        let record = record.ok_or_else(|| Failure::failed("the call left no record"))?;
        facts(&report, &record, &self.data, address);
        let faults = faults(&report, &record);
        if faults.is_empty() {
            say(&green(&format!(
                "the caller was understood and answered; {:.0} s in all",
                began.elapsed().as_secs_f64()
            )));
            Ok(())
        } else {
            Err(Failure::failed(faults.join("\n       ")))
        }
    }

    async fn plan(&self, address: SocketAddr) -> Result<CallPlan, Failure> {
        let vendors = Vendors::new(1);
        let voice = vendors.voice(&self.voice)?;
        let rate = SampleRate::HZ_8000;
        let say = async |text: &str| -> Result<Speech, Failure> {
            Ok(Speech { label: text.to_owned(), pcm: speech::render(&*voice, text, rate).await? })
        };
        let mut plan = CallPlan::new(format!("http://{address}/api/v1/exotel/voice/connect"));
        plan = CallPlan::exotel(plan.url, Call::invented(super::seed(), rate));
        for question in QUESTIONS {
            plan.steps.push(Step::Say(say(question).await?));
        }
        plan.steps.push(Step::BargeIn { speech: say(INTERRUPTION).await?, after: INTERRUPT_AFTER });
        Ok(plan)
    }
}

/// Plays the call and shows it. Gives the caller's report and the server's record.
async fn converse(server: &Server, plan: CallPlan) -> Result<(PhoneReport, Option<CallRecord>), Failure> {
    let (tell, told) = mpsc::unbounded_channel();
    let screen = Screen {
        store: server.store().clone(),
        call: plan.call_id().to_owned(),
        told,
        held: VecDeque::new(),
        turns: 0,
        record: None,
    };
    let screen = tokio::spawn(screen.run());
    let report = sim::phone::Phone::call(plan, |event| {
        if is_worth_showing(&event) {
            // The screen goes on until this end is dropped.
            let _ = tell.send((Instant::now(), super::phone::line(&event)));
        }
    })
    .await
    .map_err(|error| Failure::failed(error.to_string()))?;
    drop(tell);
    let record = screen.await.map_err(|error| Failure::failed(error.to_string()))?;
    Ok((report, record))
}

fn find(store: &Store, known: Option<CallId>, call: &str) -> Option<CallRecord> {
    match known {
        Some(id) => store.load(id).ok().flatten(),
        None => store.list(4, None).ok()?.into_iter().find(|record| record.carrier_call_id == call),
    }
}

/// Shows both ends of the call: what the caller does as it happens, and what the server understood and said
/// from its record, which is written a little later. So the caller's side is held back by as much.
struct Screen {
    store: Store,
    call: String,
    told: mpsc::UnboundedReceiver<(Instant, String)>,
    held: VecDeque<(Instant, String)>,
    turns: usize,
    record: Option<CallRecord>,
}

impl Screen {
    async fn run(mut self) -> Option<CallRecord> {
        while !self.told.is_closed() || !self.told.is_empty() {
            self.look().await;
            while let Ok(told) = self.told.try_recv() {
                self.held.push_back(told);
            }
            while let Some((_, line)) = self.held.pop_front_if(|(at, _)| at.elapsed() > HELD_BACK) {
                say(&line);
            }
            tokio::time::sleep(LOOK).await;
        }
        self.held.drain(..).for_each(|(_, line)| say(&line));
        let until = Instant::now() + LAST_WORDS;
        loop {
            self.look().await;
            let is_final = self.record.as_ref().is_some_and(|record| record.ended_at.is_some());
            if is_final || Instant::now() > until {
                return self.record;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Shows the turns that have come into the record.
    async fn look(&mut self) {
        let known = self.record.as_ref().and_then(|record| record.id.parse().ok());
        let (store, call) = (self.store.clone(), self.call.clone());
        let found = tokio::task::spawn_blocking(move || find(&store, known, &call)).await;
        let Some(record) = found.ok().flatten() else { return };
        record.turns.iter().skip(self.turns).for_each(show_turn);
        self.turns = record.turns.len();
        self.record = Some(record);
    }
}

fn show_turn(turn: &TurnRecord) {
    match turn.speaker {
        Speaker::Caller => say(&format!("{:>12}the server understood: {}", "", bold(&turn.text))),
        Speaker::Agent => {
            let unheard = match turn.unheard.as_str() {
                "" => String::new(),
                unheard => dim(&format!(" [not heard: {unheard}]")),
            };
            say(&format!("{:>12}the agent said: {}{unheard}", "", bold(&turn.text)));
            if let Some(latency) = &turn.latency {
                say(&dim(&format!("{:>12}{}", "", super::call::parts(latency))));
            }
        }
    }
}

fn is_worth_showing(event: &PhoneEvent) -> bool {
    !matches!(event, PhoneEvent::Mark { .. } | PhoneEvent::CallerDone { .. } | PhoneEvent::AgentDone { .. })
}

/// What a person wants to know afterwards.
fn facts(report: &PhoneReport, record: &CallRecord, data: &Path, address: SocketAddr) {
    say("");
    for turn in &report.turns {
        let heard = turn
            .answer_ms
            .map_or("no answer heard".to_owned(), |ms| format!("first sound of the answer after {ms} ms"));
        let clear =
            turn.clear_ms.map_or(String::new(), |ms| format!("; the agent was silenced {ms} ms into it"));
        say(&format!("at the caller's ear  \"{}\": {heard}{clear}", turn.label));
    }
    let archive = Archive::new(data);
    if let Ok(id) = record.id.parse::<CallId>() {
        say(&format!(
            "recording            {} (left: caller, right: agent)",
            archive.recording(id).display()
        ));
        say(&format!("the whole call       trunkline call show {} --data {}", record.id, data.display()));
        say(&format!("run it again         trunkline replay {}", archive.log(id).display()));
    }
    say(&dim("To go on:"));
    say("  answer calls         trunkline serve");
    say(
        "  phone it             trunkline phone ws://127.0.0.1:8080/voicebot/ws --say \"what are your opening hours\"",
    );
    say("  point Exotel to it   the Voicebot applet's URL is https://YOUR-HOST/api/v1/exotel/voice/connect");
    if address.port() == 8080 {
        message("the demonstration's server has stopped; `trunkline serve` starts one that stays");
    }
    say("");
}

/// What the demonstration did not prove.
fn faults(report: &PhoneReport, record: &CallRecord) -> Vec<String> {
    let mut faults = Vec::new();
    if report.greeting_ms.is_none() {
        faults.push("the caller heard nothing; `trunkline doctor` says what is missing".to_owned());
    }
    let said = record.turns.iter().filter(|turn| turn.speaker == Speaker::Caller);
    let understood: Vec<String> = said.map(|turn| words(&turn.text)).collect();
    for wanted in QUESTIONS.into_iter().chain([INTERRUPTION]) {
        if !understood.contains(&words(wanted)) {
            faults.push(format!("\"{wanted}\" was not understood; the server heard: {understood:?}"));
        }
    }
    if record.counters.interruptions == 0 {
        faults.push("the caller's interruption did not stop the agent".to_owned());
    }
    faults
}

fn words(text: &str) -> String {
    let kept: String =
        text.to_lowercase().chars().map(|c| if c.is_alphanumeric() || c == '\'' { c } else { ' ' }).collect();
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}
