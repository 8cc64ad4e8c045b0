//! Recordings on their way to the other place. A call that ends with a recording leaves a note in `uploads/`; it stays
//! until the recording has arrived there, whatever dies or fails meanwhile.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::layout::{Layout, RECORDING};
use crate::remote::{Remote, RemoteError};
use crate::{CallId, Store, forget, read};

/// How often the notes are looked at.
const ROUND: Duration = Duration::from_secs(2);
/// How long a failed upload waits before it is tried again, at first and at most.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// Takes recordings to the other place.
#[derive(Debug)]
pub struct Uploads {
    store: Store,
    layout: Layout,
    remote: Remote,
    keep_local: bool,
    /// When a failed one is tried again, and how long it waited.
    later: HashMap<CallId, (Instant, Duration)>,
}

impl Uploads {
    /// `keep_local`: whether the file stays here once it has arrived.
    pub fn new(store: Store, remote: Remote, keep_local: bool) -> Self {
        let layout = store.layout().clone();
        Self { store, layout, remote, keep_local, later: HashMap::new() }
    }

    /// Works for ever. To be dropped when the server stops; what is left is done after the next start.
    pub async fn run(mut self) {
        let mut rounds = tokio::time::interval(ROUND);
        loop {
            rounds.tick().await;
            self.round().await;
        }
    }

    /// Takes all that is due. Gives how many have arrived.
    pub async fn round(&mut self) -> usize {
        let layout = self.layout.clone();
        let names = tokio::task::spawn_blocking(move || read::names(&layout.uploads())).await;
        let names = names.ok().and_then(Result::ok).unwrap_or_default();
        let mut arrived = 0;
        for id in names.iter().filter_map(|name| name.parse::<CallId>().ok()) {
            if self.later.get(&id).is_some_and(|(due, _)| Instant::now() < *due) {
                continue;
            }
            match self.one(id).await {
                Ok(()) => {
                    self.later.remove(&id);
                    arrived += 1;
                }
                Err(error) => {
                    let waited = self.later.get(&id).map_or(FIRST_WAIT, |(_, waited)| *waited * 2);
                    let wait = waited.min(LONGEST_WAIT);
                    tracing::warn!(call_id = %id, %error, again_s = wait.as_secs(), "a recording is not stored yet");
                    self.later.insert(id, (Instant::now() + wait, wait));
                }
            }
        }
        arrived
    }

    async fn one(&self, id: CallId) -> Result<(), RemoteError> {
        let file = self.layout.folder(id).join(RECORDING);
        if !file.exists() {
            // Taken out meanwhile, or there already before the server died.
            return Ok(forget::remove(&self.layout.upload(id))?);
        }
        self.remote.upload(id, &file).await?;
        let address = (!self.keep_local).then(|| self.remote.address(id));
        self.store.arrived(id, address);
        Ok(())
    }
}
