//! Simulated callers, carriers and vendors, and the conformance rules: everything that plays the other side.

mod breach;
pub mod carriers;
pub mod conformance;
pub mod exotel;
mod greeting;
pub mod load;
pub mod phone;
pub mod s3;
pub mod scenario;
mod side;
pub mod twilio;
pub mod vendors;
mod watch;
mod webhook;
mod wire;
