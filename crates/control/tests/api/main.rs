//! The reading side of the API over real sockets, with a real SQLite under it.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy takes for code")]

mod alerts;
mod calls;
mod document;
mod events;
mod jobs;
mod place;
mod recording;
