//! What the carriers' stand-ins share: accounts, pace, who is at which number, and the ledger.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use tokio::time::Instant;

use super::exotel::ExotelCalls;
use super::twilio::TwilioCalls;
use super::{Ledger, Manner};
use crate::phone::{Detour, Speech};

/// How the carriers are set up.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Twilio's account.
    pub twilio: TwilioAccount,
    /// Exotel's account.
    pub exotel: ExotelAccount,
    /// How fast everything goes.
    pub pace: Pace,
    /// What somebody who talks says, at 8 kHz; without it a built-in recording.
    pub speech: Option<Speech>,
    /// Where the server is reached, when not at the address that it goes by.
    pub detour: Option<Detour>,
}

/// Twilio's account.
#[derive(Debug, Clone)]
pub struct TwilioAccount {
    /// `AC` and 32 hexadecimal digits.
    pub sid: String,
    /// Its auth token: the password of the REST interface, and what signs webhooks.
    pub token: SecretString,
    /// An API key with its secret, which the REST interface takes too.
    pub key: Option<(String, SecretString)>,
    /// Its numbers, which may be shown; empty means any.
    pub numbers: Vec<String>,
}

/// Exotel's account.
#[derive(Debug, Clone)]
pub struct ExotelAccount {
    /// Its name in paths.
    pub sid: String,
    /// The API key: the user.
    pub key: String,
    /// The API token: the password.
    pub token: SecretString,
    /// What a flow (`Url` of a call) does.
    pub flow: Flow,
    /// Whom the Passthru applet behind a flow's Voicebot tells.
    pub passthru: Option<Passthru>,
    /// How many media sockets may be open; a call beyond that gets none.
    pub streams: u32,
    /// Whether lists show calls that go on. Exotel's page on them has said that they do not, and has named their states
    /// among those that can be asked for.
    pub lists_running: bool,
}

/// A Passthru applet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passthru {
    /// Whom it tells.
    pub url: String,
    /// Whether the stream's fields are one text of JSON; else they have bracketed keys.
    pub as_json: bool,
}

/// What Exotel's flow does with a call that is given to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Flow {
    /// Something without a Voicebot: the call lasts a moment.
    #[default]
    Elsewhere,
    /// A Voicebot applet with this URL: the socket, or the connect webhook.
    Voicebot(String),
}

/// How fast everything goes.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// From the queue to the first ring.
    pub setup: Duration,
    /// From the first ring to the answer.
    pub ring: Duration,
    /// How long the carrier listens before it says who answered.
    pub verdict: Duration,
    /// How long after the end Exotel fills in duration and price.
    pub settles: Duration,
    /// Calls that Twilio dials a second; more wait in its queue. 0 means any number.
    pub calls_a_second: u32,
    /// Calls that Exotel takes a minute; more are refused.
    pub calls_a_minute: u32,
    /// How long somebody who answered waits to be spoken to, and for an answer.
    pub patience: Duration,
    /// How long an unanswered call rings at most, whatever was asked for.
    pub longest_ring: Duration,
}

impl Default for Settings {
    /// Invented accounts, everything at the pace of tests.
    fn default() -> Self {
        Self {
            twilio: TwilioAccount {
                sid: format!("AC{:032x}", 0xa11),
                token: "12345".into(),
                key: None,
                numbers: Vec::new(),
            },
            exotel: ExotelAccount {
                sid: "acme1".to_owned(),
                key: "key".to_owned(),
                token: "token".into(),
                flow: Flow::Elsewhere,
                passthru: None,
                streams: 100,
                lists_running: false,
            },
            pace: Pace::default(),
            speech: None,
            detour: None,
        }
    }
}

impl Default for Pace {
    /// Quick, and with the carriers' own limits but for Twilio's queue.
    fn default() -> Self {
        Self {
            setup: Duration::from_millis(50),
            ring: Duration::from_millis(150),
            verdict: Duration::from_millis(400),
            settles: Duration::from_millis(300),
            calls_a_second: 0,
            calls_a_minute: 200,
            patience: Duration::from_secs(4),
            longest_ring: Duration::from_secs(2),
        }
    }
}

