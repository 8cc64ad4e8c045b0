//! `trunkline serve`: answer calls until told to stop.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use control::Heartbeat;
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::{self, Config, Loaded, Sources};
use crate::failure::{EXIT_CODES, Failure};
use crate::logging;
use crate::server::Server;
use crate::terminal::{bold, say};

/// Answer calls.
///
/// The first SIGTERM or Ctrl-C drains: no new calls, running ones finish. The second ends at once. SIGHUP reads
/// the configuration again.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES, before_help = "Examples:
  trunkline serve                                     agent `assistant` on 127.0.0.1:8080
  trunkline serve --agent echo                        no voice, no recogniser: the caller hears itself
  trunkline serve --config /etc/trunkline.toml --data /var/lib/trunkline
  EXOTEL_WS_TOKEN=... trunkline serve --listen 0.0.0.0:8080")]
pub(crate) struct Serve {
    /// The configuration; without it trunkline.toml, if there is one.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address and port to listen on.
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// The agent that answers by default.
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// The folder for records, logs and recordings.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Listen on a public address although anyone may connect.
    #[arg(long)]
    insecure: bool,
}

impl Serve {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let began = Instant::now();
        let sources = self.sources();
        let loaded = config::load(&sources)?;
        logging::init(&loaded.config)?;
        refuse_open_door(&loaded.config, self.insecure)?;
        let runtime = runtime(loaded.config.server.worker_threads)?;
        let result = runtime.block_on(serve(loaded, &sources, began));
        // A thread that hangs in a library must not hold the end up.
        runtime.shutdown_timeout(Duration::from_secs(1));
        result
    }

    fn sources(&self) -> Sources {
        Sources::of_process(self.config.as_deref())
            .flag("server.listen", "--listen", self.listen)
            .flag("default_agent", "--agent", self.agent.as_ref())
            .flag("data.dir", "--data", self.data.as_ref().map(|dir| dir.display()))
    }
}

fn runtime(worker_threads: usize) -> Result<tokio::runtime::Runtime, Failure> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if worker_threads > 0 {
        builder.worker_threads(worker_threads);
    }
    Ok(builder.enable_all().build()?)
}

fn refuse_open_door(config: &Config, insecure: bool) -> Result<(), Failure> {
    let server = &config.server;
    let is_open = !server.has_authentication();
    if is_open && !is_loopback(server.listen.ip()) && !insecure {
        return Err(Failure::config(format!(
            "{} can be reached by strangers, and nothing keeps them out. Set EXOTEL_WS_TOKEN (or server.token, \
             server.token_file, server.basic.password), or listen on 127.0.0.1, or say --insecure",
            server.listen
        )));
    }
    if is_open {
        tracing::warn!(listen = %server.listen, "no token is set: anyone who reaches this address may call");
    }
    Ok(())
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

async fn serve(loaded: Loaded, sources: &Sources, began: Instant) -> Result<(), Failure> {
    let config = loaded.config.clone();
    let drain_timeout = Duration::from_millis(config.server.drain_timeout_ms);
    // Before the server is ready: a signal sent right after that must find its handler.
    let mut signals = Signals::new()?;
    let server = Server::start(config).await?;
    tracing::info!(
        address = %server.address(),
        agent = loaded.config.default_agent,
        ready_ms = began.elapsed().as_secs_f64() * 1000.0,
        "ready"
    );
    notify(&[NotifyState::Ready, NotifyState::Status("answering calls")]);
    banner(&loaded.config, server.address());
    let watchdog = tokio::spawn(watchdog(server.heartbeat()));
    loop {
        match signals.next().await {
            Told::Stop => break,
            Told::Reload => reload(&server, sources),
        }
    }
    // Before anybody is told, so that what they see is true.
    server.close();
    notify(&[NotifyState::Stopping, NotifyState::Status("draining")]);
    tracing::info!(
        calls = server.calls(),
        limit_ms = drain_timeout.as_millis() as u64,
        "draining; a second signal ends now"
    );
    tokio::select! {
        _ = server.drain(drain_timeout) => {}
        () = signals.stop() => {
            tracing::warn!("told again: ending the calls now");
            server.drain(Duration::ZERO).await;
        }
    }
    watchdog.abort();
    server.stop().await;
    tracing::info!("stopped");
    Ok(())
}

fn reload(server: &Server, sources: &Sources) {
    match config::load(sources) {
        Err(problems) => {
            for problem in problems.0 {
                tracing::error!(
                    place = problem.place,
                    what = problem.what,
                    "the configuration has a fault; the old one stays"
                );
            }
        }
        Ok(loaded) => match server.reload(&loaded.config) {
            Ok(left) if left.is_empty() => tracing::info!("the configuration was read again"),
            Ok(left) => tracing::warn!(
                restart = left.join(", "),
                "the configuration was read again; some of it wants a restart"
            ),
            Err(failure) => {
                tracing::error!(%failure, "the configuration can't be taken over; the old one stays");
            }
        },
    }
}

/// What a signal asks for.
enum Told {
    Stop,
    Reload,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::Stop,
            _ = self.interrupt.recv() => Told::Stop,
            _ = self.hang_up.recv() => Told::Reload,
        }
    }

    /// Waits for the next signal to stop.
    async fn stop(&mut self) {
        while !matches!(self.next().await, Told::Stop) {}
    }
}

/// Tells systemd, where it runs us.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd can't be told");
    }
}

/// Tells systemd that the runtime's timers go, at half the interval that it asks for. When they stand still it is
/// not told, and restarts us.
async fn watchdog(heartbeat: Heartbeat) {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    let mut ticks = tokio::time::interval(limit / 2);
    loop {
        ticks.tick().await;
        if heartbeat.is_beating() {
            notify(&[NotifyState::Watchdog]);
        }
    }
}

fn banner(config: &Config, address: SocketAddr) {
    let server = &config.server;
    let (http, ws) = if server.tls.cert.is_some() { ("https", "wss") } else { ("http", "ws") };
    let public = server.public_url.clone().unwrap_or_else(|| format!("{http}://{address}"));
    let host = SocketAddr::new(
        if address.ip().is_unspecified() { IpAddr::from([127, 0, 0, 1]) } else { address.ip() },
        address.port(),
    );
    say(&format!(
        "trunkline answers calls on {} with the agent {}",
        bold(&address.to_string()),
        bold(&config.default_agent)
    ));
    say(&format!(
        "  for Exotel's Voicebot applet:  {}/api/v1/exotel/voice/connect",
        public.trim_end_matches('/')
    ));
    if server.public_url.is_none() {
        say("    (this address is only right where the carrier can reach it; set server.public_url)");
    }
    let token = if server.token.is_some() { " --token ..." } else { "" };
    say(&format!(
        "  to try it:  trunkline phone {ws}://{host}{}{token} --say \"What are your opening hours?\"",
        server.ws_path
    ));
    if !server.has_authentication() {
        say("  no token is set, so strangers are not kept out: loopback only unless --insecure is given");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_loopback_in_every_notation() {
        for (ip, wanted) in [
            ("127.0.0.9", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("0.0.0.0", false),
            ("::", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(is_loopback(ip.parse().unwrap()), wanted, "{ip}");
        }
    }
}
