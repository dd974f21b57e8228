//! Runs the tests of the outside checker, which is Python and so is not seen by `cargo test`.

use std::io::Write as _;
use std::process::Command;

/// A skipped test says so where `./heng test` looks for it.
fn skip(name: &str, why: &str) {
    let line = format!("SKIPPED: {name}: {why}");
    println!("{line}");
    if let Ok(log) = std::env::var("HENG_SKIP_LOG") {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(log).expect("open HENG_SKIP_LOG");
        writeln!(file, "{line}").expect("write HENG_SKIP_LOG");
    }
}

#[test]
fn the_outside_checker_finds_what_is_wrong() {
    // -B: the tests leave no compiled files in the tree.
    let run = Command::new("python3")
        .args(["-B", "-m", "unittest", "discover", "-s", "tests/outside"])
        .current_dir(crate::root())
        .output();
    let Ok(output) = run else {
        return skip("the_outside_checker_finds_what_is_wrong", "no python3 (package python3)");
    };
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(!text.contains("Ran 0 tests"), "{text}");
}
