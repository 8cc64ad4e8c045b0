//! What refusals and closings mean where a vendor says nothing of its own about them.

use std::time::Duration;

use call::{Fault, FaultClass};
use http::{HeaderMap, StatusCode};

use super::Refusal;

/// A vendor's message is cut to so many characters.
const LONGEST_MESSAGE: usize = 200;

impl Refusal<'_> {
    /// The fault by its status alone, with the vendor's `message`.
    pub fn usual(&self, message: &str) -> Fault {
        self.of_class(class_of(self.status), message)
    }

    /// The fault of a class that the vendor's own error names.
    pub fn of_class(&self, class: FaultClass, message: &str) -> Fault {
        let message = one_line(message);
        let why = if message.is_empty() {
            format!("HTTP {}", self.status.as_u16())
        } else {
            format!("HTTP {}: {message}", self.status.as_u16())
        };
        Fault {
            class,
            why,
            retry_after_ms: retry_after(self.headers).map(|length| length.as_millis() as u64),
        }
    }
}

/// What a status means by itself.
pub fn class_of(status: StatusCode) -> FaultClass {
    match status.as_u16() {
        401 | 403 => FaultClass::Auth,
        402 => FaultClass::Quota,
        429 => FaultClass::Rate,
        408 | 409 | 425 | 500..=599 => FaultClass::Busy,
        400..=499 => FaultClass::Config,
        // A success where a refusal was looked at, or a redirect: nothing here speaks so.
        _ => FaultClass::Garbage,
    }
}

/// How long the vendor asks to be left alone: `retry-after-ms`, else `retry-after` in seconds, which may be
/// fractional. A date is not looked at: it would need a clock.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let number = |name: &str, scale: f64| {
        let number: f64 = text(name)?.trim().parse().ok()?;
        (0.0..=86_400_000.0)
            .contains(&(number * scale))
            .then(|| Duration::from_secs_f64(number * scale / 1e3))
    };
    number("retry-after-ms", 1.0).or_else(|| number("retry-after", 1e3))
}

/// A vendor's text as one line of bounded length, without control characters.
pub fn one_line(text: &str) -> String {
    let plain = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    plain.take(LONGEST_MESSAGE).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vendors_wish_is_read_in_each_of_its_spellings() {
        let with = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            retry_after(&headers).map(|length| length.as_millis())
        };
        assert_eq!(with("retry-after", "2"), Some(2_000));
        assert_eq!(with("retry-after", "0.5"), Some(500));
        assert_eq!(with("retry-after-ms", "250"), Some(250));
        for odd in ["", "-1", "soon", "1e99", "NaN", "Wed, 21 Oct 2026 07:28:00 GMT"] {
            assert_eq!(with("retry-after", odd), None, "{odd}");
        }
    }
}
