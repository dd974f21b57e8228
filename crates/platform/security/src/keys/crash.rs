//! Where tests let the process "crash": every call of the file system passes here first.

use std::cell::Cell;
use std::fs::File;
use std::io::Write as _;

thread_local! {
    static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
    static TORN: Cell<usize> = const { Cell::new(0) };
}

/// From now on this thread's file system works for `steps` more steps; an append that fails leaves `torn` bytes.
pub(crate) fn after(steps: u32, torn: usize) {
    LEFT.set(Some(steps));
    TORN.set(torn);
}

/// The file system works again; answers whether it had failed.
pub(crate) fn over() -> bool {
    LEFT.take() == Some(0)
}

/// Writes; if the process ends here, only what is torn off.
pub(crate) fn write(file: &mut File, bytes: &[u8]) -> std::io::Result<()> {
    let last = step();
    file.write_all(if last.is_ok() { bytes } else { &bytes[..TORN.get().min(bytes.len())] })?;
    last
}

pub(crate) fn step() -> std::io::Result<()> {
    match LEFT.get() {
        None => Ok(()),
        Some(0) => Err(std::io::Error::other("the test lets the process end here")),
        Some(left) => {
            LEFT.set(Some(left - 1));
            Ok(())
        }
    }
}
