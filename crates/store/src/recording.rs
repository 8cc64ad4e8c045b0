//! The stereo recording of one call, appended to as the call goes. The header at its front is made true at the
//! end, or at the next start when a crash came between.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use audio::SampleRate;

use crate::fault::Fault;
use crate::layout;

/// Caller left, agent right.
const CHANNELS: u16 = 2;
const HEADER: usize = 44;

/// A recording under way.
#[derive(Debug)]
pub(crate) struct Recording {
    file: File,
    path: PathBuf,
    rate: SampleRate,
    bytes: u64,
    scratch: Vec<u8>,
}

impl Recording {
    pub(crate) fn create(path: PathBuf, rate: SampleRate, fault: &mut dyn Fault) -> io::Result<Self> {
        fault.before_write(&path, HEADER)?;
        let mut file = layout::append(&path)?;
        file.write_all(&header(rate, 0))?;
        Ok(Self { file, path, rate, bytes: 0, scratch: Vec::new() })
    }

    /// Appends interleaved samples. After an error the file holds what was written before it.
    pub(crate) fn append(&mut self, samples: &[i16], fault: &mut dyn Fault) -> io::Result<()> {
        self.scratch.clear();
        self.scratch.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        fault.before_write(&self.path, self.scratch.len())?;
        self.file.write_all(&self.scratch)?;
        self.bytes += self.scratch.len() as u64;
        Ok(())
    }

    /// Makes the header true. Overwrites bytes that are there, so a full disk does not hinder it.
    pub(crate) fn finish(self) -> io::Result<()> {
        let mut file = layout::write(&self.path)?;
        file.write_all(&header(self.rate, self.bytes))
    }
}

/// Makes the header of a recording that a crash cut off true; leaves out half a sample at the end.
pub(crate) fn repair(path: &Path) -> io::Result<()> {
    let mut file = File::options().read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    let mut head = [0; HEADER];
    if io::Read::read_exact(&mut file, &mut head).is_err() {
        return Ok(());
    }
    let rate = u32::from_le_bytes([head[24], head[25], head[26], head[27]]);
    let Ok(rate) = SampleRate::try_from(rate) else { return Ok(()) };
    let frame = u64::from(CHANNELS) * 2;
    let bytes = (length - HEADER as u64) / frame * frame;
    file.set_len(HEADER as u64 + bytes)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&header(rate, bytes))
}

fn header(rate: SampleRate, bytes: u64) -> [u8; HEADER] {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX - 36);
    let frame = CHANNELS * 2;
    let mut head = [0; HEADER];
    let mut at = 0;
    let mut put = |part: &[u8]| {
        head[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    };
    put(b"RIFF");
    put(&(bytes + 36).to_le_bytes());
    put(b"WAVEfmt ");
    put(&16u32.to_le_bytes());
    put(&1u16.to_le_bytes());
    put(&CHANNELS.to_le_bytes());
    put(&rate.hz().to_le_bytes());
    put(&(rate.hz() * u32::from(frame)).to_le_bytes());
    put(&frame.to_le_bytes());
    put(&16u16.to_le_bytes());
    put(b"data");
    put(&bytes.to_le_bytes());
    head
}
