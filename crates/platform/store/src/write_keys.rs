//! Keys of writes other than orders: the same key and request get the first answer again (design rule 9).

use crate::error::StoreError;
use crate::owned::Change;
use crate::statement::Sql;

/// How long an answer is kept: 7 days.
pub const WRITE_KEY_NANOS: i64 = 7 * 86_400 * 1_000_000_000;
/// Characters of a key at most.
pub const WRITE_KEY_MAX: usize = 64;
/// Old keys removed with one new key at most.
const FORGET_MAX: i64 = 100;

/// A write by its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteKey<'a> {
    /// Who writes.
    pub principal: u64,
    /// The key that the caller chose.
    pub key: &'a str,
    /// SHA-256 over what is asked for.
    pub request: [u8; 32],
    /// Nanoseconds since 1970.
    pub now: i64,
}

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing: do it, and remember the answer in the same change.
    New,
    /// The same was asked before; this was the answer.
    Same {
        /// Status of the answer.
        status: u16,
        /// Its body.
        answer: Vec<u8>,
    },
    /// The key was used for something else: refuse it.
    Reused,
}

impl Change {
    /// What is known of a key. Answers older than 7 days are forgotten.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn known(&mut self, write: WriteKey<'_>) -> Result<Known, StoreError> {
        let forget = "DELETE FROM write_keys WHERE (principal, key) IN
            (SELECT principal, key FROM write_keys WHERE created_at <= $1 ORDER BY created_at LIMIT $2)";
        let oldest = write.now.saturating_sub(WRITE_KEY_NANOS);
        self.connection().execute(Sql::new(forget).bind(oldest).bind(FORGET_MAX)).await?;
        let find = "SELECT request, status, answer FROM write_keys
            WHERE principal = $1 AND key = $2 AND created_at > $3";
        let find = Sql::new(find).bind(write.principal).bind(write.key).bind(oldest);
        let found: Option<(Vec<u8>, i64, Vec<u8>)> = self.connection().find(find).await?;
        Ok(match found {
            None => Known::New,
            Some((request, status, answer)) if request == write.request => {
                Known::Same { status: u16::try_from(status).unwrap_or(200), answer }
            }
            Some(_) => Known::Reused,
        })
    }

    /// Remembers the answer with the change that it tells of.
    ///
    /// # Errors
    /// If the database fails, also when the key is known.
    pub async fn remember(&mut self, write: WriteKey<'_>, status: u16, answer: &[u8]) -> Result<(), StoreError> {
        // An answer that is too old to count may still stand there.
        let old = Sql::new("DELETE FROM write_keys WHERE principal = $1 AND key = $2 AND created_at <= $3");
        let oldest = write.now.saturating_sub(WRITE_KEY_NANOS);
        self.connection().execute(old.bind(write.principal).bind(write.key).bind(oldest)).await?;
        let insert = "INSERT INTO write_keys (principal, key, request, status, answer, created_at)
            VALUES ($1, $2, $3, $4, $5, $6)";
        let insert = Sql::new(insert).bind(write.principal).bind(write.key).bind(write.request.to_vec());
        self.connection().execute(insert.bind(status).bind(answer).bind(write.now)).await.map(|_| ())
    }
}
