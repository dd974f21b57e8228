//! A master key in a GM/T 0018 device (SDF), behind a process that speaks for it over a Unix socket.
//!
//! GM/T 0018-2023 is an interface of C functions of the maker's library. We load no such library: an adapter process does
//! and mirrors the functions, argument by argument, in the frames of [`wire`]. For tests and demonstrations `heng sim-sdf`
//! is such a process, with a simulated device ([`SdfSimulator`]).
//!
//! The key-encryption keys of a device are made by its own management tools; they have indices, which are our versions.
//! `SDF_GenerateKeyWithKEK` makes two session keys, enciphered by the KEK; one enciphers (SM4-CBC), one authenticates
//! (SM4 CBC-MAC, over a message of always the same length). So all cryptography happens in the device. A wrapped key is:
//!
//! | bytes | holds |
//! |---|---|
//! | 1 | 1 |
//! | 2 + | cipher key, enciphered by the KEK, behind its length |
//! | 2 + | authentication key, enciphered by the KEK, behind its length |
//! | 16 | initial vector |
//! | 32 | the secret, enciphered |
//! | 16 | MAC of SM3(length of the context (8), context, enciphered cipher key) (32), initial vector (16), enciphered secret (32) |

mod simulator;
#[cfg(test)]
mod tests;
mod wire;

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{MasterKey, MasterVersion, secret_of};
use crate::CryptoError;
use crate::keys::KeysError;
use crate::keys::bytes::{Fields, put};
use crate::keys::data_key::SECRET;
use crate::sm::sm3;
use wire::{Code, Function};

pub use simulator::SdfSimulator;

const FORM: u8 = 1;
const BLOCK: usize = 16;
const KEY_BITS: u32 = 128;
/// Longest session key, enciphered by a KEK, that is taken from a device.
const ENCIPHERED_MAX: usize = 256;
/// How long a device may think.
const PATIENCE: Duration = Duration::from_secs(10);

/// Numbers of algorithms, GM/T 0006.
pub(super) const SGD_SM4_ECB: u32 = 0x0000_0401;
pub(super) const SGD_SM4_CBC: u32 = 0x0000_0402;
pub(super) const SGD_SM4_MAC: u32 = 0x0000_0410;

/// Where a device is and how to get in.
#[derive(Clone)]
pub struct SdfConfig {
    /// The adapter's socket.
    pub socket: PathBuf,
    /// The index of the key-encryption key by which a new ring begins.
    pub kek: u32,
    /// For the access right to key-encryption keys; empty if the device wants none.
    pub pin: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for SdfConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { socket, kek, .. } = self;
        f.debug_struct("SdfConfig").field("socket", socket).field("kek", kek).finish_non_exhaustive()
    }
}

/// A session with a device.
struct Device {
    stream: UnixStream,
    session: u32,
}

impl Device {
    fn open(config: &SdfConfig) -> Result<(Self, String), KeysError> {
        let opened = UnixStream::connect(&config.socket).and_then(|stream| {
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            Ok(stream)
        });
        let stream = opened.map_err(KeysError::io("connect to the device adapter", &config.socket))?;
        let mut device = Self { stream, session: 0 };
        device.session = device.call(Function::OpenSession, &[], |fields| fields.u32().filter(|handle| *handle > 0))?;
        let serial = device.call(Function::GetDeviceInfo, &[], |fields| Some(fields.text(64)?.to_owned()))?;
        Ok((device, serial))
    }

