//! How long each part of a call is kept, and the sweep that takes out what is older.

use std::io;

use jiff::{SignedDuration, Timestamp};
use records::Kept;

use crate::forget::{ForgetError, Forgetter};
use crate::layout::{LOG, Layout, RECORDING};
use crate::{CallId, quiet, read};

/// For how many days each part is kept, counted from the call's end. 0: for ever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// The recording, and the sound in the call log.
    pub audio_days: u32,
    /// What was said, and the call log.
    pub transcript_days: u32,
    /// All else but the id, the times and the state.
    pub record_days: u32,
}

impl Retention {
    /// Whether nothing is ever too old.
    pub fn is_for_ever(&self) -> bool {
        *self == Self::default()
    }

    /// Before which moment a call must have ended for this part of it to be too old.
    fn limit(&self, what: Kept, now: Timestamp) -> Option<Timestamp> {
        let days = match what {
            Kept::Audio => self.audio_days,
            Kept::Transcript => self.transcript_days,
            Kept::Record => self.record_days,
        };
        let age = SignedDuration::from_hours(i64::from(days) * 24);
        (days > 0).then(|| now.checked_sub(age).unwrap_or(Timestamp::MIN))
    }

    /// Before which moment a call must have begun for anything of it to be too old.
    fn first(&self, now: Timestamp) -> Option<Timestamp> {
        Kept::ALL.into_iter().filter_map(|what| self.limit(what, now)).max()
    }
}

/// What a sweep took out, or would.
#[derive(Debug, Default)]
pub struct Swept {
    /// Which part of which call.
    pub forgotten: Vec<(CallId, Kept)>,
    /// Which part of which call is too old and stays, since the call is held.
    pub held: Vec<(CallId, Kept)>,
    /// What could not be taken out, and why: tried again by the next sweep.
    pub failed: Vec<(CallId, ForgetError)>,
}

impl Swept {
    /// Of how many calls a part was taken out.
    pub fn count(&self, what: Kept) -> usize {
        self.forgotten.iter().filter(|(_, kept)| *kept == what).count()
    }
}

/// What is too old, oldest first. Reads the records of old calls.
pub(crate) fn too_old(
    layout: &Layout,
    retention: &Retention,
    now: Timestamp,
) -> io::Result<Vec<(CallId, Kept)>> {
    let Some(first) = retention.first(now) else { return Ok(Vec::new()) };
    let newest_day = first.strftime("%Y-%m-%d").to_string();
    let mut found = Vec::new();
    let mut days = read::names(&layout.calls())?;
    days.retain(|day| *day <= newest_day);
    days.sort_unstable();
    for day in days {
        let mut ids: Vec<CallId> =
            read::names(&layout.calls().join(day))?.iter().filter_map(|name| name.parse().ok()).collect();
        ids.sort_unstable();
        for id in ids {
            found.extend(parts(layout, id, retention, now).into_iter().map(|what| (id, what)));
        }
    }
    Ok(found)
}

/// The parts of one call that are there and too old. A call that runs, or whose record can't be read, has none.
fn parts(layout: &Layout, id: CallId, retention: &Retention, now: Timestamp) -> Vec<Kept> {
    if layout.marker(id).exists() {
        return Vec::new();
    }
    let Ok(Some(record)) = read::load(layout, id) else { return Vec::new() };
    let Some(ended) = record.ended_at else { return Vec::new() };
    let folder = layout.folder(id);
    let is_there = |what: Kept| {
        record.holds(what)
            || match what {
                Kept::Audio => {
                    folder.join(RECORDING).exists() || quiet::holds_sound(&folder.join(LOG)).unwrap_or(false)
                }
                Kept::Transcript => folder.join(LOG).exists(),
                Kept::Record => false,
            }
    };
    let is_too_old = |what: Kept| retention.limit(what, now).is_some_and(|limit| ended < limit);
    Kept::ALL.into_iter().filter(|what| is_too_old(*what) && is_there(*what)).collect()
}

impl Forgetter {
    /// Takes out what is too old, each part alone. With `is_dry` it only says what it would.
    ///
    /// # Errors
    /// When the data folder can't be read. What fails with one call is in the answer.
    pub async fn sweep(
        &self,
        retention: Retention,
        now: Timestamp,
        is_dry: bool,
    ) -> Result<Swept, ForgetError> {
        let old = self.on_disk(move |layout| Ok(too_old(layout, &retention, now)?)).await?;
        let mut swept = Swept::default();
        for (id, what) in old {
            let done = match is_dry {
                true if self.is_held(id).await? => Err(ForgetError::Held),
                true => Ok(()),
                false => self.forget(id, what, now).await,
            };
            match done {
                Ok(()) => swept.forgotten.push((id, what)),
                Err(ForgetError::Held) => swept.held.push((id, what)),
                Err(error) => swept.failed.push((id, error)),
            }
        }
        if !is_dry && !swept.forgotten.is_empty() {
            let scrubbed = self.scrub().await;
            let counts = Kept::ALL.map(|what| (what.as_str(), swept.count(what)));
            let counts: serde_json::Map<String, serde_json::Value> =
                counts.into_iter().map(|(name, count)| (name.to_owned(), count.into())).collect();
            self.note("retention", now, serde_json::json!({ "counts": counts })).await?;
            scrubbed?;
        }
        Ok(swept)
    }
}
