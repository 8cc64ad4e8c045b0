//! Every vendor's dialect behind its driver, against its stand-in, over real sockets. What has to hold for all
//! vendors of a role is written once: `model`, `voice` and `ear`. A vendor's own file says how it is made, and tests
//! what only it has.

#[macro_use]
mod model;
#[macro_use]
mod voice;
#[macro_use]
mod ear;

mod anthropic;
mod bench;
mod gemini;
mod openai;
