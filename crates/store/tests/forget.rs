//! What is taken out is gone from the disk, what is kept stays, and every part goes alone.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::time::Duration;

use audio::SampleRate;
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use records::{CallRecord, EndReason, Kept, Speaker, TurnRecord};
use store::{
    CallId, Database, DatabaseOptions, Forgetter, Opened, Recordings, Remote, RemoteOptions, Retention,
    Store, Uploads, Which,
};

const LONG: Duration = Duration::from_secs(30);
const NUMBER: &str = "09876543210";
const WORDS: &str = "my secret is plum";

fn id(at: &str, number: u8) -> CallId {
    CallId::new(at.parse().unwrap(), [number; 10])
}

/// A call that ended ten seconds after it began, with everything that can tell who it was.
fn call(store: &Store, id: CallId, from: &str) {
    let record = CallRecord {
        carrier_call_id: format!("carrier-{id}"),
        from: Some(from.to_owned()),
        custom: [("customer".to_owned(), WORDS.to_owned())].into(),
        ..CallRecord::new(id.to_string(), "exotel", id.began())
    };
    let mut files = store.begin(id, record.clone());
    files.log(format!("{{\"t\":1,\"in\":\"{WORDS}\"}}\n").into_bytes());
    files.audio(SampleRate::HZ_8000, 0, vec![7; 1600]);
    let said = |text: &str| TurnRecord {
        speaker: Speaker::Caller,
        at_ms: 10,
        text: text.to_owned(),
        unheard: String::new(),
        evidence: None,
        latency: None,
        served_by: [].into(),
    };
    files.finish(CallRecord {
        ended_at: Some(id.began() + Duration::from_secs(10)),
        end_reason: Some(EndReason::CallerHungUp),
        status: EndReason::CallerHungUp.status(),
        turns: vec![said(WORDS)],
        results: [("secret".to_owned(), WORDS.to_owned())].into(),
        ..record
    });
    assert!(store.flush(LONG));
}

/// All files under a folder, by their path in it.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    found
}

fn holding(folder: &Path, text: &str) -> Vec<String> {
    let holds = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    files(folder).into_iter().filter(|(_, bytes)| holds(bytes)).map(|(path, _)| path).collect()
}

fn elsewhere(folder: &Path) -> Remote {
    let url = format!("file://{}", folder.display());
    let options =
        RemoteOptions { url, endpoint: None, region: None, access_key_id: None, secret_access_key: None };
    Remote::open(&options).unwrap()
}

#[tokio::test]
async fn each_part_goes_at_its_time_and_alone() {
    let data = tempfile::tempdir().unwrap();
    let store = Store::open(data.path()).unwrap();
    let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
    let [old, middle, young] = ["2026-08-01T12:00:00Z", "2026-10-20T12:00:00Z", "2026-11-20T12:00:00Z"];
    let (old, middle, young) = (id(old, 1), id(middle, 2), id(young, 3));
    for id in [old, middle, young] {
        call(&store, id, NUMBER);
    }
    // One that runs is never touched, however old.
    let live = id("2026-01-01T12:00:00Z", 4);
    let running = store.begin(live, CallRecord::new(live.to_string(), "exotel", live.began()));
    assert!(store.flush(LONG));

    let forgetter = Forgetter::new(data.path(), None);
    let retention = Retention { audio_days: 30, transcript_days: 60, record_days: 90 };
    let dry = forgetter.sweep(retention, now, true).await.unwrap();
    let wanted = [(old, Kept::Audio), (old, Kept::Transcript), (old, Kept::Record), (middle, Kept::Audio)];
    assert_eq!(dry.forgotten, wanted);
    assert!(store.folder(old).join("recording.wav").exists(), "a dry run changes nothing");
    let swept = forgetter.sweep(retention, now, false).await.unwrap();
    assert_eq!((swept.forgotten.as_slice(), swept.failed.len()), (&wanted[..], 0));

    let there = |id: CallId, name: &str| store.folder(id).join(name).exists();
    assert!(!there(old, "recording.wav") && !there(old, "call.jsonl") && there(old, "record.json"));
    assert!(!there(middle, "recording.wav") && there(middle, "call.jsonl"));
    assert!(there(young, "recording.wav") && there(young, "call.jsonl") && there(live, "record.json"));
    let tombstone = store.load(old).unwrap().unwrap();
    assert_eq!((tombstone.erased_at, tombstone.from, tombstone.ended_at.is_some()), (Some(now), None, true));
    assert_eq!(tombstone.end_reason, Some(EndReason::CallerHungUp));
    let middle = store.load(middle).unwrap().unwrap();
    assert_eq!((middle.recording, middle.turns[0].text.as_str()), (None, WORDS));
    // Nothing is left to do, and a report that comes now brings nothing back.
    assert!(forgetter.sweep(retention, now, false).await.unwrap().forgotten.is_empty());
    let report = [("From".to_owned(), NUMBER.to_owned())].into();
    store.report("exotel", &format!("carrier-{old}"), report);
    assert!(store.flush(LONG));
    assert_eq!(store.load(old).unwrap().unwrap().carrier_report, None);
    drop(running);
}

