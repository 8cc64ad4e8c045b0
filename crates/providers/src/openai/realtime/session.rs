//! What is said on a Realtime socket: the caller's audio up, the agent's audio, words and tool calls down.

mod pieces;

use audio::SampleRate;
use call::{Converse, Conversed, Fault, FaultClass, ToolCall, Usage};
use serde_json::{Value, json};

use super::super::error;
use super::events::{ServerEvent, Trouble, judge};
use super::format::{Encoder, Format, Guard};
use super::memory::Memory;
use super::order::Order;
use super::response::Responses;
use super::setup::{Setup, closed, frame};
use crate::dialect::{AgentSession, Flow, Frame, Parting};

use pieces::Item;

/// So many pieces of speech are remembered: more than can be waiting to be heard.
const REMEMBERED: usize = 64;

/// One conversation, over one connection or, where that breaks, two.
pub(super) struct RealtimeSession {
    setup: Setup,
    memory: Memory,
    rate: SampleRate,
    encoder: Encoder,
    /// What the agent's audio comes in.
    output: Format,
    guard: Guard,
    /// The vendor does not listen for the caller's end itself.
    own_turns: bool,
    order: Order,
    responses: Responses,
    items: Vec<Item>,
    next_item: u32,
    tools: Tools,
}

/// Tools that were asked for.
#[derive(Default)]
struct Tools {
    /// Names by the vendor's ids, where an older server names them only at the start.
    names: Vec<(String, String)>,
    /// Given to the call.
    given: Vec<String>,
    /// Of those, not answered.
    unanswered: Vec<String>,
}

impl RealtimeSession {
    /// A session to be set up as `wanted`, for frames at `rate`.
    pub(super) fn new(wanted: Value, rate: SampleRate) -> Self {
        let usual = Format::of(rate);
        let own_turns = wanted.pointer("/audio/input/turn_detection").is_none_or(Value::is_null);
        Self {
            setup: Setup::new(wanted),
            memory: Memory::new(rate, own_turns),
            rate,
            encoder: Encoder::new(rate, usual),
            output: usual,
            guard: Guard::default(),
            own_turns,
            order: Order::default(),
            responses: Responses::default(),
            items: Vec::new(),
            next_item: 0,
            tools: Tools::default(),
        }
    }

    /// The vendor says what holds from here on. Its word counts, not ours.
    fn updated(
        &mut self,
        session: &Value,
        send: &mut Vec<Frame>,
        out: &mut Vec<Conversed>,
    ) -> Result<(), Fault> {
        if self.setup.updated() {
            let usual = Format::of(self.rate);
            self.encoder = Encoder::new(self.rate, Setup::format(session, "input", usual)?);
            self.output = Setup::format(session, "output", usual)?;
            out.push(Conversed::Ready);
            if self.setup.is_again() {
                self.go_on(send);
            }
        }
        Ok(())
    }

    /// Tells the new connection what was said over the old one, and has it hear what that one did not answer.
    fn go_on(&mut self, send: &mut Vec<Frame>) {
        let goes_on = self.memory.goes_on(send);
        for pcm in goes_on.sound {
            self.take(Converse::Audio(pcm), send);
        }
        match goes_on.say {
            Some(words) => self.take(Converse::Say(words), send),
            None if goes_on.commits => self.take(Converse::Finished, send),
            None if goes_on.asks => self.responses.want(send),
            None => {}
        }
    }

    /// An answer is over, however it ended.
    fn response_done(
        &mut self,
        response: &Value,
        send: &mut Vec<Frame>,
        out: &mut Vec<Conversed>,
    ) -> Result<(), Fault> {
        let id = text(response, "id").to_owned();
        let open = self.items.iter().filter(|item| item.open && item.response == id);
        for item in open.map(|item| item.id.clone()).collect::<Vec<_>>() {
            self.item_done(&item, out);
        }
        if text(response, "status") == "failed" {
            let what = response.pointer("/status_details/error").unwrap_or(&Value::Null);
            let fault = error::in_stream(what);
            let helps = fault.class.can_retry() && fault.class != FaultClass::Lifetime;
            if helps && self.responses.failed(send) {
                return Ok(());
            }
            return Err(fault);
        }
        self.responses.done(send);
        out.push(Conversed::Done(usage(response)));
        Ok(())
    }

    fn tool(&mut self, call: ToolCall, out: &mut Vec<Conversed>) {
        if call.name.is_empty() || self.tools.given.contains(&call.id) {
            return;
        }
        self.tools.given.push(call.id.clone());
        self.tools.unanswered.push(call.id.clone());
        if self.tools.given.len() > REMEMBERED {
            self.tools.given.remove(0);
        }
        self.memory.tool(&call);
        out.push(Conversed::Tool(call));
    }

    /// An item of an answer began or is complete: tool calls carry their name here.
    fn output_item(&mut self, item: &Value, is_done: bool, out: &mut Vec<Conversed>) {
        if text(item, "type") != "function_call" {
            if is_done {
                self.item_done(text(item, "id"), out);
            }
            return;
        }
        let (id, name) = (text(item, "call_id").to_owned(), text(item, "name").to_owned());
        if is_done {
            let arguments = text(item, "arguments").to_owned();
            self.tool(ToolCall { id, name, arguments, signature: None }, out);
        } else {
            self.tools.names.push((id, name));
            if self.tools.names.len() > REMEMBERED {
                self.tools.names.remove(0);
            }
        }
    }

    fn arguments_done(&mut self, event: ServerEvent, out: &mut Vec<Conversed>) {
        let known = self.tools.names.iter().find(|(id, _)| *id == event.call_id);
        let name = match known {
            Some((_, name)) if event.name.is_empty() => name.clone(),
            _ => event.name,
        };
        self.tool(ToolCall { id: event.call_id, name, arguments: event.arguments, signature: None }, out);
    }
}

