//! What is said on an agent's socket: the caller's audio up, the agent's audio, words and tool calls down.

use audio::SampleRate;
use call::{Converse, Conversed, Fault, FaultClass, ToolCall};
use serde_json::{Value, json};

use super::super::error;
use super::super::format::Format;
use super::history::History;
use super::initiation;
use super::pieces::Pieces;
use super::uplink::Uplink;
use crate::dialect::{AgentSession, Flow, Frame, Parting, one_line};
use crate::{ConverseSpec, KeysTold, Override, RoleOptions};

/// What the caller's audio is taken as where the agent does not say, as the official clients do.
const USUAL_INPUT: Format = Format::Pcm(SampleRate::HZ_16000);
/// So many tools may be asked for and not answered.
const MOST_TOOLS: usize = 64;

/// One conversation, over one connection or, where that breaks, two.
pub(super) struct AgentConversation {
    /// The first message.
    first: Value,
    rate: SampleRate,
    keys: KeysTold,
    /// What the call has it say first: the agent does so by itself.
    greeting: Option<String>,
    may_override_greeting: bool,
    is_ready: bool,
    conversations: u32,
    has_sounded: bool,
    uplink: Uplink,
    pieces: Pieces,
    history: History,
    /// Tools that were asked for and have no result.
    tools: Vec<String>,
}

impl AgentConversation {
    pub(super) fn new(role: &RoleOptions, spec: &ConverseSpec) -> Self {
        Self {
            first: initiation::first_message(role, spec),
            rate: spec.rate,
            keys: role.keys,
            greeting: Some(spec.greeting.clone()).filter(|greeting| !greeting.is_empty()),
            may_override_greeting: role.overrides.contains(&Override::Greeting),
            is_ready: false,
            conversations: 0,
            has_sounded: false,
            uplink: Uplink::new(spec.rate, USUAL_INPUT),
            pieces: Pieces::new(USUAL_INPUT),
            history: History::default(),
            tools: Vec::new(),
        }
    }

    /// The agent says who it is and what it speaks: from here on the conversation is set up.
    fn metadata(
        &mut self,
        event: &Value,
        send: &mut Vec<Frame>,
        out: &mut Vec<Conversed>,
    ) -> Result<(), Fault> {
        let data = &event["conversation_initiation_metadata_event"];
        let input = format(&data["user_input_audio_format"], "input")?.unwrap_or(USUAL_INPUT);
        let output = format(&data["agent_output_audio_format"], "output")?.unwrap_or(USUAL_INPUT);
        self.conversations += 1;
        let is_again = self.conversations > 1;
        self.uplink = Uplink::new(self.rate, input);
        self.pieces.set_format(output);
        let skips = self.history.greets && !self.may_override_greeting;
        if is_again {
            self.pieces.begin_again(skips, out);
        }
        let id = one_line(text(data, "conversation_id"));
        let detail = format!("{id}, takes {}, gives {}", input.name(), output.name());
        let name = match self.conversations {
            1 => "elevenlabs_conversation_id".to_owned(),
            nth => format!("elevenlabs_conversation_id_{nth}"),
        };
        out.push(Conversed::Step { step: "ready".to_owned(), detail });
        out.push(Conversed::Fact { name, value: id });
        self.is_ready = true;
        out.extend([Conversed::NeverDone, Conversed::Ready]);
        if is_again {
            self.goes_on(send);
        }
        Ok(())
    }

    /// Tells the new conversation what was said in the old one.
    fn goes_on(&self, send: &mut Vec<Frame>) {
        let note = self.history.note();
        send.extend(note.map(|text| frame(&json!({ "type": "contextual_update", "text": text }))));
        let unanswered = self.history.unanswered();
        send.extend(unanswered.map(|text| frame(&json!({ "type": "user_message", "text": text }))));
    }

    fn audio(&mut self, event: &Value, out: &mut Vec<Conversed>) -> Result<(), Fault> {
        let data = &event["audio_event"];
        let bytes = base64_simd::STANDARD
            .decode_to_vec(text(data, "audio_base_64"))
            .map_err(|_| Fault::new(FaultClass::Garbage, "it sent audio that is no base64"))?;
        let is_heard = self.pieces.audio(number(data), &bytes, out);
        if is_heard && !std::mem::replace(&mut self.has_sounded, true) {
            out.push(Conversed::Step { step: "first_audio".to_owned(), detail: String::new() });
        }
        Ok(())
    }

    fn tool(&mut self, event: &Value, out: &mut Vec<Conversed>) {
        let call = &event["client_tool_call"];
        let (id, name) = (text(call, "tool_call_id").to_owned(), text(call, "tool_name").to_owned());
        if name.is_empty() || self.tools.contains(&id) || self.tools.len() >= MOST_TOOLS {
            return;
        }
        let arguments = match &call["parameters"] {
            Value::Null => "{}".to_owned(),
            given => given.to_string(),
        };
        self.tools.push(id.clone());
        out.push(Conversed::Tool(ToolCall { id, name, arguments, signature: None }));
    }

    /// A tool that ElevenLabs runs itself has run.
    fn tool_ran(event: &Value, out: &mut Vec<Conversed>) {
        let tool = &event["agent_tool_response"];
        let (name, failed) = (text(tool, "tool_name"), tool["is_error"] == true);
        if text(tool, "tool_type") == "system" {
            out.push(Conversed::Step {
                step: "vendor_tool".to_owned(),
                detail: format!("{}{}", one_line(name), if failed { " failed" } else { "" }),
            });
        }
        if name == "end_call" && !failed {
            out.push(Conversed::Ending);
        }
    }

