//! What is sent to Exotel: only shapes that every document and every known-good sender agree on. Snake case,
//! numbers as decimal strings, nothing extra on marks and clears (Exotel, "Working with the Stream and Voicebot
//! applet").

use audio::SampleRate;
use base64_simd::STANDARD;

/// Writes one stream's messages into a buffer that it keeps: nothing is allocated for a frame once the buffer has
/// grown to its size.
#[derive(Debug, Clone)]
pub struct Writer {
    rate: SampleRate,
    /// The stream's id as a JSON string with its quotes.
    stream: String,
    chunks: u64,
    samples: u64,
    bytes: Vec<u8>,
    text: String,
}

impl Writer {
    /// For the stream of this id, whose samples run at `rate`.
    pub fn new(stream_sid: &str, rate: SampleRate) -> Self {
        let stream = serde_json::Value::from(stream_sid).to_string();
        Self { rate, stream, chunks: 0, samples: 0, bytes: Vec::new(), text: String::new() }
    }

    /// A message of audio. Its timestamp is how much audio went before it, in milliseconds.
    pub fn media(&mut self, pcm: &[i16]) -> &str {
        self.chunks += 1;
        let timestamp_ms = self.samples * 1000 / u64::from(self.rate.hz());
        self.samples += pcm.len() as u64;
        self.bytes.clear();
        self.bytes.extend(pcm.iter().flat_map(|sample| sample.to_le_bytes()));

        self.open("media");
        let mut digits = Digits::default();
        let chunk = digits.of(self.chunks);
        self.text.push_str(",\"sequence_number\":\"");
        self.text.push_str(chunk);
        self.text.push_str("\",\"media\":{\"chunk\":\"");
        self.text.push_str(chunk);
        self.text.push_str("\",\"timestamp\":\"");
        self.text.push_str(digits.of(timestamp_ms));
        self.text.push_str("\",\"payload\":\"");
        STANDARD.encode_append(&self.bytes, &mut self.text);
        self.text.push_str("\"}}");
        &self.text
    }

    /// A message that asks to be told when everything before it was played.
    pub fn mark(&mut self, name: &str) -> &str {
        self.open("mark");
        self.text.push_str(",\"mark\":{\"name\":");
        self.text.push_str(&serde_json::Value::from(name).to_string());
        self.text.push_str("}}");
        &self.text
    }

    /// A message that drops what was sent and not yet played.
    pub fn clear(&mut self) -> &str {
        self.open("clear");
        self.text.push('}');
        &self.text
    }

    fn open(&mut self, event: &str) {
        self.text.clear();
        self.text.push_str("{\"event\":\"");
        self.text.push_str(event);
        self.text.push_str("\",\"stream_sid\":");
        self.text.push_str(&self.stream);
    }
}

/// A number's decimal digits without an allocation and without the machinery of formatting.
#[derive(Default)]
struct Digits([u8; 20]);

impl Digits {
    fn of(&mut self, mut number: u64) -> &str {
        let mut from = self.0.len();
        loop {
            from -= 1;
            self.0[from] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        std::str::from_utf8(&self.0[from..]).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SID: &str = "3fa1c2d4e5b60718293a4b5c6d7e8f18";

    #[test]
    fn messages_are_written_to_the_letter() {
        let mut writer = Writer::new(SID, SampleRate::HZ_8000);
        let media = "{\"event\":\"media\",\"stream_sid\":\"3fa1c2d4e5b60718293a4b5c6d7e8f18\",\"sequence_number\":\"1\",\
                     \"media\":{\"chunk\":\"1\",\"timestamp\":\"0\",\"payload\":\"AAABAAIA\"}}";
        assert_eq!(writer.media(&[0, 1, 2]), media);
        assert_eq!(
            writer.mark("turn-3-end"),
            "{\"event\":\"mark\",\"stream_sid\":\"3fa1c2d4e5b60718293a4b5c6d7e8f18\",\"mark\":{\"name\":\"turn-3-end\"}}"
        );
        assert_eq!(
            writer.clear(),
            "{\"event\":\"clear\",\"stream_sid\":\"3fa1c2d4e5b60718293a4b5c6d7e8f18\"}"
        );
    }

    #[test]
    fn the_twelfth_chunk_of_200_ms_begins_at_2200() {
        let mut writer = Writer::new(SID, SampleRate::HZ_8000);
        for _ in 0..11 {
            writer.media(&[0; 1600]);
        }
        let twelfth = writer.media(&[0; 1600]);
        let head = "\"sequence_number\":\"12\",\"media\":{\"chunk\":\"12\",\"timestamp\":\"2200\",\"payload\":\"AAAA";
        assert!(twelfth.contains(head), "{}", &twelfth[..200]);
    }

    #[test]
    fn a_frame_of_20_ms_has_the_length_that_captures_show() {
        // The proof of Exotel's own form: 572 characters at sequence 100, 575 at 1000, where the timestamp has
        // four and five digits and the chunk one less than the sequence. Ours counts both from 1.
        let mut writer = Writer::new(SID, SampleRate::HZ_8000);
        let lengths: Vec<usize> = (0..1001).map(|_| writer.media(&[0; 160]).len()).collect();
        assert_eq!([lengths[0], lengths[99], lengths[999]], [566, 573, 576]);
    }

    #[test]
    fn ids_and_names_are_escaped() {
        let mut writer = Writer::new("a\"b\\", SampleRate::HZ_8000);
        let mark: serde_json::Value = serde_json::from_str(writer.mark("x\"\n\u{1}y")).unwrap();
        assert_eq!(
            (mark["stream_sid"].as_str(), mark["mark"]["name"].as_str()),
            (Some("a\"b\\"), Some("x\"\n\u{1}y"))
        );
        let clear: serde_json::Value = serde_json::from_str(writer.clear()).unwrap();
        assert_eq!(clear["stream_sid"], "a\"b\\");
    }

    #[test]
    fn the_buffer_is_kept() {
        let mut writer = Writer::new(SID, SampleRate::HZ_8000);
        writer.media(&[0; 1600]);
        let (text, bytes) = (writer.text.capacity(), writer.bytes.capacity());
        let place = writer.text.as_ptr();
        for _ in 0..100 {
            writer.media(&[0; 1600]);
        }
        assert_eq!(
            (text, bytes, place),
            (writer.text.capacity(), writer.bytes.capacity(), writer.text.as_ptr())
        );
    }
}
