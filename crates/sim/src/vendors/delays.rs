//! How long the stand-ins take, in milliseconds: what the vendors take when all is well.

/// The delays of healthy vendors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delays {
    /// How much silence ends an utterance, where the client asks for nothing else.
    pub endpointing_ms: u64,
    /// From the end of an utterance to its final text.
    pub recogniser_ms: u64,
    /// From a question to the first token.
    pub model_ms: u64,
    /// Between tokens.
    pub token_ms: u64,
    /// From a text to the first byte of its audio.
    pub voice_ms: u64,
    /// From the upgrade's request to its answer.
    pub upgrade_ms: u64,
    /// After how long without input a socket is closed, in hundredths of what the vendor's documents say: 100 is
    /// true to them, less makes tests quick.
    pub idle_percent: u64,
}

impl Default for Delays {
    fn default() -> Self {
        Self {
            endpointing_ms: 300,
            recogniser_ms: 100,
            model_ms: 80,
            token_ms: 5,
            voice_ms: 40,
            upgrade_ms: 0,
            idle_percent: 100,
        }
    }
}

impl Delays {
    /// No delay at all, and sockets that close after a hundredth of the documented silence.
    pub const fn none() -> Self {
        Self {
            endpointing_ms: 300,
            recogniser_ms: 0,
            model_ms: 0,
            token_ms: 0,
            voice_ms: 0,
            upgrade_ms: 0,
            idle_percent: 100,
        }
    }
}
