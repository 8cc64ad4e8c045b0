//! The shapes of Exotel's messages in serde's terms (Exotel, "Working with the Stream and Voicebot applet"),
//! in both spellings. Two fields and not one with an alias: a message may well carry both.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::lenient::{Loose, Part};

/// Any message. Only audio is read at once: it is nearly all that comes, and the rest is read when it does.
#[derive(Debug, Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow, default)]
    pub(super) event: Loose<'a>,
    #[serde(borrow, default)]
    pub(super) stream_sid: Loose<'a>,
    #[serde(borrow, default, rename = "streamSid")]
    pub(super) stream_sid_camel: Loose<'a>,
    #[serde(borrow, default)]
    pub(super) sequence_number: Loose<'a>,
    #[serde(borrow, default, rename = "sequenceNumber")]
    pub(super) sequence_number_camel: Loose<'a>,
    #[serde(borrow, default)]
    pub(super) media: Part<Media<'a>>,
    #[serde(borrow, default)]
    pub(super) start: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) dtmf: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) mark: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) stop: Option<&'a RawValue>,
    /// Some simulators put a key's digit here.
    #[serde(borrow, default)]
    pub(super) digit: Loose<'a>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Media<'a> {
    #[serde(borrow, default)]
    pub(super) timestamp: Loose<'a>,
    #[serde(borrow, default)]
    pub(super) payload: Loose<'a>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Start<'a> {
    #[serde(borrow, default)]
    pub(super) stream_sid: Loose<'a>,
    #[serde(borrow, default)]
    pub(super) call_sid: Loose<'a>,
    #[serde(borrow, default)]
    pub(super) account_sid: Loose<'a>,
    #[serde(borrow, default)]
    pub(super) from: Loose<'a>,
    #[serde(borrow, default)]
    pub(super) to: Loose<'a>,
    #[serde(borrow, default)]
    pub(super) custom_parameters: Part<Custom<'a>>,
    #[serde(borrow, default)]
    pub(super) media_format: Part<MediaFormat<'a>>,
}

/// The other spelling of the same.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StartCamel<'a> {
    #[serde(borrow, default)]
    pub(super) stream_sid: Loose<'a>,
    #[serde(borrow, default)]
    pub(super) call_sid: Loose<'a>,
    #[serde(borrow, default)]
    pub(super) account_sid: Loose<'a>,
    #[serde(borrow, default)]
    pub(super) custom_parameters: Part<Custom<'a>>,
    #[serde(borrow, default)]
    pub(super) media_format: Part<MediaFormat<'a>>,
}

impl StartCamel<'_> {
    /// Whether anything was spelled so.
    pub(super) fn is_used(&self) -> bool {
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
pub(super) struct Custom<'a>(#[serde(borrow)] pub(super) BTreeMap<Cow<'a, str>, Loose<'a>>);

#[derive(Debug, Default, Deserialize)]
pub(super) struct MediaFormat<'a> {
    #[serde(borrow, default)]
    pub(super) sample_rate: Loose<'a>,
    #[serde(borrow, default, rename = "sampleRate")]
    pub(super) sample_rate_camel: Loose<'a>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Dtmf<'a> {
    #[serde(borrow, default)]
    pub(super) digit: Loose<'a>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Mark<'a> {
    #[serde(borrow, default)]
    pub(super) name: Loose<'a>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Stop<'a> {
    #[serde(borrow, default)]
    pub(super) reason: Loose<'a>,
}
