//! Google: Gemini, Cloud Speech-to-Text and Cloud Text-to-Speech. They share one error shape.

mod error;
mod gemini;
mod schema;

pub use gemini::{GEMINI_BASE_URL, Gemini};
