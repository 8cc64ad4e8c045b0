//! What is asked of the voice over HTTP, and what is made of its answers.

use audio::SampleRate;
use call::FaultClass;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::deepgram::account::tests::account;
use crate::dialect::Body;
use crate::{QueryValue, RoleOptions};

fn speak(role: RoleOptions) -> Speak {
    Speak::new(account(role))
}

fn spec(rate: SampleRate) -> VoiceSpec {
    VoiceSpec::at(rate)
}

fn decode(content_type: &str, pieces: &[&[u8]]) -> Result<(SampleRate, Vec<i16>), Fault> {
    let mut decoder = speak(RoleOptions::default()).decoder(&spec(SampleRate::HZ_8000), content_type)?;
    let mut samples = Vec::new();
    for piece in pieces {
        decoder.bytes(piece, &mut samples)?;
    }
    decoder.end(&mut samples)?;
    Ok((decoder.rate(), samples))
}

#[test]
fn the_calls_own_rate_is_asked_for_where_there_is_one() {
    let speak = speak(RoleOptions::default());
    let request = speak.request("Good morning.", &spec(SampleRate::HZ_8000));
    let url = "https://api.deepgram.com/v1/speak?model=aura-2-thalia-en&encoding=linear16&sample_rate=8000\
               &container=none";
    assert_eq!(request.url.as_str(), url);
    let Body::Json(body) = request.body else { panic!() };
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), json!({"text": "Good morning."}));
    let odd = speak.request("x", &spec(SampleRate::HZ_22050)).url;
    assert!(odd.as_str().contains("sample_rate=24000"), "{odd}");
}

#[test]
fn the_operators_voice_and_format_count() {
    let role = RoleOptions {
        voice: Some("aura-2-orion-en".to_owned()),
        query: [
            ("encoding".to_owned(), QueryValue::Text("mulaw".to_owned())),
            ("sample_rate".to_owned(), QueryValue::Integer(16_000)),
        ]
        .into(),
        ..RoleOptions::default()
    };
    let speak = speak(role);
    let url = speak.request("x", &spec(SampleRate::HZ_8000)).url;
    assert_eq!(url.query(), Some("model=aura-2-orion-en&container=none&encoding=mulaw&sample_rate=16000"));
    let mut decoder = speak.decoder(&spec(SampleRate::HZ_8000), "application/octet-stream").unwrap();
    let mut samples = Vec::new();
    decoder.bytes(&[0xFF, 0x00], &mut samples).unwrap();
    assert_eq!((decoder.rate(), samples), (SampleRate::HZ_16000, vec![0, -32_124]));
}

#[test]
fn a_header_that_nobody_asked_for_is_no_click() {
    let mut file = audio::wav::header(SampleRate::HZ_16000, 1, u64::from(u32::MAX)).to_vec();
    file.extend([1, 0, 2, 0]);
    for at in 0..file.len() {
        let (head, tail) = file.split_at(at);
        assert_eq!(decode("audio/l16", &[head, tail]).unwrap(), (SampleRate::HZ_16000, vec![1, 2]), "{at}");
    }
    // With chunks that mean nothing before the samples.
    let listed = [&file[..36], b"LIST\x03\0\0\0abc\0", &file[36..]].concat();
    assert_eq!(decode("audio/wav", &[&listed]).unwrap().1, [1, 2]);
}

#[test]
fn what_is_no_speech_is_refused() {
    let class = |content_type: &str, body: &[u8]| decode(content_type, &[body]).unwrap_err().class;
    let apology = br#"{"err_code":"INVALID_AUTH","err_msg":"Invalid credentials."}"#;
    assert_eq!(class("application/json", apology), FaultClass::Auth);
    assert_eq!(class("application/json; charset=utf-8", b"{}"), FaultClass::Garbage);
    assert_eq!(class("text/html", b"<html>"), FaultClass::Garbage);
    assert_eq!(class("audio/mpeg", b"ID3"), FaultClass::Garbage);
    assert_eq!(class("audio/l16", b"RIFF"), FaultClass::Garbage);
    assert_eq!(decode("audio/l16", &[b"RI"]).unwrap().1.len(), 1);
    assert_eq!(decode("audio/l16;rate=16000", &[&[1, 0]]).unwrap(), (SampleRate::HZ_16000, vec![1]));
    assert!(decode("", &[]).unwrap().1.is_empty());
}

proptest! {
    #[test]
    fn any_cutting_gives_the_same_samples(bytes: Vec<u8>, cut in 1..9_usize) {
        let whole = decode("audio/l16", &[&bytes]);
        let pieces: Vec<&[u8]> = bytes.chunks(cut).collect();
        prop_assert_eq!(whole, decode("audio/l16", &pieces));
    }
}
