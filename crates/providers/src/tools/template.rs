//! Text with places in braces that are filled in: a tool's URL, headers and bound arguments. Whoever fills a
//! place can't leave it: a value never becomes a host, a path's step or another parameter.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use url::Url;

/// What the server knows about a call and fills in itself.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CallFacts {
    /// Our id of the call.
    pub call_id: String,
    /// The caller's number; empty where it is not known.
    pub from: String,
    /// The called number; empty where it is not known.
    pub to: String,
    /// The agent's name.
    pub agent: String,
    /// Parameters that came with the call.
    pub custom: BTreeMap<String, String>,
}

impl CallFacts {
    /// The value of a name that is the server's to fill; `None` when it is not.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        match name {
            "call_id" => Some(&self.call_id),
            "from" => Some(&self.from),
            "to" => Some(&self.to),
            "agent" => Some(&self.agent),
            _ => {
                let name = name.strip_prefix("custom.")?;
                Some(self.custom.get(name).map_or("", String::as_str))
            }
        }
    }
}

/// Numbers and parameters of a caller are nobody's to read in a log.
impl std::fmt::Debug for CallFacts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallFacts").field("call_id", &self.call_id).finish_non_exhaustive()
    }
}

/// Text with places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Place(String),
}

impl Template {
    /// Reads a template. The fault is text for the operator.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find(['{', '}']) {
            let (before, after) = rest.split_at(open);
            let Some((name, behind)) = after.strip_prefix('{').and_then(|after| after.split_once('}')) else {
                return Err(format!(
                    "a brace at \"{}\" has no partner",
                    after.chars().take(20).collect::<String>()
                ));
            };
            let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
            if name.is_empty() || !name.chars().all(is_name) {
                return Err(format!("\"{{{name}}}\" is no name"));
            }
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(Piece::Place(name.to_owned()));
            rest = behind;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(Self(pieces))
    }

    /// The names of its places.
    pub(super) fn places(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Place(name) => Some(name.as_str()),
            Piece::Text(_) => None,
        })
    }

    /// The text with every place filled by `value`, which may refuse.
    pub(super) fn fill<E>(&self, mut value: impl FnMut(&str) -> Result<String, E>) -> Result<String, E> {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Place(name) => text.push_str(&value(name)?),
            }
        }
        Ok(text)
    }
}

/// A URL whose scheme, host and port are fixed and whose path and query have places.
#[derive(Debug, Clone)]
pub(super) struct UrlTemplate {
    base: Url,
    path: Template,
    query: Option<Template>,
}

impl UrlTemplate {
    /// Reads a URL with places. The fault is text for the operator.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) =
            text.split_once("://").ok_or_else(|| "it must begin with https://".to_owned())?;
        if !matches!(scheme, "https" | "http") {
            return Err(format!("\"{scheme}\" is no way to reach a tool; write https://"));
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, behind) = rest.split_at(end);
        if authority.contains(['{', '}', '@', '\\']) {
            return Err("host and port are fixed: no braces, no user and no password".to_owned());
        }
        if behind.contains(['#', '\\']) {
            return Err("it can't hold a # or a backslash".to_owned());
        }
        let base = Url::parse(&format!("{scheme}://{authority}/")).map_err(|fault| fault.to_string())?;
        let (path, query) =
            behind.split_once('?').map_or((behind, None), |(path, query)| (path, Some(query)));
        let url = Self {
            base,
            path: Template::parse(if path.is_empty() { "/" } else { path })?,
            query: query.map(Template::parse).transpose()?,
        };
        let sample = url.fill(|_| "x".to_owned(), &[]);
        sample.map_err(|_| "its path is not in its plain form (no \"..\", no spaces)".to_owned())?;
        Ok(url)
    }

    /// The part that is fixed.
    pub(super) const fn base(&self) -> &Url {
        &self.base
    }

    /// The names of its places.
    pub(super) fn places(&self) -> impl Iterator<Item = &str> {
        self.path.places().chain(self.query.iter().flat_map(Template::places))
    }

    /// The URL with every place filled and `more` behind its query. The fault names the place whose value can't
    /// stand there, and is text for the model.
    pub(super) fn fill(
        &self,
        value: impl Fn(&str) -> String,
        more: &[(String, String)],
    ) -> Result<Url, String> {
        let path = self.path.fill(|name| {
            let value = value(name);
            let steps = value.contains(['/', '\\']) || value.chars().any(char::is_control);
            if steps || value.is_empty() || value.chars().all(|c| c == '.') {
                return Err(format!("\"{name}\" can't be empty, dots, or hold a slash"));
            }
            Ok(encoded(&value))
        })?;
        let query = match &self.query {
            Some(query) => Some(query.fill(|name| Ok::<_, String>(encoded(&value(name))))?),
            None => None,
        };
        let mut url = self.base.clone();
        url.set_path(&path);
        // A path that its parser changes has led somewhere else than its template says.
        if url.path() != path {
            return Err("an argument can't stand in the address".to_owned());
        }
        let mut all = query.unwrap_or_default();
        for (name, value) in more {
            let between = if all.is_empty() { "" } else { "&" };
            let _ = write!(all, "{between}{}={}", encoded(name), encoded(value));
        }
        url.set_query((!all.is_empty()).then_some(all.as_str()));
        Ok(url)
    }
}

