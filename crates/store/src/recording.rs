//! The stereo recording of one call, written as the call goes: each piece at its place, so that what later frames
//! move is written over, and what was lost on the way leaves silence and not a shift. The header at its front is made true at the
//! end, or at the next start when a crash came between.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use audio::SampleRate;
use audio::wav::{self, HEADER_BYTES};

use crate::fault::Fault;
use crate::layout;

/// Caller left, agent right.
const CHANNELS: u16 = 2;

/// A piece of a recording.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) rate: SampleRate,
    /// Its place, in frames since the call began.
    pub(crate) from: u64,
    /// Caller and agent by turns.
    pub(crate) samples: Vec<i16>,
}

impl Piece {
    /// How much memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.samples.len() * 2
    }
}

/// A recording under way.
#[derive(Debug)]
pub(crate) struct Recording {
    file: File,
    path: PathBuf,
    rate: SampleRate,
    bytes: u64,
}

impl Recording {
    pub(crate) fn create(path: PathBuf, rate: SampleRate, fault: &mut dyn Fault) -> io::Result<Self> {
        fault.before_write(&path, HEADER_BYTES)?;
        let mut file = layout::write(&path)?;
        file.write_all(&wav::header(rate, CHANNELS, 0))?;
        Ok(Self { file, path, rate, bytes: 0 })
    }

    /// Writes a piece to its place. After an error the file holds what was written before it.
    pub(crate) fn write(&mut self, piece: &Piece, fault: &mut dyn Fault) -> io::Result<()> {
        // Not kept for the next piece: hundreds of calls would each keep one.
        let mut bytes = vec![0; piece.bytes()];
        for (two, sample) in bytes.as_chunks_mut().0.iter_mut().zip(&piece.samples) {
            *two = sample.to_le_bytes();
        }
        fault.before_write(&self.path, bytes.len())?;
        let place = piece.from * u64::from(CHANNELS) * 2;
        self.file.write_all_at(&bytes, HEADER_BYTES as u64 + place)?;
        self.bytes = self.bytes.max(place + bytes.len() as u64);
        Ok(())
    }

    /// Makes the header true. Overwrites bytes that are there, so a full disk does not hinder it.
    pub(crate) fn finish(self) -> io::Result<()> {
        let mut file = layout::write(&self.path)?;
        file.write_all(&wav::header(self.rate, CHANNELS, self.bytes))
    }
}

/// Makes the header of a recording that a crash cut off true. What is none of ours is left alone.
pub(crate) fn repair(path: &Path) -> io::Result<()> {
    let mut file = layout::update(path)?;
    let length = file.metadata()?.len();
    let mut head = [0; HEADER_BYTES];
    if file.read_exact(&mut head).is_err() {
        return Ok(());
    }
    if let Some(repaired) = wav::repaired_header(&head, length) {
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&repaired)?;
    }
    Ok(())
}
