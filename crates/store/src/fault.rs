//! The one place where a store can be made to fail on purpose, so that tests show what a hanging or full disk
//! does to calls: nothing.

use std::io;
use std::path::Path;

/// Asked before every write. It may wait (a hanging disk) or refuse (a full one). Runs on the store's thread.
pub trait Fault: Send {
    /// Called before `bytes` bytes are written to `path`.
    fn before_write(&mut self, path: &Path, bytes: usize) -> io::Result<()>;

    /// The free space to believe in, given the real one.
    fn free_bytes(&mut self, real: u64) -> u64 {
        real
    }
}

/// The store as it is.
#[derive(Debug, Clone, Copy)]
pub struct NoFault;

impl Fault for NoFault {
    fn before_write(&mut self, _: &Path, _: usize) -> io::Result<()> {
        Ok(())
    }
}
