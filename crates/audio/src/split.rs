//! Samples out of bytes that were cut anywhere: a network cuts where it likes, also through the middle of a sample.

/// Joins little-endian 16-bit samples from pieces of any length; an odd byte waits for the next piece.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PcmBytes {
    carried: Option<u8>,
}

impl PcmBytes {
    /// Nothing carried yet.
    pub const fn new() -> Self {
        Self { carried: None }
    }

    /// Appends to `samples` every sample that `bytes` completes. Any cutting of the same bytes gives the same samples.
    pub fn push(&mut self, bytes: &[u8], samples: &mut Vec<i16>) {
        let mut rest = bytes;
        if let (Some(low), Some((high, after))) = (self.carried, bytes.split_first()) {
            samples.push(i16::from_le_bytes([low, *high]));
            self.carried = None;
            rest = after;
        }
        let (pairs, odd) = rest.as_chunks::<2>();
        samples.extend(pairs.iter().map(|pair| i16::from_le_bytes(*pair)));
        if let [byte] = odd {
            self.carried = Some(*byte);
        }
    }

    /// Whether half a sample is waiting; at the end of a stream it is lost, and worth a finding.
    pub const fn is_odd(&self) -> bool {
        self.carried.is_some()
    }

    /// Forgets the waiting byte, for a new stream.
    pub fn reset(&mut self) {
        self.carried = None;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_odd_byte_waits() {
        let (mut bytes, mut samples) = (PcmBytes::new(), Vec::new());
        bytes.push(&[0x34], &mut samples);
        assert!(samples.is_empty() && bytes.is_odd());
        bytes.push(&[], &mut samples);
        assert!(bytes.is_odd());
        bytes.push(&[0x12, 0xFF, 0x7F, 0x01], &mut samples);
        assert_eq!(samples, [0x1234, i16::MAX]);
        assert!(bytes.is_odd());
        bytes.reset();
        assert!(!bytes.is_odd());
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_samples(pieces: Vec<Vec<u8>>) {
            let (mut bytes, mut samples) = (PcmBytes::new(), Vec::new());
            for piece in &pieces {
                bytes.push(piece, &mut samples);
            }
            let whole = pieces.concat();
            prop_assert_eq!(&samples[..], &crate::Pcm::from_le_bytes(&whole)[..]);
            prop_assert_eq!(bytes.is_odd(), whole.len() % 2 == 1);
        }
    }
}