/// Percent-encodes all but the unreserved characters of RFC 3986, 2.3.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(template: &str, value: &str) -> Result<String, String> {
        UrlTemplate::parse(template)?.fill(|_| value.to_owned(), &[]).map(String::from)
    }

    #[test]
    fn a_value_stays_in_its_place() {
        let at = "https://api.example/orders/{id}/state?of={id}&x=1";
        assert_eq!(
            filled(at, "A 7&y=2#z").unwrap(),
            "https://api.example/orders/A%207%26y%3D2%23z/state?of=A%207%26y%3D2%23z&x=1"
        );
        assert_eq!(
            filled(at, "%2e%2e").unwrap(),
            "https://api.example/orders/%252e%252e/state?of=%252e%252e&x=1"
        );
        for value in ["..", ".", "", "../admin", "a/b", "a\\b", "...", "a\nb"] {
            assert!(filled(at, value).is_err(), "{value:?}");
        }
        for value in ["@evil.example", "evil.example/", "?x", "हाँ", "a..b"] {
            let Ok(url) = filled(at, value) else { continue };
            assert!(url.starts_with("https://api.example/orders/"), "{url}");
        }
        // Two places that are harmless alone.
        assert!(filled("https://api.example/a/{x}{x}/b", ".").is_err());
        assert!(filled("https://api.example/a/.{x}/b", ".").is_err());
    }

    #[test]
    fn the_host_is_the_operators() {
        for template in [
            "https://{host}/x",
            "https://user:{password}@api.example/",
            "https://user@api.example/",
            "{scheme}://api.example/",
            "file:///etc/passwd",
            "gopher://api.example/",
            "api.example/x",
            "https://api.example/a/../b",
            "https://api.example/x#{part}",
            "https://api.example/{open",
            "https://api.example/{a b}",
            "https://api.example\\@evil.example/",
        ] {
            assert!(UrlTemplate::parse(template).is_err(), "{template}");
        }
        let url = UrlTemplate::parse("https://api.example:8443").unwrap();
        assert_eq!(url.base().as_str(), "https://api.example:8443/");
    }

    #[test]
    fn what_the_server_knows_is_told_apart() {
        let facts = CallFacts {
            call_id: "c1".to_owned(),
            custom: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
            ..CallFacts::default()
        };
        assert_eq!(facts.value("call_id"), Some("c1"));
        assert_eq!(facts.value("custom.a"), Some("b"));
        assert_eq!(facts.value("custom.none"), Some(""));
        assert_eq!(facts.value("name"), None);
    }
}
