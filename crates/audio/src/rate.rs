//! A sample rate as a type, so that samples, bytes and time can't be mixed up.

use serde::{Deserialize, Serialize};

/// One of the sample rates that this project handles, in samples per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct SampleRate(u32);

/// The rate asked for is none of those handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnsupportedRate(pub u32);

impl std::fmt::Display for UnsupportedRate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "sample rate {} Hz is not supported; use 8000, 16000, 22050, 24000, 44100 or 48000", self.0)
    }
}

impl std::error::Error for UnsupportedRate {}

impl SampleRate {
    /// 8 kHz, the telephone network's own rate.
    pub const HZ_8000: Self = Self(8_000);
    /// 16 kHz, wideband speech; what recognisers take.
    pub const HZ_16000: Self = Self(16_000);
    /// 22.05 kHz, a quarter of CD rate; what some voices are recorded at.
    pub const HZ_22050: Self = Self(22_050);
    /// 24 kHz, what cloud voices give.
    pub const HZ_24000: Self = Self(24_000);
    /// 44.1 kHz, CD rate; found in files.
    pub const HZ_44100: Self = Self(44_100);
    /// 48 kHz, what browsers give.
    pub const HZ_48000: Self = Self(48_000);

    /// Every rate there is.
    pub const ALL: [Self; 6] =
        [Self::HZ_8000, Self::HZ_16000, Self::HZ_22050, Self::HZ_24000, Self::HZ_44100, Self::HZ_48000];

    /// Samples per second.
    pub const fn hz(self) -> u32 {
        self.0
    }

    /// How long `samples` last, in microseconds, rounded down.
    pub const fn micros(self, samples: usize) -> u64 {
        samples as u64 * 1_000_000 / self.0 as u64
    }

    /// How many whole samples fit into `micros` microseconds.
    pub const fn samples(self, micros: u64) -> usize {
        (micros * self.0 as u64 / 1_000_000) as usize
    }
}

impl TryFrom<u32> for SampleRate {
    type Error = UnsupportedRate;

    fn try_from(hz: u32) -> Result<Self, UnsupportedRate> {
        Self::ALL.into_iter().find(|rate| rate.0 == hz).ok_or(UnsupportedRate(hz))
    }
}

impl From<SampleRate> for u32 {
    fn from(rate: SampleRate) -> u32 {
        rate.0
    }
}

impl std::fmt::Display for SampleRate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} Hz", self.0)
    }
}
