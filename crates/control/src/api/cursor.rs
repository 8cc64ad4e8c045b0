//! Where a page of calls ends, as a text that callers hand back without looking into it.

use base64_simd::URL_SAFE_NO_PAD;
use store::CallId;

/// Which form of cursor this is, so that another can come beside it.
const FORM: u8 = b'1';

/// The cursor after this call.
pub(crate) fn write(after: &str) -> String {
    let mut bytes = vec![FORM];
    bytes.extend_from_slice(after.as_bytes());
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}

/// The call that a cursor stands after; `None` for what is no cursor of ours.
pub(crate) fn read(cursor: &str) -> Option<CallId> {
    let bytes = URL_SAFE_NO_PAD.decode_to_vec(cursor).ok()?;
    std::str::from_utf8(bytes.strip_prefix(&[FORM])?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let id = CallId::new("2026-11-21T12:00:00Z".parse().unwrap(), [7; 10]);
        let cursor = write(&id.to_string());
        assert_eq!(read(&cursor), Some(id));
        assert!(cursor.len() <= 64);
        for bad in ["", "MQ", &id.to_string(), &cursor[1..], &format!("{cursor}A"), "é"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
