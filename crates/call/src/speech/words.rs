//! Number words and the names of signs, in English and Hindi.

/// A language whose numbers are known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Language {
    /// English that counts in lakhs and crores.
    #[default]
    IndianEnglish,
    English,
    Hindi,
    Other,
}

const ENGLISH: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 10] =
    ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];

/// Hindi has a word of its own for each number below a hundred.
const HINDI: [&str; 100] = [
    "शून्य",
    "एक",
    "दो",
    "तीन",
    "चार",
    "पाँच",
    "छह",
    "सात",
    "आठ",
    "नौ",
    "दस",
    "ग्यारह",
    "बारह",
    "तेरह",
    "चौदह",
    "पंद्रह",
    "सोलह",
    "सत्रह",
    "अठारह",
    "उन्नीस",
    "बीस",
    "इक्कीस",
    "बाईस",
    "तेईस",
    "चौबीस",
    "पच्चीस",
    "छब्बीस",
    "सत्ताईस",
    "अट्ठाईस",
    "उनतीस",
    "तीस",
    "इकतीस",
    "बत्तीस",
    "तैंतीस",
    "चौंतीस",
    "पैंतीस",
    "छत्तीस",
    "सैंतीस",
    "अड़तीस",
    "उनतालीस",
    "चालीस",
    "इकतालीस",
    "बयालीस",
    "तैंतालीस",
    "चवालीस",
    "पैंतालीस",
    "छियालीस",
    "सैंतालीस",
    "अड़तालीस",
    "उनचास",
    "पचास",
    "इक्यावन",
    "बावन",
    "तिरपन",
    "चौवन",
    "पचपन",
    "छप्पन",
    "सत्तावन",
    "अट्ठावन",
    "उनसठ",
    "साठ",
    "इकसठ",
    "बासठ",
    "तिरसठ",
    "चौंसठ",
    "पैंसठ",
    "छियासठ",
    "सड़सठ",
    "अड़सठ",
    "उनहत्तर",
    "सत्तर",
    "इकहत्तर",
    "बहत्तर",
    "तिहत्तर",
    "चौहत्तर",
    "पचहत्तर",
    "छिहत्तर",
    "सतहत्तर",
    "अठहत्तर",
    "उन्यासी",
    "अस्सी",
    "इक्यासी",
    "बयासी",
    "तिरासी",
    "चौरासी",
    "पचासी",
    "छियासी",
    "सत्तासी",
    "अट्ठासी",
    "नवासी",
    "नब्बे",
    "इक्यानवे",
    "बानवे",
    "तिरानवे",
    "चौरानवे",
    "पंचानवे",
    "छियानवे",
    "सत्तानवे",
    "अट्ठानवे",
    "निन्यानवे",
];

impl Language {
    /// The language of a BCP 47 tag.
    pub(super) fn of(tag: &str) -> Self {
        let tag = tag.to_ascii_lowercase().replace('_', "-");
        match tag.split('-').next().unwrap_or_default() {
            "en" if tag.ends_with("-in") => Self::IndianEnglish,
            "en" => Self::English,
            "hi" => Self::Hindi,
            _ => Self::Other,
        }
    }