    /// One function: arguments behind the session, results by `read`.
    fn call<T>(
        &mut self,
        function: Function,
        arguments: &[u8],
        read: impl FnOnce(&mut Fields<'_>) -> Option<T>,
    ) -> Result<T, KeysError> {
        let mut request = Zeroizing::new(vec![function as u8]);
        request.extend_from_slice(&self.session.to_le_bytes());
        request.extend_from_slice(arguments);
        let failed = |code: Code| KeysError::Sdf { function: function.name(), code: code.0, name: code.name() };
        wire::send(&mut self.stream, &request).map_err(|_| failed(Code::COMMFAIL))?;
        let answer = Zeroizing::new(wire::receive(&mut self.stream).map_err(|_| failed(Code::COMMFAIL))?);
        let mut fields = Fields(&answer);
        match fields.u32().map(Code) {
            Some(Code::OK) => {}
            Some(code) => return Err(failed(code)),
            None => return Err(failed(Code::OUTARGERR)),
        }
        let result = read(&mut fields).filter(|_| fields.end().is_some());
        result.ok_or_else(|| failed(Code::OUTARGERR))
    }

    fn access(&mut self, kek: u32, pin: &[u8]) -> Result<(), KeysError> {
        let mut arguments = Zeroizing::new(kek.to_le_bytes().to_vec());
        put(&mut arguments, pin);
        self.call(Function::GetKekAccessRight, &arguments, |_| Some(()))
    }

    /// A new session key: its handle, and it enciphered by the KEK.
    fn generate(&mut self, kek: u32) -> Result<(u32, Vec<u8>), KeysError> {
        let arguments = [KEY_BITS, SGD_SM4_ECB, kek].map(u32::to_le_bytes).concat();
        self.call(Function::GenerateKeyWithKek, &arguments, |fields| {
            Some((fields.u32()?, fields.bytes(ENCIPHERED_MAX)?.to_vec()))
        })
    }

    fn import(&mut self, kek: u32, enciphered: &[u8]) -> Result<u32, KeysError> {
        let mut arguments = [SGD_SM4_ECB, kek].map(u32::to_le_bytes).concat();
        put(&mut arguments, enciphered);
        self.call(Function::ImportKeyWithKek, &arguments, |fields| fields.u32().filter(|handle| *handle > 0))
    }

    fn destroy(&mut self, handle: u32) -> Result<(), KeysError> {
        self.call(Function::DestroyKey, &handle.to_le_bytes(), |_| Some(()))
    }

    /// `SDF_Encrypt`, `SDF_Decrypt` or `SDF_CalculateMAC`.
    fn cipher(
        &mut self,
        function: Function,
        handle: u32,
        algorithm: u32,
        start: &[u8; BLOCK],
        data: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, KeysError> {
        let mut arguments = Zeroizing::new([handle, algorithm].map(u32::to_le_bytes).concat());
        arguments.extend_from_slice(start);
        put(&mut arguments, data);
        self.call(function, &arguments, |fields| Some(Zeroizing::new(fields.bytes(1 << 10)?.to_vec())))
    }

    /// The code over all that the wrapped key consists of and is bound to.
    fn mac(
        &mut self,
        handle: u32,
        enciphered: &[u8],
        start: &[u8; BLOCK],
        data: &[u8],
        context: &[u8],
    ) -> Result<[u8; BLOCK], KeysError> {
        let bound = sm3::hash(&[&(context.len() as u64).to_le_bytes(), context, enciphered]);
        let message = [&bound[..], start, data].concat();
        let mac = self.cipher(Function::CalculateMac, handle, SGD_SM4_MAC, &[0; BLOCK], &message)?;
        let failed =
            || KeysError::Sdf { function: Function::CalculateMac.name(), code: Code::OUTARGERR.0, name: "OUTARGERR" };
        mac[..].try_into().map_err(|_| failed())
    }

    fn wrap(&mut self, kek: u32, key: &[u8; SECRET], context: &[u8]) -> Result<Vec<u8>, KeysError> {
        let mut start = [0; BLOCK];
        getrandom::fill(&mut start)?;
        let (cipher, enciphered) = self.generate(kek)?;
        let (authentication, authenticated) = self.generate(kek)?;
        let secret = self.cipher(Function::Encrypt, cipher, SGD_SM4_CBC, &start, key)?;
        let mac = self.mac(authentication, &enciphered, &start, &secret, context)?;
        self.destroy(cipher)?;
        self.destroy(authentication)?;
        let mut wrapped = vec![FORM];
        put(&mut wrapped, &enciphered);
        put(&mut wrapped, &authenticated);
        wrapped.extend_from_slice(&start);
        wrapped.extend_from_slice(&secret);
        wrapped.extend_from_slice(&mac);
        Ok(wrapped)
    }

    fn unwrap(
        &mut self,
        kek: u32,
        wrapped: &Wrapped<'_>,
        context: &[u8],
    ) -> Result<Zeroizing<[u8; SECRET]>, KeysError> {
        let authentication = self.import(kek, wrapped.authentication)?;
        let mac = self.mac(authentication, wrapped.cipher, &wrapped.start, &wrapped.secret, context)?;
        self.destroy(authentication)?;
        if !bool::from(mac.ct_eq(&wrapped.mac)) {
            return Err(CryptoError::Refused.into());
        }
        let cipher = self.import(kek, wrapped.cipher)?;
        let plain = self.cipher(Function::Decrypt, cipher, SGD_SM4_CBC, &wrapped.start, &wrapped.secret)?;
        self.destroy(cipher)?;
        secret_of(&plain)
    }
}

/// A wrapped key, in its parts.
struct Wrapped<'a> {
    cipher: &'a [u8],
    authentication: &'a [u8],
    start: [u8; BLOCK],
    secret: [u8; SECRET],
    mac: [u8; BLOCK],
}

impl<'a> Wrapped<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        fields.u8().filter(|form| *form == FORM)?;
        let (cipher, authentication) = (fields.bytes(ENCIPHERED_MAX)?, fields.bytes(ENCIPHERED_MAX)?);
        let wrapped =
            Self { cipher, authentication, start: fields.array()?, secret: fields.array()?, mac: fields.array()? };
        fields.end().map(|()| wrapped)
    }
}

