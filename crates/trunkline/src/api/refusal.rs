//! What the server says when it says no, in the words of its problem documents, and with which exit code a command ends
//! over it.

use control::Code;
use serde_json::Value;

use super::KEY;
use crate::failure::Failure;

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    status: u16,
    /// The word for programs; empty where something else answers.
    pub(crate) code: String,
    detail: String,
    /// Each fault, with where it is.
    faults: Vec<String>,
    request_id: String,
    pub(crate) retry_after: Option<u64>,
    had_key: bool,
}

impl Refusal {
    /// Reads an answer's body.
    pub(super) fn read(status: u16, body: &[u8], had_key: bool) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |value: &Value| -> String {
            let clean = value.as_str().unwrap_or_default().chars().filter(|c| !c.is_control());
            clean.take(500).collect()
        };
        let place = |fault: &Value| {
            ["pointer", "parameter", "header"]
                .iter()
                .map(|name| text(&fault[*name]))
                .find(|place| !place.is_empty())
        };
        let errors = body["errors"].as_array().cloned().unwrap_or_default();
        let faults = errors.iter().map(|fault| match place(fault) {
            Some(place) => format!("{}: {}", place.trim_start_matches("#/"), text(&fault["detail"])),
            None => text(&fault["detail"]),
        });
        Self {
            status,
            code: text(&body["code"]),
            detail: text(&body["detail"]),
            faults: faults.collect(),
            request_id: text(&body["request_id"]),
            retry_after: body["retry_after"].as_u64(),
            had_key,
        }
    }

    /// Whether the same may go better later.
    pub(crate) fn is_for_now(&self) -> bool {
        self.status == 429 || (502..=504).contains(&self.status)
    }

    /// As a command ends with it.
    pub(crate) fn failure(&self) -> Failure {
        let mut lines = vec![match (self.code.is_empty(), self.detail.is_empty()) {
            (true, _) => {
                format!("HTTP {}, and no word of trunkline's: does something else answer there?", self.status)
            }
            (false, true) => format!("{} (HTTP {})", self.code, self.status),
            (false, false) => format!("{} ({}, HTTP {})", self.detail, self.code, self.status),
        }];
        // One fault is the detail itself, as a rule.
        let faults =
            self.faults.iter().filter(|fault| !fault.ends_with(&self.detail) || self.detail.is_empty());
        lines.extend(faults.map(|fault| format!("  {fault}")));
        lines.extend(self.todo());
        if self.status >= 500 && !self.request_id.is_empty() {
            lines.push(format!("the server's log knows it as {}", self.request_id));
        }
        let text = lines.join("\n");
        match (self.code.as_str(), self.status) {
            ("unauthorized" | "forbidden", _) | (_, 401) => Failure::denied(text),
            (_, 429 | 502..=504) => Failure::unavailable(text),
            _ => Failure::failed(text),
        }
    }

    fn todo(&self) -> Option<String> {
        if self.status == 401 {
            let what = if self.had_key { "the key is unknown or withdrawn; " } else { "" };
            return Some(format!(
                "{what}make one with `trunkline keys create --name cli --scope call`, and give it as {KEY} or with \
                 --key-file"
            ));
        }
        if let Some(seconds) = self.retry_after {
            return Some(format!("try again in {seconds} s"));
        }
        // Where each fault is named, what it says in general is no news.
        let is_told = self.status == 422 && !self.faults.is_empty();
        Code::of_word(&self.code).filter(|_| !is_told).map(|code| code.about().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: u16, body: &str) -> String {
        Refusal::read(status, body.as_bytes(), false).failure().to_string()
    }

    #[test]
    fn a_refusal_says_what_is_wrong_where_and_what_to_do() {
        let body = r##"{"code":"unprocessable","detail":"2 faults.","errors":[{"pointer":"#/to","detail":"Too short."},
            {"header":"Idempotency-Key","detail":"Too long."}]}"##;
        let text = told(422, body);
        assert!(
            text.starts_with("2 faults. (unprocessable, HTTP 422)\n  to: Too short.\n  Idempotency-Key: "),
            "{text}"
        );
        let text = told(403, r#"{"code":"country_not_open","detail":"India is not open."}"#);
        assert!(text.contains("outbound.countries"), "{text}");
        let text = told(401, r#"{"code":"unauthorized","detail":"Send a key."}"#);
        assert!(text.contains(KEY) && text.contains("keys create"), "{text}");
        let text = told(502, "<html>Bad Gateway</html>");
        assert!(text.contains("HTTP 502") && !text.contains("html"), "{text}");
        let text =
            told(503, r#"{"code":"carrier_busy","detail":"Busy.","retry_after":7,"request_id":"req_1"}"#);
        assert!(text.contains("again in 7 s") && text.contains("req_1"), "{text}");
    }
}
