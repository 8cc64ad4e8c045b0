//! What is said on a Realtime socket: the caller's audio up, the agent's audio, words and tool calls down.

use audio::SampleRate;
use call::{Converse, Conversed, Fault, FaultClass, ItemId, ToolCall, Usage};
use serde_json::{Value, json};

use super::super::error;
use super::events::{ServerEvent, Trouble, judge};
use super::format::{Decoder, Encoder, Format, Guard};
use super::order::Order;
use super::response::Responses;
use super::setup::{Setup, closed, frame};
use crate::dialect::{AgentSession, Flow, Frame, Parting};

/// So many pieces of speech are remembered: more than can be waiting to be heard.
const REMEMBERED: usize = 64;

/// One conversation.
pub(super) struct RealtimeSession {
    setup: Setup,
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

/// One piece of the agent's speech.
struct Item {
    id: String,
    item: ItemId,
    response: String,
    decoder: Decoder,
    /// Bytes that are not believed yet.
    held: Vec<u8>,
    open: bool,
    cut: bool,
    /// Its words came piece by piece.
    told: bool,
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
    fn updated(&mut self, session: &Value, out: &mut Vec<Conversed>) -> Result<(), Fault> {
        if self.setup.updated() {
            let usual = Format::of(self.rate);
            self.encoder = Encoder::new(self.rate, Setup::format(session, "input", usual)?);
            self.output = Setup::format(session, "output", usual)?;
            out.push(Conversed::Ready);
        }
        Ok(())
    }

    /// The piece of speech of this vendor's id, unless it is not wanted any more.
    fn item(&mut self, event: &ServerEvent) -> Option<&mut Item> {
        if let Some(index) = self.items.iter().position(|item| item.id == event.item_id) {
            return self.items.get_mut(index).filter(|item| !item.cut);
        }
        if self.responses.is_dropped(&event.response_id) {
            return None;
        }
        if self.items.len() >= REMEMBERED {
            self.items.remove(0);
        }
        let item = ItemId(self.next_item);
        self.next_item += 1;
        self.items.push(Item {
            id: event.item_id.clone(),
            item,
            response: event.response_id.clone(),
            decoder: Decoder::new(self.output),
            held: Vec::new(),
            open: true,
            cut: false,
            told: false,
        });
        self.items.last_mut()
    }

    fn audio(&mut self, event: &ServerEvent, out: &mut Vec<Conversed>) -> Result<(), Fault> {
        let bytes = base64_simd::STANDARD
            .decode_to_vec(&event.delta)
            .map_err(|_| Fault::new(FaultClass::Garbage, "the vendor sent audio that is no base64"))?;
        if let Some(item) = self.item(event) {
            item.held.extend_from_slice(&bytes);
            let item = item.item;
            self.release(item, false, out);
        }
        Ok(())
    }

    /// Gives on what is held of an item, once it is clear what it is.
    fn release(&mut self, item: ItemId, ended: bool, out: &mut Vec<Conversed>) {
        let Some(piece) = self.items.iter_mut().find(|piece| piece.item == item) else { return };
        if piece.held.is_empty() {
            return;
        }
        let Some(format) = self.guard.judge(self.output, &piece.held, ended) else { return };
        if format != self.output {
            self.output = format;
            piece.decoder = Decoder::new(format);
        }
        let pcm = piece.decoder.bytes(&piece.held);
        piece.held.clear();
        out.push(Conversed::Audio { item, rate: format.rate(), pcm });
    }

    fn words(&mut self, event: &ServerEvent, text: &str, is_whole: bool, out: &mut Vec<Conversed>) {
        let Some(item) = self.item(event) else { return };
        let is_known = is_whole && item.told;
        if !text.is_empty() && !is_known {
            item.told = true;
            out.push(Conversed::Text { item: item.item, text: text.to_owned() });
        }
    }

    fn item_done(&mut self, id: &str, out: &mut Vec<Conversed>) {
        let Some(piece) = self.items.iter_mut().find(|piece| piece.id == id && piece.open) else { return };
        piece.open = false;
        if !piece.cut {
            let item = piece.item;
            self.release(item, true, out);
            out.push(Conversed::ItemDone(item));
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

    fn cut(&mut self, item: ItemId, heard_ms: u64, send: &mut Vec<Frame>) {
        let Some(piece) = self.items.iter_mut().find(|piece| piece.item == item) else { return };
        piece.cut = true;
        piece.held.clear();
        // More than was sent is refused.
        let audio_end_ms = heard_ms.min(piece.decoder.given_ms());
        let (id, response) = (piece.id.clone(), piece.response.clone());
        if self.responses.is_active(&response) {
            self.responses.cancel(send);
        }
        send.push(frame(&json!({
            "type": "conversation.item.truncate",
            "item_id": id,
            "content_index": 0,
            "audio_end_ms": audio_end_ms,
        })));
    }
}

impl AgentSession for RealtimeSession {
    fn opened(&mut self, _: &mut Vec<Frame>) {}

    fn is_ready(&self) -> bool {
        self.setup.is_ready()
    }

    fn take(&mut self, what: Converse, send: &mut Vec<Frame>) {
        match what {
            Converse::Audio(pcm) => send.extend(self.encoder.append(&pcm).map(Frame::Text)),
            Converse::Finished => {
                if self.own_turns {
                    send.push(frame(&json!({ "type": "input_audio_buffer.commit" })));
                    self.responses.want(send);
                }
            }
            Converse::Say(words) => {
                // What is being answered now is not wanted any more.
                self.responses.cancel(send);
                let order = "Say this to the caller now, word for word, and nothing else:\n\n";
                send.push(message("system", &format!("{order}{words}")));
                self.responses.want(send);
            }
            Converse::Told(words) => {
                send.push(message("user", &words));
                self.responses.want(send);
            }
            Converse::Cut { item, heard_ms } => self.cut(item, heard_ms, send),
            Converse::ToolResult { id, result, .. } => {
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
            "session.updated" => self.updated(&event.session, out)?,
            "input_audio_buffer.speech_started" => out.push(Conversed::SpeechStarted),
            "input_audio_buffer.speech_stopped" => out.push(Conversed::SpeechStopped),
            "input_audio_buffer.committed" => {
                out.extend(self.own_turns.then_some(Conversed::SpeechStopped));
                tell(self.order.committed(&event.item_id), out);
            }
            "conversation.item.input_audio_transcription.completed" => {
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
