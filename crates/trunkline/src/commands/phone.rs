//! `trunkline phone`: be the caller on any server that speaks the carrier's protocol, and measure it.

mod steps;

use std::path::PathBuf;
use std::time::Duration;

use audio::SampleRate;
use clap::{Args, ValueEnum};
use secrecy::SecretString;
use sim::exotel::Call;
use sim::phone::{CallPlan, Detour, EndedBy, PhoneError, PhoneEvent, PhoneReport, TwilioLine};

use crate::failure::{EXIT_CODES, Failure};
use crate::speech;
use crate::terminal::{bold, dim, json, message, say};
use crate::vendors::Vendors;

/// Be the caller on any server that speaks the carrier's protocol.
///
/// The steps are done in the order in which they are given; each waits until the agent is quiet. After the last
/// one the caller hangs up.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES, before_help = "Examples:
  trunkline phone ws://127.0.0.1:8080/voicebot/ws --say \"What are your opening hours?\"
  trunkline phone http://127.0.0.1:8080/api/v1/exotel/voice/connect --say hello --record call.wav
  trunkline phone wss://bot:secret@gw.example.com/voicebot/ws --wav question.wav --dtmf 1 --json
  trunkline phone ws://127.0.0.1:8080/voicebot/ws --say \"tell me everything\" --barge-in --say stop
  trunkline phone --carrier twilio https://gw.example.com/twilio/voice --auth-token 12345 --say hello")]
pub(crate) struct Phone {
    /// The socket (ws://, wss://), or the webhook that names it (http://, https://): with Twilio the voice webhook,
    /// whose TwiML is followed.
    url: String,
    /// The carrier to be.
    #[arg(long, value_enum, default_value_t = Carrier::Exotel)]
    carrier: Carrier,
    #[command(flatten)]
    twilio: Twilio,
    #[command(flatten)]
    steps: steps::Steps,
    /// Write both sides to a WAV file: left what the caller says, right what the caller hears.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// A header for the webhook and the upgrade. May be given often.
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// Send `Authorization: Bearer` with this token.
    #[arg(long, env = "EXOTEL_WS_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The stream's rate: 8000, 16000 or 24000. Twilio has only 8000.
    #[arg(long, default_value_t = 8000)]
    rate: u32,
    /// Numbers in messages: strings, as in real traffic, or as the carrier's documents show them.
    #[arg(long, value_enum, default_value_t = Types::Strings)]
    types: Types,
    /// The caller's voice.
    #[arg(long, default_value = "flite:awb")]
    voice: String,
    /// Seconds to wait for the agent before going on.
    #[arg(long, default_value_t = 8.0)]
    patience: f64,
    /// Report as JSON on stdout; events go to stderr.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Carrier {
    Exotel,
    Twilio,
}

/// What only Twilio has.
#[derive(Debug, Args)]
struct Twilio {
    /// Sign as Twilio does, with this account's auth token.
    #[arg(long, env = "TWILIO_AUTH_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    auth_token: Option<SecretString>,
    /// The public address that the server checks signatures against, where it is reached by another one.
    #[arg(long, value_name = "URL")]
    signed_as: Option<String>,
    /// A custom parameter, for a socket's URL. May be given often.
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = super::parameter)]
    parameters: Vec<(String, String)>,
    /// Who calls, E.164.
    #[arg(long, value_name = "NUMBER")]
    from: Option<String>,
    /// Who is called.
    #[arg(long, value_name = "NUMBER")]
    to: Option<String>,
}

