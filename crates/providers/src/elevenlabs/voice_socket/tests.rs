//! The multi-context socket, by what ElevenLabs' documents say that it sends and takes.

use audio::SampleRate;
use proptest::prelude::*;

use super::*;
use crate::QueryValue;
use crate::elevenlabs::test_options::options;

const FIRST: UtteranceId = UtteranceId(1);
const SECOND: UtteranceId = UtteranceId(2);
const THIRD: UtteranceId = UtteranceId(3);

/// A session and what it gave.
struct Talk {
    session: Box<dyn VoiceSession>,
    send: Vec<Frame>,
    out: Vec<(UtteranceId, Voiced)>,
}

impl Talk {
    fn new() -> Self {
        Self::with(options())
    }

    fn with(options: DialectOptions) -> Self {
        let session = ElevenVoiceSocket::new(options).session(&VoiceSpec::at(SampleRate::HZ_8000));
        let mut talk = Self { session, send: Vec::new(), out: Vec::new() };
        talk.session.opened(&mut talk.send);
        talk
    }

    fn speak(&mut self, utterance: UtteranceId, text: &str) {
        self.session.speak(utterance, text, &mut self.send);
    }

    fn stop(&mut self, utterance: UtteranceId) {
        self.session.stop(utterance, &mut self.send);
    }

    fn hears(&mut self, message: &str) -> Result<Flow, Fault> {
        self.session.frame(Frame::Text(message.to_owned()), &mut self.send, &mut self.out)
    }

    fn final_of(&mut self, context: &str) {
        self.hears(&json!({"contextId": context, "isFinal": true}).to_string()).unwrap();
    }

    fn audio_of(&mut self, context: &str) {
        self.hears(&json!({"contextId": context, "audio": "AQA="}).to_string()).unwrap();
    }

    fn take(&mut self) -> Vec<(UtteranceId, Voiced)> {
        std::mem::take(&mut self.out)
    }

    /// The frames that were to be sent, as JSON.
    fn sent(&mut self) -> Vec<Value> {
        let text = |frame| match frame {
            Frame::Text(text) => serde_json::from_str(&text).unwrap(),
            Frame::Binary(_) => panic!("bytes"),
        };
        self.send.drain(..).map(text).collect()
    }

    /// The texts that were to be sent, each with its context.
    fn texts(&mut self) -> Vec<(String, String)> {
        let field = |message: &Value, name: &str| message[name].as_str().unwrap_or_default().to_owned();
        let messages =
            self.sent().into_iter().filter(|message| message["text"].as_str().is_some_and(|t| t != " "));
        messages.map(|message| (field(&message, "context_id"), field(&message, "text"))).collect()
    }
}

fn audio(samples: &[i16]) -> Voiced {
    Voiced::Audio { rate: SampleRate::HZ_8000, pcm: Pcm::from(samples) }
}

