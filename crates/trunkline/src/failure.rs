//! How a command fails: what is said and with which exit code. The codes are those of sysexits.h where it has
//! one, so that a service manager can tell a broken file from a taken port.

use std::process::ExitCode;

use crate::config::Problems;

/// The text about exit codes in every command's help.
pub(crate) const EXIT_CODES: &str = "Exit codes: 0 ok, 1 failed, 2 wrong usage, 69 unavailable (port taken, server \
     not reachable or busy, library missing), 77 the server wants another key, 78 configuration error.";

/// The same for a check whose findings are of three kinds.
pub(crate) const CHECK_EXIT_CODES: &str = "Exit codes: 0 ok, 1 something fails, 2 wrong usage, 3 nothing fails and \
     something should be looked at, 78 configuration error.";

/// Why a command did not do its work.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// A check failed, or something went wrong: 1.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self { code: 1, message: message.into() }
    }

    /// The command line can't be followed: 2.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { code: 2, message: message.into() }
    }

    /// Something that is needed is not there or is taken: 69.
    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self { code: 69, message: message.into() }
    }

    /// The server does not let this one do it: 77.
    pub(crate) fn denied(message: impl Into<String>) -> Self {
        Self { code: 77, message: message.into() }
    }

    /// The configuration is wrong: 78.
    pub(crate) fn config(message: impl Into<String>) -> Self {
        Self { code: 78, message: message.into() }
    }

    /// Fails without a word, since all was said.
    pub(crate) fn silent() -> Self {
        Self { code: 1, message: String::new() }
    }

    /// Nothing failed, and something should be looked at: 3. All was said.
    pub(crate) fn warned() -> Self {
        Self { code: 3, message: String::new() }
    }

    /// Says it on stderr and gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        if !self.message.is_empty() {
            crate::terminal::message(&format!("{} {}", crate::terminal::red("error:"), self.message));
        }
        ExitCode::from(self.code)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::config(format!("the configuration can't be used\n{problems}"))
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::failed(format!("{error:#}"))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::failed(error.to_string())
    }
}
