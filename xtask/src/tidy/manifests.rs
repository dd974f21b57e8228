//! What every `Cargo.toml` must say.

use toml::{Table, Value};

use super::{Finding, tree::Tree};

const RULE: &str = "manifests";

/// Crates from outside that floor 0 may use. Everything here runs inside the decision.
const BASE_ALLOWED: &[&str] = &["sha2", "xxhash-rust", "serde", "toml", "thiserror"];
/// Crates from outside that floor 1 may use in the product: none.
const CORE_ALLOWED: &[&str] = &[];
/// Crates from outside that tests of floors 0 and 1 may use.
const TEST_ALLOWED: &[&str] = &["proptest", "tempfile", "serde_json"];

/// One package of the workspace.
#[derive(Debug)]
pub(super) struct Manifest {
    pub(super) path: String,
    pub(super) folder: String,
    pub(super) name: String,
    pub(super) dependencies: Vec<Dependency>,
    text: String,
    table: Table,
}

/// One line of a dependency table.
#[derive(Debug)]
pub(super) struct Dependency {
    pub(super) key: String,
    /// The package, which a `package = …` may name differently from the key.
    pub(super) package: String,
    /// Only for tests.
    dev: bool,
    /// Version and path come from the workspace.
    inherited: bool,
}

impl Manifest {
    /// Line, from 1, of a dependency.
    pub(super) fn line_of(&self, key: &str) -> usize {
        let found = self
            .text
            .lines()
            .position(|line| line.trim_start().strip_prefix(key).is_some_and(|rest| rest.starts_with(['.', ' ', '='])));
        found.map_or(0, |line| line + 1)
    }
}

/// Every package manifest of the tree; those that cannot be read become findings.
pub(super) fn manifests(tree: &Tree, findings: &mut Vec<Finding>) -> Vec<Manifest> {
    let mut all = Vec::new();
    for (path, text) in tree.iter().filter(|(path, _)| path.ends_with("/Cargo.toml")) {
        match text.parse::<Table>() {
            Ok(table) => all.extend(manifest(path, text, table)),
            Err(error) => findings.push(Finding::new(RULE, path, 0, format!("cannot be read: {}", error.message()))),
        }
    }
    all
}

fn manifest(path: &str, text: &str, table: Table) -> Option<Manifest> {
    let name = table.get("package")?.get("name")?.as_str()?.to_owned();
    let folder = path.strip_suffix("/Cargo.toml")?.to_owned();
    let mut dependencies = Vec::new();
    collect(&table, &mut dependencies);
    for target in table.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values) {
        collect(target.as_table()?, &mut dependencies);
    }
    Some(Manifest { path: path.to_owned(), folder, name, dependencies, text: text.to_owned(), table })
}

fn collect(table: &Table, dependencies: &mut Vec<Dependency>) {
    for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
        for (key, value) in table.get(kind).and_then(Value::as_table).into_iter().flatten() {
            let package = value.get("package").and_then(Value::as_str).unwrap_or(key);
            let inherited = value.get("workspace").and_then(Value::as_bool) == Some(true);
            dependencies.push(Dependency {
                key: key.clone(),
                package: package.to_owned(),
                dev: kind.starts_with("dev"),
                inherited,
            });
        }
    }
}

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    // Unreadable manifests were reported by the rule of the floors.
    for manifest in manifests(tree, &mut Vec::new()) {
        let own_workspace = manifest.table.contains_key("workspace");
        if !own_workspace {
            check_inherited(&manifest, findings);
        }
        check_allowed(&manifest, findings);
    }
}

