//! A process that is killed while it does a job: another begins the job again, and what comes of it is there once.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use secrecy::ExposeSecret as _;
use store::jobs::{self, Handlers, JobError, JobOptions, JobState};
use store::{Database, DatabaseOptions};
use tokio_util::sync::CancellationToken;

use crate::jobs::{LONG, quick, until};
use crate::make::at;
use crate::place::Place;

crate::on_both!(a_job_outlives_its_process);

/// Where the other process is told to work: a SQLite file or the address of a server, and the folder for its marks.
const DATABASE: &str = "TRUNKLINE_TEST_JOB_DATABASE";
const FOLDER: &str = "TRUNKLINE_TEST_JOB_FOLDER";

/// Writes to a file that it has begun; the first hangs then. The effect is a file that can be made once only.
async fn work(folder: PathBuf, hangs: bool) -> Result<(), JobError> {
    std::fs::write(folder.join(if hangs { "first" } else { "second" }), "").unwrap();
    if hangs {
        std::future::pending::<()>().await;
    }
    match std::fs::File::create_new(folder.join("effect")) {
        Ok(_) => Ok(()),
        Err(error) => Err(JobError::Never(error.to_string())),
    }
}

fn runner(
    database: &Database,
    folder: &Path,
    hangs: bool,
    lease: Duration,
) -> impl Future<Output = ()> + use<> {
    let folder = folder.to_owned();
    let handlers = Handlers::new().on("fetch", move |_| work(folder.clone(), hangs));
    let options = JobOptions { lease, ..quick() };
    jobs::run(database.clone(), handlers, options, CancellationToken::new())
}

/// The other process. Does nothing where nobody has started it as one.
#[tokio::test]
async fn is_killed() {
    let (Ok(database), Ok(folder)) = (std::env::var(DATABASE), std::env::var(FOLDER)) else { return };
    let options = if database.starts_with("postgres://") {
        DatabaseOptions::Postgres { url: database.into() }
    } else {
        DatabaseOptions::Sqlite { file: database.into() }
    };
    let database = Database::open(options).await.unwrap();
    // However long this takes to be killed, it says that it lives.
    runner(&database, Path::new(&folder), true, Duration::from_secs(3)).await;
}

/// Kills the other process when this one gives up.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn a_job_outlives_its_process(place: Place) {
    let database = place.open().await;
    database.enqueue("fetch", "a", "{}", at(0)).await.unwrap();
    let folder = place.folder.path().to_owned();
    let address = match &place.options {
        DatabaseOptions::Sqlite { file } => file.display().to_string(),
        DatabaseOptions::Postgres { url } => url.expose_secret().to_owned(),
    };
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "killed::is_killed", "--nocapture"]).env(DATABASE, address).env(FOLDER, &folder);
    let other = Killed(command.stdout(Stdio::null()).spawn().unwrap());
    let begun = async {
        while !folder.join("first").exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LONG, begun).await.expect("the other process begins it");
    // SIGKILL: nothing of it runs any more, and it says nothing to the database.
    drop(other);
    let runs = tokio::spawn(runner(&database, &folder, false, LONG));
    let status =
        until(&database, "a", |status| matches!(status.state, JobState::Done | JobState::GivenUp)).await;
    assert_eq!((status.state, status.attempts), (JobState::Done, 2));
    assert!(folder.join("second").exists() && folder.join("effect").exists());
    runs.abort();
}
