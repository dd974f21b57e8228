//! What the tests of the binary share.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

static FOLDERS: AtomicU32 = AtomicU32::new(0);

/// A folder of its own that disappears with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("day-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path.canonicalize().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The binary: the one of this build, or `$HENG_BIN`.
pub(crate) fn heng() -> Command {
    Command::new(std::env::var_os("HENG_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_heng").into()))
}

/// The top of the source tree.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

pub(crate) fn run(args: &[&str]) -> Output {
    heng().args(args).output().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A path as an argument.
pub(crate) fn arg(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What a successful command with `--json` prints: one object, and nothing on stderr.
pub(crate) fn one_object(output: &Output) -> Value {
    assert!(output.status.success(), "{:?}: {} {}", output.status, text(&output.stdout), text(&output.stderr));
    assert_eq!(text(&output.stderr), "");
    let printed = text(&output.stdout);
    assert_eq!(printed.trim_end_matches('\n').lines().count(), 1, "{printed}");
    let value: Value = serde_json::from_str(&printed).unwrap();
    assert!(value.is_object());
    value
}

/// A small day: enough for every phase, auction and board.
pub(crate) const SMALL: [&str; 6] = ["--clients", "600", "--instruments", "60", "--orders", "20000"];

/// A day of `SMALL` size with more arguments.
pub(crate) fn small_day(more: &[&str]) -> Output {
    heng().arg("day").args(SMALL).arg("--json").args(more).output().unwrap()
}

pub(crate) fn resume(data: &Path, more: &[&str]) -> Output {
    heng().args(["day", "--resume", "--json", "--data", arg(data)]).args(more).output().unwrap()
}

/// The order keys that `heng journal dump` shows.
pub(crate) fn dumped_keys(data: &Path) -> std::collections::BTreeSet<String> {
    let output = run(&["journal", "dump", "--json", "--data", arg(data)]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines = text(&output.stdout);
    let objects = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    objects.filter_map(|object| object["key"].as_str().map(str::to_owned)).collect()
}

pub(crate) fn lines_of(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}
