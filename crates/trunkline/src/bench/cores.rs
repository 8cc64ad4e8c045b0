//! Which processor does what: the server under test on one, the load on another, so that neither takes time from the
//! other.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The two processors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cores {
    pub(crate) server: usize,
    pub(crate) load: usize,
}

impl Cores {
    /// The first two that this process may use; twice the same where there is but one.
    pub(crate) fn choose() -> std::io::Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let mut usable = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu));
        let server = usable.next().unwrap_or(0);
        Ok(Self { server, load: usable.next().unwrap_or(server) })
    }

    /// Whether server and load share one, so that figures are not to be trusted.
    pub(crate) fn is_shared(self) -> bool {
        self.server == self.load
    }
}

/// Binds this thread, and what it starts from now on, to a processor.
pub(crate) fn pin(core: usize) -> std::io::Result<()> {
    let mut only = CpuSet::new();
    only.set(core);
    Ok(sched_setaffinity(None, &only)?)
}
