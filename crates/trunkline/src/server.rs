//! The server put together: agents, data plane, control plane and listener in one process. `serve` runs it for
//! the world, `demo` for one call.

mod plane;
mod settings;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use control::{Access, Control, DataPlane, Heartbeat, Outbound, Recorder};
use gateway::{Agents, BindError, Gateway, Listener, Tls};
use providers::Health;
use store::{Database, DatabaseError, NoFault, OpenError, Remote, Store};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use self::plane::{Plane, lookup};
use self::settings::{data_plane, limits, needs_restart};
use crate::board::Board;
use crate::carriers;
use crate::config::Config;
use crate::failure::Failure;
use crate::keeping;
use crate::tables::Tables;
use crate::vendors::Vendors;
use crate::work::Running;

/// How often the certificate's files are looked at.
const TLS_WATCH: Duration = Duration::from_secs(5);
/// How long the store may take to write what it holds at the end.
const LAST_WRITES: Duration = Duration::from_secs(5);

/// A running server.
pub(crate) struct Server {
    address: SocketAddr,
    gateway: Arc<Gateway>,
    store: Store,
    tables: Tables,
    tls: Option<Arc<Tls>>,
    vendors: Arc<Vendors>,
    board: Arc<Board>,
    work: Running,
    heartbeat: Heartbeat,
    running: Mutex<Config>,
    stop: CancellationToken,
    tasks: Tasks,
}

/// What is waited for at the end.
struct Tasks {
    listener: JoinHandle<()>,
    /// Tells other processes that this one lives.
    telling: JoinHandle<()>,
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
        let tls = load_tls(&config)?;
        let recorder = Recorder::install().map_err(|error| Failure::failed(error.to_string()))?;
        let remote = keeping::remote(&config)?;
        let store = open_store(&config, remote)?;
        let tables = Tables::start(&config, &store).await?;
        let database = tables.database();
        let access = Access::new(config.door(), config.server.token.as_ref(), database.clone())
            .with_requests_per_minute(config.api.requests_per_minute);
        let vendors = Arc::new(Vendors::new(config.server.limits.recognisers));
        let agents = vendors.agents(&config)?;
        let gateway = answering(&config, agents, (&store, &database), &access)?;
        let (upkeep, measured) = (recorder.clone(), store.clone());
        let heartbeat = Heartbeat::start(move || {
            upkeep.run_upkeep();
            control::measure_store(&measured);
        });
        let board = Arc::new(Board::new(vendors.health(), config.vendors.clone()));
        let stop = CancellationToken::new();
        let plane: Arc<dyn DataPlane> = Arc::new(Plane(gateway.clone()));
        let outbound = carriers::outbound(&config, database.clone(), plane.clone(), Some(store.node()?))?;
        let work = Running::start(&config, (&store, &database), &outbound, board.clone(), &stop)?;
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
        let secret = config.keys.elevenlabs_webhook.clone();
        let after_calls = secret.map(|secret| control::post_call_route(database.clone(), secret));
        let beside = gateway.router().merge(after_calls.unwrap_or_default());
        let routes = work.alerts().show_on(control::router_beside(control, beside, gateway::documented()));
        if let Some(tls) = &tls {
            tokio::spawn(tls.clone().watch(TLS_WATCH, stop.clone()));
        }
        keeping::start(&config, (&store, &database), &stop);
        warm_up(&gateway, &vendors, &config);
        watch(&config, &vendors, &outbound, &stop);
        let telling = tokio::spawn(outbound.keep_telling(stop.clone()));
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
            work,
            heartbeat,
            running: Mutex::new(config),
            stop,
            tasks: Tasks { listener, telling },
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
        self.work.configure(config);
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let left = needs_restart(&running, config);
        running.agents.clone_from(&config.agents);
        running.vendors.clone_from(&config.vendors);
        Ok(left)
    }

    /// Takes no more calls from now on.
    pub(crate) fn close(&self) {
        self.gateway.close();
    }

    /// Takes no more calls, lets those that run end by themselves for at most `limit`, then ends them. Gives how
    /// many had to be ended.
    pub(crate) async fn drain(&self, limit: Duration) -> usize {
        self.gateway.drain(limit).await
    }

    /// Stops listening and writes what is to be written. Calls have been drained.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        if self.tasks.listener.await.is_err() {
            tracing::error!("the listener ended by a panic");
        }
        // Its last word must find the tables open; it takes no longer than it may.
        let _ = self.tasks.telling.await;
        let store = self.store;
        let flushed = tokio::task::spawn_blocking(move || store.flush(LAST_WRITES)).await;
        if !matches!(flushed, Ok(true)) {
            tracing::error!("not all records could be written");
        }
        self.work.stop(LAST_WRITES).await;
        self.tables.stop(LAST_WRITES).await;
    }
}

fn load_tls(config: &Config) -> Result<Option<Arc<Tls>>, Failure> {
    let files = config.server.tls.cert.as_ref().zip(config.server.tls.key.as_ref());
    let tls = files.map(|(cert, key)| Tls::load(cert, key)).transpose();
    tls.map_err(|error| Failure::config(error.to_string()))
}

/// What answers calls, told where to find what it does not know itself.
fn answering(
    config: &Config,
    agents: Agents,
    (store, database): (&Store, &Database),
    access: &Access,
) -> Result<Arc<Gateway>, Failure> {
    let gateway = Gateway::new(data_plane(config), agents, Some(store.clone()))
        .map_err(|error| Failure::config(error.to_string()))?;
    let look = access.clone();
    gateway.show_sessions_to(Box::new(move |headers| {
        let look = look.clone();
        Box::pin(async move { look.may_look(&headers).await })
    }));
    gateway.looks_up(lookup(database.clone()));
    Ok(gateway)
}

/// Looks after vendors and silent calls until the server stops.
fn watch(config: &Config, vendors: &Arc<Vendors>, outbound: &Outbound, stop: &CancellationToken) {
    vendors.watch(config);
    let every = Duration::from_millis(config.sweep.every_ms);
    tokio::spawn(outbound.clone().keep_sweeping(every, stop.clone()));
    if config.health.probe_interval_ms > 0 {
        let every = Duration::from_millis(config.health.probe_interval_ms);
        tokio::spawn(probe_idle_vendors(vendors.health(), every, stop.clone()));
    }
}

fn open_store(config: &Config, remote: Option<Remote>) -> Result<Store, Failure> {
    let options = store::Options { remote, ..store::Options::default() };
    Store::open_with(&config.data.dir, options, Box::new(NoFault)).map_err(|error| match error {
        OpenError::InUse(_) => Failure::unavailable(error.to_string()),
        OpenError::Io(..) => Failure::config(error.to_string()),
    })
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
