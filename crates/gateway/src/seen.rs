//! How a request came here: by whom and under which names. Behind a proxy nobody outside can tell, and signatures hang on
//! it; `trunkline doctor` asks through the public address and says what to set.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::gateway::Gateway;
use crate::listener::Peer;
use crate::problem::problem;
use crate::{admission, origin};

/// How a request came here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Seen {
    /// The address from which it was connected: the caller's, or that of the last proxy.
    pub peer: Option<String>,
    /// Whether that is among `server.trusted_proxies`.
    pub is_trusted_proxy: bool,
    /// Under which addresses a carrier's signature would be tried, the likeliest first.
    pub addresses: Vec<String>,
    /// The header `Host`.
    pub host: Option<String>,
    /// `X-Forwarded-Host`.
    pub forwarded_host: Option<String>,
    /// `X-Forwarded-Proto`.
    pub forwarded_proto: Option<String>,
    /// `X-Forwarded-For`.
    pub forwarded_for: Option<String>,
}

/// How this request came here
///
/// For whoever sets up a proxy: what it made of host and scheme, and by which address it came.
#[utoipa::path(
    get, path = "/voicebot/seen", tag = "health", security(("key" = [])),
    responses(
        (status = 200, description = "How it came.", body = Seen),
        (
            status = 401, description = "The server's token is needed.",
            body = ref("#/components/schemas/Problem"), content_type = "application/problem+json",
        ),
    ),
)]
pub(crate) async fn seen(
    State(gateway): State<Arc<Gateway>>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
) -> Response {
    if !admission::may_see(&gateway, &headers).await {
        return problem(StatusCode::UNAUTHORIZED, "Unauthorized", "Send the token as Authorization: Bearer.");
    }
    let peer = peer.map(|Extension(peer)| peer.address);
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let addresses = origin::addresses(&gateway.config, peer, &headers);
    Json(Seen {
        peer: peer.map(|peer| peer.ip().to_canonical().to_string()),
        is_trusted_proxy: peer
            .is_some_and(|peer| origin::is_trusted(&gateway.config.trusted_proxies, peer.ip())),
        addresses: addresses.iter().map(|address| address.http("")).collect(),
        host: text(header::HOST),
        forwarded_host: text(origin::FORWARDED_HOST),
        forwarded_proto: text(origin::FORWARDED_PROTO),
        forwarded_for: text(HeaderName::from_static("x-forwarded-for")),
    })
    .into_response()
}
