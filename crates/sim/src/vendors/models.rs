//! `GET /v1/models`, which several vendors have: whose it is shows in the headers.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use axum::routing::get;

use super::{World, anthropic, openai};

/// Its path.
pub(super) fn routes(world: &World) -> Router {
    Router::new().route("/v1/models", get(list)).with_state(world.clone())
}

async fn list(State(world): State<World>, uri: Uri, headers: HeaderMap) -> Response {
    if headers.contains_key("x-api-key") || headers.contains_key("anthropic-version") {
        anthropic::models(&world, &uri, &headers).await
    } else {
        openai::models(&world, &uri, &headers).await
    }
}
