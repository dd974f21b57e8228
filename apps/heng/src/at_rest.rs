//! What a data folder keeps, encrypted if the folder has a key ring: journal, event log, snapshots, tables, FIX messages.

use std::io::{Error, ErrorKind};
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use anyhow::Context as _;
use heng_core::{FileKeys, SealedStorage};
use heng_journal::{OsStorage, Storage};
use heng_security::keys::{DataKey, KeyRing, KeysUrl, Scope};
use heng_security::provider::Algorithm;
use heng_security::xts::{FileCipher, Xts};
use heng_store::StoreKeys;
use heng_transport::fix::MessageSeal;
use zeroize::Zeroizing;

/// Names the master key where no configuration file does.
const URL: &str = "HENG_KEYS_URL";
/// What the key of a file is sealed with, beside the key itself.
const BOUND: &[u8] = b"heng file key";
/// How often changes that other processes made to the ring are taken over.
const REFRESHED: Duration = Duration::from_secs(1);
/// Whose data it is: one broker.
const TENANT: &str = "house";

/// How a data folder is sealed, or that it is not.
#[derive(Clone, Debug)]
pub(crate) struct AtRest(Option<Arc<RingKeys>>);

impl AtRest {
    /// A folder with a ring (`heng keys init`) is opened with the master key that `url` names, or `HENG_KEYS_URL`, or the
    /// key file in the folder; what is written from now on is sealed. A folder without one is plain.
    ///
    /// # Errors
    /// If there is a ring that the master key does not open, or a master key is named and there is no ring.
    pub(crate) fn open(data: &Path, url: Option<&str>) -> anyhow::Result<Self> {
        let folder = data.join("keys");
        if !KeyRing::is_in(&folder) {
            if url.is_some() {
                anyhow::bail!(
                    "keys.url is configured, but {} holds no key ring: heng keys init makes one",
                    folder.display()
                );
            }
            return Ok(Self(None));
        }
        let named = url.map(str::to_owned).or_else(|| std::env::var(URL).ok());
        let url = named.map_or_else(|| Ok(KeysUrl::default_file()), |url| url.parse())?;
        let master = url.open(data).with_context(|| format!("open the master key of {}", folder.display()))?;
        let ring =
            KeyRing::open(&folder, master).with_context(|| format!("open the key ring in {}", folder.display()))?;
        let keys = Arc::new(RingKeys(ring));
        follow(&keys).context("follow the key ring")?;
        Ok(Self(Some(keys)))
    }

    /// Journal, event log and snapshots.
    pub(crate) fn storage(&self) -> Arc<dyn Storage> {
        let plain = OsStorage::shared();
        match &self.0 {
            Some(keys) => SealedStorage::shared(plain, Arc::<RingKeys>::clone(keys)),
            None => plain,
        }
    }

    /// Tables.
    pub(crate) fn tables(&self) -> Option<Arc<dyn StoreKeys>> {
        self.0.clone().map(|keys| keys as Arc<dyn StoreKeys>)
    }

    /// Messages of FIX sessions.
    pub(crate) fn messages(&self) -> Option<Arc<dyn MessageSeal>> {
        self.0.clone().map(|keys| keys as Arc<dyn MessageSeal>)
    }

    /// The ring, if there is one.
    pub(crate) fn ring(&self) -> Option<&KeyRing> {
        self.0.as_deref().map(|keys| &keys.0)
    }
}

/// Takes over what other processes change, until nobody holds the keys.
fn follow(keys: &Arc<RingKeys>) -> std::io::Result<()> {
    let keys: Weak<RingKeys> = Arc::downgrade(keys);
    let followed = move || {
        let mut failed = false;
        while let Some(keys) = keys.upgrade() {
            // Told once: what was held before stays in use, and the next look may go well.
            match keys.0.refresh() {
                Ok(_) => failed = false,
                Err(error) if !failed => {
                    failed = true;
                    tracing::error!(%error, "read the key ring again");
                }
                Err(_) => {}
            }
            drop(keys);
            std::thread::sleep(REFRESHED);
        }
    };
    std::thread::Builder::new().name("keys".into()).spawn(followed).map(drop)
}

/// Keys of files and single secrets, sealed under a data key of the year.
#[derive(Debug)]
struct RingKeys(KeyRing);

impl RingKeys {
    fn current(&self, table: &str) -> std::io::Result<Arc<DataKey>> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        // A period of about a year; its bounds matter to nobody.
        let period = format!("{}", 1970 + now / 31_556_952);
        let scope = Scope::new(table, TENANT, &period).map_err(Error::other)?;
        self.0.current(&scope).map_err(Error::other)
    }
}

/// What a sealed value is bound to.
fn bound(table: &str, about: &str) -> Vec<u8> {
    [b"heng ", table.as_bytes(), b"\0", about.as_bytes()].concat()
}

impl FileKeys for RingKeys {
    fn make(&self) -> std::io::Result<(Vec<u8>, Arc<Xts>)> {
        let data_key = self.current("record")?;
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(secret.as_mut()).map_err(|error| Error::other(error.to_string()))?;
        let cipher = match data_key.algorithm() {
            Algorithm::Sm4Gcm => FileCipher::Sm4Xts,
            _ => FileCipher::Aes256Xts,
        };
        let sealed = data_key.seal(BOUND, secret.as_ref()).map_err(Error::other)?;
        Ok((sealed, Arc::new(Xts::new(cipher, &secret))))
    }

    fn open(&self, sealed: &[u8], cipher: FileCipher) -> std::io::Result<Arc<Xts>> {
        let secret = Zeroizing::new(self.0.unseal(BOUND, sealed).map_err(Error::other)?);
        let secret = secret.first_chunk::<32>().ok_or(ErrorKind::InvalidData)?;
        Ok(Arc::new(Xts::new(cipher, secret)))
    }
}

impl StoreKeys for RingKeys {
    fn seal(&self, table: &str, about: &str, secret: &[u8]) -> std::io::Result<Vec<u8>> {
        self.current(table)?.seal(&bound(table, about), secret).map_err(Error::other)
    }

    fn unseal(&self, table: &str, about: &str, sealed: &[u8]) -> std::io::Result<Zeroizing<Vec<u8>>> {
        self.0.unseal(&bound(table, about), sealed).map(Zeroizing::new).map_err(Error::other)
    }
}

impl MessageSeal for RingKeys {
    fn seal(&self, session: &str, message: &[u8]) -> std::io::Result<Vec<u8>> {
        StoreKeys::seal(self, "fix", session, message)
    }

    fn open(&self, session: &str, sealed: &[u8]) -> std::io::Result<Vec<u8>> {
        self.0.unseal(&bound("fix", session), sealed).map_err(Error::other)
    }
}
