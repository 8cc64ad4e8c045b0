//! The sound that ElevenLabs sends, by the name that its `output_format` has: raw samples, never MP3 or Opus.

use audio::SampleRate;
use call::{Fault, FaultClass};

use crate::DialectOptions;
use crate::dialect::{AudioDecoder, Coding, RawSamples};

/// The name of the query's parameter.
pub(super) const PARAMETER: &str = "output_format";

/// One of the formats that are read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Little-endian 16-bit samples.
    Pcm(SampleRate),
    /// G.711 mu-law, 8 kHz.
    MuLaw,
    /// G.711 A-law, 8 kHz.
    ALaw,
}

/// `options` without an `output_format` that is not read here, such as MP3.
pub(super) fn readable(mut options: DialectOptions) -> DialectOptions {
    if own(&options).is_none() {
        options.role.query.remove(PARAMETER);
    }
    options
}

/// What is asked for: the operator's `output_format`, else 16-bit samples at the call's own rate, which ElevenLabs
/// has for each rate there is.
pub(super) fn wanted(options: &DialectOptions, rate: SampleRate) -> Format {
    own(options).unwrap_or(Format::Pcm(rate))
}

fn own(options: &DialectOptions) -> Option<Format> {
    Format::of_name(options.role.query.get(PARAMETER)?.texts().first()?)
}

impl Format {
    /// Understands a name.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        match name {
            "ulaw_8000" => Some(Self::MuLaw),
            "alaw_8000" => Some(Self::ALaw),
            _ => {
                let hz: u32 = name.strip_prefix("pcm_")?.parse().ok()?;
                SampleRate::try_from(hz).ok().map(Self::Pcm)
            }
        }
    }

    /// Its name.
    pub(super) fn name(self) -> String {
        match self {
            Self::Pcm(rate) => format!("pcm_{}", rate.hz()),
            Self::MuLaw => "ulaw_8000".to_owned(),
            Self::ALaw => "alaw_8000".to_owned(),
        }
    }

    /// The rate of its samples.
    pub(super) const fn rate(self) -> SampleRate {
        match self {
            Self::Pcm(rate) => rate,
            Self::MuLaw | Self::ALaw => SampleRate::HZ_8000,
        }
    }

    const fn coding(self) -> Coding {
        match self {
            Self::Pcm(_) => Coding::Linear,
            Self::MuLaw => Coding::MuLaw,
            Self::ALaw => Coding::ALaw,
        }
    }
}

/// Samples out of bytes that were cut anywhere.
#[derive(Debug, Clone)]
pub(super) struct Raw {
    rate: SampleRate,
    samples: RawSamples,
    is_empty: bool,
}

impl Raw {
    /// Nothing read yet.
    pub(super) const fn new(format: Format) -> Self {
        Self { rate: format.rate(), samples: RawSamples::new(format.coding()), is_empty: true }
    }

    /// Appends the samples that `bytes` complete.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<i16>) {
        self.is_empty &= bytes.is_empty();
        self.samples.push(bytes, out);
    }

    /// Whether there was nothing at all.
    pub(super) const fn is_empty(&self) -> bool {
        self.is_empty
    }
}

impl AudioDecoder for Raw {
    fn rate(&self) -> SampleRate {
        self.rate
    }

    fn bytes(&mut self, bytes: &[u8], out: &mut Vec<i16>) -> Result<(), Fault> {
        self.push(bytes, out);
        Ok(())
    }

    fn end(&mut self, _out: &mut Vec<i16>) -> Result<(), Fault> {
        if self.is_empty() {
            return Err(Fault::new(FaultClass::Garbage, "it answered without any sound"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::QueryValue;
    use crate::elevenlabs::test_options::options;

    #[test]
    fn a_format_that_needs_a_codec_is_not_asked_for() {
        for (name, format) in [
            ("pcm_24000", Some(Format::Pcm(SampleRate::HZ_24000))),
            ("ulaw_8000", Some(Format::MuLaw)),
            ("alaw_8000", Some(Format::ALaw)),
            ("mp3_44100_128", None),
            ("opus_48000_32", None),
            ("pcm_32000", None),
            ("pcm_", None),
            ("", None),
        ] {
            let mut options = options();
            options.role.query.insert(PARAMETER.to_owned(), QueryValue::Text(name.to_owned()));
            let options = readable(options);
            let wanted = wanted(&options, SampleRate::HZ_16000);
            assert_eq!(wanted, format.unwrap_or(Format::Pcm(SampleRate::HZ_16000)), "{name}");
            assert_eq!(options.role.query.contains_key(PARAMETER), format.is_some(), "{name}");
            assert_eq!(Format::of_name(&wanted.name()), Some(wanted));
        }
    }

    proptest! {
        #[test]
        fn any_cutting_gives_the_same_sound(
            bytes: Vec<u8>,
            cuts in prop::collection::vec(1usize..9, 1..20),
            format in prop::sample::select(vec![Format::Pcm(SampleRate::HZ_8000), Format::MuLaw, Format::ALaw]),
        ) {
            let (mut whole, mut parts) = (Raw::new(format), Raw::new(format));
            let (mut wanted, mut given) = (Vec::new(), Vec::new());
            whole.push(&bytes, &mut wanted);
            let mut rest = &bytes[..];
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, after) = rest.split_at((*cut).min(rest.len()));
                prop_assert!(parts.bytes(piece, &mut given).is_ok());
                rest = after;
            }
            prop_assert_eq!(&given, &wanted);
            prop_assert_eq!(parts.end(&mut given).is_err(), bytes.is_empty());
        }
    }
}
