//! What people see: text to stdout, messages to stderr, colour only where it is wanted and can be seen.

use std::io::{IsTerminal as _, Write as _, stderr, stdout};

/// Writes a line to stdout. When nobody reads it any more (`| head`), the program ends quietly.
pub(crate) fn say(line: &str) {
    if writeln!(stdout(), "{line}").is_err() {
        std::process::exit(0);
    }
}

/// Writes a line to stderr.
pub(crate) fn message(line: &str) {
    // There is nowhere left to report that stderr is closed.
    let _ = writeln!(stderr(), "{line}");
}

/// Writes a value to stdout as JSON.
pub(crate) fn json(value: &impl serde::Serialize) {
    match serde_json::to_string_pretty(value) {
        Ok(text) => say(&text),
        Err(error) => message(&format!("this can't be written as JSON: {error}")),
    }
}

/// Whether stdout shows colours (https://no-color.org).
fn has_colour(is_terminal: bool) -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    is_terminal && !refused && !is_dumb
}

/// Whether stderr is a terminal that shows colours.
pub(crate) fn stderr_has_colour() -> bool {
    has_colour(stderr().is_terminal())
}

fn painted(text: &str, code: &str, has_colour: bool) -> String {
    if has_colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

/// For what went wrong, on stderr.
pub(crate) fn red(text: &str) -> String {
    painted(text, "31", stderr_has_colour())
}

/// For what went well, on stdout.
pub(crate) fn green(text: &str) -> String {
    painted(text, "32", has_colour(stdout().is_terminal()))
}

/// For what should be looked at, on stdout.
pub(crate) fn yellow(text: &str) -> String {
    painted(text, "33", has_colour(stdout().is_terminal()))
}

/// For what stands out, on stdout.
pub(crate) fn bold(text: &str) -> String {
    painted(text, "1", has_colour(stdout().is_terminal()))
}

/// For what is there if one wants to know, on stdout.
pub(crate) fn dim(text: &str) -> String {
    painted(text, "2", has_colour(stdout().is_terminal()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_needs_a_terminal() {
        assert_eq!(painted("x", "31", false), "x");
        assert_eq!(painted("x", "31", true), "\x1b[31mx\x1b[0m");
    }
}
