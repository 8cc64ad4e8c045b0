//! A run of mono 16-bit samples that several parts of a call can hold without copying.

use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// Mono linear PCM, signed 16-bit. Cloning shares the samples. In JSON it is the base64 (standard alphabet,
/// padded) of the samples in little-endian order, as on the carriers' wires.
#[derive(Clone, PartialEq, Eq)]
pub struct Pcm(Arc<[i16]>);

impl Pcm {
    /// Samples from little-endian bytes; an odd last byte is left out, so callers carry it over themselves.
    pub fn from_le_bytes(bytes: &[u8]) -> Self {
        Self(bytes.as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect())
    }

    /// Appends the samples to `to` in little-endian order.
    pub fn write_le_bytes(&self, to: &mut Vec<u8>) {
        to.reserve(self.0.len() * 2);
        to.extend(self.0.iter().flat_map(|sample| sample.to_le_bytes()));
    }

    /// `samples` zeros.
    pub fn silence(samples: usize) -> Self {
        Self(std::iter::repeat_n(0, samples).collect())
    }
}

impl Deref for Pcm {
    type Target = [i16];

    fn deref(&self) -> &[i16] {
        &self.0
    }
}

impl From<Vec<i16>> for Pcm {
    fn from(samples: Vec<i16>) -> Self {
        Self(samples.into())
    }
}

impl From<&[i16]> for Pcm {
    fn from(samples: &[i16]) -> Self {
        Self(samples.into())
    }
}

impl FromIterator<i16> for Pcm {
    fn from_iter<I: IntoIterator<Item = i16>>(samples: I) -> Self {
        Self(samples.into_iter().collect())
    }
}

impl std::fmt::Debug for Pcm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pcm({} samples)", self.0.len())
    }
}

impl Serialize for Pcm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::new();
        self.write_le_bytes(&mut bytes);
        serializer.serialize_str(&base64_simd::STANDARD.encode_to_string(&bytes))
    }
}

impl<'de> Deserialize<'de> for Pcm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        let bytes = base64_simd::STANDARD.decode_to_vec(text.as_bytes()).map_err(D::Error::custom)?;
        Ok(Self::from_le_bytes(&bytes))
    }
}
