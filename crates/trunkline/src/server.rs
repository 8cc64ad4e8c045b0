//! The server put together: agents, data plane, control plane and listener in one process. `serve` runs it for
//! the world, `demo` for one call.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use audio::SampleRate;
use control::{Access, Alive, Control, DataPlane, Heartbeat, Recorder};
use gateway::{Auth, BindError, Gateway, Limits, Listener, Lookup, Timing, Tls};
use providers::Health;
use records::{AnsweredBy, EndReason};
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};
use store::{CallId, Database, DatabaseError, NoFault, OpenError, Store, Which};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::board::Board;
use crate::carriers;
use crate::config::Config;
use crate::failure::Failure;
use crate::keeping;
use crate::tables::Tables;
use crate::vendors::Vendors;

/// How often the certificate's files are looked at.
const TLS_WATCH: Duration = Duration::from_secs(5);
/// How long the store may take to write what it holds at the end.
const LAST_WRITES: Duration = Duration::from_secs(5);

/// How long after the ringing the carrier may open a placed call's socket.
const ANSWERED: Duration = Duration::from_secs(60);

/// A running server.
pub(crate) struct Server {
    address: SocketAddr,
    gateway: Arc<Gateway>,
    store: Store,
    tables: Tables,
    tls: Option<Arc<Tls>>,
    vendors: Arc<Vendors>,
    board: Arc<Board>,
    heartbeat: Heartbeat,
    running: Mutex<Config>,
    stop: CancellationToken,
    listener: JoinHandle<()>,
}

/// The data plane as the control plane sees it.
///
/// The second part: for how long the URL of a call that is dialled holds.
struct Plane(Arc<Gateway>, Duration);

impl DataPlane for Plane {
    fn mode(&self) -> String {
        let agent = self.0.default_agent();
        agent.map_or_else(String::new, |agent| agent.settings.agent.as_str().to_owned())
    }

    fn calls(&self) -> usize {
        self.0.capacity().calls
    }

    fn max_calls(&self) -> usize {
        self.0.capacity().max_calls
    }

    fn is_draining(&self) -> bool {
        self.0.is_draining()
    }

    fn live(&self) -> Vec<Alive> {
        self.0.live().into_iter().map(|(call, seen)| Alive { call, seen }).collect()
    }

    fn end(&self, call: CallId) -> bool {
        self.0.end(call, EndReason::Operator)
    }

    fn answered_by(&self, call: CallId, by: AnsweredBy) -> bool {
        self.0.answered_by(call, by)
    }

    fn default_agent(&self) -> String {
        self.0.default_agent().map_or_else(String::new, |agent| agent.name.clone())
    }

    fn has_agent(&self, name: &str) -> bool {
        self.0.has_agent(name)
    }

    fn media_url(&self, call: CallId, agent: &str) -> Option<String> {
        self.0.media_url(call, agent, self.1)
    }

    fn expect(&self, call: CallId, variables: BTreeMap<String, String>) {
        self.0.expect(call, variables);
    }

    fn known_as(&self, call: CallId, carrier: &str, carrier_call_id: &str) {
        self.0.known_as(call, carrier, carrier_call_id);
    }
}

/// Where the data plane finds what a call brings along that another process placed.
fn lookup(database: Database) -> Lookup {
    Arc::new(move |call| {
        let database = database.clone();
        Box::pin(async move { Some(database.call(&Which::Id(call)).await.ok()??.custom) })
    })
}

