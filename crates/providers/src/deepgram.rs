//! Deepgram: streaming recognisers (the classic one and the one that takes turns), a recogniser for finished
//! stretches of speech, and voices over HTTP and over a WebSocket.
//!
//! All of it is pure: requests and frames as values. The facts are those of Deepgram's API reference and of its
//! documentation pages, each named where it is used.

mod account;
#[cfg(test)]
mod conversation;
mod flux;
mod gather;
mod listen;
mod messages;
mod recognition;
mod recorded;
mod samples;
mod speak;
mod speak_session;
mod stretches;

use std::sync::Arc;

use crate::DialectOptions;
use crate::dialect::{EarDialect, EarSocketDialect, HttpRequest, VoiceDialect, VoiceSocketDialect};

use account::Account;

/// Where Deepgram is, unless the configuration says otherwise.
pub const BASE_URL: &str = "https://api.deepgram.com";

/// The recogniser's model where none is chosen.
pub const EAR_MODEL: &str = "nova-3";

/// The voice where none is chosen.
pub const VOICE: &str = "aura-2-thalia-en";

/// The streaming recogniser. A model whose name begins with `flux-` has a protocol of its own, in which the vendor
/// decides when a turn is over.
pub fn ear_socket(options: DialectOptions) -> Arc<dyn EarSocketDialect> {
    let account = Account::new(options);
    if is_flux(&account) {
        Arc::new(flux::Flux::new(account.for_flux()))
    } else {
        Arc::new(listen::Listen::new(account.for_streaming()))
    }
}

/// The recogniser over HTTP, one stretch of speech at a time.
pub fn ear(options: DialectOptions) -> Arc<dyn EarDialect> {
    Arc::new(recorded::Recorded::new(Account::new(options).for_recorded()))
}

/// The voice over HTTP.
pub fn voice(options: DialectOptions) -> Arc<dyn VoiceDialect> {
    Arc::new(speak::Speak::new(Account::new(options)))
}

/// The voice over a WebSocket.
pub fn voice_socket(options: DialectOptions) -> Arc<dyn VoiceSocketDialect> {
    Arc::new(speak_session::SpeakSocket::new(Account::new(options)))
}

/// The request that stands for "are you there, and is my key good": the list of the key's projects, which is
/// short, costs nothing, and needs a good key.
pub fn probe(options: DialectOptions) -> HttpRequest {
    Account::new(options).probe()
}

fn is_flux(account: &Account) -> bool {
    account.model().is_some_and(|model| model.starts_with("flux-"))
}
