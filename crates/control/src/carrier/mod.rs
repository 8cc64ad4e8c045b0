//! The one HTTP client for carriers' REST interfaces: it sends what their dialects ask (`carriers::rest`) and says what
//! came of it.
//!
//! Its first rule is that a dial is never sent twice. An answer that is lost, late or senseless leaves the outcome
//! unknown, and whoever asked settles it by asking the carrier, not by dialling again. Only what the carrier says it
//! has not processed (too many requests) is sent again, here, within a bound.

mod check;
mod form;
mod pace;
mod send;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use carriers::rest::{
    Asked, Dial, Dialled, NumberSettings, Rest, RestAnswer, RestFault, RestFaultKind, RestRequest, Seen,
};
use jiff::Timestamp;
use metrics::{counter, histogram};
use secrecy::SecretString;
use tokio::time::Instant;

pub use check::{Finding, NO_SUCH_NUMBER, Wanted, advice, check, told};
pub use form::{FormFault, form_pairs};
use pace::Pace;
pub(crate) use send::builder;
use send::{Lost, Sender};

/// How long a request that only asks may take, or one that may be repeated.
const ASK: Duration = Duration::from_secs(15);
/// No further attempt begins after this.
const ATTEMPTS: Duration = Duration::from_secs(10);
/// How long a dial may wait for its turn, and for a carrier that has too many requests.
const TURN: Duration = Duration::from_secs(30);
/// The first wait between two attempts, and the longest.
const WAITS: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(2)];

/// An account at a carrier: where it is asked, as whom, and how fast.
#[derive(Clone)]
pub struct CarrierAccount {
    /// The carrier's dialect, which knows the account's id.
    pub rest: Arc<dyn Rest>,
    /// Where its REST interface is, without a slash at the end.
    pub base_url: String,
    /// HTTP Basic's user: the account's id or an API key.
    pub user: String,
    /// HTTP Basic's password.
    pub password: SecretString,
    /// How many calls a second may be dialled; 0 stands for as many as one likes.
    pub calls_per_second: f64,
    /// How long the carrier may take to answer a dial.
    pub dial_timeout: Duration,
}

impl fmt::Debug for CarrierAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CarrierAccount")
            .field("carrier", &self.rest.name())
            .field("calls_per_second", &self.calls_per_second)
            .field("dial_timeout", &self.dial_timeout)
            .finish_non_exhaustive()
    }
}

/// No client can be made for an account.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The base URL is none.
    #[error("{carrier}: the base URL is not an http or https address without user, query and fragment")]
    BaseUrl {
        /// The carrier.
        carrier: &'static str,
    },
    /// TLS can't be set up.
    #[error("TLS can't be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// The client can't be set up.
    #[error("the HTTP client can't be set up: {0}")]
    Client(#[from] reqwest::Error),
}

/// What came of wanting a call to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HangUp {
    /// It ends, or had ended.
    Done,
    /// The carrier has no way to end calls over REST.
    NoWay,
}

/// A carrier that can be asked. Cloning gives another handle of the same, with the same pace.
#[derive(Clone)]
pub struct Client(Arc<Shared>);

struct Shared {
    rest: Arc<dyn Rest>,
    sender: Sender,
    pace: Pace,
    dial_timeout: Duration,
}

impl Client {
    /// A client for this account. Nothing is connected until it is needed.
    ///
    /// # Errors
    /// When the base URL is none, or the system's cryptography can't be set up.
    pub fn new(account: CarrierAccount) -> Result<Self, ClientError> {
        let sender = Sender::new(&account)?;
        let CarrierAccount { rest, calls_per_second, dial_timeout, .. } = account;
        Ok(Self(Arc::new(Shared { rest, sender, pace: Pace::new(calls_per_second), dial_timeout })))
    }

    /// The carrier's dialect.
    pub fn rest(&self) -> &dyn Rest {
        &*self.0.rest
    }

    /// Places a call, once. Waits for its turn first, where calls come faster than the account may dial.
    pub async fn dial(&self, dial: &Dial) -> Dialled {
        let start = Instant::now();
        let dialled = self.dial_by(dial, start + TURN).await;
        let outcome = match &dialled {
            Dialled::Taken { .. } => "ok",
            Dialled::Refused(fault) => outcome(fault.kind),
            Dialled::Unknown { .. } => "unknown",
        };
        self.measure("dial", outcome, start);
        let carrier = self.0.rest.name();
        match &dialled {
            Dialled::Taken { .. } => tracing::info!(carrier, call = %dial.call, "dialled"),
            Dialled::Refused(fault) => {
                tracing::warn!(carrier, call = %dial.call, why = %fault.why, "not dialled: refused");
            }
            Dialled::Unknown { why } => {
                tracing::warn!(carrier, call = %dial.call, why, "it is not known whether this was dialled");
            }
        }
        dialled
    }

    async fn dial_by(&self, dial: &Dial, by: Instant) -> Dialled {
        let request = match self.0.rest.dial(dial) {
            Ok(request) => request,
            Err(fault) => return Dialled::Refused(fault),
        };
        let mut wait = Backoff::new();
        loop {
            if let Err(turn) = self.0.pace.wait(by).await {
                let mut fault =
                    RestFault::new(RestFaultKind::Busy, "more calls are waiting than may be dialled");
                fault.retry_after = Some(turn);
                return Dialled::Refused(fault);
            }
            let dialled = match self.0.sender.dial(&request, self.0.dial_timeout).await {
                Ok(answer) => self.0.rest.dialled(answer.as_rest()),
                Err(Lost::NotSent(why)) => {
                    return Dialled::Refused(RestFault::new(RestFaultKind::Network, why));
                }
                Err(Lost::Sent(why) | Lost::TooLong(why)) => return Dialled::Unknown { why },
            };
            match dialled {
                Dialled::Refused(fault) if fault.kind == RestFaultKind::Busy => {
                    if !wait.once(fault.retry_after, by).await {
                        return Dialled::Refused(fault);
                    }
                }
                dialled => return dialled,
            }
        }
    }

