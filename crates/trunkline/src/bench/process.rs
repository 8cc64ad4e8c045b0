//! A process under test: started on its core, measured from `/proc`, ended.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use procfs::process::Process as Proc;
use rustix::process::{Pid as RustixPid, Signal, kill_process};

use super::cores::{Cores, pin};
use crate::failure::Failure;

/// How long a process may take to answer.
const START: Duration = Duration::from_secs(10);
/// How long it may take to end once it was told to.
const END: Duration = Duration::from_secs(15);
/// The thread that writes what is kept of calls.
const STORE_THREAD: &str = "store";

/// What is started.
#[derive(Debug, Clone)]
pub(crate) enum Subject {
    /// `trunkline serve` with this configuration.
    Server(String),
    /// The bare echo.
    Floor,
}

/// All folders of this benchmark; they go with it and not one by one. ext4 gives no file the place of one that was
/// removed within the last minutes, and looks through all of these when it makes one: a run that comes after the end of
/// another would measure that.
#[derive(Debug)]
pub(crate) struct Folders;

impl Folders {
    fn place() -> PathBuf {
        std::env::temp_dir().join(format!("trunkline-bench-{}", std::process::id()))
    }
}

impl Drop for Folders {
    fn drop(&mut self) {
        // What can't be removed is in a folder for such things.
        let _ = std::fs::remove_dir_all(Self::place());
    }
}

/// A folder for a process under test.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Result<Self, Failure> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let folder = Folders::place().join(COUNT.fetch_add(1, Relaxed).to_string());
        std::fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }

    /// Where the process keeps its calls.
    pub(crate) fn data(&self) -> PathBuf {
        self.0.join("data")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Nobody looks into it any more, and hundreds of recordings are large.
        let _ = empty(&self.0);
    }
}

/// A running process under test. Dropping it kills it and takes its folder away.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Its folder: configuration and data.
    folder: Folder,
    /// From the start of the process to its first answer that it is ready.
    pub(crate) ready_after: Duration,
}

impl Process {
    /// Starts it on the server's core and waits until it is ready. This thread is on the load's core afterwards.
    pub(crate) fn start(subject: &Subject, cores: Cores) -> Result<Self, Failure> {
        Self::start_on(Folder::new()?, subject, cores)
    }

    /// The same on a folder in which there is something already.
    pub(crate) fn start_on(folder: Folder, subject: &Subject, cores: Cores) -> Result<Self, Failure> {
        let address = free_address()?;
        let mut command = Command::new(std::env::current_exe()?);
        match subject {
            Subject::Floor => {
                command.arg("bench").arg("--floor-server").arg(address.to_string());
            }
            Subject::Server(config) => {
                let file = folder.0.join("trunkline.toml");
                std::fs::write(&file, config)?;
                command.arg("serve").arg("--config").arg(file).arg("--data").arg(folder.data());
                command.arg("--listen").arg(address.to_string());
            }
        }
        // What is set for another server must not change this one.
        command.env_clear().stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(std::fs::File::create(folder.0.join("log"))?).current_dir(&folder.0);
        pin(cores.server)?;
        let began = Instant::now();
        let started = command.spawn();
        pin(cores.load)?;
        let mut process = Self { child: started?, address, folder, ready_after: Duration::ZERO };
        process.wait_until_ready(matches!(subject, Subject::Server(_)), began)?;
        Ok(process)
    }

    fn wait_until_ready(&mut self, asks: bool, began: Instant) -> Result<(), Failure> {
        loop {
            let is_ready = if asks {
                get(self.address, "/readyz").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 "))
            } else {
                TcpStream::connect(self.address).is_ok()
            };
            if is_ready {
                self.ready_after = began.elapsed();
                return Ok(());
            }
            let ended = self.child.try_wait()?;
            if ended.is_some() || began.elapsed() > START {
                let log = std::fs::read_to_string(self.folder.0.join("log")).unwrap_or_default();
                return Err(Failure::unavailable(format!(
                    "the process under test does not start: {}",
                    log.trim()
                )));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// What the process has used of processors since it began.
    pub(crate) fn cpu(&self) -> Result<Duration, Failure> {
        let process = self.proc()?;
        let mut nanos = 0;
        for task in process.tasks()? {
            // A thread that ends meanwhile is not there any more.
            nanos += task.and_then(|task| task.schedstat()).map_or(0, |stat| stat.sum_exec_runtime);
        }
        if nanos > 0 {
            return Ok(Duration::from_nanos(nanos));
        }
        // A kernel without scheduler statistics counts in ticks of 10 ms.
        let stat = process.stat()?;
        let ticks = (stat.utime + stat.stime) as f64;
        Ok(Duration::from_secs_f64(ticks / procfs::ticks_per_second() as f64))
    }

    /// How many bytes of memory it has in use.
    pub(crate) fn resident(&self) -> Result<u64, Failure> {
        Ok(self.proc()?.statm()?.resident * procfs::page_size())
    }

    /// Where it keeps its calls.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.data()
    }

    /// Stops the thread that keeps calls, and that thread alone, as a disk that hangs would, until what is given back
    /// is dropped. This thread must not change meanwhile.
    pub(crate) fn hang_store(&self) -> Result<Hung, Failure> {
        let tasks = self.proc()?.tasks()?;
        let store =
            tasks.flatten().find(|task| task.status().is_ok_and(|status| status.name == STORE_THREAD));
        let Some(store) = store else {
            return Err(Failure::failed("the process under test has no thread for its store"));
        };
        let thread = Pid::from_raw(store.tid);
        let fault =
            |error: nix::Error| Failure::failed(format!("the store's thread can't be stopped: {error}"));
        ptrace::attach(thread).map_err(fault)?;
        waitpid(thread, Some(WaitPidFlag::__WALL)).map_err(fault)?;
        Ok(Hung(thread))
    }

    /// Tells it to end and waits until it has.
    pub(crate) fn stop(&mut self) -> Result<(), Failure> {
        if let Some(pid) = RustixPid::from_raw(self.child.id().cast_signed()) {
            kill_process(pid, Signal::TERM).map_err(std::io::Error::from)?;
        }
        let began = Instant::now();
        while self.child.try_wait()?.is_none() {
            if began.elapsed() > END {
                return Err(Failure::failed("the server under test does not end"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn proc(&self) -> Result<Proc, Failure> {
        Ok(Proc::new(self.child.id().cast_signed())?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A thread of another process that stands still.
#[derive(Debug)]
pub(crate) struct Hung(Pid);

impl Drop for Hung {
    fn drop(&mut self) {
        // When the process is gone there is nothing to let go of.
        let _ = ptrace::detach(self.0, None);
    }
}

/// One request, one answer, as text.
pub(crate) fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(START))?;
    write!(socket, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Takes their content from all files below a folder.
fn empty(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            empty(&entry.path())?;
        } else {
            std::fs::File::create(entry.path())?;
        }
    }
    Ok(())
}

fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

impl From<procfs::ProcError> for Failure {
    fn from(error: procfs::ProcError) -> Self {
        Self::failed(format!("/proc can't be read: {error}"))
    }
}
