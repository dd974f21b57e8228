//! A master key in a PKCS#11 token: AES-256, made there, used there by AES-GCM, never taken out.
//!
//! A wrapped key is: 1 (1), nonce (12), ciphertext and tag (48). The versions of a master key are objects of one label,
//! whose `CKA_ID` is the version (4 bytes, big end first).
//!
//! Keys are enciphered as data (`C_Encrypt` with `CKM_AES_GCM`, the context as additional data) and not by `C_WrapKey`:
//! key wrap cannot bind a context, and would ask that data keys be objects in the token that may be taken out again.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use zeroize::Zeroizing;

use super::{MasterKey, MasterVersion, secret_of};
use crate::CryptoError;
use crate::keys::KeysError;
use crate::keys::data_key::SECRET;
use crate::provider::{Algorithm, SignatureBytes, Signer};

const FORM: u8 = 1;
const NONCE: usize = 12;
const WRAPPED: usize = 1 + NONCE + SECRET + 16;
/// 1.2.156.10197.1.301, the SM2 curve, in DER.
const SM2_CURVE: &[u8] = &[0x06, 0x08, 0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x82, 0x2d];
/// 1.3.101.112 in DER, and the name that some tokens write instead.
const ED25519: [&[u8]; 2] = [
    &[0x06, 0x03, 0x2b, 0x65, 0x70],
    &[0x13, 0x0c, b'e', b'd', b'w', b'a', b'r', b'd', b's', b'2', b'5', b'5', b'1', b'9'],
];

/// Where a token is and how to get in.
#[derive(Clone)]
pub struct Pkcs11Config {
    /// The library of the token's maker.
    pub module: PathBuf,
    /// The token's label.
    pub token: String,
    /// The label of the master key.
    pub object: String,
    /// The user's PIN.
    pub pin: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Pkcs11Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { module, token, object, .. } = self;
        f.debug_struct("Pkcs11Config")
            .field("module", module)
            .field("token", token)
            .field("object", object)
            .finish_non_exhaustive()
    }
}

fn told(action: &'static str) -> impl Fn(Error) -> KeysError {
    move |error| KeysError::token(action, error)
}

/// Whether a session is gone (the token was taken out, or its service was restarted) and another may work.
fn is_gone(error: &Error) -> bool {
    use RvError::{DeviceRemoved, SessionClosed, SessionHandleInvalid, TokenNotPresent, UserNotLoggedIn};
    matches!(
        error,
        Error::Pkcs11(DeviceRemoved | SessionClosed | SessionHandleInvalid | TokenNotPresent | UserNotLoggedIn, _)
    )
}

/// A token, with a user logged in.
pub struct Pkcs11Token {
    library: Pkcs11,
    slot: Slot,
    serial: String,
    pin: AuthPin,
    /// Sessions are used by one thread at a time.
    session: Mutex<Session>,
}

impl std::fmt::Debug for Pkcs11Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pkcs11Token").field("serial", &self.serial).finish_non_exhaustive()
    }
}

