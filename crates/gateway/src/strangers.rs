//! How often strangers may knock. Whoever proves to be a carrier is never refused here, however many strangers share
//! its address: the proof is looked at first, and only what has none is counted and, beyond the limit, told to wait.
//! Where a carrier has no way to prove itself (Exotel's webhooks) nothing is refused at all: the answer stays the same,
//! and what it would have cost us is left out.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::response::Response;
use http::{Extensions, HeaderValue, StatusCode, header};
use metrics::counter;
use records::{Throttle, holder};

use crate::listener::Peer;
use crate::problem::problem;

/// Refused requests that one address may make at once, and how many a second from then on.
const REFUSED: (u32, u64) = (60, 2);
/// Webhooks that can't be proven: what they open and write, likewise. Exotel places 200 calls a minute at most.
const UNPROVEN: (u32, u64) = (1_000, 200);

/// What strangers have done of late, by the address of each.
pub(crate) struct Strangers {
    began: Instant,
    refused: Mutex<Throttle<IpAddr>>,
    unproven: Mutex<Throttle<IpAddr>>,
}

impl Default for Strangers {
    fn default() -> Self {
        let throttle = |(burst, a_second): (u32, u64)| Mutex::new(Throttle::new(burst, 1_000_000 / a_second));
        Self { began: Instant::now(), refused: throttle(REFUSED), unproven: throttle(UNPROVEN) }
    }
}

impl Strangers {
    /// A request without proof is refused: the answer instead of the usual one, where its address has had enough of
    /// those. `None` without an address: nobody is told from others then.
    pub(crate) fn refuse(&self, who: Option<IpAddr>) -> Option<Response> {
        let wait = self.take(&self.refused, who?).err()?;
        counter!("trunkline_throttled_total", "what" => "refused").increment(1);
        let detail = "Too many requests without a proof came from this address. One with a proof is taken all the same.";
        let mut response = problem(StatusCode::TOO_MANY_REQUESTS, "Too many requests", detail);
        let seconds = Duration::from_micros(wait).as_secs() + 1;
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        Some(response)
    }

    /// Whether what a webhook without proof asks for may cost something.
    pub(crate) fn may_cost(&self, who: Option<IpAddr>) -> bool {
        let may = who.is_none_or(|who| self.take(&self.unproven, who).is_ok());
        if !may {
            counter!("trunkline_throttled_total", "what" => "unproven").increment(1);
        }
        may
    }

    fn take(&self, throttle: &Mutex<Throttle<IpAddr>>, who: IpAddr) -> Result<(), u64> {
        let now = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let mut throttle = throttle.lock().unwrap_or_else(PoisonError::into_inner);
        throttle.take(holder(who), now).map(|_| ())
    }
}

/// Who asks, as the listener saw it.
pub(crate) fn client(extensions: &Extensions) -> Option<IpAddr> {
    extensions.get::<Peer>().map(|peer| peer.client)
}
