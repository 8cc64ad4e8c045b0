//! Conversations with the classic recogniser, and any conversation at all.

use audio::SampleRate;
use bytes::Bytes;
use call::FaultClass;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::deepgram::account::tests::account;
use crate::deepgram::conversation::{check, with_ear};
use crate::{QueryValue, RoleOptions};

fn spec() -> ListenSpec {
    ListenSpec {
        rate: SampleRate::HZ_8000,
        language: "en-IN".to_owned(),
        phrases: vec!["opening hours".to_owned(), "a table".to_owned()],
    }
}

fn listen(role: RoleOptions) -> Listen {
    Listen::new(account(role).for_streaming())
}

fn session() -> Box<dyn EarSession> {
    listen(RoleOptions::default()).session(&spec())
}

#[test]
fn the_socket_is_asked_for_what_the_call_needs() {
    let request = listen(RoleOptions::default()).connect(&spec());
    let url = "wss://api.deepgram.com/v1/listen?encoding=linear16&sample_rate=8000&interim_results=true\
               &endpointing=300&utterance_end_ms=1000&punctuate=true&model=nova-3&language=en-IN\
               &keyterm=opening+hours&keyterm=a+table";
    assert_eq!(request.url.as_str(), url);
    assert_eq!(request.headers.len(), 1);
}

#[test]
fn the_operator_sets_what_they_like() {
    let text = |text: &str| QueryValue::Text(text.to_owned());
    let role = RoleOptions {
        model: Some("nova-2-phonecall".to_owned()),
        language: Some("hi".to_owned()),
        query: [
            ("endpointing".to_owned(), QueryValue::Integer(500)),
            ("eot_threshold".to_owned(), text("0.8")),
            ("vad_events".to_owned(), QueryValue::Bool(true)),
        ]
        .into(),
        ..RoleOptions::default()
    };
    let url = "wss://api.deepgram.com/v1/listen?encoding=linear16&sample_rate=8000&interim_results=true\
               &utterance_end_ms=1000&punctuate=true&model=nova-2-phonecall&language=hi&endpointing=500\
               &vad_events=true";
    assert_eq!(listen(role).connect(&spec()).url.as_str(), url);
}

#[test]
fn conversations() {
    for name in [
        "listen-pause-first",
        "listen-finalize",
        "listen-several-finals",
        "listen-no-answer",
        "listen-noise",
        "listen-close-stretches",
        "listen-early-part",
        "listen-odd",
    ] {
        check(name, &with_ear(name, session()));
    }
}

#[test]
fn what_is_no_message_is_garbage_and_never_quoted() {
    let secret = "my card number is 1234";
    for text in ["", "{", "\u{1}", &format!("\"{secret}\""), &format!("{{\"type\":\"{secret}")] {
        let fault =
            session().frame(Frame::Text(text.to_owned()), &mut Vec::new(), &mut Vec::new()).unwrap_err();
        assert_eq!(fault.class, FaultClass::Garbage, "{text}");
        assert!(!fault.why.contains("card"), "{fault}");
    }
    let bytes = Frame::Binary(Bytes::from_static(b"x"));
    assert_eq!(
        session().frame(bytes, &mut Vec::new(), &mut Vec::new()).unwrap_err().class,
        FaultClass::Garbage
    );
}

/// Anything that may happen, in any order.
#[derive(Debug, Clone)]
enum Happens {
    Audio(u16),
    /// Our own ear begins a stretch or ends the open one.
    Turn,
    /// The oldest unanswered stretch waits no longer.
    GiveUp,
    Results {
        text: bool,
        end_ms: u16,
        kind: u8,
    },
    UtteranceEnd(i16),
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        (0..2_000_u16).prop_map(Happens::Audio),
        Just(Happens::Turn),
        Just(Happens::GiveUp),
        (any::<bool>(), any::<u16>(), 0..4_u8).prop_map(|(text, end_ms, kind)| Happens::Results {
            text,
            end_ms,
            kind
        }),
        any::<i16>().prop_map(Happens::UtteranceEnd),
    ]
}

/// A session and what it owes.
struct Played {
    session: Box<dyn EarSession>,
    send: Vec<Frame>,
    out: Vec<(SpeechId, Heard)>,
    begun: u32,
    is_open: bool,
    finished: Vec<SpeechId>,
    words: usize,
    at_ms: u32,
}

