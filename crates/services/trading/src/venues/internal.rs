//! The matching engine of the core itself as a venue: for sandbox, drills, backtests and tests.

use std::sync::Arc;

use heng_model::PartitionId;
use heng_ports::CoreWatch;

use super::{Venue, VenueHealth};

/// A production configuration asks for the internal venue without a licence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a broker may not cross clients' orders itself (Securities Law of the PRC, articles 37, 38 and 108); \
     the internal venue needs [venues.internal] licensed = true in production 证券公司不得自行撮合客户委托：生产环境启用 internal 须显式声明许可"
)]
pub struct LicenceMissing;

/// Whether the internal venue may be used. What production uses with a licence is logged.
///
/// # Errors
/// In production without a licence.
pub fn check_internal_licence(production: bool, licensed: bool) -> Result<(), LicenceMissing> {
    if production && !licensed {
        return Err(LicenceMissing);
    }
    if production {
        tracing::warn!("the internal venue matches clients' orders in production, as licensed");
    }
    Ok(())
}

/// The core's own matching. It answers within the command that asks, so nothing is ever out or unknown.
pub struct InternalVenue {
    partition: PartitionId,
    watch: Arc<dyn CoreWatch>,
}

impl InternalVenue {
    /// The venue of a core's own partition.
    #[must_use]
    pub const fn new(partition: PartitionId, watch: Arc<dyn CoreWatch>) -> Self {
        Self { partition, watch }
    }
}

impl Venue for InternalVenue {
    fn health(&self) -> VenueHealth {
        let status = self.watch.status();
        VenueHealth {
            name: "internal".to_owned(),
            kind: "internal".to_owned(),
            partition: self.partition.0,
            connected: status.is_some(),
            current: status.is_some(),
            as_of_sequence: status.map_or(0, |status| status.released),
            ..VenueHealth::default()
        }
    }

    fn partition(&self) -> PartitionId {
        self.partition
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn production_refuses_it_unless_licensed() {
        assert_eq!(check_internal_licence(true, false), Err(LicenceMissing));
        assert_eq!(check_internal_licence(true, true), Ok(()));
        assert_eq!(check_internal_licence(false, false), Ok(()));
        assert!(LicenceMissing.to_string().contains("[venues.internal] licensed = true"));
    }
}
