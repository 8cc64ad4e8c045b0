//! Exotel's wire as fixtures show it: golden messages with what they mean, whole calls in every spelling, and
//! whatever else may come, which must never panic.

use audio::{Pcm, SampleRate};
use base64_simd::STANDARD;
use call::CarrierEvent;
use carriers::exotel::{ConnectRequest, SocketQuery, StreamReport, Writer};
use carriers::{Carrier, Finding, Read, Reader};
use proptest::prelude::*;
use serde_json::{Value, json};

const GOLDEN: &str = include_str!("../../../fixtures/exotel/golden.jsonl");
const STRINGS: &str = include_str!("../../../fixtures/exotel/call-strings.jsonl");
const NUMBERS: &str = include_str!("../../../fixtures/exotel/call-numbers.jsonl");
const CAMEL: &str = include_str!("../../../fixtures/exotel/call-camel.jsonl");

fn start(stream: &str) -> String {
    json!({"event": "start", "stream_sid": stream, "start": {}}).to_string()
}

fn media(payload: &str) -> String {
    json!({"event": "media", "media": {"payload": payload}}).to_string()
}

fn started() -> Reader {
    let mut reader = Reader::new(Carrier::Exotel, None);
    assert_eq!(reader.read(&start("s")).finding, None);
    reader
}

fn samples(read: &Read) -> Vec<i16> {
    match &read.event {
        Some(CarrierEvent::Audio(pcm)) => pcm.to_vec(),
        None => Vec::new(),
        Some(other) => panic!("{other:?} is not audio"),
    }
}

#[test]
fn golden_messages_mean_what_they_should() {
    for line in GOLDEN.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let name = case["name"].as_str().unwrap();
        let rate = case["query_rate"].as_u64().map(|hz| SampleRate::try_from(hz as u32).unwrap());
        let read = Reader::new(Carrier::Exotel, rate).read(case["text"].as_str().unwrap());
        assert_eq!(serde_json::to_value(&read.event).unwrap(), case["event"], "{name}");
        assert_eq!(read.finding.map(Finding::as_str), case["finding"].as_str(), "{name}");
        assert!(!read.fatal, "{name}");
    }
}

#[test]
fn a_call_means_the_same_in_every_spelling() {
    let events = |call: &str, odd: Option<Finding>| -> Vec<CarrierEvent> {
        let mut reader = Reader::new(Carrier::Exotel, None);
        let read = |line: &str| {
            let read = reader.read(line);
            assert!(read.finding.is_none() || read.finding == odd, "{line}: {:?}", read.finding);
            read.event.unwrap_or_else(|| panic!("nothing understood: {line}"))
        };
        call.lines().map(read).collect()
    };
    let strings = events(STRINGS, None);
    assert_eq!(strings.len(), 12);
    assert_eq!(events(NUMBERS, None), strings);
    assert_eq!(events(CAMEL, Some(Finding::CamelCase)), strings);
    let CarrierEvent::Start(start) = &strings[1] else { panic!("{:?}", strings[1]) };
    assert_eq!((start.custom["lead_id"].as_str(), start.rate), ("42", SampleRate::HZ_8000));
    assert!(matches!(&strings[2], CarrierEvent::Audio(pcm) if pcm.len() == 160));
}

#[test]
fn frames_of_20_ms_have_the_lengths_of_captured_ones() {
    // Captured frames of an all-strings stream with an id of 32 characters: 567 characters at sequence 2, 572 at
    // 100, 575 at 1000; with numbers 563, 568 and 571.
    let sid = "3fa1c2d4e5b60718293a4b5c6d7e8f18";
    let payload = STANDARD.encode_to_string([0; 320]);
    let frame = |sequence: u64, quote: &str| {
        let chunk = sequence - 1;
        let timestamp = chunk * 20;
        format!(
            "{{\"event\":\"media\",\"stream_sid\":\"{sid}\",\"sequence_number\":{quote}{sequence}{quote},\
             \"media\":{{\"chunk\":{quote}{chunk}{quote},\"timestamp\":\"{timestamp}\",\"payload\":\"{payload}\"}}}}"
        )
    };
    let lengths = |quote| [2, 100, 1000].map(|sequence| frame(sequence, quote).len());
    assert_eq!(lengths("\""), [567, 572, 575]);
    assert_eq!(lengths(""), [563, 568, 571]);
    let mut writer = Writer::new(sid, SampleRate::HZ_8000);
    // Ours counts sequence and chunk alike from 1 and time from 0.
    assert_eq!(writer.media(&[0; 160]).len(), 566);
    let mut reader = started();
    assert_eq!(samples(&reader.read(&frame(100, ""))), [0; 160]);
    for (bytes, characters) in [(160, 216), (320, 428), (640, 856), (960, 1280), (3200, 4268)] {
        assert_eq!(STANDARD.encode_to_string(vec![0; bytes]).len(), characters);
    }
}

