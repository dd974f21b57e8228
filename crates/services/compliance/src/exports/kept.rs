//! Where the file of an export lies: sealed where the tables have keys, else as it is, in a folder for its owner alone.

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use heng_store::Seals;
use zeroize::Zeroizing;

use crate::error::{ComplianceError, Result};
use crate::files::write_whole;

use super::rows::ExportRow;

/// What files and marks are sealed for.
const TABLE: &str = "compliance/exports";

/// The folder of the files, and what seals them.
#[derive(Clone)]
pub(super) struct Kept {
    pub(super) folder: PathBuf,
    pub(super) seals: Seals,
}

fn name(number: u64) -> String {
    format!("{number}.csv")
}

/// What a mark is bound to: who asked, and when.
fn whose(row: &ExportRow) -> String {
    format!("mark of {} at {}", row.requested_by, row.requested_at)
}

impl Kept {
    fn plain(&self, number: u64) -> PathBuf {
        self.folder.join(name(number))
    }

    fn sealed(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number}.csv.sealed"))
    }

    /// Writes a file that its owner alone may read.
    pub(super) fn write(&self, number: u64, bytes: &[u8]) -> Result<()> {
        let folder = &self.folder;
        std::fs::create_dir_all(folder).map_err(ComplianceError::file(folder))?;
        let only = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(ComplianceError::file(path))
        };
        only(folder, 0o700)?;
        let sealed = self.seals.seal_file(TABLE, &name(number), bytes)?;
        let path = if sealed.is_some() { self.sealed(number) } else { self.plain(number) };
        write_whole(&path, sealed.as_deref().unwrap_or(bytes), true)?;
        only(&path, 0o600)
    }

    /// The file as it was made. One that was made before there were keys is read as it is.
    pub(super) fn read(&self, number: u64) -> Result<Vec<u8>> {
        let (sealed, plain) = (self.sealed(number), self.plain(number));
        match std::fs::read(&sealed) {
            Ok(bytes) => Ok(self.seals.unseal_file(TABLE, &name(number), &bytes)?.to_vec()),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                std::fs::read(&plain).map_err(ComplianceError::file(&plain))
            }
            Err(error) => Err(ComplianceError::file(&sealed)(error)),
        }
    }

    /// Takes the file away, if it is there.
    pub(super) fn remove(&self, number: u64) -> Result<()> {
        for path in [self.sealed(number), self.plain(number)] {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(ComplianceError::file(&path)(error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// The form in which a fresh mark stands in the row, which has no number yet.
    pub(super) fn seal_mark(&self, row: &ExportRow, mark: &[u8; 32]) -> Result<Vec<u8>> {
        Ok(self.seals.seal(TABLE, &whose(row), mark)?)
    }

    /// The mark that stands in a row.
    pub(super) fn mark(&self, row: &ExportRow) -> Result<Zeroizing<Vec<u8>>> {
        Ok(self.seals.unseal(TABLE, &whose(row), row.mark.clone())?)
    }
}
