//! What a carrier sends, understood however it is spelled. State is kept only for what needs the past: which stream
//! this is, half a sample, what was lost.

use std::collections::{BTreeMap, BTreeSet};

use audio::SampleRate;
use call::{CarrierEvent, StreamStart};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::dialect::{Dialect, Spelling};
use crate::lenient::{Loose, Part};
use crate::message::{Custom, Dtmf, Mark, Media, MediaFormat, Message, Start, StartCamel, Stop};
use crate::sound::Sound;
use crate::tally::{Order, Tally};
use crate::{Carrier, Finding, Read, text};

/// This many unreadable messages in a row mean that the peer speaks something else.
const UNREADABLE: u32 = 20;
/// The longest message: over six seconds of audio at 24 kHz in base64, ten times the documents' largest chunk.
const MESSAGE: usize = 1 << 20;
/// How many names of unknown events are remembered.
const UNKNOWN_EVENTS: usize = 16;
/// How many custom parameters are kept. The applet allows three; a flow's own may be more.
const CUSTOM: usize = 16;

/// Reads one socket's messages in their order.
#[derive(Debug)]
pub struct Reader {
    dialect: &'static Dialect,
    rate: SampleRate,
    started: bool,
    stopped: bool,
    stream: String,
    sound: Sound,
    tally: Tally,
    unknown: BTreeSet<String>,
    counts: [u32; Finding::ALL.len()],
    /// The first finding of the message at hand.
    found: Option<Finding>,
    unreadable: u32,
}

impl Reader {
    /// For a socket of this carrier that has just opened. `query_rate` is the URL's `sample-rate`, which holds when the
    /// start names none.
    pub fn new(carrier: Carrier, query_rate: Option<SampleRate>) -> Self {
        let dialect = carrier.dialect();
        Self {
            rate: query_rate.unwrap_or(dialect.rates[0]),
            started: false,
            stopped: false,
            stream: String::new(),
            sound: Sound::new(dialect.codec),
            dialect,
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
        let snake = message.stream_sid.is_some() || message.sequence_number.is_some();
        let camel = message.stream_sid_camel.is_some() || message.sequence_number_camel.is_some();
        self.spelled(snake, camel);
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

    /// Notes the other carrier's spelling.
    fn spelled(&mut self, snake: bool, camel: bool) {
        let (odd, finding) = match self.dialect.spelling {
            Spelling::Snake => (camel, Finding::CamelCase),
            Spelling::Camel => (snake, Finding::SnakeCase),
        };
        if odd && self.found != Some(finding) {
            self.note(finding);
        }
    }

    fn media(&mut self, media: Part<Media<'_>>) -> Option<CarrierEvent> {
        let Some(media) = media.0 else {
            self.note(Finding::BadShape);
            return None;
        };
        if matches!(&media.track, Loose::Text(track) if track.starts_with("outbound")) {
            self.note(Finding::OtherTrack);
            return None;
        }
        if !self.started {
            self.note(Finding::MediaBeforeStart);
        }
        let Loose::Text(payload) = &media.payload else {
            self.note(Finding::EmptyAudio);
            return None;
        };
        match self.sound.take(payload.as_bytes()) {
            Ok(true) => self.note(Finding::LenientBase64),
            Ok(false) => {}
            Err(_) => {
                self.note(Finding::BadBase64);
                return None;
            }
        }
        if self.sound.is_empty() {
            self.note(Finding::EmptyAudio);
            return None;
        }
        let pcm = self.sound.samples();
        if self.sound.is_odd() {
            self.note(Finding::OddByte);
        }
        if self.tally.audio(self.rate, pcm.len(), media.timestamp.whole()) {
            self.note(Finding::RateMismatch);
        }
        (!pcm.is_empty()).then_some(CarrierEvent::Audio(pcm))
    }

    fn start(&mut self, message: &Message<'_>) -> Option<CarrierEvent> {
        let start: Start<'_> = self.part(message.start);
        let camel: StartCamel<'_> = match message.start {
            Some(raw) => {
                serde_json::from_str::<Part<_>>(raw.get()).ok().and_then(|part| part.0).unwrap_or_default()
            }
            None => StartCamel::default(),
        };
        self.spelled(start.is_used(), camel.is_used());
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
        self.format(start.media_format.0.or(camel.media_format.0).unwrap_or_default());
        let custom = start.custom_parameters.0.or(camel.custom_parameters.0).unwrap_or_default();
        let mut custom = self.custom(&custom);
        // A carrier that does not name the numbers itself passes on what our webhook's answer named them.
        let mut number = |own, name| self.id(own).or_else(|| custom.remove(name));
        let (from, to) = (number(&start.from, "from"), number(&start.to, "to"));
        Some(CarrierEvent::Start(Box::new(StreamStart {
            stream,
            call: self.id(&start.call_sid.or(camel.call_sid)),
            account: self.id(&start.account_sid.or(camel.account_sid)),
            from,
            to,
            custom,
            rate: self.rate,
            least_chunk: self.dialect.least_chunk,
        })))
    }

    fn format(&mut self, format: MediaFormat<'_>) {
        if let Some(named) = format.sample_rate.or(format.sample_rate_camel).text() {
            match self.dialect.rate_of(&named) {
                Some(rate) => self.rate = rate,
                None => self.note(Finding::UnsupportedRate),
            }
        }
        let named = format.encoding.text();
        if let (Some(own), Some(named)) = (self.dialect.encoding, named)
            && !named.eq_ignore_ascii_case(own)
        {
            self.note(Finding::UnsupportedEncoding);
        }
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
        CarrierEvent::Stop { reason: (self.dialect.stopped)(&word), word }
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
