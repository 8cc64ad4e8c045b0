//! What a call's task does with the core's outputs: to the carrier, to the vendors and into the record.

use std::time::Duration;

use call::{ConsentWhy, Event, Input, Output, Tick, ToCarrier};
use records::EndReason;
use tokio::time::Instant;

use super::CallTask;
use crate::handover::Handover;
use crate::sessions::key;
use crate::trace;
use crate::vendors::{Unheard, Vendors};

impl CallTask {
    /// Does all that one input led to: everything for the carrier is fed, then flushed once.
    pub(super) async fn act(&mut self, at: Tick, outputs: &mut Vec<Output>) {
        let (mut fed, mut cleared) = (false, None);
        for output in outputs.drain(..) {
            let follows = match output {
                Output::Carrier(message) => {
                    fed = true;
                    if matches!(message, ToCarrier::Clear) {
                        cleared = Some(Instant::now());
                    }
                    self.feed(at, message).await;
                    None
                }
                Output::Listen(what) => self.vendors.listen(what, &mut self.counts.overruns),
                Output::Think { turn, prompt } => self.vendors.think(&self.agent, turn, prompt),
                Output::Voice { utterance, say } => {
                    self.scratch.1.extend(self.vendors.voice(&self.agent, utterance, say));
                    None
                }
                Output::Converse(what) => self.vendors.converse(what, &mut self.counts.overruns),
                Output::Hurry(turn) => {
                    self.vendors.hurry(turn);
                    None
                }
                Output::RunTool { tool, name, arguments } => {
                    self.vendors.run_tool((&self.agent, self.keeper.record()), tool, (&name, arguments))
                }
                Output::StopTool(tool) => {
                    self.vendors.stop_tool(tool);
                    None
                }
                Output::StopThinking(turn) => {
                    self.vendors.stop_thinking(turn);
                    None
                }
                Output::StopVoice(utterance) => {
                    self.vendors.stop_voice(utterance);
                    None
                }
                Output::Record(state) => {
                    self.keeper.recorded(at, state);
                    None
                }
                Output::Event(event) => self.happened(at, &event),
                Output::Ended { reason, detail } => {
                    self.ended = Some(reason);
                    self.take_notes();
                    self.vendors = Vendors::new();
                    self.hand_on(reason);
                    self.keeper.finish(reason, detail, at);
                    None
                }
            };
            self.scratch.1.extend(follows);
        }
        if fed && let Some(socket) = &mut self.carrier.socket {
            let sent = socket.flush().await;
            if let Some(decided) = cleared {
                self.gateway.metrics.cleared(decided.elapsed());
            }
            self.sent(sent);
        }
    }

    /// Has the carrier find out to whom, where the agent handed the call on. Before the socket is closed: the carrier asks
    /// at once.
    fn hand_on(&mut self, reason: EndReason) {
        let (session, record) = (&self.seat.session, self.keeper.record());
        // The carrier asks under its own id, which the URL may have had another for.
        let key = key(session.carrier, &record.carrier_call_id);
        let Some(target) = record.transfer.clone().filter(|_| reason == EndReason::Transferred) else {
            return self.gateway.handovers.forget(&key);
        };
        let handover = Handover { id: session.id, agent: self.agent.clone(), target };
        if self.gateway.hand_on(key, session.carrier.asks_what_follows(), handover) {
            self.keeper.lives_on();
        }
    }

    /// Takes the vendors that wait for this call, or opens them now. Gives what the core is to be told when nothing
    /// listens.
    pub(super) fn open_vendors(&mut self) -> Option<Input> {
        let (gateway, agent, rate) = (&self.gateway, &self.agent, self.carrier.rate);
        if self.vendors.are_unopened()
            && let Some(ready) = gateway.prepared.take(&self.seat.session.key(), agent, rate)
        {
            self.vendors = ready;
        }
        let record = self.keeper.record();
        let mut opened = self.vendors.open(agent, rate, Some(record));
        if matches!(opened, Err(Unheard::NoRoom(_))) && gateway.prepared.give_up() > 0 {
            opened = self.vendors.open(agent, rate, Some(record));
        }
        let unheard = opened.err()?;
        tracing::error!(?unheard, "nothing listens to this call");
        Some(unheard.told(agent))
    }

    /// Recogniser, model and voice go on in the place of a speech-to-speech agent. Gives what the core is to be told
    /// when nothing listens.
    fn replace_agent(&mut self) -> Option<Input> {
        let unheard = self.vendors.replace_partner(&self.agent, self.carrier.rate).err()?;
        tracing::error!(?unheard, "nothing listens in the agent's place");
        Some(unheard.lost())
    }

    /// The caller was told or asked, and the speech-to-speech agent has its turn. Gives what the core is to be told
    /// when it can't be reached.
    fn open_agent(&mut self) -> Option<Input> {
        let (agent, rate) = (&self.agent, self.carrier.rate);
        let unheard = self.vendors.converse_now(agent, rate, self.keeper.record()).err()?;
        tracing::error!(?unheard, "the agent can't be opened");
        Some(unheard.told(agent))
    }

    /// Puts what vendors noted into the record.
    pub(super) fn take_notes(&mut self) {
        for (when, note) in self.vendors.notes() {
            self.keeper.note(self.clock.tick(when), note);
        }
    }

    fn happened(&mut self, at: Tick, event: &Event) -> Option<Input> {
        trace::event(event);
        if matches!(event, Event::Latency { .. } | Event::VendorFailed { .. }) {
            self.take_notes();
        }
        self.keeper.event(at, event);
        match event {
            Event::Answered { lazily } => {
                self.gateway.metrics.answered(Duration::from_micros(at.0));
                if *lazily {
                    self.keeper.answered(self.carrier.rate);
                    return self.open_vendors();
                }
            }
            Event::AgentReplaced => return self.replace_agent(),
            // A caller who hung up meanwhile needs no agent.
            Event::Consent { why, .. }
                if *why != ConsentWhy::CallEnded && self.agent.settings.asks_first() =>
            {
                return self.open_agent();
            }
            Event::CarrierDelay { carrier_us, .. } => {
                self.gateway.metrics.carrier(Duration::from_micros(*carrier_us));
            }
            Event::Latency { parts, .. } => self.gateway.metrics.turn(parts, self.keeper.serving()),
            _ => {}
        }
        None
    }
}
