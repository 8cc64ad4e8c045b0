//! The name of a data folder among the processes that share a database. It outlives the process, so that one that starts
//! again after a crash takes its own place and does not wait for itself to be found dead.

use std::io;

use crate::layout::{self, Layout};

/// The folder's id, `node_` and 16 hexadecimal digits; made when there is none yet.
pub(crate) fn id(layout: &Layout) -> io::Result<String> {
    let path = layout.root.join("node");
    match std::fs::read_to_string(&path) {
        Ok(text) if is_id(text.trim()) => return Ok(text.trim().to_owned()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let id = format!("node_{:016x}", u64::from_be_bytes(random));
    layout::replace(&layout.root.join("node.new"), &path, format!("{id}\n").as_bytes())?;
    Ok(id)
}

fn is_id(text: &str) -> bool {
    let digits = text.strip_prefix("node_").unwrap_or_default();
    digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_keeps_its_id_and_a_damaged_one_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout { root: folder.path().to_owned() };
        let first = id(&layout).unwrap();
        assert!(is_id(&first), "{first}");
        assert_eq!(id(&layout).unwrap(), first);
        std::fs::write(folder.path().join("node"), "node_12").unwrap();
        let other = id(&layout).unwrap();
        assert!(is_id(&other) && other != first, "{other}");
    }
}
