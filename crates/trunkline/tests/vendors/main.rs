//! Vendors' clients against their stand-ins, over real sockets: one suite for voices, one for recognisers, and what
//! is each vendor's own.

mod deepgram;
mod ear;
mod elevenlabs;
mod google;
mod scene;
mod voice;
