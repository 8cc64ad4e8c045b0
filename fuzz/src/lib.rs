//! What each fuzz target does with its bytes, as plain functions, so that the committed corpora can be run through
//! them by an ordinary test on stable Rust (`make fuzz-replay`) as well as by libFuzzer (`make fuzz`).
//! A property that does not hold is a panic.

mod agent_messages;
mod bytes;
mod call_core;
mod carrier_rest;
mod config_file;
mod exotel_decode;
mod pcm_bytes;
mod twilio_decode;
mod vendor_answers;
mod wav_read;

pub use agent_messages::agent_messages;
pub use call_core::call_core;
pub use carrier_rest::carrier_rest;
pub use config_file::config_file;
pub use exotel_decode::exotel_decode;
pub use pcm_bytes::pcm_bytes;
pub use twilio_decode::twilio_decode;
pub use vendor_answers::vendor_answers;
pub use wav_read::wav_read;

/// A target: takes any bytes, and panics when a property does not hold.
pub type Target = fn(&[u8]);

/// Every target with the name of its corpus.
pub const TARGETS: [(&str, Target); 9] = [
    ("agent_messages", agent_messages),
    ("call_core", call_core),
    ("carrier_rest", carrier_rest),
    ("config_file", config_file),
    ("exotel_decode", exotel_decode),
    ("pcm_bytes", pcm_bytes),
    ("twilio_decode", twilio_decode),
    ("vendor_answers", vendor_answers),
    ("wav_read", wav_read),
];
