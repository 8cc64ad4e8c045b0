//! The store's own thread: the only one that writes. It may hang as long as it likes.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use records::CallRecord;

use crate::fault::Fault;
use crate::handle::{Options, Shared, call_key};
use crate::layout::{Layout, RECORDING, write_record};
use crate::open_call::OpenCall;
use crate::recording::Piece;
use crate::room::{self, Room};
use crate::{CallId, layout, read};

/// How many calls are remembered for reports that come after their end.
const REMEMBERED: usize = 20_000;
/// How many are read at the start for the same purpose.
const REMEMBERED_AT_START: usize = 100;

/// How long things to do are let gather once there was one. Hundreds of calls hand over thousands of pieces a second;
/// to wake for each costs the calls' own threads more than all else that they do for the store.
const GATHER: Duration = Duration::from_millis(20);

/// How much is done before the disk is looked at again.
const BATCH: usize = 4096;

/// One thing to do.
#[derive(Debug)]
pub(crate) enum Job {
    Begin(CallId, Box<CallRecord>),
    Log(CallId, Vec<u8>),
    Audio(CallId, Piece),
    Update(CallId, Box<CallRecord>),
    Finish(CallId, Box<CallRecord>),
    Report {
        call: String,
        report: BTreeMap<String, String>,
    },
    /// The recording is in the other place; with its address where it is to lie only there.
    Arrived(CallId, Option<String>),
    Flush(SyncSender<()>),
}

/// What the thread works on.
pub(crate) struct Writer {
    layout: Layout,
    options: Options,
    shared: Arc<Shared>,
    fault: Box<dyn Fault>,
    room: Room,
    open: HashMap<CallId, OpenCall>,
    /// Records whose last write failed, to be tried again.
    unsaved: HashMap<CallId, Box<CallRecord>>,
    /// Calls whose marker for the database could not be made, to be tried again.
    unmarked: BTreeSet<CallId>,
    /// Which call a carrier's id means, and the order in which they came.
    known: HashMap<String, CallId>,
    known_order: VecDeque<String>,
}

impl Writer {
    pub(crate) fn new(layout: Layout, options: Options, shared: Arc<Shared>, fault: Box<dyn Fault>) -> Self {
        Self {
            layout,
            options,
            shared,
            fault,
            room: Room::default(),
            open: HashMap::new(),
            unsaved: HashMap::new(),
            unmarked: BTreeSet::new(),
            known: HashMap::new(),
            known_order: VecDeque::new(),
        }
    }

