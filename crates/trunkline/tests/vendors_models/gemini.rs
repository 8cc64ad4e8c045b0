//! Gemini as a language model.

use std::sync::Arc;

use call::{FaultClass, Message};
use providers::driver::{HttpModel, Patience};
use providers::google::Gemini;
use providers::{LinkId, Role, Transport};

use crate::bench::{Bench, patience};
use crate::model::{self, caller, outcome, prompt};

const VENDOR: model::Vendor =
    model::Vendor { make, api: "gemini/generate", different: &[("x-bad-key", FaultClass::Auth)] };

fn make(bench: &Bench, key: &str, patience: Patience) -> HttpModel {
    make_model(bench, key, patience, None)
}

fn make_model(bench: &Bench, key: &str, patience: Patience, model: Option<&str>) -> HttpModel {
    let link = LinkId::new("google", Role::LanguageModel, Transport::Http);
    let mut options = bench.options("", key);
    options.role.model = model.map(str::to_owned);
    HttpModel::new(link, Arc::new(Gemini::new(options)), bench.net.clone()).with_patience(patience)
}

model_suite!(VENDOR);

#[tokio::test]
async fn what_google_blocks_is_a_failure_when_nothing_was_said() {
    let keys = [
        ("x-blocked", FaultClass::Config),
        ("x-safety", FaultClass::Config),
        ("x-malformed", FaultClass::Busy),
    ];
    model::faults_of(&VENDOR, &keys).await;
}

#[tokio::test]
async fn thoughts_are_not_spoken() {
    let bench = Bench::new(&["We are open."]).await;
    let said = outcome(&make(&bench, "x-thinking", patience("test")), prompt(vec![caller("Hello?")])).await;
    assert_eq!((said.text.as_str(), said.end), ("We are open.", Ok(())));
}

/// A signature goes back as it came, and a call without an id is answered all the same.
#[tokio::test]
async fn function_calls_come_back_as_the_newest_models_want_them() {
    let bench = Bench::new(&[r#"{"tool":"lookup","arguments":{"id":7}}"#]).await;
    for (key, is_kept) in [("test", true), ("test", false), ("x-no-id", true)] {
        let model = make_model(&bench, key, patience("test"), Some("gemini-3-flash"));
        let mut messages = vec![caller("Where is it?")];
        let mut wish = outcome(&model, prompt(messages.clone())).await;
        let call = &mut wish.tools[0];
        assert!(call.signature.is_some() && !call.id.is_empty());
        if !is_kept {
            // As if another vendor had asked.
            call.signature = None;
        }
        let (id, name) = (call.id.clone(), call.name.clone());
        messages.push(Message::Agent { text: wish.text, calls: wish.tools });
        messages.push(Message::Tool { id, name, result: "on its way".to_owned() });
        let said = outcome(&model, prompt(messages)).await;
        assert!(said.text.contains("on its way"), "{key}: {said:?}");
    }
    bench.assert_no_breach();
}
