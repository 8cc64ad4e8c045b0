//! Where the suite's databases are: a SQLite file in a folder of its own, or a database of its own in a PostgreSQL that
//! the tests start themselves, from Debian's package, and that is gone when they are, however they end.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use sqlx::{Connection as _, PgConnection};
use store::{Database, DatabaseOptions};
use tempfile::TempDir;

/// How long the server may take to start on a busy machine.
const STARTS: Duration = Duration::from_secs(60);

/// Runs the server as the user that it asks for, until its own standard input ends: that is when the tests are over,
/// or died.
const KEEPER: &str = r#"
bin=$1 port=$2
data=$(mktemp -d /tmp/trunkline-postgres.XXXXXX) || exit 1
"$bin/initdb" -D "$data/db" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$data/log" 2>&1 || {
  cat "$data/log" >&2
  rm -rf "$data"
  exit 1
}
pid=
stop() {
  [ -z "$pid" ] || { kill -s QUIT "$pid"; wait "$pid"; }
  pid=
}
while read -r word; do
  case $word in
    start)
      "$bin/postgres" -D "$data/db" -p "$port" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
        -c fsync=off -c full_page_writes=off -c max_connections=300 >>"$data/log" 2>&1 </dev/null &
      pid=$! ;;
    stop) stop ;;
  esac
done
stop
rm -rf "$data"
"#;

/// A PostgreSQL server.
pub(crate) struct Server {
    keeper: Mutex<Child>,
    port: u16,
}

impl Server {
    /// The one that most tests share.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Server> = OnceLock::new();
        // Never dropped: the pipe to its keeper breaks with this process.
        SHARED.get_or_init(Self::new)
    }

    /// One of its own. Not started yet.
    pub(crate) fn new() -> Self {
        let bin = binaries();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        // It refuses to run as root.
        let mut command = if rustix::process::geteuid().is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "sh"]);
            command
        } else {
            Command::new("sh")
        };
        command.args(["-c", KEEPER, "sh"]).arg(bin).arg(port.to_string()).current_dir("/");
        let keeper = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let server = Self { keeper: Mutex::new(keeper), port };
        server.start();
        server
    }

    pub(crate) fn start(&self) {
        self.tell("start\n");
    }

    /// Kills it as a crash would.
    pub(crate) fn stop(&self) {
        self.tell("stop\n");
    }

    fn tell(&self, word: &str) {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        keeper.stdin.as_mut().unwrap().write_all(word.as_bytes()).unwrap();
    }

    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    /// Waits until it answers.
    pub(crate) async fn connect(&self) -> PgConnection {
        let begun = Instant::now();
        loop {
            match PgConnection::connect(&self.url("postgres")).await {
                Ok(connection) => return connection,
                Err(error) => {
                    assert!(begun.elapsed() < STARTS, "the test PostgreSQL does not start: {error}");
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Makes a database and gives where it is.
    pub(crate) async fn database(&self) -> DatabaseOptions {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("suite_{}", COUNT.fetch_add(1, Relaxed));
        let make = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::query(make).execute(&mut self.connect().await).await.unwrap();
        DatabaseOptions::Postgres { url: self.url(&name).into() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let keeper = self.keeper.get_mut().unwrap_or_else(PoisonError::into_inner);
        drop(keeper.stdin.take());
        keeper.wait().unwrap();
    }
}

/// Where Debian's package puts the server's programs, the newest version's.
fn binaries() -> PathBuf {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .map(|version| version.unwrap().path().join("bin"))
        .filter(|bin| bin.join("initdb").exists() && bin.join("postgres").exists())
        .collect();
    found.sort();
    found.pop().expect("no PostgreSQL server is installed, and these tests need one: run `make setup`")
}

/// Where one test's database is.
pub(crate) struct Place {
    pub(crate) options: DatabaseOptions,
    /// A data folder.
    pub(crate) folder: TempDir,
}

impl Place {
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { options: DatabaseOptions::Sqlite { file: folder.path().join("trunkline.db") }, folder }
    }

    pub(crate) async fn postgres() -> Self {
        Self { options: Server::shared().database().await, folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) async fn open(&self) -> Database {
        Database::open(self.options.clone()).await.unwrap()
    }
}