    /// Works until every handle is gone and everything is written.
    pub(crate) fn run(mut self, queue: &Receiver<Job>) {
        for record in read::list(&self.layout, REMEMBERED_AT_START, None).unwrap_or_default().iter().rev() {
            if let Ok(id) = record.id.parse() {
                self.remember(id, record);
            }
        }
        let mut next_check = Instant::now() + self.options.check_every;
        loop {
            match queue.recv_timeout(next_check.saturating_duration_since(Instant::now())) {
                Ok(job) => {
                    let is_awaited = self.work_until_awaited(job, queue);
                    if !is_awaited {
                        std::thread::sleep(GATHER);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if Instant::now() >= next_check {
                self.empty(queue);
                self.check();
                next_check = Instant::now() + self.options.check_every;
            }
        }
        self.empty(queue);
        self.check();
    }

    /// Looks at free space, and tries again what could not be written.
    pub(crate) fn check(&mut self) {
        self.busy(true);
        if let Ok(stat) = rustix::fs::statvfs(&self.layout.root) {
            let free = self.fault.free_bytes(stat.f_bavail.saturating_mul(stat.f_frsize));
            self.shared.disk_free.store(free, Relaxed);
        }
        self.room.look_again(&self.layout, &mut *self.fault);
        self.follow_room();
        if !self.unsaved.is_empty() && !self.has_room_for_calls() {
            self.room.give_up(&self.layout);
        }
        for (id, record) in std::mem::take(&mut self.unsaved) {
            // Erased by somebody else meanwhile: it does not come back.
            if !read::load(&self.layout, id).is_ok_and(|found| found.is_some_and(|it| it.erased_at.is_some()))
            {
                self.save(id, record);
            }
        }
        for id in std::mem::take(&mut self.unmarked) {
            self.mark(id);
        }
        let is_writable = self.has_room_for_calls() && self.unsaved.is_empty();
        if self.shared.writable.swap(is_writable, Relaxed) != is_writable {
            if is_writable {
                tracing::warn!("there is room for calls again, and new ones are taken");
            } else {
                tracing::error!("there is no room for calls, and no new ones are taken; free some space");
            }
        }
        let with_reserve = self.options.recording_floor_bytes.saturating_add(room::RESERVE_BYTES);
        if is_writable && self.shared.disk_free.load(Relaxed) >= with_reserve {
            self.room.lay_aside(&self.layout);
        }
        self.busy(false);
    }

    /// Ends or allows recordings by the room that there is.
    fn follow_room(&mut self) {
        let free = self.shared.disk_free.load(Relaxed);
        let recording = free >= self.options.recording_floor_bytes && !self.room.is_refused();
        if self.shared.recording.swap(recording, Relaxed) != recording {
            tracing::warn!(free_bytes = free, recording, "recording follows the free space on the disk");
        }
        if !recording {
            self.open.values_mut().for_each(OpenCall::stop_recording);
        }
    }

    fn has_room_for_calls(&self) -> bool {
        let free = self.shared.disk_free.load(Relaxed);
        free >= self.options.call_floor_bytes && !self.room.is_refused()
    }

    fn empty(&mut self, queue: &Receiver<Job>) {
        // Both are taken under one lock, so that nothing of a call gets behind its end. What lies in the queue
        // came first: a full queue made the spool.
        let mut waiting = self.shared.spool.lock().unwrap_or_else(PoisonError::into_inner);
        let mut jobs: Vec<Job> = queue.try_iter().collect();
        jobs.extend(std::mem::take(&mut *waiting));
        drop(waiting);
        for job in jobs {
            self.work(job);
        }
    }

    /// Does this and all that waits behind it. Says whether somebody waited for any of it.
    fn work_until_awaited(&mut self, first: Job, queue: &Receiver<Job>) -> bool {
        let mut is_awaited = false;
        for job in std::iter::once(first).chain(queue.try_iter()).take(BATCH) {
            is_awaited |= matches!(job, Job::Flush(_));
            self.work(job);
        }
        is_awaited
    }

    fn work(&mut self, job: Job) {
        self.busy(true);
        match job {
            Job::Begin(id, record) => {
                self.remember(id, &record);
                let created = OpenCall::create(&self.layout, id, &mut *self.fault);
                self.note(id, "the folder", created);
                let call = self.open.entry(id).or_insert_with(|| OpenCall::new(&self.layout, id));
                call.told_as = Some(record.carrier_call_id.clone());
                self.save(id, record);
                self.mark(id);
            }
            Job::Log(id, lines) => {
                self.shared.queued_bytes.fetch_sub(lines.len(), Relaxed);
                let call = self.open.entry(id).or_insert_with(|| OpenCall::new(&self.layout, id));
                let result = call.log(&lines, &mut *self.fault);
                self.note(id, "the call log", result);
            }
            Job::Audio(id, piece) => {
                self.shared.queued_bytes.fetch_sub(piece.bytes(), Relaxed);
                let call = self.open.entry(id).or_insert_with(|| OpenCall::new(&self.layout, id));
                if !self.shared.recording.load(Relaxed) {
                    call.stop_recording();
                }
                let result = call.audio(&piece, &mut *self.fault);
                self.note(id, "the recording", result);
            }
            Job::Update(id, record) => {
                self.remember(id, &record);
                let carrier_call_id = record.carrier_call_id.clone();
                self.save(id, record);
                // What was said meanwhile is told at the end; whose call it is, at once.
                if let Some(call) = self.open.get_mut(&id)
                    && call.told_as.as_ref() != Some(&carrier_call_id)
                {
                    call.told_as = Some(carrier_call_id);
                    self.mark(id);
                }
            }
            Job::Finish(id, record) => self.finish(id, record),
            Job::Report { call, report } => self.report(&call, report),
            Job::Arrived(id, address) => {
                if let Err(error) = self.arrived(id, address) {
                    tracing::error!(call_id = %id, %error, "it can't be noted where a recording is");
                }
            }
            Job::Flush(done) => {
                // The one who waits may have given up.
                let _ = done.send(());
            }
        }
        self.busy(false);
    }

    fn finish(&mut self, id: CallId, mut record: Box<CallRecord>) {
        self.remember(id, &record);
        if let Some(mut call) = self.open.remove(&id) {
            let closed = call.close();
            self.note(id, "the recording's header", closed);
            call.complete(&mut record);
        }
        if self.options.remote.is_some() && record.recording.is_some() {
            let noted = self.layout.note_upload(id);
            self.note(id, "the note that the recording is to be stored elsewhere", noted);
        }
        self.save(id, record);
    }

    /// The record says where the recording is before the file here goes.
    fn arrived(&mut self, id: CallId, address: Option<String>) -> Result<(), read::ReadError> {
        let _alone = layout::lock_changes(&self.layout)?;
        if let Some(address) = address
            && let Some(mut record) =
                read::load(&self.layout, id)?.filter(|record| record.recording.is_some())
        {
            record.recording = Some(address);
            self.save(id, Box::new(record));
            if self.unsaved.contains_key(&id) {
                // Tried again: the note stays.
                return Ok(());
            }
            layout::remove_if_there(&self.layout.folder(id).join(RECORDING))?;
        }
        Ok(layout::remove_if_there(&self.layout.upload(id))?)
    }

    /// Writes a record, or keeps it to be tried again.
    fn save(&mut self, id: CallId, mut record: Box<CallRecord>) {
        if let Some(call) = self.open.get(&id) {
            call.complete(&mut record);
        }
        match write_record(&self.layout.folder(id), &record, &mut *self.fault) {
            Ok(()) => {
                self.unsaved.remove(&id);
                if record.ended_at.is_some() {
                    self.mark(id);
                    // Gone already when its making failed.
                    let _ = std::fs::remove_file(self.layout.marker(id));
                }
            }
            Err(error) => {
                self.room.failed(&error);
                if self.shared.writable.swap(false, Relaxed) {
                    complain(id, "the record", &error);
                }
                self.unsaved.insert(id, record);
            }
        }
    }

    /// Has the call's record taken into the database, now or when there is one again.
    fn mark(&mut self, id: CallId) {
        if let Err(error) = self.layout.mark_pending(id) {
            self.note(id, "the marker for the database", Err(error));
            self.unmarked.insert(id);
        }
        self.shared.news.notify_one();
    }

    fn report(&mut self, key: &str, report: BTreeMap<String, String>) {
        let Some(id) = self.known.get(key).copied() else {
            tracing::warn!("a carrier reports a stream of a call that is not known here");
            return;
        };
        if let Some(call) = self.open.get_mut(&id) {
            call.report = Some(report);
            return;
        }
        // Where it can't be had, the disk has other troubles, and the record is changed all the same.
        let _alone = layout::lock_changes(&self.layout);
        let record = match self.unsaved.remove(&id) {
            Some(record) => Ok(Some(*record)),
            None => read::load(&self.layout, id),
        };
        match record {
            // Nothing is added to what was erased.
            Ok(Some(record)) if record.erased_at.is_some() => {}
            Ok(Some(mut record)) => {
                record.carrier_report = Some(report);
                // Before as well: the process may die between the record and its marker.
                self.mark(id);
                self.save(id, Box::new(record));
            }
            Ok(None) => {}
            Err(error) => tracing::error!(call_id = %id, %error, "a carrier's report can't be kept"),
        }
    }

    fn remember(&mut self, id: CallId, record: &CallRecord) {
        let key = call_key(&record.carrier, &record.carrier_call_id);
        if self.known.insert(key.clone(), id).is_none() {
            self.known_order.push_back(key);
        }
        if self.known_order.len() > REMEMBERED
            && let Some(oldest) = self.known_order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    /// Tells of a write that failed, and learns from it.
    fn note(&mut self, id: CallId, what: &str, result: io::Result<()>) {
        let Err(error) = result else { return };
        complain(id, what, &error);
        if self.room.failed(&error) {
            self.follow_room();
            self.shared.writable.store(self.has_room_for_calls(), Relaxed);
        }
    }

    fn busy(&self, busy: bool) {
        let now = u64::try_from(self.shared.base.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.shared.busy_since.store(if busy { now + 1 } else { 0 }, Relaxed);
    }
}

fn complain(id: CallId, what: &str, error: &io::Error) {
    tracing::error!(call_id = %id, %error, "{what} of a call can't be written; the call goes on");
}
