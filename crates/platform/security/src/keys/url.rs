//! The setting that chooses a master key, and where secrets come from.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::master::{FileMaster, MasterKey, Pkcs11Config, Pkcs11Master, SdfConfig, SdfMaster, Unlock};
use super::{KeysError, disk};
use crate::provider::Algorithm;

/// Longest URL and longest secret in bytes.
const URL_MAX: usize = 2_048;
const SECRET_MAX: u64 = 4_096;
/// Where the passphrase of a key file is looked for if its URL does not say.
const DEFAULT_VARIABLE: &str = "HENG_KEYS_PASSPHRASE";

/// Where a passphrase, password or PIN comes from; never from the command line or a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// A file that others can neither read nor write; one newline at its end is taken off.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
}

impl FromStr for SecretSource {
    type Err = KeysError;

    /// Reads `file:PATH` or `env:NAME`.
    fn from_str(text: &str) -> Result<Self, KeysError> {
        match text.split_once(':') {
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            Some(("env", name)) if !name.is_empty() && !name.contains(['=', '\0']) => Ok(Self::Variable(name.into())),
            // The text may be the secret itself, given by mistake: it is not repeated.
            _ => Err(KeysError::invalid("source of a secret", "", "it must be file:PATH or env:NAME")),
        }
    }
}

impl std::fmt::Display for SecretSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Variable(name) => write!(f, "env:{name}"),
        }
    }
}

impl SecretSource {
    /// The secret.
    ///
    /// # Errors
    /// [`KeysError::Secret`] if there is none, if it is empty, or if others may read the file.
    pub fn read(&self) -> Result<Zeroizing<Vec<u8>>, KeysError> {
        let secret = |reason: String| KeysError::Secret { from: self.to_string(), reason };
        let mut bytes = match self {
            Self::File(path) => Zeroizing::new(private_file(path).map_err(secret)?),
            Self::Variable(name) => {
                let value = std::env::var(name).map_err(|error| secret(error.to_string()))?;
                Zeroizing::new(value.into_bytes())
            }
        };
        if matches!(self, Self::File(_)) && bytes.last() == Some(&b'\n') {
            bytes.pop();
        }
        if bytes.is_empty() { Err(secret("it is empty".into())) } else { Ok(bytes) }
    }
}

/// The bytes of a file that only its owner (and group) can reach.
fn private_file(path: &Path) -> Result<Vec<u8>, String> {
    use std::os::unix::fs::PermissionsExt as _;
    let meta = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if meta.permissions().mode() & 0o007 != 0 {
        return Err("everybody on this machine can reach it; chmod o-rwx".into());
    }
    disk::read(path, SECRET_MAX).map_err(|error| error.to_string())?.ok_or_else(|| "it is gone".into())
}

/// What opens a key file, by a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Opener {
    Passphrase(SecretSource),
    UnlockFile(PathBuf),
}

/// `[keys] url`: which master key wraps the ring. Secrets stand elsewhere; the URL says where.
///
/// - `file:PATH[?passphrase=file:…|env:…]` or `file:PATH?unlock=PATH`: an encrypted key file, opened by a passphrase
///   (default: the variable `HENG_KEYS_PASSPHRASE`) or by a file of 32 random bytes. PATH is relative to the data folder.
/// - `pkcs11:token=LABEL;object=LABEL?module-path=PATH&pin-source=file:…|env:…`, as RFC 7512 writes it (without
///   `pin-value`, which is refused). `object` is `heng-master` by default.
/// - `sdf:SOCKET[?kek=N][&pin-source=file:…|env:…]`: a GM/T 0018 device behind its adapter; N is the index of the
///   key-encryption key by which a new ring begins, 1 by default.
///
/// `%XX` stands for a byte in values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeysUrl(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    File { path: PathBuf, opener: Opener },
    Pkcs11 { module: PathBuf, token: String, object: String, pin: SecretSource },
    Sdf { socket: PathBuf, kek: u32, pin: Option<SecretSource> },
}

fn wrong(url: &str, reason: &'static str) -> KeysError {
    // What stands behind a question mark might be a secret, put there by mistake.
    KeysError::invalid("keys.url", url.split('?').next().unwrap_or_default(), reason)
}

/// Undoes `%XX`.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_first_chunk::<2>()?;
        let digit = |digit: u8| char::from(digit).to_digit(16);
        bytes.push((digit(digits[0])? * 16 + digit(digits[1])?) as u8);
        rest = after;
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

/// `name=value` parts, each name once and one of those known.
struct Parts<'a> {
    url: &'a str,
    parts: Vec<(&'a str, String)>,
}

