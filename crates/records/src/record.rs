//! The record of one call, as it is stored and shown.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{AnsweredBy, CallStatus, Direction, EndReason, Price, Witness};

/// Who spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// The person on the phone.
    Caller,
    /// The voice bot.
    Agent,
}

/// One thing said, by the caller or by the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TurnRecord {
    /// Who spoke.
    pub speaker: Speaker,
    /// When it began, in milliseconds since the call's start.
    pub at_ms: u64,
    /// What was said; for the agent, what the caller heard of it, cut to whole words.
    pub text: String,
    /// The agent's words that were never heard, because the caller interrupted or left.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unheard: String,
    /// What shows that the agent's words were heard: `mark` (the carrier said so) or `clock` (estimated).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
    /// For an agent's turn that answers the caller: where the time went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<TurnLatency>,
    /// For an agent's turn that answers the caller: who served it, by role (`speech_to_text`, `language_model`,
    /// `text_to_speech`, `speech_to_speech`), as vendor and transport: `deepgram (websocket)`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub served_by: BTreeMap<String, String>,
}

/// Where the time between the caller's last word and the agent's first went, in microseconds. The steps from
/// `endpoint_us` to `send_us` add up to `total_us` exactly; with `carrier_us` they are what the caller waited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TurnLatency {
    /// From the end of speech to the decision that the turn is over: silence that was waited out.
    pub endpoint_us: u64,
    /// From that decision to the final transcript, where that came later.
    pub transcript_us: u64,
    /// From asking the model to its first word, without the time that tools took before it.
    pub model_us: u64,
    /// What tools took before the first word.
    #[serde(default)]
    pub tool_us: u64,
    /// From its first word to its first whole sentence.
    pub sentence_us: u64,
    /// From the first whole sentence to asking the voice.
    #[serde(default)]
    pub queue_us: u64,
    /// From asking the voice to its first audio.
    pub voice_us: u64,
    /// From that audio to the first chunk handed to the carrier. The end of a filler is waited for here.
    pub send_us: u64,
    /// From the end of speech to the first chunk of the answer handed to the carrier.
    pub total_us: u64,
    /// How long the carrier's leg is: how much later the answer's first mark came back than the audio before it
    /// lasts. Absent when no mark came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier_us: Option<u64>,
    /// From the end of speech to the first chunk of the filler; absent when there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filler_us: Option<u64>,
}

/// What the language models counted, summed over a call's answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsageRecord {
    /// Answers that told their cost.
    pub answers: u64,
    /// Tokens of the prompts.
    pub input_tokens: u64,
    /// Of those, tokens that the vendor had kept from before.
    pub cached_tokens: u64,
    /// Tokens of the answers.
    pub output_tokens: u64,
}

/// Something that went wrong during the call, or was done about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Incident {
    /// When, in milliseconds since the call's start.
    pub at_ms: u64,
    /// `failed`, `switched`, `filler`, `over_budget`, `underrun`, `recording_lost`, `agent_step` and the like.
    pub kind: String,
    /// Which role or vendor it is about; empty where it is about none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub who: String,
    /// More about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// Whether the caller agreed to be recorded, where they were told or asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConsentRecord {
    /// When it was decided, in milliseconds since the call's start: the recording begins there.
    pub at_ms: u64,
    /// Whether the call was recorded from there on.
    pub recorded: bool,
    /// `announced`, `said_yes`, `pressed_yes`, `said_no`, `pressed_other`, `no_answer`, `not_heard`, `call_ended`.
    pub why: String,
}

/// What was counted during the call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CallCounters {
    /// Audio frames that came from the carrier.
    pub frames_in: u64,
    /// Audio chunks sent to the carrier.
    pub chunks_out: u64,
    /// Times that the caller interrupted the agent.
    pub interruptions: u64,
    /// Interruptions that turned out to be nothing, after which the agent went on.
    pub false_interruptions: u64,
    /// Sockets that took this call over after the first.
    pub reconnects: u64,
    /// Oddities in the carrier's messages, by kind (`bad_json`, `camel_case`, ...).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub findings: BTreeMap<String, u64>,
}

/// The record of one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CallRecord {
    /// Our id, `call_` and 26 characters that sort by time.
    pub id: String,
    /// The carrier's name: `exotel`, `twilio`.
    pub carrier: String,
    /// The carrier's id of the call; empty until it took the call.
    pub carrier_call_id: String,
    /// Who called whom.
    #[serde(default)]
    pub direction: Direction,
    /// Where it is.
    #[serde(default)]
    pub status: CallStatus,
    /// Who said how it ended.
    #[serde(default)]
    pub status_from: Witness,
    /// The carrier's id of the stream, the latest where there were several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_id: Option<String>,
    /// The agent that answered.
    pub agent: String,
    /// The caller's number as the carrier gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The number called, as the carrier gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Parameters that came with the call.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub custom: BTreeMap<String, String>,
    /// Samples per second of the stream.
    pub sample_rate: u32,
    /// When the call began.
    pub started_at: Timestamp,
    /// When it was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<Timestamp>,
    /// Who picked up, where the carrier told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<AnsweredBy>,
    /// When it ended; absent while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Why it ended; absent while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_reason: Option<EndReason>,
    /// The end in words, where there is more to say than the reason does.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub end_detail: String,
    /// Who said why it ended.
    #[serde(default)]
    pub end_from: Witness,
    /// How long the carrier says that it took, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<u32>,
    /// What the carrier charges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// What was said.
    pub turns: Vec<TurnRecord>,
    /// What was counted.
    pub counters: CallCounters,
    /// What the language models counted; absent when none told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<UsageRecord>,
    /// What went wrong, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub incidents: Vec<Incident>,
    /// Where the stereo recording is: a file's name in the call's folder, or `s3://bucket/key` once it lies there only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording: Option<String>,
    /// When the recording was erased, alone or with the rest; absent where there is one or never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording_erased_at: Option<Timestamp>,
    /// Whether the caller agreed to be recorded; absent where they were neither told nor asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording_consent: Option<ConsentRecord>,
    /// Where the carrier keeps recordings of its own.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub carrier_recordings: BTreeSet<String>,
    /// What the model recorded, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub results: BTreeMap<String, String>,
    /// To whom the model handed the call on; empty when it named nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<String>,
    /// The carrier's own report of the stream's end, as its applet sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier_report: Option<BTreeMap<String, String>>,
    /// What an agent that is set up at its vendor found out about the call, as the vendor told after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_report: Option<BTreeMap<String, String>>,
    /// When all but the times and the state was erased. Nothing is added after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erased_at: Option<Timestamp>,
    /// Whether what was said is final: the media socket's side is done with the call.
    #[serde(default)]
    pub talk_ended: bool,
    /// When the media socket's side last told what it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub talked_at: Option<Timestamp>,
}
