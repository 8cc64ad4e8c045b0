//! Twilio's wire as its documents show it, and whatever else may come, which must never panic.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use audio::SampleRate;
use base64_simd::STANDARD;
use call::CarrierEvent;
use carriers::{Carrier, Finding, Reader, Writer};
use proptest::prelude::*;
use records::EndReason;
use serde_json::json;

const CALL: &str = include_str!("../../../fixtures/twilio/call.jsonl");

fn reader() -> Reader {
    Reader::new(Carrier::Twilio, None)
}

fn started() -> Reader {
    let mut reader = reader();
    for line in CALL.lines().take(2) {
        assert_eq!(reader.read(line).finding, None);
    }
    reader
}

fn media(payload: &[u8]) -> String {
    let payload = STANDARD.encode_to_string(payload);
    json!({"event": "media", "streamSid": format!("MZ{}", "b".repeat(32)), "media": {"payload": payload}})
        .to_string()
}

#[test]
fn a_call_of_the_documents_is_understood_without_a_finding() {
    let mut reader = reader();
    let mut events = Vec::new();
    for line in CALL.lines() {
        let read = reader.read(line);
        let (finding, fatal) = (read.finding.filter(|found| *found != Finding::SequenceGap), read.fatal);
        assert_eq!((finding, fatal), (None, false), "{line}");
        events.extend(read.event);
    }
    let [connected, start, audio, dtmf, mark, stop] = &events[..] else { panic!("{events:?}") };
    assert_eq!(connected, &CarrierEvent::Connected);
    let CarrierEvent::Start(start) = start else { panic!("{start:?}") };
    assert_eq!(start.stream, format!("MZ{}", "b".repeat(32)));
    assert_eq!(start.call, Some(format!("CA{}", "c".repeat(32))));
    assert_eq!(start.account, Some(format!("AC{}", "a".repeat(32))));
    assert_eq!((start.from.as_deref(), start.to.as_deref()), (Some("+12025550123"), None));
    assert_eq!(start.custom.iter().collect::<Vec<_>>(), [(&"call_ref".to_owned(), &"c-42".to_owned())]);
    assert_eq!(start.rate, SampleRate::HZ_8000);
    assert_eq!(start.least_chunk, Some(480));
    assert!(matches!(audio, CarrierEvent::Audio(pcm) if pcm.len() == 160));
    assert_eq!(dtmf, &CarrierEvent::Dtmf { digit: '1' });
    assert_eq!(mark, &CarrierEvent::Mark { name: "greeting_done".to_owned() });
    assert_eq!(stop, &CarrierEvent::Stop { reason: EndReason::CallerHungUp, word: String::new() });
}

#[test]
fn other_spellings_and_types_mean_the_same_and_are_counted() {
    let wanted: Vec<_> = CALL.lines().scan(reader(), |reader, line| Some(reader.read(line).event)).collect();
    let snake = CALL
        .replace("streamSid", "stream_sid")
        .replace("sequenceNumber", "sequence_number")
        .replace("callSid", "call_sid")
        .replace("accountSid", "account_sid")
        .replace("customParameters", "custom_parameters")
        .replace("mediaFormat", "media_format");
    let mut other = reader();
    let found: Vec<_> = snake.lines().map(|line| other.read(line).event).collect();
    assert_eq!(found, wanted);
    assert!(other.counts().any(|(finding, count)| finding == Finding::SnakeCase && count >= 5));
    let numbers =
        CALL.replace("\"sequenceNumber\":\"1\"", "\"sequenceNumber\":1").replace(":8000", ":\"8000\"");
    let mut other = reader();
    let found: Vec<_> = numbers.lines().map(|line| other.read(line).event).collect();
    assert_eq!(found, wanted);
}

#[test]
fn what_the_carrier_does_not_have_is_noted_and_not_believed() {
    let start = |format: &str| {
        let text = format!(
            r#"{{"event":"start","streamSid":"s","start":{{"callSid":"c","mediaFormat":{format}}}}}"#
        );
        let mut reader = reader();
        let finding = reader.read(&text).finding;
        (finding, reader.rate().hz())
    };
    assert_eq!(start(r#"{"encoding":"audio/x-mulaw","sampleRate":8000}"#), (None, 8000));
    assert_eq!(start(r#"{"sampleRate":16000}"#), (Some(Finding::UnsupportedRate), 8000));
    assert_eq!(start(r#"{"encoding":"audio/l16"}"#), (Some(Finding::UnsupportedEncoding), 8000));
    let mut reader = started();
    let theirs = json!({"event": "media", "media": {"track": "outbound", "payload": "AAAA"}}).to_string();
    let read = reader.read(&theirs);
    assert_eq!((read.event, read.finding), (None, Some(Finding::OtherTrack)));
}

#[test]
fn twenty_unreadable_messages_in_a_row_are_fatal_and_a_good_one_between_them_helps() {
    let mut reader = started();
    for _ in 0..19 {
        assert!(!reader.read("{\"event\":").fatal);
    }
    assert!(reader.read(&media(&[0xFF; 160])).event.is_some());
    let fatal: Vec<bool> = (0..20).map(|_| reader.read("nonsense").fatal).collect();
    assert_eq!(fatal.iter().position(|fatal| *fatal), Some(19));
}

fn echo(reader: &mut Reader, writer: &mut Writer, payload: &[u8]) -> Option<Vec<u8>> {
    let Some(CarrierEvent::Audio(pcm)) = reader.read(&media(payload)).event else { return None };
    let message: serde_json::Value = serde_json::from_str(writer.media(&pcm)?).unwrap();
    Some(STANDARD.decode_to_vec(message["media"]["payload"].as_str().unwrap()).unwrap())
}

proptest! {
    #[test]
    fn any_frame_goes_out_as_it_came_in(units in 1usize..8, seed in any::<u64>()) {
        let payload: Vec<u8> = (0..units as u64 * 160)
            .map(|index| (seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(index * index) >> 7) as u8)
            .collect();
        let (mut reader, mut writer) = (started(), Carrier::Twilio.writer("MZ1", SampleRate::HZ_8000));
        prop_assert_eq!(echo(&mut reader, &mut writer, &payload), Some(payload));
    }

    #[test]
    fn any_text_is_read(text in ".{0,300}") {
        let mut reader = started();
        reader.read(&text);
        reader.binary(text.as_bytes());
    }
}
