//! The same reader for a WAV file that is still coming, so that its first words can be played before its last ones
//! are there.

use super::WavError;
use super::read::{Format, PLACEHOLDER_FROM, chunk, decode, looks_like, mean, read_format};
use crate::SampleRate;

/// What comes before the sound is a few hundred bytes long; what goes on for longer has none.
const LONGEST_HEAD: usize = 1 << 20;
/// `RIFF`, a size, `WAVE`.
const MAGIC: usize = 12;

/// A WAV file out of pieces that were cut anywhere.
pub struct Stream(State);

enum State {
    /// All bytes so far, until the sound begins.
    Head(Vec<u8>),
    Sound {
        format: Format,
        /// How many bytes of sound are still announced; None when the writer did not know.
        left: Option<usize>,
        /// The bytes of an unfinished frame.
        carried: Vec<u8>,
    },
}

impl Default for Stream {
    fn default() -> Self {
        Self::new()
    }
}

impl Stream {
    /// At the start of a file.
    pub const fn new() -> Self {
        Self(State::Head(Vec::new()))
    }

    /// The rate, once the sound has begun.
    pub const fn rate(&self) -> Option<SampleRate> {
        match &self.0 {
            State::Head(_) => None,
            State::Sound { format, .. } => Some(format.rate),
        }
    }

    /// Takes bytes as they come. Appends the samples that they complete, several channels as their mean. Any cutting
    /// of the same bytes gives the same samples. A size of 0 is taken to mean "up to the file's end".
    ///
    /// # Errors
    /// A [`WavError`] when the bytes are no WAV file, or in a format not read here.
    pub fn push(&mut self, bytes: &[u8], samples: &mut Vec<i16>) -> Result<(), WavError> {
        match &mut self.0 {
            State::Head(head) => {
                head.extend_from_slice(bytes);
                let Some((format, size, start)) = sound(head)? else {
                    return if head.len() > LONGEST_HEAD { Err(WavError::Missing("data")) } else { Ok(()) };
                };
                let sound = head.split_off(start);
                let left = (size != 0 && size < PLACEHOLDER_FROM).then_some(size as usize);
                self.0 = State::Sound { format, left, carried: Vec::new() };
                self.push(&sound, samples)
            }
            State::Sound { format, left, carried } => {
                let mut taken = bytes;
                if let Some(left) = left {
                    taken = &taken[..taken.len().min(*left)];
                    *left -= taken.len();
                }
                carried.extend_from_slice(taken);
                let frame = format.encoding.bytes() * usize::from(format.channels);
                let whole = carried.len() / frame * frame;
                let decoded = decode(format.encoding, &carried[..whole]);
                carried.drain(..whole);
                samples.extend(decoded.chunks_exact(usize::from(format.channels)).map(mean));
                Ok(())
            }
        }
    }

    /// The file has ended.
    ///
    /// # Errors
    /// A [`WavError`] when the sound never began.
    pub fn end(&self) -> Result<(), WavError> {
        match &self.0 {
            State::Sound { .. } => Ok(()),
            State::Head(head) if head.len() < MAGIC => Err(WavError::NotWav(looks_like(head))),
            State::Head(_) => Err(WavError::Missing("data")),
        }
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stream({:?})", self.rate())
    }
}

/// The format, the size that the sound claims, and where it begins; None when that has not come yet.
fn sound(head: &[u8]) -> Result<Option<(Format, u32, usize)>, WavError> {
    let Some(magic) = head.first_chunk::<MAGIC>() else { return Ok(None) };
    if !matches!(&magic[..4], b"RIFF" | b"RF64") || &magic[8..] != b"WAVE" {
        return Err(WavError::NotWav(looks_like(head)));
    }
    let mut rest = &head[MAGIC..];
    let mut format = None;
    while let Some((id, size, body)) = chunk(rest) {
        if &id == b"data" {
            let format = format.ok_or(WavError::Missing("fmt "))?;
            return Ok(Some((format, size, head.len() - body.len())));
        }
        // One byte more than the chunk: some writers forget to pad an odd one, and the next byte tells.
        let (Some(chunk), Some(next)) = (body.get(..size as usize), body.get(size as usize)) else {
            return Ok(None);
        };
        if &id == b"fmt " && format.is_none() {
            format = Some(read_format(chunk)?);
        }
        let padded = size % 2 == 1 && *next == 0;
        rest = &body[size as usize + usize::from(padded)..];
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wav::{header, read};

    /// A stereo file with a chunk of odd length before the sound and one behind it.
    fn file(frames: u32, padding: &[u8]) -> Vec<u8> {
        let data = frames * 4;
        let plain = header(SampleRate::HZ_16000, 2, u64::from(data));
        let mut file = plain[..36].to_vec();
        file.extend(b"LIST\x03\0\0\0abc");
        file.extend(padding);
        file.extend(&plain[36..]);
        file.extend((0..frames * 2).flat_map(|sample| (sample as i16).to_le_bytes()));
        file.extend(b"LIST\x04\0\0\0abcd");
        file
    }

    fn stream(pieces: &[&[u8]]) -> (Option<SampleRate>, Vec<i16>) {
        let (mut stream, mut samples) = (Stream::new(), Vec::new());
        for piece in pieces {
            stream.push(piece, &mut samples).unwrap();
        }
        stream.end().unwrap();
        (stream.rate(), samples)
    }

    #[test]
    fn any_cut_gives_what_the_whole_file_gives() {
        for padding in [&b"\0"[..], b""] {
            let file = file(50, padding);
            let whole = read(&file).unwrap();
            let expected = (Some(whole.rate), whole.to_mono());
            assert_eq!(expected.1.len(), 50);
            for cut in 0..=file.len() {
                assert_eq!(stream(&[&file[..cut], &file[cut..]]), expected, "cut at {cut}");
            }
            assert_eq!(stream(&file.chunks(1).collect::<Vec<_>>()), expected);
        }
    }

    #[test]
    fn a_size_that_its_writer_did_not_know_is_open() {
        for size in [0, u32::MAX, 0x7fff_f024] {
            let mut file = header(SampleRate::HZ_8000, 1, 0).to_vec();
            file[40..44].copy_from_slice(&size.to_le_bytes());
            file.extend([1, 0, 2, 0]);
            assert_eq!(stream(&[&file]), (Some(SampleRate::HZ_8000), vec![1, 2]));
        }
    }

    #[test]
    fn what_is_no_wav_file_is_refused() {
        let mut samples = Vec::new();
        let refused = Stream::new().push(b"<!doctype html><html>", &mut samples);
        assert!(matches!(refused, Err(WavError::NotWav(_))), "{refused:?}");
        let mut cut = Stream::new();
        cut.push(b"RIFF", &mut samples).unwrap();
        assert!(cut.end().is_err());
        let mut endless = Stream::new();
        let refused = endless
            .push(b"RIFF\0\0\0\0WAVELIST\xff\xff\xff\xff", &mut samples)
            .and_then(|()| (0..20).try_for_each(|_| endless.push(&[0; 1 << 16], &mut samples)));
        assert_eq!(refused, Err(WavError::Missing("data")));
    }

    proptest! {
        #[test]
        fn any_bytes_end_without_panic(pieces: Vec<Vec<u8>>) {
            let (mut stream, mut samples) = (Stream::new(), Vec::new());
            let mut start = file(2, b"");
            start.truncate(60);
            let _ = stream.push(&start, &mut samples);
            for piece in &pieces {
                let _ = stream.push(piece, &mut samples);
            }
            prop_assert!(samples.len() <= 60 + pieces.iter().map(Vec::len).sum::<usize>());
        }
    }
}
