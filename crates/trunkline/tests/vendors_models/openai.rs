//! OpenAI, and servers that speak like it: a language model, a voice and a recogniser over HTTP.

use std::sync::Arc;

use audio::SampleRate;
use call::{FaultClass, Message};
use providers::driver::{HttpEar, HttpModel, HttpVoice, Patience};
use providers::openai::{Chat, Speech, Transcriptions};
use providers::{LinkId, Role, SpeechToText, TextToSpeech, Transport};

use crate::bench::{Bench, patience};

mod chat {
    use super::*;
    use crate::model::{Vendor, caller, outcome, prompt};

    const VENDOR: Vendor = Vendor { make, api: "openai/chat", different: &[] };

    fn make(bench: &Bench, key: &str, patience: Patience) -> HttpModel {
        let link = LinkId::new("openai", Role::LanguageModel, Transport::Http);
        let dialect = Chat::new(bench.options("/v1", key));
        HttpModel::new(link, Arc::new(dialect), bench.net.clone()).with_patience(patience)
    }

    model_suite!(VENDOR);

    #[tokio::test]
    async fn compatible_servers_may_leave_out_what_they_like() {
        let bench =
            Bench::new(&["We are open.", r#"{"tool":"lookup","arguments":{"id":7},"say":"Wait."}"#]).await;
        for key in
            ["x-no-done", "x-no-usage", "x-usage-everywhere", "x-no-index", "x-whole-tool-call", "x-comments"]
        {
            let model = make(&bench, key, patience(key));
            let said = outcome(&model, prompt(vec![caller("Hello?")])).await;
            assert_eq!((said.text.as_str(), said.end), ("We are open.", Ok(())), "{key}");
            assert_eq!(said.output_tokens.is_some(), key != "x-no-usage", "{key}");
            let messages = vec![caller("Hello?"), Message::agent("We are open."), caller("And seven?")];
            let wish = outcome(&model, prompt(messages)).await;
            assert_eq!((wish.text.as_str(), wish.tools.len()), ("Wait.", 1), "{key}: {wish:?}");
            assert_eq!(wish.tools[0].arguments, r#"{"id":7}"#, "{key}");
        }
        bench.assert_no_breach();
    }

    #[tokio::test]
    async fn an_operators_wrong_field_is_the_operators_fault() {
        let bench = Bench::new(&[]).await;
        let mut options = bench.options("/v1", "test");
        options.role.body.insert("languge".to_owned(), "en".into());
        let link = LinkId::new("openai", Role::LanguageModel, Transport::Http);
        let model = HttpModel::new(link, Arc::new(Chat::new(options)), bench.net.clone());
        let fault = outcome(&model, prompt(vec![caller("Hello?")])).await.end.expect_err("it is refused");
        assert_eq!(fault.class, FaultClass::Config);
        assert!(fault.why.contains("languge"), "{fault}");
        assert_eq!(bench.server.ledger().breaches().len(), 1);
    }
}

mod speech {
    use super::*;
    use crate::voice::{Mouth, Vendor};

    /// A failure can't be told in raw sound: the connection breaks.
    const VENDOR: Vendor = Vendor {
        make,
        api: "openai/speech",
        rate: |_| SampleRate::HZ_24000,
        different: &[("in-stream-error", FaultClass::Network)],
    };

    fn make(bench: &Bench, key: &str, patience: Patience) -> Box<dyn TextToSpeech> {
        let link = LinkId::new("openai", Role::TextToSpeech, Transport::Http);
        let dialect = Speech::new(bench.options("/v1", key));
        Box::new(HttpVoice::new(link, Arc::new(dialect), bench.net.clone()).with_patience(patience))
    }

    voice_suite!(VENDOR);

    #[tokio::test]
    async fn the_form_of_the_sound_is_what_the_server_says_or_shows() {
        let bench = Bench::new(&[]).await;
        let mut forms = Vec::new();
        for key in ["test", "x-wav-anyway", "x-sse-anyway"] {
            let voice = make(&bench, key, patience(key));
            let (rate, samples, end) = Mouth::open(&*voice, SampleRate::HZ_8000).say("Good morning.").await;
            assert_eq!((rate, end), (Some(SampleRate::HZ_24000), Ok(())), "{key}");
            forms.push(samples);
        }
        assert!(forms.iter().all(|samples| *samples == forms[0]));
    }

    #[tokio::test]
    async fn more_text_than_a_request_holds_is_refused_clearly() {
        let bench = Bench::new(&[]).await;
        let voice = make(&bench, "test", patience("test"));
        let (_, _, end) = Mouth::open(&*voice, SampleRate::HZ_8000).say(&"a".repeat(4_097)).await;
        let fault = end.expect_err("it is too long");
        assert_eq!(fault.class, FaultClass::Config);
        assert!(fault.why.contains("too long"), "{fault}");
    }
}

mod transcriptions {
    use super::*;
    use crate::ear::Vendor;

    const VENDOR: Vendor = Vendor { make, api: "openai/transcriptions", different: &[] };

    fn make(bench: &Bench, key: &str, patience: Patience) -> Box<dyn SpeechToText> {
        let link = LinkId::new("openai", Role::SpeechToText, Transport::Http);
        let dialect = Transcriptions::new(bench.options("/v1", key));
        Box::new(HttpEar::new(link, Arc::new(dialect), bench.net.clone()).with_patience(patience))
    }

    ear_suite!(VENDOR);
}