impl<'a> Parts<'a> {
    fn of(url: &'a str, text: &'a str, separator: char, known: &[&str]) -> Result<Self, KeysError> {
        let mut parts: Vec<(&str, String)> = Vec::new();
        for part in text.split(separator).filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').ok_or_else(|| wrong(url, "a part is not NAME=VALUE"))?;
            if matches!(name, "pin-value" | "pin" | "passphrase-value") {
                return Err(wrong(url, "a secret may not stand in it; say where it is with pin-source or passphrase"));
            }
            if !known.contains(&name) || parts.iter().any(|(before, _)| *before == name) {
                return Err(wrong(url, "a part is unknown, or is given twice"));
            }
            let value = decode(value).filter(|value| !value.is_empty());
            parts.push((name, value.ok_or_else(|| wrong(url, "a value is empty or no text"))?));
        }
        Ok(Self { url, parts })
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let at = self.parts.iter().position(|(known, _)| *known == name)?;
        Some(self.parts.swap_remove(at).1)
    }

    fn need(&mut self, name: &str, missing: &'static str) -> Result<String, KeysError> {
        self.take(name).ok_or_else(|| wrong(self.url, missing))
    }
}

impl FromStr for KeysUrl {
    type Err = KeysError;

    fn from_str(url: &str) -> Result<Self, KeysError> {
        if url.len() > URL_MAX {
            return Err(wrong("", "it is too long"));
        }
        let (scheme, rest) =
            url.split_once(':').ok_or_else(|| wrong(url, "it must begin with file:, pkcs11: or sdf:"))?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let kind = match scheme {
            "file" => file_url(url, path, query)?,
            "pkcs11" => pkcs11_url(url, path, query)?,
            "sdf" => sdf_url(url, path, query)?,
            _ => return Err(wrong(url, "it must begin with file:, pkcs11: or sdf:")),
        };
        Ok(Self(kind))
    }
}

fn path_of(url: &str, path: &str) -> Result<PathBuf, KeysError> {
    let path = decode(path).filter(|path| !path.is_empty());
    path.map(PathBuf::from).ok_or_else(|| wrong(url, "it names no path"))
}

fn file_url(url: &str, path: &str, query: &str) -> Result<Kind, KeysError> {
    let mut parts = Parts::of(url, query, '&', &["passphrase", "unlock"])?;
    let opener = match (parts.take("passphrase"), parts.take("unlock")) {
        (Some(_), Some(_)) => return Err(wrong(url, "passphrase and unlock exclude each other")),
        (Some(source), None) => Opener::Passphrase(source.parse()?),
        (None, Some(path)) => Opener::UnlockFile(path.into()),
        (None, None) => Opener::Passphrase(SecretSource::Variable(DEFAULT_VARIABLE.into())),
    };
    Ok(Kind::File { path: path_of(url, path)?, opener })
}

fn pkcs11_url(url: &str, path: &str, query: &str) -> Result<Kind, KeysError> {
    let mut names = Parts::of(url, path, ';', &["token", "object"])?;
    let mut query = Parts::of(url, query, '&', &["module-path", "pin-source"])?;
    Ok(Kind::Pkcs11 {
        token: names.need("token", "it names no token=LABEL")?,
        object: names.take("object").unwrap_or_else(|| "heng-master".into()),
        module: query.need("module-path", "it names no module-path=PATH")?.into(),
        pin: query.need("pin-source", "it names no pin-source=file:PATH or env:NAME")?.parse()?,
    })
}

fn sdf_url(url: &str, path: &str, query: &str) -> Result<Kind, KeysError> {
    let mut parts = Parts::of(url, query, '&', &["kek", "pin-source"])?;
    let kek = parts.take("kek").unwrap_or_else(|| "1".into());
    let kek = kek.parse().ok().filter(|kek| (1..=65_535).contains(kek));
    Ok(Kind::Sdf {
        socket: path_of(url, path)?,
        kek: kek.ok_or_else(|| wrong(url, "kek must be 1 to 65535"))?,
        pin: parts.take("pin-source").map(|source| source.parse()).transpose()?,
    })
}

impl Opener {
    fn unlock(&self) -> Result<Unlock, KeysError> {
        let path = match self {
            Self::Passphrase(source) => return source.read().map(Unlock::Passphrase),
            Self::UnlockFile(path) => path,
        };
        let secret = |reason: String| KeysError::Secret { from: path.display().to_string(), reason };
        let bytes = Zeroizing::new(private_file(path).map_err(secret)?);
        let bytes = <[u8; 32]>::try_from(&bytes[..]).map_err(|_| secret("it has not 32 bytes".into()))?;
        Ok(Unlock::Bytes(Zeroizing::new(bytes)))
    }
}

impl KeysUrl {
    /// The setting if there is none: `file:keys/master.key`, with the passphrase in `HENG_KEYS_PASSPHRASE`.
    #[must_use]
    pub fn default_file() -> Self {
        let opener = Opener::Passphrase(SecretSource::Variable(DEFAULT_VARIABLE.into()));
        Self(Kind::File { path: "keys/master.key".into(), opener })
    }

    /// Opens the master key. `data` is the folder that a relative path of a key file starts from.
    ///
    /// # Errors
    /// As [`FileMaster::open`], [`Pkcs11Master::open`], [`SdfMaster::open`]; [`KeysError::Secret`].
    pub fn open(&self, data: &Path) -> Result<Arc<dyn MasterKey>, KeysError> {
        Ok(match &self.0 {
            Kind::File { path, opener } => Arc::new(FileMaster::open(&data.join(path), &opener.unlock()?)?),
            Kind::Pkcs11 { .. } => Arc::new(Pkcs11Master::open(&self.pkcs11()?)?),
            Kind::Sdf { .. } => Arc::new(SdfMaster::open(&self.sdf()?)?),
        })
    }

