//! How a call goes, by the number that is called: who is there, how the carrier answers the request to dial, and what
//! becomes of its callbacks.

use serde::{Deserialize, Serialize};

/// How a call goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Manner {
    /// Who is there.
    pub person: Person,
    /// How the request to dial is answered.
    pub answering: Answering,
    /// What becomes of the callbacks.
    pub callbacks: Callbacks,
}

/// Who is at the number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Person {
    /// Answers, says what the settings let it say, waits for the answer, hangs up.
    #[default]
    Talks,
    /// Answers, says nothing and stays for so many milliseconds.
    Silent(u64),
    /// Answers and talks over the agent.
    Interrupts,
    /// Answers; after so many milliseconds the line breaks, without a goodbye.
    Vanishes(u64),
    /// Talks to somebody else: busy.
    Busy,
    /// Does not answer.
    Away,
    /// The network refuses the number.
    Unreachable,
    /// An answering machine: it speaks, then beeps, then records.
    Machine,
    /// A fax.
    Fax,
    /// Talks, and the carrier can't tell what it is.
    Unknown,
    /// Never gets out of the carrier's queue.
    Queued,
}

/// How the request to dial is answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answering {
    /// As documented.
    #[default]
    Taken,
    /// As documented, so many milliseconds late.
    Late(u64),
    /// The call is made; the answer never comes.
    HangsAfter,
    /// No call is made, and the answer never comes.
    HangsBefore,
    /// The call is made; then the connection breaks.
    CutAfter,
    /// The connection breaks before a call is made.
    CutBefore,
    /// The call is made; the answer is 200 and means nothing.
    Garbage,
    /// The call is made; the answer is a proxy's page with 502.
    Proxy,
    /// The call is made; the answer is 500.
    ErrorAfter,
    /// No call is made; the answer is 500.
    ErrorBefore,
    /// Refused with the carrier's error for this, such as 21211 (Twilio) or 400 (Exotel).
    Refused(u32),
    /// Refused for too many requests, the first time that it is asked; then taken.
    BusyOnce,
    /// Refused for too many requests.
    Busy,
}

/// What becomes of a call's callbacks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Callbacks {
    /// They are held back until the call is over and come the wrong way round.
    pub reversed: bool,
    /// Each comes twice.
    pub twice: bool,
    /// Each comes so many milliseconds late.
    pub late_ms: u64,
    /// Which are lost.
    pub lost: Lost,
    /// They are signed with another token (Twilio only; Exotel's are not signed).
    pub forged: bool,
}

/// Which callbacks are lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lost {
    /// None.
    #[default]
    None,
    /// All.
    All,
    /// The final one.
    Final,
    /// All but the final one.
    ButFinal,
}

/// Ends of numbers that have a meaning: the last four digits, and what comes of them, for people. Any other number is
/// answered by somebody who talks.
pub const NUMBERS: [(&str, &str); 30] = [
    ("9001", "busy"),
    ("9002", "does not answer"),
    ("9003", "can't be reached: the call fails"),
    ("9004", "answers, says nothing, hangs up after 2 s"),
    ("9005", "an answering machine: speaks, beeps, records"),
    ("9006", "a fax"),
    ("9007", "answers and says nothing for 20 s"),
    ("9008", "talks; who it is can't be told"),
    ("9009", "stays in the carrier's queue"),
    ("9010", "answers and talks over the agent"),
    ("9041", "answers; the line breaks after 2 s"),
    ("9011", "callbacks come after the end, the wrong way round"),
    ("9012", "each callback comes twice"),
    ("9013", "each callback comes 3 s late"),
    ("9014", "no callback comes"),
    ("9015", "the final callback does not come"),
    ("9016", "only the final callback comes"),
    ("9017", "callbacks are signed with another token (Twilio)"),
    ("9021", "called, and the request is never answered"),
    ("9022", "not called, and the request is never answered"),
    ("9023", "called, and the connection breaks"),
    ("9024", "not called: the connection breaks"),
    ("9025", "called, and the answer means nothing"),
    ("9026", "called, and the answer is a proxy's page with 502"),
    ("9027", "called, and the answer is 500"),
    ("9028", "not called: the answer is 500"),
    ("9029", "called, and the answer comes 3 s late"),
    ("9031", "refused: the number is not valid"),
    ("9032", "refused once for too many requests, then called"),
    ("9033", "refused for too many requests, always"),
];

