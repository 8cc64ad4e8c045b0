//! A socket full of messages from something that says it is Twilio, and the same bytes as a signed form, an unsigned
//! one and a voice webhook's pairs.

use call::CarrierEvent;
use carriers::twilio::signature::{Request, check, check_upgrade, pairs, sign};
use carriers::twilio::{VoiceRequest, twiml};
use carriers::{Carrier, Reader};

const TOKEN: &[u8] = b"12345";
const URL: &str = "https://gw.example.com/twilio/voice?call=1";

/// Each line is a message; one that is not text goes in as a binary frame. A stream starts at most once and stops at
/// most once, nothing comes after that, and mu-law audio goes out as it came in.
///
/// A form that was signed is taken, with any other signature it is refused, and no value breaks out of TwiML.
pub fn twilio_decode(data: &[u8]) {
    let mut reader = Reader::new(Carrier::Twilio, None);
    let (mut starts, mut stops) = (0, 0);
    for line in data.split(|byte| *byte == b'\n') {
        let read = match std::str::from_utf8(line) {
            Ok(text) => reader.read(text),
            Err(_) => reader.binary(line),
        };
        assert!(stops == 0 || read.event.is_none(), "{:?} after the stop", read.event);
        match read.event {
            Some(CarrierEvent::Start(start)) => {
                starts += 1;
                assert_eq!(start.rate.hz(), 8000, "the carrier has one rate");
                assert!(start.custom.len() <= 16 && start.stream.len() <= 1024, "a start is bounded");
            }
            Some(CarrierEvent::Audio(pcm)) => {
                assert!(!pcm.is_empty() && pcm.len() < line.len(), "audio comes out of its own message");
                let mut writer = Carrier::Twilio.writer("MZ1", start_rate());
                let whole = pcm.len() / 160 * 160;
                assert_eq!(writer.media(&pcm).is_some(), whole > 0, "whole units go out");
            }
            Some(CarrierEvent::Stop { .. }) => stops += 1,
            _ => {}
        }
    }
    assert!(starts <= 1 && stops <= 1, "{starts} starts and {stops} stops");
    assert!(reader.unknown_events().count() <= 16, "names of unknown events are bounded");

    let text = String::from_utf8_lossy(data);
    let fields = pairs(&text);
    let request = Request { url: URL, content_type: None, body: text.as_bytes() };
    let signature = sign(TOKEN, URL, &fields);
    assert_eq!(check(TOKEN, request, Some(&signature)), Ok(fields.clone()), "what was signed is taken");
    assert!(check(b"other", request, Some(&signature)).is_err(), "with another token it is not");
    assert!(check(TOKEN, request, Some(&text)).is_err(), "nobody guesses a signature");
    let _ = check_upgrade(TOKEN, &text, &text, Some(&signature));
    for kind in ["application/json", &*text] {
        let _ = check(TOKEN, Request { content_type: Some(kind), url: &text, ..request }, Some(&signature));
    }
    let voice = VoiceRequest::of(&fields);
    let parameters = [("from", voice.from.as_deref().unwrap_or_default())];
    let stream = twiml::Stream {
        url: "wss://gw.example.com/twilio/media",
        status_url: &text,
        after_url: &text,
        parameters: &parameters,
    };
    if let Ok(written) = twiml::connect(&stream) {
        // The answer's own elements and no other.
        assert_eq!(written.matches('<').count(), 8, "{written}");
    }
}

fn start_rate() -> audio::SampleRate {
    audio::SampleRate::HZ_8000
}
