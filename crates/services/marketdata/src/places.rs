//! How many streams there are, of everybody and of each principal.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Streams that are open, and what became of slow ones.
#[derive(Debug, Default)]
pub(crate) struct Places {
    open: Mutex<Open>,
    conflated: AtomicU64,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Open {
    all: usize,
    sockets: usize,
    by_principal: BTreeMap<u64, usize>,
}

/// The place of one stream; it is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    principal: u64,
    name: String,
    socket: bool,
}

/// What a stream is carried by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    WebSocket,
    Events,
}

impl Places {
    /// Takes a place, if there is one below both limits; else tells which one is reached.
    pub(crate) fn take(
        self: &Arc<Self>,
        principal: &heng_ports::Principal,
        carrier: Carrier,
        (all_max, own_max): (usize, usize),
    ) -> Result<Place, &'static str> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.all >= all_max {
            return Err("as many streams as this door takes are open");
        }
        let own = open.by_principal.entry(principal.id).or_default();
        if *own >= own_max {
            return Err("this principal has as many streams open as it may");
        }
        *own += 1;
        open.all += 1;
        let socket = carrier == Carrier::WebSocket;
        open.sockets += usize::from(socket);
        Ok(Place { places: Arc::clone(self), principal: principal.id, name: principal.name.clone(), socket })
    }

    /// How many are open.
    pub(crate) fn open(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).all
    }

    /// How many of these are WebSockets.
    pub(crate) fn sockets(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).sockets
    }

    /// Times that missed updates were replaced by snapshots.
    pub(crate) fn conflated(&self) -> u64 {
        self.conflated.load(Ordering::Relaxed)
    }

    /// Streams that were dropped.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl Place {
    pub(crate) fn conflated(&self) {
        self.places.conflated.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn dropped(&self, reason: &'static str) {
        self.places.dropped.fetch_add(1, Ordering::Relaxed);
        tracing::info!(principal = self.principal, name = self.name, reason, "drop a market data stream");
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.places.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.all -= 1;
        open.sockets -= usize::from(self.socket);
        if let Some(own) = open.by_principal.get_mut(&self.principal) {
            *own -= 1;
            if *own == 0 {
                open.by_principal.remove(&self.principal);
            }
        }
    }
}
