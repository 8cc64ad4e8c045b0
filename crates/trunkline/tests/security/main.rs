//! The real program against those who mean it harm, and what it must never tell: secrets, numbers, words of callers.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what fails here fails the test")]

mod canaries;
mod knocking;
mod support;
