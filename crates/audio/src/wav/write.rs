//! The header of our own WAV files: 16-bit PCM, and what is written into it again when a crash left it unfinished.

use crate::SampleRate;

/// The length of [`header`]; samples begin right after it.
pub const HEADER_BYTES: usize = 44;
/// What the RIFF size counts of the header: all but its first eight bytes.
const RIFF_REST: u32 = 36;

/// The header of `data_bytes` bytes of little-endian 16-bit PCM, channels interleaved. More than the format can say
/// (4 GiB) is written as the most it can; readers that trust the file's length play it all the same.
pub fn header(rate: SampleRate, channels: u16, data_bytes: u64) -> [u8; HEADER_BYTES] {
    let data = u32::try_from(data_bytes).unwrap_or(u32::MAX).min(u32::MAX - RIFF_REST);
    let frame_bytes = channels.saturating_mul(2);
    let mut bytes = [0; HEADER_BYTES];
    bytes[0..4].copy_from_slice(b"RIFF");
    bytes[4..8].copy_from_slice(&(data + RIFF_REST).to_le_bytes());
    bytes[8..16].copy_from_slice(b"WAVEfmt ");
    bytes[16..20].copy_from_slice(&16_u32.to_le_bytes());
    bytes[20..22].copy_from_slice(&1_u16.to_le_bytes());
    bytes[22..24].copy_from_slice(&channels.to_le_bytes());
    bytes[24..28].copy_from_slice(&rate.hz().to_le_bytes());
    bytes[28..32].copy_from_slice(&rate.hz().saturating_mul(u32::from(frame_bytes)).to_le_bytes());
    bytes[32..34].copy_from_slice(&frame_bytes.to_le_bytes());
    bytes[34..36].copy_from_slice(&16_u16.to_le_bytes());
    bytes[36..40].copy_from_slice(b"data");
    bytes[40..44].copy_from_slice(&data.to_le_bytes());
    bytes
}

/// The header that a file of ours should begin with, judged by its length: its writer sets the sizes last, so a crash
/// leaves them short. `existing` is the file's first 44 bytes, `file_bytes` its length. None when the header is right
/// already, or not one of ours: then the file is to be left alone. An unfinished last frame is left out of the sizes.
pub fn repaired_header(existing: &[u8; HEADER_BYTES], file_bytes: u64) -> Option<[u8; HEADER_BYTES]> {
    let channels = u16::from_le_bytes([existing[22], existing[23]]);
    let hz = u32::from_le_bytes([existing[24], existing[25], existing[26], existing[27]]);
    let rate = SampleRate::try_from(hz).ok()?;
    let frame_bytes = u64::from(channels) * 2;
    let data_bytes = file_bytes.checked_sub(HEADER_BYTES as u64)?;
    let right = header(rate, channels, data_bytes - data_bytes.checked_rem(frame_bytes)?);
    let same_but_for_sizes = existing[..4] == right[..4] && existing[8..40] == right[8..40];
    (same_but_for_sizes && *existing != right).then_some(right)
}
