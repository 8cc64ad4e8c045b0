//! Which numbers may be dialled, and how often: closed unless it was opened, since whoever gets hold of a key that
//! may place calls can turn it into money at numbers of their own.

use std::collections::BTreeSet;

use crate::number::{Country, NotANumber, Number, NumberKind};
use crate::quota::{Allowance, Quota};

/// What the operator allows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DialRules {
    /// The country of numbers that are written without a country code; it may be dialled.
    pub default_country: Option<Country>,
    /// The countries that may be dialled; empty: the default country alone.
    pub countries: BTreeSet<Country>,
    /// Beginnings of numbers, with `+`, that are never dialled.
    pub blocked_prefixes: Vec<String>,
    /// Beginnings of numbers, with `+`, that are dialled whatever their country and kind.
    pub allowed_prefixes: Vec<String>,
    /// Calls within a minute by one key; 0: as many as it likes.
    pub calls_per_minute: u32,
    /// Calls within a day by one key; 0: as many as it likes.
    pub calls_per_day: u32,
    /// Minutes of calls within a day by one key; 0: as many as it likes.
    pub minutes_per_day: u32,
    /// What all keys may place together.
    pub server: Allowance,
}

/// Why a call is not placed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is not a phone number.
    #[error("`to` can't be dialled: {0}.")]
    NotANumber(#[from] NotANumber),
    /// No country is open.
    #[error(
        "No country is open for calls. Set outbound.countries, such as [\"IN\"], or outbound.default_country."
    )]
    NothingOpen,
    /// The number's country is not open.
    #[error("Numbers of {0} are not open for calls. Add \"{0}\" to outbound.countries if they are to be.")]
    Country(Country),
    /// A number of no country.
    #[error(
        "The number belongs to no country (satellites, global networks), which is dear. Add its beginning to \
         outbound.allowed_prefixes if it is to be dialled."
    )]
    Global,
    /// A dear number.
    #[error(
        "It is a {0} number, which is dear or no person's. Add its beginning to outbound.allowed_prefixes if it is \
         to be dialled."
    )]
    Kind(&'static str),
    /// No phone has it.
    #[error(
        "No phone is known to have this number. Look for a digit too many or too few; if it is right, add its \
         beginning to outbound.allowed_prefixes."
    )]
    NoSuchNumber,
    /// The operator blocks it.
    #[error("The number begins with {0}, which outbound.blocked_prefixes blocks.")]
    Blocked(String),
    /// Too many calls.
    #[error("This key has placed {0} calls within a minute, and outbound.calls_per_minute allows no more.")]
    Rate(u32),
    /// Too many calls within a day.
    #[error("This key has placed {0} calls within a day, and outbound.calls_per_day allows no more.")]
    Calls(u32),
    /// Too many minutes.
    #[error(
        "The calls of this key took {0} minutes within a day, those that run counted at their longest \
         (outbound.max_call_ms); outbound.minutes_per_day does not allow another."
    )]
    Minutes(u32),
    /// Too many calls within a day by all keys.
    #[error(
        "The server has placed {0} calls within a day, and outbound.whole_server.calls_per_day allows no more."
    )]
    ServerCalls(u32),
    /// Too many minutes by all keys.
    #[error(
        "The server's calls took {0} minutes within a day, those that run counted at their longest \
         (outbound.max_call_ms); outbound.whole_server.minutes_per_day does not allow another."
    )]
    ServerMinutes(u32),
}

impl Refusal {
    /// The name for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotANumber(_) => "not_a_number",
            Self::NothingOpen => "no_country_open",
            Self::Country(_) => "country_not_open",
            Self::Global | Self::Kind(_) => "dear_number",
            Self::NoSuchNumber => "no_such_number",
            Self::Blocked(_) => "blocked_number",
            Self::Rate(_) => "too_many_calls",
            Self::Calls(_) => "too_many_calls_today",
            Self::Minutes(_) => "too_many_minutes",
            Self::ServerCalls(_) => "server_calls_used",
            Self::ServerMinutes(_) => "server_minutes_used",
        }
    }

    /// After how many seconds it may be asked again, where waiting helps.
    pub const fn retry_after_s(&self) -> Option<u32> {
        match self {
            Self::Rate(_) => Some(60),
            Self::Calls(_) | Self::Minutes(_) | Self::ServerCalls(_) | Self::ServerMinutes(_) => Some(3600),
            _ => None,
        }
    }
}

impl DialRules {
    /// The number that this text means, if it may be dialled.
    pub fn number(&self, text: &str) -> Result<Number, Refusal> {
        let number = Number::parse(text, self.default_country)?;
        let begins = |prefix: &&String| !prefix.is_empty() && number.as_str().starts_with(prefix.as_str());
        if let Some(prefix) = self.blocked_prefixes.iter().find(begins) {
            return Err(Refusal::Blocked(prefix.clone()));
        }
        if self.allowed_prefixes.iter().any(|prefix| begins(&prefix)) {
            return Ok(number);
        }
        if self.countries.is_empty() && self.default_country.is_none() {
            return Err(Refusal::NothingOpen);
        }
        match number.kind() {
            NumberKind::Premium => return Err(Refusal::Kind("premium-rate")),
            NumberKind::SharedCost => return Err(Refusal::Kind("shared-cost")),
            NumberKind::Personal => return Err(Refusal::Kind("personal")),
            NumberKind::Service => return Err(Refusal::Kind("service")),
            NumberKind::Global => return Err(Refusal::Global),
            NumberKind::Phone | NumberKind::TollFree | NumberKind::Unknown => {}
        }
        match number.country() {
            None => Err(Refusal::NoSuchNumber),
            Some(country) if !self.is_open(country) => Err(Refusal::Country(country)),
            Some(_) if number.kind() == NumberKind::Unknown => Err(Refusal::NoSuchNumber),
            Some(_) => Ok(number),
        }
    }

