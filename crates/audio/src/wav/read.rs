//! The tolerant reader. Whatever the bytes are, it ends, never panics, and gives at most one sample per byte.

use crate::{SampleRate, UnsupportedRate, g711};

/// Sound out of a WAV file.
#[derive(Clone, PartialEq, Eq)]
pub struct Wav {
    /// Samples per second and channel.
    pub rate: SampleRate,
    /// How many channels there are, 1 to 32.
    pub channels: usize,
    /// The samples of all channels, interleaved, in whole frames.
    pub samples: Vec<i16>,
    /// Whether the file ended before the sound did that it announces.
    pub truncated: bool,
}

impl Wav {
    /// The mean of the channels.
    pub fn to_mono(&self) -> Vec<i16> {
        self.samples.chunks_exact(self.channels.max(1)).map(mean).collect()
    }

    /// One channel by its number from 0; empty when there is none of that number.
    pub fn channel(&self, number: usize) -> Vec<i16> {
        self.samples
            .chunks_exact(self.channels.max(1))
            .filter_map(|frame| frame.get(number))
            .copied()
            .collect()
    }
}

impl std::fmt::Debug for Wav {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { rate, channels, samples, truncated } = self;
        write!(f, "Wav({rate}, {channels} channels, {} samples, truncated: {truncated})", samples.len())
    }
}

/// Why a file is no sound that can be used. Each says what to do; `sox in.wav -r 8000 -c 1 -b 16 out.wav` makes a
/// file that is always taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WavError {
    /// It does not begin as a WAV file does.
    #[error("this is not a WAV file but {0}; convert it to WAV (16-bit PCM), or ask its source for WAV")]
    NotWav(&'static str),
    /// The file ends, or its chunks do, before one that is needed.
    #[error("the WAV file has no \"{0}\" chunk, so it was cut off or is damaged; make or fetch it again")]
    Missing(&'static str),
    /// The format chunk is shorter than any can be.
    #[error(
        "the WAV file's \"fmt \" chunk is cut off after {0} bytes (it has at least 16); make or fetch it again"
    )]
    ShortFormat(usize),
    /// Compressed in a way that is not read here.
    #[error(
        "the WAV file holds format {tag:#06x} with {bits} bits a sample; convert it to 16-bit PCM \
         (also read: 8, 24 and 32-bit PCM, 32-bit float, mu-law, A-law)"
    )]
    Format {
        /// Microsoft's format tag.
        tag: u16,
        /// Bits of one sample, as the file says.
        bits: u16,
    },
    /// No channel, or more than any recorder has.
    #[error("the WAV file says it has {0} channels (1 to 32 are read); convert it to mono or stereo")]
    Channels(u16),
    /// A rate that nothing here runs at.
    #[error("the WAV file cannot be used: {0}; convert it to one of those")]
    Rate(#[from] UnsupportedRate),
}

/// How one sample is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Unsigned8,
    Signed16,
    Signed24,
    Signed32,
    Float32,
    MuLaw,
    ALaw,
}

impl Encoding {
    /// How many bytes a sample has.
    pub(super) const fn bytes(self) -> usize {
        match self {
            Self::Unsigned8 | Self::MuLaw | Self::ALaw => 1,
            Self::Signed16 => 2,
            Self::Signed24 => 3,
            Self::Signed32 | Self::Float32 => 4,
        }
    }
}

pub(super) struct Format {
    pub(super) encoding: Encoding,
    pub(super) channels: u16,
    pub(super) rate: SampleRate,
}

/// Sizes from here on are written by programs that stream and don't know the length: 0x7fff_f024 by sox's pipe,
/// 0xffff_ffff by ffmpeg.
pub(super) const PLACEHOLDER_FROM: u32 = 0x7fff_0000;
const MAX_CHANNELS: u16 = 32;

/// Reads a whole WAV file. Sizes that can't be right (0, a streaming writer's placeholder, past the end) are taken to
/// mean "up to the file's end". The result has at most as many samples as `file` has bytes.
///
/// # Errors
/// A [`WavError`] when the bytes are no WAV file, in a format not read here, or cut before the sound begins.
pub fn read(file: &[u8]) -> Result<Wav, WavError> {
    if !matches!(file.get(..4), Some(b"RIFF" | b"RF64")) || file.get(8..12) != Some(b"WAVE") {
        return Err(WavError::NotWav(looks_like(file)));
    }
    let mut rest = &file[12..];
    let mut format = None;
    let mut data = None;
    while let Some((id, size, body)) = chunk(rest) {
        let announced = size as usize;
        match &id {
            b"fmt " if format.is_none() => {
                format = Some(read_format(&body[..announced.min(body.len())])?);
            }
            b"data" if data.is_none() => {
                let open_ended = size >= PLACEHOLDER_FROM || size == 0 && !begins_with_chunk(body);
                let end = if open_ended { body.len() } else { announced.min(body.len()) };
                data = Some((&body[..end], !open_ended && announced > body.len()));
                if open_ended {
                    break;
                }
            }
            _ => {}
        }
        rest = after(body, announced);
    }
    let format = format.ok_or(WavError::Missing("fmt "))?;
    let (data, truncated) = data.ok_or(WavError::Missing("data"))?;
    let channels = usize::from(format.channels);
    let mut samples = decode(format.encoding, data);
    samples.truncate(samples.len() / channels * channels);
    Ok(Wav { rate: format.rate, channels, samples, truncated })
}

