//! Text as flite can read it. It knows ASCII only: each byte of a curly quote or an accent becomes a word of junk,
//! and "Rs. 500" is spelt out (measured with 2.2). It also keeps all of a text in memory, so long text is cut.

/// The longest piece that is spoken in one go, in characters: some 20 s of speech.
const PIECE: usize = 300;
/// The most that is spoken of one text, in characters: some 5 minutes. The rest is left out.
const MOST: usize = 5_000;

/// `text` in pieces that flite can read, each with something to say in it.
pub(super) fn speakable(text: &str) -> Vec<String> {
    let mut folded = String::with_capacity(text.len());
    for c in text.chars().take(MOST) {
        fold(c, &mut folded);
    }
    if text.chars().nth(MOST).is_some() {
        tracing::warn!(characters = MOST, "a text is too long to be spoken; its end is left out");
    }
    let words: Vec<&str> = folded.split_whitespace().collect();
    pieces(&rupees(&words))
        .into_iter()
        .filter(|piece| piece.contains(|c: char| c.is_ascii_alphanumeric()))
        .collect()
}

/// One character in ASCII, or as a word, or a space.
fn fold(c: char, to: &mut String) {
    match c {
        // `<` would begin markup only in another mode, but is read as "less than" at best.
        '<' | '>' | '`' | '^' | '~' | '|' | '\\' | '{' | '}' | '[' | ']' | '*' | '#' | '_' => to.push(' '),
        ' '..='~' => to.push(c),
        '\u{2018}' | '\u{2019}' | '\u{201b}' | '\u{2032}' | '\u{00b4}' => to.push('\''),
        '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{00ab}' | '\u{00bb}' => to.push('"'),
        '\u{2010}' | '\u{2011}' => to.push('-'),
        '\u{2012}'..='\u{2015}' => to.push_str(", "),
        '\u{2026}' => to.push_str(". "),
        '\u{0964}' => to.push_str(". "),
        '₹' | '₨' => to.push_str(" Rs. "),
        '€' => to.push_str(" euros "),
        '£' => to.push_str(" pounds "),
        '°' => to.push_str(" degrees "),
        '×' => to.push_str(" times "),
        '½' => to.push_str(" and a half "),
        'à'..='å' | 'ā' | 'ă' | 'ą' => to.push('a'),
        'À'..='Å' | 'Ā' => to.push('A'),
        'æ' => to.push_str("ae"),
        'ç' | 'ć' | 'č' => to.push('c'),
        'Ç' | 'Ć' | 'Č' => to.push('C'),
        'è'..='ë' | 'ē' | 'ę' | 'ě' => to.push('e'),
        'È'..='Ë' => to.push('E'),
        'ì'..='ï' | 'ī' => to.push('i'),
        'Ì'..='Ï' => to.push('I'),
        'ñ' | 'ń' | 'ň' => to.push('n'),
        'Ñ' => to.push('N'),
        'ò'..='ö' | 'ø' | 'ō' => to.push('o'),
        'Ò'..='Ö' | 'Ø' => to.push('O'),
        'œ' => to.push_str("oe"),
        'ù'..='ü' | 'ū' => to.push('u'),
        'Ù'..='Ü' => to.push('U'),
        'ý' | 'ÿ' => to.push('y'),
        'ß' => to.push_str("ss"),
        'ś' | 'š' | 'ş' => to.push('s'),
        'Ś' | 'Š' | 'Ş' => to.push('S'),
        'ł' => to.push('l'),
        'ř' => to.push('r'),
        'ź' | 'ż' | 'ž' => to.push('z'),
        // Joined to its word: soft hyphen, zero-width signs, marks of a letter written in two parts.
        '\u{00ad}' | '\u{200b}'..='\u{200d}' | '\u{feff}' | '\u{0300}'..='\u{036f}' => {}
        _ => to.push(' '),
    }
}