impl Pace {
    /// As it is outside of tests.
    pub const fn real() -> Self {
        Self {
            setup: Duration::from_millis(900),
            ring: Duration::from_millis(2_500),
            verdict: Duration::from_millis(3_500),
            settles: Duration::from_secs(120),
            calls_a_second: 1,
            calls_a_minute: 200,
            patience: Duration::from_secs(8),
            longest_ring: Duration::from_secs(600),
        }
    }
}

/// All carriers. Cheap to clone: all clones are the same.
#[derive(Debug, Clone, Default)]
pub struct World(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    settings: Settings,
    ledger: Ledger,
    manners: Mutex<BTreeMap<String, Manner>>,
    clock: Mutex<Clock>,
    twilio: TwilioCalls,
    exotel: ExotelCalls,
}

/// What depends on when the last one was.
#[derive(Debug, Default)]
struct Clock {
    ids: u64,
    next_dial: Option<Instant>,
    /// When Exotel took calls during the last minute.
    taken: Vec<Instant>,
    /// Numbers that were refused once.
    refused: Vec<String>,
}

impl World {
    /// Carriers that are set up so.
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(Inner { settings, ..Inner::default() }))
    }

    /// How they are set up.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// What happened.
    pub fn ledger(&self) -> &Ledger {
        &self.0.ledger
    }

    /// From now on calls to this number go so.
    pub fn treat(&self, number: &str, manner: Manner) {
        self.0.manners.lock().unwrap_or_else(PoisonError::into_inner).insert(digits(number), manner);
    }

    /// How a call to this number goes now.
    pub(super) fn manner(&self, number: &str) -> Manner {
        let manners = self.0.manners.lock().unwrap_or_else(PoisonError::into_inner);
        manners.get(&digits(number)).cloned().unwrap_or_else(|| Manner::of_number(number))
    }

    pub(super) fn twilio(&self) -> &TwilioCalls {
        &self.0.twilio
    }

    pub(super) fn exotel(&self) -> &ExotelCalls {
        &self.0.exotel
    }

    /// 32 hexadecimal digits that were not given out before, and by no other stand-in.
    pub(super) fn id(&self) -> String {
        let moment = Timestamp::now().as_nanosecond() as u64;
        let mut clock = self.clock();
        clock.ids += 1;
        format!("{:016x}{:016x}", moment.wrapping_mul(0x9e37_79b9_7f4a_7c15), clock.ids)
    }

    /// How long Twilio's queue is for the next call, which takes its place in it.
    pub(super) fn queue(&self) -> Duration {
        let rate = self.0.settings.pace.calls_a_second;
        if rate == 0 {
            return Duration::ZERO;
        }
        let now = Instant::now();
        let mut clock = self.clock();
        let at = clock.next_dial.map_or(now, |next| next.max(now));
        clock.next_dial = Some(at + Duration::from_secs(1) / rate);
        at - now
    }

    /// Whether Exotel takes another call in this minute.
    pub(super) fn takes_another(&self) -> bool {
        let (now, most) = (Instant::now(), self.0.settings.pace.calls_a_minute as usize);
        let mut clock = self.clock();
        clock.taken.retain(|at| now.duration_since(*at) < Duration::from_secs(60));
        let takes = clock.taken.len() < most;
        if takes {
            clock.taken.push(now);
        }
        takes
    }

    /// Whether this number is refused for the first time.
    pub(super) fn is_first_refusal(&self, number: &str) -> bool {
        let mut clock = self.clock();
        let is_first = !clock.refused.iter().any(|known| known == number);
        if is_first {
            clock.refused.push(number.to_owned());
        }
        is_first
    }

    fn clock(&self) -> std::sync::MutexGuard<'_, Clock> {
        self.0.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What two spellings of one number have in common: its last ten digits.
fn digits(number: &str) -> String {
    let all: String = number.chars().filter(char::is_ascii_digit).collect();
    all[all.len().saturating_sub(10)..].to_owned()
}
