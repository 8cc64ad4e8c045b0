//! The bytes of a voice as samples: raw as they were asked for, and a WAV file or an error where one comes instead.

use audio::SampleRate;
use call::Fault;

use super::account;
use super::messages::garbage;
use crate::dialect::{AudioDecoder, Coding, RawSamples, Refusal};

/// A WAV header with all its chunks is much shorter; what is longer is none.
const LONGEST_HEADER: usize = 4_096;

/// Raw samples, and WAV where it comes all the same.
#[derive(Debug)]
pub(super) struct Samples {
    rate: SampleRate,
    raw: RawSamples,
    /// The first bytes, until it is known whether they are a header; `None` after that.
    head: Option<Vec<u8>>,
}

impl Samples {
    pub(super) const fn new(rate: SampleRate, coding: Coding) -> Self {
        Self { rate, raw: RawSamples::new(coding), head: Some(Vec::new()) }
    }

    /// Takes the format out of a header.
    fn format(&mut self, format: &[u8]) -> Result<(), Fault> {
        let half = |at: usize| Some(u16::from_le_bytes([*format.get(at)?, *format.get(at + 1)?]));
        let (Some(tag), Some(1), Some(low), Some(high), Some(bits)) =
            (half(0), half(2), half(4), half(6), half(14))
        else {
            return Err(garbage("a WAV header that is not of one channel"));
        };
        let coding = match (tag, bits) {
            (1, 16) => Coding::Linear,
            (7, 8) => Coding::MuLaw,
            (6, 8) => Coding::ALaw,
            _ => return Err(garbage("a WAV header of another coding")),
        };
        self.raw = RawSamples::new(coding);
        let hz = u32::from(high) << 16 | u32::from(low);
        self.rate = SampleRate::try_from(hz).map_err(|error| garbage(&error.to_string()))?;
        Ok(())
    }

    /// Where the samples begin, once enough of the header is there. Its sizes are those of a stream: they count
    /// for nothing but to get from chunk to chunk.
    fn begin(&mut self, head: &[u8]) -> Result<Option<usize>, Fault> {
        let is_riff = head.iter().zip(b"RIFF").all(|(have, want)| have == want);
        if !is_riff {
            return Ok(Some(0));
        }
        let mut at = 12;
        while let Some(chunk) = head.get(at..at + 8) {
            let size = u32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]) as usize;
            if &chunk[..4] == b"data" {
                return Ok(Some(at + 8));
            }
            if size > LONGEST_HEADER {
                return Err(garbage("a WAV header without end"));
            }
            let body = at + 8..at + 8 + size;
            let Some(body) = head.get(body) else { break };
            if &chunk[..4] == b"fmt " {
                self.format(body)?;
            }
            at += 8 + size + size % 2;
        }
        if head.len() > LONGEST_HEADER { Err(garbage("a WAV header without end")) } else { Ok(None) }
    }
}

impl AudioDecoder for Samples {
    fn rate(&self) -> SampleRate {
        self.rate
    }

    fn bytes(&mut self, bytes: &[u8], out: &mut Vec<i16>) -> Result<(), Fault> {
        let Some(mut head) = self.head.take() else {
            self.raw.push(bytes, out);
            return Ok(());
        };
        head.extend_from_slice(bytes);
        if head.is_empty() {
            self.head = Some(head);
            return Ok(());
        }
        match self.begin(&head)? {
            Some(at) => self.raw.push(&head[at..], out),
            None => self.head = Some(head),
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<i16>) -> Result<(), Fault> {
        // Too short to tell: four bytes that only look like the beginning of a header are samples.
        match self.head.take() {
            Some(head) if head.len() < 4 => self.raw.push(&head, out),
            Some(_) => return Err(garbage("a WAV header and no samples")),
            None => {}
        }
        Ok(())
    }
}

/// JSON where audio belongs: an error that came with a success.
#[derive(Debug, Default)]
pub(super) struct Apology {
    body: Vec<u8>,
}

impl AudioDecoder for Apology {
    fn rate(&self) -> SampleRate {
        SampleRate::HZ_8000
    }

    fn bytes(&mut self, bytes: &[u8], _out: &mut Vec<i16>) -> Result<(), Fault> {
        let room = LONGEST_HEADER.saturating_sub(self.body.len());
        self.body.extend_from_slice(&bytes[..bytes.len().min(room)]);
        Ok(())
    }

    fn end(&mut self, _out: &mut Vec<i16>) -> Result<(), Fault> {
        let headers = http::HeaderMap::new();
        let refusal = Refusal { status: http::StatusCode::OK, headers: &headers, body: &self.body };
        let fault = account::fault(&refusal);
        Err(Fault::new(fault.class, format!("an error where speech belongs: {}", fault.why)))
    }
}