/// A master key in a GM/T 0018 device.
pub struct SdfMaster {
    config: SdfConfig,
    id: String,
    device: Mutex<Device>,
}

impl std::fmt::Debug for SdfMaster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SdfMaster").field("id", &self.id).field("config", &self.config).finish_non_exhaustive()
    }
}

impl SdfMaster {
    /// Connects to the adapter and makes sure that the device has the key-encryption key.
    ///
    /// # Errors
    /// [`KeysError::Io`] if there is no adapter; [`KeysError::Sdf`].
    pub fn open(config: &SdfConfig) -> Result<Self, KeysError> {
        let (mut device, serial) = Device::open(config)?;
        device.access(config.kek, &config.pin)?;
        let serial: String = serial.chars().filter(char::is_ascii_graphic).collect();
        Ok(Self { config: config.clone(), id: format!("sdf:{serial}"), device: Mutex::new(device) })
    }

    /// Calls with a session that may use a KEK; once more with a new one if the adapter was restarted.
    fn with<T>(&self, kek: u32, call: impl Fn(&mut Device) -> Result<T, KeysError>) -> Result<T, KeysError> {
        let mut device = self.device.lock().unwrap_or_else(PoisonError::into_inner);
        let once = |device: &mut Device| {
            device.access(kek, &self.config.pin)?;
            call(device)
        };
        let done = match once(&mut device) {
            Err(KeysError::Sdf { code, .. }) if Code(code) == Code::COMMFAIL => {
                let (again, serial) = Device::open(&self.config)?;
                if format!("sdf:{serial}") != self.id {
                    return Err(KeysError::OtherMaster { ring: self.id.clone(), given: format!("sdf:{serial}") });
                }
                *device = again;
                once(&mut device)
            }
            done => done,
        };
        if let (Err(_), Ok((again, _))) = (&done, Device::open(&self.config)) {
            // Handles that the failed call left behind end with their session.
            *device = again;
        }
        match done {
            Err(KeysError::Sdf { code, .. }) if Code(code) == Code::KEYNOTEXIST => {
                Err(KeysError::NoVersion { master: self.id.clone(), version: kek })
            }
            done => done,
        }
    }
}

impl MasterKey for SdfMaster {
    fn id(&self) -> &str {
        &self.id
    }

    fn newest(&self) -> Result<MasterVersion, KeysError> {
        Ok(self.config.kek)
    }

    fn wrap(&self, version: MasterVersion, key: &[u8; SECRET], context: &[u8]) -> Result<Vec<u8>, KeysError> {
        self.with(version, |device| device.wrap(version, key, context))
    }

    fn unwrap(
        &self,
        version: MasterVersion,
        wrapped: &[u8],
        context: &[u8],
    ) -> Result<Zeroizing<[u8; SECRET]>, KeysError> {
        let malformed = CryptoError::Malformed { what: "key wrapped by a device", reason: "its parts are not such" };
        let wrapped = Wrapped::parse(wrapped).ok_or(malformed)?;
        self.with(version, |device| device.unwrap(version, &wrapped, context))
    }

    /// The next index; the device's own tools must have made a key there.
    fn add_version(&self, after: MasterVersion) -> Result<MasterVersion, KeysError> {
        let next =
            after.checked_add(1).ok_or(KeysError::Limit { what: "key-encryption keys", most: u32::MAX.into() })?;
        self.with(next, |_| Ok(()))?;
        Ok(next)
    }

    /// GM/T 0018 has no function that destroys a key-encryption key.
    fn retire_before(&self, _: MasterVersion) -> Result<u32, KeysError> {
        Err(KeysError::token(
            "destroy older key-encryption keys",
            "only the device's own tools can; the rotation is done",
        ))
    }
}