impl Pkcs11Token {
    /// Loads the maker's library and logs in.
    ///
    /// # Errors
    /// [`KeysError::Token`]; [`KeysError::Secret`] for a PIN that is not UTF-8.
    pub fn open(config: &Pkcs11Config) -> Result<Self, KeysError> {
        let library = Pkcs11::new(&config.module).map_err(told("load the token's library"))?;
        match library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            // Somebody else in this process uses the same library.
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(error) => return Err(told("start the token's library")(error)),
        }
        let (slot, serial) = find_token(&library, &config.token)?;
        let pin = std::str::from_utf8(&config.pin).map_err(|_| KeysError::Secret {
            from: format!("PIN of token {}", config.token),
            reason: "it is not UTF-8".into(),
        })?;
        let pin = AuthPin::new(pin.into());
        let session = Mutex::new(log_in(&library, slot, &pin)?);
        Ok(Self { library, slot, serial, pin, session })
    }

    /// Calls with the session; once more with a new one if it is gone.
    fn with<T>(&self, action: &'static str, call: impl Fn(&Session) -> Result<T, Error>) -> Result<T, KeysError> {
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        match call(&session) {
            Err(error) if is_gone(&error) => {
                *session = log_in(&self.library, self.slot, &self.pin)?;
                call(&session).map_err(told(action))
            }
            Err(Error::Pkcs11(RvError::EncryptedDataInvalid | RvError::EncryptedDataLenRange, _)) => {
                Err(CryptoError::Refused.into())
            }
            done => done.map_err(told(action)),
        }
    }

    /// A key in the token that signs: Ed25519 (`CKM_EDDSA`).
    ///
    /// A key on the SM2 curve is refused: tokens that know the curve but not SM2 sign with ECDSA under it, which no
    /// verifier of SM2 accepts. PKCS#11 has no number for SM2 with SM3, so no token is trusted with it here.
    ///
    /// # Errors
    /// [`KeysError::KeyRefused`], also if it may be taken out; [`KeysError::Token`] if there is none.
    pub fn signer(self: &Arc<Self>, label: &str) -> Result<Box<dyn Signer>, KeysError> {
        let template = [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Label(label.into())];
        let found = self.with("look for the signing key", |session| session.find_objects(&template))?;
        let [key] = found[..] else {
            return Err(KeysError::token("look for the signing key", format!("{} of label {label}", found.len())));
        };
        let wanted = [AttributeType::KeyType, AttributeType::EcParams];
        let has = self.with("look at the signing key", |session| session.get_attributes(key, &wanted))?;
        let curve = has.iter().find_map(|attribute| match attribute {
            Attribute::EcParams(curve) => Some(&curve[..]),
            _ => None,
        });
        let refused = |reason| Err(KeysError::KeyRefused { label: label.to_owned(), reason });
        match curve {
            Some(SM2_CURVE) => refused("it is on the SM2 curve, where this token would sign with ECDSA instead of SM2"),
            Some(curve) if ED25519.contains(&curve) && has.contains(&Attribute::KeyType(KeyType::EC_EDWARDS)) => {
                self.check_kept(key, label)?;
                Ok(Box::new(TokenSigner { token: Arc::clone(self), key }))
            }
            _ => refused("only Ed25519 keys sign"),
        }
    }

    /// Refuses a key that may leave the token or that came from outside.
    fn check_kept(&self, key: ObjectHandle, label: &str) -> Result<(), KeysError> {
        use Attribute as A;
        let kept = [A::Sensitive(true), A::Extractable(false), A::NeverExtractable(true), A::Local(true)];
        let wanted: Vec<AttributeType> = kept.iter().map(Attribute::attribute_type).collect();
        let has = self.with("look at the key", |session| session.get_attributes(key, &wanted))?;
        let reason = "it may leave the token, or did not come into being there";
        if kept.iter().all(|attribute| has.contains(attribute)) {
            Ok(())
        } else {
            Err(KeysError::KeyRefused { label: label.to_owned(), reason })
        }
    }
}

fn find_token(library: &Pkcs11, label: &str) -> Result<(Slot, String), KeysError> {
    const LOOK: &str = "look for the token";
    let mut found = None;
    for slot in library.get_slots_with_initialized_token().map_err(told(LOOK))? {
        let info = library.get_token_info(slot).map_err(told(LOOK))?;
        if info.label().trim_end() == label {
            if found.is_some() {
                return Err(KeysError::token(LOOK, format!("two are labelled {label}")));
            }
            found = Some((slot, info.serial_number().trim().to_owned()));
        }
    }
    found.ok_or_else(|| KeysError::token(LOOK, format!("none is labelled {label}")))
}

