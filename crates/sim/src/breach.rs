//! What a server can do wrong in what it sends, for every carrier: closed lists, each entry with its rule and the
//! document that asks it.

use call::Tick;

/// How much a breach weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    /// The carrier's documents forbid it.
    Error,
    /// They advise against it.
    Warning,
}

/// A rule that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Noted<B> {
    /// Which.
    pub(crate) breach: B,
    /// When it was first broken.
    pub(crate) at: Tick,
    /// How often.
    pub(crate) count: u32,
    /// What was seen the first time.
    pub(crate) seen: String,
}

/// One carrier's list.
pub(crate) trait Breaches: Copy + Ord + 'static {
    /// Every breach, in the order of the list.
    const ALL: &'static [Self];
    /// No sound within two seconds of the start.
    const LATE_GREETING: Self;
    /// The caller is greeted again.
    const TWO_GREETINGS: Self;
    /// No mark behind the greeting, where the carrier's documents want one.
    const NO_GREETING_MARK: Option<Self>;

    /// The rule's id.
    fn id(self) -> &'static str;
    /// What the rule asks.
    fn title(self) -> &'static str;
    /// Who asks it.
    fn source(self) -> &'static str;
    /// How much it weighs.
    fn weight(self) -> Weight;
    /// The carrier's own number for it, where its debugger shows one.
    fn number(self) -> Option<u32>;
    /// Whether it is about whether, when and how often the server greets, which echo servers do not.
    fn is_about_greeting(self) -> bool {
        self == Self::LATE_GREETING || self == Self::TWO_GREETINGS || Some(self) == Self::NO_GREETING_MARK
    }
}

/// Makes one carrier's list: documentation, name, id, weight with the carrier's number where it has one, source, title.
macro_rules! breaches {
    ($($(#[doc = $doc:literal])+ $name:ident, $id:literal, $weight:ident $(($number:literal))?, $source:expr, $title:literal;)+
     greeting without a mark: $mark:expr) => {
        /// What a server can do wrong in what it sends.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Breach {
            $($(#[doc = $doc])+ $name,)+
        }

        impl $crate::breach::Breaches for Breach {
            const ALL: &'static [Self] = &[$(Self::$name),+];
            const LATE_GREETING: Self = Self::LateGreeting;
            const TWO_GREETINGS: Self = Self::TwoGreetings;
            const NO_GREETING_MARK: Option<Self> = $mark;

            fn id(self) -> &'static str {
                match self { $(Self::$name => $id),+ }
            }

            fn title(self) -> &'static str {
                match self { $(Self::$name => $title),+ }
            }

            fn source(self) -> &'static str {
                match self { $(Self::$name => $source),+ }
            }

            fn weight(self) -> $crate::breach::Weight {
                match self { $(Self::$name => $crate::breach::Weight::$weight),+ }
            }

            fn number(self) -> Option<u32> {
                match self { $(Self::$name => [$($number)?].first().copied()),+ }
            }
        }
    };
}
pub(crate) use breaches;
