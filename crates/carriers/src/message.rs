//! The shapes of the carriers' messages in serde's terms: Exotel's (Exotel, "Working with the Stream and Voicebot
//! applet") in snake case, Twilio's ("Media Streams: WebSocket messages") in camel case, and each with the other's
//! spelling. Two fields and not one with an alias: a message may well carry both.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::lenient::{Loose, Part};

/// Any message. Only audio is read at once: it is nearly all that comes, and the rest is read when it does.
#[derive(Debug, Deserialize)]
pub(crate) struct Message<'a> {
    #[serde(borrow, default)]
    pub(crate) event: Loose<'a>,
    #[serde(borrow, default)]
    pub(crate) stream_sid: Loose<'a>,
    #[serde(borrow, default, rename = "streamSid")]
    pub(crate) stream_sid_camel: Loose<'a>,
    #[serde(borrow, default)]
    pub(crate) sequence_number: Loose<'a>,
    #[serde(borrow, default, rename = "sequenceNumber")]
    pub(crate) sequence_number_camel: Loose<'a>,
    #[serde(borrow, default)]
    pub(crate) media: Part<Media<'a>>,
    #[serde(borrow, default)]
    pub(crate) start: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) dtmf: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) mark: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) stop: Option<&'a RawValue>,
    /// Some simulators put a key's digit here.
    #[serde(borrow, default)]
    pub(crate) digit: Loose<'a>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Media<'a> {
    /// Twilio's: `inbound` for the caller's side.
    #[serde(borrow, default)]
    pub(crate) track: Loose<'a>,
    #[serde(borrow, default)]
    pub(crate) timestamp: Loose<'a>,
    #[serde(borrow, default)]
    pub(crate) payload: Loose<'a>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Start<'a> {
    #[serde(borrow, default)]
    pub(crate) stream_sid: Loose<'a>,
    #[serde(borrow, default)]
    pub(crate) call_sid: Loose<'a>,
    #[serde(borrow, default)]
    pub(crate) account_sid: Loose<'a>,
    #[serde(borrow, default)]
    pub(crate) from: Loose<'a>,
    #[serde(borrow, default)]
    pub(crate) to: Loose<'a>,
    #[serde(borrow, default)]
    pub(crate) custom_parameters: Part<Custom<'a>>,
    #[serde(borrow, default)]
    pub(crate) media_format: Part<MediaFormat<'a>>,
}

/// The same in camel case.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StartCamel<'a> {
    #[serde(borrow, default)]
    pub(crate) stream_sid: Loose<'a>,
    #[serde(borrow, default)]
    pub(crate) call_sid: Loose<'a>,
    #[serde(borrow, default)]
    pub(crate) account_sid: Loose<'a>,
    #[serde(borrow, default)]
    pub(crate) custom_parameters: Part<Custom<'a>>,
    #[serde(borrow, default)]
    pub(crate) media_format: Part<MediaFormat<'a>>,
}

impl Start<'_> {
    /// Whether anything was spelled so that could be spelled otherwise.
    pub(crate) fn is_used(&self) -> bool {
        self.stream_sid.is_some()
            || self.call_sid.is_some()
            || self.account_sid.is_some()
            || self.custom_parameters.0.is_some()
            || self.media_format.0.is_some()
    }
}

impl StartCamel<'_> {
    /// Whether anything was spelled so.
    pub(crate) fn is_used(&self) -> bool {
        self.stream_sid.is_some()
            || self.call_sid.is_some()
            || self.account_sid.is_some()
            || self.custom_parameters.0.is_some()
            || self.media_format.0.is_some()
    }
}

/// Parameters of the flow or the URL. Values are texts by the documents; numbers are taken.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Custom<'a>(#[serde(borrow)] pub(crate) BTreeMap<Cow<'a, str>, Loose<'a>>);

#[derive(Debug, Default, Deserialize)]
pub(crate) struct MediaFormat<'a> {
    #[serde(borrow, default)]
    pub(crate) encoding: Loose<'a>,
    #[serde(borrow, default)]
    pub(crate) sample_rate: Loose<'a>,
    #[serde(borrow, default, rename = "sampleRate")]
    pub(crate) sample_rate_camel: Loose<'a>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Dtmf<'a> {
    #[serde(borrow, default)]
    pub(crate) digit: Loose<'a>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Mark<'a> {
    #[serde(borrow, default)]
    pub(crate) name: Loose<'a>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Stop<'a> {
    #[serde(borrow, default)]
    pub(crate) reason: Loose<'a>,
}
