//! The form, field by field, and what is read out of answers.

use audio::SampleRate;

use super::*;
use crate::RoleOptions;
use crate::dialect::golden;

fn spec(language: &str) -> ListenSpec {
    let phrases = vec!["order".to_owned(), "trunkline".to_owned()];
    ListenSpec { rate: SampleRate::HZ_8000, language: language.to_owned(), phrases }
}

/// The text fields in order, and the file.
fn form(role: RoleOptions, spec: &ListenSpec) -> (Vec<(String, String)>, Vec<u8>) {
    let request = Transcriptions::new(golden::options(role)).request(&[1, -2], spec);
    assert_eq!(request.url.as_str(), "https://vendor.example/v1/audio/transcriptions");
    let Body::Multipart(parts) = request.body else { panic!("{:?} is no form", request.body) };
    let (mut fields, mut file) = (Vec::new(), None);
    for part in parts {
        match part {
            Part::Text { name, value } => fields.push((name, value)),
            Part::File { name: "file", file_name: "utt.wav", content_type: "audio/wav", bytes } => {
                assert!(file.replace(bytes).is_none());
            }
            other @ Part::File { .. } => panic!("{other:?}"),
        }
    }
    fields.sort();
    (fields, file.unwrap())
}

fn fields(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn the_form_is_the_documented_one() {
    let (found, file) = form(RoleOptions::default(), &spec("en-IN"));
    assert_eq!(
        found,
        fields(&[
            ("language", "en"),
            ("model", "gpt-4o-mini-transcribe"),
            ("prompt", "order, trunkline"),
            ("response_format", "json"),
        ])
    );
    let sound = wav::read(&file).unwrap();
    assert_eq!((sound.rate, sound.channels, sound.samples), (SampleRate::HZ_8000, 1, vec![1, -2]));
}

#[test]
fn the_operators_fields_go_before_ours() {
    let body = r#"{"prompt":null,"temperature":0,"include":["logprobs"],"response_format":"verbose_json"}"#;
    let role = RoleOptions {
        model: Some("whisper-1".to_owned()),
        body: serde_json::from_str(body).unwrap(),
        ..RoleOptions::default()
    };
    let expected = fields(&[
        ("include[]", "logprobs"),
        ("model", "whisper-1"),
        ("response_format", "verbose_json"),
        ("temperature", "0"),
    ]);
    assert_eq!(form(role, &spec("kok-IN")).0, expected);
}

#[test]
fn a_text_is_taken_from_whatever_holds_one() {
    let ear = Transcriptions::new(golden::options(RoleOptions::default()));
    let text = |body: &str| ear.text(body.as_bytes()).map_err(|fault| fault.class);
    let answer = r#"{"text":" hello there ","usage":{"type":"duration","seconds":3}}"#;
    assert_eq!(text(answer).as_deref(), Ok("hello there"));
    assert_eq!(text(r#"{"text":""}"#).as_deref(), Ok(""));
    assert_eq!(text("<html>"), Err(FaultClass::Garbage));
    assert_eq!(text("hello"), Err(FaultClass::Garbage));
    assert_eq!(text(r#"{"task":"transcribe"}"#), Err(FaultClass::Garbage));
    assert_eq!(text(r#"{"error":{"message":"m","code":"insufficient_quota"}}"#), Err(FaultClass::Quota));
    let role = RoleOptions {
        body: serde_json::from_str(r#"{"response_format":"text"}"#).unwrap(),
        ..RoleOptions::default()
    };
    let plain = Transcriptions::new(golden::options(role));
    assert_eq!(plain.text(b"hello\n"), Ok("hello".to_owned()));
    assert!(plain.text(b"<html>").is_err());
}
