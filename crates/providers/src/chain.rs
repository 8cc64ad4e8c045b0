//! An ordered list of links as one vendor: when one fails, the next goes on, and the call hears nothing of it but
//! its outcome. What decides is pure: breaker, backoff, budget, deadlines, and the tape of what was said.

mod agent;
mod backoff;
mod breaker;
pub(crate) mod budget;
mod deadlines;
mod ear;
mod model;
mod tape;
mod voice;

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use call::{Fault, FaultClass, Input};
use tokio::sync::mpsc;
use tokio::time::Instant;

pub use agent::AgentChain;
pub use backoff::backoff;
pub use breaker::{Breaker, BreakerState};
pub use budget::Budget;
pub use deadlines::deadline;
pub use ear::EarChain;
pub use model::ModelChain;
pub use voice::VoiceChain;

use crate::health::{Attempt, Health, Tracked};
use crate::{Answers, LinkId};

/// One link of a chain.
pub struct Link<T: ?Sized> {
    /// What health and metrics call it.
    pub id: LinkId,
    /// How it is asked.
    pub role: Arc<T>,
    /// How long it may take to its first answer, see [`deadline`].
    pub deadline: Duration,
}

/// A link with what is known about it.
struct Way<T: ?Sized> {
    link: Link<T>,
    tracked: Arc<Tracked>,
}

fn ways<T: ?Sized>(links: Vec<Link<T>>, health: &Health) -> Arc<[Way<T>]> {
    links.into_iter().map(|link| Way { tracked: health.link(&link.id), link }).collect()
}

/// The name of a chain is that of its first choice.
fn name<T: ?Sized>(ways: &[Way<T>]) -> &str {
    ways.first().map_or("none", |way| &way.link.id.vendor)
}

/// The fault of a list whose links may not even be tried.
fn all_resting() -> Fault {
    Fault::new(FaultClass::Busy, "every vendor of the list is left alone after failures")
}

/// A link that gives nothing more without having said why.
fn went_away() -> Fault {
    Fault::new(FaultClass::Garbage, "it ended without a last answer")
}

/// Links that failed in this call are left alone for a while, so that not every sentence tries them again.
struct Shunned(Vec<Option<(Instant, u32)>>);

impl Shunned {
    /// The first time; twice as long each time after that.
    const FIRST: Duration = Duration::from_secs(15);

    fn none(of: usize) -> Self {
        Self(vec![None; of])
    }

    fn failed(&mut self, way: usize) {
        let times = self.0[way].map_or(0, |(_, times)| times + 1);
        self.0[way] = Some((Instant::now() + Self::FIRST * (1 << times.min(5)), times));
    }

    fn is(&self, way: usize) -> bool {
        self.0[way].is_some_and(|(until, _)| Instant::now() < until)
    }

    fn works(&mut self, way: usize) {
        self.0[way] = None;
    }
}

/// The next link to ask: in the order of the list, what failed in this call last; `tried` are out.
fn choose<T: ?Sized>(
    ways: &[Way<T>],
    shunned: Option<&Shunned>,
    tried: &[bool],
    call: &Answers,
) -> Option<(usize, Attempt)> {
    let is_shunned = |way: usize| shunned.is_some_and(|shunned| shunned.is(way));
    let mut order: Vec<usize> = (0..ways.len()).filter(|way| !tried[*way]).collect();
    order.sort_by_key(|way| is_shunned(*way));
    let allowed = order.iter().find_map(|way| Some((*way, ways[*way].tracked.try_now(call)?)));
    // Only where nobody of the list was asked: else there was somebody.
    let is_first = tried.iter().all(|tried| !tried);
    allowed.or_else(|| {
        let mut order = order.iter().filter(|_| is_first);
        order.find_map(|way| Some((*way, ways[*way].tracked.try_for_want_of_others(call)?)))
    })
}

/// What comes from any of several, with its place; waits for ever where there is none.
async fn from_any<'a>(from: impl Iterator<Item = &'a mut mpsc::Receiver<Input>>) -> (usize, Option<Input>) {
    let mut from: Vec<_> = from.collect();
    std::future::poll_fn(|cx| {
        for (at, from) in from.iter_mut().enumerate() {
            if let Poll::Ready(input) = from.poll_recv(cx) {
                return Poll::Ready((at, input));
            }
        }
        Poll::Pending
    })
    .await
}

/// A moment that matters to nobody.
fn far_away() -> Instant {
    Instant::now() + Duration::from_secs(86_400)
}
