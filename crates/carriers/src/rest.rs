//! Placing, ending and asking after calls: what a carrier's REST interface is asked and what its answers mean, as
//! values. Each carrier's folder has a [`Rest`] of its own; whoever sends the requests is the control plane.

mod flat;
mod form;
mod words;

use std::fmt;
use std::time::Duration;

use records::{AnsweredBy, CallEvent, CallStatus};

pub(crate) use flat::Flat;
pub use form::form_pairs;
pub(crate) use words::{digest, masked, status_fault, with_parameter};

/// A request to a carrier, to be sent under its base URL with its credentials as HTTP Basic.
#[derive(Clone, PartialEq, Eq)]
pub struct RestRequest {
    /// Whether it is `POST` with the form; else `GET`.
    pub is_post: bool,
    /// Path and query below the base URL, beginning with `/`, percent-encoded.
    pub target: String,
    /// Fields of the form, in order; a name may come several times.
    pub form: Vec<(String, String)>,
}

impl RestRequest {
    pub(crate) fn get(target: String) -> Self {
        Self { is_post: false, target, form: Vec::new() }
    }

    pub(crate) fn post(target: String, form: Vec<(String, String)>) -> Self {
        Self { is_post: true, target, form }
    }
}

impl fmt::Debug for RestRequest {
    /// Without the query and the form's values: there are numbers and secrets among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestRequest")
            .field("is_post", &self.is_post)
            .field("target", &self.target.split('?').next())
            .field("form", &self.form.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .finish()
    }
}

/// A carrier's answer.
#[derive(Debug, Clone, Copy)]
pub struct RestAnswer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// `Retry-After`, where it was there.
    pub retry_after: Option<Duration>,
    /// The body.
    pub body: &'a [u8],
}

/// A call to be placed.
///
/// The URLs are given without our id of the call. The carrier's dialect adds it, in the way in which that carrier gives
/// it back: `call=<id>` in the query of the answer, status and machine URLs; at Exotel also `call_ref=<id>` in the query
/// of the media URL, and the custom field.
#[derive(Clone, PartialEq, Eq)]
pub struct Dial {
    /// Our id of the call. It goes along and comes back in callbacks.
    pub call: String,
    /// The number to call, E.164.
    pub to: String,
    /// The number shown: one of the account's own.
    pub from: String,
    /// How long it may ring, in seconds.
    pub ring_s: u32,
    /// How long the call may take, in seconds.
    pub longest_s: u32,
    /// Where the carrier asks what to do when it is answered; for a carrier that asks (Twilio).
    pub answer_url: String,
    /// The media socket's URL, for a carrier that is given it when dialling (Exotel, number to bot).
    pub media_url: String,
    /// Where the carrier tells how the call goes.
    pub status_url: String,
    /// Whether and how the carrier is to find out who picked up.
    pub machine: MachineDetection,
    /// Where the carrier tells who picked up.
    pub machine_url: String,
}

impl fmt::Debug for Dial {
    /// Without numbers and URLs: a URL may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dial")
            .field("call", &self.call)
            .field("ring_s", &self.ring_s)
            .field("longest_s", &self.longest_s)
            .field("machine", &self.machine)
            .finish_non_exhaustive()
    }
}

/// Whether the carrier listens for an answering machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MachineDetection {
    /// No.
    #[default]
    Off,
    /// It says whether it is one as soon as it knows.
    Detect,
    /// It waits until the machine's greeting is over, and says so.
    MessageEnd,
}

/// What became of a request to dial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dialled {
    /// The carrier took the call.
    Taken {
        /// Its id of it.
        id: String,
        /// How far it got.
        status: CallStatus,
    },
    /// The carrier did not dial, and says so.
    Refused(RestFault),
    /// It may have dialled or not: the answer was lost, late or senseless. Never to be dialled again blindly.
    Unknown {
        /// What is known about it, without numbers and secrets.
        why: String,
    },
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct RestFault {
    /// What kind of refusal.
    pub kind: RestFaultKind,
    /// The carrier's code and words, without numbers and secrets.
    pub why: String,
    /// When the carrier said that it may be asked again.
    pub retry_after: Option<Duration>,
}

/// What a refusal calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestFaultKind {
    /// It was not done, and may be asked again later: too many requests.
    Busy,
    /// The server failed. Whether it was done is not known for requests that act, so that a dial never gives this.
    Server,
    /// The carrier was not reached. For a dial: not a byte of it was sent. For requests that may be repeated: nothing
    /// came back in time.
    Network,
    /// The credentials are wrong, or may not do this.
    Auth,
    /// The request itself: a number that can't be called or shown, a setting.
    Request,
    /// There is no such call, or nothing else of that name.
    NoCall,
    /// The answer made no sense.
    Garbage,
}

impl RestFault {
    /// A fault of this kind; `why` without numbers and secrets.
    pub fn new(kind: RestFaultKind, why: impl Into<String>) -> Self {
        Self { kind, why: why.into(), retry_after: None }
    }
}

