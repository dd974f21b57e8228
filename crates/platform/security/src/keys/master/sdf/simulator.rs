//! A simulated GM/T 0018 device, for tests and demonstrations. Its key-encryption keys lie readable in its file: it
//! protects nothing.
//!
//! The file: `HENGSDFS`, serial number (16), count of keys (2, little end first), keys (16 each), CRC32C (4).

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use zeroize::Zeroizing;

use super::wire::{self, Code, Function};
use super::{BLOCK, KEY_BITS, SGD_SM4_CBC, SGD_SM4_ECB, SGD_SM4_MAC};
use crate::keys::bytes::{Fields, hex, put};
use crate::keys::{KeysError, disk};
use crate::sm::sm4::Sm4;

const MAGIC: &[u8; 8] = b"HENGSDFS";
const KEKS_MAX: u16 = 1_000;
const CONNECTIONS_MAX: u32 = 64;
const KEYS_MAX: usize = 64;
const DATA_MAX: usize = 1 << 10;

/// A simulated device: its keys, and what serves them on a socket.
pub struct SdfSimulator {
    serial: String,
    keks: Vec<Key>,
    pin: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for SdfSimulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SdfSimulator")
            .field("serial", &self.serial)
            .field("keks", &self.keks.len())
            .finish_non_exhaustive()
    }
}

type Key = Zeroizing<[u8; BLOCK]>;

/// Serial number and keys of a state file.
fn parse(bytes: &[u8]) -> Option<([u8; 16], Vec<Key>)> {
    let (body, sum) = bytes.split_last_chunk::<4>()?;
    if crc32c::crc32c(body) != u32::from_le_bytes(*sum) {
        return None;
    }
    let mut fields = Fields(body);
    fields.array::<8>().filter(|magic| magic == MAGIC)?;
    let (serial, count) = (fields.array()?, fields.u16().filter(|count| *count <= KEKS_MAX)?);
    let keks = (0..count).map(|_| fields.array().map(Zeroizing::new)).collect::<Option<_>>()?;
    fields.end().map(|()| (serial, keks))
}

impl SdfSimulator {
    /// Opens the device of a state file, or makes one, and makes key-encryption keys 1 to `keks` if there are fewer (as
    /// the management tools of a real device would). `pin` gives the access right to them; empty: none is needed.
    ///
    /// # Errors
    /// [`KeysError::Limit`] above 1,000 keys, [`KeysError::Damaged`], [`KeysError::Io`].
    pub fn open(state: &Path, keks: u16, pin: &[u8]) -> Result<Self, KeysError> {
        if keks > KEKS_MAX {
            return Err(KeysError::Limit { what: "key-encryption keys", most: KEKS_MAX.into() });
        }
        let (serial, mut keys) = match disk::read(state, 1 << 16)? {
            Some(bytes) => {
                let damaged = || KeysError::Damaged {
                    path: state.to_owned(),
                    offset: 0,
                    reason: "it is no state of heng-sim-sdf",
                };
                parse(&bytes).ok_or_else(damaged)?
            }
            None => {
                let mut serial = [0; 16];
                getrandom::fill(&mut serial)?;
                (serial, Vec::new())
            }
        };
        let before = keys.len();
        while keys.len() < usize::from(keks) {
            let mut key = Zeroizing::new([0; BLOCK]);
            getrandom::fill(&mut *key)?;
            keys.push(key);
        }
        if keys.len() > before || before == 0 {
            let mut bytes = Zeroizing::new([&MAGIC[..], &serial, &(keys.len() as u16).to_le_bytes()].concat());
            keys.iter().for_each(|key| bytes.extend_from_slice(&**key));
            let sum = crc32c::crc32c(&bytes);
            bytes.extend_from_slice(&sum.to_le_bytes());
            disk::replace(state, &bytes)?;
        }
        Ok(Self {
            serial: format!("heng-sim-sdf-{}", hex(&serial[..4])),
            keks: keys,
            pin: Zeroizing::new(pin.to_vec()),
        })
    }

    /// The serial number, which begins with `heng-sim-sdf`.
    #[must_use]
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// Listens on a socket for its owner alone; a socket that nobody listens on is taken over.
    ///
    /// # Errors
    /// [`KeysError::Io`], also if another process listens there.
    pub fn listen(socket: &Path) -> Result<UnixListener, KeysError> {
        if UnixStream::connect(socket).is_err() {
            std::fs::remove_file(socket).ok();
        }
        let listener = UnixListener::bind(socket).map_err(KeysError::io("listen on", socket))?;
        let private = std::fs::set_permissions(socket, PermissionsExt::from_mode(0o600));
        private.map_err(KeysError::io("make private", socket))?;
        Ok(listener)
    }

