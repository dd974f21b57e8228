//! Where a partition keeps its files.

use std::path::{Path, PathBuf};

/// The folders of one partition under a data folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Command journal.
    pub journal: PathBuf,
    /// Event log.
    pub events: PathBuf,
    /// Snapshots.
    pub snapshots: PathBuf,
    /// Left behind by a core that aborted: the sequence it was executing.
    pub abort_mark: PathBuf,
    /// Derived tables.
    pub derived: PathBuf,
}

impl Layout {
    /// The layout under `data`.
    #[must_use]
    pub fn new(data: &Path) -> Self {
        let core = data.join("core");
        Self {
            journal: core.join("journal"),
            events: core.join("events"),
            snapshots: core.join("snapshots"),
            abort_mark: core.join("abort"),
            derived: data.join("derived"),
        }
    }
}
