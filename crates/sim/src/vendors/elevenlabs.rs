//! ElevenLabs' stand-in: voices over HTTP and over the multi-context WebSocket, Scribe over HTTP and over its realtime
//! WebSocket. It hears by level, not by words: a stretch of sound is the next text of the world.
//!
//! What goes wrong by key, beside what goes wrong everywhere: `x-concurrent` (429 `too_many_concurrent_requests`),
//! `x-busy` (429 `system_busy`), `x-validation` (422 with a list), `x-too-big` (the voice's socket closes with 1009),
//! `x-snake` (`context_id` and `is_final`), `x-no-final` (a context never says that it is over), `x-auto-commit`
//! (Scribe commits by itself after each second of speech), and for Scribe's socket any type of error message, such as
//! `x-quota_exceeded`. What goes wrong with an agent stands at [`agent`].

mod access;
mod agent;
mod scribe;
mod scribe_socket;
mod socket;
mod voice;
mod voice_socket;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use super::World;

/// A minute of sound at 48 kHz fits.
const LONGEST_BODY: usize = 16 << 20;

/// Its paths.
pub(super) fn routes(world: &World) -> Router {
    Router::new()
        .route("/v1/user", get(access::user))
        .route("/v1/text-to-speech/{voice}/stream", post(voice::speak))
        .route("/v1/text-to-speech/{voice}/multi-stream-input", get(voice_socket::socket))
        .route("/v1/speech-to-text", post(scribe::listen))
        .route("/v1/speech-to-text/realtime", get(scribe_socket::socket))
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .with_state(world.clone())
        .merge(agent::routes(world))
}
