//! Stores whose bytes on the disk tell nothing: files that SQLCipher encrypts page by page, and single secrets that are
//! sealed in their column, on both engines.
//!
//! Beside an encrypted file `name.db` lies `name.db.key`: its key, sealed. A plain file is encrypted when it is first
//! opened with keys; a crash on the way leaves either form whole.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};
use zeroize::Zeroizing;

use crate::error::StoreError;

/// What seals secrets: the key ring of the data folder.
pub trait StoreKeys: std::fmt::Debug + Send + Sync {
    /// Seals a secret of a table, bound to what it is about; the sealed form names its key.
    ///
    /// # Errors
    /// If no key can be had.
    fn seal(&self, table: &str, about: &str, secret: &[u8]) -> std::io::Result<Vec<u8>>;

    /// The secret that was sealed for this table and about the same.
    ///
    /// # Errors
    /// If the key is gone, or it was sealed for something else, or was changed.
    fn unseal(&self, table: &str, about: &str, sealed: &[u8]) -> std::io::Result<Zeroizing<Vec<u8>>>;
}

/// Longest secret of a column, in bytes. Whatever is longer in a table is sealed, because sealing adds 44 bytes.
const SECRET_MAX: usize = 44;
/// What a plain SQLite file begins with.
const PLAIN: &[u8; 16] = b"SQLite format 3\0";
/// Bytes of a sealed key that are read at most.
const SEALED_MAX: u64 = 4_096;

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(suffix);
    PathBuf::from(name)
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { action, path, source }
}

/// The files of a store, the database first.
pub(crate) fn files(path: &Path) -> [PathBuf; 6] {
    ["", "-wal", "-shm", ".sealing", ".key.new", ".key"].map(|suffix| beside(path, suffix))
}

/// The key of one file, as SQLCipher takes it.
pub(crate) struct FileKey(Zeroizing<String>);

impl FileKey {
    fn of(secret: &[u8]) -> Self {
        let mut text = Zeroizing::new(String::with_capacity(3 + 2 * secret.len()));
        text.push_str("x'");
        for byte in secret {
            for half in [byte >> 4, byte & 15] {
                text.push(char::from_digit(u32::from(half), 16).expect("half a byte"));
            }
        }
        text.push('\'');
        Self(text)
    }

    /// The options, with this key and pages of this size.
    pub(crate) fn apply(&self, connect: SqliteConnectOptions, page_bytes: u32) -> SqliteConnectOptions {
        connect.pragma("key", format!("\"{}\"", *self.0)).pragma("cipher_page_size", page_bytes.to_string())
    }
}

/// The key of a file, made where there is none yet; nothing for a plain one.
pub(crate) async fn key_of(
    keys: Option<&Arc<dyn StoreKeys>>,
    path: &Path,
    page_bytes: u32,
) -> Result<Option<FileKey>, StoreError> {
    let sealed = beside(path, ".key");
    finish(path)?;
    let Some(keys) = keys else {
        if sealed.exists() {
            return Err(StoreError::Sealed { path: path.to_owned() });
        }
        return Ok(None);
    };
    if !sealed.exists() {
        if path.exists() {
            encrypt(keys, path, page_bytes).await?;
        } else {
            new_key(keys, path, &sealed)?;
        }
    }
    let mut bytes = Vec::new();
    let file = File::open(&sealed).and_then(|file| file.take(SEALED_MAX).read_to_end(&mut bytes));
    file.map_err(io("read the key of the store", &sealed))?;
    let secret = keys.unseal("store", &about(path), &bytes).map_err(io("open the key of the store", &sealed))?;
    Ok(Some(FileKey::of(&secret)))
}

