//! The core as the doors see it: in this process or in another one.

use std::sync::Arc;

use heng_core::{CorePort, RecordSource, RemoteCore, ReplicaPort};
use heng_ports::{CommandPort, CoreQueries, CoreWatch, EventSource};

/// The ports of a core.
#[derive(Clone)]
pub(crate) struct CoreFace {
    pub(crate) port: Arc<dyn CommandPort>,
    pub(crate) source: Arc<dyn EventSource>,
    pub(crate) watch: Arc<dyn CoreWatch>,
    pub(crate) queries: Arc<dyn CoreQueries>,
}

impl CoreFace {
    /// A core in this process.
    pub(crate) fn near(port: &CorePort, source: RecordSource, replica: ReplicaPort) -> Self {
        let (port, source) = (Arc::new(port.clone()), Arc::new(source));
        Self { port: Arc::clone(&port) as Arc<dyn CommandPort>, source, watch: port, queries: Arc::new(replica) }
    }

    /// A core in another process.
    pub(crate) fn far(core: &Arc<RemoteCore>) -> Self {
        Self {
            port: Arc::clone(core) as Arc<dyn CommandPort>,
            source: Arc::clone(core) as Arc<dyn EventSource>,
            watch: Arc::clone(core) as Arc<dyn CoreWatch>,
            queries: Arc::clone(core) as Arc<dyn CoreQueries>,
        }
    }
}