/// The next chunk's name, the size it claims, and all bytes after its head.
pub(super) fn chunk(bytes: &[u8]) -> Option<([u8; 4], u32, &[u8])> {
    let (id, rest) = bytes.split_first_chunk::<4>()?;
    let (size, body) = rest.split_first_chunk::<4>()?;
    Some((*id, u32::from_le_bytes(*size), body))
}

/// What follows a chunk's body. An odd body is padded by one byte, which some writers forget.
fn after(body: &[u8], size: usize) -> &[u8] {
    let rest = body.get(size..).unwrap_or_default();
    if size % 2 == 1 && !begins_with_chunk(rest) { rest.get(1..).unwrap_or_default() } else { rest }
}

/// Whether `bytes` begin with a chunk's head: four printable characters and a size that fits.
fn begins_with_chunk(bytes: &[u8]) -> bool {
    chunk(bytes).is_some_and(|(id, size, body)| {
        id.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ') && size as usize <= body.len()
    })
}

pub(super) fn read_format(body: &[u8]) -> Result<Format, WavError> {
    let short = WavError::ShortFormat(body.len());
    let (fixed, _) = body.split_first_chunk::<16>().ok_or(short)?;
    let word = |at: usize| u16::from_le_bytes([fixed[at], fixed[at + 1]]);
    let (mut tag, channels, block, bits) = (word(0), word(2), word(12), word(14));
    if !(1..=MAX_CHANNELS).contains(&channels) {
        return Err(WavError::Channels(channels));
    }
    if tag == 0xFFFE {
        // WAVE_FORMAT_EXTENSIBLE: the real tag opens the GUID at byte 24.
        tag = body.get(24..26).map_or(1, |tag| u16::from_le_bytes([tag[0], tag[1]]));
    }
    // A sample's bytes by the frame's length where that fits: 20 bits, say, lie in three bytes.
    let bytes = match block / channels {
        size @ 1..=4 if block % channels == 0 && size >= bits.div_ceil(8) => size,
        _ => bits.div_ceil(8),
    };
    let encoding = match (tag, bytes) {
        (1, 1) => Encoding::Unsigned8,
        (1, 2) => Encoding::Signed16,
        (1, 3) => Encoding::Signed24,
        (1, 4) => Encoding::Signed32,
        (3, 4) => Encoding::Float32,
        (6, 1) => Encoding::ALaw,
        (7, 1) => Encoding::MuLaw,
        _ => return Err(WavError::Format { tag, bits }),
    };
    let hz = u32::from_le_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]);
    Ok(Format { encoding, channels, rate: SampleRate::try_from(hz)? })
}

pub(super) fn decode(encoding: Encoding, data: &[u8]) -> Vec<i16> {
    match encoding {
        Encoding::Unsigned8 => data.iter().map(|byte| (i16::from(*byte) - 128) << 8).collect(),
        Encoding::Signed16 => data.as_chunks().0.iter().map(|bytes| i16::from_le_bytes(*bytes)).collect(),
        Encoding::Signed24 => {
            data.as_chunks::<3>().0.iter().map(|[_, low, high]| i16::from_le_bytes([*low, *high])).collect()
        }
        Encoding::Signed32 => data
            .as_chunks::<4>()
            .0
            .iter()
            .map(|[_, _, low, high]| i16::from_le_bytes([*low, *high]))
            .collect(),
        Encoding::Float32 => {
            data.as_chunks().0.iter().map(|bytes| from_float(f32::from_le_bytes(*bytes))).collect()
        }
        Encoding::MuLaw => data.iter().map(|code| g711::mulaw_decode(*code)).collect(),
        Encoding::ALaw => data.iter().map(|code| g711::alaw_decode(*code)).collect(),
    }
}

/// One sample out of the samples of a frame's channels, of which there is at least one.
pub(super) fn mean(frame: &[i16]) -> i16 {
    let sum: i32 = frame.iter().map(|sample| i32::from(*sample)).sum();
    (sum / frame.len() as i32) as i16
}

/// Full scale is 1.0; a cast saturates, and makes no number a zero.
fn from_float(value: f32) -> i16 {
    (value * 32_768.0).round() as i16
}

/// What bytes that are no WAV file are most likely to be.
pub(super) fn looks_like(file: &[u8]) -> &'static str {
    let start = file.trim_ascii_start();
    match start {
        [] => "empty",
        [b'I', b'D', b'3', ..] | [0xFF, 0xE0..=0xFF, ..] => "MP3",
        [b'O', b'g', b'g', b'S', ..] => "Ogg",
        [b'f', b'L', b'a', b'C', ..] => "FLAC",
        [b'R', b'I', b'F', b'F', ..] => "a RIFF file of another kind, or cut off in its first 12 bytes",
        [b'{' | b'[' | b'<', ..] => "text (JSON or HTML: most likely an error message)",
        _ => "something else",
    }
}
