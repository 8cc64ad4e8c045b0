//! From the files of calls into the database, whatever happens to either on the way.

use std::path::Path;
use std::time::Duration;

use records::{CallRecord, CallStatus, EndReason};
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use store::{CallFilter, CallId, Database, DatabaseError, DatabaseOptions, Intake, Store, Which};

use crate::make::{at, callback, id, live, over, sid, status};
use crate::place::{Place, Server};

crate::on_both!(
    a_call_comes_into_the_database_as_it_goes,
    what_a_killed_server_left_is_taken_in,
    a_folder_of_old_calls_is_taken_in_by_each_new_database,
    words_that_waited_are_taken_in,
    what_can_not_be_read_stops_nothing,
    a_lock_of_seconds_loses_nothing,
);

const LONG: Duration = Duration::from_secs(60);

/// Waits until the database has the call as wanted.
async fn until(database: &Database, call: CallId, is_wanted: impl Fn(&CallRecord) -> bool) -> CallRecord {
    let mut news = database.subscribe();
    let found = async {
        loop {
            news.mark_unchanged();
            if let Ok(Some(record)) = database.call(&Which::Id(call)).await
                && is_wanted(&record)
            {
                return record;
            }
            // Where the database restarts, its news may be missed.
            let _ = tokio::time::timeout(Duration::from_millis(200), news.changed()).await;
        }
    };
    tokio::time::timeout(LONG, found).await.expect("the database never had the call as wanted")
}

fn is_empty(data: &Path, folder: &str) -> bool {
    std::fs::read_dir(data.join(folder)).unwrap().next().is_none()
}

async fn a_call_comes_into_the_database_as_it_goes(place: Place) {
    let data = place.folder.path().join("data");
    let (store, database) = (Store::open(&data).unwrap(), place.open().await);
    let intake = Intake::start(&store, database.clone());
    let call = id(0, 1);
    let mut files = store.begin(call, live(call, ""));
    until(&database, call, |record| record.status == CallStatus::InProgress).await;
    // The carrier's id came with the stream's start.
    files.update(&live(call, "CA1"));
    until(&database, call, |record| record.carrier_call_id == "CA1").await;
    files.finish(over(call, "CA1"));
    let record = until(&database, call, |record| record.status == CallStatus::Completed).await;
    assert_eq!(record.turns.len(), 2);
    store.report("twilio", "CA1", [("Status".to_owned(), "ok".to_owned())].into());
    until(&database, call, |record| record.carrier_report.is_some()).await;
    intake.stop().await;
    assert!(is_empty(&data, "pending") && is_empty(&data, "taking"));
}

async fn what_a_killed_server_left_is_taken_in(place: Place) {
    let data = place.folder.path().join("data");
    let (cut, taking) = (id(0, 1), id(1, 2));
    {
        let store = Store::open(&data).unwrap();
        let _cut = store.begin(cut, live(cut, "CA1"));
        store.begin(taking, live(taking, "CA2")).finish(over(taking, "CA2"));
        assert!(store.flush(LONG));
        // Killed with one call live and another on its way.
        std::fs::rename(
            data.join("pending").join(taking.to_string()),
            data.join("taking").join(taking.to_string()),
        )
        .unwrap();
    }
    let store = reopen(&data).await;
    let database = place.open().await;
    let intake = Intake::start(&store, database.clone());
    let record = until(&database, cut, |record| record.end_reason.is_some()).await;
    assert_eq!((record.end_reason, record.status), (Some(EndReason::ServerDied), CallStatus::Failed));
    until(&database, taking, |record| record.status == CallStatus::Completed).await;
    intake.stop().await;
}

