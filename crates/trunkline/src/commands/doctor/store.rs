//! What a server keeps: the data folder, its disk, the database, and what waits to be taken in. Nothing is made that was
//! not there, and nothing is changed: a folder made by the wrong user would keep the server out.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use store::{Backlog, DatabaseOptions, Look};

use super::finding::Finding;
use super::http::shown;
use crate::config::Config;

/// How much is written to measure the disk, and in what pieces.
const WRITTEN: usize = 8 << 20;
const PIECE: usize = 64 << 10;
/// Slower than this, and a call's end is not on the disk when the carrier is answered.
const SLOW_SYNC: Duration = Duration::from_millis(250);
/// A stereo recording of one call, in bytes a second.
const RECORDING: usize = 2 * 2 * 8_000;
/// What waits for longer than this is stuck.
const STUCK: Duration = Duration::from_secs(600);

/// Looks at all of it.
pub(super) async fn findings(config: &Config) -> Vec<Finding> {
    let folder = &config.data.dir;
    let mut findings = folder_findings(config, folder);
    findings.push(backlog(config));
    findings.push(database(config).await);
    findings
}

fn folder_findings(config: &Config, folder: &Path) -> Vec<Finding> {
    let name = format!("data folder {}", folder.display());
    let make = || format!("sudo install -d -m 700 -o \"$USER\" {}", quoted(folder));
    let there = folder.exists();
    // Where it is not there yet, what counts is whether it can be made.
    let place = folder.ancestors().find(|place| place.exists() || place.as_os_str().is_empty());
    let place = place.filter(|place| !place.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    if !place.is_dir() {
        let problem = format!("{} is no folder", place.display());
        return vec![Finding::fail("data.folder", name, problem).fix("set data.dir to a folder")];
    }
    let mut findings = Vec::new();
    let measured = measure(place);
    match (&measured, owner_fault(place)) {
        (Err(error), _) => {
            findings.push(
                Finding::fail("data.folder", name, format!("it can't be written: {error}")).fix(make()),
            );
            return findings;
        }
        (Ok(_), Some((problem, fix))) => findings.push(Finding::warn("data.folder", name, problem).fix(fix)),
        (Ok(_), None) if !there => {
            findings.push(Finding::ok("data.folder", format!("{name}: it is made at the first start")));
        }
        (Ok(_), None) => findings.push(Finding::ok("data.folder", name)),
    }
    findings.push(space(place));
    if let Ok(Some(speed)) = measured {
        findings.push(speed_finding(config, place, &speed));
    } else {
        let name = format!("write speed of {}", place.display());
        findings.push(Finding::left_out("data.speed", name, "there is too little space to try"));
    }
    findings
}

/// A folder that another user owns is written by us and can't be by the server.
fn owner_fault(place: &Path) -> Option<(String, String)> {
    let owner = place.metadata().ok()?.uid();
    let own = rustix::process::geteuid().as_raw();
    (owner != own && own == 0).then(|| {
        let problem = format!(
            "user {owner} owns it and you are root: what you see here need not be what that user may"
        );
        (problem, format!("sudo -u '#{owner}' trunkline doctor"))
    })
}

fn space(place: &Path) -> Finding {
    let name = |text: &str| format!("disk of {}: {text}", place.display());
    let told = match rustix::fs::statvfs(place) {
        Ok(told) => told,
        Err(error) => return Finding::warn("data.disk", name("free space"), error.to_string()),
    };
    let free = told.f_bavail.saturating_mul(told.f_frsize);
    let limits = store::Options::default();
    let told_free = name(&format!("{:.1} GiB free", free as f64 / f64::from(1 << 30)));
    let fix = format!("du -xh {} | sort -h | tail", quoted(place));
    if told.f_files > 0 && told.f_favail == 0 {
        return Finding::fail("data.disk", told_free, "it has no inodes left, so no call can be kept")
            .fix(format!("df -i {}", quoted(place)));
    }
    if free < limits.call_floor_bytes {
        let problem = format!("below {} MiB calls are refused", limits.call_floor_bytes >> 20);
        return Finding::fail("data.disk", told_free, problem).fix(fix);
    }
    if free < limits.recording_floor_bytes {
        let problem = format!("below {} MiB nothing is recorded", limits.recording_floor_bytes >> 20);
        return Finding::warn("data.disk", told_free, problem).fix(fix);
    }
    Finding::ok("data.disk", told_free)
}

/// How fast a disk takes what is written.
struct Speed {
    bytes_a_second: f64,
    /// The longest of several small writes that were waited for.
    sync: Duration,
}

/// Writes a file and takes it away. `None` where there is no room to try how fast that goes.
fn measure(place: &Path) -> io::Result<Option<Speed>> {
    let file = Probe::make(place)?;
    let free = rustix::fs::statvfs(place).map(|told| told.f_bavail.saturating_mul(told.f_frsize));
    if free.unwrap_or(0) < 4 * WRITTEN as u64 {
        return Ok(None);
    }
    let piece = vec![0x5a; PIECE];
    let began = Instant::now();
    for _ in 0..WRITTEN / PIECE {
        (&file.file).write_all(&piece)?;
    }
    file.file.sync_data()?;
    let bytes_a_second = WRITTEN as f64 / began.elapsed().as_secs_f64().max(1e-6);
    let mut sync = Duration::ZERO;
    for _ in 0..5 {
        let began = Instant::now();
        (&file.file).write_all(&piece[..4096])?;
        file.file.sync_data()?;
        sync = sync.max(began.elapsed());
    }
    Ok(Some(Speed { bytes_a_second, sync }))
}

/// A file that is gone when it is dropped.
struct Probe {
    path: PathBuf,
    file: File,
}

impl Probe {
    fn make(place: &Path) -> io::Result<Self> {
        let path = place.join(format!(".trunkline-doctor-{}", std::process::id()));
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        Ok(Self { path, file })
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        // What can't be taken away is empty space and a name that says whose it is.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn speed_finding(config: &Config, place: &Path, speed: &Speed) -> Finding {
    let name = format!(
        "write speed of {}: {:.0} MB/s, {} ms until a write is on the disk",
        place.display(),
        speed.bytes_a_second / 1e6,
        speed.sync.as_millis()
    );
    let calls = if config.recording.enabled { config.server.max_calls } else { 0 };
    let needed = (calls * RECORDING) as f64;
    if speed.bytes_a_second < needed {
        let holds = (speed.bytes_a_second / RECORDING as f64) as usize;
        let problem =
            format!("{calls} recorded calls write {:.0} MB/s; recordings will have holes", needed / 1e6);
        return Finding::warn("data.speed", name, problem).fix(format!("server.max_calls = {holds}"));
    }
    if speed.sync > SLOW_SYNC {
        return Finding::warn("data.speed", name, "callbacks of carriers wait for it; take a faster disk");
    }
    Finding::ok("data.speed", name)
}

fn backlog(config: &Config) -> Finding {
    let name = "what waits to be taken in";
    match Backlog::of(&config.data.dir) {
        Err(error) => Finding::fail("data.backlog", name, format!("it can't be read: {error}")),
        Ok(Backlog { records, callbacks, uploads, oldest, .. }) => {
            let told = format!("{name}: {records} records, {callbacks} callbacks, {uploads} uploads");
            if oldest <= STUCK {
                return Finding::ok("data.backlog", told);
            }
            let problem = format!(
                "the oldest for {} min; a running server takes them in within seconds, unless its database is away",
                oldest.as_secs() / 60
            );
            Finding::warn("data.backlog", told, problem)
                .fix(format!("curl -s 'http://{}/readyz?verbose'", shown(config.server.listen)))
        }
    }
}

async fn database(config: &Config) -> Finding {
    let options = config.tables();
    let name = match &options {
        DatabaseOptions::Sqlite { file } => format!("database {}", file.display()),
        DatabaseOptions::Postgres { .. } => "PostgreSQL".to_owned(),
    };
    let began = Instant::now();
    let look = match Look::at(&options).await {
        Ok(look) => look,
        Err(error) => {
            let fix = match options {
                DatabaseOptions::Sqlite { file } => format!("ls -l {}*", quoted(&file)),
                DatabaseOptions::Postgres { .. } => {
                    "trunkline config show | grep -A3 '\\[database\\]'".to_owned()
                }
            };
            return Finding::fail("data.database", name, error.to_string()).fix(fix);
        }
    };
    let took = began.elapsed().as_millis();
    match look.version {
        None => Finding::ok("data.database", format!("{name}: it is made at the first start")),
        Some(version) if version > look.newest => Finding::fail(
            "data.database",
            name,
            format!(
                "its schema is of version {version} and this program knows versions up to {}: a newer trunkline made it",
                look.newest
            ),
        ),
        Some(version) if version < look.newest => Finding::warn(
            "data.database",
            name,
            format!(
                "its schema is of version {version}; the next start brings it to {} and keeps a copy of a SQLite file",
                look.newest
            ),
        ),
        Some(version) => {
            let told = format!("{name}: version {version}, {} jobs waiting, {took} ms", look.jobs_open);
            if look.jobs_given_up == 0 {
                return Finding::ok("data.database", told);
            }
            let problem = format!("{} jobs were given up; the log says why", look.jobs_given_up);
            Finding::warn("data.database", told, problem)
        }
    }
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;

    fn config(folder: &Path) -> Config {
        let mut config = Config::default();
        config.data.dir = folder.to_owned();
        config
    }

    #[tokio::test]
    async fn a_fresh_folder_is_well_and_stays_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("not/yet");
        let found = findings(&config(&data)).await;
        // How fast a disk is says something about the machine, and nothing about this.
        let is_well = |finding: &Finding| finding.state == State::Ok || finding.check == "data.speed";
        assert!(found.iter().all(is_well), "{found:?}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is made");
    }

    #[tokio::test]
    async fn a_file_in_the_folders_place_and_a_broken_database_are_failures() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("data");
        std::fs::write(&file, "x").unwrap();
        let found = findings(&config(&file)).await;
        assert_eq!((found[0].check, found[0].state), ("data.folder", State::Fail), "{found:?}");

        let junk = "this is no database, and long enough that nobody takes it for one".repeat(99);
        std::fs::write(folder.path().join("trunkline.db"), junk).unwrap();
        let found = findings(&config(folder.path())).await;
        let database = found.iter().find(|finding| finding.check == "data.database").unwrap();
        assert_eq!(database.state, State::Fail, "{database:?}");
    }

    #[test]
    fn a_disk_that_is_too_slow_for_the_calls_is_told_with_how_many_it_holds() {
        let mut config = Config::default();
        config.recording.enabled = true;
        config.server.max_calls = 500;
        let speed = Speed { bytes_a_second: 3_200_000.0, sync: Duration::ZERO };
        let found = speed_finding(&config, Path::new("/x"), &speed);
        assert_eq!((found.state, found.fix.as_deref()), (State::Warn, Some("server.max_calls = 100")));
        let speed = Speed { bytes_a_second: 1e9, sync: Duration::from_millis(400) };
        assert_eq!(speed_finding(&config, Path::new("/x"), &speed).state, State::Warn);
    }
}
