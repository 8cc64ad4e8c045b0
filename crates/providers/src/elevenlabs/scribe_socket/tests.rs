//! Scribe over its WebSocket, by what its documents say that it sends.

use audio::SampleRate;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::QueryValue;
use crate::elevenlabs::test_options::options;

const FIRST: SpeechId = SpeechId(1);
const SECOND: SpeechId = SpeechId(2);

fn spec() -> ListenSpec {
    ListenSpec { rate: SampleRate::HZ_8000, language: "en-IN".to_owned(), phrases: Vec::new() }
}

fn with_own_ear() -> ScribeSocket {
    let mut options = options();
    options.role.query.insert(STRATEGY.to_owned(), QueryValue::Text("vad".to_owned()));
    options.role.query.insert("vad_silence_threshold_secs".to_owned(), QueryValue::Number(0.5));
    ScribeSocket::new(options)
}

/// A session and what it gave.
struct Talk {
    session: Box<dyn EarSession>,
    send: Vec<Frame>,
    out: Vec<(SpeechId, Heard)>,
}

impl Talk {
    fn new(dialect: &ScribeSocket) -> Self {
        let mut talk = Self { session: dialect.session(&spec()), send: Vec::new(), out: Vec::new() };
        talk.session.opened(&mut talk.send);
        talk
    }

    fn hears(&mut self, message: &Value) -> Result<Flow, Fault> {
        self.session.frame(Frame::Text(message.to_string()), &mut self.send, &mut self.out)
    }

    fn committed(&mut self, text: &str) {
        self.hears(&json!({"message_type": "committed_transcript", "text": text})).unwrap();
    }

    fn partial(&mut self, text: &str) {
        self.hears(&json!({"message_type": "partial_transcript", "text": text})).unwrap();
    }

    fn began(&mut self, speech: SpeechId) {
        self.session.began(speech, &mut self.send);
    }

    fn finish(&mut self, speech: SpeechId) {
        self.session.finish(speech, &mut self.send, &mut self.out);
    }

    fn take(&mut self) -> Vec<(SpeechId, Heard)> {
        std::mem::take(&mut self.out)
    }

    fn sent(&mut self) -> Vec<Value> {
        let text = |frame| match frame {
            Frame::Text(text) => serde_json::from_str(&text).unwrap(),
            Frame::Binary(_) => panic!("bytes"),
        };
        self.send.drain(..).map(text).collect()
    }
}

fn given(speech: SpeechId, text: &str) -> (SpeechId, Heard) {
    (speech, Heard::Final(text.to_owned()))
}

#[test]
fn the_socket_is_opened_at_the_lines_own_rate_and_commits_when_told() {
    let request = ScribeSocket::new(options()).connect(&spec());
    assert_eq!(
        request.url.as_str(),
        "wss://api.elevenlabs.io/v1/speech-to-text/realtime?model_id=scribe_v2_realtime&audio_format=pcm_8000\
         &commit_strategy=manual&language_code=en"
    );
    let mut options = options();
    options.role.model = Some("scribe_v1".to_owned());
    options.base = "http://127.0.0.1:7/el".parse().unwrap();
    let url = ScribeSocket::new(options).connect(&spec()).url;
    assert!(
        url.as_str()
            .starts_with("ws://127.0.0.1:7/el/v1/speech-to-text/realtime?model_id=scribe_v2_realtime")
    );
    let url = with_own_ear().connect(&spec()).url;
    assert!(url.query().unwrap().contains("commit_strategy=vad&vad_silence_threshold_secs=0.5"), "{url}");
}

