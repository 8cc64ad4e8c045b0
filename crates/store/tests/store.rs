//! The store from outside: what calls leave behind, after a good end, a crash, a full disk and a hanging one.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which clippy takes for code")]

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use audio::SampleRate;
use records::{CallRecord, EndReason};
use store::{CallId, Fault, OpenError, Options, Store};

const LONG: Duration = Duration::from_secs(20);

fn id(at: &str, n: u8) -> CallId {
    CallId::new(at.parse().unwrap(), [n; 10])
}

fn record(id: CallId) -> CallRecord {
    CallRecord {
        carrier_call_id: format!("sid-of-{id}"),
        agent: "echo".into(),
        sample_rate: 8000,
        ..CallRecord::new(id.to_string(), "exotel", id.began())
    }
}

fn ended(id: CallId) -> CallRecord {
    let mut record = record(id);
    record.ended_at = Some(id.began());
    record.end_reason = Some(EndReason::CallerHungUp);
    record
}

/// A copy of a data folder as a killed process leaves it: nothing is finished.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_call_leaves_its_record_log_and_recording_for_its_owner_only() {
    let data = tempfile::tempdir().unwrap();
    let store = Store::open(data.path()).unwrap();
    let id = id("2026-11-21T12:00:00Z", 1);
    let mut files = store.begin(id, record(id));
    files.log(b"{\"header\":{}}\n".to_vec());
    files.audio(SampleRate::HZ_8000, 0, vec![1, -1, 2, -2]);
    files.log(b"{\"t\":20000}\n".to_vec());
    files.finish(ended(id));
    assert!(store.flush(LONG));

    let folder = data.path().join("calls/2026-11-21").join(id.to_string());
    assert_eq!(std::fs::read(folder.join("call.jsonl")).unwrap(), b"{\"header\":{}}\n{\"t\":20000}\n");
    let wav = audio::wav::read(&std::fs::read(folder.join("recording.wav")).unwrap()).unwrap();
    assert_eq!((wav.channels, wav.samples.as_slice(), wav.truncated), (2, &[1, -1, 2, -2][..], false));
    let mut expected = ended(id);
    expected.recording = Some("recording.wav".into());
    assert_eq!(store.load(id).unwrap(), Some(expected));
    for name in ["record.json", "call.jsonl", "recording.wav"] {
        let mode = std::fs::metadata(folder.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert_eq!(std::fs::read_dir(data.path().join("live")).unwrap().count(), 0);
}

#[test]
fn what_a_killed_server_left_is_repaired() {
    let (data, after) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (long, bare, done) =
        (id("2026-11-21T12:00:00Z", 1), id("2026-11-21T13:00:00Z", 2), id("2026-11-21T14:00:00Z", 3));
    let store = Store::open(data.path()).unwrap();
    let mut files = store.begin(long, record(long));
    files.log(b"{\"header\":{}}\n{\"t\":1500000,\"in\":\"time\"}\n{\"t\":99000000,\"in\":{\"carr".to_vec());
    files.audio(SampleRate::HZ_16000, 0, vec![7; 640]);
    let _bare = store.begin(bare, record(bare));
    store.begin(done, record(done)).finish(ended(done));
    assert!(store.flush(LONG));
    // The process is killed here: a copy is what the file system then holds, and half a frame more.
    copy(data.path(), after.path());
    let wav = after.path().join("calls/2026-11-21").join(long.to_string()).join("recording.wav");
    let mut bytes = std::fs::read(&wav).unwrap();
    bytes.push(0);
    std::fs::write(&wav, bytes).unwrap();

    let store = Store::open(after.path()).unwrap();
    let found = store.load(long).unwrap().unwrap();
    assert_eq!(found.end_reason, Some(EndReason::ServerDied));
    assert_eq!(found.ended_at.unwrap().to_string(), "2026-11-21T12:00:01.5Z", "the last whole line's moment");
    assert_eq!(found.recording.as_deref(), Some("recording.wav"));
    let wav = audio::wav::read(&std::fs::read(&wav).unwrap()).unwrap();
    assert_eq!((wav.samples.len(), wav.rate), (640, SampleRate::HZ_16000));
    let bare = store.load(bare).unwrap().unwrap();
    assert_eq!(bare.end_reason, Some(EndReason::ServerDied));
    assert!(bare.ended_at.unwrap() >= bare.started_at);
    assert_eq!(store.load(done).unwrap().unwrap().end_reason, Some(EndReason::CallerHungUp));
    // Doing it again changes nothing.
    drop(store);
    let again = Store::open(after.path()).unwrap();
    assert_eq!(again.load(long).unwrap().unwrap(), found);
}

/// Not a test of its own: what the test below runs as a process of its own, and kills.
#[test]
fn a_server_to_be_killed() {
    let Ok(data) = std::env::var("STORE_TO_BE_KILLED") else { return };
    let store = Store::open(Path::new(&data)).unwrap();
    let id = id("2026-11-21T12:00:00Z", 1);
    let mut files = store.begin(id, record(id));
    for tick in 0u64.. {
        files.log(format!("{{\"t\":{},\"in\":\"time\"}}\n", tick * 1000).into_bytes());
        files.audio(SampleRate::HZ_8000, tick * 8, vec![3; 16]);
        if tick == 500 {
            assert!(store.flush(LONG));
            println!("written");
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_server_killed_while_it_writes_leaves_no_call_open() {
    use std::io::{BufRead, BufReader};
    let data = tempfile::tempdir().unwrap();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["a_server_to_be_killed", "--exact", "--nocapture"])
        .env("STORE_TO_BE_KILLED", data.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map(Result::unwrap).any(|line| line.ends_with("written")));
    child.kill().unwrap();
    child.wait().unwrap();

    let store = Store::open(data.path()).unwrap();
    let found = store.list(10, None).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].end_reason, Some(EndReason::ServerDied));
    let lived = found[0].ended_at.unwrap().duration_since(found[0].started_at);
    assert!(lived.as_millis() >= 500, "what was written before the kill counts: {lived}");
    let wav = std::fs::read(store.folder(found[0].id.parse().unwrap()).join("recording.wav")).unwrap();
    let wav = audio::wav::read(&wav).unwrap();
    assert!(wav.samples.len() >= 500 * 16 && wav.samples.iter().all(|sample| *sample == 3));
    assert_eq!(std::fs::read_dir(data.path().join("live")).unwrap().count(), 0);
}

#[test]
fn two_servers_do_not_share_a_folder() {
    let data = tempfile::tempdir().unwrap();
    let store = Store::open(data.path()).unwrap();
    assert!(matches!(Store::open(data.path()), Err(OpenError::InUse(_))));
    drop(store);
}

#[test]
fn calls_are_listed_newest_first_in_pages() {
    let data = tempfile::tempdir().unwrap();
    let store = Store::open(data.path()).unwrap();
    let ids = [
        id("2026-11-20T23:59:59Z", 1),
        id("2026-11-21T00:00:00Z", 2),
        id("2026-11-21T12:00:00Z", 3),
        id("2026-11-22T12:00:00Z", 4),
    ];
    for id in ids {
        store.begin(id, record(id)).finish(ended(id));
    }
    assert!(store.flush(LONG));
    let listed = |limit, before| {
        let found = store.list(limit, before).unwrap();
        found.iter().map(|record| record.id.parse().unwrap()).collect::<Vec<CallId>>()
    };
    assert_eq!(listed(10, None), [ids[3], ids[2], ids[1], ids[0]]);
    assert_eq!(listed(2, None), [ids[3], ids[2]]);
    assert_eq!(listed(2, Some(ids[2])), [ids[1], ids[0]]);
    assert_eq!(listed(2, Some(ids[0])), []);
    assert_eq!(store.load(id("2026-11-22T12:00:00Z", 9)).unwrap(), None);
}

#[test]
fn a_report_finds_its_call_live_ended_and_after_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let report = |word: &str| BTreeMap::from([("Status".to_owned(), word.to_owned())]);
    let (live, over) = (id("2026-11-21T12:00:00Z", 1), id("2026-11-21T13:00:00Z", 2));
    let sid = |id: CallId| format!("sid-of-{id}");
    {
        let store = Store::open(data.path()).unwrap();
        let files = store.begin(live, record(live));
        store.report("exotel", &sid(live), report("first"));
        files.finish(ended(live));
        store.begin(over, record(over)).finish(ended(over));
        store.report("exotel", &sid(over), report("completed"));
        store.report("exotel", &sid(over), report("completed"));
        store.report("exotel", "nobody's", report("lost"));
        assert!(store.flush(LONG));
        assert_eq!(store.load(live).unwrap().unwrap().carrier_report, Some(report("first")));
        assert_eq!(store.load(over).unwrap().unwrap().carrier_report, Some(report("completed")));
        let copy_to = data.path().join("copy");
        copy(&data.path().join("calls"), &copy_to.join("calls"));
    }
    let store = Store::open(&data.path().join("copy")).unwrap();
    store.report("exotel", &sid(live), report("late"));
    assert!(store.flush(LONG));
    let found = store.load(live).unwrap().unwrap();
    assert_eq!(
        (found.carrier_report, found.end_reason),
        (Some(report("late")), Some(EndReason::CallerHungUp))
    );
}

