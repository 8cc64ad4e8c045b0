//! Watches what a server sends and notes every rule that it breaks. Strict: what a tolerant carrier would let pass
//! is a finding here.

use std::collections::BTreeMap;

use audio::SampleRate;
use base64_simd::STANDARD;
use call::{Micros, Tick};
use serde_json::Value;

use super::breach::{Breach, Noted};
use crate::greeting::{self, Greeting};

/// The documents' unit of audio, in bytes.
const UNIT: usize = 320;
const SMALL: usize = 3200;
const LARGE: usize = 100_000;
/// More than this must not wait with the carrier.
const MOST_WAITING: Micros = Micros::from_ms(3_000);
/// What a message of the server means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromServer {
    /// Audio: its bytes.
    Media(Vec<u8>),
    /// A mark by name.
    Mark(String),
    /// Drop what waits.
    Clear,
    /// Nothing that can be used.
    Nothing,
}

/// Watches one stream.
#[derive(Debug, Clone)]
pub struct Checker {
    rate: SampleRate,
    stream: String,
    noted: BTreeMap<Breach, Noted>,
    sequence: Option<i64>,
    started: Option<Tick>,
    stopped: Option<Tick>,
    greeting: Greeting,
}

impl Checker {
    /// Watches the stream of this id at this rate.
    pub fn new(stream: &str, rate: SampleRate) -> Self {
        Self {
            rate,
            stream: stream.to_owned(),
            noted: BTreeMap::new(),
            sequence: None,
            started: None,
            stopped: None,
            greeting: Greeting::new(rate),
        }
    }

    /// The start was sent.
    pub fn started(&mut self, at: Tick) {
        self.started.get_or_insert(at);
    }

    /// The stop was sent. What is on its way until `grace` later is no breach.
    pub fn stopped(&mut self, at: Tick, grace: Micros) {
        self.stopped.get_or_insert(at + grace);
    }

    /// The caller made a sound.
    pub fn caller_spoke(&mut self, at: Tick) {
        self.greeting.caller_spoke(at);
    }

    /// When the server's first sound came.
    pub const fn first_sound(&self) -> Option<Tick> {
        self.greeting.began
    }

    /// Whether a mark followed the greeting's audio.
    pub const fn is_greeting_marked(&self) -> bool {
        self.greeting.marked
    }

    /// Takes a binary message.
    pub fn binary(&mut self, at: Tick, bytes: usize) {
        self.note(at, Breach::Binary, || format!("{bytes} bytes"));
    }

    /// Takes a text message, `waiting` being the audio that the carrier has of this stream before it.
    pub fn text(&mut self, at: Tick, text: &str, waiting: Micros) -> FromServer {
        let Ok(Value::Object(message)) = serde_json::from_str::<Value>(text) else {
            self.note(at, Breach::BadJson, || shown(text));
            return FromServer::Nothing;
        };
        let Some(event) = message.get("event").and_then(Value::as_str) else {
            self.note(at, Breach::BadJson, || "no event".to_owned());
            return FromServer::Nothing;
        };
        self.keys(at, &message);
        match event {
            "media" | "mark" | "clear" => self.stream_of(at, &message),
            "connected" | "start" | "dtmf" | "stop" => {
                self.note(at, Breach::CarrierEvent, || event.to_owned());
                return FromServer::Nothing;
            }
            other => {
                self.note(at, Breach::UnknownEvent, || shown(other));
                return FromServer::Nothing;
            }
        }
        let part = message.get(event).and_then(Value::as_object);
        match event {
            "clear" => FromServer::Clear,
            "mark" => match part.and_then(|mark| mark.get("name")).and_then(Value::as_str) {
                Some(name) if !name.is_empty() => {
                    self.greeting.mark();
                    FromServer::Mark(name.to_owned())
                }
                _ => {
                    self.note(at, Breach::MarkName, || "no name".to_owned());
                    FromServer::Nothing
                }
            },
            _ => {
                self.numbers(at, &message);
                self.media(at, part.and_then(|media| media.get("payload")), waiting)
            }
        }
    }

