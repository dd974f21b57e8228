//! Secrets that must be read again, sealed in their columns: one-time codes and the shared secrets of keys.
//!
//! The value sealed is bound to its row, so that a row's secret cannot be put into another's. Hashes and public keys need
//! no seal.

use heng_store::{OwnedStore, Seals, Sql, StoreError};
use zeroize::Zeroizing;

use crate::identity::Identity;

const CODES: &str = "identity/principals";
const KEYS: &str = "identity/api-keys";
/// Rows that are sealed in one change.
const PAGE: u32 = 500;

/// The secret of a principal's one-time codes, as it stands in the tables.
pub(crate) fn seal_code(seals: &Seals, principal: u64, secret: &[u8]) -> Result<Vec<u8>, StoreError> {
    seals.seal(CODES, &principal.to_string(), secret)
}

/// The secret of a shared key, as it stands in the tables.
pub(crate) fn seal_key(seals: &Seals, id: &str, secret: &[u8]) -> Result<Vec<u8>, StoreError> {
    seals.seal(KEYS, id, secret)
}

impl Identity {
    pub(crate) fn code_secret(&self, principal: u64, stored: Vec<u8>) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        self.store.seals().unseal(CODES, &principal.to_string(), stored)
    }

    pub(crate) fn key_secret(&self, id: &str, stored: Vec<u8>) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        self.store.seals().unseal(KEYS, id, stored)
    }
}

/// Seals what was written before there were keys.
pub(crate) async fn seal_all(store: &OwnedStore) -> Result<(), StoreError> {
    if !store.seals().are_there() {
        return Ok(());
    }
    while seal_codes(store).await? || seal_keys(store).await? {}
    Ok(())
}

type CodeRow = (i64, Option<Vec<u8>>, Option<Vec<u8>>);

/// Seals a page of codes; answers whether there were any.
async fn seal_codes(store: &OwnedStore) -> Result<bool, StoreError> {
    let mut change = store.begin().await?;
    let plain = "SELECT id, totp, totp_pending FROM principals WHERE length(totp) <= 44 OR length(totp_pending) <= 44 \
                 ORDER BY id LIMIT $1";
    let rows: Vec<CodeRow> = change.connection().load(Sql::new(plain).bind(PAGE)).await?;
    for (id, totp, pending) in &rows {
        let sealed = |stored: &Option<Vec<u8>>| {
            stored.as_ref().filter(|stored| !Seals::is_sealed(stored)).map_or_else(
                || Ok(stored.clone()),
                |plain| seal_code(store.seals(), id.cast_unsigned(), plain).map(Some),
            )
        };
        let update = Sql::new("UPDATE principals SET totp = $1, totp_pending = $2 WHERE id = $3");
        change.connection().execute(update.bind(sealed(totp)?).bind(sealed(pending)?).bind(*id)).await?;
    }
    change.commit().await?;
    Ok(!rows.is_empty())
}

/// Seals a page of shared keys; answers whether there were any.
async fn seal_keys(store: &OwnedStore) -> Result<bool, StoreError> {
    let mut change = store.begin().await?;
    let plain =
        "SELECT id, secret FROM api_keys WHERE kind = 'hmac-sha256' AND length(secret) <= 44 ORDER BY id LIMIT $1";
    let rows: Vec<(String, Vec<u8>)> = change.connection().load(Sql::new(plain).bind(PAGE)).await?;
    for (id, secret) in &rows {
        let update = Sql::new("UPDATE api_keys SET secret = $1 WHERE id = $2");
        let sealed = seal_key(store.seals(), id, secret)?;
        change.connection().execute(update.bind(sealed).bind(id.as_str())).await?;
    }
    change.commit().await?;
    Ok(!rows.is_empty())
}
