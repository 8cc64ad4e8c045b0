//! A stand-in for S3: one bucket on a port of its own, as object storage clients use it. Every request's signature is
//! checked as strictly as Amazon does, since a client that signs wrongly works nowhere else either; and it fails as
//! storage fails, on demand.

mod answer;
mod bucket;
mod fault;
mod server;
mod sign;

pub use bucket::{Asked, Op};
pub use fault::S3Fault;
pub use server::{S3Keys, S3Server};
