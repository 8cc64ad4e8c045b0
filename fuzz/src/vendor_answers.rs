//! An answer of any bytes, from a vendor that is asked over HTTP.

use audio::SampleRate;
use call::{Fault, Thought};
use providers::dialect::{EarDialect, ModelDialect, SseDecoder, VoiceDialect};
use providers::{DialectOptions, RoleOptions, VoiceSpec, anthropic, google, openai};

use super::bytes::Bytes;

/// Whatever a vendor answers, it is understood or it is a fault; how the network cuts it does not matter; a model's
/// answer ends at most once, and nothing comes behind its end.
///
/// The first byte says whose answer it is, the second into pieces of which length it is cut, the rest is the answer.
pub fn vendor_answers(data: &[u8]) {
    let mut bytes = Bytes(data);
    let kind = bytes.byte() % 8;
    let piece = usize::from(bytes.byte()) % 64 + 1;
    let body = bytes.0;
    match kind {
        0 => model(&openai::Chat::new(options()), body, piece),
        1 => model(&anthropic::Messages::new(options()), body, piece),
        2 => model(&google::Gemini::new(options()), body, piece),
        3 => voice("audio/pcm", body, piece),
        4 => voice("audio/wav", body, piece),
        5 => voice("text/event-stream", body, piece),
        _ => {
            if let Ok(text) = openai::Transcriptions::new(options()).text(body) {
                assert!(text.len() <= body.len(), "no text comes from nowhere");
            }
        }
    }
}

fn options() -> DialectOptions {
    DialectOptions {
        base: "https://vendor.example/v1".parse().expect("an address"),
        key: None,
        headers: Default::default(),
        role: RoleOptions::default(),
    }
}

fn model(dialect: &dyn ModelDialect, body: &[u8], piece: usize) {
    let whole = thoughts(dialect, body, body.len().max(1));
    assert_eq!(thoughts(dialect, body, piece), whole, "in pieces of {piece}");
    let (all, end) = whole;
    let is_done = |thought: &Thought| *thought == Thought::Done;
    assert!(all.iter().all(|thought| !matches!(thought, Thought::Failed(_))), "a failure is given back");
    match all.iter().position(is_done) {
        Some(place) => assert_eq!(place + 1, all.len(), "nothing behind the end"),
        None => assert!(end.is_err(), "an answer without an end is a fault"),
    }
}

fn thoughts(dialect: &dyn ModelDialect, body: &[u8], piece: usize) -> (Vec<Thought>, Result<(), Fault>) {
    let (mut events, mut decoder) = (SseDecoder::new(), dialect.decoder());
    let mut out = Vec::new();
    let mut read = || {
        for bytes in body.chunks(piece) {
            events.push(bytes, |event, data| decoder.event(event, data, &mut out))?;
        }
        events.end(|event, data| decoder.event(event, data, &mut out))?;
        decoder.end(&mut out)
    };
    let end = read();
    (out, end)
}

fn voice(content_type: &str, body: &[u8], piece: usize) {
    let whole = samples(content_type, body, body.len().max(1));
    assert_eq!(samples(content_type, body, piece), whole, "in pieces of {piece}");
    assert!(whole.0.len() <= body.len(), "at most a sample a byte");
}

fn samples(content_type: &str, body: &[u8], piece: usize) -> (Vec<i16>, Result<SampleRate, Fault>) {
    let spec = VoiceSpec::at(SampleRate::HZ_8000);
    let mut decoder = match openai::Speech::new(options()).decoder(&spec, content_type) {
        Ok(decoder) => decoder,
        Err(fault) => return (Vec::new(), Err(fault)),
    };
    let mut out = Vec::new();
    let mut read = || {
        for bytes in body.chunks(piece) {
            decoder.bytes(bytes, &mut out)?;
        }
        decoder.end(&mut out)
    };
    let end = read();
    (out, end.map(|()| decoder.rate()))
}
