//! OpenAI's Realtime API against its stand-in, over real sockets: as a speech-to-speech agent, as a recogniser, and
//! in a whole call through the gateway.

mod agent;
mod calls;
mod ear;
mod support;
