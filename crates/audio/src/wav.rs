//! WAV files (RIFF/WAVE, Microsoft "Multimedia Programming Interface and Data Specifications 1.0", 1991). Reading is
//! tolerant, since voices, recorders and users write what they like; writing is one plain header of 44 bytes.

mod read;
mod stream;
mod write;

pub use read::{Wav, WavError, read};
pub use stream::Stream;
pub use write::{HEADER_BYTES, header, repaired_header};
