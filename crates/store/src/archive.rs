//! Reading a data folder without owning it: for commands that run beside a server, which holds the lock.

use std::path::{Path, PathBuf};

use records::CallRecord;

use crate::layout::Layout;
use crate::read::{self, ReadError};
use crate::{CallId, layout};

/// The calls of a data folder, to be read only.
#[derive(Debug, Clone)]
pub struct Archive {
    layout: Layout,
}

impl Archive {
    /// The data folder need not be there: then it holds no calls.
    pub fn new(data: &Path) -> Self {
        Self { layout: Layout { root: data.to_owned() } }
    }

    /// The newest `limit` records, of those before `before`.
    pub fn list(&self, limit: usize, before: Option<CallId>) -> Result<Vec<CallRecord>, ReadError> {
        read::list(&self.layout, limit, before)
    }

    /// The record of one call; `None` when there is none.
    pub fn load(&self, id: CallId) -> Result<Option<CallRecord>, ReadError> {
        read::load(&self.layout, id)
    }

    /// The call log's file, whether it is there or not.
    pub fn log(&self, id: CallId) -> PathBuf {
        self.layout.folder(id).join(layout::LOG)
    }

    /// The recording's file, whether it is there or not.
    pub fn recording(&self, id: CallId) -> PathBuf {
        self.layout.folder(id).join(layout::RECORDING)
    }
}
