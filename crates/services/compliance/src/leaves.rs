//! Where actions of the trail stand in the log, and their proofs.

use std::sync::Arc;

use heng_ports::{ActionLeaves, FeedError, Later};
use heng_store::OwnedStore;
use tokio::sync::watch;

use crate::bundle::EvidenceBundle;
use crate::error::{ComplianceError, Result};
use crate::publish::Published;
use crate::service::Compliance;
use crate::store;

/// Looks up leaves under the newest checkpoint.
pub(crate) struct LeavesKept {
    pub(crate) store: OwnedStore,
    pub(crate) published: watch::Receiver<Option<Arc<Published>>>,
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let made = tokio::task::spawn_blocking(work).await;
    made.map_err(|failure| ComplianceError::Damaged(format!("the log was not read: {failure}")))?
}

impl LeavesKept {
    async fn leaves(&self, published: Arc<Published>, actions: &[u64]) -> Result<Vec<Option<u64>>> {
        let mut reading = self.store.read().await?;
        let mut places = Vec::with_capacity(actions.len());
        for action in actions {
            places.push((*action, store::place_of(&mut reading, *action).await?));
        }
        drop(reading);
        blocking(move || {
            let leaf = |(action, place): (u64, Option<store::ActionPlace>)| match place {
                Some(place) => published.tree.action_leaf(place.after, action),
                None => Ok(None),
            };
            places.into_iter().map(leaf).collect()
        })
        .await
    }
}

impl ActionLeaves for LeavesKept {
    fn leaves_of<'a>(&'a self, actions: &'a [u64]) -> Later<'a, std::result::Result<Vec<Option<u64>>, FeedError>> {
        Box::pin(async move {
            let published = self.published.borrow().clone();
            let Some(published) = published else { return Ok(vec![None; actions.len()]) };
            Ok(self.leaves(published, actions).await?)
        })
    }
}

impl Compliance {
    /// Tells other services where actions stand in the log.
    #[must_use]
    pub fn leaves(&self) -> Arc<dyn ActionLeaves> {
        Arc::new(self.leaves_kept())
    }

    fn leaves_kept(&self) -> LeavesKept {
        LeavesKept { store: self.store.clone(), published: self.published.clone() }
    }

    /// The proof of one action under the newest checkpoint.
    pub(crate) async fn prove_action(&self, action: u64) -> Result<EvidenceBundle> {
        let published = self.checkpoint(false)?;
        let found = self.leaves_kept().leaves(Arc::clone(&published), &[action]).await?;
        let index =
            found.first().copied().flatten().ok_or(ComplianceError::Absent("such action under a checkpoint"))?;
        let (prover, keys) = (self.prover.clone(), self.signing_keys());
        blocking(move || prover.leaf_file(&published.note, &published.tree, index, &keys)).await
    }
}