    /// The rules broken so far, in the order of the list. `now` ends the watch for what did not come.
    pub fn noted(&self, now: Tick) -> Vec<Noted> {
        let mut all = self.clone();
        if let Some(started) = all.started {
            let late = all.greeting.began.unwrap_or(now).since(started);
            if late > greeting::LATEST {
                let came = all.greeting.began.is_some();
                all.note(now, Breach::LateGreeting, || {
                    format!(
                        "{} {:.0} ms after the start",
                        if came { "first sound" } else { "no sound" },
                        late.as_ms()
                    )
                });
            }
        }
        if all.greeting.sounds && !all.greeting.marked {
            all.note(now, Breach::NoGreetingMark, || "no mark after the first audio".to_owned());
        }
        if let Some(after) = all.greeting.repeated() {
            all.note(now, Breach::TwoGreetings, || format!("the first words come again after {after} ms"));
        }
        all.noted.into_values().collect()
    }

    fn note(&mut self, at: Tick, breach: Breach, seen: impl FnOnce() -> String) {
        self.noted
            .entry(breach)
            .and_modify(|noted| noted.count = noted.count.saturating_add(1))
            .or_insert_with(|| Noted { breach, at, count: 1, seen: seen() });
    }

    fn keys(&mut self, at: Tick, message: &serde_json::Map<String, Value>) {
        let inner = message.values().filter_map(Value::as_object).flat_map(serde_json::Map::keys);
        let camel = message.keys().chain(inner).find(|key| key.chars().any(|c| c.is_ascii_uppercase()));
        if let Some(key) = camel {
            let key = shown(key);
            self.note(at, Breach::CamelCase, || key);
        }
    }

    fn stream_of(&mut self, at: Tick, message: &serde_json::Map<String, Value>) {
        let stream = message.get("stream_sid");
        if stream.and_then(Value::as_str) != Some(self.stream.as_str()) {
            let seen = stream.map_or_else(|| "none".to_owned(), |stream| shown(&stream.to_string()));
            self.note(at, Breach::WrongStream, || seen);
        }
    }

    fn numbers(&mut self, at: Tick, message: &serde_json::Map<String, Value>) {
        let media = message.get("media").and_then(Value::as_object);
        let inner = |key: &'static str| (key, media.and_then(|media| media.get(key)));
        let all = [("sequence_number", message.get("sequence_number")), inner("chunk"), inner("timestamp")];
        for (key, value) in all {
            let Some(value) = value else { continue };
            if value.as_str().is_none_or(|text| text.parse::<u64>().is_err()) {
                self.note(at, Breach::NumberType, || format!("{key}: {}", shown(&value.to_string())));
            }
        }
        let Some(sequence) = message.get("sequence_number") else { return };
        let number = sequence.as_str().map_or_else(|| sequence.as_i64(), |text| text.parse().ok());
        if let (Some(last), Some(number)) = (self.sequence, number)
            && number <= last
        {
            self.note(at, Breach::Sequence, || format!("{number} after {last}"));
        }
        self.sequence = number.or(self.sequence);
    }

