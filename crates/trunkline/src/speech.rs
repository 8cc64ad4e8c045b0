//! Speech for a simulated caller: spoken by a built-in voice or read from a WAV file, at the line's rate.

use std::path::Path;

use audio::{Pcm, Resampler, SampleRate};
use call::{Input, UtteranceId, Voiced};
use providers::{Answers, TextToSpeech, VoiceSpec};
use tokio::sync::mpsc;

use crate::failure::Failure;

/// Speaks `text` and gives the whole of it.
pub(crate) async fn render(voice: &dyn TextToSpeech, text: &str, rate: SampleRate) -> Result<Pcm, Failure> {
    let (sender, mut inbox) = mpsc::channel(64);
    let mut speaker = voice.open(&VoiceSpec::at(rate), Answers::new(sender));
    let running = speaker.speak(UtteranceId(0), text.to_owned());
    let mut samples = Vec::new();
    let mut resampler: Option<(SampleRate, Resampler)> = None;
    while let Some(answer) = inbox.recv().await {
        let Input::Voiced { what, .. } = answer else { continue };
        match what {
            Voiced::Audio { rate: from, pcm } if from == rate => samples.extend_from_slice(&pcm),
            Voiced::Audio { rate: from, pcm } => {
                if resampler.as_ref().is_none_or(|(of, _)| *of != from) {
                    resampler = Some((from, Resampler::new(from, rate)));
                }
                if let Some((_, resampler)) = &mut resampler {
                    resampler.push(&pcm, &mut samples);
                }
            }
            Voiced::Done => break,
            Voiced::Failed(why) => {
                return Err(Failure::unavailable(format!("\"{text}\" can't be spoken: {why}")));
            }
        }
    }
    drop(running);
    if let Some((_, mut resampler)) = resampler {
        resampler.flush(&mut samples);
    }
    if samples.is_empty() {
        return Err(Failure::failed(format!("the voice made no sound of \"{text}\"")));
    }
    Ok(samples.into())
}

/// Reads a WAV file, mixed down to one channel.
pub(crate) fn read_wav(file: &Path, rate: SampleRate) -> Result<Pcm, Failure> {
    let fault = |why: String| Failure::failed(format!("{}: {why}", file.display()));
    let bytes = std::fs::read(file).map_err(|error| fault(error.to_string()))?;
    let wav = audio::wav::read(&bytes).map_err(|error| fault(error.to_string()))?;
    let mono = wav.to_mono();
    if wav.rate == rate {
        return Ok(mono.into());
    }
    let mut samples = Vec::new();
    let mut resampler = Resampler::new(wav.rate, rate);
    resampler.push(&mono, &mut samples);
    resampler.flush(&mut samples);
    Ok(samples.into())
}

/// Writes samples of two channels, interleaved, as a WAV file.
pub(crate) fn write_stereo(file: &Path, rate: SampleRate, interleaved: &[i16]) -> Result<(), Failure> {
    let mut bytes = audio::wav::header(rate, 2, interleaved.len() as u64 * 2).to_vec();
    bytes.extend(interleaved.iter().flat_map(|sample| sample.to_le_bytes()));
    std::fs::write(file, bytes).map_err(|error| Failure::failed(format!("{}: {error}", file.display())))
}
