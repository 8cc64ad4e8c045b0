//! G.711 (ITU-T G.711, 1988): the two eight-bit companding laws of the telephone network. Carriers other than
//! Exotel send mu-law; A-law is met in files and in SIP. Tables, since a lookup is eight times as fast as the sums.

/// Added to a 14-bit magnitude, so that every segment begins at a power of two.
const MU_BIAS: i32 = 33;
/// The largest 14-bit magnitude that stays under 8192 with the bias.
const MU_CLIP: i32 = 8_158;
/// A-law inverts every second bit, so that idle lines carry changes.
const A_TOGGLE: u8 = 0x55;

static MU_TO_LINEAR: [i16; 256] = mu_decode_table();
static A_TO_LINEAR: [i16; 256] = a_decode_table();
/// By the upper 14 bits of a sample: all that mu-law looks at. 16 KiB instead of 64, which stays in a core's cache.
static LINEAR_TO_MU: [u8; 1 << 14] = mu_encode_table();
/// By the upper 13 bits of a sample: all that A-law looks at.
static LINEAR_TO_A: [u8; 1 << 13] = a_encode_table();

/// The mu-law code of a 16-bit sample. Zero is 0xFF; the code 0x7F ("minus zero") is never made.
pub fn mulaw_encode(sample: i16) -> u8 {
    LINEAR_TO_MU[usize::from(sample as u16 >> 2)]
}

/// The 16-bit sample that a mu-law code stands for, -32124 to 32124.
pub fn mulaw_decode(code: u8) -> i16 {
    MU_TO_LINEAR[usize::from(code)]
}

/// The A-law code of a 16-bit sample.
pub fn alaw_encode(sample: i16) -> u8 {
    LINEAR_TO_A[usize::from(sample as u16 >> 3)]
}

/// The 16-bit sample that an A-law code stands for, -32256 to 32256.
pub fn alaw_decode(code: u8) -> i16 {
    A_TO_LINEAR[usize::from(code)]
}

/// Appends the mu-law codes of `samples` to `codes`, one byte each.
pub fn mulaw_encode_into(samples: &[i16], codes: &mut Vec<u8>) {
    codes.extend(samples.iter().map(|sample| mulaw_encode(*sample)));
}

/// Appends the samples of mu-law `codes` to `samples`, one each.
pub fn mulaw_decode_into(codes: &[u8], samples: &mut Vec<i16>) {
    samples.extend(codes.iter().map(|code| mulaw_decode(*code)));
}

/// Appends the A-law codes of `samples` to `codes`, one byte each.
pub fn alaw_encode_into(samples: &[i16], codes: &mut Vec<u8>) {
    codes.extend(samples.iter().map(|sample| alaw_encode(*sample)));
}

/// Appends the samples of A-law `codes` to `samples`, one each.
pub fn alaw_decode_into(codes: &[u8], samples: &mut Vec<i16>) {
    samples.extend(codes.iter().map(|code| alaw_decode(*code)));
}

/// Segment `s` (bits 4 to 6) holds 16 steps of `2 << s` in 14 bits, beginning at `33 << s` less the bias.
const fn mu_decode_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        let bits = !(code as u8);
        let magnitude = (((bits & 0x0F) as i32 * 2 + MU_BIAS) << (bits >> 4 & 7)) - MU_BIAS;
        table[code] = (if bits & 0x80 == 0 { magnitude } else { -magnitude } * 4) as i16;
        code += 1;
    }
    table
}

const fn mu_encode_table() -> [u8; 1 << 14] {
    let mut table = [0; 1 << 14];
    let mut index = 0;
    while index < 1 << 14 {
        let linear = if index < 1 << 13 { index as i32 } else { index as i32 - (1 << 14) };
        let magnitude = linear.abs();
        let biased = if magnitude > MU_CLIP { MU_CLIP } else { magnitude } + MU_BIAS;
        // The segment is told by the highest set bit: 33 to 63 is segment 0.
        let segment = 26 - biased.leading_zeros() as i32;
        let step = biased >> (segment + 1) & 0x0F;
        let sign = if linear < 0 { 0x80 } else { 0 };
        table[index] = !(sign | (segment << 4) as u8 | step as u8);
        index += 1;
    }
    table
}

/// Segments 0 and 1 have steps of 2 in 13 bits, each further one twice the last; a code stands for a step's middle.
const fn a_decode_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        let bits = code as u8 ^ A_TOGGLE;
        let (segment, step) = (bits >> 4 & 7, (bits & 0x0F) as i32);
        let magnitude = match segment {
            0 => step * 2 + 1,
            _ => (step * 2 + 33) << (segment - 1),
        };
        table[code] = (if bits & 0x80 != 0 { magnitude } else { -magnitude } * 8) as i16;
        code += 1;
    }
    table
}

