//! What the stand-ins of language models answer: the world's next text, cut into tokens, or a tool call.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Fault, World};

/// An answer before it is put into a vendor's shape.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Reply {
    /// The text in tokens: words with the space before them.
    pub(super) tokens: Vec<String>,
    /// The tool that it asks for.
    pub(super) tool: Option<ToolWish>,
}

/// A tool that is asked for.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct ToolWish {
    /// Its name.
    #[serde(rename = "tool")]
    pub(super) name: String,
    /// Its arguments.
    #[serde(default)]
    pub(super) arguments: Map<String, Value>,
    /// What is said beside it.
    #[serde(default)]
    say: String,
}

impl Reply {
    /// What is answered after `caller_messages` messages of the caller, or after a tool that has just given
    /// `result`.
    pub(super) fn next(
        world: &World,
        caller_messages: usize,
        result: Option<&str>,
        fault: Option<&Fault>,
    ) -> Self {
        if fault == Some(&Fault::Silence) {
            return Self::default();
        }
        if let Some(result) = result {
            return Self {
                tokens: tokens(&format!("I have looked it up: {result}. Anything else?")),
                tool: None,
            };
        }
        let text = world.answer(caller_messages.saturating_sub(1));
        match serde_json::from_str::<ToolWish>(text) {
            Ok(wish) => Self { tokens: tokens(&wish.say), tool: Some(wish) },
            Err(_) => Self { tokens: tokens(text), tool: None },
        }
    }

    /// The whole text.
    pub(super) fn text(&self) -> String {
        self.tokens.concat()
    }
}

impl ToolWish {
    /// The arguments as JSON text, in fragments of a few characters.
    pub(super) fn fragments(&self) -> Vec<String> {
        let letters: Vec<char> = Value::Object(self.arguments.clone()).to_string().chars().collect();
        letters.chunks(5).map(|piece| piece.iter().collect()).collect()
    }
}

/// About how many tokens a text has.
pub(super) const fn count(bytes: usize) -> usize {
    bytes.div_ceil(4)
}

fn tokens(text: &str) -> Vec<String> {
    text.split_inclusive(' ').map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vendors::Delays;

    #[test]
    fn an_answer_is_text_a_tool_or_what_the_tool_gave() {
        let tool = r#"{"tool":"lookup","arguments":{"id":7},"say":"One moment."}"#;
        let answers = vec!["We are open.".to_owned(), tool.to_owned()];
        let world = World::new(Delays::none(), Vec::new(), answers);
        let text = Reply::next(&world, 1, None, None);
        assert_eq!((text.tokens.len(), text.text().as_str()), (3, "We are open."));
        let wish = Reply::next(&world, 2, None, None);
        assert_eq!(wish.text(), "One moment.");
        assert_eq!(wish.tool.unwrap().fragments().concat(), r#"{"id":7}"#);
        assert!(Reply::next(&world, 2, Some("ready"), None).text().contains("ready"));
        assert_eq!(Reply::next(&world, 1, None, Some(&Fault::Silence)), Reply::default());
    }
}
