//! A store in one file, to which records are only appended.
//!
//! Record: kind (1 byte), length (4), number (8), check of these (4), then `length` bytes of message. A record that
//! the end of the process cut short is dropped at the next start; its message had not left. With a [`MessageSeal`]
//! messages are sealed one by one; numbers stand plain.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::store::MessageStore;

const HEAD_LEN: usize = 17;
const OUTGOING: u8 = b'O';
const SEALED: u8 = b'S';
const INCOMING: u8 = b'I';
/// Begins a file that forgot older messages.
const FORGOT: u8 = b'F';
/// Written at once.
const BATCH_MAX: usize = 1 << 20;
const MESSAGE_MAX: usize = 1 << 24;

/// Seals messages that are kept, bound to the name of what keeps them.
pub trait MessageSeal: std::fmt::Debug + Send + Sync {
    /// The sealed form of a message.
    ///
    /// # Errors
    /// If no key can be had.
    fn seal(&self, name: &str, message: &[u8]) -> io::Result<Vec<u8>>;

    /// The message that was sealed under this name.
    ///
    /// # Errors
    /// If its key is gone, or it was changed.
    fn open(&self, name: &str, sealed: &[u8]) -> io::Result<Vec<u8>>;
}

/// Where a message lies in the file; a length of 0 stands for one that is not sent again.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    at: u64,
    length: u32,
    sealed: bool,
}

/// A session's numbers and messages in a file, which survives the end of the process.
///
/// When the file has grown to its limit, messages sent so far are forgotten (a request for them is answered with a
/// gap fill) and a new file begins with the numbers.
#[derive(Debug)]
pub struct FileStore {
    path: PathBuf,
    file: File,
    seal: Option<Arc<dyn MessageSeal>>,
    bytes_max: u64,
    /// Bytes in the file.
    written: u64,
    /// What was kept but not written yet.
    batch: Vec<u8>,
    incoming: u64,
    /// The number of the first message in `places`.
    first: u64,
    places: Vec<Place>,
}

impl FileStore {
    /// Opens the file or makes it; it may grow to `bytes_max`.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub fn open(path: &Path, bytes_max: u64) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut store = Self {
            path: path.to_path_buf(),
            file,
            seal: None,
            bytes_max,
            written: 0,
            batch: Vec::new(),
            incoming: 1,
            first: 1,
            places: Vec::new(),
        };
        store.read_all()?;
        Ok(store)
    }

    /// Seals what is kept from now on, and opens what was sealed before.
    #[must_use]
    pub fn sealed_by(self, seal: Option<Arc<dyn MessageSeal>>) -> Self {
        Self { seal, ..self }
    }

    /// What messages are bound to.
    fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    fn read_all(&mut self) -> io::Result<()> {
        let total = self.file.metadata()?.len();
        let mut reader = io::BufReader::new(&self.file);
        let mut at = 0;
        let mut head = [0; HEAD_LEN];
        while at + HEAD_LEN as u64 <= total {
            reader.read_exact(&mut head)?;
            let Some((kind, length, number)) = parse_head(&head) else { break };
            let body = at + HEAD_LEN as u64;
            let known = match kind {
                OUTGOING | SEALED if number == self.first + self.places.len() as u64 => {
                    self.places.push(Place { at: body, length, sealed: kind == SEALED });
                    true
                }
                INCOMING => {
                    self.incoming = number;
                    true
                }
                FORGOT if at == 0 => {
                    self.first = number;
                    true
                }
                _ => false,
            };
            if !known || body + u64::from(length) > total {
                if known && kind != INCOMING && kind != FORGOT {
                    self.places.pop();
                }
                break;
            }
            reader.seek_relative(i64::from(length))?;
            at = body + u64::from(length);
        }
        self.written = at;
        self.file.set_len(at)?;
        self.file.seek(SeekFrom::Start(at))?;
        Ok(())
    }

    fn append(&mut self, kind: u8, number: u64, message: &[u8]) -> io::Result<()> {
        let length = u32::try_from(message.len()).ok().filter(|length| *length as usize <= MESSAGE_MAX);
        let length = length.ok_or_else(|| io::Error::other("the message is too long to be kept"))?;
        let before = self.batch.len();
        self.batch.extend_from_slice(&head(kind, length, number));
        self.batch.extend_from_slice(message);
        if self.batch.len() < BATCH_MAX {
            return Ok(());
        }
        self.flush().inspect_err(|_| self.batch.truncate(before))
    }

    /// A new file that holds only the numbers takes the place of the old one, all at once.
    fn forget(&mut self) -> io::Result<()> {
        let outgoing = self.outgoing();
        let beside = self.path.with_extension("new");
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&beside)?;
        let numbers = [head(FORGOT, 0, outgoing), head(INCOMING, 0, self.incoming)].concat();
        file.write_all(&numbers)?;
        std::fs::rename(&beside, &self.path)?;
        self.file = file;
        self.written = numbers.len() as u64;
        self.batch.clear();
        self.first = outgoing;
        self.places.clear();
        Ok(())
    }
}

