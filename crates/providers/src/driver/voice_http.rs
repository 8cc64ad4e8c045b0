//! Voices over HTTP: one request for each utterance, answered by audio as it is made.

use std::sync::Arc;
use std::time::Duration;

use audio::{Pcm, SampleRate};
use call::{Fault, FaultClass, Input, UtteranceId, Voiced};
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::http::HttpLink;
use super::pace::Pace;
use super::{Net, Patience, Probe};
use crate::dialect::VoiceDialect;
use crate::{Answers, LinkId, Running, Speaker, TextToSpeech, VoiceSpec};

/// How long the first sound may take, where nothing else is said.
const FIRST_SOUND: Duration = Duration::from_secs(2);
/// No utterance is longer: a voice that never stops must not fill the memory.
const LONGEST_US: u64 = 180_000_000;
/// Less audio than this is no progress.
const ENOUGH_US: u64 = 100_000;

/// A voice that is asked over HTTP. Its patience: `first` is from the text to the first audio, `between` is how long
/// 100 ms of audio may take afterwards.
pub type HttpVoice = HttpLink<dyn VoiceDialect>;

impl HttpVoice {
    /// The voice behind `dialect`.
    pub fn new(link: LinkId, dialect: Arc<dyn VoiceDialect>, net: Arc<Net>) -> Self {
        Self::over(link, dialect, net, Patience::first(FIRST_SOUND))
    }
}

impl TextToSpeech for HttpVoice {
    fn name(&self) -> &str {
        &self.id.vendor
    }

    fn warm(&self) {
        self.net.warm(&self.dialect.probe().url);
    }

    fn open(&self, spec: &VoiceSpec, answers: Answers) -> Box<dyn Speaker> {
        Box::new(Mouth { link: self.clone(), spec: spec.clone(), answers })
    }
}

impl Probe for HttpVoice {
    fn link(&self) -> &LinkId {
        &self.id
    }

    fn probe(&self) -> BoxFuture<'_, Result<Duration, Fault>> {
        Box::pin(self.try_out(self.dialect.probe()))
    }
}

/// The voice in one call.
struct Mouth {
    link: HttpVoice,
    spec: VoiceSpec,
    answers: Answers,
}

impl Speaker for Mouth {
    fn speak(&mut self, utterance: UtteranceId, text: String) -> Running {
        let (link, spec, answers) = (self.link.clone(), self.spec.clone(), self.answers.clone());
        Running::spawn(async move {
            let what = match say(&link, &spec, utterance, &text, &answers).await {
                Ok(()) => Voiced::Done,
                Err(fault) => Voiced::Failed(fault),
            };
            // The call being over is no concern of a voice.
            let _ = answers.send(Input::Voiced { utterance, what }).await;
        })
    }
}

async fn say(
    link: &HttpVoice,
    spec: &VoiceSpec,
    utterance: UtteranceId,
    text: &str,
    answers: &Answers,
) -> Result<(), Fault> {
    if text.trim().is_empty() {
        return Err(Fault::local("there is nothing to say"));
    }
    let mut pace = Pace::asked(Instant::now(), link.patience);
    let mut answered = link.ask(link.dialect.request(text, spec), pace.due()).await?;
    let is_silenced = answered.is_silenced();
    let mut decoder = link.dialect.decoder(spec, &answered.content_type())?;
    let mut samples = Vec::new();
    let mut given = 0;
    loop {
        let piece = answered.piece(pace.due()).await?;
        match &piece {
            Some(bytes) => decoder.bytes(bytes, &mut samples)?,
            None => decoder.end(&mut samples)?,
        }
        if !samples.is_empty() {
            let rate = decoder.rate();
            given += samples.len();
            check_length(rate, given)?;
            let came = samples.len();
            let pcm = if is_silenced { Pcm::silence(came) } else { Pcm::from(samples.as_slice()) };
            samples.clear();
            let what = Voiced::Audio { rate, pcm };
            if answers.send(Input::Voiced { utterance, what }).await.is_err() {
                return Ok(());
            }
            let enough = if given == came { 1 } else { rate.samples(ENOUGH_US) };
            pace.came(Instant::now(), came, enough);
        }
        if piece.is_none() {
            break;
        }
    }
    if given == 0 {
        return Err(Fault::new(FaultClass::Garbage, "it gave no audio"));
    }
    Ok(())
}

/// An utterance has its bounds.
pub(super) fn check_length(rate: SampleRate, samples: usize) -> Result<(), Fault> {
    if samples > rate.samples(LONGEST_US) {
        return Err(Fault::new(FaultClass::Garbage, "it spoke for more than three minutes"));
    }
    Ok(())
}
