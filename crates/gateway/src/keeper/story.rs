//! What a call's record tells of the call: who said what, how long it took, who served it, what it cost, and what
//! went wrong.

use std::collections::BTreeMap;

use call::{Conversed, Event, Evidence, Input, Thought, Tick, TurnId, Usage};
use providers::{LinkId, Note, Role};
use records::{ConsentRecord, Incident, Speaker, TurnLatency, TurnRecord, UsageRecord};

use super::Keeper;

/// How many turns are kept in a record: hours of talk.
const MAX_TURNS: usize = 2_000;
/// How many results are kept, so that a model can't grow a record without end.
const MAX_RESULTS: usize = 64;
/// How many incidents are kept: the first of a bad call tell enough.
const MAX_INCIDENTS: usize = 200;
/// The incident of a paused recording: from when, and in its detail to when.
const PAUSED: &str = "recording_paused";
/// One turn is spoken at a time; a handful covers those that were cut before a word was heard.
const MAX_ANSWERS: usize = 8;

/// What is known and not in the record yet.
#[derive(Default)]
pub(super) struct Story {
    answers: Vec<Answer>,
    serving: Serving,
    /// What the answer under way has cost so far.
    usage: Option<(TurnId, Usage)>,
}

/// Who serves each role now, as vendor and transport.
pub(crate) type Serving = BTreeMap<Role, String>;

/// An answer that is being spoken.
struct Answer {
    turn: TurnId,
    latency: TurnLatency,
    served_by: Serving,
}

impl Keeper {
    /// Who serves each role now.
    pub(crate) const fn serving(&self) -> &Serving {
        &self.story.serving
    }

    /// Who serves a role as long as nothing else is known.
    pub(crate) fn served_by(&mut self, role: Role, vendor: &str) {
        self.story.serving.insert(role, vendor.to_owned());
    }

    /// Puts what vendors noted into the record.
    pub(crate) fn note(&mut self, at: Tick, note: Note) {
        let name = |link: &LinkId| format!("{} ({})", link.vendor, link.transport.as_str());
        let role = |link: &LinkId| format!("{} {}", link.role.as_str(), name(link));
        match note {
            Note::Served(link) => drop(self.story.serving.insert(link.role, name(&link))),
            Note::Failed { link, class } => {
                self.incident(at.0 / 1_000, "failed", role(&link), class.as_str().to_owned());
            }
            Note::Switched { from, to, class } => {
                let detail = format!("to {}: {}", name(&to), class.as_str());
                self.incident(at.0 / 1_000, "switched", role(&from), detail);
                self.story.serving.insert(to.role, name(&to));
            }
        }
    }

    /// Counts what an answer has cost. The last that a vendor says of one answer holds for all of it.
    pub(crate) fn cost(&mut self, answer: &Input) {
        match answer {
            Input::Thought { turn, what: Thought::Used(usage) } => {
                if self.story.usage.is_some_and(|(of, _)| of != *turn) {
                    self.settle_usage();
                }
                self.story.usage = Some((*turn, *usage));
            }
            Input::Thought { turn, what: Thought::Done | Thought::Failed(_) }
                if self.story.usage.is_some_and(|(of, _)| of == *turn) =>
            {
                self.settle_usage();
            }
            Input::Conversed(Conversed::Done(usage)) => self.add_usage(*usage),
            _ => {}
        }
    }

    /// Adds the answer under way to the sum.
    pub(super) fn settle_usage(&mut self) {
        if let Some((_, usage)) = self.story.usage.take() {
            self.add_usage(usage);
        }
    }

    fn add_usage(&mut self, usage: Usage) {
        if usage == Usage::default() {
            return;
        }
        let sum = self.record_mut().usage.get_or_insert_with(UsageRecord::default);
        sum.answers += 1;
        sum.input_tokens += usage.input_tokens;
        sum.cached_tokens += usage.cached_tokens;
        sum.output_tokens += usage.output_tokens;
    }

