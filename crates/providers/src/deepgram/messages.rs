//! Deepgram's messages as they stand on the wire. Fields that are missing, null or new never make one unreadable.

use std::borrow::Cow;

use call::{Fault, FaultClass};
use serde::Deserialize;

use crate::dialect::Frame;

/// Only the type, which decides how the rest is read.
#[derive(Debug, Deserialize)]
pub(super) struct Kind<'a> {
    #[serde(rename = "type", borrow, default)]
    pub(super) kind: Cow<'a, str>,
}

/// `Results` of the streaming recogniser. Times are seconds since the stream began.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Results<'a> {
    pub(super) start: Option<f64>,
    pub(super) duration: Option<f64>,
    pub(super) is_final: Option<bool>,
    pub(super) speech_final: Option<bool>,
    pub(super) from_finalize: Option<bool>,
    #[serde(borrow)]
    pub(super) channel: Option<Channel<'a>>,
}

/// One channel of an answer; there is only one, since a call is mono.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Channel<'a> {
    #[serde(borrow)]
    pub(super) alternatives: Vec<Alternative<'a>>,
}

/// What was understood, the likeliest first.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Alternative<'a> {
    #[serde(borrow)]
    pub(super) transcript: Option<Cow<'a, str>>,
    pub(super) words: Vec<Word>,
}

/// One word: only its end counts here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Word {
    pub(super) end: Option<f64>,
}

/// `UtteranceEnd`: a gap after the last word. -1 where there was none.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct UtteranceEnd {
    pub(super) last_word_end: Option<f64>,
}

/// `TurnInfo` of the recogniser that takes turns. The transcript is all of the turn so far.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TurnInfo<'a> {
    #[serde(borrow)]
    pub(super) event: Option<Cow<'a, str>>,
    pub(super) audio_window_end: Option<f64>,
    #[serde(borrow)]
    pub(super) transcript: Option<Cow<'a, str>>,
}

/// `Error` and `Warning`, in the spelling of today and those before it. A message may have several of them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Notice<'a> {
    #[serde(borrow)]
    code: Option<Cow<'a, str>>,
    #[serde(borrow)]
    warn_code: Option<Cow<'a, str>>,
    #[serde(borrow)]
    variant: Option<Cow<'a, str>>,
    #[serde(borrow)]
    description: Option<Cow<'a, str>>,
    #[serde(borrow)]
    warn_msg: Option<Cow<'a, str>>,
    #[serde(borrow)]
    message: Option<Cow<'a, str>>,
}

impl Results<'_> {
    /// What was understood, without spaces around it.
    pub(super) fn text(&self) -> &str {
        self.best().and_then(|best| best.transcript.as_deref()).unwrap_or_default().trim()
    }

    /// Where the last word ends.
    pub(super) fn last_word_end(&self) -> Option<f64> {
        self.best()?.words.last()?.end
    }

    /// Up to where the audio was looked at.
    pub(super) fn end(&self) -> Option<f64> {
        Some(self.start? + self.duration?)
    }

    fn best(&self) -> Option<&Alternative<'_>> {
        self.channel.as_ref()?.alternatives.first()
    }
}

impl Notice<'_> {
    pub(super) fn code(&self) -> &str {
        first([&self.code, &self.warn_code, &self.variant])
    }

    pub(super) fn description(&self) -> &str {
        first([&self.description, &self.warn_msg, &self.message])
    }
}

fn first<'a>(texts: [&'a Option<Cow<'_, str>>; 3]) -> &'a str {
    texts.into_iter().find_map(|text| text.as_deref()).unwrap_or_default()
}

/// The text of a frame that can only be text.
pub(super) fn text_of(frame: &Frame) -> Result<&str, Fault> {
    match frame {
        Frame::Text(text) => Ok(text),
        Frame::Binary(_) => Err(garbage("bytes where a message belongs")),
    }
}

/// Reads a message, or says that it is none.
pub(super) fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Fault> {
    // The reader's own words may quote the caller, so only the place is told.
    serde_json::from_str(text)
        .map_err(|error| garbage(&format!("a message is unreadable at {}", error.column())))
}

pub(super) fn garbage(why: &str) -> Fault {
    Fault::new(FaultClass::Garbage, why)
}
