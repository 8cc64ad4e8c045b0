//! Anthropic's stand-in: the Messages API, streamed or whole.
//!
//! What goes wrong by key, beside what goes wrong everywhere: `x-spend-limit` (429 without a time to come back),
//! `x-low-credit` (400 for an empty account), `x-no-stop` (the stream ends before `message_stop`), `x-thinking` (it
//! thinks aloud first), `x-slow-token` (6 s before the first one).

mod access;
mod check;
mod messages;

use axum::Router;
use axum::routing::post;

use super::World;

pub(super) use access::models;

/// Its paths, but for the list of models.
pub(super) fn routes(world: &World) -> Router {
    Router::new().route("/v1/messages", post(messages::messages)).with_state(world.clone())
}
