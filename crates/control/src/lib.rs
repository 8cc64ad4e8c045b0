//! The control plane: whether the server lives and is ready, what it measures, and the calls that it keeps.
//! It sees the data plane only through [`DataPlane`], so that the two can run as one process or as several.

mod api;
mod auth;
mod callbacks;
pub mod carrier;
mod elevenlabs;
mod health;
mod heartbeat;
mod key;
mod outbound;
mod problem;
mod providers;
mod recorder;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::{Extension, Router, middleware};
use jiff::Timestamp;
use records::AnsweredBy;
use store::{CallId, Database, Store};
use tokio_util::sync::CancellationToken;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use auth::{Access, Door};
pub use callbacks::CallbackSecrets;
pub use elevenlabs::post_call_route;
pub use heartbeat::Heartbeat;
pub use key::NewKey;
pub use outbound::{CarrierLine, CarrierUrls, Outbound, OutboundOptions, SweepReport, SweptCall};
pub use problem::{Code, Mistake, Problem};
pub use providers::{Capability, LastFailure, Latency, Link, LinkState, Vendors};
pub use recorder::{Recorder, RecorderError, measure_store};

/// What the control plane asks the data plane. None of it waits.
pub trait DataPlane: Send + Sync {
    /// The kind of the agent that answers by default: `echo`, `assistant`, ...
    fn mode(&self) -> String;
    /// How many calls take up a place.
    fn calls(&self) -> usize;
    /// How many places there are.
    fn max_calls(&self) -> usize;
    /// Whether no more calls are taken because the server is about to stop.
    fn is_draining(&self) -> bool;
    /// The calls that run here.
    fn live(&self) -> Vec<Alive>;
    /// Ends a call that runs here; its record then has the reason `operator`. False when none of this id runs here.
    fn end(&self, call: CallId) -> bool;
    /// Tells a call who picked up; one that has not started here yet is told when it does. False when none of this id
    /// runs here.
    fn answered_by(&self, call: CallId, by: AnsweredBy) -> bool;
    /// The agent of calls that ask for none.
    fn default_agent(&self) -> String {
        String::new()
    }
    /// Whether there is an agent of this name.
    fn has_agent(&self, name: &str) -> bool {
        name == self.default_agent()
    }
    /// Where the carrier of a call that is about to be dialled opens the media socket, for a carrier that is told so
    /// when dialling. It lets the carrier in when the call is answered. `None` without a public address.
    fn media_url(&self, _call: CallId, _agent: &str) -> Option<String> {
        None
    }
    /// Says what a call brings along that is about to be dialled, for a carrier that can't be given it: no value of it
    /// stands in a URL then.
    fn expect(&self, _call: CallId, _variables: BTreeMap<String, String>) {}
    /// Says under which id its carrier took such a call.
    fn known_as(&self, _call: CallId, _carrier: &str, _carrier_call_id: &str) {}
}

/// A call that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alive {
    /// Our id.
    pub call: CallId,
    /// When something last came from the carrier for it: audio, a message, the answer to a ping.
    pub seen: Timestamp,
}

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

/// The control plane's routes. `data_plane` documents the routes that are served beside them.
pub fn router(control: Control, data_plane: OpenApi) -> Router {
    let (router, documented) = routes().split_for_parts();
    router
        .merge(callbacks::routes::router())
        .method_not_allowed_fallback(problem::no_method)
        .fallback(problem::no_route)
        .with_state(Arc::new(control))
        .merge(api::docs::router(&whole(documented, data_plane)))
        .layer(middleware::from_fn(problem::complete))
}

/// What `/openapi.json` holds.
pub fn documented(data_plane: OpenApi) -> OpenApi {
    whole(routes().into_openapi(), data_plane)
}

fn whole(mut documented: OpenApi, data_plane: OpenApi) -> OpenApi {
    documented.merge(data_plane);
    documented.merge(api::docs::documented());
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
        .routes(routes!(api::recording::recording))
        .routes(routes!(api::events::events))
        .layer(Extension(api::events::Listeners::default()))
}
