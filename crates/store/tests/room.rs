//! A disk that gets full: recordings end first, then no new calls are taken, those that run are kept, and all of it comes
//! back by itself. The refusals are the kernel's own.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which clippy takes for code")]

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use audio::SampleRate;
use records::{CallRecord, EndReason};
use store::{CallId, Fault, Health, NoFault, Options, Store};

const LONG: Duration = Duration::from_secs(30);
const MIB: u64 = 1 << 20;
/// Where the child finds its small disk.
const SMALL_DISK: &str = "STORE_SMALL_DISK";

fn id(n: u8) -> CallId {
    CallId::new("2026-11-21T12:00:00Z".parse().unwrap(), [n; 10])
}

fn record(id: CallId) -> CallRecord {
    CallRecord { sample_rate: 8000, ..CallRecord::new(id.to_string(), "exotel", id.began()) }
}

fn ended(id: CallId) -> CallRecord {
    let mut record = record(id);
    record.ended_at = Some(id.began());
    record.end_reason = Some(EndReason::CallerHungUp);
    record
}

/// Waits until the store is so.
fn until(store: &Store, what: &str, is_so: impl Fn(&Health) -> bool) {
    let limit = Instant::now() + LONG;
    while !is_so(&store.health()) {
        assert!(Instant::now() < limit, "not {what}: {:?}", store.health());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The file system says that there is room, and refuses every write all the same, as with a quota.
struct Quota(Arc<AtomicBool>);

impl Fault for Quota {
    fn before_write(&mut self, _: &Path, bytes: usize) -> io::Result<()> {
        if self.0.load(SeqCst) {
            File::options().write(true).open("/dev/full")?.write_all(&vec![0; bytes.max(1)])?;
        }
        Ok(())
    }

    fn free_bytes(&mut self, _: u64) -> u64 {
        1 << 40
    }
}

#[test]
fn a_refused_write_ends_recordings_and_new_calls_until_there_is_room() {
    let data = tempfile::tempdir().unwrap();
    let is_full = Arc::new(AtomicBool::new(false));
    let options = Options { check_every: Duration::from_millis(5), ..Options::default() };
    let store = Store::open_with(data.path(), options, Box::new(Quota(is_full.clone()))).unwrap();
    let (first, second) = (id(1), id(2));
    let mut files = store.begin(first, record(first));
    files.audio(SampleRate::HZ_8000, 0, vec![1; 100]);
    assert!(store.flush(LONG));
    assert!(store.health().recording && store.health().writable);

    is_full.store(true, SeqCst);
    files.audio(SampleRate::HZ_8000, 50, vec![2; 100]);
    assert!(store.flush(LONG));
    let health = store.health();
    assert!(!health.recording && !health.writable, "known with the first refusal: {health:?}");
    files.finish(ended(first));
    assert!(store.flush(LONG));
    assert_eq!(store.load(first).unwrap().unwrap().ended_at, None, "there is no room for it");

    is_full.store(false, SeqCst);
    until(&store, "back", |health| health.recording && health.writable);
    let found = store.load(first).unwrap().unwrap();
    assert!(found.ended_at.is_some());
    assert_eq!(found.counters.findings.get("recording_cut"), Some(&1));
    let mut files = store.begin(second, record(second));
    files.audio(SampleRate::HZ_8000, 0, vec![3; 100]);
    files.finish(ended(second));
    assert!(store.flush(LONG));
    assert_eq!(store.load(second).unwrap().unwrap().recording.as_deref(), Some("recording.wav"));
}

/// Writes to a file until so much is left of the disk, or nothing more goes.
fn fill(file: &mut File, disk: &Path, left: u64) {
    let free = || {
        let stat = rustix::fs::statvfs(disk).unwrap();
        stat.f_bavail * stat.f_frsize
    };
    while free() > left {
        match file.write(&vec![0; usize::try_from((free() - left).min(MIB / 4)).unwrap()]) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::StorageFull => return,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Not a test of its own: what the test below runs as a process of its own, on a file system of 24 MiB.
#[test]
fn a_store_on_a_small_disk() {
    let Ok(disk) = std::env::var(SMALL_DISK) else { return };
    let disk = Path::new(&disk);
    let options = Options {
        recording_floor_bytes: 10 * MIB,
        call_floor_bytes: 6 * MIB,
        check_every: Duration::from_millis(5),
        ..Options::default()
    };
    let store = Store::open_with(&disk.join("data"), options, Box::new(NoFault)).unwrap();
    let (first, second) = (id(1), id(2));
    let mut files = store.begin(first, record(first));
    files.audio(SampleRate::HZ_8000, 0, vec![1; 100]);
    assert!(store.flush(LONG));
    assert!(disk.join("data/reserve").exists(), "room is laid aside");

    let mut filler = File::create(disk.join("filler")).unwrap();
    fill(&mut filler, disk, 8 * MIB);
    until(&store, "without recordings", |health| !health.recording);
    assert!(store.health().writable, "calls go on: {:?}", store.health());
    files.audio(SampleRate::HZ_8000, 50, vec![2; 100]);
    fill(&mut filler, disk, 0);
    until(&store, "closed to calls", |health| !health.writable);
    files.log(b"{\"t\":1}\n".to_vec());
    files.finish(ended(first));
    // Its record is kept although the disk is full.
    let limit = Instant::now() + LONG;
    while store.load(first).unwrap().unwrap().ended_at.is_none() {
        assert!(Instant::now() < limit, "{:?}", store.health());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(!store.health().writable && !disk.join("data/reserve").exists());

    drop(filler);
    std::fs::remove_file(disk.join("filler")).unwrap();
    until(&store, "back", |health| health.recording && health.writable);
    let found = store.load(first).unwrap().unwrap();
    assert_eq!(found.counters.findings.get("recording_cut"), Some(&1));
    let wav = std::fs::read(store.folder(first).join("recording.wav")).unwrap();
    assert_eq!(audio::wav::read(&wav).unwrap().samples, [1; 100]);
    let mut files = store.begin(second, record(second));
    files.audio(SampleRate::HZ_8000, 0, vec![3; 100]);
    files.finish(ended(second));
    assert!(store.flush(LONG));
    assert_eq!(store.load(second).unwrap().unwrap().recording.as_deref(), Some("recording.wav"));
    println!("the small disk was survived");
}

#[test]
fn a_small_disk_that_gets_full_is_survived() {
    let disk = tempfile::tempdir().unwrap();
    // A file system of our own, seen by nobody else; as root directly, as anybody else within a namespace.
    let script = "mount -t tmpfs -o size=24m tmpfs \"$0\" || exit 77; exec \"$1\" --exact a_store_on_a_small_disk --nocapture";
    let ran = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", script])
        .arg(disk.path())
        .arg(std::env::current_exe().unwrap())
        .env(SMALL_DISK, disk.path())
        .output();
    match ran {
        Ok(ran) if ran.status.success() && String::from_utf8_lossy(&ran.stdout).contains("was survived") => {}
        // `unshare` may not make a namespace, or the shell in it not mount. The test above has the kernel's refusals
        // without a file system of our own.
        Ok(ran) if matches!(ran.status.code(), Some(1 | 77)) => {
            eprintln!("no file system can be mounted here: {}", String::from_utf8_lossy(&ran.stderr));
        }
        Err(error) => eprintln!("no file system can be mounted here: {error}"),
        Ok(ran) => {
            panic!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr))
        }
    }
}
