//! What is set about handing callers on: to whom, what they see, and what the caller hears when nobody is there.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::layers::no_such;

/// To whom an agent may hand callers on.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Transfer {
    pub(crate) to: BTreeMap<String, String>,
    pub(crate) usual: Option<String>,
    pub(crate) caller_id: Option<String>,
    pub(crate) ring_ms: u64,
    pub(crate) unreached: String,
}

impl Default for Transfer {
    fn default() -> Self {
        Self {
            to: BTreeMap::new(),
            usual: None,
            caller_id: None,
            ring_ms: 25_000,
            unreached: "Sorry, nobody can take your call right now. Please call again later.".to_owned(),
        }
    }
}

impl Transfer {
    /// What the core of a call needs to know of it: the names.
    pub(crate) fn for_calls(&self) -> call::Transfer {
        let to: Vec<String> = self.to.keys().cloned().collect();
        let only = to.first().filter(|_| to.len() == 1);
        let usual = self.usual.as_ref().or(only).cloned().unwrap_or_default();
        call::Transfer { to, usual }
    }

    /// What the data plane needs: who stands behind them.
    pub(crate) fn for_carriers(&self) -> gateway::Transfers {
        gateway::Transfers {
            to: self.to.clone(),
            caller_id: self.caller_id.clone(),
            ring: Duration::from_millis(self.ring_ms),
            unreached: self.unreached.clone(),
        }
    }

    /// What is wrong with it, each with its key below `transfer`.
    pub(crate) fn problems(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for (name, to) in &self.to {
            if !is_number(to) && !is_sip(to) {
                let what = "it is neither a number such as +12025550123 nor a SIP address such as sip:desk@example.com";
                found.push((format!("to.{name}"), what.to_owned()));
            }
        }
        if let Some(usual) = self.usual.as_ref().filter(|usual| !self.to.contains_key(*usual)) {
            let names: Vec<&str> = self.to.keys().map(String::as_str).collect();
            found.push(("usual".to_owned(), no_such("name in transfer.to", usual, &names)));
        }
        if self.caller_id.as_ref().is_some_and(|number| !is_number(number)) {
            let what = "it is no number such as +12025550123";
            found.push(("caller_id".to_owned(), what.to_owned()));
        }
        if !(5_000..=600_000).contains(&self.ring_ms) {
            found.push(("ring_ms".to_owned(), format!("{} is not from 5000 to 600000", self.ring_ms)));
        }
        found
    }
}

/// E.164: a plus and 7 to 15 digits.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_sip(text: &str) -> bool {
    let (scheme, rest) = text.split_once(':').unwrap_or_default();
    carriers::twilio::twiml::is_sip(text) && rest.contains('@') && scheme.len() + rest.len() < 255
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(names: &[(&str, &str)]) -> Transfer {
        let to = names.iter().map(|(name, to)| ((*name).to_owned(), (*to).to_owned())).collect();
        Transfer { to, ..Transfer::default() }
    }

    #[test]
    fn the_only_one_is_the_usual_one() {
        assert_eq!(to(&[("sales", "+12025550123")]).for_calls().usual, "sales");
        let two = to(&[("sales", "+12025550123"), ("desk", "sip:desk@example.com")]);
        assert_eq!(
            two.for_calls(),
            call::Transfer { to: vec!["desk".into(), "sales".into()], usual: String::new() }
        );
        let usual = Transfer { usual: Some("sales".to_owned()), ..two };
        assert_eq!(usual.for_calls().usual, "sales");
        assert_eq!(usual.problems(), []);
    }

    #[test]
    fn what_can_not_be_dialled_is_said() {
        let keys = |transfer: Transfer| -> Vec<String> {
            transfer.problems().into_iter().map(|(key, _)| key).collect()
        };
        assert_eq!(
            keys(to(&[("a", "2025550123"), ("b", "sip:nobody"), ("c", "sales")])),
            ["to.a", "to.b", "to.c"]
        );
        let odd = Transfer {
            usual: Some("x".to_owned()),
            caller_id: Some("desk".to_owned()),
            ring_ms: 900,
            ..Transfer::default()
        };
        assert_eq!(keys(odd), ["usual", "caller_id", "ring_ms"]);
    }
}
