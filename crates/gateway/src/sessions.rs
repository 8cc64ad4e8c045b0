//! The live calls: who they are, how to reach their tasks, and what `/voicebot/sessions` shows of them. The
//! table is locked when a call begins, ends or is taken over, never for a frame.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use call::Tick;
use carriers::Carrier;
use jiff::{SignedDuration, Timestamp};
use records::{AnsweredBy, Direction, EndReason};
use serde::Serialize;
use store::CallId;
use tokio::sync::mpsc;
use utoipa::ToSchema;

use crate::bind::{Arrival, Known};

/// How many messages may wait for one call's task.
const CONTROLS: usize = 4;

/// How many ids of calls are remembered that were made before the calls came.
const USED: usize = 16_384;

/// What a call's task can be told.
pub(crate) enum Control {
    /// The carrier has opened a new socket for this call.
    TakeOver(Box<Arrival>),
    /// End now.
    End(EndReason),
    /// The carrier found out who picked up.
    AnsweredBy(AnsweredBy),
}

/// What is shown of a live call. The call's task writes, anyone reads.
#[derive(Debug)]
pub(crate) struct Session {
    /// Our id.
    pub(crate) id: CallId,
    pub(crate) carrier: Carrier,
    /// The carrier's id.
    pub(crate) call: String,
    pub(crate) direction: Direction,
    pub(crate) connected_at: Timestamp,
    stream: Mutex<String>,
    last_activity_us: AtomicU64,
    sequence: AtomicU64,
    attached: AtomicBool,
    played_out_us: AtomicU64,
    chunk_us: AtomicU64,
}

impl Session {
    fn new(id: CallId, call: &str, arrival: &Arrival, connected_at: Timestamp) -> Self {
        Self {
            id,
            carrier: arrival.fresh.line.carrier,
            call: call.to_owned(),
            direction: arrival.known.direction,
            connected_at,
            stream: Mutex::default(),
            last_activity_us: AtomicU64::new(0),
            sequence: AtomicU64::new(0),
            attached: AtomicBool::new(true),
            played_out_us: AtomicU64::new(0),
            chunk_us: AtomicU64::new(1),
        }
    }

    /// Its key among all calls.
    pub(crate) fn key(&self) -> String {
        key(self.carrier, &self.call)
    }

    pub(crate) fn stream(&self, stream: &str) {
        stream.clone_into(&mut lock(&self.stream));
    }

    pub(crate) fn active(&self, at: Tick) {
        self.last_activity_us.store(at.0, Relaxed);
    }

    pub(crate) fn attached(&self, attached: bool) {
        self.attached.store(attached, Relaxed);
    }

    /// A chunk of `length_us` went out that plays from `plays_at` on.
    pub(crate) fn sent(&self, plays_at: Tick, length_us: u64) {
        self.sequence.fetch_add(1, Relaxed);
        self.chunk_us.store(length_us.max(1), Relaxed);
        self.played_out_us.store(plays_at.0 + length_us, Relaxed);
    }

    pub(crate) fn cleared(&self) {
        self.played_out_us.store(0, Relaxed);
    }

    fn seen(&self) -> Timestamp {
        let us = self.last_activity_us.load(Relaxed);
        let passed = SignedDuration::from_micros(i64::try_from(us).unwrap_or(0));
        self.connected_at.checked_add(passed).unwrap_or(self.connected_at)
    }

    fn view(&self, now: Timestamp) -> SessionView {
        let elapsed = u64::try_from(now.duration_since(self.connected_at).as_micros()).unwrap_or(0);
        let unplayed = self.played_out_us.load(Relaxed).saturating_sub(elapsed);
        SessionView {
            call_id: self.call.clone(),
            stream_sid: lock(&self.stream).clone(),
            connected_at: rfc3339(self.connected_at),
            last_activity: rfc3339(self.seen()),
            sequence_number: self.sequence.load(Relaxed),
            is_active: self.attached.load(Relaxed),
            audio_chunks_buffered: unplayed.div_ceil(self.chunk_us.load(Relaxed)),
        }
    }
}

/// One live call as `/voicebot/sessions` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionView {
    /// The carrier's id of the call.
    call_id: String,
    /// The carrier's id of the stream; empty until it is known.
    stream_sid: String,
    /// When the socket was opened, RFC 3339.
    #[schema(format = DateTime)]
    connected_at: String,
    /// When something last came, RFC 3339.
    #[schema(format = DateTime)]
    last_activity: String,
    /// How many chunks of audio were sent.
    sequence_number: u64,
    /// Whether a socket is attached.
    is_active: bool,
    /// How many chunks the carrier has not played yet.
    audio_chunks_buffered: u64,
}

/// A call's key among all calls: carriers' ids are their own, and one could be made to look like another's.
pub(crate) fn key(carrier: Carrier, call: &str) -> String {
    format!("{} {call}", carrier.as_str())
}

/// The way to one call's task.
struct Entry {
    session: Arc<Session>,
    /// The agent that answered.
    agent: String,
    control: mpsc::Sender<Control>,
}

/// A call that the arrival begins: the task's ends of the table's entry.
pub(crate) struct Begun {
    pub(crate) session: Arc<Session>,
    pub(crate) control: mpsc::Receiver<Control>,
    pub(crate) arrival: Arrival,
}

/// What became of an arriving socket.
pub(crate) enum Met {
    /// It begins a call.
    New(Box<Begun>),
    /// The live call of this id was given it.
    TakenOver,
    /// The live call of this id is being given too many.
    Refused(Box<Arrival>),
}

