//! The control plane: whether the server lives and is ready, what it measures, and the calls that it keeps.
//! It sees the data plane only through [`DataPlane`], so that the two can run as one process or as several.

mod alerts;
mod api;
mod asked;
mod auth;
mod callbacks;
pub mod carrier;
mod data_plane;
mod elevenlabs;
mod health;
mod heartbeat;
pub mod jobs;
mod key;
mod outbound;
mod problem;
mod providers;
mod recorder;
mod tables;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::{Extension, Router, middleware};
use store::{Database, Store};
use tokio_util::sync::CancellationToken;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use alerts::{Alerts, Watch};
pub use auth::{Access, Door};
pub use callbacks::CallbackSecrets;
pub use data_plane::{Alive, DataPlane, NoCalls};
pub use elevenlabs::post_call_route;
pub use health::INSTANCE;
pub use heartbeat::Heartbeat;
pub use key::NewKey;
pub use outbound::{CarrierLine, CarrierUrls, Outbound, OutboundOptions, SweepReport, SweptCall};
pub use problem::{Code, Mistake, Problem};
pub use providers::{Capability, LastFailure, Latency, Link, LinkState, Vendors};
pub use recorder::{Recorder, RecorderError, measure_store};

/// What the control plane works with.
#[derive(Clone)]
pub struct Control {
    /// The calls as files.
    pub store: Store,
    /// The calls as tables.
    pub database: Database,
    /// The data plane.
    pub data_plane: Arc<dyn DataPlane>,
    /// The vendors; without them there is nothing to show of any.
    pub vendors: Option<Arc<dyn Vendors>>,
    /// The runtime's pulse.
    pub heartbeat: Heartbeat,
    /// The metrics; without it `/metrics` is 404.
    pub recorder: Option<Recorder>,
    /// Who may ask for more than the health checks.
    pub access: Access,
    /// What places, ends and closes calls.
    pub outbound: Outbound,
    /// What carriers' callbacks are checked against.
    pub callbacks: CallbackSecrets,
    /// Fires when the server stops listening: answers that would go on end then.
    pub stop: CancellationToken,
}

/// The largest body of a request, where a route does not say otherwise.
const BODY: usize = 1024 * 1024;

/// The control plane's routes. `data_plane` documents the routes that are served beside them.
pub fn router(control: Control, data_plane: OpenApi) -> Router {
    router_beside(control, Router::new(), data_plane)
}

/// The same with the routes that `data_plane` documents: so that what holds for every request and every answer (an id, a
/// bound, one form of problems) holds for these too.
pub fn router_beside(control: Control, beside: Router, data_plane: OpenApi) -> Router {
    let (router, documented) = routes().split_for_parts();
    router
        .merge(callbacks::routes::router())
        .method_not_allowed_fallback(problem::no_method)
        .fallback(problem::no_route)
        .with_state(Arc::new(control))
        .merge(api::docs::router(&whole(documented, data_plane)))
        .merge(beside)
        .layer(DefaultBodyLimit::max(BODY))
        .layer(middleware::from_fn(problem::complete))
}

/// What `/openapi.json` holds.
pub fn documented(data_plane: OpenApi) -> OpenApi {
    whole(routes().into_openapi(), data_plane)
}

fn whole(mut documented: OpenApi, data_plane: OpenApi) -> OpenApi {
    documented.merge(data_plane);
    documented.merge(api::docs::documented());
    api::openapi::add_limits(&mut documented);
    documented
}

/// Every route of the control plane, each with its documentation.
fn routes() -> OpenApiRouter<Arc<Control>> {
    OpenApiRouter::with_openapi(api::openapi::described())
        .routes(routes!(health::livez))
        .routes(routes!(health::readyz))
        .routes(routes!(health::health))
        .routes(routes!(recorder::metrics))
        .routes(routes!(providers::providers))
        .routes(routes!(api::calls::list))
        .routes(routes!(api::calls::detail))
        .routes(routes!(outbound::routes::place))
        .routes(routes!(outbound::routes::place_by_older_path))
        .routes(routes!(outbound::routes::hang_up))
        .routes(routes!(outbound::routes::sweep))
        .routes(routes!(callbacks::health::webhooks))
        .routes(routes!(alerts::routes::alerts))
        .routes(routes!(jobs::routes::list))
        .routes(routes!(jobs::routes::retry))
        .routes(routes!(api::recording::recording))
        .routes(routes!(api::hold::hold))
        .routes(routes!(api::erase::erase))
        .routes(routes!(api::events::events))
        .layer(Extension(api::events::Listeners::default()))
        .layer(Extension(api::recording::Plays::default()))
}