    /// Makes the master key: key file or key in the token. A device has its keys already. The algorithm is that of a key
    /// file; tokens and devices have their own.
    ///
    /// # Errors
    /// As [`FileMaster::create`], [`Pkcs11Master::create`], [`SdfMaster::open`]; [`KeysError::Secret`].
    pub fn create(&self, data: &Path, algorithm: Algorithm) -> Result<Arc<dyn MasterKey>, KeysError> {
        Ok(match &self.0 {
            Kind::File { path, opener } => {
                let path = data.join(path);
                disk::make_folder(path.parent().unwrap_or(data))?;
                Arc::new(FileMaster::create(&path, algorithm, &opener.unlock()?)?)
            }
            Kind::Pkcs11 { .. } => Arc::new(Pkcs11Master::create(&self.pkcs11()?)?),
            Kind::Sdf { .. } => Arc::new(SdfMaster::open(&self.sdf()?)?),
        })
    }

    fn pkcs11(&self) -> Result<Pkcs11Config, KeysError> {
        let Kind::Pkcs11 { module, token, object, pin } = &self.0 else { unreachable!("asked of a token's URL alone") };
        Ok(Pkcs11Config { module: module.clone(), token: token.clone(), object: object.clone(), pin: pin.read()? })
    }

    fn sdf(&self) -> Result<SdfConfig, KeysError> {
        let Kind::Sdf { socket, kek, pin } = &self.0 else { unreachable!("asked of a device's URL alone") };
        let pin = pin.as_ref().map(SecretSource::read).transpose()?.unwrap_or_default();
        Ok(SdfConfig { socket: socket.clone(), kek: *kek, pin })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        let passphrase = |path: &str, source| Kind::File { path: path.into(), opener: Opener::Passphrase(source) };
        let by_default = SecretSource::Variable("HENG_KEYS_PASSPHRASE".into());
        let module = "/usr/lib/softhsm/libsofthsm2.so";
        let token = format!("pkcs11:token=heng%20a;object=m?module-path={module}&pin-source=file:/run/pin");
        let pin = SecretSource::File("/run/pin".into());
        let (label, object) = ("heng a".to_owned(), "m".to_owned());
        for (url, kind) in [
            ("file:keys/master.key", passphrase("keys/master.key", by_default)),
            ("file:/a%3Fb?passphrase=env:P", passphrase("/a?b", SecretSource::Variable("P".into()))),
            ("file:m?unlock=/u", Kind::File { path: "m".into(), opener: Opener::UnlockFile("/u".into()) }),
            (&token, Kind::Pkcs11 { module: module.into(), token: label, object, pin: pin.clone() }),
            ("sdf:/run/sdf.sock", Kind::Sdf { socket: "/run/sdf.sock".into(), kek: 1, pin: None }),
            ("sdf:s?kek=7&pin-source=file:/run/pin", Kind::Sdf { socket: "s".into(), kek: 7, pin: Some(pin) }),
        ] {
            assert_eq!(url.parse::<KeysUrl>().expect(url), KeysUrl(kind), "{url}");
        }
    }

    #[test]
    fn wrong_urls_are_refused_and_never_told_with_a_secret() {
        for url in [
            "",
            "file",
            "file:",
            "http://x",
            "file:m?unlock=u&passphrase=env:P",
            "file:m?passphrase=hunter2-hunter2",
            "file:m?pass=x",
            "file:m?unlock=%f",
            "file:m?unlock=%00",
            "file:m?unlock=u&unlock=v",
            "file:%ff",
            "pkcs11:object=m?module-path=/m&pin-source=env:P",
            "pkcs11:token=t?pin-source=env:P",
            "pkcs11:token=t?module-path=/m",
            "pkcs11:token=t?module-path=/m&pin-value=hunter2",
            "pkcs11:token=t;a=b?x=y",
            "sdf:",
            "sdf:s?kek=0",
            "sdf:s?kek=x",
            "sdf:s?pin=hunter2",
        ] {
            let error = url.parse::<KeysUrl>().expect_err(url).to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert!("a".repeat(3_000).parse::<KeysUrl>().is_err());
    }

    #[test]
    fn secrets_come_from_private_files() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret");
        let source = SecretSource::File(path.clone());
        assert!(source.read().is_err());
        for (bytes, mode, secret) in [
            (&b"a secret\n"[..], 0o600, Some(&b"a secret"[..])),
            (b"a secret\n\n", 0o440, Some(b"a secret\n")),
            (b"a secret", 0o604, None),
            (b"\n", 0o600, None),
            (&[b'x'; 5_000], 0o600, None),
        ] {
            std::fs::remove_file(&path).ok();
            std::fs::write(&path, bytes).expect("it is written");
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("its mode");
            assert_eq!(source.read().ok().as_ref().map(|read| &read[..]), secret, "{mode:o} {}", bytes.len());
        }
        assert!(SecretSource::Variable("HENG_NO_SUCH_VARIABLE".into()).read().is_err());
    }
}
