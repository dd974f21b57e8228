//! Lawful deletion: a client's keys up to a year are destroyed. His leaves stay, and the tree stays valid; what they
//! bind can never be shown or guessed again. One person asks, another approves.

use heng_model::UnixNanos;

use crate::concerns::{ACTIONS, HOUSE};
use crate::error::{ComplianceError, Result};
use crate::holds::check_free;
use crate::keys::period_of;
use crate::retention::{ORDERS, kept_until};
use crate::service::Compliance;
use crate::store::{self, DestructionRow};

/// The retention period of the law is over.
pub(crate) const BASIS_ENDED: &str = "retention-ended";
/// The account never belonged to a client; never in production.
pub(crate) const BASIS_TEST: &str = "test-account";

impl Compliance {
    fn check_lawful(&self, client: u64, through: u32, basis: &str) -> Result<()> {
        if client == HOUSE || client == ACTIONS {
            return Err(ComplianceError::field("/account_id", "is no client's"));
        }
        let now = UnixNanos(self.clock.now());
        if !(1990..=period_of(now)).contains(&through) {
            return Err(ComplianceError::field("/through_year", "is no year that has begun"));
        }
        match basis {
            BASIS_TEST if self.production => {
                Err(ComplianceError::Kept("in production no account counts as one for tests".into()))
            }
            BASIS_TEST => Ok(()),
            _ => match kept_until(ORDERS, through, now)? {
                None => Ok(()),
                Some(until) => Err(ComplianceError::Kept(format!(
                    "records of {through} are kept until the end of {until} (Securities Law, article 137)"
                ))),
            },
        }
    }

    /// Asks for the destruction of a client's keys up to the year `through`. Asked for again before it is approved, it
    /// is the same request; `true` = it is a new one.
    pub(crate) async fn request_destruction(
        &self,
        by: u64,
        client: u64,
        through: u32,
        basis: &str,
    ) -> Result<(DestructionRow, bool)> {
        self.check_lawful(client, through, basis)?;
        let mut change = self.store.begin().await?;
        check_free(change.connection(), client).await?;
        let waiting = store::destructions(change.connection()).await?.into_iter().find(|row| {
            (row.client, row.through, row.approved_by, row.requested_by) == (client, through, 0, by)
                && row.basis == basis
        });
        if let Some(waiting) = waiting {
            return Ok((waiting, false));
        }
        let mut row = DestructionRow {
            number: 0,
            client,
            through,
            basis: basis.to_owned(),
            requested_by: by,
            requested_at: self.clock.now(),
            approved_by: 0,
            approved_at: 0,
            keys: 0,
        };
        row.number = store::add_destruction(change.connection(), &row).await?;
        change.commit().await?;
        tracing::warn!(number = row.number, "lawful deletion is asked for");
        Ok((row, true))
    }

    /// Approves a destruction and does it. Whoever asked for it may not approve it.
    pub(crate) async fn approve_destruction(&self, by: u64, number: u64) -> Result<DestructionRow> {
        let mut change = self.store.begin().await?;
        let found = store::destruction(change.connection(), number).await?;
        let mut row = found.ok_or(ComplianceError::Absent("such request"))?;
        if row.approved_by != 0 {
            return Ok(row);
        }
        if row.requested_by == by {
            return Err(ComplianceError::Clash("whoever asked for a deletion cannot approve it".into()));
        }
        self.check_lawful(row.client, row.through, &row.basis)?;
        let (client, through) = (row.client, row.through);
        // In the change itself: a hold that came while this was decided counts.
        check_free(change.connection(), client).await?;
        row.keys = store::destroy_client_keys(change.connection(), client, through, number).await?;
        (row.approved_by, row.approved_at) = (by, self.clock.now());
        store::approve(change.connection(), &row).await?;
        change.commit().await?;
        self.keys.forget(client);
        tracing::warn!(number, keys = row.keys, "lawful deletion is done");
        Ok(row)
    }
}
