//! The sound in a call's log. A log of an agent that listens holds what the caller said, as sound, since the agent's
//! decisions follow from it; so when a call's sound is to go, it goes from the log too. What is left says how things went,
//! and can't be run again.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Read, Write as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::layout;

/// A first line that is longer is none of ours.
const LONGEST_HEADER: u64 = 1 << 20;

/// Whether a log may hold sound, by its first line. That there is no log is no.
pub(crate) fn holds_sound(log: &Path) -> io::Result<bool> {
    match layout::read(log) {
        Ok(file) => {
            Ok(header(&mut BufReader::new(file))?.is_some_and(|line| line["header"]["audio"] == true))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Takes the sound out of a log. Whoever reads it meanwhile, or after a crash, sees the old one or the new one.
pub(crate) fn take_sound_out(log: &Path) -> io::Result<()> {
    if !holds_sound(log)? {
        return Ok(());
    }
    let draft = draft(log);
    let mut lines = BufReader::new(layout::read(log)?);
    let Some(mut first) = header(&mut lines)? else { return Ok(()) };
    first["header"]["audio"] = false.into();
    first["header"]["partial"] = true.into();
    layout::remove_if_there(&draft)?;
    let mut quiet = BufWriter::new(layout::write(&draft)?);
    writeln!(quiet, "{first}")?;
    copy_without_sound(&mut lines, &mut quiet)?;
    quiet.into_inner().map_err(io::IntoInnerError::into_error)?.sync_data()?;
    std::fs::rename(draft, log)
}

/// What a crash may have left of a log whose sound was being taken out.
pub(crate) fn draft(log: &Path) -> PathBuf {
    log.with_extension("jsonl.new")
}

fn header(lines: &mut BufReader<File>) -> io::Result<Option<Value>> {
    let mut line = Vec::new();
    lines.by_ref().take(LONGEST_HEADER).read_until(b'\n', &mut line)?;
    Ok(serde_json::from_slice(&line).ok())
}

fn copy_without_sound(lines: &mut BufReader<File>, quiet: &mut BufWriter<File>) -> io::Result<()> {
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        // A line that a crash cut off is left out as well: it may be sound.
        if serde_json::from_slice::<Value>(&line).is_ok_and(|line| !has_sound(&line)) {
            quiet.write_all(&line)?;
        }
        line.clear();
    }
    Ok(())
}

/// Sound is a text of base64 under one of these names.
fn has_sound(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.iter().any(|(name, value)| {
            matches!(name.as_str(), "audio" | "pcm") && value.is_string() || has_sound(value)
        }),
        Value::Array(values) => values.iter().any(has_sound),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_goes_and_the_rest_stays() {
        let data = tempfile::tempdir().unwrap();
        let log = data.path().join("call.jsonl");
        assert!(!holds_sound(&log).unwrap());
        let rest = "{\"t\":1,\"in\":\"time\"}\n{\"t\":3,\"out\":[{\"event\":{\"audio\":{\"samples\":3}}}]}\n";
        let (time, out) = rest.split_at(rest.find('\n').unwrap() + 1);
        let sound = "{\"t\":2,\"in\":{\"carrier\":{\"audio\":\"AAAA\"}}}\n{\"t\":2,\"in\":{\"voiced\":{\"what\":{\"audio\":{\"pcm\":\"AAAA\"}}}}}\n";
        let head =
            |audio: bool, more: &str| format!("{{\"header\":{{\"audio\":{audio}{more},\"version\":1}}}}\n");
        std::fs::write(
            &log,
            format!("{}{time}{sound}{out}{{\"t\":4,\"in\":{{\"carrier\":{{\"audio\":\"AA", head(true, "")),
        )
        .unwrap();
        assert!(holds_sound(&log).unwrap());
        take_sound_out(&log).unwrap();
        let left = std::fs::read_to_string(&log).unwrap();
        assert_eq!(left, format!("{}{rest}", head(false, ",\"partial\":true")));
        assert!(!holds_sound(&log).unwrap());
        take_sound_out(&log).unwrap();
        assert_eq!(std::fs::read_to_string(&log).unwrap(), left);
        assert_eq!(std::fs::read_dir(data.path()).unwrap().count(), 1);
    }
}
