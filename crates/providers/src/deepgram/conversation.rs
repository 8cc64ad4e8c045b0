//! Plays the conversations in `fixtures/deepgram` with a session and writes down what became of them. Each line of a
//! conversation is one thing that happens; the text beside it is what was sent and what was heard.

use std::fmt::Write as _;
use std::path::PathBuf;

use bytes::Bytes;
use call::{Heard, SpeechId, UtteranceId, Voiced};
use serde::Deserialize;
use serde_json::Value;

use crate::dialect::{EarSession, Frame, VoiceSession};

/// What happens.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Step {
    /// The caller's audio in frames of 20 ms at 8 kHz, so many milliseconds.
    Audio(u64),
    /// Our own ear.
    Began(u32),
    Finish(u32),
    GiveUp(u32),
    /// To be spoken.
    Speak(u32, String),
    Stop(u32),
    KeepAlive,
    Close,
    /// A message of the vendor.
    Vendor(Value),
    /// So many bytes of the vendor.
    Bytes(usize),
}

/// What a conversation with a recogniser comes to.
pub(super) fn with_ear(name: &str, mut session: Box<dyn EarSession>) -> String {
    let (mut text, mut sent, mut heard) = (String::new(), Vec::new(), Vec::new());
    session.opened(&mut sent);
    for step in steps(name) {
        let mut flow = None;
        match step {
            Step::Audio(ms) => (0..ms / 20).for_each(|_| session.audio(&[0; 160], &mut sent)),
            Step::Began(speech) => session.began(SpeechId(speech), &mut sent),
            Step::Finish(speech) => session.finish(SpeechId(speech), &mut sent, &mut heard),
            Step::GiveUp(speech) => session.give_up(SpeechId(speech), &mut heard),
            Step::KeepAlive => session.keep_alive(&mut sent),
            Step::Close => session.close(&mut sent),
            Step::Vendor(message) => {
                flow = Some(session.frame(Frame::Text(message.to_string()), &mut sent, &mut heard));
            }
            other => panic!("{other:?} to a recogniser"),
        }
        write_sent(&mut text, &mut sent);
        for (SpeechId(speech), what) in heard.drain(..) {
            let (word, words) = match what {
                Heard::Partial(words) => ("partial", words),
                Heard::Final(words) => ("final", words),
                Heard::Pause(words) => ("pause", words),
                Heard::Likely(words) => ("likely", words),
                Heard::TurnOver(words) => ("turn over", words),
                Heard::GoesOn => ("goes on", String::new()),
                Heard::Failed(fault) => ("failed", fault.to_string()),
                Heard::Lost(fault) => ("lost", fault.to_string()),
            };
            writeln!(text, "{}", format!("  {speech} {word}: {words}").trim_end()).unwrap();
        }
        write_flow(&mut text, flow);
    }
    text
}

/// What a conversation with a voice comes to.
pub(super) fn with_voice(name: &str, mut session: Box<dyn VoiceSession>) -> String {
    let (mut text, mut sent, mut voiced) = (String::new(), Vec::new(), Vec::new());
    session.opened(&mut sent);
    for step in steps(name) {
        let mut frame = None;
        match step {
            Step::Speak(utterance, words) => session.speak(UtteranceId(utterance), &words, &mut sent),
            Step::Stop(utterance) => session.stop(UtteranceId(utterance), &mut sent),
            Step::Close => session.finish(&mut sent),
            Step::Vendor(message) => frame = Some(Frame::Text(message.to_string())),
            Step::Bytes(count) => frame = Some(Frame::Binary(Bytes::from(vec![1; count]))),
            other => panic!("{other:?} to a voice"),
        }
        let flow = frame.map(|frame| session.frame(frame, &mut sent, &mut voiced));
        write_sent(&mut text, &mut sent);
        for (UtteranceId(utterance), what) in voiced.drain(..) {
            let what = match what {
                Voiced::Audio { rate, pcm } => format!("{} samples at {rate}", pcm.len()),
                Voiced::Done => "done".to_owned(),
                Voiced::Failed(fault) => format!("failed: {fault}"),
            };
            writeln!(text, "  {utterance} {what}").unwrap();
        }
        write_flow(&mut text, flow);
    }
    text
}

/// Compares with what is written beside the conversation. `UPDATE_FIXTURES=1` writes it anew, to be read.
pub(super) fn check(name: &str, came: &str) {
    let path = folder().join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::write(&path, came).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(came == expected, "{name}: expected\n{expected}\ncame\n{came}");
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/deepgram")
}

fn steps(name: &str) -> Vec<Step> {
    let path = folder().join(format!("{name}.jsonl"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let read = |(index, line): (usize, &str)| {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{name}:{}: {error}", index + 1))
    };
    text.lines().enumerate().map(read).collect()
}

fn write_sent(text: &mut String, sent: &mut Vec<Frame>) {
    let mut bytes = 0;
    let mut messages = Vec::new();
    for frame in sent.drain(..) {
        match frame {
            Frame::Binary(binary) => {
                assert!(!binary.is_empty(), "an empty binary frame closes the socket");
                assert!(messages.is_empty(), "audio behind a message of the same step");
                bytes += binary.len();
            }
            Frame::Text(message) => messages.push(message),
        }
    }
    if bytes > 0 {
        writeln!(text, "> {} ms", bytes / 16).unwrap();
    }
    for message in messages {
        writeln!(text, "> {message}").unwrap();
    }
}

fn write_flow(text: &mut String, flow: Option<Result<crate::dialect::Flow, call::Fault>>) {
    match flow {
        Some(Ok(crate::dialect::Flow::Close)) => text.push_str("  over\n"),
        Some(Err(fault)) => writeln!(text, "  {fault}").unwrap(),
        Some(Ok(crate::dialect::Flow::Continue)) | None => {}
    }
}