#[test]
fn the_socket_is_opened_at_the_calls_own_rate() {
    let spec = VoiceSpec::at(SampleRate::HZ_8000);
    let request = ElevenVoiceSocket::new(options()).connect(&spec);
    assert_eq!(
        request.url.as_str(),
        "wss://api.elevenlabs.io/v1/text-to-speech/JBFqnCBsd6RMkjVDRZzb/multi-stream-input\
         ?model_id=eleven_flash_v2_5&output_format=pcm_8000&auto_mode=true&inactivity_timeout=180&language_code=en"
    );
    let mut options = options();
    options.role.body = serde_json::from_str(r#"{"seed":7,"apply_text_normalization":"on"}"#).unwrap();
    options.role.query.insert("inactivity_timeout".to_owned(), QueryValue::Integer(60));
    let url = ElevenVoiceSocket::new(options).connect(&spec).url;
    assert!(
        url.query().unwrap().ends_with("apply_text_normalization=on&seed=7&inactivity_timeout=60"),
        "{url}"
    );
}

#[test]
fn an_utterance_is_a_context() {
    let mut options = options();
    options.role.body = serde_json::from_str(r#"{"voice_settings":{"speed":1.1},"seed":7}"#).unwrap();
    let mut talk = Talk::with(options);
    let opening = |name: &str| json!({"text": " ", "context_id": name, "voice_settings": {"speed": 1.1}});
    assert_eq!(talk.sent(), [opening("c1")]);
    talk.speak(FIRST, "Hello there. ");
    assert_eq!(
        talk.sent(),
        [
            json!({"text": "Hello there. ", "context_id": "c1"}),
            json!({"context_id": "c1", "flush": true}),
            json!({"context_id": "c1", "close_context": true}),
        ]
    );
    talk.speak(SECOND, "How are you?");
    assert_eq!(talk.sent()[..2], [opening("c2"), json!({"text": "How are you? ", "context_id": "c2"})]);
    talk.session.finish(&mut talk.send);
    assert_eq!(talk.sent(), [json!({"close_socket": true})]);
}

#[test]
fn audio_of_two_contexts_is_told_apart_in_either_spelling() {
    let mut talk = Talk::new();
    talk.speak(FIRST, "Hi.");
    talk.speak(SECOND, "Yes.");
    for line in include_str!("../../../../../fixtures/elevenlabs/multi-context.jsonl").lines() {
        assert_eq!(talk.hears(line), Ok(Flow::Continue), "{line}");
    }
    assert_eq!(
        talk.take(),
        [
            (FIRST, audio(&[1, 2, 3])),
            (FIRST, audio(&[4])),
            // Half a sample waits for the rest of it.
            (SECOND, audio(&[5, 6])),
            (FIRST, Voiced::Done),
            (SECOND, Voiced::Done),
        ]
    );
}

#[test]
fn what_is_not_wanted_any_more_is_dropped_and_its_context_not_named_again() {
    let mut talk = Talk::new();
    for (utterance, text) in [(FIRST, "One."), (SECOND, "Two."), (THIRD, "Three.")] {
        talk.speak(utterance, text);
    }
    let context = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    assert_eq!(talk.texts(), [context("c1", "One. "), context("c2", "Two. ")], "the third waits");
    talk.stop(THIRD);
    talk.stop(FIRST);
    talk.stop(SECOND);
    assert!(talk.sent().is_empty());
    talk.speak(UtteranceId(4), "Four.");
    assert_eq!(talk.texts(), [context("c3", "Four. ")]);
    talk.audio_of("c1");
    talk.final_of("c1");
    talk.audio_of("c3");
    talk.audio_of("c2");
    talk.final_of("c3");
    assert_eq!(talk.take(), [(UtteranceId(4), audio(&[1])), (UtteranceId(4), Voiced::Done)]);
}

#[test]
fn a_socket_never_has_more_than_five_contexts() {
    let mut talk = Talk::new();
    for id in 1..=5 {
        talk.speak(UtteranceId(id), "Listen.");
        talk.stop(UtteranceId(id));
    }
    assert_eq!(talk.texts().len(), 5);
    talk.speak(UtteranceId(6), "Now.");
    assert!(talk.sent().is_empty(), "five have not said that they are over");
    talk.session.keep_alive(&mut talk.send);
    assert!(talk.sent().is_empty(), "there is no room for one that only waits");
    talk.final_of("c2");
    assert_eq!(talk.texts(), [("c6".to_owned(), "Now. ".to_owned())]);
}

#[test]
fn a_quiet_socket_is_kept_by_a_context_that_is_open() {
    let mut talk = Talk::new();
    talk.sent();
    let keep = |talk: &mut Talk| {
        talk.session.keep_alive(&mut talk.send);
        talk.sent()
    };
    assert_eq!(keep(&mut talk), [json!({"text": "", "context_id": "c1"})]);
    talk.final_of("c1");
    assert_eq!(keep(&mut talk), [json!({"text": " ", "context_id": "c2"})], "it had closed the other");
    talk.speak(FIRST, "Hi.");
    assert_eq!(talk.texts(), [("c2".to_owned(), "Hi. ".to_owned())]);
}

#[test]
fn errors_end_an_utterance_or_the_socket() {
    let mut talk = Talk::new();
    talk.speak(FIRST, "One.");
    talk.speak(SECOND, "Two.");
    talk.hears(r#"{"contextId":"c1","error":"voice_not_found","message":"No such voice"}"#).unwrap();
    talk.final_of("c2");
    let [(FIRST, Voiced::Failed(first)), (SECOND, Voiced::Failed(second))] = &talk.take()[..] else {
        panic!("two failures")
    };
    assert_eq!((first.class, first.why.as_str()), (FaultClass::Config, "voice_not_found: No such voice"));
    assert_eq!(second.class, FaultClass::Garbage, "an utterance without a sound");

    for (message, class) in [
        (r#"{"message":"Bad","error":"invalid_input_message","code":1008}"#, FaultClass::Config),
        (r#"{"message":"Out","error":"quota_exceeded","code":1008}"#, FaultClass::Quota),
        (
            r#"{"message":"Maximum simultaneous contexts per WebSocket connection exceeded (5).",
                "error":"max_active_conversations","code":1008}"#,
            FaultClass::Rate,
        ),
        (r#"{"message":"We failed","error":"internal_error","code":1011}"#, FaultClass::Busy),
        (r#"{"audio":"not base64!","contextId":"c7"}"#, FaultClass::Garbage),
        ("<html>", FaultClass::Garbage),
        (r#"{"audio":7}"#, FaultClass::Garbage),
    ] {
        let mut talk = Talk::new();
        for _ in 0..7 {
            // So that a context of this name may be there.
            talk.session.opened(&mut talk.send);
        }
        talk.speak(FIRST, "x");
        let answer = talk.hears(&message.replace("c7", "c8"));
        assert_eq!(answer.map_err(|fault| fault.class), Err(class), "{message}");
    }
    assert_eq!(talk.session.closed(Some(1008), "Have not received a new text input").class, FaultClass::Idle);
}

/// What can happen on a socket.
#[derive(Debug, Clone)]
enum Step {
    Speak,
    Stop(u32),
    Audio(u64, Vec<u8>),
    Final(u64),
    KeepAlive,
    Frame(String),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        Just(Step::Speak),
        (1u32..12).prop_map(Step::Stop),
        (1u64..12, prop::collection::vec(any::<u8>(), 0..9)).prop_map(|(of, bytes)| Step::Audio(of, bytes)),
        (1u64..12).prop_map(Step::Final),
        Just(Step::KeepAlive),
        ".*".prop_map(Step::Frame),
    ];
    prop::collection::vec(step, 0..80)
}

proptest! {
    #[test]
    fn each_utterance_ends_once_and_contexts_stay_few(steps in steps()) {
        let mut talk = Talk::new();
        let (mut asked, mut stopped) = (0, Vec::new());
        for step in steps {
            match step {
                Step::Speak => {
                    asked += 1;
                    talk.speak(UtteranceId(asked), "Hello.");
                }
                Step::Stop(id) if id <= asked => {
                    let ended = talk.out.iter().any(|(of, what)| of.0 == id && !matches!(what, Voiced::Audio { .. }));
                    if !ended {
                        stopped.push(UtteranceId(id));
                    }
                    talk.stop(UtteranceId(id));
                }
                Step::Stop(_) => {}
                Step::Audio(of, bytes) => {
                    let audio = base64_simd::STANDARD.encode_to_string(bytes);
                    talk.hears(&json!({"contextId": format!("c{of}"), "audio": audio}).to_string()).unwrap();
                }
                Step::Final(of) => talk.final_of(&format!("c{of}")),
                Step::KeepAlive => talk.session.keep_alive(&mut talk.send),
                Step::Frame(text) => {
                    talk.session.frame(Frame::Text(text), &mut talk.send, &mut talk.out).ok();
                }
            }
            let messages = talk.send.iter().map(|frame| match frame {
                Frame::Text(text) => serde_json::from_str::<Value>(text).unwrap(),
                Frame::Binary(_) => unreachable!("only text is sent"),
            });
            let closed = messages.filter(|message| message["close_context"] == true).count();
            prop_assert!(closed <= asked as usize);
        }
        // All contexts that there can be say that they are over, until nothing waits any more.
        for of in 1..200 {
            talk.final_of(&format!("c{of}"));
        }
        for id in 1..=asked {
            let ends = talk.out.iter().filter(|(of, what)| of.0 == id && !matches!(what, Voiced::Audio { .. }));
            let wanted = usize::from(!stopped.contains(&UtteranceId(id)));
            prop_assert_eq!(ends.count(), wanted, "utterance {} {:?}", id, talk.out);
        }
    }
}