/// What the carrier says about a call when asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Its id of the call.
    pub id: String,
    /// The status; `None` where its word is unknown.
    pub status: Option<CallStatus>,
    /// When the carrier took it, to the second and by its own clock; `None` where it does not say.
    pub made: Option<jiff::Timestamp>,
    /// Everything it said, ready to be applied to the record; the status among it, where it is one that the carrier's
    /// word may be taken for.
    pub events: Vec<CallEvent>,
}

/// Where a carrier sends the calls of one of the account's numbers.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct NumberSettings {
    /// Its id of the number.
    pub id: String,
    /// Whom it asks what to do with a call; empty where it asks nobody.
    pub voice_url: String,
    /// Whether it asks by `POST`; else by `GET`.
    pub is_post: bool,
    /// Where it tells how a call goes; empty where it tells nobody.
    pub status_url: String,
    /// Whether something else that the carrier has takes the calls, so that the voice URL means nothing.
    pub elsewhere: bool,
}

impl fmt::Debug for NumberSettings {
    /// Without the URLs: one may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NumberSettings").field("id", &self.id).finish_non_exhaustive()
    }
}

/// When a call was looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Calls that were made before this are not meant.
    pub since: jiff::Timestamp,
    /// The present.
    pub now: jiff::Timestamp,
}

/// How long after a dial's beginning the carrier may have made the call of it: the longest request, the way there, and
/// clocks that differ.
pub const DIAL_WINDOW: Duration = Duration::from_secs(300);

impl Asked {
    /// Whether a call that was made `at` may be the one.
    pub(crate) fn means(self, at: jiff::Timestamp) -> bool {
        // Carriers give whole seconds.
        let since = self.since.as_second();
        (since..=since + DIAL_WINDOW.as_secs().cast_signed()).contains(&at.as_second())
    }
}

/// A callback that was understood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Callback {
    /// The carrier's id of the call; empty where it names none, and then there is nothing else either.
    pub carrier_call_id: String,
    /// Our id of the call where the body gives it back (Exotel's custom field), else empty. Where it comes in the
    /// callback's URL instead, whoever has the URL reads it there.
    pub call: String,
    /// What makes this one differ from every other: the carrier's own token for it, or a digest of what it says.
    pub key: String,
    /// What it says.
    pub events: Vec<CallEvent>,
    /// Who picked up, where it is about that.
    pub answered_by: Option<AnsweredBy>,
    /// Oddities, for the log: unknown status words and the like.
    pub findings: Vec<&'static str>,
}

/// A carrier's REST interface, without the sending.
pub trait Rest: Send + Sync {
    /// The carrier's name in records, configuration and paths.
    fn name(&self) -> &'static str;

    /// To place a call. An error where the call can't be put into a request.
    fn dial(&self, dial: &Dial) -> Result<RestRequest, RestFault>;
    /// What came of it.
    fn dialled(&self, answer: RestAnswer<'_>) -> Dialled;

    /// To end a call; `None` where the carrier has no way to.
    fn hang_up(&self, carrier_call_id: &str) -> Option<RestRequest>;
    /// What came of it. A call that is over already counts as ended.
    fn hung_up(&self, answer: RestAnswer<'_>) -> Result<(), RestFault>;

    /// To ask after a call.
    fn look(&self, carrier_call_id: &str) -> RestRequest;
    /// What it says.
    fn seen(&self, now: jiff::Timestamp, answer: RestAnswer<'_>) -> Result<Seen, RestFault>;

    /// How long after a call's end what comes late is known: what it took and cost.
    fn details_after(&self) -> Duration {
        Duration::from_secs(300)
    }

    /// To look for a call that may have been dialled; `since` is shortly before it was, by enough to forgive clocks
    /// that differ.
    fn find(&self, dial: &Dial, since: jiff::Timestamp) -> RestRequest;
    /// The calls that may be it, newest first: those that the carrier made between the dial's two numbers within
    /// [`DIAL_WINDOW`] after `since`. There may be one among them that was dialled for another reason.
    fn found(&self, dial: &Dial, asked: Asked, answer: RestAnswer<'_>) -> Result<Vec<Seen>, RestFault>;
    /// How long after the dial a call that is not found was never placed. Before that its absence proves nothing.
    fn settles_after(&self, dial: &Dial) -> Duration;

    /// To see whether the credentials are good, at no cost.
    fn probe(&self) -> RestRequest;
    /// Whether they are, and what else it showed, in words.
    fn probed(&self, answer: RestAnswer<'_>) -> Result<String, RestFault>;

    /// To see where the calls of a number of the account go; `None` where the carrier can't be asked that.
    fn number(&self, number: &str) -> Option<RestRequest>;
    /// Where they do; `None` where the account has no such number.
    fn number_seen(&self, number: &str, answer: RestAnswer<'_>) -> Result<Option<NumberSettings>, RestFault>;
    /// To send them elsewhere. [`Rest::number`] shows what came of it.
    fn point(&self, id: &str, voice_url: &str, status_url: &str) -> Option<RestRequest>;
}
