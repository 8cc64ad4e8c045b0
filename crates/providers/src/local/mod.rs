//! Speech and dialogue that need no account and no network: flite's voices, pocketsphinx's recogniser, and a
//! scripted model.

pub mod flite;
pub mod scripted;
pub mod sphinx;

mod pattern;

pub use flite::{FliteVoice, VoiceName, VoicePool};
pub use pattern::{Pattern, PatternError};
pub use scripted::{Action, Answer, Script, ScriptError, ScriptedModel};
pub use sphinx::{SphinxRecogniser, SphinxSettings};