fn log_in(library: &Pkcs11, slot: Slot, pin: &AuthPin) -> Result<Session, KeysError> {
    let session = library.open_rw_session(slot).map_err(told("open a session with the token"))?;
    match session.login(UserType::User, Some(pin)) {
        // Logging in counts for the whole process.
        Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
        Err(error) => Err(told("log in to the token")(error)),
    }
}

struct TokenSigner {
    token: Arc<Pkcs11Token>,
    key: ObjectHandle,
}

impl Signer for TokenSigner {
    fn algorithm(&self) -> Algorithm {
        Algorithm::Ed25519
    }

    fn sign(&self, message: &[u8]) -> Result<SignatureBytes, CryptoError> {
        let failed = CryptoError::Malformed { what: "signature", reason: "the token did not give one" };
        let mechanism = Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Pure));
        let signed = self.token.with("sign", |session| session.sign(&mechanism, self.key, message));
        signed.ok().and_then(|bytes| bytes.try_into().ok()).ok_or(failed)
    }
}

/// A master key in a token.
#[derive(Debug)]
pub struct Pkcs11Master {
    token: Arc<Pkcs11Token>,
    object: String,
    id: String,
}

impl Pkcs11Master {
    /// Makes version 1 of a master key in the token.
    ///
    /// # Errors
    /// [`KeysError::Token`], also if the token has a key of this label; [`KeysError::KeyRefused`].
    pub fn create(config: &Pkcs11Config) -> Result<Self, KeysError> {
        let master = Self::of(config)?;
        if !master.versions()?.is_empty() {
            let reason = format!("the token has a key {} already", config.object);
            return Err(KeysError::token("make a master key", reason));
        }
        master.add_version(0)?;
        Ok(master)
    }

    /// Takes the master key that is in the token.
    ///
    /// # Errors
    /// [`KeysError::Token`], also if there is none; [`KeysError::KeyRefused`] if it may leave the token.
    pub fn open(config: &Pkcs11Config) -> Result<Self, KeysError> {
        let master = Self::of(config)?;
        if master.versions()?.is_empty() {
            return Err(KeysError::token("look for the master key", format!("the token has no key {}", config.object)));
        }
        Ok(master)
    }

    fn of(config: &Pkcs11Config) -> Result<Self, KeysError> {
        let printable = config.object.bytes().all(|byte| byte.is_ascii_graphic());
        if !printable || !(1..=64).contains(&config.object.len()) {
            return Err(KeysError::invalid("label", &config.object, "1 to 64 printable characters are allowed"));
        }
        let token = Arc::new(Pkcs11Token::open(config)?);
        let serial: String = token.serial.chars().filter(char::is_ascii_graphic).take(32).collect();
        Ok(Self { id: format!("pkcs11:{serial}/{}", config.object), object: config.object.clone(), token })
    }

    /// The token, for other keys in it.
    #[must_use]
    pub fn token(&self) -> Arc<Pkcs11Token> {
        Arc::clone(&self.token)
    }

    fn template(&self) -> Vec<Attribute> {
        let label = Attribute::Label(self.object.clone().into_bytes());
        vec![Attribute::Class(ObjectClass::SECRET_KEY), Attribute::KeyType(KeyType::AES), label]
    }

    /// The versions in the token, with their objects.
    fn versions(&self) -> Result<Vec<(MasterVersion, ObjectHandle)>, KeysError> {
        const LOOK: &str = "look for the master key";
        let template = self.template();
        let mut versions = Vec::new();
        for key in self.token.with(LOOK, |session| session.find_objects(&template))? {
            let has = self.token.with(LOOK, |session| session.get_attributes(key, &[AttributeType::Id]))?;
            let [Attribute::Id(id)] = &has[..] else { continue };
            let Ok(id) = id[..].try_into() else { continue };
            versions.push((MasterVersion::from_be_bytes(id), key));
        }
        versions.sort_by_key(|(version, _)| *version);
        Ok(versions)
    }