    fn media(&mut self, at: Tick, payload: Option<&Value>, waiting: Micros) -> FromServer {
        let decoded = payload.and_then(Value::as_str).and_then(|text| STANDARD.decode_to_vec(text).ok());
        let Some(bytes) = decoded else {
            let seen = payload.map_or_else(|| "no payload".to_owned(), |payload| shown(&payload.to_string()));
            self.note(at, Breach::BadBase64, || seen);
            return FromServer::Nothing;
        };
        let length = bytes.len();
        let seen = || format!("{length} bytes");
        if length % 2 == 1 {
            self.note(at, Breach::OddBytes, seen);
        }
        if !length.is_multiple_of(UNIT) {
            self.note(at, Breach::ChunkMultiple, seen);
        }
        match length {
            0..UNIT => self.note(at, Breach::ChunkTiny, seen),
            UNIT..SMALL => self.note(at, Breach::ChunkSmall, seen),
            SMALL..=LARGE => {}
            _ => self.note(at, Breach::ChunkLarge, seen),
        }
        if self.started.is_none() {
            self.note(at, Breach::BeforeStart, seen);
        }
        if self.stopped.is_some_and(|stopped| at > stopped) {
            self.note(at, Breach::AfterStop, seen);
        }
        let wait = Micros(waiting.0 + self.rate.micros(length / 2));
        // One chunk alone is a matter of the chunk's size.
        if wait > MOST_WAITING && waiting.0 > 0 {
            self.note(at, Breach::Burst, || format!("{:.1} s waiting", wait.as_ms() / 1000.0));
        }
        let samples: Vec<i16> =
            bytes.as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect();
        if let Some(pause) = self.greeting.audio(at, &samples, waiting) {
            self.note(at, Breach::TwoGreetings, || second_greeting(pause));
        }
        FromServer::Media(bytes)
    }
}

/// What there is to say of speech that came again.
pub(crate) fn second_greeting(pause: Micros) -> String {
    format!("speech again {:.0} ms after the greeting, the caller having said nothing", pause.as_ms())
}

/// The beginning of a foreign text, fit to be shown.
pub(crate) fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(60).collect()
}

#[cfg(test)]
mod tests {
    use carriers::exotel::Writer;

    use super::*;

    const NOW: Tick = Tick(5_000_000);