const fn a_encode_table() -> [u8; 1 << 13] {
    let mut table = [0; 1 << 13];
    let mut index = 0;
    while index < 1 << 13 {
        let linear = if index < 1 << 12 { index as i32 } else { index as i32 - (1 << 13) };
        // Negative values count from -1, so that both halves have the same steps.
        let (sign, magnitude) = if linear < 0 { (0, -linear - 1) } else { (0x80, linear) };
        let segment = if magnitude < 32 { 0 } else { 27 - magnitude.leading_zeros() as i32 };
        let step = magnitude >> (if segment < 2 { 1 } else { segment }) & 0x0F;
        table[index] = (sign | (segment << 4) as u8 | step as u8) ^ A_TOGGLE;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A code's place on the scale from the most negative to the most positive value.
    fn rank(decode: fn(u8) -> i16, code: u8) -> usize {
        let mut all: Vec<i16> = (0..=255).map(decode).collect();
        all.sort_unstable();
        all.dedup();
        all.binary_search(&decode(code)).unwrap()
    }

    #[test]
    fn mulaw_decodes_the_reference_vectors() {
        for (code, sample) in [
            (0xFF, 0),
            (0x7F, 0),
            (0x80, 32124),
            (0x00, -32124),
            (0x8F, 16764),
            (0x0F, -16764),
            (0xF2, 104),
            (0xCE, 988),
        ] {
            assert_eq!(mulaw_decode(code), sample, "{code:02X}");
        }
    }

    #[test]
    fn mulaw_encodes_the_reference_vectors_within_one_code() {
        for (sample, code) in [
            (0, 0xFF),
            (1, 0xFF),
            (-1, 0x7E),
            (100, 0xF2),
            (-100, 0x72),
            (1000, 0xCE),
            (-1000, 0x4E),
            (8031, 0xA0),
            (32124, 0x80),
            (-32124, 0x00),
            (32767, 0x80),
            (-32768, 0x00),
        ] {
            let distance = rank(mulaw_decode, mulaw_encode(sample)).abs_diff(rank(mulaw_decode, code));
            assert!(distance <= 1, "{sample}: {:02X}, not {code:02X}", mulaw_encode(sample));
        }
    }

    #[test]
    fn mulaw_codes_round_trip_but_for_minus_zero() {
        for code in 0..=255 {
            let expected = if code == 0x7F { 0xFF } else { code };
            assert_eq!(mulaw_encode(mulaw_decode(code)), expected);
        }
    }

    #[test]
    fn alaw_known_values_and_all_codes_round_trip() {
        // ITU-T G.711 table 1a: the smallest and the largest of each sign, and the start of a segment.
        for (code, sample) in [(0xD5, 8), (0x55, -8), (0xAA, 32256), (0x2A, -32256), (0xC5, 264), (0xF5, 528)]
        {
            assert_eq!(alaw_decode(code), sample, "{code:02X}");
        }
        for code in 0..=255 {
            assert_eq!(alaw_encode(alaw_decode(code)), code);
        }
    }

    #[test]
    fn encoding_is_never_more_than_half_a_step_off() {
        for sample in i16::MIN..=i16::MAX {
            // Half a step at the start of a segment, and the 3 (mu) or 7 (A) that the shorter words round off.
            let allowed = i32::from(sample).abs() / 28 + 12;
            let clipped = i32::from(sample).clamp(-32_124, 32_124);
            assert!(
                (i32::from(mulaw_decode(mulaw_encode(sample))) - clipped).abs() <= allowed,
                "mu {sample}"
            );
            assert!(
                (i32::from(alaw_decode(alaw_encode(sample))) - clipped).abs() <= allowed + 8,
                "A {sample}"
            );
        }
    }

    #[test]
    fn slices_are_coded_sample_by_sample() {
        let (mut codes, mut samples) = (Vec::new(), Vec::new());
        mulaw_encode_into(&[0, 1000, -1000], &mut codes);
        mulaw_decode_into(&codes, &mut samples);
        assert_eq!(samples, [0, 988, -988]);
        codes.clear();
        alaw_encode_into(&samples, &mut codes);
        alaw_decode_into(&codes, &mut samples);
        assert_eq!(samples, [0, 988, -988, 8, 976, -976]);
    }
}
