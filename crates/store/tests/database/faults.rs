//! What goes wrong with a database: a schema of tomorrow, a file that is none, a lock.

use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
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

#[tokio::test]
async fn a_copy_is_kept_before_the_schema_changes() {
    let place = Place::sqlite().await;
    // As the first program left it.
    let options = SqliteConnectOptions::new().filename(file(&place)).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    let mut first = sqlx::migrate!("./migrations");
    first.migrations.to_mut().retain(|migration| migration.version == 1);
    first.dangerous_set_table_name("trunkline_schema");
    first.run(&mut connection).await.unwrap();
    sqlx::query(
        "INSERT INTO calls (id, carrier, carrier_call_id, direction, status, is_final, agent, started_at)
         VALUES ('call_1', 'twilio', 'CA1', 'inbound', 'completed', 1, 'desk', 0)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(file(&place), std::fs::Permissions::from_mode(0o600)).unwrap();
    let copy = file(&place).with_extension("db.before-1");
    let database = place.open().await;
    assert!(database.enqueue("fetch", "a", "{}", at(0)).await.unwrap());
    let mut kept = SqliteConnection::connect(copy.to_str().unwrap()).await.unwrap();
    let calls: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM calls").fetch_one(&mut kept).await.unwrap();
    assert_eq!(calls, 1);
    for path in [copy, file(&place)] {
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }
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
