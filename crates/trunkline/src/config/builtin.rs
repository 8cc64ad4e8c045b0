//! The agents that exist without any file, as the text that a file would have. They are the test ladder: each
//! needs a little more to work than the one before, so that a fault is found by steps.

/// The names, in the order of the ladder.
pub(crate) const NAMES: [&str; 5] = ["silent", "beep", "echo", "greeting", "assistant"];

/// The text of a built-in agent's table.
pub(super) fn text(name: &str) -> Option<&'static str> {
    Some(match name {
        "silent" => "kind = 'silent'",
        "beep" => "kind = 'beep'",
        "echo" => "kind = 'echo'",
        "greeting" => {
            "kind = 'greeting'\n\
             greeting = 'Hello, and thank you for calling. This line speaks a greeting and then listens.'"
        }
        "assistant" => {
            "kind = 'assistant'\n\
             greeting = 'Hello, this is Sunrise Dental. I am an automatic assistant. How can I help you?'\n\
             prompt = 'You are the reception desk of a small dental clinic. Answer in one or two short sentences.'"
        }
        _ => return None,
    })
}