    /// Ends a call. One that is over already is a success.
    pub async fn hang_up(&self, carrier_call_id: &str) -> Result<HangUp, RestFault> {
        let Some(request) = self.0.rest.hang_up(carrier_call_id) else { return Ok(HangUp::NoWay) };
        self.ask("hang_up", &request, |answer| self.0.rest.hung_up(answer)).await?;
        Ok(HangUp::Done)
    }

    /// Asks after a call.
    pub async fn look(&self, carrier_call_id: &str) -> Result<Seen, RestFault> {
        let request = self.0.rest.look(carrier_call_id);
        self.ask("look", &request, |answer| self.0.rest.seen(Timestamp::now(), answer)).await
    }

    /// Looks for a call that may have been dialled; see [`Rest::find`] and [`Rest::settles_after`].
    pub async fn find(&self, dial: &Dial, since: Timestamp) -> Result<Vec<Seen>, RestFault> {
        let request = self.0.rest.find(dial, since);
        let found =
            |answer: RestAnswer<'_>| self.0.rest.found(dial, Asked { since, now: Timestamp::now() }, answer);
        self.ask("find", &request, found).await
    }

    /// Whether the credentials are good, and what else the carrier showed.
    pub async fn probe(&self) -> Result<String, RestFault> {
        self.ask("probe", &self.0.rest.probe(), |answer| self.0.rest.probed(answer)).await
    }

    /// Where the calls of a number of the account go. `None` where the carrier can't be asked that.
    pub async fn number(&self, number: &str) -> Option<Result<Option<NumberSettings>, RestFault>> {
        let request = self.0.rest.number(number)?;
        Some(self.ask("probe", &request, |answer| self.0.rest.number_seen(number, answer)).await)
    }

    /// Sends the calls of a number elsewhere. Gives whether the carrier has a way to.
    pub async fn point(&self, id: &str, voice_url: &str, status_url: &str) -> Result<bool, RestFault> {
        let Some(request) = self.0.rest.point(id, voice_url, status_url) else { return Ok(false) };
        self.ask("point", &request, |answer| self.0.rest.probed(answer)).await?;
        Ok(true)
    }

    /// Sends what may be sent any number of times, again where that may help, and no longer than a bound.
    async fn ask<T>(
        &self,
        kind: &'static str,
        request: &RestRequest,
        read: impl Fn(RestAnswer<'_>) -> Result<T, RestFault>,
    ) -> Result<T, RestFault> {
        let start = Instant::now();
        let mut wait = Backoff::new();
        let told = loop {
            let told = match self.0.sender.ask(request, ASK).await {
                Ok(answer) => read(answer.as_rest()),
                Err(Lost::NotSent(why) | Lost::Sent(why)) => Err(RestFault::new(RestFaultKind::Network, why)),
                Err(Lost::TooLong(why)) => Err(RestFault::new(RestFaultKind::Garbage, why)),
            };
            match told {
                Err(fault) if may_help(fault.kind) => {
                    if !wait.once(fault.retry_after, start + ATTEMPTS).await {
                        break Err(fault);
                    }
                }
                told => break told,
            }
        };
        let outcome = told.as_ref().map_or_else(|fault| outcome(fault.kind), |_| "ok");
        self.measure(kind, outcome, start);
        if let Err(fault) = &told {
            tracing::warn!(carrier = self.0.rest.name(), kind, why = %fault.why, "a carrier did not answer well");
        }
        told
    }

    fn measure(&self, kind: &'static str, outcome: &'static str, start: Instant) {
        let carrier = self.0.rest.name();
        counter!("trunkline_carrier_requests_total", "carrier" => carrier, "kind" => kind, "outcome" => outcome)
            .increment(1);
        histogram!("trunkline_carrier_request_seconds", "carrier" => carrier, "kind" => kind)
            .record(start.elapsed().as_secs_f64());
    }
}

/// Whether asking again may go better.
const fn may_help(kind: RestFaultKind) -> bool {
    matches!(kind, RestFaultKind::Busy | RestFaultKind::Server | RestFaultKind::Network)
}

const fn outcome(kind: RestFaultKind) -> &'static str {
    match kind {
        RestFaultKind::Busy => "busy",
        RestFaultKind::Server => "server",
        RestFaultKind::Network => "network",
        RestFaultKind::Auth => "auth",
        RestFaultKind::Request => "request",
        RestFaultKind::NoCall => "no_call",
        RestFaultKind::Garbage => "garbage",
    }
}

/// The waits between attempts: doubling, with jitter so that many do not come back at once, and at least what the
/// carrier asked for.
struct Backoff(Duration);

impl Backoff {
    const fn new() -> Self {
        Self(WAITS[0])
    }

    /// Waits, unless that would take it past `by`. Gives whether it waited.
    async fn once(&mut self, asked: Option<Duration>, by: Instant) -> bool {
        let jitter = f64::from(getrandom::u32().unwrap_or(u32::MAX)) / f64::from(u32::MAX);
        let wait = self.0.mul_f64(0.5 + jitter / 2.0).max(asked.unwrap_or_default());
        self.0 = (self.0 * 2).min(WAITS[1]);
        let until = Instant::now() + wait;
        if until > by {
            return false;
        }
        tokio::time::sleep_until(until).await;
        true
    }
}