impl Server {
    /// Starts everything. When it returns, calls are answered.
    pub(crate) async fn start(config: Config) -> Result<Self, Failure> {
        // The port first: a second server must not touch the first one's data.
        let listener = gateway::bind(config.server.listen).map_err(|error| match error {
            BindError::Taken { .. } => Failure::unavailable(error.to_string()),
            BindError::Refused { .. } => Failure::unavailable(error.to_string()),
        })?;
        let address = listener.local_addr()?;
        let tls = match (&config.server.tls.cert, &config.server.tls.key) {
            (Some(cert), Some(key)) => {
                Some(Tls::load(cert, key).map_err(|error| Failure::config(error.to_string()))?)
            }
            _ => None,
        };
        let recorder = Recorder::install().map_err(|error| Failure::failed(error.to_string()))?;
        let remote = keeping::remote(&config)?;
        let store = open_store(&config, remote.is_some())?;
        let tables = Tables::start(&config, &store).await?;
        let database = tables.database();
        let access = Access::new(config.door(), config.server.token.as_ref(), database.clone());
        let vendors = Arc::new(Vendors::new(config.server.limits.recognisers));
        let agents = vendors.agents(&config)?;
        let gateway = Gateway::new(data_plane(&config), agents, Some(store.clone()))
            .map_err(|error| Failure::config(error.to_string()))?;
        gateway.looks_up(lookup(database.clone()));
        let (upkeep, measured) = (recorder.clone(), store.clone());
        let heartbeat = Heartbeat::start(move || {
            upkeep.run_upkeep();
            control::measure_store(&measured);
        });
        let board = Arc::new(Board::new(vendors.health(), config.vendors.clone()));
        let stop = CancellationToken::new();
        let after_calls = config
            .keys
            .elevenlabs_webhook
            .clone()
            .map(|secret| control::post_call_route(database.clone(), secret));
        let rings = Duration::from_millis(config.outbound.ring_ms) + ANSWERED;
        let plane: Arc<dyn DataPlane> = Arc::new(Plane(gateway.clone(), rings));
        let outbound = carriers::outbound(&config, database.clone(), plane.clone())?;
        let control = Control {
            store: store.clone(),
            database: database.clone(),
            vendors: Some(board.clone()),
            data_plane: plane,
            outbound: outbound.clone(),
            callbacks: carriers::callbacks(&config),
            heartbeat: heartbeat.clone(),
            recorder: Some(recorder),
            access,
            stop: stop.clone(),
        };
        let routes = gateway
            .router()
            .merge(after_calls.unwrap_or_default())
            .merge(control::router(control, gateway::documented()));
        if let Some(tls) = &tls {
            tokio::spawn(tls.clone().watch(TLS_WATCH, stop.clone()));
        }
        keeping::start(&config, (&store, &database), remote, &stop);
        warm_up(&gateway, &vendors, &config);
        vendors.watch(&config);
        let every = Duration::from_millis(config.sweep.every_ms);
        tokio::spawn(outbound.keep_sweeping(every, stop.clone()));
        if config.health.probe_interval_ms > 0 {
            let every = Duration::from_millis(config.health.probe_interval_ms);
            tokio::spawn(probe_idle_vendors(vendors.health(), every, stop.clone()));
        }
        let listener =
            tokio::spawn(Listener::new(limits(&config), tls.clone()).serve(listener, routes, stop.clone()));
        Ok(Self {
            address,
            gateway,
            store,
            tables,
            tls,
            vendors,
            board,
            heartbeat,
            running: Mutex::new(config),
            stop,
            listener,
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its calls.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// How many calls run.
    pub(crate) fn calls(&self) -> usize {
        self.gateway.calls()
    }

    /// The runtime's pulse.
    pub(crate) fn heartbeat(&self) -> Heartbeat {
        self.heartbeat.clone()
    }

    /// Takes another configuration over, as far as that goes while calls run: agents, vendors and certificate. Gives the
    /// settings that want a restart. On an error all stays as it was.
    pub(crate) fn reload(&self, config: &Config) -> Result<Vec<&'static str>, Failure> {
        // Whoever changes a vendor wants it tried now, and not when its breaker thinks so.
        self.vendors.health().forgive();
        let agents = self.vendors.agents(config)?;
        if let Some(tls) = &self.tls {
            tls.reload().map_err(|error| Failure::config(error.to_string()))?;
        }
        self.gateway.reload(agents).map_err(|error| Failure::config(error.to_string()))?;
        self.gateway.render_ahead();
        self.vendors.watch(config);
        self.board.configure(config.vendors.clone());
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let left = needs_restart(&running, config);
        running.agents.clone_from(&config.agents);
        running.vendors.clone_from(&config.vendors);
        Ok(left)
    }

    /// Takes no more calls, lets those that run end by themselves for at most `limit`, then ends them. Gives how
    /// many had to be ended.
    pub(crate) async fn drain(&self, limit: Duration) -> usize {
        self.gateway.drain(limit).await
    }

    /// Stops listening and writes what is to be written. Calls have been drained.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        if self.listener.await.is_err() {
            tracing::error!("the listener ended by a panic");
        }
        let store = self.store;
        let flushed = tokio::task::spawn_blocking(move || store.flush(LAST_WRITES)).await;
        if !matches!(flushed, Ok(true)) {
            tracing::error!("not all records could be written");
        }
        self.tables.stop(LAST_WRITES).await;
    }
}

fn open_store(config: &Config, uploads: bool) -> Result<Store, Failure> {
    let options = store::Options { uploads, ..store::Options::default() };
    Store::open_with(&config.data.dir, options, Box::new(NoFault)).map_err(|error| match error {
        OpenError::InUse(_) => Failure::unavailable(error.to_string()),
        OpenError::Io(..) => Failure::config(error.to_string()),
    })
}