    fn caller_said(&mut self, event: &Value, out: &mut Vec<Conversed>) {
        let said = text(&event["user_transcription_event"], "user_transcript");
        self.history.caller(said);
        // What comes from here on answers this.
        self.pieces.end(out);
        out.extend([Conversed::SpeechStopped, Conversed::CallerSaid(said.to_owned())]);
    }

    fn words(&mut self, event: &Value, out: &mut Vec<Conversed>) {
        let said = text(&event["agent_response_event"], "agent_response");
        if !said.trim().is_empty() && self.pieces.words(said, out) {
            self.history.agent(said);
        }
    }

    fn corrected(&mut self, event: &Value, out: &mut Vec<Conversed>) {
        let said = text(&event["agent_response_correction_event"], "corrected_agent_response");
        self.history.corrected(said);
        out.push(Conversed::Corrected(said.to_owned()));
    }

    /// Has the agent say something in its own voice: there is no message for it but one in the caller's place.
    fn say(&mut self, words: &str, send: &mut Vec<Frame>) {
        if self
            .greeting
            .take()
            .is_some_and(|greeting| greeting.starts_with(words) || words.starts_with(&greeting))
        {
            return;
        }
        let order = "(From the telephone system, not from the caller.) Say this to the caller now, word for word, and \
                     nothing else:";
        send.push(frame(&json!({ "type": "user_message", "text": format!("{order} {words}") })));
    }

    fn told(&mut self, words: &str, send: &mut Vec<Frame>) {
        send.push(frame(&match self.keys {
            KeysTold::Message => {
                self.history.caller(words);
                json!({ "type": "user_message", "text": words })
            }
            KeysTold::Context => {
                json!({ "type": "contextual_update", "text": format!("The caller {words} on the keypad.") })
            }
        }));
    }
}

impl AgentSession for AgentConversation {
    fn opened(&mut self, send: &mut Vec<Frame>) {
        let first = self.first.clone();
        send.push(frame(&if self.conversations == 0 { first } else { initiation::without_greeting(first) }));
    }

    fn reopens(&mut self) -> bool {
        self.is_ready = false;
        self.tools.clear();
        true
    }

    fn is_ready(&self) -> bool {
        self.is_ready
    }

    fn take(&mut self, what: Converse, send: &mut Vec<Frame>) {
        match what {
            Converse::Audio(pcm) => self.uplink.push(&pcm, send),
            Converse::Say(words) => self.say(&words, send),
            Converse::Told(words) => self.told(&words, send),
            // It listens for the caller's end itself.
            Converse::Finished => {}
            Converse::Cut { item, .. } => self.pieces.cut(item),
            Converse::ToolResult { id, result, failed } => {
                let before = self.tools.len();
                self.tools.retain(|open| *open != id);
                if self.tools.len() < before {
                    send.push(frame(&json!({
                        "type": "client_tool_result",
                        "tool_call_id": id,
                        "result": result,
                        "is_error": failed,
                    })));
                }
            }
        }
    }

    fn frame(&mut self, came: Frame, send: &mut Vec<Frame>, out: &mut Vec<Conversed>) -> Result<Flow, Fault> {
        let Frame::Text(text_frame) = came else { return Ok(Flow::Continue) };
        let event: Value = serde_json::from_str(&text_frame)
            .map_err(|_| Fault::new(FaultClass::Garbage, "it sent a message that is no JSON"))?;
        match text(&event, "type") {
            "conversation_initiation_metadata" => self.metadata(&event, send, out)?,
            "ping" => {
                let id = &event["ping_event"]["event_id"];
                send.push(frame(&json!({ "type": "pong", "event_id": id })));
            }
            "audio" => self.audio(&event, out)?,
            "agent_response" => self.words(&event, out),
            "agent_response_correction" => self.corrected(&event, out),
            "user_transcript" => self.caller_said(&event, out),
            "interruption" => {
                self.pieces.interrupted(number(&event["interruption_event"]));
                out.push(Conversed::Interrupted);
            }
            "client_tool_call" => self.tool(&event, out),
            "agent_tool_response" => Self::tool_ran(&event, out),
            "error" => {
                let what = &event["error_event"];
                let code = what["code"].as_u64().and_then(|code| u16::try_from(code).ok());
                let why =
                    [text(what, "message"), text(what, "reason")].into_iter().find(|text| !text.is_empty());
                return Err(error::in_stream(text(what, "error_type"), why.unwrap_or_default(), code));
            }
            _ => {}
        }
        Ok(Flow::Continue)
    }

    fn keep_alive_ms(&self) -> Option<u64> {
        None
    }

    fn keep_alive(&mut self, _: &mut Vec<Frame>) {}

    fn closed(&self, code: Option<u16>, reason: &str) -> Parting {
        match code {
            // By its own tool, or since the longest conversation is over.
            Some(1000) if self.is_ready => Parting::Over,
            _ => Parting::Failed(error::agent_closed(code, reason)),
        }
    }
}

fn format(said: &Value, side: &str) -> Result<Option<Format>, Fault> {
    match said {
        Value::Null => Ok(None),
        said => match said.as_str().and_then(Format::of_name) {
            Some(format) => Ok(Some(format)),
            None => {
                let said = one_line(&said.to_string());
                Err(Fault::new(FaultClass::Config, format!("the agent's {side} format is {said}")))
            }
        },
    }
}

fn frame(message: &Value) -> Frame {
    Frame::Text(message.to_string())
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn number(object: &Value) -> Option<i64> {
    object.get("event_id").and_then(Value::as_i64)
}
