//! A call's events as log lines: at `info` the decisions with their numbers, never what was said or which key
//! was pressed; at `trace` all of it, which is private and for trials alone.

use call::Event;

/// Writes an event to the log.
pub(crate) fn event(event: &Event) {
    match event {
        Event::Partial { .. } => tracing::trace!(?event, "heard"),
        Event::CallerSaid { turn, at_ms, text } => {
            tracing::info!(turn = turn.0, at_ms, words = words(text), "the caller said something");
            tracing::trace!(?event, "heard");
        }
        Event::AgentSaid { turn, at_ms, heard, unheard, evidence } => {
            let turn = turn.map(|turn| turn.0);
            let (heard, unheard) = (words(heard), words(unheard));
            tracing::info!(turn, at_ms, heard, unheard, ?evidence, "the agent said something");
            tracing::trace!(?event, "said");
        }
        Event::NotInterrupted { why, speech_ms, text } => {
            tracing::info!(?why, speech_ms, words = words(text), "the caller's speech does not interrupt");
        }
        Event::Interrupted {
            turn,
            speech_ms,
            wanted_ms,
            words: spoken,
            level_db,
            played_db,
            heard,
            unheard,
        } => {
            let (heard, unheard) = (words(heard), words(unheard));
            tracing::info!(
                turn = turn.map(|turn| turn.0),
                speech_ms,
                wanted_ms,
                words = spoken,
                level_db,
                played_db,
                heard,
                unheard,
                "the caller interrupts"
            );
        }
        Event::Dtmf { .. } => {
            tracing::info!("a key was pressed");
            tracing::trace!(?event, "key");
        }
        Event::Ignored { .. } | Event::Echo { .. } => tracing::trace!(?event, "decided"),
        Event::Digits { .. } => {
            tracing::info!("a row of keys is complete");
            tracing::trace!(?event, "keys");
        }
        Event::ToolAsked { turn, name, .. } => {
            tracing::info!(turn = turn.0, name, "the model asks for a tool");
            tracing::trace!(?event, "tool");
        }
        Event::Result { name, .. } => {
            tracing::info!(name, "the model recorded a result");
            tracing::trace!(?event, "result");
        }
        Event::TransferAsked { .. } => {
            tracing::info!("the call is to be handed on");
            tracing::trace!(?event, "transfer");
        }
        Event::AgentStep { step, detail } => tracing::info!(step, detail, "a step of the agent's"),
        Event::AgentCorrected { text } => {
            tracing::info!(words = words(text), "the agent corrects what it said");
            tracing::trace!(?event, "corrected");
        }
        Event::AgentReplaced => {
            tracing::warn!("recogniser, model and voice go on in the place of the agent");
        }
        Event::VendorFailed { role, fault } => {
            let (class, why) = (fault.class.as_str(), &fault.why);
            tracing::warn!(?role, class, why, "a vendor failed");
        }
        Event::GreetingFailed { why } => tracing::warn!(why, "the greeting could not be spoken"),
        other => tracing::info!(event = ?other, "decided"),
    }
}

fn words(text: &str) -> usize {
    text.split_whitespace().count()
}