impl Twilio {
    fn line(&self, url: &str) -> TwilioLine {
        let mut call = sim::twilio::Call::invented(super::seed());
        call.parameters.extend(self.parameters.iter().cloned());
        call.from = self.from.clone().unwrap_or(call.from);
        call.to = self.to.clone().unwrap_or(call.to);
        let mut line = TwilioLine::new(call, self.auth_token.clone());
        line.detour = self.signed_as.as_deref().map(|public| Detour::known_as(url, public));
        line
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Types {
    Strings,
    Docs,
}

impl Phone {
    pub(crate) fn run(self) -> Result<(), Failure> {
        super::small_runtime()?.block_on(self.call())
    }

    async fn call(self) -> Result<(), Failure> {
        let plan = self.plan().await?;
        let as_json = self.json;
        let report = sim::phone::Phone::call(plan, |event| {
            let line = line(&event);
            if as_json { message(&line) } else { say(&line) }
        })
        .await
        .map_err(|error| failure(&error))?;
        if let Some(file) = &self.record {
            speech::write_stereo(file, report.sample_rate, &report.recording.interleaved())?;
        }
        if as_json {
            json(&report);
        } else {
            summary(&report);
            if let Some(file) = &self.record {
                say(&format!("recording: {} (left: caller, right: what the caller heard)", file.display()));
            }
        }
        if report.end.by == EndedBy::Fault {
            return Err(Failure::failed(format!("the call broke: {}", report.end.detail)));
        }
        Ok(())
    }

    async fn plan(&self) -> Result<CallPlan, Failure> {
        let rate = SampleRate::try_from(self.rate).map_err(|error| Failure::usage(error.to_string()))?;
        if !self.patience.is_finite() || !(0.0..=3600.0).contains(&self.patience) {
            return Err(Failure::usage("--patience takes seconds, from 0 to 3600"));
        }
        let mut plan = match self.carrier {
            Carrier::Twilio if rate != SampleRate::HZ_8000 => {
                return Err(Failure::usage("Twilio's streams have 8000 Hz"));
            }
            Carrier::Twilio => CallPlan::twilio(self.url.clone(), self.twilio.line(&self.url)),
            Carrier::Exotel => CallPlan::exotel(self.url.clone(), Call::invented(super::seed(), rate)),
        };
        if let (sim::phone::Carrier::Exotel { types, .. }, Types::Docs) = (&mut plan.carrier, self.types) {
            *types = sim::exotel::Types::Docs;
        }
        plan.patience = Duration::from_secs_f64(self.patience);
        // The token of the environment is Exotel's; to Twilio's webhooks it would only be a stranger.
        let token = self.token.as_deref().filter(|_| self.carrier == Carrier::Exotel);
        plan.headers = super::headers(&self.headers, token)?;
        let vendors = Vendors::new(1);
        plan.steps = self.steps.spoken(|| vendors.voice(&self.voice), rate).await?;
        Ok(plan)
    }
}

fn failure(error: &PhoneError) -> Failure {
    let text = error.to_string();
    match error {
        PhoneError::Url { .. } | PhoneError::Rate(_) => Failure::usage(text),
        PhoneError::Unreachable(..) => Failure::unavailable(text),
        _ => Failure::failed(text),
    }
}

/// An event for people.
pub(crate) fn line(event: &PhoneEvent) -> String {
    let (at, what) = match event {
        PhoneEvent::Webhook { took_ms, socket } => {
            (0, format!("webhook answered in {took_ms:.1} ms: {socket}"))
        }
        PhoneEvent::Connected { took_ms } => (0, format!("connected in {took_ms:.1} ms")),
        PhoneEvent::CallerSpeaks { at_ms, label, barge_in } => {
            let how = if *barge_in { "caller interrupts" } else { "caller" };
            (*at_ms, format!("{}  {label}", bold(how)))
        }
        PhoneEvent::CallerDone { at_ms } => (*at_ms, dim("caller is done")),
        PhoneEvent::Pressed { at_ms, digit } => (*at_ms, format!("{}  key {digit}", bold("caller"))),
        PhoneEvent::AgentSpeaks { at_ms, latency_ms: Some(ms) } => {
            (*at_ms, format!("{}  heard {ms} ms after the caller's last word", bold("agent")))
        }
        PhoneEvent::AgentSpeaks { at_ms, latency_ms: None } => (*at_ms, format!("{}  heard", bold("agent"))),
        PhoneEvent::AgentDone { at_ms } => (*at_ms, dim("agent is quiet")),
        PhoneEvent::Cleared { at_ms, dropped_ms } => (*at_ms, format!("clear: {dropped_ms} ms dropped")),
        PhoneEvent::Mark { at_ms, name } => (*at_ms, dim(&format!("mark {name}"))),
        PhoneEvent::Verb { at_ms, what } => (*at_ms, what.clone()),
        PhoneEvent::Stopped { at_ms } => (*at_ms, dim("caller has hung up")),
        PhoneEvent::NoAnswer { at_ms } => (*at_ms, "no answer; going on".to_owned()),
        PhoneEvent::Finding(finding) => (finding.at_ms, rule(finding)),
        PhoneEvent::Ended { at_ms, by } => {
            let who = match by {
                EndedBy::Caller => "caller hangs up",
                EndedBy::Server => "server ends the call",
                EndedBy::Carrier => "the carrier ends the call",
                EndedBy::Fault => "the connection broke",
            };
            (*at_ms, who.to_owned())
        }
    };
    format!("{:>8.2} s  {what}", at as f64 / 1000.0)
}

fn summary(report: &PhoneReport) {
    say("");
    let greeting =
        report.greeting_ms.map_or("nothing heard".to_owned(), |ms| format!("first sound after {ms} ms"));
    say(&format!(
        "call {} ({}): {:.1} s, {greeting}",
        report.call_sid,
        report.sample_rate,
        report.duration_ms as f64 / 1000.0
    ));
    for turn in &report.turns {
        let answer = turn.answer_ms.map_or("no answer".to_owned(), |ms| format!("answer after {ms} ms"));
        let clear = match (turn.barge_in, turn.clear_ms) {
            (true, Some(ms)) => format!(", cleared after {ms} ms"),
            (true, None) => ", not cleared".to_owned(),
            (false, _) => String::new(),
        };
        say(&format!("  \"{}\": {answer}{clear}", turn.label));
    }
    let got = &report.received;
    let sizes: Vec<String> =
        got.chunk_bytes.iter().map(|(bytes, count)| format!("{count} x {bytes} B")).collect();
    say(&format!(
        "received {} ms of audio in {} chunks ({}), {} ms audible; {} gaps, the longest {:.0} ms",
        got.audio_ms,
        got.chunks,
        sizes.join(", "),
        got.audible_ms,
        got.gaps,
        got.longest_gap_ms
    ));
    match report.end.close_code {
        Some(code) => say(&format!("the server closed with {code} {}", report.end.detail)),
        None if report.end.by == EndedBy::Carrier => say(&report.end.detail),
        None => {}
    }
}

fn rule(finding: &sim::phone::Finding) -> String {
    let weight = if finding.is_advice { "against advice" } else { "against the protocol" };
    let sim::phone::Finding { rule, what, count, seen, .. } = finding;
    format!("{weight}, {count} times: {rule} {what}; seen: {seen}")
}
