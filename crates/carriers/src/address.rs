//! The server's public address, and the URLs under it that carriers are told.

/// Why no URL can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlFault {
    /// The base is not a host or an http(s) or ws(s) URL without query.
    #[error(
        "the public base URL must be a host name or an https URL without a query, such as https://gw.example.com"
    )]
    Base,
    /// The path does not begin with a slash or holds what a path can't.
    #[error("the socket's path must begin with / and hold only characters of a URL path")]
    Path,
    /// There are more pairs than the carrier passes on.
    #[error("Exotel passes on at most 3 URL parameters")]
    TooMany,
    /// They are longer than the carrier passes on.
    #[error("Exotel passes on at most 256 characters of URL parameters")]
    TooLong,
}

/// An address under which carriers reach the server: `https://host`, `http://host`, `wss://host`, `ws://host` or a bare
/// host, with or without port and path prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Whether sockets are asked for over TLS.
    secure_socket: bool,
    secure: bool,
    authority: String,
    prefix: String,
}

impl Address {
    /// Reads an address.
    ///
    /// Sockets are `wss`, for a base of `http://` too, since a public plain address as a rule has TLS in front of it.
    /// Only `ws://`, and `http://` on the loopback, where nothing is in front, give `ws`.
    ///
    /// # Errors
    /// When it can't be part of a URL.
    pub fn parse(base: &str) -> Result<Self, UrlFault> {
        let base = base.trim();
        let (scheme, rest) = base.split_once("://").unwrap_or(("https", base));
        let rest = rest.trim_end_matches('/');
        let (authority, prefix) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, ""),
        };
        let (secure, secure_socket) = match scheme.to_ascii_lowercase().as_str() {
            "https" | "wss" => (true, true),
            "http" => (false, !is_loopback(authority)),
            "ws" => (false, false),
            _ => return Err(UrlFault::Base),
        };
        let is_authority = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@[]%".contains(c);
        if authority.is_empty() || !authority.chars().all(is_authority) || !is_path(prefix) {
            return Err(UrlFault::Base);
        }
        Ok(Self { secure_socket, secure, authority: authority.to_owned(), prefix: prefix.to_owned() })
    }

    /// The URL of a socket at this path.
    ///
    /// # Errors
    /// When the path can't be part of a URL.
    pub fn socket(&self, path: &str) -> Result<String, UrlFault> {
        if !path.starts_with('/') || !is_path(path) {
            return Err(UrlFault::Path);
        }
        let scheme = if self.secure_socket { "wss" } else { "ws" };
        Ok(format!("{scheme}://{}{}{path}", self.authority, self.prefix))
    }

    /// The URL of a request for `target`, a path with its query.
    pub fn http(&self, target: &str) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}{}{target}", self.authority, self.prefix)
    }

    /// Whether it is this machine's own, which no carrier can reach.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.authority)
    }
}

pub(crate) fn is_path(path: &str) -> bool {
    path.chars().all(|c| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@/%".contains(c))
}

fn is_loopback(authority: &str) -> bool {
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_follow_the_base() {
        for (base, socket, http) in [
            ("https://gw.example.com/", "wss://gw.example.com/a/b", "https://gw.example.com/a/b"),
            ("http://gw.example.com", "wss://gw.example.com/a/b", "http://gw.example.com/a/b"),
            ("gw.example.com:8443", "wss://gw.example.com:8443/a/b", "https://gw.example.com:8443/a/b"),
            ("HTTPS://h/phone", "wss://h/phone/a/b", "https://h/phone/a/b"),
            ("http://127.0.0.1:8080", "ws://127.0.0.1:8080/a/b", "http://127.0.0.1:8080/a/b"),
            ("wss://h", "wss://h/a/b", "https://h/a/b"),
        ] {
            let address = Address::parse(base).unwrap();
            assert_eq!(address.socket("/a/b").as_deref(), Ok(socket), "{base}");
            assert_eq!(address.http("/a/b"), http, "{base}");
        }
        assert!(Address::parse("http://localhost:1").unwrap().is_loopback());
        assert!(!Address::parse("https://localhost.example.com").unwrap().is_loopback());
        assert_eq!(Address::parse("https://h").unwrap().socket("a"), Err(UrlFault::Path));
        assert_eq!(Address::parse("https://h?x"), Err(UrlFault::Base));
    }
}
