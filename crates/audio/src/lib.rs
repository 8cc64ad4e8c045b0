//! Telephone audio as values: rates and PCM as types, G.711, resampling, tones, level, voice activity, WAV.
//! Pure: no clock, no file, no socket. Files and sockets belong to the crates that use this one.

mod pcm;
mod rate;

pub use pcm::Pcm;
pub use rate::{SampleRate, UnsupportedRate};