    /// What the next call is held against, when none may take longer than this many seconds.
    pub const fn quota(&self, longest_s: u32) -> Quota {
        let key = Allowance {
            calls_per_minute: self.calls_per_minute,
            calls_per_day: self.calls_per_day,
            minutes_per_day: self.minutes_per_day,
        };
        Quota { key, server: self.server, longest_s }
    }

    fn is_open(&self, country: Country) -> bool {
        if self.countries.is_empty() {
            self.default_country == Some(country)
        } else {
            self.countries.contains(&country)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(countries: &[&str], default: &str) -> DialRules {
        DialRules {
            default_country: default.parse().ok(),
            countries: countries.iter().filter_map(|country| country.parse().ok()).collect(),
            blocked_prefixes: vec!["+9198765".to_owned()],
            allowed_prefixes: vec!["+88216".to_owned(), "+1900555".to_owned()],
            ..DialRules::default()
        }
    }

    #[test]
    fn closed_unless_opened() {
        for (open, default, to, code) in [
            (&[][..], "", "+919800000001", "no_country_open"),
            (&[], "", "09800000001", "not_a_number"),
            (&[], "IN", "09800000001", ""),
            (&[], "IN", "+14155550101", "country_not_open"),
            (&["IN", "US"], "", "+14155550101", ""),
            (&["US"], "IN", "+919800000001", "country_not_open"),
            (&["US"], "", "+18765550123", "country_not_open"),
            (&["US", "JM"], "", "+18765550123", ""),
            (&["US"], "", "+19005560123", "dear_number"),
            (&["US"], "", "+14159760123", "dear_number"),
            (&["US"], "", "+19005550123", ""),
            (&["GB"], "", "+448712345678", "dear_number"),
            (&["GB"], "", "+447012345678", "dear_number"),
            (&["US"], "", "+883510001234567", "dear_number"),
            (&["US"], "", "+881612345678", "dear_number"),
            (&["US"], "", "+88216123456", ""),
            (&["IN"], "", "+919876543210", "blocked_number"),
            (&["US"], "", "+11234567890", "no_such_number"),
            (&["IN"], "", "+91123", "not_a_number"),
            (&["IN"], "", "+911234567", "no_such_number"),
        ] {
            let said = rules(open, default).number(to);
            let found = said.as_ref().err().map_or("", Refusal::code);
            assert_eq!(found, code, "{open:?} {default} {to}: {said:?}");
        }
    }

    #[test]
    fn every_refusal_says_what_to_do_and_shows_no_number() {
        let why = rules(&["US"], "").number("+919800000001").unwrap_err().to_string();
        assert!(why.contains("outbound.countries") && !why.contains("9800000001"), "{why}");
        let why = rules(&[], "").number("+919800000001").unwrap_err().to_string();
        assert!(why.contains("outbound.countries"), "{why}");
    }

    /// Islands whose numbers look like those of the United States: fraud rings there, since a call costs what a call
    /// abroad costs.
    #[test]
    fn no_island_is_reached_by_opening_its_neighbours() {
        let open = rules(&["US", "CA", "IN", "GB"], "");
        for area in [
            242, 246, 264, 268, 284, 345, 441, 473, 649, 658, 664, 721, 758, 767, 784, 809, 829, 849, 868,
            869, 876, 340, 670, 671, 684, 787, 939,
        ] {
            let said = open.number(&format!("+1{area}5550123"));
            let code = said.as_ref().err().map_or("", Refusal::code);
            assert!(matches!(code, "country_not_open" | "no_such_number"), "{area}: {said:?}");
        }
        // Jersey, Guernsey, the Isle of Man.
        for number in ["+447797712345", "+447781123456", "+447624123456"] {
            let said = open.number(number);
            assert_eq!(
                said.as_ref().err().map_or("", Refusal::code),
                "country_not_open",
                "{number}: {said:?}"
            );
        }
    }

    #[test]
    fn satellites_and_global_networks_are_of_no_open_country() {
        let all: Vec<String> = (b'A'..=b'Z')
            .flat_map(|a| (b'A'..=b'Z').map(move |b| String::from_utf8_lossy(&[a, b]).into_owned()))
            .collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let open = DialRules { allowed_prefixes: Vec::new(), ..rules(&all, "") };
        assert!(open.countries.len() > 200, "every country is open");
        for number in [
            "+870773112345",
            "+878101234567890",
            "+881612345678",
            "+88216123456",
            "+88213123456",
            "+883510001234567",
            "+8835100012345",
            "+888123456789",
            "+979123456789",
            "+80012345678",
            "+80812345678",
        ] {
            let said = open.number(number);
            let code = said.as_ref().err().map_or("", Refusal::code);
            assert!(matches!(code, "dear_number" | "not_a_number"), "{number}: {said:?}");
        }
        for number in ["+19005550123", "+448712345678", "+911861123456789", "+33899123456", "+611901234567"] {
            let said = open.number(number);
            let code = said.as_ref().err().map_or("", Refusal::code);
            assert_eq!(code, "dear_number", "{number}: {said:?}");
        }
    }
}
