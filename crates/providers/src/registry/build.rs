//! From a planned link to a vendor behind its role: the dialect by API, the driver by transport. Beside the table
//! of ways this is the only place above the vendors' folders that knows their names.

use std::sync::Arc;
use std::time::Duration;

use super::plan::{LinkPlan, Misfit};
use crate::dialect::{EarDialect, EarSocketDialect, ModelDialect, VoiceDialect, VoiceSocketDialect};
use crate::driver::{
    HttpEar, HttpModel, HttpVoice, Net, Patience, Probe, SocketAgent, SocketEar, SocketVoice, TokenSource,
};
use crate::elevenlabs::{ElevenAgent, ElevenVoice, ElevenVoiceSocket, Scribe, ScribeSocket};
use crate::google::{Gemini, GoogleEar, GoogleVoice};
use crate::openai::{Chat, Realtime, RealtimeTranscription, Speech, Transcriptions};
use crate::{
    Api, LanguageModel, LinkId, SpeechToSpeech, SpeechToText, TextToSpeech, Transport, anthropic, deepgram,
};

/// A vendor behind its role, by one way.
pub(crate) struct Built<T: ?Sized> {
    pub(crate) link: LinkId,
    pub(crate) vendor: Arc<T>,
    /// What it speaks; `None` where it is built in.
    pub(crate) api: Option<Api>,
    /// How long it may take, where the operator has set it.
    pub(crate) deadline: Option<Duration>,
    /// How it is asked whether it is there; what is built in need not be.
    pub(crate) probe: Option<Arc<dyn Probe>>,
}

/// What links are built with.
pub(super) struct Shell<'a> {
    pub(super) net: &'a Arc<Net>,
    /// For a service account instead of a key.
    pub(super) tokens: Option<Arc<dyn TokenSource>>,
}

/// Makes a `Built` of a driver that is both: the role and the probe. (A function can't turn a type into an object
/// of a trait that it does not name.)
macro_rules! built {
    ($driver:expr, $way:expr, $deadline:expr) => {{
        let driver = Arc::new($driver);
        Ok(Built {
            link: driver.link().clone(),
            vendor: driver.clone(),
            api: Some($way.api),
            deadline: $deadline,
            probe: Some(driver),
        })
    }};
}

/// With the operator's patience.
macro_rules! patient {
    ($driver:expr, $deadline:expr) => {
        match $deadline {
            Some(first) => $driver.with_patience(Patience::first(first)),
            None => $driver,
        }
    };
}

/// The same over HTTP, with tokens where there are any.
macro_rules! over_http {
    ($driver:expr, $way:expr, $deadline:expr, $tokens:expr) => {{
        let mut driver = patient!($driver, $deadline);
        if let Some(tokens) = $tokens {
            driver = driver.with_tokens(tokens.clone());
        }
        built!(driver, $way, $deadline)
    }};
}

/// A recogniser.
pub(super) fn ear(plan: LinkPlan, shell: &Shell<'_>) -> Result<Built<dyn SpeechToText>, Misfit> {
    let LinkPlan { link, way, options, .. } = plan;
    let deadline = options.role.deadline_ms.map(Duration::from_millis);
    let net = shell.net.clone();
    if way.transport == Transport::Websocket {
        let dialect: Arc<dyn EarSocketDialect> = match way.api {
            Api::Deepgram => deepgram::ear_socket(options),
            Api::Openai => Arc::new(RealtimeTranscription::new(options)),
            Api::Elevenlabs => Arc::new(ScribeSocket::new(options)),
            _ => return Err(missing(&link)),
        };
        return built!(SocketEar::new(link, dialect, net), way, deadline);
    }
    let dialect: Arc<dyn EarDialect> = match way.api {
        Api::Deepgram => deepgram::ear(options),
        Api::Openai => Arc::new(Transcriptions::new(options)),
        Api::Google => Arc::new(GoogleEar::new(options)),
        Api::Elevenlabs => Arc::new(Scribe::new(options)),
        Api::Anthropic => return Err(missing(&link)),
    };
    over_http!(HttpEar::new(link, dialect, net), way, deadline, &shell.tokens)
}

/// A language model.
pub(super) fn model(plan: LinkPlan, shell: &Shell<'_>) -> Result<Built<dyn LanguageModel>, Misfit> {
    let LinkPlan { link, way, options, .. } = plan;
    let deadline = options.role.deadline_ms.map(Duration::from_millis);
    let dialect: Arc<dyn ModelDialect> = match way.api {
        Api::Openai => Arc::new(Chat::new(options)),
        Api::Anthropic => Arc::new(anthropic::Messages::new(options)),
        Api::Google => Arc::new(Gemini::new(options)),
        Api::Deepgram | Api::Elevenlabs => return Err(missing(&link)),
    };
    built!(patient!(HttpModel::new(link, dialect, shell.net.clone()), deadline), way, deadline)
}

/// A voice.
pub(super) fn voice(plan: LinkPlan, shell: &Shell<'_>) -> Result<Built<dyn TextToSpeech>, Misfit> {
    let LinkPlan { link, way, options, .. } = plan;
    let deadline = options.role.deadline_ms.map(Duration::from_millis);
    let net = shell.net.clone();
    if way.transport == Transport::Websocket {
        let dialect: Arc<dyn VoiceSocketDialect> = match way.api {
            Api::Deepgram => deepgram::voice_socket(options),
            Api::Elevenlabs => Arc::new(ElevenVoiceSocket::new(options)),
            _ => return Err(missing(&link)),
        };
        return built!(patient!(SocketVoice::new(link, dialect, net), deadline), way, deadline);
    }
    let dialect: Arc<dyn VoiceDialect> = match way.api {
        Api::Deepgram => deepgram::voice(options),
        Api::Openai => Arc::new(Speech::new(options)),
        Api::Google => Arc::new(GoogleVoice::new(options)),
        Api::Elevenlabs => Arc::new(ElevenVoice::new(options)),
        Api::Anthropic => return Err(missing(&link)),
    };
    over_http!(HttpVoice::new(link, dialect, net), way, deadline, &shell.tokens)
}

/// A speech-to-speech agent.
pub(super) fn agent(plan: LinkPlan, shell: &Shell<'_>) -> Result<Built<dyn SpeechToSpeech>, Misfit> {
    let LinkPlan { link, way, options, .. } = plan;
    let deadline = options.role.deadline_ms.map(Duration::from_millis);
    match way.api {
        Api::Openai => {
            let dialect = Arc::new(Realtime::new(options));
            built!(patient!(SocketAgent::new(link, dialect, shell.net.clone()), deadline), way, deadline)
        }
        Api::Elevenlabs => {
            let dialect = Arc::new(ElevenAgent::new(options));
            built!(patient!(SocketAgent::new(link, dialect, shell.net.clone()), deadline), way, deadline)
        }
        _ => Err(missing(&link)),
    }
}

/// A way of the table that nothing was written for: a fault of this program.
fn missing(link: &LinkId) -> Misfit {
    let key = link.role.as_str();
    let why = format!("this program has no {} for it", link.transport.as_str());
    Misfit::Vendor { vendor: link.vendor.to_string(), key, why }
}
