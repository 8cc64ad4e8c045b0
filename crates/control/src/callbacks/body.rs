//! A callback's body as it is kept for people to look at: its fields, with phone numbers masked.

use serde_json::{Map, Value};

/// So many digits in a row may be a phone number.
const DIGITS: usize = 7;
/// How many characters of a value and of a name are kept, and how many fields.
const VALUE: usize = 512;
const NAME: usize = 64;
const FIELDS: usize = 100;

/// The fields as JSON.
pub(super) fn kept(pairs: &[(String, String)]) -> String {
    let mut fields = Map::new();
    for (name, value) in pairs.iter().take(FIELDS) {
        let value = carriers::cleaned(value, VALUE);
        // Ids and addresses have long runs of digits too, and are what one looks for. A recording's address is no
        // secret to those who may see calls.
        let lower = name.to_ascii_lowercase();
        let is_id = lower.ends_with("sid") && lower != "phonenumbersid";
        let is_plain = is_id || lower.ends_with("url") || lower == "customfield";
        let value = if is_plain { value } else { without_numbers(&value) };
        fields.insert(carriers::cleaned(name, NAME), Value::String(value));
    }
    Value::Object(fields).to_string()
}

/// The text with every run of digits that may be a number masked but for its last four.
fn without_numbers(text: &str) -> String {
    let mut kept = String::new();
    let mut run = String::new();
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_digit() {
            run.push(c);
            continue;
        }
        let hidden = if run.len() < DIGITS { 0 } else { run.len() - 4 };
        kept.extend(std::iter::repeat_n('*', hidden));
        kept.push_str(&run[hidden..]);
        run.clear();
        kept.extend(Some(c).filter(|c| *c != '\0'));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_masked_and_ids_are_not() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let pairs = [
            pair("CallSid", "CA12345678901234567890123456789012"),
            pair("To", "+14155550101"),
            pair("Caller", "sip:14155550100@example.com"),
            pair("CallDuration", "49"),
            pair("Timestamp", "Sun, 25 Mar 2018 09:53:19 +0000"),
        ];
        let kept = kept(&pairs);
        assert!(kept.contains("CA12345678901234567890123456789012") && kept.contains("\"49\""), "{kept}");
        assert!(kept.contains("+*******0101") && kept.contains("sip:*******0100@"), "{kept}");
        assert!(!kept.contains("4155550") && kept.contains("25 Mar 2018 09:53:19 +0000"), "{kept}");
    }
}
