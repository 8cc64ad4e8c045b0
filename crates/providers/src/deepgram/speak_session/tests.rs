//! Conversations with the voice over a WebSocket, and any conversation at all.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::RoleOptions;
use crate::deepgram::account::tests::account;
use crate::deepgram::conversation::{check, with_voice};

fn session() -> Box<dyn VoiceSession> {
    SpeakSocket::new(account(RoleOptions::default())).session(&VoiceSpec::at(SampleRate::HZ_8000))
}

#[test]
fn the_socket_is_asked_for_the_calls_own_rate() {
    let url =
        SpeakSocket::new(account(RoleOptions::default())).connect(&VoiceSpec::at(SampleRate::HZ_8000)).url;
    let expected =
        "wss://api.deepgram.com/v1/speak?model=aura-2-thalia-en&encoding=linear16&sample_rate=8000";
    assert_eq!(url.as_str(), expected);
}

#[test]
fn conversations() {
    for name in ["speak-order", "speak-stop", "speak-stop-behind", "speak-too-many"] {
        check(name, &with_voice(name, session()));
    }
}

/// The vendor as its pages describe it: what it was sent and did not answer yet.
#[derive(Default)]
struct Vendor {
    text: String,
    flushed: VecDeque<String>,
}

impl Vendor {
    fn takes(&mut self, send: &mut Vec<Frame>) -> Vec<Frame> {
        let mut answers = Vec::new();
        for frame in send.drain(..) {
            let Frame::Text(text) = frame else { panic!("bytes to a voice") };
            let message: serde_json::Value = serde_json::from_str(&text).unwrap();
            match message["type"].as_str() {
                Some("Speak") => self.text.push_str(message["text"].as_str().unwrap()),
                Some("Flush") => self.flushed.push_back(std::mem::take(&mut self.text)),
                Some("Clear") => {
                    self.flushed.clear();
                    answers.push(Frame::Text(r#"{"type":"Cleared"}"#.to_owned()));
                }
                other => panic!("{other:?}"),
            }
        }
        answers
    }
}

proptest! {
    /// Each utterance's audio is its own number, so that what is heard tells whose it is.
    #[test]
    fn nothing_stopped_is_heard_and_all_else_is_spoken_whole_and_in_order(steps in prop::collection::vec((0..5_u8, 0..8_u32), 1..80)) {
        let (mut session, mut vendor) = (session(), Vendor::default());
        let (mut send, mut out, mut inbox) = (Vec::new(), Vec::new(), VecDeque::new());
        let (mut next, mut stopped) = (0_u32, BTreeMap::new());
        let mut step = |what: u8, which: u32, out: &mut Vec<(UtteranceId, Voiced)>| {
            match what {
                0 | 1 => {
                    next += 1;
                    session.speak(UtteranceId(next), &next.to_string(), &mut send);
                }
                2 => {
                    let which = next.saturating_sub(which);
                    stopped.entry(which).or_insert(out.len());
                    session.stop(UtteranceId(which), &mut send);
                }
                3 => {
                    // The vendor speaks: what it sends may be on its way for a while.
                    if let Some(text) = vendor.flushed.pop_front() {
                        let number: u16 = text.parse().unwrap();
                        inbox.push_back(Frame::Binary(number.to_le_bytes().to_vec().into()));
                        inbox.push_back(Frame::Text(r#"{"type":"Flushed"}"#.to_owned()));
                    }
                }
                _ => {
                    for _ in 0..=which {
                        if let Some(frame) = inbox.pop_front() {
                            session.frame(frame, &mut send, out).unwrap();
                        }
                    }
                }
            }
            inbox.extend(vendor.takes(&mut send));
            (next, stopped.clone())
        };
        for (what, which) in &steps {
            step(*what, *which, &mut out);
        }
        let (mut asked, mut unwanted) = (0, BTreeMap::new());
        for _ in 0..200 {
            step(3, 0, &mut out);
            (asked, unwanted) = step(4, 7, &mut out);
        }
        for (at, (utterance, what)) in out.iter().enumerate() {
            prop_assert!(unwanted.get(&utterance.0).is_none_or(|stopped| at < *stopped), "{:?}", out);
            if let Voiced::Audio { pcm, .. } = what {
                prop_assert!(pcm.iter().all(|sample| *sample as u32 == utterance.0), "{:?}", out);
            }
        }
        let done: Vec<u32> =
            out.iter().filter(|(_, what)| *what == Voiced::Done).map(|(utterance, _)| utterance.0).collect();
        prop_assert!(done.is_sorted(), "{:?}", out);
        let missing = (1..=asked).filter(|number| !done.contains(number) && !unwanted.contains_key(number));
        prop_assert_eq!(missing.collect::<Vec<_>>(), Vec::<u32>::new());
    }
}
