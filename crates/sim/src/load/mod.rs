//! Hundreds of callers from one thread, cheap enough that the server is what is measured. Sockets are driven by
//! `epoll` directly and WebSocket frames are made by hand: a runtime and a library would cost the load's core as
//! much as they cost the server's, and the measurement would end at the load's limit.
//!
//! What a caller does is a [`Caller`]; [`drive`] gives each of them a 20 ms clock and what the server sends.

mod carrier;
mod clip;
mod drive;
mod echo;
mod latencies;
mod line;
mod posts;
mod talk;
mod webhook;

pub use clip::Clip;
pub use drive::{Caller, Effort, LoadError, Moment, Plan, drive};
pub use echo::Echoed;
pub use latencies::Latencies;
pub use line::Outbox;
pub use posts::{Post, post_at_rate};
pub use talk::{Talker, Timing, Told};
pub use webhook::{Asked, ask_at_rate};
