//! The end of the process waits for the threads of SQLite.
//!
//! Each connection has a thread of its own, which nobody joins: it ends by itself when its pool is dropped. SQLCipher and
//! OpenSSL give their memory and locks back when the process exits, and a thread that still closes its file then works
//! on what is no longer there: the process dies by a signal after all its work was done.

use std::sync::Once;
use std::time::{Duration, Instant};

/// What the names of those threads begin with; the system keeps 15 bytes of a name.
pub(crate) const THREAD_PREFIX: &str = "sqlite-";

/// The longest that an exit waits: closing a file moves what is in its write-ahead file. A thread whose pool is still
/// open does not end, and one that has nothing to do harms nothing.
const WAIT_MAX: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_micros(500);

/// Makes the exit of this process wait for the threads of SQLite. What is registered later runs earlier, so this comes
/// once a connection is open: the libraries have registered their cleaning by then.
pub(crate) fn wait_for_threads() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // A system that has no room for it exits as it did before.
        let _ = shutdown_hooks::add_shutdown_hook(threads_end);
    });
}

extern "C" fn threads_end() {
    let end = Instant::now() + WAIT_MAX;
    while threads_live() && Instant::now() < end {
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Whether a thread of SQLite lives, as Linux tells it; elsewhere nobody can tell, and nobody waits.
fn threads_live() -> bool {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else { return false };
    threads.flatten().any(|thread| {
        let name = std::fs::read(thread.path().join("comm"));
        name.is_ok_and(|name| name.starts_with(THREAD_PREFIX.as_bytes()))
    })
}
