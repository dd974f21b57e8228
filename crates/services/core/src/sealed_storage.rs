//! Journal, event log, snapshots and votes encrypted at rest: a storage below them that enciphers every file.
//!
//! A sealed file begins with a head of 4,096 bytes, so that all that follows keeps its alignment:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | `HENGSEAL` |
//! | 8 | 2 | format (1) |
//! | 10 | 2 | cipher ([`FileCipher`]) |
//! | 12 | 2 | bytes of the sealed key |
//! | 16 | 8 | salt of the file |
//! | 24 | 1 | bytes of the last block that do not count |
//! | 28 | 4 | CRC32C of bytes 0..24 and the sealed key |
//! | 32 | … | the key of this file, sealed under a data key ([`FileKeys`]) |
//!
//! The rest is the file's content in blocks of 16 bytes, enciphered each by itself ([`Xts`]). Integers are little-endian.
//! A file that does not begin so was written before encryption was configured: it is read, and goes on, as it is; the
//! next file is a sealed one.
//!
//! *Invariant:* what a sync promised stays readable: a record that ends inside a block shares it with the next one, and
//! disks write sectors, of which a block is a part, whole or not at all.

use std::fmt::Debug;
use std::io::{Error, ErrorKind, Result};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use heng_journal::{OpenMode, Storage, StorageFile, StorageLock};
use heng_security::xts::{BLOCK, Block, FileCipher, Xts};

const MAGIC: &[u8; 8] = b"HENGSEAL";
const FORMAT: u16 = 1;
/// Bytes of the head.
const HEAD: u64 = 4_096;
/// What of it stands before the sealed key.
const HEAD_USED: usize = 32;
/// Where it says how much of the last block counts.
const SPARE: usize = 24;
const UNIT: u64 = BLOCK as u64;

/// Longest sealed key, in bytes.
pub const SEALED_KEY_MAX: usize = 512;

/// Makes and opens the keys of files: each file has one of its own, which stands in its head under a data key.
pub trait FileKeys: Debug + Send + Sync {
    /// A new file's key: sealed, at most [`SEALED_KEY_MAX`] bytes, and ready for use.
    ///
    /// # Errors
    /// If there is no data key to seal it under.
    fn make(&self) -> Result<(Vec<u8>, Arc<Xts>)>;

    /// The key of a file from its head.
    ///
    /// # Errors
    /// If its data key is not there or was destroyed, or the sealed key was altered.
    fn open(&self, sealed: &[u8], cipher: FileCipher) -> Result<Arc<Xts>>;
}

/// A storage whose files are enciphered.
#[derive(Debug)]
pub struct SealedStorage {
    inner: Arc<dyn Storage>,
    keys: Arc<dyn FileKeys>,
}

impl SealedStorage {
    /// Seals what is written to `inner`.
    #[must_use]
    pub fn shared(inner: Arc<dyn Storage>, keys: Arc<dyn FileKeys>) -> Arc<dyn Storage> {
        Arc::new(Self { inner, keys })
    }
}

impl Storage for SealedStorage {
    fn open(&self, path: &Path, mode: OpenMode) -> Result<Arc<dyn StorageFile>> {
        let inner = self.inner.open(path, mode)?;
        if mode == OpenMode::Create {
            return Ok(Arc::new(SealedFile::create(inner, self.keys.as_ref())?));
        }
        let mut bytes = [0; HEAD_USED + SEALED_KEY_MAX];
        let read = inner.read_at(0, &mut bytes)?;
        let Some((head, sealed)) = Head::read(&bytes[..read], path)? else { return Ok(inner) };
        // Not the error's own kind: a key that is not there must not look like a file that is not there.
        let xts = self.keys.open(sealed, head.cipher);
        let xts = xts.map_err(|error| Error::new(ErrorKind::InvalidData, format!("{}: {error}", path.display())))?;
        Ok(Arc::new(SealedFile { inner, xts, salt: head.salt, head: Mutex::new(head) }))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.inner.remove(path)
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        self.inner.list(dir)
    }

    fn create_dir(&self, dir: &Path) -> Result<()> {
        self.inner.create_dir(dir)
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        self.inner.sync_dir(dir)
    }