fn limits(config: &Config) -> Limits {
    let limits = &config.server.limits;
    Limits {
        head: Duration::from_millis(limits.header_timeout_ms),
        per_address: limits.connections_per_address,
        connections: limits.max_connections,
    }
}

/// The tables that the configuration names.
pub(crate) async fn tables(config: &Config) -> Result<Database, Failure> {
    Database::open(config.tables()).await.map_err(|error| match error {
        DatabaseError::Unavailable(_) => Failure::unavailable(error.to_string()),
        DatabaseError::Failed(_) => Failure::config(error.to_string()),
    })
}

/// Asks vendors that no call has used for so long whether they are there, until the server stops.
async fn probe_idle_vendors(health: Arc<Health>, every: Duration, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => health.probe_idle(every).await,
        }
    }
}

/// Starts the recogniser of the agent that answers by default, so that its first call finds it ready. Nobody
/// waits for it.
fn warm_up(gateway: &Gateway, vendors: &Arc<Vendors>, config: &Config) {
    gateway.render_ahead();
    let Some(agent) = gateway.default_agent() else { return };
    let Some(wanted) = config.agents.get(&agent.name).cloned() else { return };
    let vendors = vendors.clone();
    tokio::task::spawn_blocking(move || {
        for problem in vendors.make_ready(&agent, &wanted) {
            tracing::warn!(
                agent = agent.name,
                problem,
                "the recogniser can't listen for all that callers may say"
            );
        }
    });
}

fn data_plane(config: &Config) -> gateway::Config {
    let server = &config.server;
    let basic = server.basic.password.clone().map(|password| (server.basic.user.clone(), password));
    gateway::Config {
        ws_path: server.ws_path.clone(),
        public_url: server.public_url.as_ref().map(|url| url.trim_end_matches('/').to_owned()),
        trusted_proxies: server.trusted_proxies.clone(),
        twilio: config.twilio.auth_token.clone(),
        stream_rate: SampleRate::try_from(server.stream_rate).unwrap_or(SampleRate::HZ_8000),
        auth: Auth { bearer: server.token.clone(), basic, token_secret: token_secret(config) },
        default_agent: config.default_agent.clone(),
        max_calls: server.max_calls,
        timing: Timing {
            ping_every: Duration::from_millis(server.limits.ping_interval_ms),
            silent_for: Duration::from_millis(server.limits.idle_timeout_ms),
            ..Timing::default()
        },
    }
}

/// The key of the tokens in URLs follows from the token, so that a URL which the webhook handed out just before
/// a restart, or on another machine with the same token, holds here too.
fn token_secret(config: &Config) -> Option<[u8; 32]> {
    let secret = &config.server;
    let secret =
        secret.token.as_ref().or(secret.basic.password.as_ref()).or(config.twilio.auth_token.as_ref())?;
    let mut digest = Sha256::new();
    digest.update(b"trunkline url token, version 1\0");
    digest.update(secret.expose_secret());
    Some(digest.finalize().into())
}

fn needs_restart(running: &Config, wanted: &Config) -> Vec<&'static str> {
    let secret = |config: &Config| config.server.token.as_ref().map(|token| token.expose_secret().to_owned());
    let (old, new) = (&running.server, &wanted.server);
    let twilio = |config: &Config| {
        let token = config.twilio.auth_token.as_ref().map(|token| token.expose_secret().to_owned());
        (config.twilio.account_sid.clone(), token)
    };
    [
        ("server.listen", old.listen != new.listen),
        ("server.public_url", old.public_url != new.public_url),
        ("server.trusted_proxies", old.trusted_proxies != new.trusted_proxies),
        ("server.ws_path", old.ws_path != new.ws_path),
        ("server.stream_rate", old.stream_rate != new.stream_rate),
        ("server.token", secret(running) != secret(wanted)),
        ("server.tls", old.tls != new.tls),
        ("server.limits", old.limits != new.limits),
        ("server.max_calls", old.max_calls != new.max_calls),
        ("server.worker_threads", old.worker_threads != new.worker_threads),
        ("data.dir", running.data != wanted.data),
        ("recording", running.recording.differs(&wanted.recording)),
        ("retention", running.retention != wanted.retention),
        ("log", running.log != wanted.log),
        ("twilio", twilio(running) != twilio(wanted)),
        ("health", running.health != wanted.health),
        ("outbound", running.outbound != wanted.outbound),
        ("sweep", running.sweep != wanted.sweep),
        ("api", running.api != wanted.api),
        ("default_agent", running.default_agent != wanted.default_agent),
    ]
    .into_iter()
    .filter_map(|(name, differs)| differs.then_some(name))
    .collect()
}
