//! The folder is the architecture: a crate may depend only on floors below its own (DESIGN section 2).

use std::collections::BTreeMap;

use super::manifests::{Manifest, manifests};
use super::{Finding, tree::Tree};

const RULE: &str = "floors";

/// Where a crate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Floor {
    /// A numbered floor, with the order inside floor 1 (0 elsewhere).
    Number(u8, u8),
    /// A tool beside the house: it sees everything and nobody depends on it.
    Side,
}

/// The floor of a folder; `None` if the house has no such place.
fn floor_of(folder: &str) -> Option<Floor> {
    let parts: Vec<&str> = folder.split('/').collect();
    match parts.as_slice() {
        ["crates", "base", _] => Some(Floor::Number(0, 0)),
        ["crates", "core", name] => core_order(name).map(|order| Floor::Number(1, order)),
        ["crates", "platform", _] => Some(Floor::Number(2, 0)),
        ["crates", "services", _] => Some(Floor::Number(3, 0)),
        ["apps", "heng"] => Some(Floor::Number(4, 0)),
        ["xtask" | "bench" | "fuzz"] | ["tests", "simulator" | "spike"] => Some(Floor::Side),
        _ => None,
    }
}

/// engine → pretrade → ledger, matching.
fn core_order(name: &str) -> Option<u8> {
    match name {
        "ledger" | "matching" => Some(1),
        "pretrade" => Some(2),
        "engine" => Some(3),
        _ => None,
    }
}

/// Why an arrow is forbidden; `None` if it points down.
fn forbidden(from: Floor, to: Floor) -> Option<&'static str> {
    match (from, to) {
        (_, Floor::Side) => Some("nobody depends on a side crate"),
        (Floor::Side, Floor::Number(..)) => None,
        (Floor::Number(f, _), Floor::Number(t, _)) if t < f => None,
        (Floor::Number(0, _), Floor::Number(0, _)) => None,
        (Floor::Number(1, f), Floor::Number(1, t)) if t < f => None,
        (Floor::Number(1, _), Floor::Number(1, _)) => {
            Some("the order on floor 1 is engine, pretrade, then ledger and matching")
        }
        (Floor::Number(f, _), Floor::Number(t, _)) if f == t => {
            Some("crates of floors 2 and 3 never depend on one another")
        }
        _ => Some("the arrow points up"),
    }
}

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    let all = manifests(tree, findings);
    let mut floors = BTreeMap::new();
    for manifest in &all {
        match floor_of(&manifest.folder) {
            Some(floor) => {
                floors.insert(manifest.name.clone(), floor);
                check_name(manifest, floor, findings);
            }
            None => {
                findings.push(Finding::new(RULE, &manifest.path, 0, "no floor has such a folder (DESIGN section 2)"));
            }
        }
    }
    for manifest in &all {
        let Some(from) = floors.get(&manifest.name) else {
            continue;
        };
        for dependency in &manifest.dependencies {
            let Some(why) = floors.get(&dependency.package).and_then(|to| forbidden(*from, *to)) else {
                continue;
            };
            let line = manifest.line_of(&dependency.key);
            findings.push(Finding::new(
                RULE,
                &manifest.path,
                line,
                format!("{} → {}: {why}", manifest.name, dependency.package),
            ));
        }
    }
}

/// A crate on a floor is called after its folder.
fn check_name(manifest: &Manifest, floor: Floor, findings: &mut Vec<Finding>) {
    let folder = manifest.folder.rsplit('/').next().unwrap_or_default();
    let numbered = matches!(floor, Floor::Number(..));
    if numbered && manifest.name != "heng" && manifest.name != format!("heng-{folder}") {
        findings.push(Finding::new(
            RULE,
            &manifest.path,
            0,
            format!("the package must be called heng-{folder}, not {}", manifest.name),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(files: &[(&str, &str)], expected: &[&str]) {
        let manifests: Vec<(String, String)> = files
            .iter()
            .map(|(folder, dependency)| {
                let name = folder.rsplit('/').next().expect("a folder");
                let name = if folder.starts_with("crates") { format!("heng-{name}") } else { name.to_owned() };
                let text = format!("[package]\nname = \"{name}\"\n[dev-dependencies]\n{dependency}.workspace = true\n");
                (format!("{folder}/Cargo.toml"), text)
            })
            .collect();
        let files: Vec<(&str, &str)> = manifests.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let mut findings = Vec::new();
        super::check(&Tree::of(&files), &mut findings);
        let messages: Vec<&str> = findings.iter().map(|f| f.message.as_str()).collect();
        assert_eq!(messages.len(), expected.len(), "{messages:?}");
        for (message, part) in messages.iter().zip(expected) {
            assert!(message.contains(part), "{message} does not say {part}");
        }
    }

    #[test]
    fn arrows_point_down() {
        check(
            &[("crates/base/model", "sha2"), ("crates/core/ledger", "heng-model"), ("apps/heng", "heng-ledger")],
            &[],
        );
        check(&[("crates/base/model", "heng-ledger"), ("crates/core/ledger", "heng-model")], &["points up"]);
        check(
            &[
                ("crates/core/engine", "heng-pretrade"),
                ("crates/core/pretrade", "heng-matching"),
                ("crates/core/matching", "crc32c"),
            ],
            &[],
        );
        check(&[("crates/core/pretrade", "heng-engine"), ("crates/core/engine", "heng-model")], &["order on floor 1"]);
        check(
            &[("crates/core/ledger", "heng-matching"), ("crates/core/matching", "heng-model")],
            &["order on floor 1"],
        );
        check(
            &[("crates/platform/journal", "heng-store"), ("crates/platform/store", "heng-model")],
            &["never depend on one another"],
        );
        check(
            &[("crates/services/trading", "heng-core"), ("crates/services/core", "heng-model")],
            &["never depend on one another"],
        );
        check(&[("apps/heng", "bench"), ("bench", "heng-model")], &["side crate"]);
        check(&[("crates/services/core", "heng-model"), ("bench", "heng-core"), ("tests/simulator", "heng-core")], &[]);
    }

    #[test]
    fn every_crate_has_a_floor() {
        check(&[("crates/extra/thing", "sha2")], &["no floor"]);
        check(&[("crates/core/newcomer", "sha2")], &["no floor"]);
    }
}
