//! How much may be asked, and by whom of late: each key so many requests a minute, each address so many that are
//! refused. What a request is known by while it is answered lies with its task, so that no handler has to hand it on.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, Request};
use http::{HeaderMap, HeaderName, HeaderValue};
use records::{Throttle, holder};

use crate::problem::{Code, Problem};

/// Refused requests that one address may make at once, and how many a second from then on.
const REFUSED: (u32, u64) = (60, 2);
/// How many keys are remembered that were good.
const GOOD: usize = 1_000;
const MINUTE_US: u64 = 60_000_000;

const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

tokio::task_local! {
    static ASKED: Asked;
}

/// The request that is being answered.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    client: Option<IpAddr>,
    left: Cell<Option<Shown>>,
}

/// What the asker's key has left, as headers tell it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown {
    quota: u32,
    window_s: u64,
    left: u32,
    full_after_s: u64,
}

impl Asked {
    /// The listener says who asks, as axum's `ConnectInfo`.
    pub(crate) fn by(request: &Request) -> Self {
        let client = request.extensions().get::<ConnectInfo<SocketAddr>>();
        Self { client: client.map(|ConnectInfo(address)| holder(address.ip())), left: Cell::default() }
    }

    /// Runs what answers it. Gives what the asker has left too.
    pub(crate) async fn answered<T>(self, answer: impl Future<Output = T>) -> (T, Option<Shown>) {
        ASKED.scope(self, async { (answer.await, ASKED.with(|asked| asked.left.get())) }).await
    }
}

impl Shown {
    /// Tells it (draft-ietf-httpapi-ratelimit-headers: `RateLimit-Policy` and `RateLimit`).
    pub(crate) fn tell(self, headers: &mut HeaderMap) {
        let Self { quota, window_s, left, full_after_s } = self;
        for (name, text) in [
            (POLICY, format!("\"requests\";q={quota};w={window_s}")),
            (LIMIT, format!("\"requests\";r={left};t={full_after_s}")),
        ] {
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(name, value);
            }
        }
    }
}

/// Who has asked how much.
pub(crate) struct Pace {
    began: Instant,
    refused: Mutex<Throttle<IpAddr>>,
    requests: Option<Mutex<Throttle<String>>>,
    good: Mutex<BTreeSet<[u8; 32]>>,
}

impl Pace {
    /// Each key may ask so often within a minute; 0: as often as it likes.
    pub(crate) fn new(requests_per_minute: u32) -> Self {
        let requests = (requests_per_minute > 0).then(|| {
            Mutex::new(Throttle::new(requests_per_minute, MINUTE_US / u64::from(requests_per_minute)))
        });
        let refused = Mutex::new(Throttle::new(REFUSED.0, 1_000_000 / REFUSED.1));
        Self { began: Instant::now(), refused, requests, good: Mutex::default() }
    }

    /// A request is refused: what to say instead of the usual, where its address has had enough of those.
    pub(crate) fn refuse(&self) -> Option<Problem> {
        let wait = locked(&self.refused).take(client()?, self.now()).err()?;
        Some(too_many_refused(wait))
    }

    /// What to say to an address that has had enough already, before looking at what it brings.
    pub(crate) fn is_spent(&self) -> Option<Problem> {
        let wait = locked(&self.refused).empty_for(&client()?, self.now())?;
        Some(too_many_refused(wait))
    }

    /// A key asks for something.
    ///
    /// # Errors
    /// It has asked too often.
    pub(crate) fn request(&self, owner: &str) -> Result<(), Problem> {
        let Some(requests) = &self.requests else { return Ok(()) };
        let mut requests = locked(requests);
        let (quota, window_us) = requests.policy();
        let taken = requests.take(owner.to_owned(), self.now());
        drop(requests);
        let (left, full_after_us) = taken.map_or((0, window_us), |left| (left.now, left.full_after_us));
        let seconds = |us: u64| us.div_ceil(1_000_000);
        let shown = Shown { quota, window_s: seconds(window_us), left, full_after_s: seconds(full_after_us) };
        // Outside of a request there is nobody to tell.
        let _ = ASKED.try_with(|asked| asked.left.set(Some(shown)));
        taken.map(|_| ()).map_err(|wait| {
            let what = "This key has asked as often within a minute as api.requests_per_minute allows.";
            throttled("requests", Problem::new(Code::TooManyRequests, what), wait)
        })
    }

    /// Whether a key of this digest was good of late. Whether it still is, the database says.
    pub(crate) fn knows(&self, digest: &[u8; 32]) -> bool {
        locked(&self.good).contains(digest)
    }

    /// A key of this digest is good.
    pub(crate) fn remember(&self, digest: [u8; 32]) {
        let mut good = locked(&self.good);
        if good.len() >= GOOD && !good.contains(&digest) {
            good.pop_first();
        }
        good.insert(digest);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// Who asks.
fn client() -> Option<IpAddr> {
    ASKED.try_with(|asked| asked.client).ok().flatten()
}

fn too_many_refused(wait_us: u64) -> Problem {
    let what = "Too many requests of this address were refused. Wait, and send a key that holds.";
    throttled("refused", Problem::new(Code::TooManyRequests, what), wait_us)
}

fn throttled(what: &'static str, problem: Problem, wait_us: u64) -> Problem {
    metrics::counter!("trunkline_throttled_total", "what" => what).increment(1);
    problem.retry_after(Duration::from_micros(wait_us))
}

/// Nothing that holds these locks can leave half a change behind.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
