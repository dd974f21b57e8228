//! The core as the doors see it: in this process or in another one.

use std::sync::Arc;

use heng_core::{CorePort, RecordSource, RemoteCore};
use heng_ports::{CommandPort, CoreWatch, EventSource};

/// The ports of a core.
#[derive(Clone)]
pub(crate) struct CoreFace {
    pub(crate) port: Arc<dyn CommandPort>,
    pub(crate) source: Arc<dyn EventSource>,
    pub(crate) watch: Arc<dyn CoreWatch>,
}

impl CoreFace {
    /// A core in this process.
    pub(crate) fn near(port: &CorePort, source: RecordSource) -> Self {
        Self { port: Arc::new(port.clone()), source: Arc::new(source), watch: Arc::new(port.clone()) }
    }

    /// A core in another process.
    pub(crate) fn far(core: &Arc<RemoteCore>) -> Self {
        Self {
            port: Arc::clone(core) as Arc<dyn CommandPort>,
            source: Arc::clone(core) as Arc<dyn EventSource>,
            watch: Arc::clone(core) as Arc<dyn CoreWatch>,
        }
    }
}
