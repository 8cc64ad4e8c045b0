//! The threads that voices work on: few, since a sentence keeps a core busy for tens of milliseconds, and shared
//! by all calls, oldest request first.

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// How many utterances may wait for each thread. At 50 ms a sentence, the last of them waits under a second.
const QUEUE_PER_THREAD: usize = 16;

/// Whether an utterance is still wanted.
#[derive(Debug, Clone, Default)]
pub(super) struct Ticket(Arc<AtomicBool>);

impl Ticket {
    /// It is not.
    pub(super) fn withdraw(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_withdrawn(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// All threads are at work and the queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the built-in voice is busy: {waiting} sentences wait already; use fewer calls at once or a faster machine"
)]
pub(super) struct Full {
    waiting: usize,
}

type Job = Box<dyn FnOnce(&Ticket) + Send>;

/// Threads with a bounded queue. They end when the pool is dropped and its queue is empty.
pub struct VoicePool {
    shared: Arc<Shared>,
    threads: usize,
}

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    room: usize,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<(Ticket, Job)>,
    closed: bool,
}

impl fmt::Debug for VoicePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VoicePool").field("threads", &self.threads).finish_non_exhaustive()
    }
}

impl Default for VoicePool {
    fn default() -> Self {
        Self::new(thread::available_parallelism().map_or(2, NonZeroUsize::get).max(2))
    }
}

impl VoicePool {
    /// `threads` threads (at least one), and room for 16 waiting utterances for each. The default is a thread for
    /// each core, at least two.
    pub fn new(threads: usize) -> Self {
        let threads = threads.max(1);
        let room = threads * QUEUE_PER_THREAD;
        let shared = Arc::new(Shared { queue: Mutex::default(), changed: Condvar::new(), room });
        let mut started = 0;
        for index in 0..threads {
            let shared = Arc::clone(&shared);
            let thread = thread::Builder::new().name(format!("voice-{index}"));
            match thread.spawn(move || shared.work()) {
                Ok(_) => started += 1,
                Err(error) => tracing::error!(%error, "a thread for the built-in voice can't be started"),
            }
        }
        Self { shared, threads: started }
    }

    /// Queues `job`, which is dropped unrun when its ticket is withdrawn before a thread takes it.
    pub(super) fn submit(
        &self,
        ticket: &Ticket,
        job: impl FnOnce(&Ticket) + Send + 'static,
    ) -> Result<(), Full> {
        let mut queue = self.shared.lock();
        if queue.jobs.len() >= self.shared.room {
            queue.jobs.retain(|(ticket, _)| !ticket.is_withdrawn());
        }
        let waiting = queue.jobs.len();
        if waiting >= self.shared.room || self.threads == 0 {
            return Err(Full { waiting });
        }
        queue.jobs.push_back((ticket.clone(), Box::new(job)));
        drop(queue);
        self.shared.changed.notify_one();
        Ok(())
    }
}

impl Drop for VoicePool {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn work(&self) {
        while let Some((ticket, job)) = self.next() {
            if !ticket.is_withdrawn() {
                job(&ticket);
            }
        }
    }

    fn next(&self) -> Option<(Ticket, Job)> {
        let mut queue = self.lock();
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            if queue.closed {
                return None;
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The queue is whole after every statement, so a thread that died holding it leaves it usable.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn past_the_queue_it_is_busy_and_withdrawing_makes_room() {
        let pool = VoicePool::new(1);
        let (hold, held) = mpsc::channel::<()>();
        let (started, starts) = mpsc::channel();
        let first = Ticket::default();
        pool.submit(&first, move |_| {
            started.send(()).unwrap();
            let _ = held.recv();
        })
        .unwrap();
        starts.recv().unwrap();
        let tickets: Vec<Ticket> = (0..QUEUE_PER_THREAD).map(|_| Ticket::default()).collect();
        let (done, dones) = mpsc::channel();
        for ticket in &tickets {
            let done = done.clone();
            pool.submit(ticket, move |_| done.send(()).unwrap()).unwrap();
        }
        let late = Ticket::default();
        assert_eq!(pool.submit(&late, |_| {}), Err(Full { waiting: QUEUE_PER_THREAD }));
        tickets[3].withdraw();
        let done_too = done.clone();
        pool.submit(&late, move |_| done_too.send(()).unwrap()).unwrap();
        drop((hold, done, pool));
        assert_eq!(
            dones.iter().count(),
            QUEUE_PER_THREAD,
            "all but the withdrawn one, after the pool is dropped"
        );
    }
}