#[test]
fn half_a_sample_waits_for_the_next_frame() {
    let mut reader = started();
    let first = reader.read(&media("NBI="));
    assert_eq!((samples(&first), first.finding), (vec![0x1234], None));
    let odd = reader.read(&media("NA=="));
    assert_eq!((odd.event, odd.finding), (None, Some(Finding::OddByte)));
    assert_eq!(samples(&reader.read(&media("EjQS"))), [0x1234, 0x1234]);
}

#[test]
fn base64_is_read_leniently_and_its_absence_is_no_harm() {
    let mut reader = started();
    for payload in ["-_8A", "+/8A", " +/\n8A ", "NBI"] {
        let read = reader.read(&media(payload));
        assert_ne!(read.finding, Some(Finding::BadBase64), "{payload}");
    }
    assert_eq!(reader.read(&media("!!!!")).finding, Some(Finding::BadBase64));
    assert_eq!(reader.read(&media("")).finding, Some(Finding::EmptyAudio));
    assert_eq!(reader.read(&media(" \n")).finding, Some(Finding::LenientBase64));
    assert_eq!(reader.read(r#"{"event":"media"}"#).finding, Some(Finding::BadShape));
    assert_eq!(reader.read(r#"{"event":"media","media":{}}"#).finding, Some(Finding::EmptyAudio));
    let long = media(&"A".repeat(1 << 20));
    assert_eq!(reader.read(&long).finding, Some(Finding::TooLong));
}

#[test]
fn a_stream_starts_once() {
    let mut reader = Reader::new(Carrier::Exotel, None);
    assert!(matches!(reader.read(&start("s")).event, Some(CarrierEvent::Start(_))));
    let again = reader.read(&start("s"));
    assert_eq!((again.event, again.finding), (None, Some(Finding::RepeatedStart)));
    let other = reader.read(&start("t"));
    assert_eq!((other.event, other.finding), (None, Some(Finding::OtherStream)));
    assert_eq!(reader.stream(), "s");
    let foreign = reader.read(r#"{"event":"media","stream_sid":"t","media":{"payload":"AAA="}}"#);
    assert_eq!((samples(&foreign), foreign.finding), (vec![0], Some(Finding::OtherStream)));
}

#[test]
fn a_call_can_start_on_audio_and_learn_its_rate_later() {
    let mut reader = Reader::new(Carrier::Exotel, Some(SampleRate::HZ_16000));
    let early = reader.read(r#"{"event":"media","stream_sid":"s","media":{"payload":"AAA="}}"#);
    assert_eq!((samples(&early), early.finding), (vec![0], Some(Finding::MediaBeforeStart)));
    assert_eq!((reader.stream(), reader.rate()), ("s", SampleRate::HZ_16000));
    let late =
        json!({"event": "start", "stream_sid": "s", "start": {"media_format": {"sample_rate": "24000"}}});
    assert!(matches!(reader.read(&late.to_string()).event, Some(CarrierEvent::Start(_))));
    assert_eq!(reader.rate(), SampleRate::HZ_24000);
}

#[test]
fn nothing_counts_after_the_stop() {
    let mut reader = started();
    assert!(matches!(reader.read(r#"{"event":"stop"}"#).event, Some(CarrierEvent::Stop { .. })));
    for text in [r#"{"event":"stop"}"#, &media("AAA="), &start("s"), r#"{"event":"clear"}"#] {
        let read = reader.read(text);
        assert_eq!((read.event, read.finding), (None, Some(Finding::AfterStop)));
    }
}

#[test]
fn twenty_unreadable_messages_in_a_row_are_enough() {
    let mut reader = started();
    for round in 0..3 {
        for i in 0..19 {
            assert!(!reader.read("{").fatal, "{round} {i}");
        }
        assert!(!reader.read(r#"{"event":"silence"}"#).fatal);
    }
    for _ in 0..19 {
        assert!(!reader.read("[]").fatal);
    }
    assert!(reader.read("{").fatal);
    let counts: Vec<_> = reader.counts().collect();
    assert_eq!(counts, [(Finding::BadJson, 58), (Finding::BadShape, 19), (Finding::UnknownEvent, 3)]);
}

#[test]
fn unknown_events_are_told_once_each_and_bounded() {
    let mut reader = started();
    let event = |i: usize| json!({"event": format!("odd-{i}")}).to_string();
    let told = (0..100).filter(|i| reader.read(&event(i % 50)).finding.is_some()).count();
    assert_eq!((told, reader.unknown_events().count()), (16, 16));
    assert_eq!(reader.counts().collect::<Vec<_>>(), [(Finding::UnknownEvent, 100)]);
}

#[test]
fn binary_frames_count_only_if_they_hold_json() {
    let mut reader = started();
    for _ in 0..100 {
        let noise = reader.binary(&[0xFF, 0x00, 0x12]);
        assert_eq!(noise, Read { event: None, finding: Some(Finding::Binary), fatal: false });
        assert_eq!(reader.binary(b"{\"event\":").event, None);
    }
    let text = reader.binary(media("AAA=").as_bytes());
    assert_eq!((samples(&text), text.finding), (vec![0], Some(Finding::Binary)));
}

#[test]
fn lost_messages_floods_and_wrong_rates_are_noticed() {
    let numbered = |sequence: u64, bytes: usize| {
        json!({"event": "media", "sequence_number": sequence.to_string(), "media": {
            "timestamp": (sequence * 20).to_string(), "payload": STANDARD.encode_to_string(vec![0; bytes])}})
        .to_string()
    };
    let mut reader = started();
    assert_eq!(reader.read(&numbered(2, 320)).finding, None);
    assert_eq!(reader.read(&numbered(5, 320)).finding, Some(Finding::SequenceGap));
    assert_eq!(reader.read(&numbered(5, 320)).finding, Some(Finding::SequenceRepeat));
    let mut reader = started();
    let found: Vec<_> =
        (2..500).filter_map(|sequence| reader.read(&numbered(sequence, 640)).finding).collect();
    assert_eq!(found, [Finding::RateMismatch]);
    let mut reader = started();
    let key = json!({"event": "dtmf", "dtmf": {"digit": "1"}}).to_string();
    let taken = (0..50).filter(|_| reader.read(&key).event.is_some()).count();
    assert_eq!(taken, 20);
    assert_eq!(reader.read(&key).finding, Some(Finding::DtmfFlood));
}

/// A piece of JSON as a hostile peer may send it: right words in wrong places.
fn message() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("event"),
        Just("media"),
        Just("start"),
        Just("stream_sid"),
        Just("streamSid"),
        Just("payload"),
        Just("sequence_number"),
        Just("custom_parameters"),
        Just("media_format"),
        Just("sample_rate"),
        Just("timestamp"),
        Just("digit"),
        Just("name"),
        Just("dtmf"),
        Just("mark"),
        Just("stop"),
        Just("clear"),
    ];
    let leaf = prop_oneof![
        word.clone().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
        "[A-Za-z0-9+/=_-]{0,40}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    let tree = leaf.prop_recursive(3, 32, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((word.clone(), inner), 0..6)
                .prop_map(|pairs| pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    });
    let event = prop_oneof![
        Just("media"),
        Just("start"),
        Just("dtmf"),
        Just("mark"),
        Just("stop"),
        Just("clear"),
        Just("connected")
    ];
    (event, tree).prop_map(|(event, mut tree)| {
        if let Value::Object(members) = &mut tree {
            members.insert("event".to_owned(), event.into());
        }
        tree.to_string()
    })
}

proptest! {
    #[test]
    fn no_text_panics(texts in proptest::collection::vec(any::<String>(), 0..8)) {
        let mut reader = Reader::new(Carrier::Exotel, None);
        for text in &texts {
            reader.read(text);
            reader.binary(text.as_bytes());
            SocketQuery::parse(text);
            ConnectRequest::parse(text, Some(text), text.as_bytes());
            StreamReport::parse(text, Some(text), text.as_bytes());
        }
    }

    #[test]
    fn no_sequence_of_messages_panics_or_starts_twice(
        messages in proptest::collection::vec(message(), 0..40),
    ) {
        let mut reader = Reader::new(Carrier::Exotel, None);
        let mut starts = 0;
        let mut stops = 0;
        for message in &messages {
            match reader.read(message).event {
                Some(CarrierEvent::Start(_)) => starts += 1,
                Some(CarrierEvent::Stop { .. }) => stops += 1,
                _ => {}
            }
        }
        prop_assert!(starts <= 1 && stops <= 1);
        prop_assert!(reader.unknown_events().count() <= 16);
    }

    #[test]
    fn any_split_of_audio_gives_the_same_samples(pieces: Vec<Vec<u8>>) {
        let mut reader = started();
        let heard: Vec<i16> = pieces
            .iter()
            .flat_map(|piece| samples(&reader.read(&media(&STANDARD.encode_to_string(piece)))))
            .collect();
        prop_assert_eq!(&heard[..], &Pcm::from_le_bytes(&pieces.concat())[..]);
    }

    #[test]
    fn what_is_written_is_read_strictly(
        stream: String,
        name: String,
        frames in proptest::collection::vec(proptest::collection::vec(any::<i16>(), 0..400), 1..5),
    ) {
        let mut writer = Writer::new(&stream, SampleRate::HZ_16000);
        let mut before = 0;
        for (i, frame) in frames.iter().enumerate() {
            let message: Value = serde_json::from_str(writer.media(frame)).unwrap();
            let bytes: Vec<u8> = frame.iter().flat_map(|sample| sample.to_le_bytes()).collect();
            prop_assert_eq!(message, json!({
                "event": "media",
                "stream_sid": stream,
                "sequence_number": (i + 1).to_string(),
                "media": {
                    "chunk": (i + 1).to_string(),
                    "timestamp": (before * 1000 / 16_000).to_string(),
                    "payload": STANDARD.encode_to_string(&bytes),
                },
            }));
            before += frame.len();
        }
        let mark: Value = serde_json::from_str(writer.mark(&name)).unwrap();
        prop_assert_eq!(mark, json!({"event": "mark", "stream_sid": stream, "mark": {"name": name}}));
        let clear: Value = serde_json::from_str(writer.clear()).unwrap();
        prop_assert_eq!(clear, json!({"event": "clear", "stream_sid": stream}));
    }
}