#[tokio::test]
async fn after_an_erasure_neither_number_nor_words_are_on_the_disk() {
    let (data, bucket) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let remote = elsewhere(bucket.path());
    let options = store::Options { uploads: true, ..store::Options::default() };
    let store = Store::open_with(data.path(), options, Box::new(store::NoFault)).unwrap();
    let (here, there, other) =
        (id("2026-11-01T12:00:00Z", 1), id("2026-11-02T12:00:00Z", 2), id("2026-11-03T12:00:00Z", 3));
    call(&store, there, "+919876543210");
    let mut uploads = Uploads::new(store.clone(), remote.clone(), false);
    assert_eq!(uploads.round().await, 1);
    assert!(store.flush(LONG));
    assert_eq!(files(bucket.path()).len(), 1);
    call(&store, here, NUMBER);
    call(&store, other, "08000000002");
    let file = data.path().join("trunkline.db");
    let tables = Database::open(DatabaseOptions::Sqlite { file: file.clone() }).await.unwrap();
    for id in [here, there, other] {
        tables.take_in(&store.load(id).unwrap().unwrap(), Timestamp::now()).await.unwrap();
    }
    let holds = holding(data.path(), "9876543210");
    assert!(holds.iter().any(|path| path.contains("trunkline.db")), "{holds:?}");
    assert!(holding(data.path(), WORDS).iter().any(|path| path.contains("trunkline.db")));

    let forgetter = Forgetter::new(data.path(), Some(remote)).and_tables(tables.clone());
    let erased = forgetter.erase("98765 43210", "a test", Timestamp::now()).await.unwrap();
    assert_eq!((erased.calls.as_slice(), erased.failed.len()), (&[there, here][..], 0));
    assert_eq!(holding(data.path(), "9876543210"), [""; 0]);
    let left = holding(data.path(), WORDS);
    // Of the call with another number nothing is gone: its two files, and its row.
    assert!(left.iter().filter(|path| path.contains(&other.to_string())).count() == 2, "{left:?}");
    assert!(left.len() == 3 && left.iter().any(|path| path.ends_with("trunkline.db")), "{left:?}");
    let tombstone = tables.call(&Which::Id(here)).await.unwrap().unwrap();
    assert!(tombstone.erased_at.is_some() && tombstone.turns.is_empty() && tombstone.ended_at.is_some());
    assert!(tables.call(&Which::Id(other)).await.unwrap().unwrap().erased_at.is_none());
    assert_eq!(files(bucket.path()).len(), 0, "the recording elsewhere is gone too");
    let audit = std::fs::read_to_string(data.path().join("audit.jsonl")).unwrap();
    assert!(
        audit.contains(&here.to_string()) && audit.contains("a test") && audit.lines().count() == 1,
        "{audit}"
    );
    assert!(forgetter.erase(NUMBER, "a test", Timestamp::now()).await.unwrap().calls.is_empty());
}

#[tokio::test]
async fn a_recording_goes_elsewhere_and_is_read_from_there() {
    let (data, bucket) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let remote = elsewhere(bucket.path());
    let options = store::Options { uploads: true, ..store::Options::default() };
    let store = Store::open_with(data.path(), options, Box::new(store::NoFault)).unwrap();
    let call_id = id("2026-11-01T12:00:00Z", 1);
    call(&store, call_id, NUMBER);
    let recordings = Recordings::new(data.path(), Some(remote.clone()));
    let Some(Opened::Local(_, length)) = recordings.open(call_id).await.unwrap() else {
        panic!("it is here first")
    };
    let whole = std::fs::read(store.folder(call_id).join("recording.wav")).unwrap();
    assert_eq!(length, whole.len() as u64);

    let mut uploads = Uploads::new(store.clone(), remote.clone(), false);
    assert_eq!(uploads.round().await, 1);
    assert!(store.flush(LONG));
    assert_eq!(uploads.round().await, 0, "once is enough");
    assert!(!store.folder(call_id).join("recording.wav").exists());
    let record = store.load(call_id).unwrap().unwrap();
    assert_eq!(record.recording, Some(remote.address(call_id)));
    let Some(Opened::Remote(there)) = recordings.open(call_id).await.unwrap() else {
        panic!("it is there now")
    };
    assert_eq!(there.length, length);
    let part: Vec<bytes::Bytes> = there.read(40..100).await.unwrap().try_collect().await.unwrap();
    assert_eq!(part.concat(), whole[40..100]);
    assert!(recordings.open(id("2026-11-01T12:00:00Z", 9)).await.unwrap().is_none());

    // What can't be taken there stays here, and is noted until it can.
    let second = id("2026-11-02T12:00:00Z", 2);
    std::fs::remove_dir_all(bucket.path()).unwrap();
    std::fs::write(bucket.path(), "no folder").unwrap();
    call(&store, second, NUMBER);
    assert_eq!(uploads.round().await, 0);
    assert!(store.folder(second).join("recording.wav").exists());
    std::fs::remove_file(bucket.path()).unwrap();
    std::fs::create_dir(bucket.path()).unwrap();
    assert_eq!(
        Uploads::new(store.clone(), remote, true).round().await,
        1,
        "after a restart it is tried again"
    );
    assert!(store.flush(LONG));
    assert!(store.folder(second).join("recording.wav").exists(), "it is to stay here as well");
    assert_eq!(store.load(second).unwrap().unwrap().recording.as_deref(), Some("recording.wav"));
    assert_eq!(files(bucket.path()).len(), 1);
}
