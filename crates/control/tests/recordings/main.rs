//! Recordings that lie in a bucket, erasures and holds, over real sockets: the API, the store and a stand-in for S3 that
//! checks every signature.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy takes for code")]

mod elsewhere;
mod erasing;
mod full;
mod place;
mod uploading;
