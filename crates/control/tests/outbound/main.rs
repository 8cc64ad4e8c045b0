//! The acting side over real HTTP: placing calls once, settling what is not known, callbacks, hanging up, the sweep.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy takes for code")]

mod acting;
mod callbacks;
mod carrier;
mod details;
mod doors;
mod late;
mod limits;
mod nodes;
mod scene;
mod stale;
