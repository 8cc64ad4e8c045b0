//! A form's fields, as the carriers read them.

/// Fields in the order in which they came; a name may come several times.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Form(pub(super) Vec<(String, String)>);

impl Form {
    pub(super) fn urlencoded(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().collect())
    }

    /// The first field of this name that is not empty.
    pub(super) fn one(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// All fields of this name, also as `Name[]` and `Name[0]`.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        let is_it =
            |key: &str| key == name || key.strip_prefix(name).is_some_and(|rest| rest.starts_with('['));
        self.0.iter().filter(|(key, _)| is_it(key)).map(|(_, value)| value.as_str()).collect()
    }

    pub(super) fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.one(name)?.parse().ok()
    }

    /// Names that are none of these, once each.
    pub(super) fn unknown(&self, known: &[&str]) -> Vec<String> {
        let base = |key: &str| key[..key.find('[').unwrap_or(key.len())].to_owned();
        let mut names: Vec<String> = self.0.iter().map(|(key, _)| base(key)).collect();
        names.sort();
        names.dedup();
        names.retain(|name| !known.contains(&name.as_str()));
        names
    }
}
