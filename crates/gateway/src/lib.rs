//! The data plane: carrier sockets, one task per call, the connect webhook, drain. It carries values between the
//! world and the pure crates and decides nothing about a call itself.
//!
//! The way of a frame: [`listener`](bind) accepts, `upgrade` checks who comes, `bind` finds the call, `call_task`
//! runs it. No lock is taken and nothing waits for a disk on that way.

mod admission;
mod agent;
mod bind;
mod body;
mod call_task;
mod config;
mod expected;
mod gateway;
mod handover;
mod keeper;
mod line;
mod listener;
mod masked;
mod metrics;
mod origin;
mod port_owner;
mod prepared;
mod problem;
mod reference;
mod routes;
mod seen;
mod sessions;
mod socket;
mod strangers;
mod tls;
mod trace;
mod twilio;
mod upgrade;
mod vendors;

pub use admission::Look;
pub use agent::{Agent, Agents};
pub use config::{Auth, Config, Timing};
pub use expected::Lookup;
pub use gateway::{Capacity, ConfigError, Gateway};
pub use handover::Transfers;
pub use listener::{BindError, Limits, Listener, Peer, bind};
pub use routes::documented;
pub use seen::Seen;
pub use tls::{Tls, TlsError};
