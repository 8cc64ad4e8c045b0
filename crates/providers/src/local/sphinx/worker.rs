//! The helper process: one decoder for one call, fed through stdin, its answers on stdout.

use std::io::{self, BufReader, Write};
use std::process::ExitCode;

use audio::{Folded, Resampler, SampleRate};

use super::SphinxError;
use super::engine::{Decoder, Files, Utterance};
use super::grammar::understood;
use super::wire::{Order, Report, ToHelper, read_to_helper, report};

/// How much new audio there must be, at 16 kHz, before another guess is looked at: 200 ms.
const GUESS_EVERY: usize = 3_200;
/// The most audio of one stretch, at 16 kHz: a minute. The rest is not listened to.
const MOST: usize = 60 * 16_000;
/// What is fed at a time: the decoder keeps what it is given until it has worked on it.
const PORTION: usize = 1_600;

/// The cepstral mean to begin with, for a telephone line upsampled as [`Folded`] does. Without it the first
/// sentence of a call is hardly ever understood. Taken from one voice (`rms`) and held for all others.
const TELEPHONE_MEAN: &str = "49.18,2.32,-11.58,1.72,4.73,-38.24,5.66,-36.98,-33.81,-2.74,-36.02,4.67,-16.85";

/// What the hidden command `recogniser-worker` runs. Ends when stdin does.
pub fn worker_main() -> ExitCode {
    let mut from = BufReader::new(io::stdin().lock());
    let mut to = io::stdout().lock();
    match serve(&mut from, &mut to) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The server reads the reports; this is for whoever starts the helper by hand.
            eprintln!("recogniser-worker: {error}; it is started by the server and speaks to it only");
            ExitCode::FAILURE
        }
    }
}

fn serve(from: &mut impl io::Read, to: &mut impl Write) -> io::Result<()> {
    let mut decoder = match read_to_helper(from)? {
        None => return Ok(()),
        Some(ToHelper::Order(Order::Setup { model, fsg, dictionary })) => {
            match open(&model, &fsg, &dictionary) {
                Ok(decoder) => decoder,
                Err(error) => return report(&Report::Unusable(error.to_string()), to),
            }
        }
        Some(_) => {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the first order was not the setup"));
        }
    };
    report(&Report::Ready, to)?;
    let mut next = read_to_helper(from)?;
    while let Some(message) = next {
        next = match message {
            ToHelper::Order(Order::Begin { speech, rate }) => {
                stretch(&mut decoder, (speech, rate), from, to)?
            }
            ToHelper::Order(Order::Finish { speech }) => {
                let why = "it was never begun".to_owned();
                report(&Report::Failed { speech, why }, to)?;
                read_to_helper(from)?
            }
            ToHelper::Order(Order::Setup { .. }) | ToHelper::Audio(_) => read_to_helper(from)?,
        };
    }
    Ok(())
}

/// One stretch of speech, to its end or to the beginning of the next. Gives the message that follows it.
fn stretch(
    decoder: &mut Decoder,
    (speech, rate): (u32, SampleRate),
    from: &mut impl io::Read,
    to: &mut impl Write,
) -> io::Result<Option<ToHelper>> {
    let mut utterance = decoder.begin().map_err(io::Error::other)?;
    let mut front = Front::new(rate);
    let (mut heard, mut looked) = (0, 0);
    let mut guessed = String::new();
    loop {
        match read_to_helper(from)? {
            Some(ToHelper::Audio(samples)) => {
                heard += front.feed(&samples, &mut utterance, MOST - heard).map_err(io::Error::other)?;
                if heard - looked >= GUESS_EVERY {
                    looked = heard;
                    let guess = utterance.guess();
                    let text = understood(&guess);
                    if !text.is_empty() && text != guessed {
                        text.clone_into(&mut guessed);
                        report(&Report::Partial { speech, text: guessed.clone() }, to)?;
                    }
                }
            }
            Some(ToHelper::Order(Order::Finish { speech: finished })) => {
                let said = match utterance.finish() {
                    _ if finished != speech => {
                        Report::Failed { speech: finished, why: "another stretch was begun".to_owned() }
                    }
                    Ok(text) => Report::Final { speech, text: understood(&text).to_owned() },
                    Err(error) => Report::Failed { speech, why: error.to_string() },
                };
                report(&said, to)?;
                return read_to_helper(from);
            }
            other => return Ok(other),
        }
    }
}

/// From a call's audio to the decoder's. All rates are taken down to the telephone's first, so that the decoder
/// always hears the line that its cepstral mean is for.
struct Front {
    down: Resampler,
    up: Folded,
    narrow: Vec<i16>,
    wide: Vec<i16>,
}

impl Front {
    fn new(rate: SampleRate) -> Self {
        Self {
            down: Resampler::new(rate, SampleRate::HZ_8000),
            up: Folded::new(SampleRate::HZ_8000),
            narrow: Vec::new(),
            wide: Vec::new(),
        }
    }

    /// Feeds at most `room` samples; gives how many.
    fn feed(
        &mut self,
        samples: &[i16],
        utterance: &mut Utterance<'_>,
        room: usize,
    ) -> Result<usize, SphinxError> {
        self.narrow.clear();
        self.wide.clear();
        self.down.push(samples, &mut self.narrow);
        self.up.push(&self.narrow, &mut self.wide);
        self.wide.truncate(room);
        for portion in self.wide.chunks(PORTION) {
            utterance.hear(portion)?;
        }
        Ok(self.wide.len())
    }
}

/// Builds the decoder. Its files are written for it and gone when it has read them.
fn open(model: &std::path::Path, fsg: &str, dictionary: &str) -> Result<Decoder, SphinxError> {
    let acoustic = model.join("en-us");
    let own = acoustic.join("feat.params");
    let features = std::fs::read_to_string(&own)
        .map_err(|error| SphinxError::Missing(format!("{}: {error}", own.display())))?;
    let mut features: String =
        features.lines().filter(|line| !line.starts_with("-cmninit")).flat_map(|line| [line, "\n"]).collect();
    features.push_str(&format!("-cmninit {TELEPHONE_MEAN}\n"));
    let folder = tempfile::tempdir().map_err(unwritable)?;
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).map_err(unwritable)?;
        Ok::<_, SphinxError>(path)
    };
    Decoder::open(&Files {
        model: &acoustic,
        dictionary: &write("words.dict", dictionary)?,
        grammar: &write("call.fsg", fsg)?,
        features: &write("feat.params", &features)?,
    })
}

#[expect(clippy::needless_pass_by_value, reason = "is given to map_err")]
fn unwritable(error: io::Error) -> SphinxError {
    SphinxError::Broken(format!("its files can't be written to {}: {error}", std::env::temp_dir().display()))
}
