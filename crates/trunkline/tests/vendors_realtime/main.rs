//! Vendors that listen, think and speak in one, against their stand-ins over real sockets: OpenAI's Realtime API as a
//! speech-to-speech agent and as a recogniser, ElevenLabs' conversational agents, and whole calls with either through the
//! gateway.

mod agent;
mod calls;
mod ear;
mod eleven;
mod eleven_calls;
mod support;
