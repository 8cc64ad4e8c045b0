//! The vendors by their names in the configuration.

use std::sync::Arc;

use providers::TextToSpeech;

use crate::config::no_such_voice;
use crate::failure::Failure;

/// A voice by its name.
pub(crate) fn voice(name: &str) -> Result<Arc<dyn TextToSpeech>, Failure> {
    Err(Failure::usage(no_such_voice(name)))
}
