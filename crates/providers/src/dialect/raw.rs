//! Raw sound off the wire: samples without a header, in one of the codings that vendors have for telephone lines.

use audio::{PcmBytes, g711};

/// How a sample is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    /// Little-endian 16-bit samples.
    Linear,
    /// G.711 mu-law.
    MuLaw,
    /// G.711 A-law.
    ALaw,
}

/// Samples out of bytes that were cut anywhere.
#[derive(Debug, Clone)]
pub(crate) struct RawSamples {
    coding: Coding,
    odd: PcmBytes,
}

impl RawSamples {
    /// Nothing read yet.
    pub(crate) const fn new(coding: Coding) -> Self {
        Self { coding, odd: PcmBytes::new() }
    }

    /// Appends the samples that `bytes` complete.
    pub(crate) fn push(&mut self, bytes: &[u8], samples: &mut Vec<i16>) {
        match self.coding {
            Coding::Linear => self.odd.push(bytes, samples),
            Coding::MuLaw => g711::mulaw_decode_into(bytes, samples),
            Coding::ALaw => g711::alaw_decode_into(bytes, samples),
        }
    }

    /// Forgets half a sample that waits for the rest, for a new stream.
    pub(crate) fn reset(&mut self) {
        self.odd.reset();
    }
}
