//! A master key in an encrypted file.
//!
//! | at | bytes | holds |
//! |---|---|---|
//! | 0 | 8 | `HENGMSTR` |
//! | 8 | 2 | version of this layout, 1; numbers stand little end first |
//! | 10 | 2 | algorithm of the file and of what it wraps: AES-256-GCM or SM4-GCM |
//! | 12 | 1 | opened by: 1 passphrase, 2 unlock file |
//! | 13 | 12 | argon2id: memory in KiB, passes, lanes (zero for an unlock file) |
//! | 25 | 16 | salt |
//! | 41 | 16 | id of the master key |
//! | 57 | 12 | nonce |
//! | 69 | | ciphertext: a count (2), for each version its number (4), when it was made (8, Unix seconds), its key (32) |
//! | | 16 | tag over the 69 bytes and the ciphertext |
//! | | 4 | CRC32C of everything before, so that damage is told from a wrong passphrase |

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;

use hkdf::Hkdf;
use zeroize::{Zeroize as _, Zeroizing};

use super::{MasterKey, MasterVersion};
use crate::envelope::{KeyId, SealingKey};
use crate::keys::bytes::{Fields, hex};
use crate::keys::data_key::{ALGORITHMS, SECRET};
use crate::keys::officers::stretch;
use crate::keys::{KeysError, disk, unix_s};
use crate::provider::{Algorithm, aead};
use crate::sm::sm3;

const MAGIC: &[u8; 8] = b"HENGMSTR";
const LAYOUT: u16 = 1;
const HEADER: usize = 69;
/// Versions that a file holds at most.
const VERSIONS_MAX: usize = 1_000;
const FILE_MAX: u64 = 1 << 16;
const PASSPHRASE_MIN: usize = 12;

/// What argon2id costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    pub(crate) memory_kib: u32,
    pub(crate) passes: u32,
    pub(crate) lanes: u32,
}

impl Cost {
    /// What new files and officers get: 64 MiB, 3 passes, 1 lane (RFC 9106, 4, second choice, on one lane).
    pub const STANDARD: Self = Self { memory_kib: 64 << 10, passes: 3, lanes: 1 };
    /// Most memory that a file may ask for, in KiB.
    pub(crate) const MEMORY_MAX_KIB: u32 = 1 << 20;
    #[cfg(test)]
    pub(crate) const LEAST: Self = Self { memory_kib: 8, passes: 1, lanes: 1 };

    pub(crate) fn encode(self, out: &mut Vec<u8>) {
        [self.memory_kib, self.passes, self.lanes].iter().for_each(|n| out.extend_from_slice(&n.to_le_bytes()));
    }

    pub(crate) fn decode(fields: &mut Fields<'_>) -> Option<Self> {
        let cost = Self { memory_kib: fields.u32()?, passes: fields.u32()?, lanes: fields.u32()? };
        let fits = cost.memory_kib <= Self::MEMORY_MAX_KIB && cost.passes <= 64 && cost.lanes <= 16;
        fits.then_some(cost)
    }
}

/// What opens a key file.
#[derive(Clone)]
pub enum Unlock {
    /// A passphrase of at least 12 bytes.
    Passphrase(Zeroizing<Vec<u8>>),
    /// 32 random bytes, from a file that is kept elsewhere.
    Bytes(Zeroizing<[u8; 32]>),
}

impl std::fmt::Debug for Unlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Passphrase(_) => "Passphrase",
            Self::Bytes(_) => "Bytes",
        })
    }
}

/// A version inside.
struct Version {
    number: MasterVersion,
    made_unix_s: u64,
    secret: Zeroizing<[u8; SECRET]>,
    sealing: SealingKey,
}

struct Contents {
    header: [u8; HEADER],
    versions: Vec<Version>,
    /// The checksum at the end of the file when it was read.
    sum: u32,
}

/// A master key in an encrypted file, mode 0600; its versions are in memory while it is open.
pub struct FileMaster {
    path: PathBuf,
    id: String,
    algorithm: Algorithm,
    /// Opens the file again after another process added a version.
    file_key: Zeroizing<Vec<u8>>,
    contents: Mutex<Contents>,
}

impl std::fmt::Debug for FileMaster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileMaster").field("path", &self.path).field("id", &self.id).finish_non_exhaustive()
    }
}

/// The unlocking part of a header.
struct Opening {
    cost: Option<Cost>,
    salt: [u8; 16],
}

