//! Telephone audio as values: rates and PCM as types, G.711, resampling, tones, level, voice activity, WAV.
//! Pure: no clock, no file, no socket. Files and sockets belong to the crates that use this one.

pub mod g711;
pub mod wav;

mod kernel;
mod level;
mod pcm;
mod rate;
mod recorder;
mod resample;
mod split;
mod tonal;
mod tone;
mod vad;

pub use level::{NoiseFloor, SILENCE_DB, level_db, tone_level_db};
pub use pcm::Pcm;
pub use rate::{SampleRate, UnsupportedRate};
pub use recorder::StereoRecorder;
pub use resample::{Folded, Resampler};
pub use split::PcmBytes;
pub use tone::{dtmf, tone};
pub use vad::{VoiceDetector, VoiceFrame};
