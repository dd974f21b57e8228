//! Text that may not stand in the project: paths of one machine, registry hosts, unfinished work.

use super::source::Source;
use super::{Finding, tree::Tree};

/// Folders at the root of a machine that only its owner has. Written in halves, so that they do not find themselves.
const MACHINE_FOLDERS: &[&str] = &[concat!("wo", "rk"), concat!("fa", "rm"), concat!("ro", "ot")];
/// Hosts that package tools know by themselves.
const REGISTRY_HOSTS: &[&str] = &[
    concat!("static.", "crates.io"),
    concat!("index.", "crates.io"),
    concat!("py", "pi.org"),
    concat!("files.", "pythonhosted"),
    concat!("registry.", "npmjs"),
    concat!("deb.", "debian.org"),
];
/// Marks of unfinished work in source files.
const UNFINISHED: &[&str] = &[
    concat!("to", "do!("),
    concat!("un", "implemented!("),
    concat!("FIX", "ME"),
    concat!("TO", "DO"),
    concat!("XX", "X:"),
    concat!("not implemented", " yet"),
    concat!("coming", " soon"),
];
/// Attributes that hide a failing test.
const HIDDEN_TESTS: &[&str] = &[concat!("#[ig", "nore"), concat!("#[should", "_panic")];
/// What a test prints when it cannot run, and where it must say so too.
const SKIPPED: &str = concat!("SKIP", "PED:");
const SKIP_LOG: &str = "HENG_SKIP_LOG";

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    for (path, text) in tree.iter().filter(|(path, _)| !path.ends_with("Cargo.lock")) {
        let source_file =
            [".rs", ".py", ".sh", ".ts", ".tsx"].iter().any(|end| path.ends_with(end)) || !path.contains('.');
        for (number, line) in text.lines().enumerate() {
            let mut find = |message: String| findings.push(Finding::new("text", path, number + 1, message));
            if let Some(folder) = MACHINE_FOLDERS.iter().find(|folder| names_folder(line, folder)) {
                find(format!("a path of one machine: /{folder}/"));
            }
            if let Some(host) = REGISTRY_HOSTS.iter().find(|host| line.contains(*host)) {
                find(format!("a registry's host: {host}"));
            }
            if source_file && let Some(mark) = UNFINISHED.iter().find(|mark| line.contains(*mark)) {
                find(format!("unfinished work: {mark}"));
            }
        }
    }
    for (path, text) in tree.rust() {
        check_tests(path, text, findings);
    }
}

/// Whether the line holds `/folder/` that does not follow a word (as in `a/folder/`).
fn names_folder(line: &str, folder: &str) -> bool {
    let wanted = format!("/{folder}/");
    line.match_indices(&wanted).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "_.-".contains(c))
    })
}

fn check_tests(path: &str, text: &str, findings: &mut Vec<Finding>) {
    let source = Source::of(path, text);
    for (number, code) in source.code.iter().enumerate() {
        let squeezed: String = code.split_whitespace().collect();
        if let Some(hidden) = HIDDEN_TESTS.iter().find(|hidden| squeezed.contains(*hidden)) {
            findings.push(Finding::new("tests", path, number + 1, format!("{hidden}] hides what a test should say")));
        }
    }
    // One integration binary a crate: each binary is linked again.
    let parts: Vec<&str> = path.split('/').collect();
    if let ["crates", _, _, "tests", file] | ["apps", _, "tests", file] = parts.as_slice() {
        findings.push(Finding::new(
            "tests",
            path,
            0,
            format!("{file} would be a second test binary: use tests/it/main.rs"),
        ));
    }
    if text.contains(SKIPPED) && !text.contains(SKIP_LOG) {
        findings.push(Finding::new(
            "tests",
            path,
            0,
            format!("a test that skips itself appends its line to the file named by {SKIP_LOG}"),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str, expected: &[&str]) {
        let mut findings = Vec::new();
        super::check(&Tree::of(&[(path, text)]), &mut findings);
        let shown: Vec<String> = findings.iter().map(|f| format!("{}:{} {}", f.line, f.rule, f.message)).collect();
        assert_eq!(shown.len(), expected.len(), "{shown:?}");
        for (message, part) in shown.iter().zip(expected) {
            assert!(message.contains(part), "{message} does not say {part}");
        }
    }

    #[test]
    fn no_machine_and_no_registry() {
        check("docs/a.md", &format!("x\nsee /{}/main here", MACHINE_FOLDERS[0]), &["2:text a path of one machine"]);
        check("docs/a.md", &format!("see a/{}/main or .../{}/x", MACHINE_FOLDERS[0], MACHINE_FOLDERS[1]), &[]);
        check("a.toml", &format!("url = \"https://{}/x\"", REGISTRY_HOSTS[2]), &["a registry's host"]);
        check("Cargo.lock", &format!("https://{}/x", REGISTRY_HOSTS[1]), &[]);
    }

    #[test]
    fn no_unfinished_work() {
        for mark in UNFINISHED {
            check("crates/a/b/src/x.rs", &format!("fn a() {{ {mark}\n}}"), &["unfinished work"]);
            check("docs/a.md", mark, &[]);
        }
    }

    #[test]
    fn no_hidden_and_no_silently_skipped_tests() {
        check("crates/a/b/src/x.rs", "#[test]\n# [ignore = \"slow\"]\nfn a() {}", &["2:tests #["]);
        check("crates/a/b/src/x.rs", &format!("// {}]\n", HIDDEN_TESTS[0]), &[]);
        check("crates/a/b/tests/it/main.rs", &format!("println!(\"{SKIPPED} no data\");"), &["appends its line"]);
        check("crates/a/b/tests/it/main.rs", &format!("println!(\"{SKIPPED} no data\"); log(\"{SKIP_LOG}\");"), &[]);
    }

    #[test]
    fn one_test_binary_a_crate() {
        check("crates/a/b/tests/other.rs", "", &["second test binary"]);
        check("crates/a/b/tests/it/main.rs", "", &[]);
    }
}