impl Opening {
    fn file_key(&self, algorithm: Algorithm, unlock: &Unlock, path: &Path) -> Result<Zeroizing<Vec<u8>>, KeysError> {
        let secret = match (unlock, self.cost) {
            (Unlock::Passphrase(text), Some(cost)) => stretch(cost, &self.salt, text)?,
            (Unlock::Bytes(bytes), None) => bytes.clone(),
            _ => return Err(KeysError::WrongSecret(path.to_owned())),
        };
        let mut key = Zeroizing::new(vec![0; algorithm.key_length().unwrap_or(SECRET)]);
        let info = [b"heng key file 1".as_slice(), &algorithm.number().to_le_bytes()].concat();
        if algorithm == Algorithm::Sm4Gcm {
            sm3::hkdf(&*secret, &self.salt, &info, &mut key)?;
        } else {
            let expanded = Hkdf::<sha2::Sha256>::new(Some(&self.salt), &*secret).expand(&info, &mut key);
            expanded.expect("32 bytes are one hash");
        }
        Ok(key)
    }
}

fn check_unlock(unlock: &Unlock, path: &Path) -> Result<(), KeysError> {
    let short = matches!(unlock, Unlock::Passphrase(text) if text.len() < PASSPHRASE_MIN);
    let secret =
        || KeysError::Secret { from: path.display().to_string(), reason: "a passphrase needs 12 bytes".into() };
    if short { Err(secret()) } else { Ok(()) }
}

impl FileMaster {
    /// Makes a key file with version 1 of a new master key.
    ///
    /// # Errors
    /// [`KeysError::Exists`]; [`KeysError::Secret`] for a short passphrase; [`KeysError::Invalid`] for an algorithm that
    /// is not AES-256-GCM or SM4-GCM; [`KeysError::Io`].
    pub fn create(path: &Path, algorithm: Algorithm, unlock: &Unlock) -> Result<Self, KeysError> {
        Self::create_at(path, algorithm, unlock, Cost::STANDARD)
    }

    pub(crate) fn create_at(path: &Path, algorithm: Algorithm, unlock: &Unlock, cost: Cost) -> Result<Self, KeysError> {
        if path.exists() {
            return Err(KeysError::Exists(path.to_owned()));
        }
        check_unlock(unlock, path)?;
        if !ALGORITHMS.contains(&algorithm) {
            return Err(KeysError::invalid("algorithm", algorithm.name(), "it must be AES-256-GCM or SM4-GCM"));
        }
        let cost = matches!(unlock, Unlock::Passphrase(_)).then_some(cost);
        let mut random = [0; 32];
        getrandom::fill(&mut random)?;
        let (salt, id) = random.split_first_chunk::<16>().expect("32 bytes");
        let opening = Opening { cost, salt: *salt };
        let header = header_of(algorithm, &opening, id);
        let file_key = opening.file_key(algorithm, unlock, path)?;
        let contents = Mutex::new(Contents { header, versions: Vec::new(), sum: 0 });
        let master = Self { path: path.to_owned(), id: format!("file:{}", hex(id)), algorithm, file_key, contents };
        master.add_version(0)?;
        Ok(master)
    }

    /// Opens a key file.
    ///
    /// # Errors
    /// [`KeysError::WrongSecret`], [`KeysError::Damaged`], [`KeysError::Io`].
    pub fn open(path: &Path, unlock: &Unlock) -> Result<Self, KeysError> {
        let bytes = read_file(path)?;
        let (algorithm, opening, id) = parse_header(&bytes).ok_or_else(|| damaged(path, "its header is not one"))?;
        let file_key = opening.file_key(algorithm, unlock, path)?;
        let contents = Mutex::new(decipher(path, algorithm, &file_key, &bytes)?);
        Ok(Self { path: path.to_owned(), id: format!("file:{}", hex(&id)), algorithm, file_key, contents })
    }

    /// Another passphrase or unlock file for the same master key; the old one opens the file no more.
    ///
    /// # Errors
    /// [`KeysError::Secret`], [`KeysError::Io`].
    pub fn relock(self, unlock: &Unlock) -> Result<Self, KeysError> {
        self.relock_at(unlock, Cost::STANDARD)
    }

    pub(crate) fn relock_at(mut self, unlock: &Unlock, cost: Cost) -> Result<Self, KeysError> {
        check_unlock(unlock, &self.path)?;
        let mut contents = self.contents()?;
        let id: [u8; 16] = contents.header[41..57].try_into().expect("16 bytes");
        let mut opening = Opening { cost: matches!(unlock, Unlock::Passphrase(_)).then_some(cost), salt: [0; 16] };
        getrandom::fill(&mut opening.salt)?;
        contents.header = header_of(self.algorithm, &opening, &id);
        let key = opening.file_key(self.algorithm, unlock, &self.path)?;
        self.write(&mut contents, &key)?;
        drop(contents);
        self.file_key = key;
        Ok(self)
    }

