//! Calls that are held: neither their time nor a wish to be forgotten takes anything of them out. A note in the call's
//! folder says so, and since when.

use std::fs::File;
use std::io;

use jiff::Timestamp;
use serde_json::json;

use crate::forget::{ForgetError, Forgetter};
use crate::layout::{self, HOLD, Layout, remove_if_there as remove};
use crate::{CallId, read};

impl Forgetter {
    /// Holds a call, or lets it go. Says whether that changed anything. Waits for an erasure of the call that is under
    /// way, and then finds it erased.
    ///
    /// # Errors
    /// [`ForgetError::Erased`] when there is nothing left to hold; or when the disk fails.
    pub async fn hold(&self, id: CallId, held: bool, by: &str, now: Timestamp) -> Result<bool, ForgetError> {
        let note = json!({ "at": now, "by": by });
        let changed = self
            .on_disk(move |layout| {
                layout::create_folder(&layout.folder(id))?;
                let _alone = alone(layout, id)?;
                if read::load(layout, id)?.is_some_and(|record| record.erased_at.is_some()) {
                    return Err(ForgetError::Erased);
                }
                let is_held = is_held(layout, id)?;
                match held {
                    true if !is_held => {
                        let draft = layout.folder(id).join(format!("{HOLD}.new"));
                        layout::replace(&draft, &layout.hold(id), format!("{note}\n").as_bytes())?;
                    }
                    false => remove(&layout.hold(id))?,
                    true => {}
                }
                Ok(is_held != held)
            })
            .await?;
        if changed {
            let what = if held { "hold" } else { "release" };
            self.note(what, now, json!({ "by": by, "call": id.to_string() })).await?;
        }
        Ok(changed)
    }

    /// Whether a call is held.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn is_held(&self, id: CallId) -> Result<bool, ForgetError> {
        self.on_disk(move |layout| Ok(is_held(layout, id)?)).await
    }
}

pub(crate) fn is_held(layout: &Layout, id: CallId) -> io::Result<bool> {
    layout.hold(id).try_exists()
}

/// Waits until nobody else holds the call or takes something of it out; to be kept while one does. `None` for a call
/// without a folder.
pub(crate) fn alone(layout: &Layout, id: CallId) -> io::Result<Option<File>> {
    match File::open(layout.folder(id)) {
        Ok(folder) => folder.lock().map(|()| Some(folder)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
