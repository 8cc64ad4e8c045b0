//! OpenAI, and every server that speaks like it: vLLM, Ollama, Groq, OpenRouter and others differ from it by their
//! address, their key and how much of the API they keep to.

mod chat;
mod error;
mod realtime;
mod realtime_transcription;
mod speech;
mod transcriptions;

pub use chat::Chat;
pub use realtime::Realtime;
pub use realtime_transcription::RealtimeTranscription;
pub use speech::Speech;
pub use transcriptions::Transcriptions;

use crate::DialectOptions;
use crate::dialect::HttpRequest;

/// Where OpenAI is.
pub const BASE_URL: &str = "https://api.openai.com/v1";

/// The list of models: it costs nothing, and it is refused without a good key.
fn list_models(options: &DialectOptions) -> HttpRequest {
    // Query parameters are the role's, not the list's.
    let mut bare = options.clone();
    bare.role.query.clear();
    HttpRequest::get(bare.url("models", &[])).bearer(options.key.as_ref()).with_own_headers(options)
}
