//! What is asked for, what is said, and that nothing that comes does harm.

use std::collections::BTreeMap;

use audio::SampleRate;
use call::{Converse, Conversed, ItemId};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::dialect::{Frame, HeaderText, Parting};
use crate::elevenlabs::test_options::options;
use crate::{CallFacts, Override};

fn spec() -> ConverseSpec {
    ConverseSpec {
        call: CallFacts {
            id: "call_1".to_owned(),
            from: Some("+911".to_owned()),
            to: Some("+912".to_owned()),
            custom: BTreeMap::from([
                ("name".to_owned(), "Ana".to_owned()),
                ("system__time".to_owned(), "never".to_owned()),
            ]),
        },
        rate: SampleRate::HZ_8000,
        language: "en-IN".to_owned(),
        system: "Be kind.".to_owned(),
        greeting: "Hello. How are you?".to_owned(),
        tools: [].into(),
    }
}

fn dialect() -> ElevenAgent {
    let mut options = options();
    options.role.model = Some("agent 1".to_owned());
    ElevenAgent::new(options)
}

struct Talk {
    session: Box<dyn AgentSession>,
    sent: Vec<Frame>,
    gave: Vec<Conversed>,
}

impl Talk {
    fn new(role: RoleOptions) -> Self {
        let mut options = options();
        options.role = role;
        let mut talk =
            Self { session: ElevenAgent::new(options).session(&spec()), sent: Vec::new(), gave: Vec::new() };
        talk.session.opened(&mut talk.sent);
        talk
    }

    fn ready() -> Self {
        let mut talk = Self::new(RoleOptions::default());
        talk.comes(&metadata("ulaw_8000"));
        talk.gave.clear();
        talk
    }

    fn comes(&mut self, message: &Value) {
        let frame = Frame::Text(message.to_string());
        self.session.frame(frame, &mut self.sent, &mut self.gave).expect("it is borne");
    }

    fn says(&mut self, what: Converse) {
        self.session.take(what, &mut self.sent);
    }

    fn sent(&mut self) -> Vec<Value> {
        let read = |frame| match frame {
            Frame::Text(text) => serde_json::from_str(&text).expect("JSON goes out"),
            Frame::Binary(_) => panic!("only text goes out"),
        };
        self.sent.drain(..).map(read).collect()
    }

    /// The items of the audio that came, in order.
    fn items(&self) -> Vec<u32> {
        let of = |what: &Conversed| match what {
            Conversed::Audio { item: ItemId(item), .. } => Some(*item),
            _ => None,
        };
        self.gave.iter().filter_map(of).collect()
    }
}

fn metadata(format: &str) -> Value {
    json!({ "type": "conversation_initiation_metadata", "conversation_initiation_metadata_event": {
        "conversation_id": "conv_1", "agent_output_audio_format": format, "user_input_audio_format": format } })
}

fn audio(event: i64) -> Value {
    json!({ "type": "audio", "audio_event": { "audio_base_64": "fn5+fg==", "event_id": event } })
}

fn response(text: &str) -> Value {
    json!({ "type": "agent_response", "agent_response_event": { "agent_response": text } })
}

fn interruption(event: i64) -> Value {
    json!({ "type": "interruption", "interruption_event": { "event_id": event } })
}

#[test]
fn an_address_is_asked_for_with_the_key_and_opened_without_it() {
    let request = dialect().invitation().expect("there is a key");
    assert_eq!(
        request.url.as_str(),
        "https://api.elevenlabs.io/v1/convai/conversation/get-signed-url?agent_id=agent+1"
    );
    assert!(
        request
            .headers
            .iter()
            .any(|(name, value)| name == "xi-api-key" && matches!(value, HeaderText::Secret(_)))
    );
    let signed = br#"{"signed_url":"wss://x.example/v1/convai/conversation?agent_id=a&conversation_signature=s3cret"}"#;
    let socket = dialect().connect(&spec(), Some(signed)).unwrap();
    assert_eq!((socket.url.scheme(), socket.headers.len()), ("wss", 0));
    assert!(!format!("{socket:?}").contains("s3cret"), "{socket:?}");
    for odd in ["{}", "no JSON", r#"{"signed_url":"x"}"#, r#"{"signed_url":"ws://x.example/"}"#] {
        let fault = dialect().connect(&spec(), Some(odd.as_bytes())).unwrap_err();
        assert_eq!(fault.class, FaultClass::Garbage, "{odd}");
    }
    let mut public = options();
    (public.key, public.role.model) = (None, Some("open".to_owned()));
    let public = ElevenAgent::new(public);
    assert!(public.invitation().is_none());
    let socket = public.connect(&spec(), None).unwrap();
    assert_eq!(socket.url.as_str(), "wss://api.elevenlabs.io/v1/convai/conversation?agent_id=open");
}

