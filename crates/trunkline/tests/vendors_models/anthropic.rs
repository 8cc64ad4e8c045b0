//! Anthropic as a language model.

use std::sync::Arc;

use call::FaultClass;
use providers::anthropic::Messages;
use providers::driver::{HttpModel, Patience};
use providers::{LinkId, Role, Transport};

use crate::bench::{Bench, patience};
use crate::model::{self, caller, outcome, prompt};

const VENDOR: model::Vendor =
    model::Vendor { make, api: "anthropic/messages", different: &[("fail-529", FaultClass::Busy)] };

fn make(bench: &Bench, key: &str, patience: Patience) -> HttpModel {
    let link = LinkId::new("anthropic", Role::LanguageModel, Transport::Http);
    let dialect = Messages::new(bench.options("", key));
    HttpModel::new(link, Arc::new(dialect), bench.net.clone()).with_patience(patience)
}

model_suite!(VENDOR);

#[tokio::test]
async fn an_account_that_is_spent_is_not_asked_again() {
    model::faults_of(&VENDOR, &[("x-spend-limit", FaultClass::Quota), ("x-low-credit", FaultClass::Quota)])
        .await;
}

#[tokio::test]
async fn thoughts_are_not_spoken_and_a_farewell_is_not_needed() {
    let bench = Bench::new(&["We are open."]).await;
    for key in ["x-thinking", "x-no-stop"] {
        let said = outcome(&make(&bench, key, patience(key)), prompt(vec![caller("Hello?")])).await;
        assert_eq!((said.text.as_str(), said.end), ("We are open.", Ok(())), "{key}");
    }
    bench.assert_no_breach();
}
