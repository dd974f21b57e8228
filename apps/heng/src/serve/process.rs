//! What every process that serves has: its data folder for itself, its log, and an orderly end.

use std::fs::File;
use std::path::Path;

use anyhow::{Context as _, bail};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// One process per data folder.
pub(crate) fn lock(data: &Path) -> anyhow::Result<File> {
    let path = data.join("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.with_context(|| format!("open {}", path.display()))?;
    if file.try_lock().is_err() {
        bail!("another process uses the data folder {}; choose another with --data", data.display());
    }
    Ok(file)
}

/// Threads for what goes behind orders: views, heavy reads, sign-ins. The doors' own threads then share no queues and locks
/// with connections of SQLite, whose threads step back and make whoever waits for such a lock wait with them.
pub(crate) fn behind() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("behind").enable_all().build()
}

/// SIGINT and SIGTERM turn the returned value true.
pub(crate) fn stop_signals(runtime: &Runtime) -> anyhow::Result<watch::Sender<bool>> {
    let stop = watch::Sender::new(false);
    let told = stop.clone();
    let _inside = runtime.enter();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    runtime.spawn(async move {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        told.send_replace(true);
    });
    Ok(stop)
}

/// Turns ready when the process is told to stop.
pub(crate) async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that the sender is gone, and with it the process.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Waits until the process is told to stop.
pub(crate) fn wait_for_stop(stop: &watch::Sender<bool>) {
    let mut stop = stop.subscribe();
    while !*stop.borrow_and_update() {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}