/// A disk that hangs until it is let go.
struct Hanging {
    hang: Arc<AtomicBool>,
    hangs: Sender<()>,
    go: Arc<Mutex<Receiver<()>>>,
}

impl Fault for Hanging {
    fn before_write(&mut self, _: &Path, _: usize) -> io::Result<()> {
        if self.hang.swap(false, SeqCst) {
            self.hangs.send(()).unwrap();
            self.go.lock().unwrap().recv().unwrap();
        }
        Ok(())
    }
}

#[test]
fn a_hanging_disk_holds_nobody_up_and_loses_no_record() {
    let data = tempfile::tempdir().unwrap();
    let hang = Arc::new(AtomicBool::new(false));
    let (hangs, hanging) = channel();
    let (let_go, go) = channel();
    let fault = Hanging { hang: hang.clone(), hangs, go: Arc::new(Mutex::new(go)) };
    let store = Store::open_with(data.path(), Options::default(), Box::new(fault)).unwrap();
    let first = id("2026-11-21T12:00:00Z", 1);
    let mut files = store.begin(first, record(first));
    assert!(store.flush(LONG));
    hang.store(true, SeqCst);
    files.log(b"{\"t\":0}\n".to_vec());
    hanging.recv_timeout(LONG).unwrap();

    // More than the queue holds, then calls that begin and end behind it.
    for _ in 0..20_000 {
        files.log(b"{\"t\":1}\n".to_vec());
    }
    let others: Vec<CallId> = (2..50).map(|n| id("2026-11-21T12:00:00Z", n)).collect();
    for id in &others {
        store.begin(*id, record(*id)).finish(ended(*id));
    }
    files.finish(ended(first));
    let lost = store.health().lost;
    assert!(lost > 10_000, "{lost}");

    let_go.send(()).unwrap();
    assert!(store.flush(LONG));
    for id in &others {
        assert_eq!(store.load(*id).unwrap(), Some(ended(*id)));
    }
    let found = store.load(first).unwrap().unwrap();
    assert_eq!(found.counters.findings.get("log_incomplete"), Some(&lost), "the record says what is missing");
    assert_eq!(store.health().queued_bytes, 0);
}

