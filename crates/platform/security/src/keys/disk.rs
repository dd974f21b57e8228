//! Files that survive a crash at any point: whole replacement, and appending with a torn tail at worst.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::KeysError;
#[cfg(test)]
use super::crash::{step, write};

/// Mode of files: for the owner alone.
const PRIVATE: u32 = 0o600;
const ZEROS: [u8; 4096] = [0; 4096];

#[cfg(not(test))]
fn step() -> std::io::Result<()> {
    Ok(())
}
#[cfg(not(test))]
fn write(file: &mut File, bytes: &[u8]) -> std::io::Result<()> {
    file.write_all(bytes)
}

/// Makes a folder for the owner alone, unless there is one.
pub(crate) fn make_folder(folder: &Path) -> Result<(), KeysError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(KeysError::io("make folder", folder))
}

/// The bytes of a file, `None` if there is none.
pub(crate) fn read(path: &Path, most: u64) -> Result<Option<Vec<u8>>, KeysError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(KeysError::io("open", path)(error)),
    };
    let mut bytes = Vec::new();
    let read = file.take(most + 1).read_to_end(&mut bytes);
    let read = read.map_err(KeysError::io("read", path))?;
    if read as u64 > most {
        return Err(KeysError::Damaged { path: path.to_owned(), offset: most, reason: "it is longer than allowed" });
    }
    Ok(Some(bytes))
}

/// `PATH.END`.
pub(crate) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(end);
    PathBuf::from(name)
}

/// Puts these bytes in place of a file, so that at any time it holds the old ones or the new ones, and wipes the old.
/// (Wiping reaches the blocks only where the file system writes in place; docs/security/keys.md.)
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), KeysError> {
    let new = beside(path, "new");
    let old = OpenOptions::new().write(true).open(path).ok();
    let written = || -> std::io::Result<()> {
        step()?;
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(PRIVATE).open(&new)?;
        write(&mut file, bytes)?;
        step()?;
        file.sync_all()?;
        step()?;
        fs::rename(&new, path)?;
        step()?;
        sync_folder(path)
    };
    written().map_err(KeysError::io("replace", path))?;
    if let Some(old) = old {
        // The new file is durable; what cannot be wiped is no reason to refuse it.
        wipe(old).ok();
    }
    Ok(())
}

fn wipe(mut file: File) -> std::io::Result<()> {
    step()?;
    let mut left = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(0))?;
    while left > 0 {
        let some = left.min(ZEROS.len() as u64);
        file.write_all(&ZEROS[..some as usize])?;
        left -= some;
    }
    file.sync_data()
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// Appends at `length`, cutting off what stands behind it; durable when this returns.
pub(crate) fn append(path: &Path, length: u64, bytes: &[u8]) -> Result<(), KeysError> {
    let written = || -> std::io::Result<()> {
        step()?;
        let created = !path.exists();
        let mut file = OpenOptions::new().write(true).create(true).truncate(false).mode(PRIVATE).open(path)?;
        step()?;
        file.set_len(length)?;
        file.seek(SeekFrom::Start(length))?;
        write(&mut file, bytes)?;
        step()?;
        file.sync_all()?;
        if created { sync_folder(path) } else { Ok(()) }
    };
    written().map_err(KeysError::io("append to", path))
}

/// Who may write.
pub(crate) enum Share {
    /// Nobody else may read or write.
    Alone,
    /// Others may read.
    Readers,
}

/// Waits for the lock of a folder; it is held until the file is dropped, or the process ends.
pub(crate) fn lock(folder: &Path, share: &Share) -> Result<File, KeysError> {
    let path = folder.join("keys.lock");
    let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(PRIVATE).open(&path);
    let file = opened.map_err(KeysError::io("open", &path))?;
    let locked = match share {
        Share::Alone => file.lock(),
        Share::Readers => file.lock_shared(),
    };
    locked.map_err(KeysError::io("lock", &path))?;
    Ok(file)
}