#[test]
fn the_first_message_says_who_calls_and_overrides_nothing_unasked() {
    let first = &Talk::new(RoleOptions::default()).sent()[0];
    assert_eq!(first["dynamic_variables"], json!({ "call_id": "call_1", "name": "Ana" }));
    assert!(first.get("conversation_config_override").is_none());
    let role =
        RoleOptions { overrides: vec![Override::Greeting], tell_numbers: true, ..RoleOptions::default() };
    let first = &Talk::new(role).sent()[0];
    assert_eq!(first["dynamic_variables"]["caller_number"], "+911");
    assert_eq!(
        first["conversation_config_override"],
        json!({ "agent": { "first_message": "Hello. How are you?" } })
    );
}

#[test]
fn a_ping_is_answered_at_once_with_its_number() {
    let mut talk = Talk::ready();
    talk.sent();
    talk.comes(&json!({ "type": "ping", "ping_event": { "event_id": 12, "ping_ms": null } }));
    assert_eq!(talk.sent(), [json!({ "type": "pong", "event_id": 12 })]);
}

#[test]
fn audio_up_to_an_interruption_is_dropped_whenever_it_comes() {
    let mut talk = Talk::ready();
    for message in
        [audio(1), response("Hello there."), audio(3), interruption(5), audio(4), audio(5), audio(6)]
    {
        talk.comes(&message);
    }
    assert_eq!(talk.items(), [0, 0, 1]);
    // An older one does not take it back.
    talk.comes(&interruption(2));
    talk.comes(&audio(5));
    assert_eq!(talk.items(), [0, 0, 1]);
}

