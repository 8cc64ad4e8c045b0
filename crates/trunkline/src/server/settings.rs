//! What the configuration says, in the words of those who go by it; and what of it wants a restart.

use std::time::Duration;

use audio::SampleRate;
use gateway::{Auth, Limits, Timing};
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};

use crate::config::Config;

pub(super) fn limits(config: &Config) -> Limits {
    let limits = &config.server.limits;
    Limits {
        head: Duration::from_millis(limits.header_timeout_ms),
        per_address: limits.connections_per_address,
        connections: limits.max_connections,
        trusted_proxies: config.server.trusted_proxies.clone(),
    }
}

pub(super) fn data_plane(config: &Config) -> gateway::Config {
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

pub(super) fn needs_restart(running: &Config, wanted: &Config) -> Vec<&'static str> {
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
        ("alerts", running.alerts.differs(&wanted.alerts)),
        ("api", running.api != wanted.api),
        ("default_agent", running.default_agent != wanted.default_agent),
    ]
    .into_iter()
    .filter_map(|(name, differs)| differs.then_some(name))
    .collect()
}
