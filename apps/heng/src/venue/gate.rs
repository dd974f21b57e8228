//! The gateways: ports in front of the FIX acceptor whose connections can be broken at any moment.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Connections of a gateway at once.
const CONNECTIONS_MAX: usize = 64;

/// A gateway's handle.
pub(super) struct Gate {
    address: SocketAddr,
    /// Whether connections are taken, and how often they were broken.
    state: watch::Sender<(bool, u64)>,
    taken: AtomicU64,
}

impl Gate {
    /// Listens at `address`; whoever connects talks to `inner`. Ends when `stop` turns true.
    pub(super) async fn open(
        address: SocketAddr,
        inner: SocketAddr,
        stop: watch::Receiver<bool>,
    ) -> std::io::Result<Arc<Self>> {
        let listener = TcpListener::bind(address).await?;
        let (state, _) = watch::channel((true, 0));
        let gate = Arc::new(Self { address: listener.local_addr()?, state, taken: AtomicU64::new(0) });
        tokio::spawn(serve(listener, inner, Arc::clone(&gate), stop));
        Ok(gate)
    }

    /// Where it listens.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks every connection, without a word.
    pub(super) fn cut(&self) {
        self.state.send_modify(|(_, cuts)| *cuts += 1);
    }

    /// Takes connections, or breaks them and closes new ones at once.
    pub(super) fn set_open(&self, open: bool) {
        self.state.send_modify(|state| *state = (open, state.1 + u64::from(!open)));
    }

    /// Connections that were taken since the start.
    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Whether it takes connections.
    pub(super) fn is_open(&self) -> bool {
        self.state.borrow().0
    }
}

async fn serve(listener: TcpListener, inner: SocketAddr, gate: Arc<Gate>, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let Ok((outside, _)) = accepted else { continue };
        if gate.is_open() && connections.len() < CONNECTIONS_MAX {
            gate.taken.fetch_add(1, Ordering::Relaxed);
            connections.spawn(join(outside, inner, gate.state.subscribe()));
        }
    }
}

/// Carries bytes both ways until one side ends or the gateway breaks the connection.
async fn join(outside: TcpStream, inner: SocketAddr, mut state: watch::Receiver<(bool, u64)>) {
    let cuts = state.borrow_and_update().1;
    let Ok(inside) = TcpStream::connect(inner).await else { return };
    let _ = (outside.set_nodelay(true), inside.set_nodelay(true));
    tokio::select! {
        _ = pour(&outside, &inside) => {}
        _ = pour(&inside, &outside) => {}
        _ = state.wait_for(|(_, now)| *now != cuts) => {}
    }
}

async fn pour(from: &TcpStream, to: &TcpStream) -> std::io::Result<()> {
    let mut buffer = vec![0; 16 * 1_024];
    loop {
        from.readable().await?;
        let count = match from.try_read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        };
        let mut left = &buffer[..count];
        while !left.is_empty() {
            to.writable().await?;
            match to.try_write(left) {
                Ok(written) => left = &left[written..],
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}
