//! What a simulated caller tells: as it happens, and at the end.

use std::collections::BTreeMap;

use audio::SampleRate;
use serde::Serialize;

/// Something that happened during the call. Times are milliseconds since the socket's opening.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum PhoneEvent {
    /// The webhook answered with the socket's URL.
    Webhook {
        /// How long it took.
        took_ms: f64,
        /// The host and path that it named, without the query, which may hold a token.
        socket: String,
    },
    /// The socket is open.
    Connected {
        /// How long the handshake took.
        took_ms: f64,
    },
    /// The caller began to speak.
    CallerSpeaks {
        /// When.
        at_ms: u64,
        /// What.
        label: String,
        /// Whether over the agent.
        barge_in: bool,
    },
    /// The caller has finished.
    CallerDone {
        /// When.
        at_ms: u64,
    },
    /// The caller pressed a key.
    Pressed {
        /// When.
        at_ms: u64,
        /// Which.
        digit: char,
    },
    /// The caller began to hear the agent.
    AgentSpeaks {
        /// When.
        at_ms: u64,
        /// How long after the end of the caller's own speech, where it answers that.
        latency_ms: Option<u64>,
    },
    /// The agent is quiet: all of its audio was played.
    AgentDone {
        /// When.
        at_ms: u64,
    },
    /// The server had what it queued dropped.
    Cleared {
        /// When.
        at_ms: u64,
        /// How much was dropped.
        dropped_ms: u64,
    },
    /// A mark was reached and returned.
    Mark {
        /// When.
        at_ms: u64,
        /// Its name.
        name: String,
    },
    /// The carrier does what its TwiML says.
    Verb {
        /// When.
        at_ms: u64,
        /// Which verb, with what there is to know of it.
        what: String,
    },
    /// The caller hung up, and the carrier told the server.
    Stopped {
        /// When.
        at_ms: u64,
    },
    /// Nobody spoke for as long as the caller's patience lasts; the caller goes on.
    NoAnswer {
        /// When.
        at_ms: u64,
    },
    /// The server did something that the protocol does not allow. Told at the end.
    Finding(Finding),
    /// The call is over.
    Ended {
        /// When.
        at_ms: u64,
        /// Who ended it.
        by: EndedBy,
    },
}

/// Who ended the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// The caller hung up.
    Caller,
    /// The server closed the socket, and the carrier's flow had no more to do.
    Server,
    /// The carrier ended it: by a verb of the TwiML, or because its REST interface was told to.
    Carrier,
    /// The socket broke.
    Fault,
}

/// The whole call, measured at the caller's ear.
#[derive(Debug, Clone, Serialize)]
pub struct PhoneReport {
    /// The carrier's id of the call.
    pub call_sid: String,
    /// Samples per second.
    pub sample_rate: SampleRate,
    /// How long the call was.
    pub duration_ms: u64,
    /// From the upgrade's start to the open socket.
    pub handshake_ms: f64,
    /// From `start` to the first audible sound; absent when nothing was heard.
    pub greeting_ms: Option<u64>,
    /// One for each time that the caller spoke.
    pub turns: Vec<TurnReport>,
    /// What came from the server.
    pub received: Received,
    /// How the call ended.
    pub end: EndReport,
    /// Both sides, in time with each other.
    #[serde(skip)]
    pub recording: Recording,
}

/// One time that the caller spoke.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TurnReport {
    /// What was said.
    pub label: String,
    /// Whether it was over the agent.
    pub barge_in: bool,
    /// When it began, in milliseconds since the socket's opening.
    pub began_ms: u64,
    /// When it ended.
    pub ended_ms: u64,
    /// From its beginning to the server's `clear`, for a barge-in; absent when none came.
    pub clear_ms: Option<u64>,
    /// From its end to the first audible sound of the answer; absent when there was none.
    pub answer_ms: Option<u64>,
}

/// What came from the server.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Received {
    /// Media messages.
    pub chunks: u64,
    /// Their sizes in bytes of audio, and how often each came.
    pub chunk_bytes: BTreeMap<usize, u64>,
    /// How much audio, in milliseconds.
    pub audio_ms: u64,
    /// How much of it was audible to the caller, in milliseconds.
    pub audible_ms: u64,
    /// Times that the caller heard a hole in the middle of what was said, because more came too late.
    pub gaps: u64,
    /// The longest of them, in milliseconds.
    pub longest_gap_ms: f64,
    /// The most audio that lay queued, in milliseconds.
    pub longest_queue_ms: u64,
    /// Marks, in the order in which they were reached.
    pub marks: Vec<String>,
    /// Clears.
    pub clears: u64,
    /// What the protocol does not allow.
    pub findings: Vec<Finding>,
}

/// A rule of the protocol that the server broke.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule's id, as in the conformance report.
    pub rule: &'static str,
    /// What it asks.
    pub what: &'static str,
    /// Whether it is only advice.
    pub is_advice: bool,
    /// When it was first broken.
    pub at_ms: u64,
    /// How often.
    pub count: u32,
    /// What was seen the first time.
    pub seen: String,
}

/// How the call ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EndReport {
    /// Who ended it.
    pub by: EndedBy,
    /// The server's close code, if it sent one.
    pub close_code: Option<u16>,
    /// More about it, where there is more to say.
    pub detail: String,
}

/// Both sides of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// Samples per second.
    pub rate: SampleRate,
    /// What the caller said: the left channel.
    pub caller: Vec<i16>,
    /// What the caller heard: the right channel, of the same length.
    pub heard: Vec<i16>,
}

impl Recording {
    /// The two channels, sample by sample: left, right, left, right.
    pub fn interleaved(&self) -> Vec<i16> {
        self.caller.iter().zip(&self.heard).flat_map(|(left, right)| [*left, *right]).collect()
    }
}

/// Why a call could not be made. A call that was connected always gives a report.
#[derive(Debug, thiserror::Error)]
pub enum PhoneError {
    /// The URL can't be used.
    #[error("{url}: {why}")]
    Url {
        /// The URL, without its password and query.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The rate is none of the carrier's.
    #[error("{0} is no rate of this carrier; use 8000, 16000 or 24000")]
    Rate(SampleRate),
    /// The server can't be reached.
    #[error("{0} can't be reached: {1}; is the server running?")]
    Unreachable(String, String),
    /// The webhook did not answer as it must.
    #[error("{0} {1}")]
    Webhook(String, String),
    /// The server refused the upgrade, twice.
    #[error("the server at {socket} refused the socket with HTTP {status}{hint}")]
    Refused {
        /// Host and path.
        socket: String,
        /// The HTTP status.
        status: u16,
        /// What to do about it.
        hint: &'static str,
    },
    /// The TwiML can't be followed, or its stream not opened.
    #[error("the TwiML of {0}: {1}")]
    Twiml(String, String),
    /// The handshake failed.
    #[error("the WebSocket handshake with {0} failed: {1}")]
    Handshake(String, String),
}