    /// Serves those who connect, each by a thread, until the listener fails. At most 64 at a time; others are let go.
    ///
    /// # Errors
    /// [`KeysError::Io`].
    pub fn serve(self: &Arc<Self>, listener: &UnixListener) -> Result<(), KeysError> {
        let open = Arc::new(AtomicU32::new(0));
        loop {
            let accepted = listener.accept().map_err(KeysError::io("accept on", &PathBuf::from("the device's socket")));
            let (stream, _) = accepted?;
            if open.fetch_add(1, Ordering::SeqCst) >= CONNECTIONS_MAX {
                open.fetch_sub(1, Ordering::SeqCst);
                continue;
            }
            let (device, count) = (Arc::clone(self), Arc::clone(&open));
            let work = move || {
                Connection { device, opened: false, allowed: Vec::new(), keys: BTreeMap::new(), last: 0 }.run(stream);
                count.fetch_sub(1, Ordering::SeqCst);
            };
            let started = std::thread::Builder::new().name("sim-sdf".into()).spawn(work);
            started.map_err(KeysError::io("start a thread for", &PathBuf::from("a connection")))?;
        }
    }
}

/// Who is connected; one session each.
struct Connection {
    device: Arc<SdfSimulator>,
    opened: bool,
    /// Indices of key-encryption keys to which there is a right.
    allowed: Vec<u32>,
    keys: BTreeMap<u32, Key>,
    last: u32,
}

type Answer = Result<Zeroizing<Vec<u8>>, Code>;

fn empty() -> Answer {
    Ok(Zeroizing::default())
}

impl Connection {
    fn run(mut self, mut stream: UnixStream) {
        while let Ok(request) = wire::receive(&mut stream).map(Zeroizing::new) {
            let answer = match self.answer(&request) {
                Ok(results) => Zeroizing::new([&Code::OK.0.to_le_bytes()[..], &results].concat()),
                Err(code) => Zeroizing::new(code.0.to_le_bytes().to_vec()),
            };
            if wire::send(&mut stream, &answer).is_err() {
                return;
            }
        }
    }

    fn answer(&mut self, request: &[u8]) -> Answer {
        let mut fields = Fields(request);
        let function = fields.u8().and_then(Function::of_number).ok_or(Code::NOTSUPPORT)?;
        let session = fields.u32().ok_or(Code::INARGERR)?;
        if function == Function::OpenSession {
            self.opened = true;
            return Ok(Zeroizing::new(1_u32.to_le_bytes().to_vec()));
        }
        if !self.opened || session != 1 {
            return Err(Code::OPENSESSION);
        }
        let answer = match function {
            Function::OpenSession => unreachable!("answered above"),
            Function::CloseSession => self.close(),
            Function::GetDeviceInfo => self.info(),
            Function::GetKekAccessRight => self.access(&mut fields),
            Function::GenerateKeyWithKek => self.generate(&mut fields),
            Function::ImportKeyWithKek => self.import(&mut fields),
            Function::DestroyKey => self.destroy(&mut fields),
            Function::Encrypt | Function::Decrypt | Function::CalculateMac => self.cipher(function, &mut fields),
        };
        if fields.end().is_none() { Err(Code::INARGERR) } else { answer }
    }

    fn close(&mut self) -> Answer {
        (self.opened, self.allowed, self.keys) = (false, Vec::new(), BTreeMap::new());
        empty()
    }

    fn info(&self) -> Answer {
        let mut out = Zeroizing::default();
        put(&mut out, self.device.serial.as_bytes());
        Ok(out)
    }

    fn access(&mut self, fields: &mut Fields<'_>) -> Answer {
        use subtle::ConstantTimeEq as _;
        let index = fields.u32().ok_or(Code::INARGERR)?;
        let pin = fields.bytes(256).ok_or(Code::INARGERR)?;
        self.kek_at(index)?;
        if !self.device.pin.is_empty() && !bool::from(pin.ct_eq(&self.device.pin)) {
            return Err(Code::PARDENY);
        }
        if !self.allowed.contains(&index) {
            self.allowed.push(index);
        }
        empty()
    }

    fn kek_at(&self, index: u32) -> Result<&[u8; BLOCK], Code> {
        let at = (index as usize).checked_sub(1).ok_or(Code::KEYNOTEXIST)?;
        self.device.keks.get(at).map(|key| &**key).ok_or(Code::KEYNOTEXIST)
    }

    /// A key-encryption key to which there is a right.
    fn kek(&self, index: u32) -> Result<Sm4, Code> {
        let key = self.kek_at(index)?;
        if self.allowed.contains(&index) { Ok(Sm4::new(key)) } else { Err(Code::PARDENY) }
    }