/// "Rs. 500", "Rs 500", "Rs.500" and "INR 500" as "500 rupees".
fn rupees(words: &[&str]) -> Vec<String> {
    let mut said = Vec::with_capacity(words.len());
    let mut words = words.iter().copied().peekable();
    while let Some(word) = words.next() {
        let sign = ["Rs.", "Rs", "rs.", "INR"].into_iter().find(|sign| word.starts_with(sign));
        let amount = match sign.map(|sign| &word[sign.len()..]) {
            Some("") => words.next_if(|next| is_amount(next)),
            Some(rest) if is_amount(rest) => Some(rest),
            _ => None,
        };
        match amount {
            Some(amount) => {
                let digits = amount.trim_end_matches(|c: char| !c.is_ascii_digit());
                said.push(digits.trim_end_matches('/').to_owned());
                said.push(format!("rupees{}", amount[digits.len()..].replace(['/', '-'], "")));
            }
            None if sign.is_some_and(|sign| sign == word) => said.push("rupees".to_owned()),
            None => said.push(word.to_owned()),
        }
    }
    said
}

fn is_amount(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
}

/// Pieces of at most [`PIECE`] characters, cut after a sentence, else after a comma, else between words.
fn pieces(words: &[String]) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut piece = String::new();
    for word in words {
        for part in word.as_bytes().chunks(PIECE) {
            // All of it is ASCII by now, so every byte is a character.
            let part: String = part.iter().copied().map(char::from).collect();
            if piece.len() + 1 + part.len() > PIECE {
                pieces.extend(cut(&mut piece));
            }
            if !piece.is_empty() {
                piece.push(' ');
            }
            piece.push_str(&part);
        }
    }
    pieces.push(piece);
    pieces
}

/// Takes what can be spoken off a full piece and leaves the rest in it.
fn cut(piece: &mut String) -> Option<String> {
    let end = [&[". ", "? ", "! "][..], &[", ", "; ", ": "]]
        .iter()
        .find_map(|ends| ends.iter().filter_map(|end| piece.rfind(end)).max())
        .map_or(piece.len(), |end| end + 1);
    let rest = piece[end..].trim_start().to_owned();
    piece.truncate(end);
    let full = std::mem::replace(piece, rest);
    (!full.is_empty()).then_some(full)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_folded_to_what_flite_reads() {
        for (text, spoken) in [
            ("Hello, how are you?", "Hello, how are you?"),
            ("“Don’t” — café naïve señor", "\"Don't\" , cafe naive senor"),
            ("It costs ₹500.", "It costs 500 rupees."),
            (
                "It costs Rs. 1,250, or Rs 20/- each; INR 5",
                "It costs 1,250 rupees, or 20 rupees each; 5 rupees",
            ),
            ("Rs.500 only", "500 rupees only"),
            ("Pay in Rs. please", "Pay in rupees please"),
            ("a\u{0301}b\n\tc", "ab c"),
            ("**bold** [link]", "bold link"),
            ("wait…", "wait."),
        ] {
            assert_eq!(speakable(text), [spoken], "{text}");
        }
    }

    #[test]
    fn what_holds_nothing_to_say_is_left_out() {
        for text in ["", "   ", "...", "\u{0939}\u{093e}\u{0901}", "?!", "🙂"] {
            assert_eq!(speakable(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn long_text_is_cut_at_sentences_and_bounded() {
        let text = "This is one sentence of a long text, and it goes on. ".repeat(20);
        let pieces = speakable(&text);
        assert!(pieces.len() > 1);
        assert!(pieces.iter().all(|piece| piece.len() <= PIECE), "{pieces:?}");
        assert!(pieces.iter().all(|piece| piece.ends_with('.')), "{pieces:?}");
        assert_eq!(pieces.join(" "), text.trim());
        let endless = speakable(&"a".repeat(100_000));
        assert_eq!(endless.iter().map(String::len).sum::<usize>(), MOST);
        assert!(endless.iter().all(|piece| piece.len() <= PIECE));
    }
}