fn head(kind: u8, length: u32, number: u64) -> [u8; HEAD_LEN] {
    let mut head = [0; HEAD_LEN];
    head[0] = kind;
    head[1..5].copy_from_slice(&length.to_le_bytes());
    head[5..13].copy_from_slice(&number.to_le_bytes());
    let check = check_of(&head[..13]);
    head[13..].copy_from_slice(&check.to_le_bytes());
    head
}

fn parse_head(head: &[u8; HEAD_LEN]) -> Option<(u8, u32, u64)> {
    let length = u32::from_le_bytes(head[1..5].try_into().ok()?);
    let number = u64::from_le_bytes(head[5..13].try_into().ok()?);
    let check = u32::from_le_bytes(head[13..].try_into().ok()?);
    (check == check_of(&head[..13])).then_some((head[0], length, number))
}

/// FNV-1a: finds bytes that were never a head; needs to find no more.
fn check_of(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

impl MessageStore for FileStore {
    fn outgoing(&self) -> u64 {
        self.first + self.places.len() as u64
    }

    fn incoming(&self) -> u64 {
        self.incoming
    }

    fn keep(&mut self, message: &[u8]) -> io::Result<()> {
        if self.written + self.batch.len() as u64 + message.len() as u64 > self.bytes_max {
            self.forget()?;
        }
        let at = self.written + (self.batch.len() + HEAD_LEN) as u64;
        // One that is not sent again has no text to seal.
        let sealed = self.seal.as_ref().filter(|_| !message.is_empty());
        let sealed = sealed.map(|seal| seal.seal(&self.name(), message)).transpose()?;
        let (kind, message) = sealed.as_deref().map_or((OUTGOING, message), |sealed| (SEALED, sealed));
        let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
        self.append(kind, self.outgoing(), message)?;
        self.places.push(Place { at, length, sealed: kind == SEALED });
        Ok(())
    }

    fn set_incoming(&mut self, number: u64) -> io::Result<()> {
        if self.written + self.batch.len() as u64 > self.bytes_max {
            self.forget()?;
        }
        self.incoming = number;
        self.append(INCOMING, number, &[])
    }

    fn load(&mut self, number: u64, out: &mut Vec<u8>) -> io::Result<()> {
        out.clear();
        let at = number.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        let Some(place) = at.and_then(|at| self.places.get(at)).copied() else { return Ok(()) };
        self.flush()?;
        out.resize(place.length as usize, 0);
        self.file.read_exact_at(out, place.at)?;
        if place.sealed {
            let none = || io::Error::other("the messages of this session are sealed, and there are no keys");
            *out = self.seal.as_ref().ok_or_else(none)?.open(&self.name(), out)?;
        }
        Ok(())
    }

    fn reset(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.written = 0;
        self.batch.clear();
        self.incoming = 1;
        self.first = 1;
        self.places.clear();
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.batch.is_empty() {
            self.file.write_all_at(&self.batch, self.written)?;
            self.written += self.batch.len() as u64;
            self.batch.clear();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(store: &mut dyn MessageStore, number: u64) -> String {
        let mut out = b"old".to_vec();
        store.load(number, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn check(store: &mut dyn MessageStore) {
        assert_eq!((store.outgoing(), store.incoming()), (1, 1));
        for message in ["one", "", "three"] {
            store.keep(message.as_bytes()).unwrap();
        }
        store.set_incoming(7).unwrap();
        store.flush().unwrap();
        assert_eq!((store.outgoing(), store.incoming()), (4, 7));
        let found: Vec<String> = (0..5).map(|number| text(store, number)).collect();
        assert_eq!(found, ["", "one", "", "three", ""]);
    }

    /// Shows whether messages went through it; bound to the name.
    #[derive(Debug)]
    struct Flip;

    impl MessageSeal for Flip {
        fn seal(&self, name: &str, message: &[u8]) -> io::Result<Vec<u8>> {
            Ok([name.as_bytes(), &message.iter().map(|byte| !byte).collect::<Vec<_>>()].concat())
        }

        fn open(&self, name: &str, sealed: &[u8]) -> io::Result<Vec<u8>> {
            let sealed = sealed.strip_prefix(name.as_bytes()).ok_or(io::ErrorKind::InvalidData)?;
            Ok(sealed.iter().map(|byte| !byte).collect())
        }
    }

    #[test]
    fn sealed_messages_are_not_in_the_file_and_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("session");
        let mut plain = FileStore::open(&path, 1 << 20).unwrap();
        plain.keep(b"before there were keys").unwrap();
        plain.flush().unwrap();
        let mut store = FileStore::open(&path, 1 << 20).unwrap().sealed_by(Some(Arc::new(Flip)));
        store.keep(b"afterwards").unwrap();
        store.keep(b"").unwrap();
        store.flush().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(10).any(|window| window == b"afterwards"));
        let mut again = FileStore::open(&path, 1 << 20).unwrap().sealed_by(Some(Arc::new(Flip)));
        assert_eq!(
            (text(&mut again, 1), text(&mut again, 2), text(&mut again, 3)),
            ("before there were keys".into(), "afterwards".into(), String::new())
        );
        let mut without = FileStore::open(&path, 1 << 20).unwrap();
        assert!(without.load(2, &mut Vec::new()).unwrap_err().to_string().contains("there are no keys"));
    }

    #[test]
    fn both_stores_keep_numbers_and_messages() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.fix");
        check(&mut super::super::store::MemoryStore::new(1000));
        check(&mut FileStore::open(&path, 1000).unwrap());
        let mut again = FileStore::open(&path, 1000).unwrap();
        assert_eq!((again.outgoing(), again.incoming(), text(&mut again, 3)), (4, 7, "three".to_owned()));
        again.reset().unwrap();
        again.flush().unwrap();
        check(&mut FileStore::open(&path, 1000).unwrap());
    }

    #[test]
    fn a_record_cut_short_is_dropped_at_every_length() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.fix");
        let mut store = FileStore::open(&path, 1000).unwrap();
        store.keep(b"one").unwrap();
        store.flush().unwrap();
        let before = std::fs::metadata(&path).unwrap().len();
        store.keep(b"two").unwrap();
        store.flush().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for cut in usize::try_from(before).unwrap()..bytes.len() {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            let mut store = FileStore::open(&path, 1000).unwrap();
            assert_eq!(store.outgoing(), 2, "cut at {cut}");
            store.keep(b"again").unwrap();
            store.flush().unwrap();
            assert_eq!(text(&mut FileStore::open(&path, 1000).unwrap(), 2), "again");
        }
    }

    #[test]
    fn a_full_file_forgets_messages_but_no_number() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.fix");
        let mut store = FileStore::open(&path, 300).unwrap();
        store.set_incoming(9).unwrap();
        for number in 1..100_u64 {
            assert_eq!(store.outgoing(), number);
            store.keep(b"twenty bytes of text").unwrap();
            store.flush().unwrap();
            assert_eq!(text(&mut store, number), "twenty bytes of text");
            assert!(std::fs::metadata(&path).unwrap().len() <= 360);
        }
        let mut again = FileStore::open(&path, 300).unwrap();
        assert_eq!((again.outgoing(), again.incoming()), (100, 9));
        assert_eq!((text(&mut again, 1), text(&mut again, 99)), (String::new(), "twenty bytes of text".to_owned()));
    }
}