/// What became of something that was told to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// Its task has it.
    Live,
    /// The call has not come yet.
    Later,
    /// It is over, or its task is overrun.
    Over,
}

/// All live calls.
#[derive(Default)]
pub(crate) struct Sessions {
    live: Mutex<HashMap<String, Entry>>,
    /// Ids made before their calls came, that have been used. The newest of them.
    used: Mutex<BTreeSet<CallId>>,
}

impl Sessions {
    /// Gives an arriving socket to the live call of this id, or makes it a new call, whose own id then has `random` in
    /// it. `begins` is called for a new call of an id that it brought, before anything can be told to it.
    pub(crate) fn meet(
        &self,
        call: &str,
        arrival: Arrival,
        random: [u8; 10],
        begins: impl FnOnce(CallId, &mut Known),
    ) -> Met {
        let mut live = lock(&self.live);
        let mut arrival = Box::new(arrival);
        let key = key(arrival.fresh.line.carrier, call);
        if let Some(entry) = live.get(&key) {
            match entry.control.try_send(Control::TakeOver(arrival)) {
                Ok(()) => return Met::TakenOver,
                Err(mpsc::error::TrySendError::Full(Control::TakeOver(refused))) => {
                    return Met::Refused(refused);
                }
                // It is ending: this is a new call of the same id, as when a flow has two bots in a row.
                Err(mpsc::error::TrySendError::Closed(Control::TakeOver(back))) => arrival = back,
                Err(_) => unreachable!("what comes back is what was sent"),
            }
        }
        let (sender, control) = mpsc::channel(CONTROLS);
        // Ticks count from the socket's opening, so the call began then, whenever it said whose it is.
        let passed = SignedDuration::try_from(arrival.fresh.opened.elapsed()).unwrap_or_default();
        let now = Timestamp::now();
        let began = now.checked_sub(passed).unwrap_or(now);
        let made = arrival.known.id.filter(|id| self.is_first_use(*id));
        let id = made.unwrap_or_else(|| CallId::new(began, random));
        if made.is_some() {
            begins(id, &mut arrival.known);
        }
        let session = Arc::new(Session::new(id, call, &arrival, began));
        let agent = arrival.agent.name.clone();
        live.insert(key, Entry { session: session.clone(), agent, control: sender });
        Met::New(Box::new(Begun { session, control, arrival: *arrival }))
    }

    /// Takes an ended call out, unless its id has passed to a newer one.
    pub(crate) fn remove(&self, session: &Arc<Session>) {
        let mut live = lock(&self.live);
        let key = session.key();
        if live.get(&key).is_some_and(|entry| Arc::ptr_eq(&entry.session, session)) {
            live.remove(&key);
        }
    }

    pub(crate) fn is_live(&self, key: &str) -> bool {
        lock(&self.live).contains_key(key)
    }

    /// Our id of a live call, and its agent's name.
    pub(crate) fn find(&self, key: &str) -> Option<(CallId, String)> {
        lock(&self.live).get(key).map(|entry| (entry.session.id, entry.agent.clone()))
    }

    /// Whether no call had this id yet: a second call of the same id would write over the first one's record.
    fn is_first_use(&self, id: CallId) -> bool {
        let mut used = lock(&self.used);
        let is_first = used.insert(id);
        if used.len() > USED {
            used.pop_first();
        }
        is_first
    }

    pub(crate) fn len(&self) -> usize {
        lock(&self.live).len()
    }

    /// Tells every live call to end.
    pub(crate) fn end_all(&self, reason: EndReason) {
        for entry in lock(&self.live).values() {
            // A task with a full inbox is ending or reads it within its send limit; the drain asks again.
            let _ = entry.control.try_send(Control::End(reason));
        }
    }

    /// Tells the live call of our id something. False when there is none, or when its task is over or overrun.
    pub(crate) fn tell(&self, id: CallId, control: Control) -> bool {
        let live = lock(&self.live);
        let entry = live.values().find(|entry| entry.session.id == id);
        entry.is_some_and(|entry| entry.control.try_send(control).is_ok())
    }

    /// The same, and does `otherwise` where the call has not come yet. No call can come in between.
    pub(crate) fn tell_or(&self, id: CallId, control: Control, otherwise: impl FnOnce()) -> Told {
        let live = lock(&self.live);
        if let Some(entry) = live.values().find(|entry| entry.session.id == id) {
            return if entry.control.try_send(control).is_ok() { Told::Live } else { Told::Over };
        }
        if lock(&self.used).contains(&id) {
            return Told::Over;
        }
        otherwise();
        Told::Later
    }

    /// Our ids of all live calls, and when something last came for each.
    pub(crate) fn live(&self) -> Vec<(CallId, Timestamp)> {
        lock(&self.live).values().map(|entry| (entry.session.id, entry.session.seen())).collect()
    }

    /// All live calls, oldest first.
    pub(crate) fn view(&self) -> Vec<SessionView> {
        let mut sessions: Vec<_> = lock(&self.live).values().map(|entry| entry.session.clone()).collect();
        sessions.sort_by_key(|session| session.connected_at);
        let now = Timestamp::now();
        sessions.iter().map(|session| session.view(now)).collect()
    }
}

/// Nothing that holds these locks can leave half a change behind, so a panic elsewhere poisons nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn rfc3339(at: Timestamp) -> String {
    format!("{at:.3}")
}