    /// The contents, read again if another process has changed the file.
    fn contents(&self) -> Result<std::sync::MutexGuard<'_, Contents>, KeysError> {
        let mut contents = self.contents.lock().unwrap_or_else(PoisonError::into_inner);
        if contents.versions.is_empty() {
            return Ok(contents);
        }
        let bytes = read_file(&self.path)?;
        if sum_of(&bytes) != contents.sum {
            *contents = decipher(&self.path, self.algorithm, &self.file_key, &bytes)?;
        }
        Ok(contents)
    }

    fn write(&self, contents: &mut Contents, key: &[u8]) -> Result<(), KeysError> {
        let mut plain = Zeroizing::new(Vec::with_capacity(2 + contents.versions.len() * (12 + SECRET)));
        plain.extend_from_slice(&(contents.versions.len() as u16).to_le_bytes());
        for version in &contents.versions {
            plain.extend_from_slice(&version.number.to_le_bytes());
            plain.extend_from_slice(&version.made_unix_s.to_le_bytes());
            plain.extend_from_slice(&*version.secret);
        }
        getrandom::fill(&mut contents.header[57..])?;
        let nonce = contents.header[57..].try_into().expect("12 bytes");
        let sealed = aead(self.algorithm, key)?.seal(&nonce, &contents.header, &plain)?;
        let mut file = [&contents.header[..], &sealed].concat();
        file.extend_from_slice(&crc32c::crc32c(&file).to_le_bytes());
        contents.sum = sum_of(&file);
        disk::replace(&self.path, &file)
    }

    fn with<T>(
        &self,
        version: MasterVersion,
        call: impl FnOnce(&SealingKey) -> Result<T, KeysError>,
    ) -> Result<T, KeysError> {
        let mut contents = self.contents.lock().unwrap_or_else(PoisonError::into_inner);
        if !contents.versions.iter().any(|known| known.number == version) {
            drop(contents);
            contents = self.contents()?;
        }
        let found = contents.versions.iter().find(|known| known.number == version);
        call(&found.ok_or_else(|| KeysError::NoVersion { master: self.id.clone(), version })?.sealing)
    }
}

fn header_of(algorithm: Algorithm, opening: &Opening, id: &[u8]) -> [u8; HEADER] {
    let mut header = Vec::with_capacity(HEADER);
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&LAYOUT.to_le_bytes());
    header.extend_from_slice(&algorithm.number().to_le_bytes());
    header.push(if opening.cost.is_some() { 1 } else { 2 });
    opening.cost.unwrap_or(Cost { memory_kib: 0, passes: 0, lanes: 0 }).encode(&mut header);
    header.extend_from_slice(&opening.salt);
    header.extend_from_slice(id);
    header.extend_from_slice(&[0; 12]);
    header.try_into().expect("the fields add up to the header")
}

fn damaged(path: &Path, reason: &'static str) -> KeysError {
    KeysError::Damaged { path: path.to_owned(), offset: 0, reason }
}

/// The checksum at the end.
fn sum_of(file: &[u8]) -> u32 {
    file.last_chunk().map_or(0, |sum| u32::from_le_bytes(*sum))
}

/// The bytes of the file, whose checksum fits.
fn read_file(path: &Path) -> Result<Vec<u8>, KeysError> {
    let missing = || KeysError::io("open", path)(std::io::ErrorKind::NotFound.into());
    let bytes = disk::read(path, FILE_MAX)?.ok_or_else(missing)?;
    let (body, sum) = bytes.split_last_chunk::<4>().ok_or_else(|| damaged(path, "it is too short"))?;
    if crc32c::crc32c(body) != u32::from_le_bytes(*sum) {
        return Err(damaged(path, "its checksum does not fit"));
    }
    Ok(bytes)
}

fn parse_header(file: &[u8]) -> Option<(Algorithm, Opening, [u8; 16])> {
    let mut fields = Fields(file);
    if fields.array::<8>()? != *MAGIC || fields.u16()? != LAYOUT {
        return None;
    }
    let algorithm = Algorithm::of_number(fields.u16()?).filter(|known| ALGORITHMS.contains(known))?;
    let kind = fields.u8()?;
    let cost = Cost::decode(&mut fields)?;
    let cost = match kind {
        1 => Some(cost),
        2 => None,
        _ => return None,
    };
    Some((algorithm, Opening { cost, salt: fields.array()? }, fields.array()?))
}

