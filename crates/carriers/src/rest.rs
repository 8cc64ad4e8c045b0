//! Placing, ending and asking after calls: what a carrier's REST interface is asked and what its answers mean, as
//! values. Each carrier's folder has a [`Rest`] of its own; whoever sends the requests is the control plane.

use std::time::Duration;

use records::{AnsweredBy, CallEvent, CallStatus};

/// A request to a carrier, to be sent under its base URL with its credentials as HTTP Basic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestRequest {
    /// Whether it is `POST` with the form; else `GET`.
    pub is_post: bool,
    /// Path and query below the base URL, beginning with `/`, percent-encoded.
    pub target: String,
    /// Fields of the form, in order; a name may come several times.
    pub form: Vec<(String, String)>,
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
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Where the carrier asks what to do when it is answered (Twilio), or its flow is (Exotel, number to flow).
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
    /// The server failed. Whether it was done is not known for requests that act.
    Server,
    /// Nothing came back: for requests that only ask.
    Network,
    /// The credentials are wrong, or may not do this.
    Auth,
    /// The request itself: a number that can't be called or shown, a setting.
    Request,
    /// There is no such call.
    NoCall,
    /// The answer made no sense.
    Garbage,
}

/// What the carrier says about a call when asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Its id of the call.
    pub id: String,
    /// The status; `None` where its word is unknown.
    pub status: Option<CallStatus>,
    /// Everything it said, ready to be applied to the record; the status among it, where it is one that the carrier's
    /// word may be taken for.
    pub events: Vec<CallEvent>,
}

/// A callback that was understood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Callback {
    /// The carrier's id of the call.
    pub carrier_call_id: String,
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

    /// To look for a call that may have been dialled; `since` is shortly before it was.
    fn find(&self, dial: &Dial, since: jiff::Timestamp) -> RestRequest;
    /// The calls that may be it, newest first.
    fn found(
        &self,
        dial: &Dial,
        now: jiff::Timestamp,
        answer: RestAnswer<'_>,
    ) -> Result<Vec<Seen>, RestFault>;
}
