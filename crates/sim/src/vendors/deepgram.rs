//! Deepgram's stand-in: both streaming recognisers, the recogniser over HTTP, and the voice over HTTP and over a
//! WebSocket. It hears by level, not by words: a stretch of sound is the next text of the world.
//!
//! What goes wrong by key, beside what goes wrong everywhere: `x-finals-split` (a text in three finals),
//! `x-empty-finals`, `x-no-finalize` (it answers no `Finalize`), `x-unknown-type`, `x-close-early` (closes at the
//! first audio), `x-undecodable` (closes for bad audio), `x-no-connected`, `x-late-binary` (audio of the old between
//! `Clear` and `Cleared`), `x-no-flushed`, `x-old-warning` (spells it as it was spelled), `x-wav-anyway` (a header
//! though none was asked for), `x-shape-plain` and `x-shape-category` (the other shapes of an error), `x-slow-12s`
//! (or any number: so many seconds before the first answer).

mod access;
mod flux;
mod listen;
mod query;
mod recorded;
mod speak;
mod speak_socket;
mod talk;
mod voice;

use axum::Router;
use axum::routing::get;

use super::World;

/// Its paths.
pub(super) fn routes(world: &World) -> Router {
    Router::new()
        .route("/v1/listen", get(listen::socket).post(recorded::listen))
        .route("/v2/listen", get(flux::socket))
        .route("/v1/speak", get(speak_socket::socket).post(speak::speak))
        .route("/v1/projects", get(access::projects))
        .with_state(world.clone())
}