fn decipher(path: &Path, algorithm: Algorithm, key: &[u8], file: &[u8]) -> Result<Contents, KeysError> {
    let body = &file[..file.len().saturating_sub(4)];
    let (header, sealed) = body.split_first_chunk::<HEADER>().ok_or_else(|| damaged(path, "it is too short"))?;
    let nonce = header[57..].try_into().expect("12 bytes");
    let opened = aead(algorithm, key)?.open(&nonce, header, sealed);
    let plain = Zeroizing::new(opened.map_err(|_| KeysError::WrongSecret(path.to_owned()))?);
    let versions = parse_versions(algorithm, &plain).ok_or_else(|| damaged(path, "its versions are not such"))?;
    Ok(Contents { header: *header, versions, sum: sum_of(file) })
}

fn parse_versions(algorithm: Algorithm, plain: &[u8]) -> Option<Vec<Version>> {
    let mut fields = Fields(plain);
    let count = usize::from(fields.u16()?);
    let mut versions: Vec<Version> = Vec::with_capacity(count.min(VERSIONS_MAX));
    for _ in 0..count {
        let (number, made_unix_s) = (fields.u32()?, fields.u64()?);
        let secret = Zeroizing::new(fields.array()?);
        if number <= versions.last().map_or(0, |last| last.number) {
            return None;
        }
        versions.push(version_of(algorithm, number, made_unix_s, secret).ok()?);
    }
    fields.end().filter(|()| (1..=VERSIONS_MAX).contains(&count))?;
    Some(versions)
}

/// The cipher's key of a version is HKDF of its secret, as for data keys.
fn version_of(
    algorithm: Algorithm,
    number: MasterVersion,
    made_unix_s: u64,
    secret: Zeroizing<[u8; SECRET]>,
) -> Result<Version, KeysError> {
    let id = KeyId::new(number.into()).ok_or(KeysError::invalid("version", "0", "versions count from 1"))?;
    let mut key = super::super::data_key::derive(algorithm, id, &secret, b"heng master key 1")?;
    let sealing = SealingKey::new(algorithm, id, &key)?;
    key.zeroize();
    Ok(Version { number, made_unix_s, secret, sealing })
}

impl MasterKey for FileMaster {
    fn id(&self) -> &str {
        &self.id
    }

    fn newest(&self) -> Result<MasterVersion, KeysError> {
        Ok(self.contents()?.versions.last().map_or(0, |version| version.number))
    }

    fn wrap(&self, version: MasterVersion, key: &[u8; SECRET], context: &[u8]) -> Result<Vec<u8>, KeysError> {
        self.with(version, |sealing| Ok(sealing.seal(context, key)?))
    }

    fn unwrap(
        &self,
        version: MasterVersion,
        wrapped: &[u8],
        context: &[u8],
    ) -> Result<Zeroizing<[u8; SECRET]>, KeysError> {
        let plain = self.with(version, |sealing| Ok(Zeroizing::new(sealing.open(context, wrapped)?)))?;
        super::secret_of(&plain)
    }

    fn add_version(&self, _: MasterVersion) -> Result<MasterVersion, KeysError> {
        let mut contents = self.contents()?;
        if contents.versions.len() >= VERSIONS_MAX {
            return Err(KeysError::Limit { what: "versions of a master key", most: VERSIONS_MAX as u64 });
        }
        let number = contents.versions.last().map_or(0, |version| version.number) + 1;
        let mut secret = Zeroizing::new([0; SECRET]);
        getrandom::fill(&mut *secret)?;
        contents.versions.push(version_of(self.algorithm, number, unix_s(), secret)?);
        let written = self.write(&mut contents, &self.file_key);
        if written.is_err() {
            contents.versions.pop();
        }
        written.map(|()| number)
    }