    pub(super) const fn and(self) -> &'static str {
        match self {
            Self::Hindi => "और",
            _ => "and",
        }
    }

    /// How a sign in an address is said.
    pub(super) const fn address_sign(self, sign: char) -> Option<&'static str> {
        Some(match (self, sign) {
            (Self::Hindi, '.') => "डॉट",
            (Self::Hindi, '/') => "स्लैश",
            (Self::Hindi, '@') => "ऐट",
            (Self::Hindi, '-') => "डैश",
            (Self::Hindi, '_') => "अंडरस्कोर",
            (_, '.') => "dot",
            (_, '/') => "slash",
            (_, '@') => "at",
            (_, '-') => "dash",
            (_, '_') => "underscore",
            _ => return None,
        })
    }

    pub(super) const fn point(self) -> &'static str {
        match self {
            Self::Hindi => "दशमलव",
            _ => "point",
        }
    }

    pub(super) const fn percent(self) -> &'static str {
        match self {
            Self::Hindi => "प्रतिशत",
            _ => "percent",
        }
    }

    pub(super) fn digit(self, digit: u8) -> &'static str {
        let digit = usize::from(digit.min(9));
        if self == Self::Hindi { HINDI[digit] } else { ENGLISH[digit] }
    }

    /// Whole units and hundredths of a sum of money.
    pub(super) fn money(self, sign: char, units: u64, hundredths: u64) -> String {
        let hindi = self == Self::Hindi;
        let (one, many, small_one, small) = match (sign, hindi) {
            ('₹', false) => ("rupee", "rupees", "paisa", "paise"),
            ('$', false) => ("dollar", "dollars", "cent", "cents"),
            ('€', false) => ("euro", "euros", "cent", "cents"),
            (_, false) => ("pound", "pounds", "penny", "pence"),
            ('₹', true) => ("रुपया", "रुपये", "पैसा", "पैसे"),
            ('$', true) => ("डॉलर", "डॉलर", "सेंट", "सेंट"),
            ('€', true) => ("यूरो", "यूरो", "सेंट", "सेंट"),
            (_, true) => ("पाउंड", "पाउंड", "पेंस", "पेंस"),
        };
        let of = |count: u64, one: &str, many: &str| {
            format!("{} {}", self.cardinal(count), if count == 1 { one } else { many })
        };
        match (units, hundredths) {
            (units, 0) => of(units, one, many),
            (0, hundredths) => of(hundredths, small_one, small),
            _ => format!("{} {} {}", of(units, one, many), self.and(), of(hundredths, small_one, small)),
        }
    }

    /// A time of day.
    pub(super) fn time(self, hours: u64, minutes: u64) -> String {
        let hour = self.cardinal(hours);
        match (self, minutes) {
            (Self::Hindi, 0) => format!("{hour} बजे"),
            (Self::Hindi, _) => format!("{hour} बजकर {} मिनट", self.cardinal(minutes)),
            (_, 0) => format!("{hour} o'clock"),
            (_, 1..=9) => format!("{hour} oh {}", self.cardinal(minutes)),
            _ => format!("{hour} {}", self.cardinal(minutes)),
        }
    }

    /// A number in words.
    pub(super) fn cardinal(self, number: u64) -> String {
        let hindi = self == Self::Hindi;
        let scales: &[(u64, &str)] = match self {
            Self::Hindi => &[(10_000_000, "करोड़"), (100_000, "लाख"), (1_000, "हज़ार"), (100, "सौ")],
            Self::IndianEnglish => {
                &[(10_000_000, "crore"), (100_000, "lakh"), (1_000, "thousand"), (100, "hundred")]
            }
            _ => &[(1_000_000_000, "billion"), (1_000_000, "million"), (1_000, "thousand"), (100, "hundred")],
        };
        let mut words = Vec::new();
        let mut rest = number;
        for (scale, name) in scales {
            if rest >= *scale {
                words.push(self.cardinal(rest / scale));
                words.push((*name).to_owned());
                rest %= scale;
            }
        }
        if rest > 0 || words.is_empty() {
            let small = rest as usize;
            words.push(match small {
                _ if hindi => HINDI[small].to_owned(),
                0..=19 => ENGLISH[small].to_owned(),
                _ if small.is_multiple_of(10) => TENS[small / 10].to_owned(),
                _ => format!("{} {}", TENS[small / 10], ENGLISH[small % 10]),
            });
        }
        words.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_words() {
        for (language, number, wanted) in [
            (Language::English, 0, "zero"),
            (Language::English, 21, "twenty one"),
            (
                Language::English,
                1_234_567,
                "one million two hundred thirty four thousand five hundred sixty seven",
            ),
            (Language::IndianEnglish, 1_234_567, "twelve lakh thirty four thousand five hundred sixty seven"),
            (Language::IndianEnglish, 30_000_000, "three crore"),
            (Language::Hindi, 0, "शून्य"),
            (Language::Hindi, 79, "उन्यासी"),
            (Language::Hindi, 125_099, "एक लाख पच्चीस हज़ार निन्यानवे"),
        ] {
            assert_eq!(language.cardinal(number), wanted);
        }
        assert!(!Language::English.cardinal(u64::MAX).is_empty());
    }
}
