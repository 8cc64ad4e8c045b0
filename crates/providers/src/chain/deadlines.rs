//! How long each link may take before the next is asked: one table.

use std::time::Duration;

use crate::{Api, Role, Transport};

/// How long a link may take to its first answer, where the operator has not set it: a recogniser from the end of a
/// stretch to its text, a model to its first token, a voice to its first audio, a speech-to-speech agent to its
/// being set up. `has_next` is whether somebody else can be asked.
///
/// A recogniser has twice what 99 of 100 texts need at that vendor, as measured and published by the authors of
/// pipecat; over HTTP at least 2.5 s, since it hears the stretch only then.
pub const fn deadline(role: Role, api: Option<Api>, transport: Transport, has_next: bool) -> Duration {
    let ms = match (role, transport) {
        (Role::SpeechToText, _) => recogniser(api, transport),
        (Role::LanguageModel, _) if has_next => 1_500,
        (Role::LanguageModel, _) => 4_000,
        (Role::TextToSpeech, _) if has_next => 1_000,
        (Role::TextToSpeech, _) => 2_000,
        (Role::SpeechToSpeech, _) => 3_000,
    };
    Duration::from_millis(ms)
}

const fn recogniser(api: Option<Api>, transport: Transport) -> u64 {
    let p99 = match (api, transport) {
        (Some(Api::Deepgram), Transport::Websocket) => 350,
        (Some(Api::Elevenlabs), Transport::Websocket) => 410,
        (Some(Api::Google), _) => 1_570,
        (Some(Api::Openai), Transport::Websocket) => 1_660,
        (Some(Api::Openai | Api::Elevenlabs), _) => 2_010,
        _ => 1_000,
    };
    match transport {
        Transport::Http if p99 < 1_250 => 2_500,
        _ => 2 * p99,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_as_documented() {
        let ms = |role, api, transport, next| deadline(role, api, transport, next).as_millis();
        let ear = |api, transport| ms(Role::SpeechToText, Some(api), transport, true);
        assert_eq!(ear(Api::Deepgram, Transport::Websocket), 700);
        assert_eq!(ear(Api::Deepgram, Transport::Http), 2_500);
        assert_eq!(ear(Api::Openai, Transport::Http), 4_020);
        assert_eq!(ear(Api::Elevenlabs, Transport::Websocket), 820);
        assert_eq!(ms(Role::SpeechToText, None, Transport::Local, false), 2_000);
        let model = |next| ms(Role::LanguageModel, Some(Api::Openai), Transport::Http, next);
        assert_eq!((model(true), model(false)), (1_500, 4_000));
        let voice = |next| ms(Role::TextToSpeech, Some(Api::Google), Transport::Http, next);
        assert_eq!((voice(true), voice(false)), (1_000, 2_000));
    }
}
