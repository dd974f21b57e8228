//! What people and programs did at the broker outside of the core: sign-ins, changes of rights, denials, disposals,
//! agreements. Whoever keeps such a trail hands it out in order, by number.

use heng_model::UnixNanos;

use crate::events::FeedError;
use crate::identity::Later;

/// One action. Opaque ids only; names, addresses and free text stay with whoever keeps the trail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActionTaken {
    /// Its number: 1, 2, 3 … without gaps.
    pub number: u64,
    /// When.
    pub at: UnixNanos,
    /// Who; 0 = nobody was identified.
    pub principal: u64,
    /// What they came with: `session:…`, `key:…`, `token:…`; never a secret.
    pub credential: String,
    /// What was done or asked, for example `user.created`.
    pub action: String,
    /// What it was done to, for example `account:7`.
    pub resource: String,
    /// How it ended: `allowed`, `denied`, `done`, `failed`.
    pub outcome: String,
    /// How often, where equal actions are counted together.
    pub times: u64,
}

/// Hands out actions. They are final once they are handed out.
pub trait ActionSource: Send + Sync {
    /// Actions with numbers above `number`, ascending, at most `limit`.
    fn actions_after(&self, number: u64, limit: u32) -> Later<'_, Result<Vec<ActionTaken>, FeedError>>;
}