#[test]
fn a_stretch_is_committed_when_it_is_finished() {
    let mut talk = Talk::new(&ScribeSocket::new(options()));
    assert!(!talk.session.is_ready());
    let mut lines = include_str!("../../../../../fixtures/elevenlabs/scribe-realtime.jsonl").lines();
    let mut next = || serde_json::from_str::<Value>(lines.next().unwrap()).unwrap();
    talk.hears(&next()).unwrap();
    assert!(talk.session.is_ready());

    talk.began(FIRST);
    talk.session.audio(&[1, -1, 256], &mut talk.send);
    talk.hears(&next()).unwrap();
    talk.hears(&next()).unwrap();
    talk.finish(FIRST);
    let sent = talk.sent();
    assert_eq!(
        sent[0],
        json!({"message_type": "input_audio_chunk", "audio_base_64": "AQD//wAB", "commit": false, "sample_rate": 8000})
    );
    // A commit of less than 300 ms is ignored: silence makes up for what is missing.
    let padding = base64_simd::STANDARD.encode_to_string(vec![0; (2_400 - 3) * 2]);
    assert_eq!(sent[1]["commit"], true);
    assert_eq!(sent[1]["audio_base_64"], padding.as_str());
    for _ in 0..4 {
        talk.hears(&next()).unwrap();
    }
    let partial = |text: &str| (FIRST, Heard::Partial(text.to_owned()));
    assert_eq!(
        talk.take(),
        [
            partial("what are"),
            partial("what are your opening"),
            partial("what are your opening hours"),
            given(FIRST, "What are your opening hours?"),
        ]
    );
}

#[test]
fn a_long_commit_is_sent_without_silence() {
    let mut talk = Talk::new(&ScribeSocket::new(options()));
    talk.began(FIRST);
    talk.session.audio(&[7; 2_400], &mut talk.send);
    talk.finish(FIRST);
    assert_eq!(talk.sent()[1]["audio_base_64"], "");
}

#[test]
fn commits_of_its_own_are_kept_for_the_stretch_that_they_are_of() {
    let mut talk = Talk::new(&ScribeSocket::new(options()));
    talk.began(FIRST);
    talk.committed("I have been thinking");
    talk.partial("and");
    talk.finish(FIRST);
    talk.began(SECOND);
    talk.committed("and I want a loan");
    talk.finish(SECOND);
    talk.committed("");
    let partial = |text: &str| (FIRST, Heard::Partial(text.to_owned()));
    assert_eq!(
        talk.take(),
        [
            partial("I have been thinking"),
            partial("I have been thinking and"),
            given(FIRST, "I have been thinking and I want a loan"),
            given(SECOND, ""),
        ]
    );
}

#[test]
fn too_little_to_hear_settles_a_stretch_with_what_there_is() {
    for kind in ["commit_throttled", "insufficient_audio_activity"] {
        let mut talk = Talk::new(&ScribeSocket::new(options()));
        talk.began(FIRST);
        talk.partial("yes");
        talk.take();
        talk.finish(FIRST);
        talk.hears(&json!({"message_type": kind, "error": "only 0.01s of uncommitted audio"})).unwrap();
        talk.hears(&json!({"message_type": kind, "error": "again"})).unwrap();
        assert_eq!(talk.take(), [given(FIRST, "yes")], "{kind}");
    }
}

#[test]
fn a_late_text_is_nobodys() {
    let mut talk = Talk::new(&ScribeSocket::new(options()));
    talk.began(FIRST);
    talk.finish(FIRST);
    talk.session.give_up(FIRST, &mut talk.out);
    talk.began(SECOND);
    talk.finish(SECOND);
    talk.committed("far too late");
    talk.committed("in time");
    assert_eq!(talk.take(), [(FIRST, Heard::Failed(Fault::slow())), given(SECOND, "in time")]);
}

#[test]
fn a_guess_does_not_stand_for_the_text() {
    let mut talk = Talk::new(&ScribeSocket::new(options()));
    talk.began(FIRST);
    talk.finish(FIRST);
    talk.partial("yes");
    talk.take();
    talk.session.give_up(FIRST, &mut talk.out);
    talk.session.give_up(FIRST, &mut talk.out);
    assert_eq!(talk.take(), [(FIRST, Heard::Failed(Fault::slow()))]);
}

#[test]
fn its_own_ear_finds_pauses() {
    let mut talk = Talk::new(&with_own_ear());
    assert_eq!(talk.session.patience_ms(), 2_500);
    let pause = |text: &str| (FIRST, Heard::Pause(text.to_owned()));
    talk.began(FIRST);
    talk.committed("One moment.");
    talk.finish(FIRST);
    assert_eq!(talk.take(), [pause("One moment.")], "the pause settled the stretch");
    assert!(talk.sent().is_empty(), "no commit is asked for");

    // Two stretches of ours are one utterance to Scribe.
    talk.began(SECOND);
    talk.finish(SECOND);
    talk.began(SpeechId(3));
    talk.finish(SpeechId(3));
    talk.committed("Yes, of course.");
    assert_eq!(talk.take(), [given(SECOND, ""), given(SpeechId(3), "Yes, of course.")]);
}

