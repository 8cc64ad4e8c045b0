//! Phone numbers as they are dialled: E.164, with the country that they belong to and what calling them is like.
//!
//! The tables are those of libphonenumber. Only the tables: the crate's own reader strips what it takes for a trunk
//! prefix from numbers that are written with their country code, so that with `US` as the default a number of Delhi
//! loses a digit and another phone would ring. What is read here has either all the digits that were written, or is
//! refused.

use std::fmt;
use std::str::FromStr;

use phonenumber::Metadata;
use phonenumber::country::Source;
use phonenumber::metadata::{DATABASE, Descriptor};
use serde::{Deserialize, Serialize};

/// Digits of the shortest and the longest number, its country code among them (ITU-T E.164).
const DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

/// A country, two letters by ISO 3166-1: `IN`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Country([u8; 2]);

/// A text that names no country that has phone numbers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no country; use two letters such as IN or US")]
pub struct NotACountry(String);

impl Country {
    /// The two letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("made of two ASCII letters")
    }
}

impl FromStr for Country {
    type Err = NotACountry;

    fn from_str(text: &str) -> Result<Self, NotACountry> {
        let upper = text.trim().to_ascii_uppercase();
        match upper.as_bytes() {
            [a @ b'A'..=b'Z', b @ b'A'..=b'Z'] if DATABASE.by_id(upper.as_str()).is_some() => {
                Ok(Self([*a, *b]))
            }
            _ => Err(NotACountry(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Country {
    type Error = NotACountry;

    fn try_from(text: String) -> Result<Self, NotACountry> {
        text.parse()
    }
}

impl From<Country> for String {
    fn from(country: Country) -> Self {
        country.as_str().to_owned()
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What calling a number is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NumberKind {
    /// A phone: fixed, mobile, or over the internet.
    Phone,
    /// The one who is called pays.
    TollFree,
    /// Dear: the one who is called gets a share.
    Premium,
    /// Both pay.
    SharedCost,
    /// Follows a person, and is often dear.
    Personal,
    /// A pager, a mailbox, a company's access number: no person picks up.
    Service,
    /// Of no country: satellites and global networks, dear all of them.
    Global,
    /// Not in the tables: no phone has it, or it is newer than they are.
    Unknown,
}

/// A phone number, E.164. Shown whole by [`Number::as_str`] only: in logs and errors it is masked.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Number {
    e164: String,
    country: Option<Country>,
    kind: NumberKind,
}

/// A text that is not read as a phone number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotANumber {
    /// Nothing at all.
    #[error("it is empty")]
    Empty,
    /// `9.19E+11`: a spreadsheet rounded it, and its last digits are lost.
    #[error(
        "it is written in scientific notation, as spreadsheets do: its last digits are lost; format the column as text"
    )]
    Scientific,
    /// Something that is neither a digit nor put between digits.
    #[error("it has a character that no phone number has; use digits, with + and the country code in front")]
    Character,
    /// Without a country code, and nothing says which country is meant.
    #[error("it has no country code; write it as +<country code><number>, or set outbound.default_country")]
    NoCountry,
    /// Too few or too many digits, or a country code that there is not.
    #[error("it is no phone number; write it as +<country code><number>, without a zero in between")]
    Malformed,
}

impl Number {
    /// Reads a number: with `+` and country code, or as it is dialled within `default`.
    pub fn parse(text: &str, default: Option<Country>) -> Result<Self, NotANumber> {
        let text = text.trim();
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        if text.is_empty() {
            return Err(NotANumber::Empty);
        }
        let is_scientific = |c: char| matches!(c, '0'..='9' | '.' | ',' | '+' | '-' | 'e' | 'E');
        if text.contains(['e', 'E']) && text.chars().all(is_scientific) && !digits.is_empty() {
            return Err(NotANumber::Scientific);
        }
        let rest = text.strip_prefix('+');
        let body = rest.unwrap_or(text);
        if !body.chars().all(|c| c.is_ascii_digit() || matches!(c, ' ' | '-' | '.' | '(' | ')' | '/')) {
            return Err(NotANumber::Character);
        }
        let e164 = if rest.is_some() { digits } else { with_country_code(text, &digits, default)? };
        Self::of_digits(&e164).ok_or(NotANumber::Malformed)
    }

    fn of_digits(digits: &str) -> Option<Self> {
        if !DIGITS.contains(&digits.len()) {
            return None;
        }
        // No country code begins another.
        let (code, national) = (1..=3).find_map(|length| {
            let (code, national) = digits.split_at_checked(length)?;
            let code: u16 = code.parse().ok().filter(|_| !code.starts_with('0'))?;
            DATABASE.region(&code).map(|_| (code, national))
        })?;
        let (country, kind) = place(code, national);
        // A trunk zero after the country code: `+44 (0)20 ..`. Some countries' numbers do begin with one.
        if kind == NumberKind::Unknown && national.starts_with('0') {
            return None;
        }
        Some(Self { e164: format!("+{digits}"), country, kind })
    }

    /// `+` and digits.
    pub fn as_str(&self) -> &str {
        &self.e164
    }

    /// The country; none for numbers of satellites and global networks, and where it can't be told.
    pub const fn country(&self) -> Option<Country> {
        self.country
    }

    /// What calling it is like.
    pub const fn kind(&self) -> NumberKind {
        self.kind
    }

    /// The number as it may be seen: `+91******3210`.
    pub fn masked(&self) -> String {
        masked(&self.e164)
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

/// The digits with country code, of a number as it is dialled within a country.
fn with_country_code(text: &str, digits: &str, default: Option<Country>) -> Result<String, NotANumber> {
    let default = default.ok_or(NotANumber::NoCountry)?;
    let id = default.as_str().parse().map_err(|_| NotANumber::NoCountry)?;
    let read = phonenumber::parse(Some(id), text).map_err(|_| NotANumber::Malformed)?;
    let (code, national) = (read.code().value().to_string(), read.national().to_string());
    let e164 = format!("{code}{national}");
    // What was written with a country code (`0044..`, `91..`) must still be there, digit for digit.
    let written = if read.code().source() == Source::Default { &national } else { &e164 };
    if digits.ends_with(written.as_str()) { Ok(e164) } else { Err(NotANumber::Malformed) }
}

/// Whose number it is, and what calling it is like.
fn place(code: u16, national: &str) -> (Option<Country>, NumberKind) {
    // The premium exchange of North America, whatever the area: 976.
    let is_976 = code == 1 && national.get(3..6) == Some("976");
    for region in DATABASE.region(&code).unwrap_or_default() {
        if region == "001" {
            return (None, NumberKind::Global);
        }
        let Some(metadata) = DATABASE.by_id(region) else { continue };
        let kind = kind(metadata, national);
        let is_here = match metadata.leading_digits() {
            Some(leading) => leading.find(national).is_some_and(|found| found.start() == 0),
            None => kind != NumberKind::Unknown,
        };
        if is_here {
            let kind = if is_976 { NumberKind::Premium } else { kind };
            return (region.parse().ok(), kind);
        }
    }
    let regions = DATABASE.region(&code).unwrap_or_default();
    let only = if regions.len() == 1 { regions[0].parse().ok() } else { None };
    (only, if is_976 { NumberKind::Premium } else { NumberKind::Unknown })
}

fn kind(metadata: &Metadata, national: &str) -> NumberKind {
    let is = |descriptor: Option<&Descriptor>| descriptor.is_some_and(|known| known.is_match(national));
    let of = metadata.descriptors();
    if !of.general().is_match(national) {
        NumberKind::Unknown
    } else if is(of.premium_rate()) {
        NumberKind::Premium
    } else if is(of.toll_free()) {
        NumberKind::TollFree
    } else if is(of.shared_cost()) {
        NumberKind::SharedCost
    } else if is(of.personal_number()) {
        NumberKind::Personal
    } else if is(of.pager()) || is(of.uan()) || is(of.voicemail()) {
        NumberKind::Service
    } else if is(of.voip()) || is(of.fixed_line()) || is(of.mobile()) {
        NumberKind::Phone
    } else {
        NumberKind::Unknown
    }
}

/// A phone number as it may be seen: `+91******3210`. What holds no number is given back as it is.
pub fn masked(number: &str) -> String {
    let digits = number.chars().filter(char::is_ascii_digit).count();
    if digits < 6 {
        return number.to_owned();
    }
    let shown_first = if number.starts_with('+') { 2 } else { 0 };
    let mut seen = 0;
    let mask = |c: char| {
        if !c.is_ascii_digit() {
            return c;
        }
        seen += 1;
        if seen <= shown_first || seen > digits - 4 { c } else { '*' }
    };
    number.chars().map(mask).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, default: &str) -> Result<Number, NotANumber> {
        Number::parse(text, default.parse().ok())
    }

    #[test]
    fn numbers_are_read_as_they_are_written() {
        for (text, default, e164, country, kind) in [
            ("+919876543210", "", "+919876543210", "IN", NumberKind::Phone),
            ("+91 98765-43210", "US", "+919876543210", "IN", NumberKind::Phone),
            ("09876543210", "IN", "+919876543210", "IN", NumberKind::Phone),
            ("98765 43210", "IN", "+919876543210", "IN", NumberKind::Phone),
            ("919876543210", "IN", "+919876543210", "IN", NumberKind::Phone),
            ("011 2345 6789", "IN", "+911123456789", "IN", NumberKind::Phone),
            ("0044 20 7946 0018", "IN", "+442079460018", "GB", NumberKind::Phone),
            ("(415) 555-0101", "US", "+14155550101", "US", NumberKind::Phone),
            // The prefix of a default country, or of its own, is no part of a number with a country code.
            ("+911123456789", "US", "+911123456789", "IN", NumberKind::Phone),
            ("+78001234567", "", "+78001234567", "RU", NumberKind::TollFree),
            ("+390612345678", "", "+390612345678", "IT", NumberKind::Phone),
        ] {
            let number = read(text, default).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(number.as_str(), e164, "{text}");
            assert_eq!((number.country(), number.kind()), (country.parse().ok(), kind), "{text}");
        }
    }

    #[test]
    fn what_is_dear_is_known() {
        for (text, country, kind) in [
            ("+19005550123", "US", NumberKind::Premium),
            ("+12129761234", "US", NumberKind::Premium),
            ("+18765550123", "JM", NumberKind::Phone),
            ("+448712345678", "GB", NumberKind::Premium),
            ("+447012345678", "GB", NumberKind::Personal),
            ("+88216123456", "", NumberKind::Global),
            ("+883510001234567", "", NumberKind::Global),
            ("+881612345678", "", NumberKind::Global),
            ("+870773112345", "", NumberKind::Global),
        ] {
            let number = read(text, "").unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((number.country(), number.kind()), (country.parse().ok(), kind), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused_with_the_reason() {
        for (text, default, fault) in [
            ("", "IN", NotANumber::Empty),
            ("  ", "IN", NotANumber::Empty),
            ("9.19E+11", "IN", NotANumber::Scientific),
            ("9,19876e11", "IN", NotANumber::Scientific),
            ("call me", "IN", NotANumber::Character),
            ("1-800-FLOWERS", "US", NotANumber::Character),
            ("+९१9876543210", "IN", NotANumber::Character),
            ("+9198765;ext=7", "IN", NotANumber::Character),
            ("sip:desk@example.com", "IN", NotANumber::Character),
            ("09876543210", "", NotANumber::NoCountry),
            ("+", "IN", NotANumber::Malformed),
            ("+91", "IN", NotANumber::Malformed),
            ("+4402079460018", "", NotANumber::Malformed),
            ("+00919876543210", "", NotANumber::Malformed),
            ("+9999999999", "", NotANumber::Malformed),
            ("+9198765432101234567", "", NotANumber::Malformed),
            ("112", "IN", NotANumber::Malformed),
            ("911", "US", NotANumber::Malformed),
            // The reader would dial +91 23456789.
            ("011911123456789", "US", NotANumber::Malformed),
        ] {
            assert_eq!(read(text, default).unwrap_err(), fault, "{text}");
        }
    }

    #[test]
    fn a_country_is_two_letters_that_have_numbers() {
        assert_eq!("in".parse::<Country>().map(|country| country.to_string()), Ok("IN".to_owned()));
        for text in ["", "I", "IND", "XX", "001", "00"] {
            assert!(text.parse::<Country>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_number_shows_itself_masked() {
        assert_eq!(format!("{:?}", read("+919876543210", "").unwrap()), "+91******3210");
        assert_eq!(masked("09800000001"), "*******0001");
        assert_eq!(masked("sip:desk"), "sip:desk");
        assert_eq!(masked("1234"), "1234");
    }
}
