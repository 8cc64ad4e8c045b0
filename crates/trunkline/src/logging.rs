//! Log lines on stderr: JSON for machines, pretty for people. A call's lines carry its `call_id` through its
//! span. Secrets and numbers are kept out where lines are written: they have types that do not show them.

use std::io::IsTerminal as _;

use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{Config, LogFormat};
use crate::failure::Failure;
use crate::terminal;

/// Begins to log. `RUST_LOG` wins over the configuration's level.
pub(crate) fn init(config: &Config) -> Result<(), Failure> {
    let level = std::env::var("RUST_LOG").ok().filter(|level| !level.is_empty());
    let filter = EnvFilter::try_new(level.as_deref().unwrap_or(&config.log.level))
        .map_err(|error| Failure::config(format!("RUST_LOG or log.level: {error}")))?;
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_span_events(FmtSpan::NONE);
    let json = match config.log.format {
        LogFormat::Json => true,
        LogFormat::Pretty => false,
        LogFormat::Auto => !std::io::stderr().is_terminal(),
    };
    let done = if json {
        builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
    } else {
        builder.with_ansi(terminal::stderr_has_colour()).with_target(false).try_init()
    };
    done.map_err(|error| Failure::failed(format!("logging can't begin: {error}")))
}
