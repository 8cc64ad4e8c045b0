//! Watches what a server sends and notes every rule that it breaks. Strict: what a tolerant carrier would let pass
//! is a finding here.

use audio::SampleRate;
use base64_simd::STANDARD;
use call::{Micros, Tick};
use serde_json::Value;

use super::Breach;
use crate::side::FromServer;
use crate::watch::{Watch, shown};

/// The documents' unit of audio, in bytes.
const UNIT: usize = 320;
const SMALL: usize = 3200;
const LARGE: usize = 100_000;

/// Watches one stream.
#[derive(Debug, Clone)]
pub struct Checker {
    stream: String,
    sequence: Option<i64>,
    pub(crate) watch: Watch<Breach>,
}

impl Checker {
    /// Watches the stream of this id at this rate.
    pub fn new(stream: &str, rate: SampleRate) -> Self {
        Self { stream: stream.to_owned(), sequence: None, watch: Watch::new(rate) }
    }

    /// Takes a binary message.
    pub fn binary(&mut self, at: Tick, bytes: usize) {
        self.watch.note(at, Breach::Binary, || format!("{bytes} bytes"));
    }

    /// Takes a text message, `waiting` being the audio that the carrier has of this stream before it.
    pub fn text(&mut self, at: Tick, text: &str, waiting: Micros) -> FromServer {
        let Ok(Value::Object(message)) = serde_json::from_str::<Value>(text) else {
            self.watch.note(at, Breach::BadJson, || shown(text));
            return FromServer::Nothing;
        };
        let Some(event) = message.get("event").and_then(Value::as_str) else {
            self.watch.note(at, Breach::BadJson, || "no event".to_owned());
            return FromServer::Nothing;
        };
        self.keys(at, &message);
        match event {
            "media" | "mark" | "clear" => self.stream_of(at, &message),
            "connected" | "start" | "dtmf" | "stop" => {
                self.watch.note(at, Breach::CarrierEvent, || event.to_owned());
                return FromServer::Nothing;
            }
            other => {
                self.watch.note(at, Breach::UnknownEvent, || shown(other));
                return FromServer::Nothing;
            }
        }
        let part = message.get(event).and_then(Value::as_object);
        match event {
            "clear" => FromServer::Clear,
            "mark" => match part.and_then(|mark| mark.get("name")).and_then(Value::as_str) {
                Some(name) if !name.is_empty() => {
                    self.watch.mark();
                    FromServer::Mark(name.to_owned())
                }
                _ => {
                    self.watch.note(at, Breach::MarkName, || "no name".to_owned());
                    FromServer::Nothing
                }
            },
            _ => {
                self.numbers(at, &message);
                self.media(at, part.and_then(|media| media.get("payload")), waiting)
            }
        }
    }

    fn keys(&mut self, at: Tick, message: &serde_json::Map<String, Value>) {
        let inner = message.values().filter_map(Value::as_object).flat_map(serde_json::Map::keys);
        let camel = message.keys().chain(inner).find(|key| key.chars().any(|c| c.is_ascii_uppercase()));
        if let Some(key) = camel {
            let key = shown(key);
            self.watch.note(at, Breach::CamelCase, || key);
        }
    }

    fn stream_of(&mut self, at: Tick, message: &serde_json::Map<String, Value>) {
        let stream = message.get("stream_sid");
        if stream.and_then(Value::as_str) != Some(self.stream.as_str()) {
            let seen = stream.map_or_else(|| "none".to_owned(), |stream| shown(&stream.to_string()));
            self.watch.note(at, Breach::WrongStream, || seen);
        }
    }

    fn numbers(&mut self, at: Tick, message: &serde_json::Map<String, Value>) {
        let media = message.get("media").and_then(Value::as_object);
        let inner = |key: &'static str| (key, media.and_then(|media| media.get(key)));
        let all = [("sequence_number", message.get("sequence_number")), inner("chunk"), inner("timestamp")];
        for (key, value) in all {
            let Some(value) = value else { continue };
            if value.as_str().is_none_or(|text| text.parse::<u64>().is_err()) {
                self.watch.note(at, Breach::NumberType, || format!("{key}: {}", shown(&value.to_string())));
            }
        }
        let Some(sequence) = message.get("sequence_number") else { return };
        let number = sequence.as_str().map_or_else(|| sequence.as_i64(), |text| text.parse().ok());
        if let (Some(last), Some(number)) = (self.sequence, number)
            && number <= last
        {
            self.watch.note(at, Breach::Sequence, || format!("{number} after {last}"));
        }
        self.sequence = number.or(self.sequence);
    }

    fn media(&mut self, at: Tick, payload: Option<&Value>, waiting: Micros) -> FromServer {
        let decoded = payload.and_then(Value::as_str).and_then(|text| STANDARD.decode_to_vec(text).ok());
        let Some(bytes) = decoded else {
            let seen = payload.map_or_else(|| "no payload".to_owned(), |payload| shown(&payload.to_string()));
            self.watch.note(at, Breach::BadBase64, || seen);
            return FromServer::Nothing;
        };
        let length = bytes.len();
        let seen = || format!("{length} bytes");
        if length % 2 == 1 {
            self.watch.note(at, Breach::OddBytes, seen);
        }
        if !length.is_multiple_of(UNIT) {
            self.watch.note(at, Breach::ChunkMultiple, seen);
        }
        match length {
            0..UNIT => self.watch.note(at, Breach::ChunkTiny, seen),
            UNIT..SMALL => self.watch.note(at, Breach::ChunkSmall, seen),
            SMALL..=LARGE => {}
            _ => self.watch.note(at, Breach::ChunkLarge, seen),
        }
        if !self.watch.is_started() {
            self.watch.note(at, Breach::BeforeStart, seen);
        }
        if self.watch.is_late(at) {
            self.watch.note(at, Breach::AfterStop, seen);
        }
        let samples: Vec<i16> =
            bytes.as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect();
        if let Some(waits) = self.watch.audio(at, &samples, waiting) {
            self.watch.note(at, Breach::Burst, || format!("{:.1} s waiting", waits.as_ms() / 1000.0));
        }
        FromServer::Media(bytes)
    }
}

#[cfg(test)]
mod tests {
    use carriers::exotel::Writer;

    use super::*;
    use crate::watch::Watching as _;

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
        checker.watch.started(Tick(0));
        checker
    }

    fn breaches(checker: &Checker) -> Vec<Breach> {
        checker.watch.noted(NOW).iter().map(|noted| noted.breach).collect()
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
        assert_eq!(checker.watch.first_sound(), Some(Tick(100_000)));
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
            let noted = checker.watch.noted(Tick(2));
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
        checker.watch.stopped(Tick(1), Micros(0));
        checker.text(Tick(2), &with(sid, &whole), Micros(0));
        let noted: Vec<Breach> = checker.watch.noted(Tick(3)).iter().map(|noted| noted.breach).collect();
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
        answered.watch.caller_spoke(Tick(1_500_000));
        say(&mut answered, &mut writer.clone(), 2_500, &noise(8_000, 2));
        assert_eq!(breaches(&answered), []);
        say(&mut checker, &mut writer, 2_500, &noise(8_000, 2));
        assert_eq!(breaches(&checker), [Breach::TwoGreetings]);
    }
}
