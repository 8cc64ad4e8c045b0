//! Numbers that voices stumble over, in words: sums of money, percentages, times, long numbers, and telephone
//! numbers digit by digit. Small whole numbers, years and dates stay as they are written.

use super::words::Language;

/// From so many digits on a number without commas is read digit by digit.
const DIGIT_BY_DIGIT: usize = 7;
/// The signs and words that stand before a sum of money, and the sign that they mean.
const MONEY: [(&str, char); 7] =
    [("₹", '₹'), ("Rs.", '₹'), ("Rs", '₹'), ("INR", '₹'), ("$", '$'), ("€", '€'), ("£", '£')];

/// A number as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Written {
    digits: String,
    decimals: String,
    commas: bool,
    /// How many bytes it takes.
    length: usize,
}

/// The text with such numbers in words.
pub(super) fn in_words(text: &str, language: Language) -> String {
    let mut spoken = String::with_capacity(text.len() * 2);
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let begins =
            spoken.chars().next_back().is_none_or(|before| !before.is_alphanumeric() && before != '.');
        if let Some((words, length)) = begins.then(|| number_at(rest, language)).flatten() {
            spoken.push_str(&words);
            rest = &rest[length..];
            if rest.starts_with(|letter: char| letter.is_alphanumeric()) {
                spoken.push(' ');
            }
        } else {
            spoken.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    spoken
}

/// The number at the beginning of `text` in words, and how many bytes of the text that is.
fn number_at(text: &str, language: Language) -> Option<(String, usize)> {
    for (name, sign) in MONEY {
        if let Some(after) = text.strip_prefix(name) {
            let gap = after.len() - after.trim_start_matches([' ', '\u{a0}']).len();
            let written = read(&after[gap..])?;
            let length = name.len() + gap + written.length;
            return Some((money(&written, sign, language)?, length));
        }
    }
    if let Some((digits, length)) = telephone(text) {
        return Some((digit_by_digit(&digits, language), length));
    }
    let written = read(text)?;
    let after = &text[written.length..];
    if let Some(percent) = after.strip_prefix('%').or_else(|| after.strip_prefix(" %")) {
        return Some((decimal(&written, language)?, text.len() - percent.len()))
            .map(|(words, length)| (format!("{words} {}", language.percent()), length));
    }
    if let Some((hours, minutes, length)) = clock(text) {
        let suffix = text[length..].trim_start().to_ascii_lowercase();
        let has_half = ["am", "pm", "a.m", "p.m"].iter().any(|half| suffix.starts_with(half));
        let words = match language {
            // "9:00 बजे" says the hour's word itself.
            Language::Hindi if minutes == 0 && suffix.starts_with("बजे") => language.cardinal(hours),
            Language::Hindi => language.time(hours, minutes),
            _ if has_half && minutes == 0 => language.cardinal(hours),
            _ => language.time(hours, minutes),
        };
        return Some((words, length));
    }
    (written.commas && !after.starts_with(['/', ':', '-']))
        .then(|| decimal(&written, language))
        .flatten()
        .map(|words| (words, written.length))
}

/// Reads digits with commas between them and decimals behind a point.
fn read(text: &str) -> Option<Written> {
    let mut written = Written { digits: String::new(), decimals: String::new(), commas: false, length: 0 };
    let letters: Vec<(usize, char)> = text.char_indices().take(40).collect();
    let mut point = false;
    for (index, (at, letter)) in letters.iter().enumerate() {
        let followed = letters.get(index + 1).is_some_and(|(_, next)| digit_of(*next).is_some());
        match digit_of(*letter) {
            Some(digit) if point => written.decimals.push(char::from(b'0' + digit)),
            Some(digit) => written.digits.push(char::from(b'0' + digit)),
            None if *letter == ',' && followed && !point && index > 0 => written.commas = true,
            None if *letter == '.' && followed && !point && index > 0 => point = true,
            None => break,
        }
        written.length = at + letter.len_utf8();
    }
    (!written.digits.is_empty()).then_some(written)
}

/// The value of a digit, in Western or Devanagari writing.
fn digit_of(letter: char) -> Option<u8> {
    match letter {
        '0'..='9' => Some(letter as u8 - b'0'),
        '०'..='९' => Some((letter as u32 - '०' as u32) as u8),
        _ => None,
    }
}

/// Rows of digits with gaps or hyphens, a plus perhaps before them, that are too long for a quantity.
fn telephone(text: &str) -> Option<(String, usize)> {
    let mut digits = String::new();
    let mut length = 0;
    let letters: Vec<(usize, char)> = text.char_indices().take(40).collect();
    for (index, (at, letter)) in letters.iter().enumerate() {
        let followed = letters.get(index + 1).is_some_and(|(_, next)| digit_of(*next).is_some());
        match digit_of(*letter) {
            Some(digit) => digits.push(char::from(b'0' + digit)),
            None if index == 0 && *letter == '+' && followed => {}
            None if matches!(letter, ' ' | '-' | '\u{a0}') && followed && !digits.is_empty() => {}
            None => break,
        }
        length = at + letter.len_utf8();
    }
    // Behind it there is no decimal, no comma and no unit.
    let after = &text[length..];
    let goes_on = after.starts_with([',', '.', ':', '/'])
        && after.chars().nth(1).is_some_and(|next| digit_of(next).is_some());
    (digits.len() >= DIGIT_BY_DIGIT && !goes_on && !after.starts_with('%')).then_some((digits, length))
}

/// `9:30`.
fn clock(text: &str) -> Option<(u64, u64, usize)> {
    let (hours, rest) = text.split_once(':')?;
    let hours_number = whole(hours).filter(|number| *number < 24 && hours.chars().count() <= 2)?;
    let minutes: String = rest.chars().take_while(|letter| digit_of(*letter).is_some()).collect();
    let number = whole(&minutes).filter(|number| *number < 60 && minutes.chars().count() == 2)?;
    let seconds = rest[minutes.len()..].strip_prefix(':');
    let is_longer = seconds.is_some_and(|rest| rest.starts_with(|next| digit_of(next).is_some()));
    (!is_longer).then_some((hours_number, number, hours.len() + 1 + minutes.len()))
}

fn whole(text: &str) -> Option<u64> {
    let digits: Option<Vec<u8>> = text.chars().map(digit_of).collect();
    let digits = digits.filter(|digits| !digits.is_empty() && digits.len() <= 15)?;
    Some(digits.into_iter().fold(0, |number, digit| number * 10 + u64::from(digit)))
}

fn money(written: &Written, sign: char, language: Language) -> Option<String> {
    let units = whole(&written.digits)?;
    let hundredths = match written.decimals.len() {
        0 => 0,
        1 => whole(&written.decimals)? * 10,
        2 => whole(&written.decimals)?,
        _ => return None,
    };
    Some(language.money(sign, units, hundredths))
}

fn decimal(written: &Written, language: Language) -> Option<String> {
    let mut words = language.cardinal(whole(&written.digits)?);
    if !written.decimals.is_empty() {
        words = format!("{words} {} {}", language.point(), digit_by_digit(&written.decimals, language));
    }
    Some(words)
}

fn digit_by_digit(digits: &str, language: Language) -> String {
    let words = digits.chars().filter_map(digit_of).map(|digit| language.digit(digit));
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn english_numbers() {
        for (text, wanted) in [
            ("Pay ₹500 now.", "Pay five hundred rupees now."),
            ("Pay Rs. 2,50,000.", "Pay two lakh fifty thousand rupees."),
            ("Rs 1", "one rupee"),
            ("$3.50, or €1", "three dollars and fifty cents, or one euro"),
            ("12.5% off", "twelve point five percent off"),
            ("Come at 9:30 am or 14:05.", "Come at nine thirty am or fourteen oh five."),
            ("At 9:00 pm", "At nine pm"),
            ("At 9:00", "At nine o'clock"),
            ("Call +91 98765 43210.", "Call nine one nine eight seven six five four three two one zero."),
            ("Code 12345678", "Code one two three four five six seven eight"),
            ("1,00,000 people", "one lakh people"),
            ("In 2026, 3 of 12 rooms on 12/05/2026", "In 2026, 3 of 12 rooms on 12/05/2026"),
            ("version 1.2.3 and A4", "version 1.2.3 and A4"),
        ] {
            assert_eq!(in_words(text, Language::IndianEnglish), wanted, "{text}");
        }
    }

    #[test]
    fn hindi_numbers() {
        for (text, wanted) in [
            ("₹1,250 दीजिए", "एक हज़ार दो सौ पचास रुपये दीजिए"),
            ("₹१०", "दस रुपये"),
            ("25% छूट", "पच्चीस प्रतिशत छूट"),
            ("9:30", "नौ बजकर तीस मिनट"),
            ("9:00 बजे तक", "नौ बजे तक"),
            ("98765-43210", "नौ आठ सात छह पाँच चार तीन दो एक शून्य"),
            ("3 लोग", "3 लोग"),
        ] {
            assert_eq!(in_words(text, Language::Hindi), wanted, "{text}");
        }
    }
}
