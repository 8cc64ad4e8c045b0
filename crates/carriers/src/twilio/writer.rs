//! What is sent to Twilio: audio, marks and clears and nothing else, with nothing in them that the documents do not
//! have (Twilio, "Media Streams: WebSocket messages"; anything more is warning 31951 or 31924 there).

use base64_simd::STANDARD;

use crate::sound::write_mulaw;

/// Samples of 20 ms. Audio goes out in whole multiples of this: in other sizes it is said to stutter.
const UNIT: usize = 160;

/// Writes one stream's messages into a buffer that it keeps: nothing is allocated for a frame once the buffer has
/// grown to its size.
#[derive(Debug, Clone)]
pub struct Writer {
    /// The stream's id as a JSON string with its quotes.
    stream: String,
    /// Mu-law codes that wait for more.
    codes: Vec<u8>,
    text: String,
}

impl Writer {
    /// For the stream of this id.
    pub fn new(stream_sid: &str) -> Self {
        let stream = serde_json::Value::from(stream_sid).to_string();
        Self { stream, codes: Vec::new(), text: String::new() }
    }

    /// A message of audio at 8000 Hz: all whole units of 160 samples there are. What is left over goes with the next;
    /// `None` when that is all.
    pub fn media(&mut self, pcm: &[i16]) -> Option<&str> {
        write_mulaw(pcm, &mut self.codes);
        let whole = self.codes.len() / UNIT * UNIT;
        if whole == 0 {
            return None;
        }
        self.open("media");
        self.text.push_str(",\"media\":{\"payload\":\"");
        STANDARD.encode_append(&self.codes[..whole], &mut self.text);
        self.text.push_str("\"}}");
        self.codes.drain(..whole);
        Some(&self.text)
    }

    /// A message that asks to be told when everything before it was played. Audio that fills no unit yet comes after
    /// it.
    pub fn mark(&mut self, name: &str) -> &str {
        self.open("mark");
        self.text.push_str(",\"mark\":{\"name\":");
        self.text.push_str(&serde_json::Value::from(name).to_string());
        self.text.push_str("}}");
        &self.text
    }

    /// A message that drops what was sent and not yet played, and what waits here.
    pub fn clear(&mut self) -> &str {
        self.codes.clear();
        self.open("clear");
        self.text.push('}');
        &self.text
    }

    fn open(&mut self, event: &str) {
        self.text.clear();
        self.text.push_str("{\"event\":\"");
        self.text.push_str(event);
        self.text.push_str("\",\"streamSid\":");
        self.text.push_str(&self.stream);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SID: &str = "MZbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    #[test]
    fn messages_are_written_to_the_letter() {
        let mut writer = Writer::new(SID);
        let media = writer.media(&[0; 160]).unwrap();
        let silence = STANDARD.encode_to_string([0xFF; 160]);
        assert_eq!(silence.len(), 216);
        assert_eq!(
            media,
            format!(r#"{{"event":"media","streamSid":"{SID}","media":{{"payload":"{silence}"}}}}"#)
        );
        assert_eq!(
            writer.mark("greeting_done"),
            format!(r#"{{"event":"mark","streamSid":"{SID}","mark":{{"name":"greeting_done"}}}}"#)
        );
        assert_eq!(writer.clear(), format!(r#"{{"event":"clear","streamSid":"{SID}"}}"#));
    }

    #[test]
    fn audio_goes_out_in_whole_units_and_none_is_lost_or_moved() {
        let mut writer = Writer::new(SID);
        let (mut sent, mut at) = (Vec::new(), 0i16);
        for length in [1, 159, 160, 161, 7, 1600, 0, 333, 59] {
            let pcm: Vec<i16> = (0..length).map(|step| (at + step) * 8).collect();
            at += length;
            if let Some(text) = writer.media(&pcm) {
                let message: serde_json::Value = serde_json::from_str(text).unwrap();
                let payload = message["media"]["payload"].as_str().unwrap();
                let codes = STANDARD.decode_to_vec(payload).unwrap();
                assert!(!codes.is_empty() && codes.len().is_multiple_of(UNIT), "{}", codes.len());
                sent.extend(codes);
            }
        }
        let all: Vec<i16> = (0..at).map(|step| step * 8).collect();
        let mut wanted = Vec::new();
        write_mulaw(&all, &mut wanted);
        assert_eq!(sent, wanted[..2400]);
        assert_eq!(writer.codes, wanted[2400..]);
        writer.clear();
        assert_eq!(writer.media(&[0; 159]), None, "what waited is gone");
    }

    #[test]
    fn ids_and_names_are_escaped() {
        let mut writer = Writer::new("a\"b\\");
        let mark: serde_json::Value = serde_json::from_str(writer.mark("x\"\n\u{1}y")).unwrap();
        assert_eq!(
            (mark["streamSid"].as_str(), mark["mark"]["name"].as_str()),
            (Some("a\"b\\"), Some("x\"\n\u{1}y"))
        );
    }

    #[test]
    fn the_buffers_are_kept() {
        let mut writer = Writer::new(SID);
        writer.media(&[0; 1600]);
        let (text, codes) = (writer.text.as_ptr(), writer.codes.as_ptr());
        for _ in 0..100 {
            writer.media(&[0; 1600]);
        }
        assert_eq!((text, codes), (writer.text.as_ptr(), writer.codes.as_ptr()));
    }
}