#[test]
fn each_error_has_its_class() {
    #[derive(Deserialize)]
    struct Case {
        frame: Value,
        class: FaultClass,
    }
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../../../../../fixtures/elevenlabs/scribe-errors.json")).unwrap();
    for Case { frame, class } in cases {
        let fault = Talk::new(&ScribeSocket::new(options())).hears(&frame).unwrap_err();
        assert_eq!(fault.class, class, "{frame}");
    }
    let mut talk = Talk::new(&ScribeSocket::new(options()));
    for odd in [Frame::Text("<html>".to_owned()), Frame::Text("[]".to_owned()), Frame::Binary(vec![1].into())]
    {
        let fault = talk.session.frame(odd, &mut talk.send, &mut talk.out).unwrap_err();
        assert_eq!(fault.class, FaultClass::Garbage);
    }
    talk.hears(&json!({"message_type": "insufficient_audio_activity", "error": "x"})).unwrap();
    assert_eq!(talk.session.closed(Some(1000), "").class, FaultClass::Idle);
}

/// What can happen on a socket.
#[derive(Debug, Clone)]
enum Step {
    Audio(Vec<i16>),
    Began,
    Finish,
    GiveUp,
    KeepAlive,
    Says(&'static str, &'static str),
    Frame(String),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let kinds = prop::sample::select(vec![
        "partial_transcript",
        "committed_transcript",
        "committed_transcript_with_timestamps",
        "final_transcript",
        "commit_throttled",
        "insufficient_audio_activity",
    ]);
    let step = prop_oneof![
        prop::collection::vec(any::<i16>(), 0..40).prop_map(Step::Audio),
        Just(Step::Began),
        Just(Step::Finish),
        Just(Step::GiveUp),
        Just(Step::KeepAlive),
        (kinds, prop::sample::select(vec!["", "yes", "no no"]))
            .prop_map(|(kind, text)| Step::Says(kind, text)),
        ".*".prop_map(Step::Frame),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    #[test]
    fn each_finished_stretch_settles_once(steps in steps(), own_ear: bool) {
        let dialect = if own_ear { with_own_ear() } else { ScribeSocket::new(options()) };
        let mut talk = Talk::new(&dialect);
        let (mut begun, mut open, mut finished) = (0, None, Vec::new());
        for step in steps {
            match step {
                Step::Audio(samples) => talk.session.audio(&samples, &mut talk.send),
                Step::Began if open.is_none() => {
                    begun += 1;
                    open = Some(SpeechId(begun));
                    talk.began(SpeechId(begun));
                }
                Step::Finish => {
                    if let Some(speech) = open.take() {
                        finished.push(speech);
                        talk.finish(speech);
                    }
                }
                Step::GiveUp => {
                    if let Some(speech) = finished.last() {
                        talk.session.give_up(*speech, &mut talk.out);
                    }
                }
                Step::KeepAlive => talk.session.keep_alive(&mut talk.send),
                Step::Says(kind, text) => {
                    talk.hears(&json!({"message_type": kind, "text": text, "error": text})).ok();
                }
                Step::Frame(text) => {
                    talk.session.frame(Frame::Text(text), &mut talk.send, &mut talk.out).ok();
                }
                Step::Began => {}
            }
        }
        for speech in &finished {
            talk.session.give_up(*speech, &mut talk.out);
        }
        for index in 1..=begun {
            let speech = SpeechId(index);
            let of = |wanted: fn(&Heard) -> bool| {
                talk.out.iter().filter(|(of, what)| *of == speech && wanted(what)).count()
            };
            let ends = of(|what| matches!(what, Heard::Final(_) | Heard::Failed(_)));
            let pauses = of(|what| matches!(what, Heard::Pause(_)));
            prop_assert!(ends <= 1);
            if finished.contains(&speech) {
                prop_assert!(ends == 1 || pauses > 0, "{:?} {:?}", speech, talk.out);
            } else {
                prop_assert_eq!(ends, 0);
            }
        }
    }
}
