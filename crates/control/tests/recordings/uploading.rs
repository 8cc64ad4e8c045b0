//! Taking recordings to the bucket, whatever happens meanwhile.

use std::path::Path;
use std::process::{Command, Stdio};

use jiff::Timestamp;
use sim::s3::{Asked, Op, S3Fault, S3Keys, S3Server};
use store::Uploads;

use crate::place::{LONG, NUMBER, Place, call, id, remote, store};

/// Three parts: two whole ones of 8 MiB and a small one.
const THREE_PARTS: usize = 4_300_000;

fn count(asked: &[Asked], op: Op) -> usize {
    asked.iter().filter(|asked| asked.op == Some(op)).count()
}

#[tokio::test]
async fn a_long_recording_goes_in_parts_and_faults_on_the_way_leave_nothing() {
    let place = Place::new().await;
    let whole = place.call(id(1), THREE_PARTS).await;
    // One of each is asked for again at once, within the same upload.
    place.s3.spoil(Op::Begin, S3Fault::SlowDown, 1);
    place.s3.spoil(Op::Part, S3Fault::Internal, 1);
    place.s3.spoil(Op::Complete, S3Fault::SlowDown, 1);
    assert_eq!(place.upload().await, 1);
    assert_eq!(place.s3.objects().into_values().collect::<Vec<_>>(), [whole]);
    assert_eq!((place.s3.unfinished(), count(&place.s3.asked(), Op::Part)), (0, 4));

    // One that fails for good is given up, so that its parts are not paid for, and tried again later.
    let second = place.call(id(2), THREE_PARTS).await;
    place.s3.spoil(Op::Part, S3Fault::Denied, 1);
    assert_eq!(place.upload().await, 0);
    assert_eq!((place.s3.objects().len(), place.s3.unfinished()), (1, 0));
    assert_eq!(count(&place.s3.asked(), Op::Abort), 1);
    assert!(place.store.folder(id(2)).join("recording.wav").exists());
    assert_eq!(place.upload().await, 1);
    assert_eq!(place.s3.objects().len(), 2);
    assert!(place.s3.objects().into_values().any(|object| object == second));
    let state = place.store.recordings().uploads().unwrap();
    assert_eq!((state.arrived, state.failed), (2, 1));
}

#[tokio::test]
async fn what_is_erased_while_it_is_sent_is_not_there_afterwards() {
    let place = Place::new().await;
    place.call(id(1), THREE_PARTS).await;
    // The server sends, and hangs in the middle of it.
    place.s3.spoil(Op::Complete, S3Fault::Hang, 1);
    let mut uploads = Uploads::new(&place.store, false).unwrap();
    let sending = tokio::spawn(async move { uploads.round().await });
    place.s3.until(|asked| count(asked, Op::Complete) == 1).await;
    let forgetter = place.store.forgetter(place.database.clone());
    let erased = forgetter.erase(NUMBER, "a test", Timestamp::now()).await.unwrap();
    assert_eq!(erased.calls, [id(1)]);
    sending.abort();
    // Whatever arrives now: the note of the call is gone, and what lies there without one is deleted.
    assert_eq!(place.upload().await, 0);
    assert_eq!(place.s3.objects().len(), 0);
    assert!(!place.store.folder(id(1)).join("recording.wav").exists());
}

/// Not a test of its own: what the test below runs as a process of its own, and kills.
#[tokio::test]
async fn a_server_to_be_killed_while_it_uploads() {
    let (Ok(data), Ok(endpoint)) = (std::env::var("UPLOADS_DATA"), std::env::var("UPLOADS_TO")) else {
        return;
    };
    let store = store(Path::new(&data), remote(&endpoint, &S3Keys::default()));
    call(&store, id(1), THREE_PARTS);
    assert!(store.flush(LONG));
    Uploads::new(&store, false).unwrap().run().await;
}

#[tokio::test]
async fn a_server_killed_in_the_middle_of_an_upload_finishes_after_its_restart() {
    let data = tempfile::tempdir().unwrap();
    let s3 = S3Server::start(S3Keys::default()).await.unwrap();
    // All parts arrive, and are never made one object.
    s3.spoil(Op::Complete, S3Fault::Hang, 1);
    let mut server = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "uploading::a_server_to_be_killed_while_it_uploads"])
        .env("UPLOADS_DATA", data.path())
        .env("UPLOADS_TO", s3.url())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    s3.until(|asked| count(asked, Op::Complete) == 1).await;
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!((s3.objects().len(), s3.unfinished()), (0, 1));

    let store = store(data.path(), remote(&s3.url(), s3.keys()));
    let whole = std::fs::read(store.folder(id(1)).join("recording.wav")).unwrap();
    assert_eq!(whole.len(), 44 + THREE_PARTS * 4);
    assert_eq!(Uploads::new(&store, false).unwrap().round().await, 1);
    assert!(store.flush(LONG));
    assert_eq!(s3.objects().into_values().collect::<Vec<_>>(), [whole]);
    assert!(!store.folder(id(1)).join("recording.wav").exists());
    assert!(store.load(id(1)).unwrap().unwrap().recording.unwrap().starts_with("s3://calls/kept/"));
}
