//! What is taken out is gone from the disk, what is kept stays, and every part goes alone.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::time::Duration;

use audio::SampleRate;
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use records::{CallRecord, EndReason, Kept, Speaker, TurnRecord};
use store::{
    Absent, CallId, Database, DatabaseOptions, ForgetError, Forgetter, Opened, Place, Recording, Recordings,
    Remote, RemoteOptions, Retention, Store, Uploads, Which,
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
    let store = open_with(data.path(), &remote);
    let (here, there, other) =
        (id("2026-11-01T12:00:00Z", 1), id("2026-11-02T12:00:00Z", 2), id("2026-11-03T12:00:00Z", 3));
    call(&store, there, "+919876543210");
    let mut uploads = Uploads::new(&store, false).unwrap();
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

/// The whole of a recording, by way of the store.
async fn sound(recording: Recording) -> Vec<u8> {
    let length = recording.length;
    let pieces: Vec<bytes::Bytes> = recording.read(0..length).await.unwrap().try_collect().await.unwrap();
    pieces.concat()
}

async fn found(recordings: &Recordings, id: CallId) -> Recording {
    match recordings.open(id).await.unwrap() {
        Opened::Found(recording) => recording,
        Opened::Absent(why) => panic!("there is none: {why:?}"),
    }
}

fn open_with(data: &Path, remote: &Remote) -> Store {
    let options = store::Options { remote: Some(remote.clone()), ..store::Options::default() };
    Store::open_with(data, options, Box::new(store::NoFault)).unwrap()
}

#[tokio::test]
async fn a_recording_goes_elsewhere_and_is_read_from_there() {
    let (data, bucket) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let remote = elsewhere(bucket.path());
    let store = open_with(data.path(), &remote);
    let call_id = id("2026-11-01T12:00:00Z", 1);
    call(&store, call_id, NUMBER);
    let recordings = store.recordings();
    let whole = std::fs::read(store.folder(call_id).join("recording.wav")).unwrap();
    assert_eq!(sound(found(&recordings, call_id).await).await, whole);
    let record = store.load(call_id).unwrap().unwrap();
    assert_eq!(recordings.place(call_id, &record).await.unwrap(), Place::OnItsWay);

    let mut uploads = Uploads::new(&store, false).unwrap();
    assert_eq!(uploads.round().await, 1);
    assert!(store.flush(LONG));
    assert_eq!(uploads.round().await, 0, "once is enough");
    assert!(!store.folder(call_id).join("recording.wav").exists());
    assert_eq!(std::fs::read_dir(data.path().join("unsettled")).unwrap().count(), 0);
    let record = store.load(call_id).unwrap().unwrap();
    assert_eq!(record.recording, Some(remote.address(call_id)));
    assert_eq!(recordings.place(call_id, &record).await.unwrap(), Place::There);
    let there = found(&recordings, call_id).await;
    assert_eq!(there.length, whole.len() as u64);
    let part: Vec<bytes::Bytes> = there.read(40..100).await.unwrap().try_collect().await.unwrap();
    assert_eq!(part.concat(), whole[40..100]);
    let nobody = recordings.open(id("2026-11-01T12:00:00Z", 9)).await.unwrap();
    assert!(matches!(nobody, Opened::Absent(Absent::NoCall)), "{nobody:?}");
    let state = recordings.uploads().unwrap();
    assert_eq!((state.arrived, state.bytes, state.failed), (1, whole.len() as u64, 0));

    // What can't be taken there stays here, and is noted until it can.
    let second = id("2026-11-02T12:00:00Z", 2);
    std::fs::remove_dir_all(bucket.path()).unwrap();
    std::fs::write(bucket.path(), "no folder").unwrap();
    call(&store, second, NUMBER);
    assert_eq!(uploads.round().await, 0);
    assert_eq!(recordings.uploads().unwrap().failed, 1);
    assert!(store.folder(second).join("recording.wav").exists());
    std::fs::remove_file(bucket.path()).unwrap();
    std::fs::create_dir(bucket.path()).unwrap();
    assert_eq!(Uploads::new(&store, true).unwrap().round().await, 1, "after a restart it is tried again");
    assert!(store.flush(LONG));
    assert!(store.folder(second).join("recording.wav").exists(), "it is to stay here as well");
    assert_eq!(store.load(second).unwrap().unwrap().recording.as_deref(), Some("recording.wav"));
    assert_eq!(files(bucket.path()).len(), 1);
}

#[tokio::test]
async fn what_is_erased_on_its_way_does_not_stay_elsewhere() {
    let (data, bucket) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let remote = elsewhere(bucket.path());
    let store = open_with(data.path(), &remote);
    let call_id = id("2026-11-01T12:00:00Z", 1);
    call(&store, call_id, NUMBER);
    let mut uploads = Uploads::new(&store, false).unwrap();
    assert_eq!(uploads.round().await, 1);
    assert!(store.flush(LONG));
    let sent = files(bucket.path());
    let forgetter = Forgetter::new(data.path(), Some(remote));
    assert_eq!(forgetter.erase(NUMBER, "a test", Timestamp::now()).await.unwrap().calls, [call_id]);
    assert_eq!(files(bucket.path()).len(), 0);
    // It was on its way when it was erased, and the server that sent it died right after it arrived.
    std::fs::write(&sent[0].0, &sent[0].1).unwrap();
    std::fs::write(data.path().join("unsettled").join(call_id.to_string()), "").unwrap();
    assert_eq!(uploads.round().await, 0);
    assert_eq!(files(bucket.path()).len(), 0);
    assert_eq!(std::fs::read_dir(data.path().join("unsettled")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_link_is_never_followed() {
    let (data, bucket) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open_with(data.path(), &elsewhere(bucket.path()));
    let call_id = id("2026-11-01T12:00:00Z", 1);
    call(&store, call_id, NUMBER);
    let file = store.folder(call_id).join("recording.wav");
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", &file).unwrap();
    assert_eq!(Uploads::new(&store, false).unwrap().round().await, 0);
    assert_eq!(files(bucket.path()).len(), 0, "what a link points at is not taken anywhere");
    assert!(store.recordings().open(call_id).await.is_err());
}

#[tokio::test]
async fn a_held_call_keeps_everything() {
    let data = tempfile::tempdir().unwrap();
    let store = Store::open(data.path()).unwrap();
    let [held, other] = [id("2026-01-01T12:00:00Z", 1), id("2026-01-01T12:00:00Z", 2)];
    call(&store, held, NUMBER);
    call(&store, other, NUMBER);
    let now = Timestamp::now();
    let forgetter = Forgetter::new(data.path(), None);
    assert!(forgetter.hold(held, true, "key_1", now).await.unwrap());
    assert!(!forgetter.hold(held, true, "key_1", now).await.unwrap(), "it was held");
    assert!(forgetter.is_held(held).await.unwrap() && !forgetter.is_held(other).await.unwrap());

    let retention = Retention { audio_days: 1, ..Retention::default() };
    for is_dry in [true, false] {
        let swept = forgetter.sweep(retention, now, is_dry).await.unwrap();
        assert_eq!(swept.forgotten, [(other, Kept::Audio)]);
        assert_eq!((swept.held, swept.failed.len()), (vec![(held, Kept::Audio)], 0));
    }
    let would = forgetter.would_erase(NUMBER).await.unwrap();
    assert_eq!((would.calls, would.held), (vec![other], vec![held]));
    let erased = forgetter.erase(NUMBER, "a test", now).await.unwrap();
    assert_eq!((erased.calls, erased.held), (vec![other], vec![held]));
    assert!(store.folder(held).join("recording.wav").exists());
    assert_eq!(forgetter.finish_erasures(now).await.unwrap(), 0);

    assert!(forgetter.hold(held, false, "key_1", now).await.unwrap());
    assert_eq!(forgetter.erase(NUMBER, "a test", now).await.unwrap().calls, [held]);
    let refused = forgetter.hold(held, true, "key_1", now).await;
    assert!(matches!(refused, Err(ForgetError::Erased)), "{refused:?}");
    let audit = std::fs::read_to_string(data.path().join("audit.jsonl")).unwrap();
    let whats: Vec<String> = audit
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["what"].to_string())
        .collect();
    assert_eq!(whats, ["\"hold\"", "\"retention\"", "\"erase\"", "\"release\"", "\"erase\""]);
    assert!(!audit.contains(NUMBER) && audit.contains("key_1"), "{audit}");
}

#[tokio::test]
async fn a_call_that_runs_is_erased_when_it_is_over() {
    let data = tempfile::tempdir().unwrap();
    let store = Store::open(data.path()).unwrap();
    let live = id("2026-11-01T12:00:00Z", 1);
    let record = CallRecord {
        from: Some(NUMBER.to_owned()),
        ..CallRecord::new(live.to_string(), "exotel", live.began())
    };
    let files = store.begin(live, record.clone());
    assert!(store.flush(LONG));
    let forgetter = Forgetter::new(data.path(), None);
    assert_eq!(forgetter.would_erase(NUMBER).await.unwrap().running, [live]);
    let erased = forgetter.erase(NUMBER, "a test", Timestamp::now()).await.unwrap();
    assert_eq!((erased.running, erased.calls.len()), (vec![live], 0));
    assert_eq!(forgetter.finish_erasures(Timestamp::now()).await.unwrap(), 0, "it runs");
    files.finish(CallRecord {
        ended_at: Some(live.began() + Duration::from_secs(10)),
        end_reason: Some(EndReason::CallerHungUp),
        ..record
    });
    assert!(store.flush(LONG));
    assert_eq!(forgetter.finish_erasures(Timestamp::now()).await.unwrap(), 1);
    assert!(store.load(live).unwrap().unwrap().erased_at.is_some());
    assert_eq!(holding(data.path(), &NUMBER[1..]), [""; 0]);
    assert_eq!(forgetter.finish_erasures(Timestamp::now()).await.unwrap(), 0, "once is enough");
}