    fn free_space(&self, dir: &Path) -> Result<u64> {
        self.inner.free_space(dir)
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn StorageLock>> {
        self.inner.lock(path)
    }

    fn spawn(&self, work: Box<dyn FnOnce() + Send>) {
        self.inner.spawn(work);
    }

    fn make_way(&self) {
        self.inner.make_way();
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    cipher: FileCipher,
    salt: u64,
    /// Bytes of the last block that do not count.
    spare: u8,
}

impl Head {
    /// The head and the sealed key; `None` if the file is not a sealed one.
    fn read<'a>(bytes: &'a [u8], path: &Path) -> Result<Option<(Self, &'a [u8])>> {
        let Some((head, rest)) = bytes.split_first_chunk::<HEAD_USED>().filter(|(head, _)| head.starts_with(MAGIC))
        else {
            return Ok(None);
        };
        let wrong = |what: &str| Error::new(ErrorKind::InvalidData, format!("{}: {what}", path.display()));
        let short = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let sealed = rest.get(..usize::from(short(12))).filter(|sealed| sealed.len() <= SEALED_KEY_MAX);
        let sealed = sealed.ok_or_else(|| wrong("the head of the sealed file is cut off"))?;
        if crc32c::crc32c_append(crc32c::crc32c(&head[..24]), sealed) != word(28) {
            return Err(wrong("the head of the sealed file is damaged"));
        }
        if short(8) != FORMAT {
            return Err(wrong("the sealed file has a format that this version does not know"));
        }
        let cipher = FileCipher::of_number(short(10));
        let cipher = cipher.ok_or_else(|| wrong("the sealed file has a cipher that this version does not know"))?;
        let salt = u64::from(word(16)) | u64::from(word(20)) << 32;
        Ok(Some((Self { cipher, salt, spare: spare_of(head[24]) }, sealed)))
    }

    fn encode(&self, sealed: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEAD_USED];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..10].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[10..12].copy_from_slice(&self.cipher.number().to_le_bytes());
        let length = u16::try_from(sealed.len()).expect("a sealed key is short");
        bytes[12..14].copy_from_slice(&length.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.salt.to_le_bytes());
        // Outside of the checksum: it changes with the length, and any value of it is harmless.
        bytes[SPARE] = self.spare;
        let sum = crc32c::crc32c_append(crc32c::crc32c(&bytes[..24]), sealed);
        bytes[28..].copy_from_slice(&sum.to_le_bytes());
        bytes.extend_from_slice(sealed);
        bytes
    }
}

/// A byte that says more than a block has says nothing.
fn spare_of(byte: u8) -> u8 {
    byte.min(BLOCK as u8 - 1)
}

#[derive(Debug)]
struct SealedFile {
    inner: Arc<dyn StorageFile>,
    xts: Arc<Xts>,
    salt: u64,
    /// Held while blocks are written: two writers must not each bring half of one.
    head: Mutex<Head>,
}

/// The blocks that hold `offset..offset + length`: the first one's number, and how many.
fn blocks_of(offset: u64, length: usize) -> Result<(u64, usize)> {
    let first = offset / UNIT;
    let end = offset.checked_add(length as u64).ok_or(ErrorKind::InvalidInput)?.div_ceil(UNIT);
    let count = usize::try_from(end - first).map_err(|_| ErrorKind::OutOfMemory)?;
    Ok((first, count))
}

impl SealedFile {
    fn create(inner: Arc<dyn StorageFile>, keys: &dyn FileKeys) -> Result<Self> {
        let (sealed, xts) = keys.make()?;
        let mut salt = [0; 8];
        getrandom::fill(&mut salt).map_err(|error| Error::other(error.to_string()))?;
        let salt = u64::from_le_bytes(salt);
        let head = Head { cipher: xts.cipher(), salt, spare: 0 };
        let mut bytes = head.encode(&sealed);
        bytes.resize(HEAD as usize, 0);
        inner.write_at(0, &bytes)?;
        Ok(Self { inner, xts, salt, head: Mutex::new(head) })
    }

