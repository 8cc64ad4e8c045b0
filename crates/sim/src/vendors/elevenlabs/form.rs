//! `multipart/form-data` (RFC 7578), as much of it as clients send: parts with a name, some of them files.

/// One part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: String,
    /// The file's name, where it is a file.
    pub(super) file: Option<String>,
    pub(super) bytes: Vec<u8>,
}

/// The parts of a body, or None where it is not what its content type says.
pub(super) fn parts(content_type: &str, body: &[u8]) -> Option<Vec<Part>> {
    let (kind, parameters) = content_type.split_once(';')?;
    if kind.trim() != "multipart/form-data" {
        return None;
    }
    let boundary = parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix("boundary="))?;
    let mark = format!("\r\n--{}", boundary.trim_matches('"')).into_bytes();
    // The first mark has no line before it.
    let mut rest = body.strip_prefix(&mark[2..])?;
    let mut parts = Vec::new();
    loop {
        if rest.starts_with(b"--") {
            return Some(parts);
        }
        rest = rest.strip_prefix(b"\r\n")?;
        let end = find(rest, &mark)?;
        parts.push(part(&rest[..end])?);
        rest = &rest[end + mark.len()..];
    }
}

fn part(bytes: &[u8]) -> Option<Part> {
    let head_end = find(bytes, b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..head_end]).ok()?;
    let disposition = head
        .lines()
        .find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?
        .split(';')
        .map(str::trim);
    let value = |field: &str| {
        let quoted = disposition.clone().find_map(|pair| pair.strip_prefix(field)?.strip_prefix('='))?;
        Some(quoted.trim_matches('"').to_owned())
    };
    Some(Part { name: value("name")?, file: value("filename"), bytes: bytes[head_end + 4..].to_vec() })
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_files_are_told_apart() {
        let body = b"--b7\r\nContent-Disposition: form-data; name=\"model_id\"\r\n\r\nscribe_v2\r\n--b7\r\n\
            content-disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\n\
            \x01\r\n--b\x02\r\n--b7--\r\n";
        let part = |name: &str, file: Option<&str>, bytes: &[u8]| Part {
            name: name.to_owned(),
            file: file.map(str::to_owned),
            bytes: bytes.to_vec(),
        };
        assert_eq!(
            parts("multipart/form-data; boundary=b7", body),
            Some(vec![part("model_id", None, b"scribe_v2"), part("file", Some("a.wav"), b"\x01\r\n--b\x02")])
        );
        assert_eq!(parts("multipart/form-data; boundary=b7", &body[..60]), None);
        assert_eq!(parts("application/json; boundary=b7", body), None);
    }
}
