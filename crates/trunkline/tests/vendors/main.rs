//! Vendors' clients against their stand-ins, over real sockets: one suite for voices, one for recognisers, and what
//! is each vendor's own.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy takes for code")]

mod deepgram;
mod ear;
mod elevenlabs;
mod google;
mod scene;
mod voice;
