//! What carriers answer and call back with, as one flat map of texts: JSON, XML and forms say the same things in three
//! shapes and in several spellings, and none of the differences means anything.

use std::collections::BTreeMap;

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, Event};
use serde_json::Value;

use crate::text;

/// How many values of one message are kept. A list of a hundred calls has under 5000.
const VALUES: usize = 20_000;
/// How many characters of a value are kept.
const VALUE: usize = 4096;
/// How many levels of XML are looked into.
const DEPTH: usize = 16;

/// Values by the path to them: names in lower case with dots between, places in a list as numbers
/// (`call.details.legs.0.status`). Null is as good as absent. Where a path comes twice the first value stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Flat(BTreeMap<String, String>);

impl Flat {
    /// What a JSON object holds.
    pub(crate) fn of_json(value: &Value) -> Self {
        let mut flat = Self::default();
        flat.add_json(&mut String::new(), value);
        flat
    }

    /// What pairs of a form hold; `Legs[0][Status]` is `legs.0.status`.
    pub(crate) fn of_pairs(pairs: &[(String, String)]) -> Self {
        let mut flat = Self::default();
        for (name, value) in pairs {
            let path: String = name.chars().filter(|c| *c != ']').collect();
            flat.add(&path.replace('[', ".").to_lowercase(), value);
        }
        flat
    }

    /// What an XML document holds, as far as it can be read: attributes are left out, and so is what stands behind a
    /// fault. An element that comes twice in the same place counts once, with its first text.
    pub(crate) fn of_xml(xml: &str) -> Self {
        let mut flat = Self::default();
        let mut reader = Reader::from_str(xml);
        let (mut path, mut content) = (Vec::<String>::new(), String::new());
        loop {
            match reader.read_event() {
                Ok(Event::Start(start)) if path.len() < DEPTH => {
                    path.push(String::from_utf8_lossy(start.local_name().as_ref()).to_lowercase());
                    content.clear();
                }
                Ok(Event::Text(piece)) => content.push_str(&piece.decode().unwrap_or_default()),
                Ok(Event::CData(piece)) => content.push_str(&piece.decode().unwrap_or_default()),
                Ok(Event::GeneralRef(entity)) => content.extend(resolved(&entity)),
                Ok(Event::End(_)) => {
                    if !content.trim().is_empty() {
                        flat.add(&path.join("."), content.trim());
                    }
                    content.clear();
                    path.pop();
                }
                Ok(Event::Start(_) | Event::Eof) | Err(_) => return flat,
                Ok(_) => {}
            }
        }
    }

    /// A body that is JSON or XML, by what it begins with. `None` where it is neither.
    pub(crate) fn of_body(body: &[u8]) -> Option<Self> {
        let body = String::from_utf8_lossy(body);
        let body = body.trim_start_matches('\u{FEFF}').trim();
        if body.starts_with('<') {
            return Some(Self::of_xml(body));
        }
        let value: Value = serde_json::from_str(body).ok()?;
        value.is_object().then(|| Self::of_json(&value))
    }

