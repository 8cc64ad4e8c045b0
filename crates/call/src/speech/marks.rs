//! Marks that are written and not said: markdown, emoji, arrows.

use super::words::Language;

/// Whether the line opens or closes a block of code.
pub(super) fn is_fence(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("```") && line.matches("```").count() == 1 || line.starts_with("~~~")
}

/// The line without what makes it a heading, a quotation, a list's item or a table's row.
pub(super) fn without_block(line: &str) -> String {
    let line = line.trim();
    if line.starts_with('|') && line.len() > 1 {
        let cells = line
            .trim_matches('|')
            .split('|')
            .map(str::trim)
            .filter(|cell| !cell.is_empty() && !cell.chars().all(|letter| "-: ".contains(letter)));
        return cells.collect::<Vec<_>>().join(", ");
    }
    let heading = line.trim_start_matches('#');
    let line =
        if heading.len() < line.len() && heading.starts_with(' ') { heading.trim_start() } else { line };
    let line = line.strip_prefix("> ").unwrap_or(line);
    for bullet in ["- ", "* ", "+ ", "• "] {
        if let Some(item) = line.strip_prefix(bullet) {
            return item.trim_start().to_owned();
        }
    }
    line.to_owned()
}

/// The line without the marks of links, code and stress.
pub(super) fn without_spans(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(open) = rest.find('[') {
        let link = rest[open..].find("](").map(|middle| open + middle);
        let end = link.and_then(|middle| rest[middle..].find(')').map(|end| (middle, middle + end)));
        let Some((middle, end)) = end else { break };
        plain.push_str(rest[..open].strip_suffix('!').unwrap_or(&rest[..open]));
        plain.push_str(&rest[open + 1..middle]);
        rest = &rest[end + 1..];
    }
    plain.push_str(rest);
    let plain = plain.replace("**", "").replace("__", "").replace("~~", "").replace('`', "");
    let is_address = |word: &str| word.contains("://") || word.contains('@') || word.starts_with("www.");
    let words = plain.split(' ').map(|word| {
        if is_address(word) {
            word.to_owned()
        } else {
            word.trim_matches('_').replace('*', "").replace('_', " ")
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The text without emoji and signs that no voice says well.
pub(super) fn without_signs(text: &str, language: Language) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut before = ' ';
    for letter in text.chars() {
        match letter {
            '&' => {
                plain.push(' ');
                plain.push_str(language.and());
                plain.push(' ');
            }
            '→' | '⇒' | '➜' | '•' | '|' => plain.push_str(" , "),
            '—' | '–' if before == ' ' => plain.push_str(", "),
            '~' | '^' | '\\' | '<' | '>' | '{' | '}' => plain.push(' '),
            // Joiners belong to Indian letters, and hold emoji together elsewhere.
            '\u{200c}' | '\u{200d}' if is_indian(before) => plain.push(letter),
            other if is_unsayable(other) => {}
            other => plain.push(other),
        }
        before = letter;
    }
    plain
}

fn is_indian(letter: char) -> bool {
    ('\u{0900}'..='\u{0dff}').contains(&letter)
}

fn is_unsayable(letter: char) -> bool {
    matches!(letter,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{20e3}' | '\u{2190}'..='\u{21ff}' | '\u{2300}'..='\u{23ff}' | '\u{2460}'..='\u{27bf}'
        | '\u{2900}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}' | '\u{e0000}'..='\u{e007f}')
}