    fn retire_before(&self, version: MasterVersion) -> Result<u32, KeysError> {
        let mut contents = self.contents()?;
        if !contents.versions.iter().any(|known| known.number == version) {
            return Err(KeysError::NoVersion { master: self.id.clone(), version });
        }
        let before = contents.versions.len();
        contents.versions.retain(|known| known.number >= version);
        let gone = before - contents.versions.len();
        if gone > 0 {
            self.write(&mut contents, &self.file_key)?;
        }
        Ok(gone as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passphrase(text: &str) -> Unlock {
        Unlock::Passphrase(Zeroizing::new(text.as_bytes().to_vec()))
    }

    fn unlocks() -> [Unlock; 2] {
        [passphrase("correct horse battery"), Unlock::Bytes(Zeroizing::new([7; 32]))]
    }

    #[test]
    fn a_key_file_opens_by_its_secret_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        for (algorithm, unlock) in
            ALGORITHMS.into_iter().flat_map(|algorithm| unlocks().map(|unlock| (algorithm, unlock)))
        {
            let path = folder.path().join(format!("{algorithm}-{unlock:?}"));
            let made = FileMaster::create_at(&path, algorithm, &unlock, Cost::LEAST).expect("it is made");
            assert!(matches!(FileMaster::create_at(&path, algorithm, &unlock, Cost::LEAST), Err(KeysError::Exists(_))));
            let wrapped = made.wrap(1, &[9; SECRET], b"context").expect("it wraps");
            let opened = FileMaster::open(&path, &unlock).expect("it opens");
            assert_eq!(opened.id(), made.id());
            assert_eq!(*opened.unwrap(1, &wrapped, b"context").expect("it unwraps"), [9; SECRET]);
            assert!(opened.unwrap(1, &wrapped, b"other").is_err());
            assert!(matches!(opened.unwrap(2, &wrapped, b"context"), Err(KeysError::NoVersion { .. })));
            for wrong in [passphrase("another passphrase"), Unlock::Bytes(Zeroizing::new([8; 32]))] {
                assert!(matches!(FileMaster::open(&path, &wrong), Err(KeysError::WrongSecret(_))));
            }
        }
        assert!(FileMaster::create(&folder.path().join("x"), Algorithm::Sm4Gcm, &passphrase("short")).is_err());
        assert!(FileMaster::create(&folder.path().join("x"), Algorithm::Sm4Ccm, &unlocks()[1]).is_err());
    }

    #[test]
    fn versions_are_added_seen_by_others_and_retired() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("master.key");
        let one = FileMaster::create_at(&path, Algorithm::Sm4Gcm, &unlocks()[0], Cost::LEAST).expect("it is made");
        let two = FileMaster::open(&path, &unlocks()[0]).expect("it opens");
        let old = two.wrap(1, &[1; SECRET], b"").expect("it wraps");
        assert_eq!(one.add_version(1).expect("it grows"), 2);
        assert_eq!(two.newest().expect("it reads"), 2);
        let new = two.wrap(2, &[2; SECRET], b"").expect("it wraps");
        assert!(one.unwrap(2, &old, b"").is_err() && one.unwrap(2, &new, b"").is_ok());
        assert!(matches!(one.retire_before(9), Err(KeysError::NoVersion { .. })));
        assert_eq!(one.retire_before(2).expect("it shrinks"), 1);
        assert!(one.unwrap(1, &old, b"").is_err());
        let anew = FileMaster::open(&path, &unlocks()[0]).expect("it opens");
        assert!(anew.unwrap(1, &old, b"").is_err() && anew.unwrap(2, &new, b"").is_ok());
    }

    #[test]
    fn a_key_file_gets_another_passphrase() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("master.key");
        let made = FileMaster::create_at(&path, Algorithm::Aes256Gcm, &unlocks()[0], Cost::LEAST).expect("it is made");
        let wrapped = made.wrap(1, &[1; SECRET], b"").expect("it wraps");
        made.relock_at(&unlocks()[1], Cost::LEAST).expect("it is locked anew");
        assert!(FileMaster::open(&path, &unlocks()[0]).is_err());
        let opened = FileMaster::open(&path, &unlocks()[1]).expect("it opens");
        assert_eq!(*opened.unwrap(1, &wrapped, b"").expect("it unwraps"), [1; SECRET]);
    }

    #[test]
    fn every_changed_bit_and_every_cut_of_a_key_file_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("master.key");
        let unlock = &unlocks()[1];
        FileMaster::create_at(&path, Algorithm::Aes256Gcm, unlock, Cost::LEAST).expect("it is made");
        let good = std::fs::read(&path).expect("the file");
        let refused = |bytes: &[u8]| {
            std::fs::write(&path, bytes).expect("it is written");
            FileMaster::open(&path, unlock).is_err()
        };
        for bit in 0..8 * good.len() {
            let mut changed = good.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(refused(&changed), "bit {bit}");
            // Also with a checksum that fits: the tag covers the header.
            let body = changed.len() - 4;
            let sum = crc32c::crc32c(&changed[..body]).to_le_bytes();
            changed[body..].copy_from_slice(&sum);
            assert!(bit / 8 >= body || refused(&changed), "bit {bit} with its checksum");
        }
        assert!((0..good.len()).all(|length| refused(&good[..length])));
        assert!(!refused(&good));
    }
}
