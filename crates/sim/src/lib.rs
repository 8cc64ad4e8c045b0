//! Simulated callers, carriers and vendors, and the conformance rules: everything that plays the other side.

pub mod conformance;
pub mod exotel;
pub mod load;
pub mod phone;
pub mod scenario;
pub mod vendors;