/// The thread of the store before may still hold the folder for a moment.
async fn reopen(data: &Path) -> Store {
    let opened = async {
        loop {
            match Store::open(data) {
                Ok(store) => return store,
                Err(store::OpenError::InUse(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
                Err(error) => panic!("{error}"),
            }
        }
    };
    tokio::time::timeout(LONG, opened).await.unwrap()
}

async fn a_folder_of_old_calls_is_taken_in_by_each_new_database(place: Place) {
    let data = place.folder.path().join("data");
    let store = Store::open(&data).unwrap();
    for n in 0..5 {
        let call = id(i64::from(n), n);
        store.begin(call, live(call, "")).finish(over(call, &format!("CA{n}")));
    }
    assert!(store.flush(LONG));
    // As a version without a database left them.
    std::fs::remove_dir_all(data.join("pending")).unwrap();
    std::fs::create_dir(data.join("pending")).unwrap();
    let database = place.open().await;
    let intake = Intake::start(&store, database.clone());
    for n in 0..5 {
        until(&database, id(i64::from(n), n), |record| record.status.is_final()).await;
    }
    intake.stop().await;
    database.close().await;
    // Another database: it gets them all too. The same again: it has them.
    let other = DatabaseOptions::Sqlite { file: place.folder.path().join("other.db") };
    let database = Database::open(other.clone()).await.unwrap();
    Intake::start(&store, database.clone()).stop().await;
    assert_eq!(database.calls(&CallFilter::default(), None, 50).await.unwrap().len(), 5);
    let seq = *database.subscribe().borrow();
    Intake::start(&store, database.clone()).stop().await;
    assert_eq!(*database.subscribe().borrow(), seq);
}

async fn words_that_waited_are_taken_in(place: Place) {
    let data = place.folder.path().join("data");
    let (store, database) = (Store::open(&data).unwrap(), place.open().await);
    let (spool, call) = (store.spool(), id(0, 1));
    let words = |seconds, word| vec![status(at(seconds), word)];
    spool.put(&sid("CA1"), words(1, CallStatus::Ringing), Some(callback("k1", at(1)))).await.unwrap();
    spool.put(&sid("CA1"), words(1, CallStatus::Ringing), Some(callback("k1", at(2)))).await.unwrap();
    spool
        .put(&Which::Id(call), words(30, CallStatus::Completed), Some(callback("k2", at(30))))
        .await
        .unwrap();
    store.begin(call, live(call, "CA1")).finish(over(call, "CA1"));
    assert!(store.flush(LONG));
    let intake = Intake::start(&store, database.clone());
    until(&database, call, |record| record.status == CallStatus::Completed).await;
    intake.stop().await;
    let keys: Vec<_> = database.callbacks(call).await.unwrap().into_iter().map(|entry| entry.key).collect();
    assert_eq!(keys, ["k1", "k2"]);
    assert!(is_empty(&data, "spool"));
}

async fn what_can_not_be_read_stops_nothing(place: Place) {
    let data = place.folder.path().join("data");
    let (store, database) = (Store::open(&data).unwrap(), place.open().await);
    let (bad, good) = (id(0, 1), id(1, 2));
    for call in [bad, good] {
        store.begin(call, live(call, "")).finish(over(call, &format!("sid-of-{call}")));
    }
    assert!(store.flush(LONG));
    std::fs::write(store.folder(bad).join("record.json"), "{\"id\":").unwrap();
    std::fs::write(data.join("spool/00000000000000000001-0-1"), "{}").unwrap();
    std::fs::write(data.join("pending/notes.txt"), "not a call").unwrap();
    let intake = Intake::start(&store, database.clone());
    until(&database, good, |record| record.status.is_final()).await;
    intake.stop().await;
    assert!(data.join("taking").join(bad.to_string()).exists(), "tried again at the next start");
    assert!(data.join("spool/refused/00000000000000000001-0-1").exists());
    assert!(data.join("pending/notes.txt").exists());
}

/// Holds a lock that no writer passes, for so long.
async fn lock(options: &DatabaseOptions, hold: Duration) -> tokio::task::JoinHandle<()> {
    let (locked, is_locked) = tokio::sync::oneshot::channel();
    let options = options.clone();
    let task = tokio::spawn(async move {
        match options {
            DatabaseOptions::Sqlite { file } => {
                let mut connection = SqliteConnection::connect(file.to_str().unwrap()).await.unwrap();
                let lock = connection.begin_with("BEGIN EXCLUSIVE").await.unwrap();
                locked.send(()).unwrap();
                tokio::time::sleep(hold).await;
                lock.rollback().await.unwrap();
            }
            DatabaseOptions::Postgres { url } => {
                let mut connection =
                    PgConnection::connect(secrecy::ExposeSecret::expose_secret(&url)).await.unwrap();
                let mut lock = connection.begin().await.unwrap();
                sqlx::query("LOCK TABLE counter, calls IN ACCESS EXCLUSIVE MODE")
                    .execute(&mut *lock)
                    .await
                    .unwrap();
                locked.send(()).unwrap();
                tokio::time::sleep(hold).await;
                lock.rollback().await.unwrap();
            }
        }
    });
    is_locked.await.unwrap();
    task
}

/// Words as the control plane handles them: the database, else the spool.
async fn tell(store: &Store, database: &Database, n: i64) {
    let (words, entry) = (vec![status(at(n), CallStatus::Ringing)], callback(&format!("k{n}"), at(n)));
    match database.apply(&sid("CA1"), words.clone(), Some(entry.clone())).await {
        Ok(_) => {}
        Err(DatabaseError::Unavailable(_)) => {
            store.spool().put(&sid("CA1"), words, Some(entry)).await.unwrap();
        }
        Err(error) => panic!("{error}"),
    }
}

/// Calls and callbacks while something is done to the database; afterwards all of it is there.
async fn nothing_is_lost(place: &Place, trouble: impl Future<Output = ()>) {
    let data = place.folder.path().join("data");
    let (store, database) = (Store::open(&data).unwrap(), place.open().await);
    let intake = Intake::start(&store, database.clone());
    let first = id(0, 1);
    let mut files = store.begin(first, live(first, ""));
    files.update(&live(first, "CA1"));
    until(&database, first, |record| record.carrier_call_id == "CA1").await;
    let busy = async {
        for n in 0..40_i64 {
            let call = id(100 + n, u8::try_from(n).unwrap());
            store.begin(call, live(call, "")).finish(over(call, &format!("CB{n}")));
            tell(&store, &database, n).await;
        }
    };
    tokio::join!(trouble, busy);
    files.finish(over(first, "CA1"));
    until(&database, first, |record| record.status.is_final()).await;
    for n in 0..40_i64 {
        until(&database, id(100 + n, u8::try_from(n).unwrap()), |record| record.status.is_final()).await;
    }
    // The spool is emptied before calls are taken; a round after the trouble has it all.
    intake.stop().await;
    let mut keys: Vec<_> =
        database.callbacks(first).await.unwrap().into_iter().map(|entry| entry.key).collect();
    keys.sort();
    let mut wanted: Vec<_> = (0..40).map(|n| format!("k{n}")).collect();
    wanted.sort();
    assert_eq!(keys, wanted);
    assert!(is_empty(&data, "spool") && is_empty(&data, "pending") && is_empty(&data, "taking"));
}

async fn a_lock_of_seconds_loses_nothing(place: Place) {
    // Longer than a write waits for a lock.
    place.open().await.close().await;
    nothing_is_lost(&place, async { lock(&place.options, Duration::from_secs(7)).await.await.unwrap() })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_postgresql_loses_nothing() {
    let server = Server::new();
    let place = Place { options: server.database().await, folder: tempfile::tempdir().unwrap() };
    nothing_is_lost(&place, async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        server.stop();
        tokio::time::sleep(Duration::from_secs(2)).await;
        server.start();
        server.connect().await;
    })
    .await;
}
