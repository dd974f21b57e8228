//! What other parts of the broker bring into the audit trail, and what keeps rows of these tables from being deleted.

use std::sync::Arc;

use heng_ports::{ActionDone, ActionLeaves, ActionTrail, FeedError, Later, LegalHolds, Principal};

use crate::audit::AuditRow;
use crate::error::IdentityError;
use crate::identity::Identity;
use crate::store;
use crate::users::by_or_system;

/// Persons whom a row names at most.
const NAMED_MAX: usize = 50;
/// Principals of one account on hold whose sessions are kept at most.
const HOLDERS_MAX: u32 = 1_000;

impl Identity {
    /// Tells from now on where actions stand in the evidence log.
    pub fn set_leaves(&self, leaves: Arc<dyn ActionLeaves>) {
        // Whoever was there first stays.
        let _ = self.leaves.set(leaves);
    }

    /// Keeps from now on what is on hold.
    pub fn set_holds(&self, holds: Arc<dyn LegalHolds>) {
        let _ = self.holds.set(holds);
    }

    /// Whose sessions stay although they ended long ago, because the law holds an account of theirs.
    pub(crate) async fn held_principals(&self) -> Result<Vec<u64>, IdentityError> {
        let Some(holds) = self.holds.get() else { return Ok(Vec::new()) };
        let held = holds.held().await.map_err(|error| IdentityError::Away(error.to_string()))?;
        let mut kept = Vec::new();
        let mut look = self.store.read().await?;
        for account in held {
            kept.append(&mut store::holders(&mut look, account.0, HOLDERS_MAX).await?);
        }
        kept.sort_unstable();
        kept.dedup();
        Ok(kept)
    }

    /// An answer showed plain personal values of others.
    pub(crate) fn note_shown(&self, by: &Principal, operation: &str, persons: &[u64]) {
        let on = match persons {
            [one] => format!("principal:{one}"),
            _ => "several".to_owned(),
        };
        let named: Vec<String> = persons.iter().take(NAMED_MAX).map(u64::to_string).collect();
        let more = if persons.len() > NAMED_MAX { " and others" } else { "" };
        let told = format!("{operation} of {} principals: {}{more}", persons.len(), named.join(", "));
        self.audit.note(AuditRow::of(self.clock.now(), "personal.shown", "done").by(by).on(on).telling(told));
    }

    /// The leaves of these actions, as far as they are known. A page without them is better than none.
    pub(crate) async fn leaves_of(&self, actions: &[u64]) -> Vec<Option<u64>> {
        let nothing = || vec![None; actions.len()];
        let Some(leaves) = self.leaves.get() else { return nothing() };
        leaves.leaves_of(actions).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "look up leaves of actions");
            nothing()
        })
    }
}

impl ActionTrail for Identity {
    fn record<'a>(&'a self, done: ActionDone<'a>) -> Later<'a, Result<(), FeedError>> {
        Box::pin(async move {
            let row = AuditRow::of(self.clock.now(), done.action, "done").on(done.resource).telling(done.detail);
            let mut change = self.store.begin().await?;
            store::insert_audit(change.connection(), &[by_or_system(row, done.by)]).await?;
            change.commit().await?;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicI64, Ordering};

    use heng_model::AccountId;
    use heng_ports::{Accounts, PrincipalKind};
    use heng_runtime::Clock;
    use heng_store::StoreUrl;

    use super::*;
    use crate::identity::IdentityOptions;
    use crate::users::NewUser;

    const DAY: i64 = 86_400 * 1_000_000_000;

    struct Hand(AtomicI64);

    impl Clock for Hand {
        fn now(&self) -> i64 {
            self.0.load(Ordering::Relaxed)
        }
    }

    struct Held(Mutex<Vec<AccountId>>);

    impl LegalHolds for Held {
        fn held(&self) -> Later<'_, Result<Vec<AccountId>, FeedError>> {
            let held = self.0.lock().expect("a list").clone();
            Box::pin(async move { Ok(held) })
        }
    }

    async fn kept(identity: &Identity) -> i64 {
        let mut look = identity.store.read().await.expect("a look");
        let found: Option<(i64,)> = look.find("SELECT COUNT(*) FROM sessions").await.expect("a count");
        found.map_or(0, |(count,)| count)
    }

    #[tokio::test]
    async fn sessions_of_a_held_account_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = StoreUrl::Sqlite(folder.path().to_owned()).store("identity");
        let clock = Arc::new(Hand(AtomicI64::new(1_783_300_500_000_000_000)));
        let options = IdentityOptions { hash_threads: 1, ..IdentityOptions::default() };
        let identity = Identity::open(&place, options, Arc::<Hand>::clone(&clock)).await.expect("it opens");
        let holds = Arc::new(Held(Mutex::new(vec![AccountId(1)])));
        identity.set_holds(Arc::<Held>::clone(&holds));
        for (name, account) in [("held", 1), ("eleven", 11), ("other", 21)] {
            let accounts = Accounts::These(vec![AccountId(account)]);
            let roles = vec!["client".to_owned()];
            let new = NewUser { name: name.to_owned(), kind: PrincipalKind::Client, roles, accounts };
            let made = identity.make_user(None, new, None).await.expect("a user");
            identity.open_session_for(made.id).await.expect("a session");
        }
        identity.sweep().await.expect("it is swept");
        assert_eq!(kept(&identity).await, 3, "they have not ended");
        clock.0.fetch_add(400 * DAY, Ordering::Relaxed);
        identity.sweep().await.expect("it is swept");
        assert_eq!(kept(&identity).await, 1, "the one on hold stays, longer numbers that hold its digit do not");
        holds.0.lock().expect("a list").clear();
        identity.sweep().await.expect("it is swept");
        assert_eq!(kept(&identity).await, 0, "released, it goes as before");
    }
}
