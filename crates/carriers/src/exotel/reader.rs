//! What Exotel sends, understood however it is spelled. State is kept only for what needs the past: which stream
//! this is, half a sample, what was lost.

use std::collections::{BTreeMap, BTreeSet};

use audio::{Pcm, PcmBytes, SampleRate};
use base64_simd::{Out, STANDARD};
use call::{CarrierEvent, StreamStart};
use records::EndReason;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::finding::Finding;
use super::lenient::{Loose, Part};
use super::message::{Custom, Dtmf, Mark, Media, Message, Start, StartCamel, Stop};
use super::tally::{Order, Tally};
use super::{DEFAULT_RATE, rate_of, text};

/// This many unreadable messages in a row mean that the peer speaks something else.
const UNREADABLE: u32 = 20;
/// The longest message: over six seconds of audio at 24 kHz in base64, ten times the documents' largest chunk.
const MESSAGE: usize = 1 << 20;
/// How many names of unknown events are remembered.
const UNKNOWN_EVENTS: usize = 16;
/// How many custom parameters are kept. The applet allows three; a flow's own may be more.
const CUSTOM: usize = 16;

/// What one message gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Read {
    /// What it means to the call, if it means anything.
    pub event: Option<CarrierEvent>,
    /// The first thing that is odd about it. `Reader::counts` counts all.
    pub finding: Option<Finding>,
    /// Whether so many messages in a row were unreadable that the socket is best closed, with 1007.
    pub fatal: bool,
}

/// Reads one socket's messages in their order.
#[derive(Debug)]
pub struct Reader {
    rate: SampleRate,
    started: bool,
    stopped: bool,
    stream: String,
    half_sample: PcmBytes,
    /// Reused for each frame's bytes.
    bytes: Vec<u8>,
    tally: Tally,
    unknown: BTreeSet<String>,
    counts: [u32; Finding::ALL.len()],
    /// The first finding of the message at hand.
    found: Option<Finding>,
    unreadable: u32,
}

impl Reader {
    /// For a socket that has just opened. `query_rate` is the URL's `sample-rate`, which holds when the start
    /// names none.
    pub fn new(query_rate: Option<SampleRate>) -> Self {
        Self {
            rate: query_rate.unwrap_or(DEFAULT_RATE),
            started: false,
            stopped: false,
            stream: String::new(),
            half_sample: PcmBytes::new(),
            bytes: Vec::new(),
            tally: Tally::default(),
            unknown: BTreeSet::new(),
            counts: [0; Finding::ALL.len()],
            found: None,
            unreadable: 0,
        }
    }

    /// The stream's rate: the start's if it named a good one, else the URL's, else 8000.
    pub const fn rate(&self) -> SampleRate {
        self.rate
    }

    /// The stream's id as far as it is known: the start's, or before that the first one seen; may be empty.
    pub fn stream(&self) -> &str {
        &self.stream
    }

