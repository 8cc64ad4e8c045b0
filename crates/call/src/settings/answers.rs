//! What can be set about answers: how they are spoken, which tools they may use, what happens when they are late
//! or fail.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{END_CALL, TRANSFER, Tool};

/// The tools that the model may ask for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tools {
    /// Which of the tools that the call does itself are offered: `end_call`, `transfer`, `send_dtmf`,
    /// `collect_digits`, `record_result`.
    pub builtin: Vec<String>,
    /// How many times in one turn the model may be asked again with tools' results.
    pub max_steps: u32,
    /// The tools that the operator has declared.
    #[serde(skip_serializing_if = "<[Tool]>::is_empty")]
    pub declared: Arc<[Tool]>,
    /// To whom `transfer` may hand callers on.
    #[serde(skip_serializing_if = "Transfer::is_open")]
    pub transfer: Transfer,
}

/// To whom callers may be handed on, by name. Who stands behind a name is the shell's to know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Transfer {
    /// The names. Empty: whatever the model says is noted, and the carrier's flow decides.
    pub to: Vec<String>,
    /// Who is meant where nobody is named: also by `failure.then`. Empty: nobody.
    pub usual: String,
}

impl Transfer {
    /// Whether nobody is named.
    pub const fn is_open(&self) -> bool {
        self.to.is_empty()
    }

    /// Who is meant by what the model wrote.
    ///
    /// # Errors
    /// What the model is told when that is nobody.
    pub fn target(&self, wanted: &str) -> Result<String, String> {
        let wanted = wanted.trim();
        if self.is_open() {
            return Ok(wanted.to_owned());
        }
        let meant = if wanted.is_empty() { self.usual.as_str() } else { wanted };
        let found = self.to.iter().find(|name| name.to_lowercase() == meant.to_lowercase());
        found.cloned().ok_or_else(|| {
            let there = self.to.join(", ");
            match wanted {
                "" => format!("say to whom; there are: {there}"),
                _ => format!("there is nobody of this name to hand the caller to; there are: {there}"),
            }
        })
    }
}

impl Default for Tools {
    fn default() -> Self {
        Self {
            builtin: vec![END_CALL.to_owned()],
            max_steps: 5,
            declared: Arc::default(),
            transfer: Transfer::default(),
        }
    }
}

impl Tools {
    /// All that the model is told of: the call's own tools that are offered, and the operator's.
    pub fn offered(&self) -> Arc<[Tool]> {
        if self.builtin.is_empty() {
            return self.declared.clone();
        }
        let builtin = self.builtin.iter().filter_map(|name| match name.as_str() {
            TRANSFER => Some(Tool::transfer(&self.transfer)),
            name => Tool::builtin(name),
        });
        builtin.chain(self.declared.iter().cloned()).collect()
    }

    /// The operator's tool of this name.
    pub fn declared(&self, name: &str) -> Option<&Tool> {
        self.declared.iter().find(|tool| tool.name == name)
    }

    /// Whether this tool of the call's own is offered.
    pub fn offers(&self, name: &str) -> bool {
        self.builtin.iter().any(|builtin| builtin == name)
    }
}

/// How numbers reach the voice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Numbers {
    /// As the model wrote them: most voices read them well.
    #[default]
    AsWritten,
    /// In words where voices stumble: sums of money, percentages, times, long numbers, telephone numbers.
    Words,
}

/// How addresses of web pages reach the voice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Urls {
    /// As a person says them: "example dot com".
    #[default]
    Spoken,
    /// Left out.
    Dropped,
}

/// How words are made ready for the voice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Speech {
    /// How numbers are said: `as_written` or `words`. English and Hindi are known; in other languages they stay as
    /// they are written.
    pub numbers: Numbers,
    /// How addresses of web pages are said: `spoken` or `dropped`.
    pub urls: Urls,
    /// Whether markdown, emoji and other signs that can't be said are taken out.
    pub clean: bool,
    /// After how many letters the first words of an answer may go to the voice at a comma or an "and", before the
    /// sentence is complete. 0: whole sentences only.
    pub first_clause_chars: usize,
}

impl Default for Speech {
    fn default() -> Self {
        Self { numbers: Numbers::AsWritten, urls: Urls::Spoken, clean: true, first_clause_chars: 0 }
    }
}

/// What is heard while an answer is late.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FillerKind {
    /// Words.
    #[default]
    Speech,
    /// A soft tone.
    Tone,
    /// Nothing.
    Off,
}

/// What is heard while an answer is late: at most once a turn, and never part of the conversation that the model
/// is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filler {
    /// `speech`, `tone` or `off`.
    pub kind: FillerKind,
    /// How long after the end of the caller's turn.
    pub after_ms: u64,
    /// What is said.
    pub text: String,
}

impl Default for Filler {
    fn default() -> Self {
        Self { kind: FillerKind::Speech, after_ms: 1_200, text: "One moment, please.".to_owned() }
    }
}

/// How long an answer may take before something is done about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Budget {
    /// From the caller's last word to the agent's first. When it is overrun, the filler is played, the next model is
    /// tried, and the next answers begin at their first clause. 0: there is none.
    pub total_ms: u64,
    /// How long the model may take for its first word before the next one is tried. 0: as long as it likes.
    pub hurry_ms: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { total_ms: 0, hurry_ms: 1_500 }
    }
}

/// What keys do that the caller presses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DtmfMode {
    /// Nothing but show that somebody is there.
    Off,
    /// Each is told to the model at once.
    Single,
    /// They are gathered and told together.
    #[default]
    Collect,
}

/// What keys do that the caller presses. The model is told `pressed 1 2 3`, as the caller's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dtmf {
    /// `off`, `single` or `collect`.
    pub mode: DtmfMode,
    /// The key that ends a row of keys, and is not part of it. Empty: none does.
    pub terminator: String,
    /// How long after a key the row is over.
    pub digit_ms: u64,
    /// The longest row.
    pub longest: usize,
    /// Whether a key stops the agent that speaks.
    pub interrupts: bool,
}

impl Default for Dtmf {
    fn default() -> Self {
        Self {
            mode: DtmfMode::Collect,
            terminator: "#".to_owned(),
            digit_ms: 3_000,
            longest: 20,
            interrupts: true,
        }
    }
}

/// What is done when vendors keep failing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureThen {
    /// The call goes on.
    #[default]
    Stay,
    /// It is ended after the apology.
    HangUp,
    /// It is handed on after the apology: the carrier's flow goes to its next step.
    Transfer,
}

/// What happens when vendors keep failing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Failure {
    /// After the apology: `stay`, `hang_up` or `transfer`.
    pub then: FailureThen,
    /// After how many failed turns in a row.
    pub after: u32,
}

impl Default for Failure {
    fn default() -> Self {
        Self { then: FailureThen::Stay, after: 2 }
    }
}
