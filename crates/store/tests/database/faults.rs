//! What goes wrong with a database: a schema of tomorrow, a file that is none, a lock.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use records::EndReason;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};
use store::{CallFilter, Database, DatabaseError, DatabaseOptions};

use crate::make::{at, id, over};
use crate::place::Place;

fn file(place: &Place) -> std::path::PathBuf {
    let DatabaseOptions::Sqlite { file } = &place.options else { panic!("not SQLite") };
    file.clone()
}

async fn beside(place: &Place) -> SqliteConnection {
    SqliteConnection::connect(file(place).to_str().unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_newer_schema_is_refused_in_clear_words() {
    let place = Place::sqlite().await;
    place.open().await.close().await;
    sqlx::query("UPDATE trunkline_schema SET version = 999 WHERE version = 1")
        .execute(&mut beside(&place).await)
        .await
        .unwrap();
    let error = Database::open(place.options.clone()).await.unwrap_err();
    assert!(matches!(error, DatabaseError::Failed(_)), "{error}");
    assert!(error.to_string().contains("a newer trunkline made it"), "{error}");
}

/// A file as the program left it that knew two versions of the schema, with a call in it.
async fn of_long_ago(place: &Place) {
    let mut connection = SqliteConnection::connect_with(
        &SqliteConnectOptions::new().filename(file(place)).create_if_missing(true),
    )
    .await
    .unwrap();
    let mut schema = sqlx::migrate!();
    schema.dangerous_set_table_name("trunkline_schema");
    schema.migrations = schema.migrations.iter().filter(|one| one.version <= 2).cloned().collect();
    schema.run(&mut connection).await.unwrap();
    let insert = "INSERT INTO calls (id, carrier, carrier_call_id, direction, status, is_final, end_reason, agent,
                  started_at) VALUES ($1, 'twilio', 'CA1', 'inbound', 'completed', 1, 'idle_timeout', 'desk', $2)";
    let call = id(0, 1);
    let insert = sqlx::query(insert).bind(call.to_string()).bind(at(0).as_microsecond());
    insert.execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_copy_is_kept_before_the_schema_changes() {
    let place = Place::sqlite().await;
    place.open().await.close().await;
    let copy = file(&place).with_extension("db.before-2");
    assert!(!copy.exists(), "a new file needs no copy");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&file(&place)), 0o600);
    std::fs::remove_file(file(&place)).unwrap();
    of_long_ago(&place).await;
    let database = place.open().await;
    // What later versions find calls by was filled in.
    let filter = CallFilter { end_reason: Some(EndReason::IdleTimeout), ..CallFilter::default() };
    assert_eq!(database.calls(&filter, None, 10).await.unwrap().len(), 1);
    let filter = CallFilter { agent: Some("night".into()), ..CallFilter::default() };
    assert_eq!(database.calls(&filter, None, 10).await.unwrap().len(), 0);
    let mut kept = SqliteConnection::connect(copy.to_str().unwrap()).await.unwrap();
    let calls: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM calls").fetch_one(&mut kept).await.unwrap();
    assert_eq!(calls, 1);
    assert_eq!(mode(&copy), 0o600);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_named() {
    let place = Place::sqlite().await;
    std::fs::write(file(&place), "by no means a database, but long enough to be looked at ".repeat(100))
        .unwrap();
    let error = Database::open(place.options.clone()).await.unwrap_err();
    assert!(matches!(error, DatabaseError::Failed(_)), "{error}");
    assert!(error.to_string().contains("trunkline.db is damaged"), "{error}");
}

#[tokio::test]
async fn a_locked_file_is_told_and_works_again() {
    let place = Place::sqlite().await;
    let database = place.open().await;
    let mut other = beside(&place).await;
    let lock = other.begin_with("BEGIN EXCLUSIVE").await.unwrap();
    let error = database.take_in(&over(id(0, 1), "CA1"), at(40)).await.unwrap_err();
    assert!(matches!(error, DatabaseError::Unavailable(_)), "{error}");
    lock.rollback().await.unwrap();
    database.take_in(&over(id(0, 1), "CA1"), at(40)).await.unwrap();
    assert_eq!(database.calls(&CallFilter::default(), None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn one_that_is_down_at_the_start_is_opened_once_it_is_there() {
    let place = Place::sqlite().await;
    let folder = place.folder.path().join("not yet");
    let options = DatabaseOptions::Sqlite { file: folder.join("trunkline.db") };
    let database = Database::start(options);
    let error = database.ping().await.unwrap_err();
    assert!(matches!(error, DatabaseError::Unavailable(_)), "{error}");
    std::fs::create_dir(&folder).unwrap();
    let opened = async {
        while database.ping().await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), opened).await.unwrap();
}