    /// How often each finding was made, those that were.
    pub fn counts(&self) -> impl Iterator<Item = (Finding, u32)> + '_ {
        Finding::ALL.into_iter().zip(self.counts).filter(|(_, count)| *count > 0)
    }

    /// The names of unknown events seen so far, at most sixteen.
    pub fn unknown_events(&self) -> impl Iterator<Item = &str> {
        self.unknown.iter().map(String::as_str)
    }

    /// Reads a text message.
    pub fn read(&mut self, text: &str) -> Read {
        self.found = None;
        let event = self.understand(text);
        Read { event, finding: self.found, fatal: self.unreadable >= UNREADABLE }
    }

    /// Reads a binary message: the protocol has none, so it counts only if it holds what a text should have.
    pub fn binary(&mut self, bytes: &[u8]) -> Read {
        self.found = None;
        self.note(Finding::Binary);
        let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= MESSAGE);
        let json = text.filter(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
        let event = json.and_then(|text| self.understand(text));
        Read { event, finding: self.found, fatal: self.unreadable >= UNREADABLE }
    }

    fn note(&mut self, finding: Finding) {
        let count = &mut self.counts[finding as usize];
        *count = count.saturating_add(1);
        self.found.get_or_insert(finding);
    }

    fn understand(&mut self, text: &str) -> Option<CarrierEvent> {
        if text.len() > MESSAGE {
            return self.lost(Finding::TooLong);
        }
        // As a part, since serde would take a list for an object with its fields in order.
        let message = match serde_json::from_str::<Part<Message<'_>>>(text.trim_start_matches('\u{FEFF}')) {
            Ok(Part(Some(message))) => message,
            Ok(Part(None)) => return self.lost(Finding::BadShape),
            Err(error) if error.is_data() => return self.lost(Finding::BadShape),
            Err(_) => return self.lost(Finding::BadJson),
        };
        let Loose::Text(event) = &message.event else { return self.lost(Finding::BadShape) };
        self.unreadable = 0;
        if self.stopped {
            self.note(Finding::AfterStop);
            return None;
        }
        self.frame(&message);
        match event.as_ref() {
            "media" => self.media(message.media),
            "connected" => Some(CarrierEvent::Connected),
            "start" => self.start(&message),
            "dtmf" => self.dtmf(message.dtmf, &message.digit),
            "mark" => self.mark(message.mark),
            "clear" => Some(CarrierEvent::Clear),
            "stop" => Some(self.stop(message.stop)),
            other => self.unknown(other),
        }
    }

    fn lost(&mut self, finding: Finding) -> Option<CarrierEvent> {
        self.note(finding);
        self.unreadable = self.unreadable.saturating_add(1);
        None
    }

    /// What stands in the frame round every event: the stream and the number.
    fn frame(&mut self, message: &Message<'_>) {
        if message.stream_sid_camel.is_some() || message.sequence_number_camel.is_some() {
            self.note(Finding::CamelCase);
        }
        let number = message.sequence_number.whole().or_else(|| message.sequence_number_camel.whole());
        match number.map(|number| self.tally.sequence(number)) {
            Some(Order::Gap) => self.note(Finding::SequenceGap),
            Some(Order::Repeat) => self.note(Finding::SequenceRepeat),
            Some(Order::Next) | None => {}
        }
        let Some(stream) = message.stream_sid.text().or_else(|| message.stream_sid_camel.text()) else {
            return;
        };
        if self.stream.is_empty() {
            self.stream = text::cleaned(&stream, text::ID);
        } else if self.started && *stream != *self.stream && text::cleaned(&stream, text::ID) != self.stream {
            self.note(Finding::OtherStream);
        }
    }

    fn media(&mut self, media: Part<Media<'_>>) -> Option<CarrierEvent> {
        let Some(media) = media.0 else {
            self.note(Finding::BadShape);
            return None;
        };
        if !self.started {
            self.note(Finding::MediaBeforeStart);
        }
        let Loose::Text(payload) = &media.payload else {
            self.note(Finding::EmptyAudio);
            return None;
        };
        if !self.decode(payload.as_bytes()) {
            self.note(Finding::BadBase64);
            return None;
        }
        if self.bytes.is_empty() {
            self.note(Finding::EmptyAudio);
            return None;
        }
        let pcm = self.samples();
        if self.half_sample.is_odd() {
            self.note(Finding::OddByte);
        }
        if self.tally.audio(self.rate, pcm.len(), media.timestamp.whole()) {
            self.note(Finding::RateMismatch);
        }
        (!pcm.is_empty()).then_some(CarrierEvent::Audio(pcm))
    }

    /// Decodes into `bytes`. False when it is not base64 by any reading.
    fn decode(&mut self, payload: &[u8]) -> bool {
        self.bytes.clear();
        // Room first, then in place: what a frame needs is known, and the buffer is kept.
        self.bytes.resize(payload.len() / 4 * 3 + 3, 0);
        if let Ok(decoded) = STANDARD.decode(payload, Out::from_slice(&mut self.bytes)) {
            let length = decoded.len();
            self.bytes.truncate(length);
            return true;
        }
        self.bytes.clear();
        let standard: Vec<u8> = payload
            .iter()
            .map(|byte| match byte {
                b'-' => b'+',
                b'_' => b'/',
                other => *other,
            })
            .collect();
        let Ok(decoded) = base64_simd::forgiving_decode_to_vec(&standard) else { return false };
        self.bytes = decoded;
        self.note(Finding::LenientBase64);
        true
    }

    fn samples(&mut self) -> Pcm {
        if !self.half_sample.is_odd() && self.bytes.len().is_multiple_of(2) {
            return Pcm::from_le_bytes(&self.bytes);
        }
        let mut samples = Vec::with_capacity(self.bytes.len() / 2 + 1);
        self.half_sample.push(&self.bytes, &mut samples);
        samples.into()
    }

    fn start(&mut self, message: &Message<'_>) -> Option<CarrierEvent> {
        let start: Start<'_> = self.part(message.start);
        let camel: StartCamel<'_> = match message.start {
            Some(raw) => {
                serde_json::from_str::<Part<_>>(raw.get()).ok().and_then(|part| part.0).unwrap_or_default()
            }
            None => StartCamel::default(),
        };
        if camel.is_used() && self.found != Some(Finding::CamelCase) {
            self.note(Finding::CamelCase);
        }
        let outer = message.stream_sid.clone().or(message.stream_sid_camel.clone());
        let stream = self.id(&outer.or(start.stream_sid).or(camel.stream_sid)).unwrap_or_default();
        if self.started {
            if stream == self.stream {
                self.note(Finding::RepeatedStart);
            } else if self.found != Some(Finding::OtherStream) {
                self.note(Finding::OtherStream);
            }
            return None;
        }
        self.started = true;
        if stream.is_empty() {
            self.note(Finding::NoStreamId);
        } else {
            self.stream.clone_from(&stream);
        }
        let format = start.media_format.0.or(camel.media_format.0).unwrap_or_default();
        if let Some(named) = format.sample_rate.or(format.sample_rate_camel).text() {
            match rate_of(&named) {
                Some(rate) => self.rate = rate,
                None => self.note(Finding::UnsupportedRate),
            }
        }
        Some(CarrierEvent::Start(Box::new(StreamStart {
            stream,
            call: self.id(&start.call_sid.or(camel.call_sid)),
            account: self.id(&start.account_sid.or(camel.account_sid)),
            from: self.id(&start.from),
            to: self.id(&start.to),
            custom: self.custom(&start.custom_parameters.0.or(camel.custom_parameters.0).unwrap_or_default()),
            rate: self.rate,
        })))
    }

    /// An event's own part. One that is not an object is read as an empty one: the event itself still counts.
    fn part<'a, T: Deserialize<'a> + Default>(&mut self, raw: Option<&'a RawValue>) -> T {
        let Some(raw) = raw else { return T::default() };
        match serde_json::from_str::<Part<T>>(raw.get()) {
            Ok(Part(Some(part))) => part,
            Ok(Part(None)) | Err(_) => {
                self.note(Finding::BadShape);
                T::default()
            }
        }
    }

    fn id(&mut self, value: &Loose<'_>) -> Option<String> {
        let id = self.bounded(&value.text()?, text::ID);
        (!id.is_empty()).then_some(id)
    }

    fn bounded(&mut self, value: &str, most: usize) -> String {
        let (kept, cut) = text::clean(value, most);
        if cut {
            self.note(Finding::TextCut);
        }
        kept
    }

    fn custom(&mut self, custom: &Custom<'_>) -> BTreeMap<String, String> {
        if custom.0.len() > CUSTOM {
            self.note(Finding::TextCut);
        }
        let pairs = custom.0.iter().take(CUSTOM);
        pairs
            .filter_map(|(key, value)| {
                let value = self.bounded(&value.text()?, text::NAME);
                Some((self.bounded(key, text::ID), value))
            })
            .collect()
    }

    fn dtmf(&mut self, raw: Option<&RawValue>, outer: &Loose<'_>) -> Option<CarrierEvent> {
        let part: Dtmf<'_> = self.part(raw);
        let key = part.digit.or(outer.clone());
        let key = key.text().unwrap_or_default();
        let mut letters = key.trim().chars().map(|c| c.to_ascii_uppercase());
        match (letters.next(), letters.next()) {
            (Some(digit @ ('0'..='9' | '*' | '#' | 'A'..='D')), None) => {
                if self.tally.key(self.rate) {
                    return Some(CarrierEvent::Dtmf { digit });
                }
                self.note(Finding::DtmfFlood);
            }
            _ => self.note(Finding::BadDigit),
        }
        None
    }

    fn mark(&mut self, raw: Option<&RawValue>) -> Option<CarrierEvent> {
        let part: Mark<'_> = self.part(raw);
        let Some(name) = part.name.text() else {
            self.note(Finding::BadShape);
            return None;
        };
        Some(CarrierEvent::Mark { name: self.bounded(&name, text::NAME) })
    }

    fn stop(&mut self, raw: Option<&RawValue>) -> CarrierEvent {
        self.stopped = true;
        let part: Stop<'_> = self.part(raw);
        let word = part.reason.text().map(|word| self.bounded(&word, text::NAME)).unwrap_or_default();
        let reason = match word.as_str() {
            "callended" => EndReason::CallerHungUp,
            _ => EndReason::CarrierStopped,
        };
        CarrierEvent::Stop { reason, word }
    }

    fn unknown(&mut self, name: &str) -> Option<CarrierEvent> {
        let kept = text::cleaned(name, text::ID);
        if self.unknown.contains(&kept) || self.unknown.len() >= UNKNOWN_EVENTS {
            let count = &mut self.counts[Finding::UnknownEvent as usize];
            *count = count.saturating_add(1);
        } else {
            self.unknown.insert(kept);
            self.note(Finding::UnknownEvent);
        }
        None
    }
}