impl Played {
    fn step(&mut self, what: &Happens) {
        match what {
            Happens::Audio(ms) => {
                self.session.audio(&vec![0; usize::from(*ms) * 8], &mut self.send);
                self.at_ms += u32::from(*ms);
            }
            Happens::Turn if self.is_open => {
                self.finished.push(SpeechId(self.begun));
                self.session.finish(SpeechId(self.begun), &mut self.send, &mut self.out);
                self.is_open = false;
            }
            Happens::Turn => {
                self.begun += 1;
                self.session.began(SpeechId(self.begun), &mut self.send);
                self.is_open = true;
            }
            Happens::GiveUp => {
                let settled = |speech: &SpeechId| settles(&self.out, *speech) > 0;
                if let Some(speech) = self.finished.iter().copied().find(|speech| !settled(speech)) {
                    self.session.give_up(speech, &mut self.out);
                }
            }
            Happens::Results { text, end_ms, kind } => self.results(*text, *end_ms, *kind),
            Happens::UtteranceEnd(at) => {
                self.vendor(&json!({"type": "UtteranceEnd", "last_word_end": f64::from(*at) / 1e3}));
            }
        }
    }

    fn results(&mut self, has_text: bool, end_ms: u16, kind: u8) {
        let text = if has_text { format!("w{}", self.words) } else { String::new() };
        self.words += usize::from(has_text && kind > 0);
        let end = f64::from(u32::from(end_ms).min(self.at_ms)) / 1e3;
        self.vendor(
            &json!({"type": "Results", "start": end / 2.0, "duration": end / 2.0, "is_final": kind > 0,
            "speech_final": kind > 1, "from_finalize": kind > 2,
            "channel": {"alternatives": [{"transcript": text, "words": [{"end": end}]}]}}),
        );
    }

    fn vendor(&mut self, message: &serde_json::Value) {
        self.session.frame(Frame::Text(message.to_string()), &mut self.send, &mut self.out).unwrap();
    }
}

/// How often this stretch was settled for good.
fn finals(out: &[(SpeechId, Heard)], speech: SpeechId) -> usize {
    let is_final = |what: &Heard| matches!(what, Heard::Final(_) | Heard::Failed(_));
    out.iter().filter(|(of, what)| *of == speech && is_final(what)).count()
}

/// How often something settled this stretch.
fn settles(out: &[(SpeechId, Heard)], speech: SpeechId) -> usize {
    let pauses = out.iter().filter(|(of, what)| *of == speech && matches!(what, Heard::Pause(_))).count();
    finals(out, speech) + pauses
}

proptest! {
    #[test]
    fn any_order_settles_each_stretch_once_and_gives_each_word_once(steps in prop::collection::vec(happens(), 0..60)) {
        let mut played = Played {
            session: session(), send: Vec::new(), out: Vec::new(), begun: 0, is_open: false,
            finished: Vec::new(), words: 0, at_ms: 0,
        };
        for step in &steps {
            played.step(step);
        }
        for _ in 0..=played.finished.len() {
            played.step(&Happens::GiveUp);
        }
        for speech in &played.finished {
            let (finals, settles) = (finals(&played.out, *speech), settles(&played.out, *speech));
            prop_assert!(finals <= 1 && settles >= 1, "{:?}: {:?}", speech, played.out);
        }
        let given = |what: &Heard| match what {
            Heard::Final(text) | Heard::Pause(text) => text.split(' ').map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        let mut words: Vec<String> = played.out.iter().flat_map(|(_, what)| given(what)).collect();
        words.retain(|word| !word.is_empty());
        let guessed = steps.iter().any(|step| matches!(step, Happens::Results { kind: 0, .. }));
        let count = words.len();
        words.sort();
        words.dedup();
        // A guess that was given for want of better may come again as a final text of later audio.
        prop_assert!(guessed || words.len() == count, "{:?}", played.out);
        let frames_are_full = played.send.iter().all(|frame| !matches!(frame, Frame::Binary(bytes) if bytes.is_empty()));
        prop_assert!(frames_are_full);
    }
}
