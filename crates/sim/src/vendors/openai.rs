//! OpenAI's stand-in: chat completions, speech and transcriptions over HTTP.
//!
//! What goes wrong by key, beside what goes wrong everywhere, is what compatible servers do: `x-no-done` (the stream
//! ends without `[DONE]`), `x-no-usage`, `x-usage-everywhere` (a growing count with every chunk), `x-no-index` (tool
//! calls without one, and no role), `x-whole-tool-call` (in one delta), `x-comments` (keep-alive comments between the
//! chunks), `x-slow-token` (6 s before the first one), `x-wav-anyway` (speech as a WAV file, called PCM),
//! `x-sse-anyway` (speech as events).

mod access;
mod chat;
mod check;
mod speech;
mod transcriptions;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::post;

use super::World;

pub(super) use access::models;

/// A file may have 25 MB, and the form around it a little more.
const LARGEST_BODY: usize = 26 << 20;

/// Its paths, but for the list of models.
pub(super) fn routes(world: &World) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(chat::completions))
        .route("/v1/audio/speech", post(speech::speech))
        .route("/v1/audio/transcriptions", post(transcriptions::transcriptions))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(world.clone())
}
