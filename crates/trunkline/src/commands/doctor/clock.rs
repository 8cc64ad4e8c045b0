//! This machine's clock, against those of others: signatures and tokens hold for a minute, and a call's times are its
//! machine's.

use super::finding::Finding;

/// By how much a clock may be off: half of what the shortest-lived token of ours and of vendors holds for.
const OFF_S: i64 = 30;

/// What is to be said, from how far ahead the clocks of others are. `own` says whether all of them may be this machine's
/// own.
pub(super) fn finding(ahead: &[(String, i64)], own: bool) -> Finding {
    // Most clocks of others are right, so the middle one is.
    let mut sorted: Vec<&(String, i64)> = ahead.iter().collect();
    sorted.sort_by_key(|(_, ahead)| *ahead);
    let Some((by, ahead)) = sorted.get(sorted.len() / 2) else {
        let why = "nobody else's clock was seen; --online asks the carriers";
        return Finding::left_out("clock", "the clock", why);
    };
    let name = format!("the clock, by {by}");
    if ahead.abs() > OFF_S {
        let way = if *ahead > 0 { "behind" } else { "ahead" };
        let problem = format!(
            "it is {} s {way}; signatures, tokens and certificates are taken for old or for new",
            ahead.abs()
        );
        return Finding::fail("clock", name, problem).fix("sudo timedatectl set-ntp true");
    }
    if own {
        let why = "the answer through the public address may bear this machine's own time; --online asks the carriers";
        return Finding::left_out("clock", name, why);
    }
    Finding::ok("clock", format!("{name}: within {} s", ahead.abs().max(1)))
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;

    #[test]
    fn one_clock_that_is_off_does_not_make_ours_wrong() {
        let told = |ahead: &[i64]| {
            let ahead: Vec<(String, i64)> = ahead.iter().map(|ahead| ("x".to_owned(), *ahead)).collect();
            finding(&ahead, false)
        };
        assert_eq!(told(&[]).state, State::LeftOut);
        assert_eq!(told(&[30]).state, State::Ok);
        assert_eq!(told(&[0, 0, 4000]).state, State::Ok);
        let behind = told(&[31]);
        assert!(behind.problem.as_ref().is_some_and(|problem| problem.contains("31 s behind")), "{behind:?}");
        assert!(told(&[-100, -90, 0]).problem.is_some_and(|problem| problem.contains("90 s ahead")));
        assert_eq!(finding(&[("x".to_owned(), 0)], true).state, State::LeftOut);
        assert_eq!(finding(&[("x".to_owned(), 99)], true).state, State::Fail);
    }
}