fn check_inherited(manifest: &Manifest, findings: &mut Vec<Finding>) {
    let inherits =
        |table: Option<&Value>| table.and_then(|t| t.get("workspace")).and_then(Value::as_bool) == Some(true);
    if !inherits(manifest.table.get("lints")) {
        findings.push(Finding::new(
            RULE,
            &manifest.path,
            0,
            "the workspace's lints are not inherited: [lints] workspace = true",
        ));
    }
    for field in ["version", "edition", "rust-version", "license", "publish"] {
        if !inherits(manifest.table.get("package").and_then(|package| package.get(field))) {
            findings.push(Finding::new(RULE, &manifest.path, 0, format!("{field}.workspace = true is missing")));
        }
    }
    for dependency in manifest.dependencies.iter().filter(|d| !d.inherited) {
        let message = format!("{} must come from [workspace.dependencies]: {0}.workspace = true", dependency.key);
        findings.push(Finding::new(RULE, &manifest.path, manifest.line_of(&dependency.key), message));
    }
}

/// Floors 0 and 1 take part in decisions: what they link is counted by name.
fn check_allowed(manifest: &Manifest, findings: &mut Vec<Finding>) {
    let product = match manifest.folder.split('/').collect::<Vec<_>>().as_slice() {
        ["crates", "base", _] => BASE_ALLOWED,
        ["crates", "core", _] => CORE_ALLOWED,
        _ => return,
    };
    for dependency in manifest.dependencies.iter().filter(|d| !d.package.starts_with("heng")) {
        let package = dependency.package.as_str();
        let allowed = product.contains(&package) || (dependency.dev && TEST_ALLOWED.contains(&package));
        if !allowed {
            let message = format!("{package} is not on the allow list of {}", manifest.folder);
            findings.push(Finding::new(RULE, &manifest.path, manifest.line_of(&dependency.key), message));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[package]\nname = \"heng-x\"\nversion.workspace = true\nedition.workspace = true\nrust-version.workspace = true\nlicense.workspace = true\npublish.workspace = true\n[lints]\nworkspace = true\n";

    fn check(folder: &str, more: &str, expected: &[&str]) {
        let (path, text) = (format!("{folder}/Cargo.toml"), format!("{GOOD}{more}"));
        let mut findings = Vec::new();
        super::check(&Tree::of(&[(&path, &text)]), &mut findings);
        let messages: Vec<String> = findings.iter().map(|f| format!("{}: {}", f.line, f.message)).collect();
        assert_eq!(messages.len(), expected.len(), "{messages:?}");
        for (message, part) in messages.iter().zip(expected) {
            assert!(message.contains(part), "{message} does not say {part}");
        }
    }

    #[test]
    fn manifests_inherit() {
        check("crates/platform/x", "[dependencies]\ntokio.workspace = true\n", &[]);
        check("crates/platform/x", "[dependencies]\ntokio = \"1\"\n", &["11: tokio must come from"]);
        check(
            "crates/platform/x",
            "[target.'cfg(unix)'.dependencies]\nlibc = { version = \"0.2\" }\n",
            &["libc must come from"],
        );
        let mut findings = Vec::new();
        super::check(&Tree::of(&[("a/Cargo.toml", "[package]\nname = \"a\"\n")]), &mut findings);
        assert_eq!(findings.len(), 6, "lints and five fields: {findings:?}");
    }

    #[test]
    fn the_core_links_only_what_is_listed() {
        check(
            "crates/core/x",
            "[dependencies]\nheng-model.workspace = true\n[dev-dependencies]\nproptest.workspace = true\n",
            &[],
        );
        check("crates/core/x", "[dependencies]\nproptest.workspace = true\n", &["proptest is not on the allow list"]);
        check("crates/core/x", "[dependencies]\nsha2.workspace = true\n", &["sha2 is not on the allow list"]);
        check("crates/base/x", "[dependencies]\nsha2.workspace = true\n", &[]);
    }

    #[test]
    fn unreadable_manifests_are_findings() {
        let mut findings = Vec::new();
        assert!(manifests(&Tree::of(&[("a/Cargo.toml", "[package\n")]), &mut findings).is_empty());
        assert_eq!(findings.len(), 1);
    }
}