    /// Puts what an event says into the record.
    pub(crate) fn event(&mut self, at: Tick, event: &Event) {
        match event {
            Event::CallerSaid { at_ms, text, .. } => self.turn(TurnRecord {
                speaker: Speaker::Caller,
                at_ms: *at_ms,
                text: text.clone(),
                unheard: String::new(),
                evidence: None,
                latency: None,
                served_by: BTreeMap::new(),
            }),
            Event::AgentSaid { turn, at_ms, heard, unheard, evidence } => {
                let answer = turn.and_then(|turn| {
                    let found = self.story.answers.iter().position(|answer| answer.turn == turn)?;
                    Some(self.story.answers.swap_remove(found))
                });
                let (latency, served_by) =
                    answer.map_or_else(Default::default, |answer| (Some(answer.latency), answer.served_by));
                self.turn(TurnRecord {
                    speaker: Speaker::Agent,
                    at_ms: *at_ms,
                    text: heard.clone(),
                    unheard: unheard.clone(),
                    evidence: Some(evidence_word(*evidence).to_owned()),
                    latency,
                    served_by: served_by
                        .into_iter()
                        .map(|(role, who)| (role.as_str().to_owned(), who))
                        .collect(),
                });
            }
            Event::Latency { turn, parts } => {
                if self.story.answers.len() >= MAX_ANSWERS {
                    self.story.answers.remove(0);
                }
                let served_by = self.story.serving.clone();
                self.story.answers.push(Answer { turn: *turn, latency: *parts, served_by });
            }
            Event::CarrierDelay { turn, carrier_us } => {
                if let Some(answer) = self.story.answers.iter_mut().find(|answer| answer.turn == *turn) {
                    answer.latency.carrier_us = Some(*carrier_us);
                }
            }
            Event::Result { name, value } => {
                let results = &mut self.record_mut().results;
                if results.len() < MAX_RESULTS || results.contains_key(name) {
                    results.insert(name.clone(), value.clone());
                }
            }
            Event::AgentCorrected { text } => self.agent_corrected(text),
            Event::Consent { at_ms, recorded, why } => {
                let consent = ConsentRecord { at_ms: *at_ms, recorded: *recorded, why: word(why) };
                self.record_mut().recording_consent = Some(consent);
            }
            Event::RecordingPaused { at_ms } => {
                self.incident(*at_ms, PAUSED, String::new(), "to the end of the call".to_owned());
            }
            Event::RecordingResumed { at_ms, .. } => {
                let paused = self.record_mut().incidents.iter_mut().rev().find(|one| one.kind == PAUSED);
                if let Some(paused) = paused {
                    paused.detail = format!("to {at_ms} ms");
                }
            }
            Event::TransferAsked { target } => self.record_mut().transfer = Some(target.clone()),
            Event::Interrupted { .. } => self.record_mut().counters.interruptions += 1,
            Event::Resumed { .. } => self.record_mut().counters.false_interruptions += 1,
            Event::Reattached { .. } => self.record_mut().counters.reconnects += 1,
            other => self.mishap(at.0 / 1_000, other),
        }
    }

    /// The agent said less of its last words than was thought: nobody has heard what was not said.
    fn agent_corrected(&mut self, said: &str) {
        // What was cut ends in dots, or where the cut was.
        let said = said.trim_end().trim_end_matches(['.', '\u{2026}', '-']).trim_end();
        let turns = &mut self.record_mut().turns;
        let last = turns.iter_mut().rev().find(|turn| turn.speaker == Speaker::Agent);
        let Some(turn) = last.filter(|turn| !turn.unheard.is_empty()) else { return };
        let Some(unsaid) = turn.text.strip_prefix(said).filter(|unsaid| !unsaid.trim().is_empty()) else {
            return;
        };
        turn.unheard = format!("{} {}", unsaid.trim(), turn.unheard);
        turn.text.truncate(said.len());
    }

    /// Puts an event that tells of something gone wrong on the call's timeline.
    fn mishap(&mut self, at_ms: u64, event: &Event) {
        let (kind, who, detail) = match event {
            Event::VendorFailed { role, fault } => ("vendor_failed", word(role), fault.to_string()),
            Event::GreetingFailed { why } => ("greeting_failed", String::new(), why.clone()),
            Event::Filler { after_ms, .. } => ("filler", String::new(), format!("after {after_ms} ms")),
            Event::OverBudget { spent_ms, waiting_for, did, .. } => {
                let did = did.iter().map(word).collect::<Vec<_>>().join(", ");
                ("over_budget", word(waiting_for), format!("{spent_ms} ms; {did}"))
            }
            Event::ToolEnded { name, took_ms, ok: false, .. } => {
                ("tool_failed", name.clone(), format!("after {took_ms} ms"))
            }
            Event::Underrun { gap_ms, .. } => ("underrun", String::new(), format!("{gap_ms} ms")),
            Event::AgentStep { step, detail } => ("agent_step", step.clone(), detail.clone()),
            Event::AgentReplaced => ("agent_replaced", String::new(), String::new()),
            Event::Detached => ("detached", String::new(), String::new()),
            _ => return,
        };
        self.incident(at_ms, kind, who, detail);
    }

    fn incident(&mut self, at_ms: u64, kind: &str, who: String, detail: String) {
        if self.record().incidents.len() < MAX_INCIDENTS {
            self.record_mut().incidents.push(Incident { at_ms, kind: kind.to_owned(), who, detail });
        }
    }

    fn turn(&mut self, turn: TurnRecord) {
        if self.record().turns.len() < MAX_TURNS {
            self.record_mut().turns.push(turn);
        }
    }
}

/// The name of a value of a closed list, as the log has it.
fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

const fn evidence_word(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::Mark => "mark",
        Evidence::Clock => "clock",
    }
}
