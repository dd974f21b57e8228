//! Files of the evidence log: where they are, and how a file appears whole or not at all.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use heng_security::evidence::{Hash, TileKind, TilePath, entries_of, tile_hashes};

use crate::error::{ComplianceError, Result};

/// Which of the two trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Which {
    Sha256,
    Sm3,
}

/// The folders below the evidence log's own. `public` may be handed to everybody, `private` to nobody.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    pub(crate) public: PathBuf,
    pub(crate) private: PathBuf,
}

impl Files {
    pub(crate) fn at(folder: &Path) -> Self {
        Self { public: folder.join("public"), private: folder.join("private") }
    }

    pub(crate) fn create(&self) -> Result<()> {
        for folder in [&self.public, &self.private] {
            fs::create_dir_all(folder).map_err(ComplianceError::file(folder))?;
        }
        fs::set_permissions(&self.private, fs::Permissions::from_mode(0o700))
            .map_err(ComplianceError::file(&self.private))
    }

    pub(crate) fn leaves(&self) -> PathBuf {
        self.private.join("leaves")
    }

    pub(crate) fn mark(&self) -> PathBuf {
        self.private.join("mark")
    }

    pub(crate) fn owners(&self) -> PathBuf {
        self.private.join("owners")
    }

    pub(crate) fn checkpoint(&self) -> PathBuf {
        self.public.join("checkpoint")
    }

    pub(crate) fn tile(&self, which: Which, path: TilePath) -> PathBuf {
        let folder = if which == Which::Sha256 { self.public.join("tile") } else { self.public.join("sm3/tile") };
        folder.join(path.to_string())
    }

    /// The hashes of a full tile.
    pub(crate) fn read_tile(&self, which: Which, level: u8, index: u64) -> Result<Vec<Hash>> {
        let path = self.tile(which, TilePath::full(TileKind::Level(level), index));
        let bytes = fs::read(&path).map_err(ComplianceError::file(&path))?;
        Ok(tile_hashes(&bytes)?)
    }

    /// The commitments of a full bundle.
    pub(crate) fn read_entries(&self, index: u64) -> Result<Vec<Hash>> {
        let path = self.tile(Which::Sha256, TilePath::full(TileKind::Entries, index));
        let bytes = fs::read(&path).map_err(ComplianceError::file(&path))?;
        Ok(entries_of(&bytes)?)
    }
}

/// Writes a file beside and gives it its name; nobody sees half of it. With `durable` its bytes are on the disk first.
pub(crate) fn write_whole(path: &Path, bytes: &[u8], durable: bool) -> Result<()> {
    let failed = ComplianceError::file(path);
    let write = || -> std::io::Result<()> {
        let temporary = path.with_extension("tmp");
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        if durable {
            file.sync_data()?;
        }
        drop(file);
        fs::rename(&temporary, path)
    };
    match write() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let folder = path.parent().unwrap_or(path);
            fs::create_dir_all(folder).map_err(ComplianceError::file(folder))?;
            write().map_err(failed)
        }
        written => written.map_err(failed),
    }
}

/// Writes a tile that will never change, unless it is there already.
pub(crate) fn write_tile(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|found| found == bytes) {
        return Ok(());
    }
    write_whole(path, bytes, false)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o444)).map_err(ComplianceError::file(path))
}

/// Makes a file durable that was written before.
pub(crate) fn sync(path: &Path) -> Result<()> {
    File::open(path).and_then(|file| file.sync_data()).map_err(ComplianceError::file(path))
}
