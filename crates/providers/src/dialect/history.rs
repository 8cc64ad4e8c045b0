//! A conversation in the order that vendors insist on: each tool's result right behind the message that asked for
//! it, none missing, none left over, no id twice. A call's history may differ from that: callers speak while a tool
//! runs, and a second vendor goes on with what the first one asked for.

use std::borrow::Cow;
use std::collections::BTreeSet;

use call::{Message, ToolCall};
use serde_json::{Map, Value};

/// Vendors limit an id's length; OpenAI takes 64 characters.
const LONGEST_ID: usize = 64;

/// One step of a conversation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn<'a> {
    /// The caller's words, never blank.
    Caller(&'a str),
    /// The agent's. The text is blank only where there are calls.
    Agent {
        /// What was heard of it.
        text: &'a str,
        /// The tools that it asked for. The next turn holds their results, in the same order.
        calls: Vec<Called<'a>>,
    },
    /// What the tools of the turn before gave.
    Results(Vec<Given<'a>>),
}

/// A tool that the agent asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Called<'a> {
    /// An id that no other call of this conversation has, of letters, digits, `_` and `-`.
    pub(crate) id: Cow<'a, str>,
    /// The call.
    pub(crate) call: &'a ToolCall,
}

/// What a tool gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Given<'a> {
    /// The id of its call.
    pub(crate) id: Cow<'a, str>,
    /// The tool.
    pub(crate) name: &'a str,
    /// Its result.
    pub(crate) result: &'a str,
}

impl Called<'_> {
    /// The arguments as an object. What a model wrote that is none was refused when it was asked for, and vendors
    /// refuse a history that holds it.
    pub(crate) fn arguments(&self) -> Map<String, Value> {
        serde_json::from_str(&self.call.arguments).unwrap_or_default()
    }
}

/// The turns of a conversation.
pub(crate) fn turns(messages: &[Message]) -> Vec<Turn<'_>> {
    let mut ids = BTreeSet::new();
    let mut taken = vec![false; messages.len()];
    let mut turns = Vec::with_capacity(messages.len());
    for (at, message) in messages.iter().enumerate() {
        match message {
            Message::Caller(text) if !text.trim().is_empty() => turns.push(Turn::Caller(text)),
            Message::Caller(_) | Message::Tool { .. } => {}
            Message::Agent { text, calls } => {
                let (mut called, mut given) = (Vec::new(), Vec::new());
                for call in calls {
                    let Some((place, result)) = result_of(call, messages, at, &taken) else { continue };
                    taken[place] = true;
                    let id = unique(&call.id, &mut ids);
                    called.push(Called { id: id.clone(), call });
                    given.push(Given { id, name: &call.name, result });
                }
                if called.is_empty() {
                    if !text.trim().is_empty() {
                        turns.push(Turn::Agent { text, calls: called });
                    }
                } else {
                    turns.push(Turn::Agent { text, calls: called });
                    turns.push(Turn::Results(given));
                }
            }
        }
    }
    turns
}

/// The first result of this call behind the message at `at`: not one that belongs to a later call of the same id.
fn result_of<'a>(
    call: &ToolCall,
    messages: &'a [Message],
    at: usize,
    taken: &[bool],
) -> Option<(usize, &'a str)> {
    for (place, message) in messages.iter().enumerate().skip(at + 1) {
        match message {
            Message::Tool { id, result, .. } if *id == call.id && !taken[place] => {
                return Some((place, result));
            }
            Message::Agent { calls, .. } if calls.iter().any(|later| later.id == call.id) => return None,
            _ => {}
        }
    }
    None
}

fn unique<'a>(id: &'a str, seen: &mut BTreeSet<String>) -> Cow<'a, str> {
    let plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if plain && !id.is_empty() && id.len() <= LONGEST_ID && seen.insert(id.to_owned()) {
        return Cow::Borrowed(id);
    }
    let fresh = (seen.len()..)
        .map(|number| format!("call_{number}"))
        .find(|fresh| !seen.contains(fresh))
        .expect("there are more numbers than calls");
    seen.insert(fresh.clone());
    Cow::Owned(fresh)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(text: &str, ids: &[&str]) -> Message {
        let call = |id: &&str| ToolCall { id: (*id).to_owned(), ..ToolCall::of("lookup") };
        Message::Agent { text: text.to_owned(), calls: ids.iter().map(call).collect() }
    }

    fn result(id: &str, result: &str) -> Message {
        Message::Tool { id: id.to_owned(), name: "lookup".to_owned(), result: result.to_owned() }
    }

    /// The turns in short: `c`aller, `a`gent with its ids, `r`esults.
    fn short(messages: &[Message]) -> String {
        let one = |turn: &Turn<'_>| match turn {
            Turn::Caller(text) => format!("c:{text}"),
            Turn::Agent { text, calls } => {
                let ids: Vec<&str> = calls.iter().map(|call| &*call.id).collect();
                format!("a:{text}[{}]", ids.join(","))
            }
            Turn::Results(given) => {
                let all: Vec<String> =
                    given.iter().map(|given| format!("{}={}", given.id, given.result)).collect();
                format!("r:{}", all.join(","))
            }
        };
        turns(messages).iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_result_stands_behind_the_message_that_asked() {
        let caller = Message::Caller("hello?".to_owned());
        assert_eq!(
            short(&[asks("", &["x", "y"]), caller.clone(), result("y", "2"), result("x", "1")]),
            "a:[x,y] r:x=1,y=2 c:hello?"
        );
        assert_eq!(short(&[asks("So.", &["x"]), caller.clone()]), "a:So.[] c:hello?");
        assert_eq!(short(&[asks("", &["x"]), caller, result("z", "?")]), "c:hello?");
        assert_eq!(short(&[Message::Caller("  ".to_owned()), Message::agent("")]), "");
    }

    #[test]
    fn no_id_comes_twice() {
        assert_eq!(
            short(&[
                asks("", &["call_0"]),
                result("call_0", "1"),
                asks("", &["call_0"]),
                result("call_0", "2"),
                asks("", &["", "a b"]),
                result("", "3"),
                result("a b", "4"),
            ]),
            "a:[call_0] r:call_0=1 a:[call_1] r:call_1=2 a:[call_2,call_3] r:call_2=3,call_3=4"
        );
        assert_eq!(short(&[asks("", &["x"]), asks("", &["x"]), result("x", "2")]), "a:[x] r:x=2");
    }
}
