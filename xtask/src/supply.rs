//! Licences, sources and bans of what is built, by the words of `deny.toml`: what `cargo deny` checks without the
//! advisory database, for machines that do not have it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::packages::{CRATES_IO, Kind, Package, metadata, of_cargo, of_npm};

/// What `deny.toml` says of these matters.
#[derive(Debug, Deserialize)]
struct Rules {
    licenses: Licences,
    bans: Bans,
}

#[derive(Debug, Deserialize)]
struct Licences {
    allow: Vec<String>,
    #[serde(default)]
    exceptions: Vec<Exception>,
}

/// Licences that one package may have besides.
#[derive(Debug, Deserialize)]
struct Exception {
    #[serde(rename = "crate")]
    package: String,
    allow: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

/// A package that nobody may need but its `wrappers`.
#[derive(Debug, Deserialize)]
struct Ban {
    name: String,
    #[serde(default)]
    wrappers: Vec<String>,
    reason: String,
}

/// What is wrong with the packages of `root`: file and sentence.
pub(crate) fn check(root: &Path) -> Result<Vec<(&'static str, String)>> {
    let read = |path: &str| std::fs::read_to_string(root.join(path)).with_context(|| format!("read {path}"));
    let rules: Rules = toml::from_str(&read("deny.toml")?).context("read deny.toml")?;
    // A fresh clone has fetched nothing yet, and is about to.
    let metadata = metadata(root, false).or_else(|_| metadata(root, true))?;
    let cargo = of_cargo(&metadata, &read("Cargo.lock")?)?;
    let npm = of_npm(&read("console/package-lock.json")?)?;
    let mut found = wrong(&rules, &cargo);
    // What only builds or tests the console is not passed on to anybody.
    let shipped: Vec<Package> = npm.into_iter().filter(|package| package.shipped).collect();
    found.extend(wrong(&rules, &shipped));
    Ok(found)
}

fn wrong(rules: &Rules, packages: &[Package]) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for package in packages {
        let file = if package.kind == Kind::Cargo { "Cargo.lock" } else { "console/package-lock.json" };
        let name = format!("{} {}", package.name, package.version.as_deref().unwrap_or_default());
        let more = rules.licenses.exceptions.iter().filter(|exception| exception.package == package.name);
        let more: Vec<&String> = more.flat_map(|exception| &exception.allow).collect();
        let allowed = |licence: &str| rules.licenses.allow.iter().chain(more.iter().copied()).any(|a| a == licence);
        match &package.licence {
            None => found.push((file, format!("{name} tells no licence"))),
            Some(licence) if !permits(licence, &allowed) => {
                found.push((file, format!("{name} is under {licence}, which deny.toml does not allow")));
            }
            Some(_) => {}
        }
        match &package.source {
            Some(source) if source != CRATES_IO => found.push((file, format!("{name} comes from {source}"))),
            Some(_) if package.hash.is_none() => found.push((file, format!("{name} has no checksum"))),
            _ => {}
        }
    }
    found.extend(banned(rules, packages));
    found
}

fn banned(rules: &Rules, packages: &[Package]) -> Vec<(&'static str, String)> {
    let bans: BTreeMap<&str, &Ban> = rules.bans.deny.iter().map(|ban| (ban.name.as_str(), ban)).collect();
    let mut found = Vec::new();
    for package in packages {
        for (need, _) in &package.needs {
            if let Some(ban) = bans.get(need.as_str()).filter(|ban| !ban.wrappers.contains(&package.name)) {
                found.push(("Cargo.lock", format!("{} needs {need}, which is banned: {}", package.name, ban.reason)));
            }
        }
    }
    found
}

/// Whether an SPDX expression can be met with allowed licences: `OR` binds weaker than `AND`, `WITH` belongs to its
/// licence.
fn permits(expression: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let good = either(&mut words, allowed);
    good && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn either(words: &mut Words<'_>, allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut good = both(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        good |= both(words, allowed);
    }
    good
}

fn both(words: &mut Words<'_>, allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut good = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        good &= one(words, allowed);
    }
    good
}

fn one(words: &mut Words<'_>, allowed: &dyn Fn(&str) -> bool) -> bool {
    if words.next_if_eq(&"(").is_some() {
        let good = either(words, allowed);
        return words.next_if_eq(&")").is_some() && good;
    }
    let Some(licence) = words.next() else { return false };
    match words.next_if_eq(&"WITH").and_then(|_| words.next()) {
        Some(exception) => allowed(&format!("{licence} WITH {exception}")),
        None => allowed(licence),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const RULES: &str = "[licenses]\nallow = [\"MIT\", \"Apache-2.0\", \"Apache-2.0 WITH LLVM-exception\"]\n\
        exceptions = [{ crate = \"odd\", allow = [\"MPL-2.0\"] }]\n\
        [bans]\ndeny = [{ name = \"bad\", wrappers = [\"old\"], reason = \"no\" }]\n";

    fn package(name: &str, licence: &str) -> Package {
        Package {
            kind: Kind::Cargo,
            name: name.to_owned(),
            version: Some("1.0.0".to_owned()),
            licence: Some(licence.to_owned()),
            hash: Some(("SHA-256", "ab".to_owned())),
            source: Some(CRATES_IO.to_owned()),
            shipped: true,
            needs: BTreeSet::new(),
        }
    }

    fn check(package: Package, expected: &str) {
        let rules: Rules = toml::from_str(RULES).expect("good rules");
        let found = wrong(&rules, &[package]);
        let good =
            if expected.is_empty() { found.is_empty() } else { found.len() == 1 && found[0].1.contains(expected) };
        assert!(good, "{found:?}, not {expected:?}");
    }

    #[test]
    fn expressions_are_met_or_not() {
        for (expression, expected) in [
            ("MIT", true),
            ("ISC", false),
            ("ISC OR MIT", true),
            ("ISC AND MIT", false),
            ("MIT AND (ISC OR Apache-2.0)", true),
            ("ISC AND MIT OR Apache-2.0", true),
            ("ISC AND (MIT OR Apache-2.0)", false),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("MIT WITH Other-exception", false),
            ("(MIT", false),
            ("MIT MIT", false),
            ("", false),
        ] {
            assert_eq!(
                permits(expression, &|licence| RULES.contains(&format!("\"{licence}\"")) && licence != "MPL-2.0"),
                expected,
                "{expression}"
            );
        }
    }

    #[test]
    fn packages_that_may_not_be_are_told() {
        check(package("a", "MIT"), "");
        check(package("a", "MPL-2.0"), "a 1.0.0 is under MPL-2.0");
        check(package("odd", "MPL-2.0"), "");
        check(Package { licence: None, ..package("a", "") }, "tells no licence");
        check(Package { source: Some("git+https://x.y/z".into()), ..package("a", "MIT") }, "comes from git+");
        check(Package { hash: None, ..package("a", "MIT") }, "has no checksum");
        check(Package { hash: None, source: None, ..package("own", "MIT") }, "");
        let needs = BTreeSet::from([("bad".to_owned(), "1.0.0".to_owned())]);
        check(Package { needs: needs.clone(), ..package("new", "MIT") }, "new needs bad, which is banned: no");
        check(Package { needs, ..package("old", "MIT") }, "");
    }

    #[test]
    fn sources_licences_and_bans_are_checked() {
        assert_eq!(super::check(&crate::root()).expect("the lock files can be read"), []);
    }
}