    /// The text at `path`, trimmed, unless there is none or it is empty.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.0.get(path).map(|value| value.trim()).filter(|value| !value.is_empty() && *value != "null")
    }

    /// The first text at one of `paths`.
    pub(crate) fn first(&self, paths: &[&str]) -> Option<&str> {
        paths.iter().find_map(|path| self.text(path))
    }

    /// The number at `path`: `41`, `"41"`, `41.0`.
    pub(crate) fn whole(&self, path: &str) -> Option<u32> {
        let text = self.text(path)?;
        let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
        whole.parse().ok()
    }

    /// What lies below `path`.
    pub(crate) fn below(&self, path: &str) -> Self {
        let prefix = format!("{path}.");
        let inner = self.0.range(prefix.clone()..).take_while(|(name, _)| name.starts_with(&prefix));
        Self(inner.map(|(name, value)| (name[prefix.len()..].to_owned(), value.clone())).collect())
    }

    /// The members of the list at `path`, in their order.
    pub(crate) fn list(&self, path: &str) -> Vec<Self> {
        let below = self.below(path);
        let mut items: BTreeMap<usize, Self> = BTreeMap::new();
        for (name, value) in below.0 {
            if let Some((place, rest)) = name.split_once('.')
                && let Ok(place) = place.parse()
            {
                items.entry(place).or_default().0.insert(rest.to_owned(), value);
            }
        }
        items.into_values().collect()
    }

    /// Whether anything lies at or below `path`.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.0.contains_key(path) || !self.below(path).0.is_empty()
    }

    fn add_json(&mut self, path: &mut String, value: &Value) {
        let members: Vec<(String, &Value)> = match value {
            Value::Null => return,
            Value::String(text) => return self.add(path, text),
            Value::Bool(_) | Value::Number(_) => return self.add(path, &value.to_string()),
            Value::Array(items) => items.iter().enumerate().map(|(at, v)| (at.to_string(), v)).collect(),
            Value::Object(members) => members.iter().map(|(name, v)| (name.to_lowercase(), v)).collect(),
        };
        for (name, value) in members {
            let length = path.len();
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(&name);
            self.add_json(path, value);
            path.truncate(length);
        }
    }

    fn add(&mut self, path: &str, value: &str) {
        if self.0.len() < VALUES {
            self.0.entry(text::cleaned(path, VALUE)).or_insert_with(|| text::cleaned(value, VALUE));
        }
    }
}

/// The character that `&amp;` or `&#38;` stands for; nothing for a name that XML itself does not know.
fn resolved(entity: &BytesRef<'_>) -> Option<char> {
    if let Ok(Some(character)) = entity.resolve_char_ref() {
        return Some(character);
    }
    let name = entity.decode().ok()?;
    resolve_predefined_entity(&name)?.chars().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_shapes_say_the_same() {
        let json =
            serde_json::json!({"Legs": [{"Status": "completed", "OnCallDuration": 52}], "Price": null});
        let json = Flat::of_json(&json);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let form =
            Flat::of_pairs(&[pair("Legs[0][Status]", "completed"), pair("Legs[0][OnCallDuration]", "52")]);
        assert_eq!(json, form);
        assert_eq!(json.list("legs")[0].whole("oncallduration"), Some(52));

        let xml = Flat::of_xml(
            "<?xml version=\"1.0\"?><TwilioResponse><Call><Sid>abc</Sid><Status>in-progress</Status><Price/>\
             <Name>A &amp; B &#67; &bogus;</Name></Call></TwilioResponse>",
        );
        assert_eq!(xml.text("twilioresponse.call.sid"), Some("abc"));
        assert_eq!(xml.text("twilioresponse.call.name"), Some("A & B C"));
        assert_eq!(xml.text("twilioresponse.call.price"), None);
    }

    #[test]
    fn a_body_is_known_by_how_it_begins() {
        assert_eq!(Flat::of_body(b"\xEF\xBB\xBF {\"A\": true}").unwrap().text("a"), Some("true"));
        assert_eq!(Flat::of_body(b"<a>1</a><b>2").unwrap().text("a"), Some("1"));
        assert_eq!(Flat::of_body(b"[1]"), None);
        assert_eq!(Flat::of_body(b"Bad gateway"), None);
        assert_eq!(Flat::of_body(b""), None);
    }

    #[test]
    fn xml_as_deep_as_it_likes_costs_nothing() {
        let deep = "<a>".repeat(100_000);
        assert_eq!(Flat::of_xml(&deep), Flat::default());
    }

    #[test]
    fn numbers_come_in_many_clothes() {
        let flat = Flat::of_json(&serde_json::json!({"a": 41, "b": "41", "c": 41.9, "d": "-1", "e": "null"}));
        assert_eq!(
            ["a", "b", "c", "d", "e"].map(|name| flat.whole(name)),
            [Some(41), Some(41), Some(41), None, None]
        );
    }
}
