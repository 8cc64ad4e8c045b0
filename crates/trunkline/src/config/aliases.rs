//! Names of the environment that older set-ups use, and the keys that they set.

/// An environment name that older set-ups use, and the key that it sets.
pub(crate) struct Alias {
    pub(crate) name: &'static str,
    pub(crate) path: &'static str,
}

const fn alias(name: &'static str, path: &'static str) -> Alias {
    Alias { name, path }
}

/// The older names. Later ones win over earlier ones; `TRUNKLINE__...` wins over all.
pub(crate) const ALIASES: &[Alias] = &[
    alias("RENDER_EXTERNAL_URL", "server.public_url"),
    alias("WEBHOOK_BASE_URL", "server.public_url"),
    alias("WS_PATH", "server.ws_path"),
    alias("EXOTEL_WS_TOKEN", "server.token"),
    alias("TTS_PROVIDER", "agent_defaults.text_to_speech"),
    alias("GREETING_TEXT", "agent_defaults.greeting"),
    alias("OPENAI_API_KEY", "vendors.openai.key"),
    alias("OPENAI_BASE_URL", "vendors.openai.base_url"),
    alias("ANTHROPIC_API_KEY", "vendors.anthropic.key"),
    alias("DEEPGRAM_API_KEY", "vendors.deepgram.key"),
    alias("GEMINI_API_KEY", "vendors.google.key"),
    alias("GOOGLE_APPLICATION_CREDENTIALS", "vendors.google.credentials_file"),
    alias("ELEVENLABS_API_KEY", "vendors.elevenlabs.key"),
    alias("ELEVENLABS_AGENT_ID", "keys.elevenlabs_agent"),
    alias("ELEVENLABS_WEBHOOK_SECRET", "keys.elevenlabs_webhook"),
    alias("TWILIO_ACCOUNT_SID", "twilio.account_sid"),
    alias("TWILIO_AUTH_TOKEN", "twilio.auth_token"),
    alias("EXOTEL_ACCOUNT_SID", "exotel.account_sid"),
    alias("EXOTEL_API_KEY", "exotel.api_key"),
    alias("EXOTEL_API_TOKEN", "exotel.api_token"),
];

/// The port that a platform will connect to: sets the port of `server.listen`, and all interfaces where
/// authentication is configured.
pub(crate) const PORT: &str = "PORT";
