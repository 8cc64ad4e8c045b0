//! A call's outputs as lines that a person can read and a test can compare. Times are in seconds to a tenth:
//! the order and the gist count, not the millisecond.

use call::{Converse, Event, Evidence, Message, Output, Say, Tick, ToCarrier};

/// The line for this output, if it is worth one.
pub(super) fn line(at: Tick, output: &Output) -> Option<String> {
    let what = match output {
        Output::Event(event) => of_event(event)?,
        Output::Carrier(ToCarrier::Clear) => "clear".to_owned(),
        Output::Carrier(ToCarrier::Close) => "close".to_owned(),
        Output::Carrier(ToCarrier::Mark { name }) if !name.starts_with(['u', 'f']) => format!("mark {name}"),
        Output::Ended { reason, .. } => format!("ended: {reason}"),
        Output::Think { prompt, .. } => {
            let last = match prompt.messages.last() {
                Some(Message::Caller(text) | Message::Agent { text, .. }) => text,
                Some(Message::Tool { result, .. }) => result,
                None => "",
            };
            format!("think: {last}")
        }
        Output::Converse(what) => of_converse(what)?,
        Output::StopThinking(_) => "stop thinking".to_owned(),
        Output::Hurry(_) => "hurry".to_owned(),
        Output::Voice { say: Say::Recorded(recorded), .. } => format!("recorded {recorded:?}").to_lowercase(),
        Output::StopTool(_) => "stop tool".to_owned(),
        Output::Record(state) => format!("record {state:?}").to_lowercase(),
        _ => return None,
    };
    Some(format!("{:.1} {what}\n", at.0 as f64 / 1_000_000.0))
}

fn of_converse(what: &Converse) -> Option<String> {
    Some(match what {
        Converse::Audio(_) | Converse::Finished => return None,
        Converse::Say(text) => format!("say: {text}"),
        Converse::Told(text) => format!("told: {text}"),
        Converse::Cut { item, heard_ms } => format!("cut: item {} at {heard_ms} ms", item.0),
        Converse::ToolResult { result, .. } => format!("result: {result}"),
    })
}

fn of_event(event: &Event) -> Option<String> {
    Some(match event {
        Event::Answered { lazily } => if *lazily { "answered lazily" } else { "answered" }.to_owned(),
        Event::Greeting => "greeting".to_owned(),
        Event::AnsweredBy { by } => format!("answered by {}", by.as_str()),
        Event::GreetingFailed { why } => format!("greeting failed: {why}"),
        Event::SpeechStarted { over_agent: true, .. } => "caller speaks over the agent".to_owned(),
        Event::SpeechStarted { .. } => "caller speaks".to_owned(),
        Event::CallerSaid { text, .. } => format!("caller: {text}"),
        Event::NothingSaid { .. } => "nothing said".to_owned(),
        Event::Echo { .. } => "echo".to_owned(),
        Event::NotInterrupted { why, text, .. } => {
            format!("not interrupted: {why:?} {text}").trim_end().to_owned()
        }
        Event::Interrupted { heard, unheard, .. } => format!("interrupted: {heard} / {unheard}"),
        Event::Resumed { .. } => "resumed".to_owned(),
        Event::AgentSaid { heard, unheard, evidence, .. } => {
            let unheard = if unheard.is_empty() { String::new() } else { format!(" / {unheard}") };
            let evidence = match evidence {
                Evidence::Mark => "mark",
                Evidence::Clock => "clock",
            };
            format!("agent: {heard}{unheard} ({evidence})")
        }
        Event::FirstAudioInsurance => "first audio insurance".to_owned(),
        Event::IdlePrompted => "idle prompt".to_owned(),
        Event::Detached => "detached".to_owned(),
        Event::Reattached { .. } => "reattached".to_owned(),
        Event::VendorFailed { role, fault } => format!("{role:?} failed: {}", fault.why).to_lowercase(),
        Event::Speculated { kept, .. } => {
            if *kept { "speculated: kept" } else { "speculated: thrown away" }.to_owned()
        }
        Event::ToolAsked { name, arguments, .. } => format!("tool {name} {arguments}"),
        Event::ToolEnded { name, ok, .. } => {
            format!("tool {name} {}", if *ok { "done" } else { "failed" })
        }
        Event::Result { name, value } => format!("result {name} = {value}"),
        Event::AgentStep { step, detail } => format!("step {step} {detail}").trim_end().to_owned(),
        Event::AgentCorrected { text } => format!("corrected: {text}"),
        Event::AgentReplaced => "agent replaced".to_owned(),
        Event::TransferAsked { target } => format!("transfer to {target}").trim_end().to_owned(),
        Event::Digits { digits } => format!("keys {digits}"),
        Event::Filler { .. } => "filler".to_owned(),
        Event::OverBudget { spent_ms, waiting_for, did, .. } => {
            format!("over budget: {spent_ms} ms, waiting for {waiting_for:?}, did {did:?}")
        }
        Event::TimedOut { timer } => format!("timed out: {timer:?}"),
        Event::Underrun { .. } => "underrun".to_owned(),
        Event::Ignored { what } => format!("ignored: {what}"),
        Event::Dtmf { digit } => format!("key {digit}"),
        Event::Consent { recorded, why, .. } => {
            format!("{}recorded: {why:?}", if *recorded { "" } else { "not " })
        }
        Event::RecordingPaused { .. }
        | Event::RecordingResumed { .. }
        | Event::Closing { .. }
        | Event::SpeechEnded { .. }
        | Event::Partial { .. }
        | Event::TurnEnded { .. }
        | Event::CarrierDelay { .. }
        | Event::Latency { .. } => return None,
    })
}
