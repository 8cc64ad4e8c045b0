//! Room on the disk. Where it gets short, recordings end first, then no new calls are taken, and the records of the live
//! ones are written to the last byte. How much is free is what the file system says; where it refuses a write all the
//! same (a quota, no more inodes), a small write is tried until one succeeds.

use std::fs::File;
use std::io::{self, Write as _};

use rustix::fs::{FallocateFlags, fallocate};

use crate::fault::Fault;
use crate::layout::{self, Layout};

/// How much is laid aside for the records of live calls.
pub(crate) const RESERVE_BYTES: u64 = 4 << 20;
/// How much is written to see whether there is room again.
const TRIAL_BYTES: usize = 64 << 10;

/// What is known of the room on the disk.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// A write was refused for want of room, and none has succeeded since.
    is_refused: bool,
    /// There is no way to lay room aside on this file system.
    has_no_reserve: bool,
}

impl Room {
    /// Learns from a write that failed. Says whether it failed for want of room.
    pub(crate) fn failed(&mut self, error: &io::Error) -> bool {
        let is_full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        self.is_refused |= is_full;
        is_full
    }

    /// Whether writes are refused for want of room, by the latest that is known.
    pub(crate) const fn is_refused(&self) -> bool {
        self.is_refused
    }

    /// Tries whether there is room again, where there was none.
    pub(crate) fn look_again(&mut self, layout: &Layout, fault: &mut dyn Fault) {
        if self.is_refused {
            self.is_refused = trial(layout, fault).is_err();
        }
    }

    /// Lays room aside, unless that is done.
    pub(crate) fn lay_aside(&mut self, layout: &Layout) {
        let path = layout.reserve();
        if self.has_no_reserve || path.exists() {
            return;
        }
        let laid = layout::write(&path)
            .and_then(|file| Ok(fallocate(&file, FallocateFlags::empty(), 0, RESERVE_BYTES)?));
        if let Err(error) = laid {
            // A file system that can't do it never will; one that is full may have room later.
            let is_full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
            self.has_no_reserve = !is_full;
            // What was laid aside of it is of no use.
            let _ = std::fs::remove_file(path);
        }
    }

    /// Gives the room up that was laid aside.
    pub(crate) fn give_up(&mut self, layout: &Layout) {
        if std::fs::remove_file(layout.reserve()).is_ok() {
            tracing::warn!(
                "the disk is full: the room that was laid aside goes to the records of live calls"
            );
        }
    }
}

fn trial(layout: &Layout, fault: &mut dyn Fault) -> io::Result<()> {
    let path = layout.root.join("trial");
    fault.before_write(&path, TRIAL_BYTES)?;
    let written = layout::write(&path).and_then(|mut file: File| file.write_all(&[0; TRIAL_BYTES]));
    let removed = std::fs::remove_file(&path);
    written.and(removed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NoFault;

    /// A disk that has no room, as the kernel says it.
    struct FullDevice(bool);

    impl Fault for FullDevice {
        fn before_write(&mut self, _: &std::path::Path, bytes: usize) -> io::Result<()> {
            if self.0 {
                File::options().write(true).open("/dev/full")?.write_all(&vec![0; bytes])
            } else {
                Ok(())
            }
        }
    }

    #[test]
    fn a_refused_write_is_remembered_until_one_succeeds() {
        let data = tempfile::tempdir().unwrap();
        let layout = Layout { root: data.path().to_owned() };
        let (mut room, mut device) = (Room::default(), FullDevice(true));
        let error = device.before_write(data.path(), 1).unwrap_err();
        assert!(room.failed(&error) && room.is_refused(), "{error}");
        room.look_again(&layout, &mut device);
        assert!(room.is_refused());
        device.0 = false;
        room.look_again(&layout, &mut device);
        assert!(!room.is_refused());
        assert_eq!(std::fs::read_dir(data.path()).unwrap().count(), 0);
        assert!(!room.failed(&io::ErrorKind::PermissionDenied.into()) && !room.is_refused());
    }

    #[test]
    fn room_is_laid_aside_and_given_up() {
        let data = tempfile::tempdir().unwrap();
        let layout = Layout { root: data.path().to_owned() };
        let mut room = Room::default();
        room.lay_aside(&layout);
        if !room.has_no_reserve {
            assert_eq!(layout.reserve().metadata().unwrap().len(), RESERVE_BYTES);
        }
        room.give_up(&layout);
        assert!(!layout.reserve().exists());
        room.look_again(&layout, &mut NoFault);
        assert!(!room.is_refused());
    }
}