/// A disk of a settable size.
struct Full {
    free: Arc<AtomicU64>,
}

impl Fault for Full {
    fn before_write(&mut self, _: &Path, bytes: usize) -> io::Result<()> {
        if self.free.load(SeqCst) < bytes as u64 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn free_bytes(&mut self, _: u64) -> u64 {
        self.free.load(SeqCst)
    }
}

#[test]
fn a_full_disk_stops_recordings_first_then_calls_and_recovers_by_itself() {
    let data = tempfile::tempdir().unwrap();
    let free = Arc::new(AtomicU64::new(1 << 40));
    let options = Options { check_every: Duration::from_millis(5), ..Options::default() };
    let store = Store::open_with(data.path(), options, Box::new(Full { free: free.clone() })).unwrap();
    // Two rounds: the second began after the change.
    let settle = || {
        let seen = || store.health().disk_free_bytes;
        while seen() != free.load(SeqCst) {
            std::thread::yield_now();
        }
        assert!(store.flush(LONG));
    };
    let first = id("2026-11-21T12:00:00Z", 1);
    let mut files = store.begin(first, record(first));
    files.audio(SampleRate::HZ_8000, 0, vec![1; 100]);
    settle();

    free.store(100 << 20, SeqCst);
    settle();
    files.audio(SampleRate::HZ_8000, 50, vec![2; 100]);
    files.log(b"{\"t\":1}\n".to_vec());
    settle();
    let health = store.health();
    assert!(!health.recording && health.writable, "{health:?}");

    free.store(0, SeqCst);
    settle();
    assert!(!store.health().writable);
    files.finish(ended(first));
    assert!(store.flush(LONG));
    assert_eq!(store.load(first).unwrap().unwrap().ended_at, None, "there was no room for it");

    free.store(1 << 40, SeqCst);
    settle();
    while !store.health().writable {
        std::thread::yield_now();
    }
    let found = store.load(first).unwrap().unwrap();
    assert!(found.ended_at.is_some() && store.health().recording);
    assert_eq!(found.counters.findings.get("recording_cut"), Some(&1));
    let wav = std::fs::read(store.folder(first).join("recording.wav")).unwrap();
    assert_eq!(audio::wav::read(&wav).unwrap().samples, [1; 100]);
}