    fn noise(samples: usize, seed: u32) -> Vec<i16> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as i16 / 4
        };
        (0..samples).map(|_| next()).collect()
    }

    fn started() -> Checker {
        let mut checker = Checker::new("s", SampleRate::HZ_8000);
        checker.started(Tick(0));
        checker
    }

    fn breaches(checker: &Checker) -> Vec<Breach> {
        checker.noted(NOW).iter().map(|noted| noted.breach).collect()
    }

    /// Sends audio in chunks of 200 ms, each when it is to be played, from `from_ms` on.
    fn say(checker: &mut Checker, writer: &mut Writer, from_ms: u64, samples: &[i16]) {
        for (i, chunk) in samples.chunks(1600).enumerate() {
            let at = Tick((from_ms + 200 * i as u64) * 1000);
            checker.text(at, writer.media(chunk), Micros(0));
        }
    }

    #[test]
    fn our_own_writer_breaks_nothing() {
        let (mut checker, mut writer) = (started(), Writer::new("s", SampleRate::HZ_8000));
        say(&mut checker, &mut writer, 100, &noise(16_000, 1));
        checker.text(Tick(2_200_000), writer.mark("greeting_done"), Micros(0));
        assert_eq!(checker.text(Tick(2_300_000), writer.clear(), Micros(0)), FromServer::Clear);
        assert_eq!(breaches(&checker), []);
        assert_eq!(checker.first_sound(), Some(Tick(100_000)));
    }

    #[test]
    fn each_fault_is_noted_as_itself() {
        let media = |bytes: usize| STANDARD.encode_to_string(vec![0; bytes]);
        let whole = media(3200);
        let with = |extra: &str, payload: &str| {
            format!("{{\"event\":\"media\",{extra}\"media\":{{\"payload\":\"{payload}\"}}}}")
        };
        let sid = "\"stream_sid\":\"s\",";
        for (text, wanted) in [
            ("nonsense".to_owned(), vec![Breach::BadJson]),
            ("[1]".to_owned(), vec![Breach::BadJson]),
            ("{\"stream_sid\":\"s\"}".to_owned(), vec![Breach::BadJson]),
            ("{\"event\":\"hangup\",\"stream_sid\":\"s\"}".to_owned(), vec![Breach::UnknownEvent]),
            ("{\"event\":\"stop\",\"stream_sid\":\"s\"}".to_owned(), vec![Breach::CarrierEvent]),
            (with("\"streamSid\":\"s\",", &whole), vec![Breach::CamelCase, Breach::WrongStream]),
            (with("\"stream_sid\":\"t\",", &whole), vec![Breach::WrongStream]),
            (with("\"stream_sid\":\"s\",\"sequence_number\":1,", &whole), vec![Breach::NumberType]),
            (with(sid, "****"), vec![Breach::BadBase64]),
            (with(sid, &media(3201)), vec![Breach::OddBytes, Breach::ChunkMultiple]),
            (with(sid, &media(3300)), vec![Breach::ChunkMultiple]),
            (with(sid, &media(160)), vec![Breach::ChunkMultiple, Breach::ChunkTiny]),
            (with(sid, &media(640)), vec![Breach::ChunkSmall]),
            (with(sid, &media(100_160)), vec![Breach::ChunkLarge]),
            ("{\"event\":\"mark\",\"stream_sid\":\"s\",\"mark\":{}}".to_owned(), vec![Breach::MarkName]),
        ] {
            let mut checker = started();
            checker.text(Tick(1), &text, Micros(0));
            let noted = checker.noted(Tick(2));
            assert_eq!(noted.iter().map(|noted| noted.breach).collect::<Vec<_>>(), wanted, "{text}");
        }
        let mut checker = Checker::new("s", SampleRate::HZ_8000);
        checker.binary(Tick(1), 3);
        checker.text(Tick(1), &with(sid, &whole), Micros(0));
        assert_eq!(breaches(&checker), [Breach::Binary, Breach::BeforeStart]);
        let mut checker = started();
        checker.text(Tick(1), &with("\"stream_sid\":\"s\",\"sequence_number\":\"2\",", &whole), Micros(0));
        checker.text(
            Tick(1),
            &with("\"stream_sid\":\"s\",\"sequence_number\":\"2\",", &whole),
            Micros::from_ms(2900),
        );
        checker.stopped(Tick(1), Micros(0));
        checker.text(Tick(2), &with(sid, &whole), Micros(0));
        let noted: Vec<Breach> = checker.noted(Tick(3)).iter().map(|noted| noted.breach).collect();
        assert_eq!(noted, [Breach::Sequence, Breach::AfterStop, Breach::Burst]);
    }

    #[test]
    fn greetings_are_followed() {
        let words = noise(12_000, 1);
        let mark = "{\"event\":\"mark\",\"stream_sid\":\"s\",\"mark\":{\"name\":\"greeting_done\"}}";
        let greet = |from_ms: u64, said: &[&[i16]], marked: bool| {
            let (mut checker, mut writer) = (started(), Writer::new("s", SampleRate::HZ_8000));
            say(&mut checker, &mut writer, from_ms, &said.concat());
            if marked {
                checker.text(Tick(4_900_000), mark, Micros(0));
            }
            breaches(&checker)
        };
        let chunked = &words[..11_200];
        assert_eq!(greet(100, &[chunked], true), []);
        assert_eq!(greet(2_100, &[chunked], true), [Breach::LateGreeting]);
        assert_eq!(greet(100, &[chunked], false), [Breach::NoGreetingMark]);
        assert_eq!(greet(100, &[chunked, chunked], true), [Breach::TwoGreetings]);
        let tone = audio::tone(SampleRate::HZ_8000, 440.0, 3000, -15.0);
        assert_eq!(greet(100, &[&tone], true), []);
        assert_eq!(greet(100, &[], true), [Breach::LateGreeting]);
    }

    #[test]
    fn other_words_soon_after_the_greeting_are_a_second_one_unless_the_caller_spoke() {
        let (mut checker, mut writer) = (started(), Writer::new("s", SampleRate::HZ_8000));
        say(&mut checker, &mut writer, 100, &noise(8_000, 1));
        checker.text(Tick(1_200_000), writer.mark("g"), Micros(0));
        let mut answered = checker.clone();
        answered.caller_spoke(Tick(1_500_000));
        say(&mut answered, &mut writer.clone(), 2_500, &noise(8_000, 2));
        assert_eq!(breaches(&answered), []);
        say(&mut checker, &mut writer, 2_500, &noise(8_000, 2));
        assert_eq!(breaches(&checker), [Breach::TwoGreetings]);
    }
}
