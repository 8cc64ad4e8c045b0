//! Every way to every API. Where two lead to the same vendor in the same role, the first is the better one.

use audio::SampleRate as Rate;

use super::capabilities::{Role, Streams, Way};
use crate::{Api, Transport, anthropic, deepgram, elevenlabs, google, openai};

const DEEPGRAM: &str = deepgram::BASE_URL;
const OPENAI: &str = openai::BASE_URL;
const ELEVENLABS: &str = elevenlabs::BASE_URL;

/// The rates of lines: all recognisers here take them as they are.
const LINES: &[Rate] = &[Rate::HZ_8000, Rate::HZ_16000, Rate::HZ_24000];
const PCM: &[&str] = &["linear16"];

const fn ears(api: Api, transport: Transport, base_url: &'static str, about: &'static str) -> Way {
    Way {
        api,
        role: Role::SpeechToText,
        transport,
        base_url,
        rates: LINES,
        encodings: PCM,
        streams: if matches!(transport, Transport::Websocket) { Streams::Yes } else { Streams::No },
        word_times: false,
        about,
    }
}

const fn model(api: Api, base_url: &'static str, about: &'static str) -> Way {
    Way {
        api,
        role: Role::LanguageModel,
        transport: Transport::Http,
        base_url,
        rates: &[],
        encodings: &[],
        streams: Streams::Yes,
        word_times: false,
        about,
    }
}

const fn voice(api: Api, transport: Transport, base_url: &'static str, about: &'static str) -> Way {
    Way {
        api,
        role: Role::TextToSpeech,
        transport,
        base_url,
        rates: LINES,
        encodings: PCM,
        streams: Streams::Yes,
        word_times: false,
        about,
    }
}

/// All of them.
pub(super) const WAYS: &[Way] = &[
    Way {
        word_times: true,
        ..ears(Api::Deepgram, Transport::Websocket, DEEPGRAM, "Nova, and Flux with its own end of turn")
    },
    Way {
        word_times: true,
        ..ears(Api::Deepgram, Transport::Http, DEEPGRAM, "Nova, utterance by utterance")
    },
    voice(Api::Deepgram, Transport::Websocket, DEEPGRAM, "Aura, many utterances on one connection"),
    voice(Api::Deepgram, Transport::Http, DEEPGRAM, "Aura, a request for each utterance"),
    Way {
        rates: &[Rate::HZ_24000],
        ..ears(Api::Openai, Transport::Websocket, OPENAI, "realtime transcription")
    },
    ears(Api::Openai, Transport::Http, OPENAI, "transcriptions, utterance by utterance"),
    model(Api::Openai, OPENAI, "chat completions, also of vLLM, Ollama, Groq, OpenRouter"),
    Way {
        rates: &[Rate::HZ_24000],
        ..voice(Api::Openai, Transport::Http, OPENAI, "a request for each utterance")
    },
    Way {
        role: Role::SpeechToSpeech,
        rates: &[Rate::HZ_8000, Rate::HZ_24000],
        encodings: &["mulaw", "linear16"],
        ..voice(Api::Openai, Transport::Websocket, OPENAI, "Realtime: listens, thinks and speaks")
    },
    model(Api::Anthropic, anthropic::BASE_URL, "Claude, by the messages API"),
    ears(
        Api::Google,
        Transport::Http,
        google::SPEECH_BASE_URL,
        "Cloud Speech-to-Text, utterance by utterance",
    ),
    model(Api::Google, google::GEMINI_BASE_URL, "Gemini"),
    Way {
        streams: Streams::No,
        ..voice(
            Api::Google,
            Transport::Http,
            google::VOICE_BASE_URL,
            "Cloud Text-to-Speech, a request for each utterance",
        )
    },
    ears(Api::Elevenlabs, Transport::Websocket, ELEVENLABS, "Scribe realtime"),
    Way {
        word_times: true,
        ..ears(Api::Elevenlabs, Transport::Http, ELEVENLABS, "Scribe, utterance by utterance")
    },
    voice(Api::Elevenlabs, Transport::Websocket, ELEVENLABS, "many utterances on one connection"),
    voice(Api::Elevenlabs, Transport::Http, ELEVENLABS, "a request for each utterance"),
    Way {
        role: Role::SpeechToSpeech,
        rates: &Rate::ALL,
        encodings: &["mulaw", "linear16"],
        ..voice(
            Api::Elevenlabs,
            Transport::Websocket,
            ELEVENLABS,
            "a conversational agent: listens, thinks and speaks",
        )
    },
];
