//! A script as it is written: TOML, in which an unknown key is an error.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// Text by name, for `{name}` in answers.
    #[serde(default)]
    pub(super) variables: BTreeMap<String, String>,
    /// What can be filled in, by name.
    #[serde(default)]
    pub(super) slots: BTreeMap<String, Slot>,
    /// What callers want, the more important first.
    pub(super) intents: Vec<Intent>,
    /// What needs several answers, by name.
    #[serde(default)]
    pub(super) forms: BTreeMap<String, Form>,
    /// What is said when nothing fits.
    pub(super) fallback: Fallback,
    /// How callers agree.
    #[serde(default = "yes")]
    pub(super) yes: Vec<String>,
    /// How callers disagree.
    #[serde(default = "no")]
    pub(super) no: Vec<String>,
}

/// A list of values.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Slot {
    /// What is asked when it is missing.
    pub(super) ask: String,
    /// What it can be.
    pub(super) values: Vec<Value>,
}

/// One value.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Value {
    /// Said and heard alike; may be a pattern only if it reads well.
    Plain(String),
    /// Said in one way, heard in others.
    Named(Named),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    /// How answers say it.
    pub(super) say: String,
    /// How callers say it.
    pub(super) heard: Vec<String>,
}

/// Something that callers want.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Intent {
    pub(super) name: String,
    /// How callers say it.
    pub(super) when: Vec<String>,
    /// What is answered: the first time the first, and so on, then the last.
    #[serde(default)]
    pub(super) say: Vec<String>,
    /// The form that it opens.
    pub(super) form: Option<String>,
    /// What it does besides speaking.
    pub(super) does: Option<Does>,
}

/// What an intent can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Does {
    /// Says the last answer again.
    Repeat,
    /// Leaves the form that is open.
    Cancel,
    /// Hangs up after its words.
    EndCall,
}

/// Something that needs several answers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Form {
    /// What has to be filled, in the order in which it is asked for.
    pub(super) slots: Vec<String>,
    /// How callers answer its questions: for the recogniser, and to fill several slots at once.
    #[serde(default)]
    pub(super) heard: Vec<String>,
    /// The question when all is filled. Without it nothing is confirmed.
    pub(super) confirm: Option<String>,
    /// Said when it is confirmed.
    pub(super) done: String,
    /// Said when it is not, before it is asked anew.
    #[serde(default)]
    pub(super) again: String,
}

/// What is said when nothing fits.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fallback {
    /// The first time in a row the first, and so on, then the last.
    pub(super) say: Vec<String>,
    /// After how many in a row the call is ended with `give_up`. 0: never.
    #[serde(default)]
    pub(super) give_up_after: u32,
    #[serde(default)]
    pub(super) give_up: String,
}

fn yes() -> Vec<String> {
    ["(yes|yeah|yep|sure|correct|okay)", "(that's|that is) (right|correct)"].map(str::to_owned).to_vec()
}

fn no() -> Vec<String> {
    ["(no|nope)", "(that's|that is) (wrong|not right)"].map(str::to_owned).to_vec()
}