    fn keep(&mut self, key: Key) -> Result<u32, Code> {
        if self.keys.len() >= KEYS_MAX {
            return Err(Code::NOBUFFER);
        }
        self.last = self.last.checked_add(1).ok_or(Code::NOBUFFER)?;
        self.keys.insert(self.last, key);
        Ok(self.last)
    }

    fn generate(&mut self, fields: &mut Fields<'_>) -> Answer {
        let bits = fields.u32().ok_or(Code::INARGERR)?;
        let algorithm = fields.u32().ok_or(Code::INARGERR)?;
        let kek = self.kek(fields.u32().ok_or(Code::INARGERR)?)?;
        if bits != KEY_BITS {
            return Err(Code::INARGERR);
        }
        if algorithm != SGD_SM4_ECB {
            return Err(Code::ALGNOTSUPPORT);
        }
        let mut key = Zeroizing::new([0; BLOCK]);
        getrandom::fill(&mut *key).map_err(|_| Code::RANDERR)?;
        let mut enciphered = *key;
        kek.encrypt_blocks(std::array::from_mut(&mut enciphered));
        let mut out = Zeroizing::new(self.keep(key)?.to_le_bytes().to_vec());
        put(&mut out, &enciphered);
        Ok(out)
    }

    fn import(&mut self, fields: &mut Fields<'_>) -> Answer {
        let algorithm = fields.u32().ok_or(Code::INARGERR)?;
        let kek = self.kek(fields.u32().ok_or(Code::INARGERR)?)?;
        if algorithm != SGD_SM4_ECB {
            return Err(Code::ALGNOTSUPPORT);
        }
        let enciphered = fields.bytes(BLOCK).ok_or(Code::INARGERR)?;
        let mut key = Zeroizing::new(<[u8; BLOCK]>::try_from(enciphered).map_err(|_| Code::KEYERR)?);
        kek.decrypt_blocks(std::array::from_mut(&mut *key));
        Ok(Zeroizing::new(self.keep(key)?.to_le_bytes().to_vec()))
    }

    fn destroy(&mut self, fields: &mut Fields<'_>) -> Answer {
        let handle = fields.u32().ok_or(Code::INARGERR)?;
        self.keys.remove(&handle).ok_or(Code::KEYNOTEXIST)?;
        empty()
    }

    fn cipher(&self, function: Function, fields: &mut Fields<'_>) -> Answer {
        let handle = fields.u32().ok_or(Code::INARGERR)?;
        let algorithm = fields.u32().ok_or(Code::INARGERR)?;
        let start = fields.array::<BLOCK>().ok_or(Code::INARGERR)?;
        let data = Zeroizing::new(fields.bytes(DATA_MAX).ok_or(Code::INARGERR)?.to_vec());
        let key = Sm4::new(self.keys.get(&handle).ok_or(Code::KEYNOTEXIST)?);
        if data.is_empty() || data.len() % BLOCK != 0 {
            return Err(Code::INARGERR);
        }
        let result = match (function, algorithm) {
            (Function::Encrypt, SGD_SM4_CBC) => chain(&key, start, data),
            (Function::Decrypt, SGD_SM4_CBC) => unchain(&key, start, data),
            (Function::CalculateMac, SGD_SM4_MAC) => {
                let mut chained = chain(&key, start, data);
                let before = chained.len() - BLOCK;
                chained.drain(..before);
                chained
            }
            _ => return Err(Code::ALGNOTSUPPORT),
        };
        let mut out = Zeroizing::default();
        put(&mut out, &result);
        Ok(out)
    }
}

/// Cipher block chaining of whole blocks; the device does not pad.
fn chain(key: &Sm4, start: [u8; BLOCK], mut data: Zeroizing<Vec<u8>>) -> Zeroizing<Vec<u8>> {
    let mut before = start;
    for block in data.as_chunks_mut::<BLOCK>().0 {
        block.iter_mut().zip(before).for_each(|(byte, before)| *byte ^= before);
        key.encrypt_blocks(std::array::from_mut(block));
        before = *block;
    }
    data
}

fn unchain(key: &Sm4, start: [u8; BLOCK], mut data: Zeroizing<Vec<u8>>) -> Zeroizing<Vec<u8>> {
    let mut before = start;
    for block in data.as_chunks_mut::<BLOCK>().0 {
        let enciphered = *block;
        key.decrypt_blocks(std::array::from_mut(block));
        block.iter_mut().zip(before).for_each(|(byte, before)| *byte ^= before);
        before = enciphered;
    }
    data
}