impl AgentSession for RealtimeSession {
    fn opened(&mut self, _: &mut Vec<Frame>) {}

    /// A new connection is a new session, which knows nothing of the one before.
    fn reopens(&mut self) -> bool {
        self.setup.begin_again();
        (self.guard, self.order) = (Guard::default(), Order::default());
        (self.responses, self.tools) = (Responses::default(), Tools::default());
        self.forget_pieces();
        true
    }

    fn is_ready(&self) -> bool {
        self.setup.is_ready()
    }

    fn take(&mut self, what: Converse, send: &mut Vec<Frame>) {
        match what {
            Converse::Audio(pcm) => {
                self.memory.frame(&pcm);
                send.extend(self.encoder.append(&pcm).map(Frame::Text));
            }
            Converse::Finished => {
                if self.own_turns {
                    self.memory.finished();
                    send.push(frame(&json!({ "type": "input_audio_buffer.commit" })));
                    self.responses.want(send);
                }
            }
            Converse::Say(words) => {
                // What is being answered now is not wanted any more.
                self.responses.cancel(send);
                self.memory.say(&words);
                let order = "Say this to the caller now, word for word, and nothing else:\n\n";
                send.push(message("system", &format!("{order}{words}")));
                self.responses.want(send);
            }
            Converse::Told(words) => {
                self.memory.told(&words);
                send.push(message("user", &words));
                self.responses.want(send);
            }
            Converse::Cut { item, heard_ms } => self.cut(item, heard_ms, send),
            Converse::ToolResult { id, result, .. } if !self.tools.unanswered.contains(&id) => {
                // The connection that asked for it is gone.
                self.memory.tool_ran(&id, &result);
            }
            Converse::ToolResult { id, result, .. } => {
                self.memory.tool_ran(&id, &result);
                let item = json!({ "type": "function_call_output", "call_id": id, "output": result });
                send.push(frame(&json!({ "type": "conversation.item.create", "item": item })));
                self.tools.unanswered.retain(|unanswered| *unanswered != id);
                if self.tools.unanswered.is_empty() {
                    self.responses.want(send);
                }
            }
        }
    }

    fn frame(
        &mut self,
        frame: Frame,
        send: &mut Vec<Frame>,
        out: &mut Vec<Conversed>,
    ) -> Result<Flow, Fault> {
        let Frame::Text(text) = frame else { return Ok(Flow::Continue) };
        let event = ServerEvent::read(&text)?;
        match event.kind() {
            "session.created" => self.setup.created(send),
            "session.updated" => self.updated(&event.session, send, out)?,
            "input_audio_buffer.speech_started" => {
                self.memory.began();
                out.push(Conversed::SpeechStarted);
            }
            "input_audio_buffer.speech_stopped" => out.push(Conversed::SpeechStopped),
            "input_audio_buffer.committed" => {
                out.extend(self.own_turns.then_some(Conversed::SpeechStopped));
                self.memory.committed(&event.item_id);
                tell(self.order.committed(&event.item_id), out);
            }
            "conversation.item.input_audio_transcription.completed" => {
                self.memory.caller(&event.item_id, &event.transcript);
                tell(self.order.told(&event.item_id, &event.transcript), out);
            }
            "conversation.item.input_audio_transcription.failed" => {
                tell(self.order.told(&event.item_id, ""), out);
            }
            "response.created" => self.responses.created(text_of(&event.response)),
            "response.output_audio.delta" => self.audio(&event, out)?,
            "response.output_audio.done" => self.item_done(&event.item_id, out),
            "response.output_audio_transcript.delta" | "response.output_text.delta" => {
                self.words(&event, &event.delta, false, out);
            }
            "response.output_audio_transcript.done" => self.words(&event, &event.transcript, true, out),
            "response.output_item.added" => self.output_item(&event.item, false, out),
            "response.output_item.done" => self.output_item(&event.item, true, out),
            "response.function_call_arguments.done" => self.arguments_done(event, out),
            "response.done" => self.response_done(&event.response, send, out)?,
            "error" => match judge(&event.error, self.setup.is_ready()) {
                Trouble::Harmless => tracing::debug!("the vendor reports an error that changes nothing"),
                Trouble::Busy => self.responses.busy(),
                Trouble::Fatal(fault) => return Err(fault),
            },
            _ => {}
        }
        Ok(Flow::Continue)
    }

    fn keep_alive_ms(&self) -> Option<u64> {
        None
    }

    fn keep_alive(&mut self, _: &mut Vec<Frame>) {}

    fn closed(&self, code: Option<u16>, reason: &str) -> Parting {
        Parting::Failed(closed(code, reason))
    }
}

fn message(role: &str, words: &str) -> Frame {
    let content = json!([{ "type": "input_text", "text": words }]);
    let item = json!({ "type": "message", "role": role, "content": content });
    frame(&json!({ "type": "conversation.item.create", "item": item }))
}

fn tell(told: Vec<(String, String)>, out: &mut Vec<Conversed>) {
    out.extend(told.into_iter().map(|(_, text)| Conversed::CallerSaid(text)));
}

fn text_of(response: &Value) -> &str {
    text(response, "id")
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn usage(response: &Value) -> Usage {
    let count = |path: &str| response.pointer(path).and_then(Value::as_u64).unwrap_or_default();
    Usage {
        input_tokens: count("/usage/input_tokens"),
        cached_tokens: count("/usage/input_token_details/cached_tokens"),
        output_tokens: count("/usage/output_tokens"),
    }
}

#[cfg(test)]
mod tests;