    fn find(&self, version: MasterVersion) -> Result<ObjectHandle, KeysError> {
        let mut template = self.template();
        template.push(Attribute::Id(version.to_be_bytes().to_vec()));
        let found = self.token.with("look for the master key", |session| session.find_objects(&template))?;
        match found[..] {
            [] => Err(KeysError::NoVersion { master: self.id.clone(), version }),
            [key] => self.token.check_kept(key, &self.object).map(|()| key),
            _ => Err(KeysError::KeyRefused { label: self.object.clone(), reason: "two objects have one version" }),
        }
    }
}

impl MasterKey for Pkcs11Master {
    fn id(&self) -> &str {
        &self.id
    }

    fn newest(&self) -> Result<MasterVersion, KeysError> {
        let none = KeysError::NoVersion { master: self.id.clone(), version: 1 };
        self.versions()?.last().map(|(version, _)| *version).ok_or(none)
    }

    fn wrap(&self, version: MasterVersion, key: &[u8; SECRET], context: &[u8]) -> Result<Vec<u8>, KeysError> {
        let object = self.find(version)?;
        let mut random = [0; NONCE];
        getrandom::fill(&mut random)?;
        self.token.with("encrypt in the token", |session| {
            // Some tokens put a nonce of their own here, so what is written is what stands here afterwards.
            let mut nonce = random;
            let mechanism = Mechanism::AesGcm(GcmParams::new(&mut nonce, context, 128.into())?);
            let sealed = session.encrypt(&mechanism, object, key)?;
            Ok([&[FORM][..], &nonce, &sealed].concat())
        })
    }

    fn unwrap(
        &self,
        version: MasterVersion,
        wrapped: &[u8],
        context: &[u8],
    ) -> Result<Zeroizing<[u8; SECRET]>, KeysError> {
        let (got, want) = (wrapped.len(), WRAPPED);
        if got != want || wrapped[0] != FORM {
            return Err(CryptoError::Length { what: "key wrapped by a token", got, want }.into());
        }
        let object = self.find(version)?;
        let plain = self.token.with("decrypt in the token", |session| {
            let mut nonce: [u8; NONCE] = wrapped[1..=NONCE].try_into().expect("12 bytes");
            let mechanism = Mechanism::AesGcm(GcmParams::new(&mut nonce, context, 128.into())?);
            Ok(Zeroizing::new(session.decrypt(&mechanism, object, &wrapped[1 + NONCE..])?))
        })?;
        secret_of(&plain)
    }

    fn add_version(&self, after: MasterVersion) -> Result<MasterVersion, KeysError> {
        let newest = self.versions()?.last().map_or(0, |(version, _)| *version).max(after);
        let most = KeysError::Limit { what: "versions of a master key", most: u32::MAX.into() };
        let version = newest.checked_add(1).ok_or(most)?;
        use Attribute as A;
        let mut template = self.template();
        template.extend([
            A::Id(version.to_be_bytes().to_vec()),
            A::ValueLen((SECRET as u64).into()),
            A::Token(true),
            A::Private(true),
            A::Sensitive(true),
            A::Extractable(false),
            A::Modifiable(false),
            A::Encrypt(true),
            A::Decrypt(true),
            A::Wrap(false),
            A::Unwrap(false),
            A::Sign(false),
            A::Verify(false),
        ]);
        self.token.with("make a key in the token", |session| session.generate_key(&Mechanism::AesKeyGen, &template))?;
        self.find(version)?;
        Ok(version)
    }

    fn retire_before(&self, version: MasterVersion) -> Result<u32, KeysError> {
        self.find(version)?;
        let old: Vec<_> = self.versions()?.into_iter().filter(|(known, _)| *known < version).collect();
        for (_, key) in &old {
            self.token.with("destroy a key in the token", |session| session.destroy_object(*key))?;
        }
        Ok(old.len() as u32)
    }
}