#[test]
fn words_and_turns_begin_new_pieces() {
    let mut talk = Talk::ready();
    let heard =
        json!({ "type": "user_transcript", "user_transcription_event": { "user_transcript": "hello" } });
    for message in [
        response("One."),
        audio(1),
        audio(2),
        response("Two."),
        audio(3),
        heard,
        audio(4),
        response("Three."),
    ] {
        talk.comes(&message);
    }
    assert_eq!(talk.items(), [0, 0, 1, 2]);
    let texts: Vec<_> = talk
        .gave
        .iter()
        .filter_map(|what| match what {
            Conversed::Text { item, text } => Some((item.0, text.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(texts, [(0, "One."), (1, "Two."), (2, "Three.")]);
}

#[test]
fn the_first_thing_to_say_is_the_agents_own_greeting() {
    let mut talk = Talk::ready();
    talk.sent();
    talk.says(Converse::Say("Hello. How are you?".to_owned()));
    assert_eq!(talk.sent(), Vec::<Value>::new());
    talk.says(Converse::Say("Are you still there?".to_owned()));
    let sent = talk.sent();
    assert_eq!(sent[0]["type"], "user_message");
    assert!(
        sent[0]["text"].as_str().is_some_and(|text| text.ends_with("nothing else: Are you still there?"))
    );
}

#[test]
fn a_conversation_goes_on_over_another_connection() {
    let mut talk = Talk::ready();
    for message in [response("Hello."), audio(7)] {
        talk.comes(&message);
    }
    talk.says(Converse::Told("pressed 1".to_owned()));
    assert!(talk.session.reopens() && !talk.session.is_ready());
    talk.sent();
    talk.session.opened(&mut talk.sent);
    talk.gave.clear();
    talk.comes(&metadata("pcm_16000"));
    let kinds: Vec<_> = talk.sent().iter().map(|message| message["type"].clone()).collect();
    assert_eq!(kinds, ["conversation_initiation_client_data", "contextual_update", "user_message"]);
    // The new one's events are numbered anew, its greeting is not heard, its pieces are new ones.
    for message in [response("Hello."), audio(1), response("You pressed one."), audio(2)] {
        talk.comes(&message);
    }
    assert_eq!(talk.items(), [2]);
    let id = Conversed::Fact { name: "elevenlabs_conversation_id_2".to_owned(), value: "conv_1".to_owned() };
    assert!(talk.gave.contains(&id), "{:?}", talk.gave);
}

#[test]
fn each_closing_has_its_meaning() {
    let talk = Talk::ready();
    assert_eq!(talk.session.closed(Some(1000), ""), Parting::Over);
    for (code, reason, class) in [
        (Some(1002), "transport_receive_timeout", FaultClass::Idle),
        (Some(1002), "llm_timeout", FaultClass::Busy),
        (Some(1002), "something new", FaultClass::Busy),
        (Some(1008), "override_error", FaultClass::Config),
        (Some(1008), "missing_dynamic_variable: name", FaultClass::Config),
        (Some(1008), "Invalid API key", FaultClass::Auth),
        (Some(1008), "This request exceeds your quota limit", FaultClass::Quota),
        (Some(1011), "unknown_websocket_crash", FaultClass::Busy),
        (Some(1006), "", FaultClass::Network),
        (None, "", FaultClass::Network),
    ] {
        let Parting::Failed(fault) = talk.session.closed(code, reason) else { panic!("{code:?} {reason}") };
        assert_eq!(fault.class, class, "{code:?} {reason}");
    }
    // Before it was set up, an end is a failure.
    assert!(matches!(Talk::new(RoleOptions::default()).session.closed(Some(1000), ""), Parting::Failed(_)));
}

fn any_message() -> impl Strategy<Value = String> {
    let id = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(|id| json!(id)),
        (0i64..9).prop_map(|id| json!(id))
    ];
    let format = prop_oneof![Just("ulaw_8000"), Just("pcm_48000"), Just("pcm_16000")];
    prop_oneof![
        2 => any::<String>(),
        1 => format.prop_map(|name| metadata(name).to_string()),
        4 => (id.clone(), any::<Vec<u8>>()).prop_map(|(id, bytes)| {
            let audio = base64_simd::STANDARD.encode_to_string(bytes);
            json!({ "type": "audio", "audio_event": { "audio_base_64": audio, "event_id": id } }).to_string()
        }),
        2 => id.clone().prop_map(|id| json!({ "type": "interruption", "interruption_event": { "event_id": id } }).to_string()),
        2 => any::<String>().prop_map(|text| response(&text).to_string()),
        1 => any::<String>().prop_map(|text| json!({ "type": "user_transcript", "user_transcription_event": {
            "user_transcript": text } }).to_string()),
        1 => (id, any::<String>()).prop_map(|(id, name)| json!({ "type": "client_tool_call", "client_tool_call": {
            "tool_name": name, "tool_call_id": id, "parameters": id } }).to_string()),
        1 => "(audio|ping|interruption|error|agent_tool_response|client_tool_call|agent_response_correction)"
            .prop_map(|kind| json!({ "type": kind }).to_string()),
    ]
}

proptest! {
    #[test]
    fn nothing_that_comes_does_harm(messages in prop::collection::vec(any_message(), 0..60), cut: u32) {
        let mut talk = Talk::new(RoleOptions::default());
        let (mut withdrawn, mut newest) = (None::<u32>, None::<u32>);
        for message in messages {
            talk.gave.clear();
            // A fault ends the socket; here the session must bear whatever comes after it too.
            let _ = talk.session.frame(Frame::Text(message), &mut talk.sent, &mut talk.gave);
            for what in &talk.gave {
                match what {
                    Conversed::Audio { item, pcm, .. } => {
                        prop_assert!(!pcm.is_empty());
                        prop_assert!(newest.is_none_or(|newest| item.0 >= newest), "pieces go on in order");
                        prop_assert!(withdrawn.is_none_or(|gone| item.0 > gone), "what was withdrawn came again");
                        newest = Some(item.0);
                    }
                    Conversed::Interrupted => withdrawn = newest.max(withdrawn),
                    _ => {}
                }
            }
            talk.says(Converse::Cut { item: ItemId(cut), heard_ms: 1 });
        }
    }
}
