//! Who holds a port: read from `/proc`, so that "address in use" comes with the process to look at.

use std::collections::HashSet;

use procfs::net::TcpState;
use procfs::process::{FDTarget, all_processes};

/// The processes that listen on a port, in words.
pub(crate) fn describe(port: u16) -> String {
    let inodes = listening(port);
    let mut owners: Vec<String> = Vec::new();
    for process in all_processes().into_iter().flatten().flatten() {
        let Ok(mut fds) = process.fd() else { continue };
        let holds = fds.any(|fd| matches!(fd, Ok(fd) if matches!(fd.target, FDTarget::Socket(inode) if inodes.contains(&inode))));
        if holds {
            let name = process.stat().map_or_else(|_| "unknown".to_owned(), |stat| stat.comm);
            owners.push(format!("process {} ({name})", process.pid()));
        }
    }
    if owners.is_empty() {
        "a process of another user, or in another container (`ss -ltnp` as root shows it)".to_owned()
    } else {
        owners.join(", ")
    }
}

fn listening(port: u16) -> HashSet<u64> {
    let v4 = procfs::net::tcp().into_iter().flatten();
    let v6 = procfs::net::tcp6().into_iter().flatten();
    v4.chain(v6)
        .filter(|entry| entry.state == TcpState::Listen && entry.local_address.port() == port)
        .map(|entry| entry.inode)
        .collect()
}
