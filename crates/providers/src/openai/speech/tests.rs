//! Requests, and answers in each of the forms that servers give them.

use audio::wav::header;

use super::*;
use crate::RoleOptions;
use crate::dialect::golden;

const EVENTS: &[u8] = include_bytes!("../../../../../fixtures/openai/speech.sse");

fn spec() -> VoiceSpec {
    VoiceSpec::at(SampleRate::HZ_8000)
}

/// The samples of an answer at every cut.
fn samples(content_type: &str, body: &[u8]) -> Result<(SampleRate, Vec<i16>), Fault> {
    let speech = Speech::new(golden::options(RoleOptions::default()));
    let read = |pieces: &[&[u8]]| {
        let mut decoder = speech.decoder(&spec(), content_type)?;
        let mut out = Vec::new();
        for piece in pieces {
            decoder.bytes(piece, &mut out)?;
        }
        decoder.end(&mut out)?;
        Ok((decoder.rate(), out))
    };
    let whole = read(&[body]);
    for cut in 0..=body.len() {
        assert_eq!(read(&[&body[..cut], &body[cut..]]), whole, "cut at {cut}");
    }
    whole
}

#[test]
fn the_request_is_the_documented_one() {
    let body = r#"{"instructions":"calm","speed":1.1}"#;
    let role = RoleOptions {
        voice: Some("marin".to_owned()),
        body: serde_json::from_str(body).unwrap(),
        ..RoleOptions::default()
    };
    let request = Speech::new(golden::options(role)).request("नमस्ते", &spec());
    golden::assert_golden(&request, include_str!("../../../../../fixtures/openai/speech-request.json"));
}

#[test]
fn the_content_type_says_what_comes() {
    let at = |rate| move |samples: &[i16]| Ok((rate, samples.to_vec()));
    let (as_asked, lower) = (at(SampleRate::HZ_24000), at(SampleRate::HZ_16000));
    assert_eq!(samples("audio/pcm", &[1, 0, 2, 0, 9]), as_asked(&[1, 2]));
    assert_eq!(samples("application/octet-stream", b"RIFF"), as_asked(&[0x4952, 0x4646]));
    assert_eq!(samples("audio/pcm; rate=16000", &[1, 0]), lower(&[1]));
    let mut wav = header(SampleRate::HZ_16000, 1, 4).to_vec();
    wav.extend([1, 0, 2, 0]);
    assert_eq!(samples("audio/wav", &wav), lower(&[1, 2]));
    assert_eq!(samples("audio/pcm", &wav), lower(&[1, 2]));
    assert_eq!(samples("text/event-stream; charset=utf-8", EVENTS), as_asked(&[1, 2, -1]));
}

#[test]
fn what_is_no_sound_is_garbage() {
    let class = |content_type: &str, body: &[u8]| samples(content_type, body).unwrap_err().class;
    assert_eq!(class("text/html", b""), FaultClass::Garbage);
    assert_eq!(class("application/json", b"{}"), FaultClass::Garbage);
    assert_eq!(class("audio/mpeg", b""), FaultClass::Garbage);
    assert_eq!(class("audio/wav", b"<html>"), FaultClass::Garbage);
    let first = EVENTS.windows(2).position(|pair| pair == b"\n\n").unwrap();
    assert_eq!(class("text/event-stream", &EVENTS[..first]), FaultClass::Network);
    assert_eq!(class("text/event-stream", b"data: {\n\n"), FaultClass::Garbage);
    let failed = br#"data: {"error":{"message":"m","type":"server_error"}}"#;
    assert_eq!(class("text/event-stream", failed), FaultClass::Busy);
}
