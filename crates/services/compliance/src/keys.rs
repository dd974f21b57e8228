//! The keys: those that sign checkpoints, and those from which clients' salts follow.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use heng_model::UnixNanos;
use heng_security::evidence::{Algorithm, KEY_LEN, NoteSigner, SECRET_LEN};
use heng_store::OwnedStore;
use zeroize::Zeroizing;

use crate::error::{ComplianceError, Result};
use crate::store::{self, ClientKey, KeyOf};

/// Keys that are kept in memory.
const KEPT_MAX: usize = 200_000;

/// Random bytes of the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| ComplianceError::Damaged(format!("the system gives no random bytes: {error}")))?;
    Ok(bytes)
}

/// A new signing key with its secret.
pub(crate) fn new_signer(name: &str, algorithm: Algorithm) -> Result<(NoteSigner, Zeroizing<[u8; SECRET_LEN]>)> {
    loop {
        let secret = Zeroizing::new(random::<SECRET_LEN>()?);
        // One of 2^32 random numbers is no scalar of SM2: then another is drawn.
        match NoteSigner::new(name, algorithm, *secret) {
            Ok(signer) => return Ok((signer, secret)),
            Err(error) if algorithm != Algorithm::Sm2 => return Err(error.into()),
            Err(_) => {}
        }
    }
}

/// The year in China of a time: the period of a client's key.
pub(crate) fn period_of(time: UnixNanos) -> u32 {
    time.date().map_or(0, |date| date.number() / 10_000)
}

/// Clients' keys, made when they are first needed.
#[derive(Clone)]
pub(crate) struct KeyRing {
    store: OwnedStore,
    kept: Arc<Mutex<HashMap<KeyOf, ClientKey>>>,
}

impl KeyRing {
    pub(crate) fn new(store: OwnedStore) -> Self {
        Self { store, kept: Arc::default() }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, HashMap<KeyOf, ClientKey>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys of `wanted`; `None` of a destroyed one, and of one that does not exist unless `make` says to make it.
    pub(crate) async fn of(&self, wanted: &BTreeSet<KeyOf>, make: bool) -> Result<BTreeMap<KeyOf, Option<ClientKey>>> {
        let mut found: BTreeMap<KeyOf, Option<ClientKey>> = BTreeMap::new();
        let mut unknown = Vec::new();
        for of in wanted {
            match self.kept().get(of) {
                Some(key) => _ = found.insert(*of, Some(key.clone())),
                None => unknown.push(*of),
            }
        }
        if unknown.is_empty() {
            return Ok(found);
        }
        found.append(&mut store::client_keys(&mut self.store.read().await?, self.store.seals(), &unknown).await?);
        unknown.retain(|of| !found.contains_key(of));
        if make && !unknown.is_empty() {
            let fresh = |of: &KeyOf| Ok((*of, Zeroizing::new(random::<KEY_LEN>()?)));
            let fresh = unknown.iter().map(fresh).collect::<Result<Vec<(KeyOf, ClientKey)>>>()?;
            let mut change = self.store.begin().await?;
            store::add_client_keys(change.connection(), self.store.seals(), &fresh).await?;
            change.commit().await?;
            found.extend(fresh.into_iter().map(|(of, key)| (of, Some(key))));
        }
        found.extend(unknown.into_iter().filter(|_| !make).map(|of| (of, None)));
        self.keep(&found);
        Ok(found)
    }

    fn keep(&self, found: &BTreeMap<KeyOf, Option<ClientKey>>) {
        let mut kept = self.kept();
        if kept.len() + found.len() > KEPT_MAX {
            kept.clear();
        }
        kept.extend(found.iter().filter_map(|(of, key)| Some((*of, key.clone()?))));
    }

    /// Forgets the keys of a client that were destroyed.
    pub(crate) fn forget(&self, client: u64) {
        self.kept().retain(|(of, _), _| *of != client);
    }
}