impl Manner {
    /// What the number's last four digits ask for.
    pub fn of_number(number: &str) -> Self {
        let end = number.len().checked_sub(4).and_then(|at| number.get(at..)).unwrap_or_default();
        let person = |person| Self { person, ..Self::default() };
        let answering = |answering| Self { answering, ..Self::default() };
        let callbacks = |callbacks| Self { callbacks, ..Self::default() };
        let none = Callbacks::default();
        match end {
            "9001" => person(Person::Busy),
            "9002" => person(Person::Away),
            "9003" => person(Person::Unreachable),
            "9004" => person(Person::Silent(2_000)),
            "9005" => person(Person::Machine),
            "9006" => person(Person::Fax),
            "9007" => person(Person::Silent(20_000)),
            "9008" => person(Person::Unknown),
            "9009" => person(Person::Queued),
            "9010" => person(Person::Interrupts),
            "9041" => person(Person::Vanishes(2_000)),
            "9011" => callbacks(Callbacks { reversed: true, ..none }),
            "9012" => callbacks(Callbacks { twice: true, ..none }),
            "9013" => callbacks(Callbacks { late_ms: 3_000, ..none }),
            "9014" => callbacks(Callbacks { lost: Lost::All, ..none }),
            "9015" => callbacks(Callbacks { lost: Lost::Final, ..none }),
            "9016" => callbacks(Callbacks { lost: Lost::ButFinal, ..none }),
            "9017" => callbacks(Callbacks { forged: true, ..none }),
            "9021" => answering(Answering::HangsAfter),
            "9022" => answering(Answering::HangsBefore),
            "9023" => answering(Answering::CutAfter),
            "9024" => answering(Answering::CutBefore),
            "9025" => answering(Answering::Garbage),
            "9026" => answering(Answering::Proxy),
            "9027" => answering(Answering::ErrorAfter),
            "9028" => answering(Answering::ErrorBefore),
            "9029" => answering(Answering::Late(3_000)),
            "9031" => answering(Answering::Refused(21_211)),
            "9032" => answering(Answering::BusyOnce),
            "9033" => answering(Answering::Busy),
            _ => Self::default(),
        }
    }
}

impl Answering {
    /// Whether a call is made.
    pub(super) const fn makes_a_call(self) -> bool {
        !matches!(
            self,
            Self::HangsBefore
                | Self::CutBefore
                | Self::ErrorBefore
                | Self::Refused(_)
                | Self::BusyOnce
                | Self::Busy
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_the_table_means_something_and_no_two_mean_the_same() {
        let mut seen: Vec<Manner> = vec![Manner::default()];
        for (end, what) in NUMBERS {
            let manner = Manner::of_number(&format!("+1202555{end}"));
            assert!(!seen.contains(&manner), "{end}: {what}");
            seen.push(manner);
        }
        assert_eq!(Manner::of_number("12"), Manner::default());
    }

    #[test]
    fn a_manner_can_be_sent_as_json() {
        let read = |text| serde_json::from_str::<Manner>(text);
        let manner =
            read(r#"{"person":{"silent":500},"callbacks":{"twice":true,"lost":"but_final"}}"#).unwrap();
        assert_eq!(manner.person, Person::Silent(500));
        assert_eq!((manner.callbacks.twice, manner.callbacks.lost), (true, Lost::ButFinal));
        assert_eq!(read(r#"{"person":"busy"}"#).unwrap().person, Person::Busy);
        assert!(read(r#"{"persn":"busy"}"#).is_err());
    }
}
