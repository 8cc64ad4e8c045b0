//! The stand-in for Google Cloud's speech: `text:synthesize`, `speech:recognize`, and the place where a service
//! account's JWT is exchanged for a token. It hears by level, not by words.
//!
//! It behaves as the API key says, or, for a service account, as the name in its address does: the token of
//! `fail-403@test-project.iam.gserviceaccount.com` is refused with 403. What goes wrong by key beside what goes wrong
//! everywhere: `x-bad-key` (400 with `API_KEY_INVALID`), `x-open-sizes` (a WAV header without sizes), `x-split` (a
//! transcript in two results).

mod access;
mod recognize;
mod synthesize;
mod token;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use super::World;
pub use token::service_account;

/// What Google takes in one request, and a little more.
const LONGEST_BODY: usize = 11 << 20;

/// Its paths.
pub(super) fn routes(world: &World) -> Router {
    Router::new()
        .route("/token", post(token::exchange))
        .route("/v1/text:synthesize", post(synthesize::synthesize))
        .route("/v1/speech:recognize", post(recognize::recognize))
        .route("/v1/voices", get(access::listing))
        .route("/v1/operations", get(access::listing))
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .with_state(world.clone())
}
