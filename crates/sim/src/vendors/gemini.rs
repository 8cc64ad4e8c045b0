//! Gemini's stand-in: `streamGenerateContent` and `generateContent`, and the list of models.
//!
//! What goes wrong by key, beside what goes wrong everywhere: `x-bad-key` (400 with the reason API_KEY_INVALID),
//! `x-blocked` (the prompt is blocked), `x-safety` (the answer is), `x-malformed` (a function call that is none),
//! `x-no-id` (function calls without one), `x-thinking` (it thinks aloud first), `x-slow-token` (6 s before the first
//! one).

mod access;
mod check;
mod generate;

use axum::Router;
use axum::routing::{get, post};

use super::World;

/// Its paths.
pub(super) fn routes(world: &World) -> Router {
    Router::new()
        .route("/v1beta/models", get(access::models))
        .route("/v1beta/models/{call}", post(generate::generate))
        .with_state(world.clone())
}