/// A key is bound to the name of its file, not to the folder: folders are moved and restored elsewhere.
fn about(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Writes a fresh key to a file that must not be there.
fn new_key(keys: &Arc<dyn StoreKeys>, path: &Path, into: &Path) -> Result<FileKey, StoreError> {
    let failed = "write the key of the store";
    let mut secret = Zeroizing::new([0; 32]);
    getrandom::fill(secret.as_mut()).map_err(|error| io(failed, into)(std::io::Error::other(error.to_string())))?;
    let sealed = keys.seal("store", &about(path), secret.as_ref()).map_err(io(failed, into))?;
    let fresh = beside(into, ".part");
    let written = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh);
    let written = written.and_then(|mut file| file.write_all(&sealed).and_then(|()| file.sync_all()));
    // A link, unlike a rename, fails if another process was quicker; its key counts then.
    let linked = written.and_then(|()| match fs::hard_link(&fresh, into) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    linked.and_then(|()| fs::remove_file(&fresh)).and_then(|()| sync_folder(into)).map_err(io(failed, into))?;
    Ok(FileKey::of(secret.as_ref()))
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

fn is_plain(path: &Path) -> Result<bool, StoreError> {
    let mut head = [0; PLAIN.len()];
    match File::open(path).and_then(|mut file| file.read_exact(&mut head)) {
        Ok(()) => Ok(head == *PLAIN),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(io("read the head of the store", path)(error)),
    }
}

/// Ends what a crash interrupted in [`encrypt`]: the key counts once the file is the encrypted one.
fn finish(path: &Path) -> Result<(), StoreError> {
    let (fresh, sealed) = (beside(path, ".key.new"), beside(path, ".key"));
    if !fresh.exists() {
        return Ok(());
    }
    let failed = "end the encryption of the store";
    let ended = if is_plain(path)? { fs::remove_file(&fresh) } else { fs::rename(&fresh, &sealed) };
    ended.and_then(|()| sync_folder(&sealed)).map_err(io(failed, path))
}

/// Encrypts a plain file that nobody else has open. Its old blocks stay on the device until they are used again.
async fn encrypt(keys: &Arc<dyn StoreKeys>, path: &Path, page_bytes: u32) -> Result<(), StoreError> {
    let failed = "encrypt the store";
    let (fresh, copy) = (beside(path, ".key.new"), beside(path, ".sealing"));
    let key = new_key(keys, path, &fresh)?;
    match fs::remove_file(&copy) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(io(failed, &copy)(error)),
        _ => {}
    }
    // Away from the write-ahead log: all pages are in the file then, and another process that has it open is noticed.
    let plain =
        SqliteConnectOptions::new().filename(path).create_if_missing(true).journal_mode(SqliteJournalMode::Delete);
    let mut connection = plain.connect().await.map_err(StoreError::sql(failed))?;
    let exported = export(&mut connection, &copy, &key, page_bytes).await;
    connection.close().await.map_err(StoreError::sql(failed))?;
    exported.map_err(StoreError::sql(failed))?;
    let moved = File::open(&copy).and_then(|file| file.sync_all()).and_then(|()| fs::rename(&copy, path));
    moved.and_then(|()| sync_folder(path)).map_err(io(failed, path))?;
    finish(path)
}

async fn export(
    connection: &mut SqliteConnection,
    copy: &Path,
    key: &FileKey,
    page_bytes: u32,
) -> Result<(), sqlx::Error> {
    sqlx::query("ATTACH DATABASE $1 AS sealed KEY $2")
        .bind(copy.to_string_lossy().into_owned())
        .bind(key.0.as_str())
        .execute(&mut *connection)
        .await?;
    let statements =
        format!("PRAGMA sealed.cipher_page_size = {page_bytes}; SELECT sqlcipher_export('sealed'); DETACH sealed");
    connection.execute(sqlx::raw_sql(AssertSqlSafe(statements))).await?;
    Ok(())
}

/// Seals and unseals secrets of a store's columns; without keys they stand as they are.
#[derive(Clone, Debug, Default)]
pub struct Seals(pub(crate) Option<Arc<dyn StoreKeys>>);

fn no_keys() -> std::io::Error {
    std::io::Error::other("it is sealed, and no master key is configured ([keys] url)")
}

impl Seals {
    /// The form in which a secret stands in a column.
    ///
    /// # Errors
    /// [`StoreError::Seal`] if no key can be had.
    ///
    /// # Panics
    /// If the secret has more than 44 bytes: our own bug; longer ones could not be told from sealed ones.
    pub fn seal(&self, table: &'static str, about: &str, secret: &[u8]) -> Result<Vec<u8>, StoreError> {
        assert!(secret.len() <= SECRET_MAX, "secrets of columns are short");
        let Some(keys) = &self.0 else { return Ok(secret.to_vec()) };
        keys.seal(table, about, secret).map_err(|source| StoreError::Seal { table, source })
    }

    /// The secret of a column. What was written before there were keys is taken as it is.
    ///
    /// # Errors
    /// [`StoreError::Seal`] if it is sealed and there are no keys, or others, or it was sealed for another row.
    pub fn unseal(&self, table: &'static str, about: &str, stored: Vec<u8>) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let stored = Zeroizing::new(stored);
        if !Self::is_sealed(&stored) {
            return Ok(stored);
        }
        let opened = self.0.as_ref().ok_or_else(no_keys).and_then(|keys| keys.unseal(table, about, &stored));
        opened.map_err(|source| StoreError::Seal { table, source })
    }

    /// The content of a file beside the tables, sealed; `None` without keys. `about` is the file's name.
    ///
    /// # Errors
    /// [`StoreError::Seal`] if no key can be had.
    pub fn seal_file(&self, table: &'static str, about: &str, content: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let sealed = self.0.as_ref().map(|keys| keys.seal(table, about, content)).transpose();
        sealed.map_err(|source| StoreError::Seal { table, source })
    }

    /// What [`Self::seal_file`] sealed.
    ///
    /// # Errors
    /// As [`Self::unseal`].
    pub fn unseal_file(
        &self,
        table: &'static str,
        about: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let opened = self.0.as_ref().ok_or_else(no_keys).and_then(|keys| keys.unseal(table, about, sealed));
        opened.map_err(|source| StoreError::Seal { table, source })
    }

    /// Whether what stands in a column is sealed.
    #[must_use]
    pub fn is_sealed(stored: &[u8]) -> bool {
        stored.len() > SECRET_MAX
    }

    /// Whether there are keys.
    #[must_use]
    pub fn are_there(&self) -> bool {
        self.0.is_some()
    }
}
