//! What is done at the start about the calls that were live when the last server died: their recordings are
//! made readable and their records closed, so that no call stays "in progress" for ever.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use records::{CallRecord, EndReason};

use crate::layout::{LOG, Layout, RECORDING, write_record};
use crate::{CallId, NoFault, read, recording};

/// How much of a log's end is searched for its last moment. Longer than any usual line.
const TAIL: u64 = 256 * 1024;

/// Closes every call that was left open. Gives how many. Where recordings go to another place, theirs do too.
pub(crate) fn repair(layout: &Layout, uploads: bool) -> io::Result<usize> {
    let mut repaired = 0;
    for name in read::names(&layout.live())? {
        let Ok(id) = name.parse::<CallId>() else { continue };
        match repair_call(layout, id, uploads) {
            Ok(closed) => repaired += usize::from(closed),
            // One damaged call must not keep the server from starting.
            Err(error) => {
                tracing::error!(call_id = %id, %error, "a call that a crash cut off can't be repaired");
            }
        }
        layout.mark_pending(id)?;
        std::fs::remove_file(layout.marker(id))?;
    }
    Ok(repaired)
}

fn repair_call(layout: &Layout, id: CallId, uploads: bool) -> Result<bool, read::ReadError> {
    let folder = layout.folder(id);
    let Some(mut record) = read::load(layout, id)? else {
        tracing::warn!(call_id = %id, "a call died before its record was written");
        return Ok(false);
    };
    let recording = folder.join(RECORDING);
    if recording.exists() {
        recording::repair(&recording)?;
        record.recording = Some(RECORDING.to_owned());
        if uploads {
            layout.note_upload(id)?;
        }
    }
    if record.ended_at.is_some() {
        return Ok(false);
    }
    record.ended_at = Some(last_sign(&folder, &record));
    record.end_reason = Some(EndReason::ServerDied);
    record.status = EndReason::ServerDied.status();
    write_record(&folder, &record, &mut NoFault)?;
    Ok(true)
}

/// When the call is last known to have lived: the last moment in its log, else the last change of its files.
fn last_sign(folder: &Path, record: &CallRecord) -> Timestamp {
    let by_log = last_tick(&folder.join(LOG)).ok().flatten().and_then(|micros| {
        record.started_at.checked_add(SignedDuration::from_micros(i64::try_from(micros).ok()?)).ok()
    });
    let changed = |name: &str| std::fs::metadata(folder.join(name)).and_then(|data| data.modified()).ok();
    by_log
        .or_else(|| {
            let latest = [RECORDING, LOG, crate::layout::RECORD].into_iter().filter_map(changed).max()?;
            Timestamp::try_from(latest).ok()
        })
        .map_or(record.started_at, |sign| sign.max(record.started_at))
}

/// The tick of the last whole line of a call log, in microseconds.
fn last_tick(path: &Path) -> io::Result<Option<u64>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(&tail[..0], |end| &tail[..end]);
    Ok(whole.rsplit(|byte| *byte == b'\n').find_map(|line| {
        let digits = line.strip_prefix(b"{\"t\":")?;
        let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
        std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
    }))
}
