//! Anthropic, as a language model.

mod error;
mod messages;

pub use messages::Messages;

/// Where Anthropic is.
pub const BASE_URL: &str = "https://api.anthropic.com";