    fn head(&self) -> MutexGuard<'_, Head> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The length by the disk: other handles change it, too.
    fn length(&self) -> Result<u64> {
        let mut spare = [0];
        self.inner.read_at(SPARE as u64, &mut spare)?;
        let stored = self.inner.len()?.saturating_sub(HEAD);
        Ok(stored.saturating_sub(u64::from(spare_of(spare[0]))))
    }

    /// Tells how much of the last block counts.
    fn set_spare(&self, head: &mut Head, length: u64) -> Result<()> {
        let spare = u8::try_from(length.next_multiple_of(UNIT) - length).expect("below a block");
        if spare != head.spare {
            head.spare = spare;
            self.inner.write_at(SPARE as u64, &[spare])?;
        }
        Ok(())
    }

    /// Blocks as they are, empty behind the end of the file.
    fn read_blocks(&self, first: u64, count: usize) -> Result<(Vec<Block>, usize)> {
        let mut blocks = vec![[0; BLOCK]; count];
        let read = self.inner.read_at(HEAD + first * UNIT, blocks.as_flattened_mut())?;
        // Of a block that a power loss cut off nothing is known.
        let whole = read / BLOCK;
        blocks[whole..].fill([0; BLOCK]);
        self.xts.open(self.salt, first, &mut blocks[..whole]);
        Ok((blocks, read))
    }

    fn write_blocks(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let (first, count) = blocks_of(offset, bytes.len())?;
        let inside = usize::try_from(offset % UNIT).expect("below a block");
        let mut blocks = vec![[0; BLOCK]; count];
        // What shares the first and the last block with these bytes stays.
        if inside != 0 {
            blocks[0] = self.read_blocks(first, 1)?.0[0];
        }
        if !(inside + bytes.len()).is_multiple_of(BLOCK) && (count > 1 || inside == 0) {
            blocks[count - 1] = self.read_blocks(first + count as u64 - 1, 1)?.0[0];
        }
        blocks.as_flattened_mut()[inside..inside + bytes.len()].copy_from_slice(bytes);
        self.xts.seal(self.salt, first, &mut blocks);
        self.inner.write_at(HEAD + first * UNIT, blocks.as_flattened())
    }
}

impl StorageFile for SealedFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let mut head = self.head();
        let (before, end) = (self.length()?, offset + bytes.len() as u64);
        self.write_blocks(offset, bytes)?;
        if end > before { self.set_spare(&mut head, end) } else { Ok(()) }
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let length = self.length()?;
        let wanted = usize::try_from(length.saturating_sub(offset)).unwrap_or(usize::MAX).min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        let (first, count) = blocks_of(offset, wanted)?;
        let inside = usize::try_from(offset % UNIT).expect("below a block");
        let (blocks, read) = self.read_blocks(first, count)?;
        let wanted = wanted.min(read.saturating_sub(inside));
        buffer[..wanted].copy_from_slice(&blocks.as_flattened()[inside..inside + wanted]);
        Ok(wanted)
    }

    fn len(&self) -> Result<u64> {
        self.length()
    }

    fn set_len(&self, length: u64) -> Result<()> {
        let mut head = self.head();
        let before = self.length()?;
        self.inner.set_len(HEAD + length.next_multiple_of(UNIT))?;
        let kept = length % UNIT;
        // A file that grows again reads as zeros behind its old end.
        if length < before && kept != 0 {
            let mut last = self.read_blocks(length / UNIT, 1)?.0;
            last[0][usize::try_from(kept).expect("below a block")..].fill(0);
            self.xts.seal(self.salt, length / UNIT, &mut last);
            self.inner.write_at(HEAD + length - kept, last.as_flattened())?;
        }
        self.set_spare(&mut head, length)
    }

    fn preallocate(&self, length: u64) -> Result<()> {
        let mut head = self.head();
        let before = self.length()?;
        self.inner.preallocate(HEAD + length.next_multiple_of(UNIT))?;
        if length > before { self.set_spare(&mut head, length) } else { Ok(()) }
    }

    fn write_back(&self, from: u64, to: u64) {
        self.inner.write_back(HEAD + from, HEAD + to);
    }

    fn sync_data(&self) -> Result<()> {
        self.inner.sync_data()
    }

    fn sync_all(&self) -> Result<()> {
        self.inner.sync_all()
    }
}

#[cfg(test)]
mod tests;
