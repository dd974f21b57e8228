//! The packages that a build brings in: from cargo's metadata and lock file, npm's lock file, and what setup installs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

/// The platform whose packages are counted; `deny.toml` names it first.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";
/// The package whose binary is shipped.
const SHIPPED: &str = "heng";
/// Where registry packages come from, as cargo names it.
pub(crate) const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Where a package comes from, in the words of package URLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Cargo,
    Npm,
    Python,
}

/// One package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Package {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    /// None where setup takes the newest.
    pub(crate) version: Option<String>,
    /// SPDX expression.
    pub(crate) licence: Option<String>,
    /// Algorithm in the words of CycloneDX, and hexadecimal digits.
    pub(crate) hash: Option<(&'static str, String)>,
    /// Cargo's source; none for our own.
    pub(crate) source: Option<String>,
    /// Whether it becomes part of what is shipped.
    pub(crate) shipped: bool,
    /// Name and version of the packages that it needs, of the same kind.
    pub(crate) needs: BTreeSet<(String, String)>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Described>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Described {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Link>,
}

#[derive(Deserialize)]
struct Link {
    pkg: String,
    dep_kinds: Vec<LinkKind>,
}

#[derive(Deserialize)]
struct LinkKind {
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    checksum: Option<String>,
}

/// What cargo knows of the workspace in `root`. Without `network` nothing is fetched.
pub(crate) fn metadata(root: &Path, network: bool) -> Result<String> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["metadata", "--locked", "--format-version", "1", "--filter-platform", PLATFORM]).current_dir(root);
    if !network {
        command.arg("--offline");
    }
    let output = command.output().context("run cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).context("read what cargo metadata says")
}

/// The packages of cargo's `metadata`, with the checksums of its lock file.
pub(crate) fn of_cargo(metadata: &str, lock: &str) -> Result<Vec<Package>> {
    let metadata: Metadata = serde_json::from_str(metadata).context("read cargo's metadata")?;
    let lock: Lock = toml::from_str(lock).context("read Cargo.lock")?;
    let hash = |package: &Described| {
        let same = |locked: &&Locked| locked.name == package.name && locked.version == package.version;
        lock.package.iter().find(same).and_then(|locked| locked.checksum.clone())
    };
    let nodes: BTreeMap<&str, &Node> = metadata.resolve.nodes.iter().map(|node| (node.id.as_str(), node)).collect();
    let known: BTreeMap<&str, &Described> = metadata.packages.iter().map(|p| (p.id.as_str(), p)).collect();
    let first = metadata.packages.iter().find(|package| package.name == SHIPPED && package.source.is_none());
    let shipped = reached(&first.context("the shipped package is part of the workspace")?.id, &nodes);
    let mut packages = Vec::new();
    for package in &metadata.packages {
        let links = nodes.get(package.id.as_str()).map_or(&[][..], |node| &node.deps);
        let needs = links.iter().filter(|link| runs(link)).filter_map(|link| known.get(link.pkg.as_str()));
        packages.push(Package {
            kind: Kind::Cargo,
            name: package.name.clone(),
            version: Some(package.version.clone()),
            licence: package.license.as_deref().map(spdx),
            hash: hash(package).map(|digits| ("SHA-256", digits)),
            source: package.source.clone(),
            shipped: shipped.contains(package.id.as_str()),
            needs: needs.map(|package| (package.name.clone(), package.version.clone())).collect(),
        });
    }
    packages.sort();
    Ok(packages)
}

/// Everything that `first` is built from. What builds it counts: it decides what is in it.
fn reached<'a>(first: &'a str, nodes: &BTreeMap<&'a str, &'a Node>) -> BTreeSet<&'a str> {
    let (mut seen, mut waiting) = (BTreeSet::new(), vec![first]);
    while let Some(id) = waiting.pop() {
        if seen.insert(id) {
            let links = nodes.get(id).map_or(&[][..], |node| &node.deps);
            waiting.extend(links.iter().filter(|link| runs(link)).map(|link| link.pkg.as_str()));
        }
    }
    seen
}

/// Whether more than tests need it.
fn runs(link: &Link) -> bool {
    link.dep_kinds.iter().any(|kind| kind.kind.as_deref() != Some("dev"))
}

/// Older packages write `MIT/Apache-2.0` for a choice.
fn spdx(text: &str) -> String {
    text.split('/').map(str::trim).collect::<Vec<_>>().join(" OR ")
}

#[derive(Deserialize)]
struct NpmLock {
    packages: BTreeMap<String, NpmLocked>,
}

#[derive(Deserialize)]
struct NpmLocked {
    #[serde(default)]
    version: String,
    license: Option<String>,
    integrity: Option<String>,
    #[serde(default)]
    dev: bool,
    #[serde(default)]
    dependencies: BTreeMap<String, String>,
}

/// The packages of npm's lock file, all of which stand in one level.
pub(crate) fn of_npm(lock: &str) -> Result<Vec<Package>> {
    let lock: NpmLock = serde_json::from_str(lock).context("read package-lock.json")?;
    let name = |path: &str| path.rsplit("node_modules/").next().unwrap_or(path).to_owned();
    let versions: BTreeMap<String, &str> =
        lock.packages.iter().map(|(path, locked)| (name(path), locked.version.as_str())).collect();
    let mut packages = Vec::new();
    for (path, locked) in lock.packages.iter().filter(|(path, _)| !path.is_empty()) {
        let needs =
            locked.dependencies.keys().filter_map(|need| Some((need.clone(), (*versions.get(need)?).to_owned())));
        packages.push(Package {
            kind: Kind::Npm,
            name: name(path),
            version: Some(locked.version.clone()),
            licence: locked.license.clone(),
            hash: locked.integrity.as_deref().and_then(integrity),
            source: None,
            shipped: !locked.dev,
            needs: needs.collect(),
        });
    }
    packages.sort();
    Ok(packages)
}

/// `sha512-BASE64`, as npm writes it.
fn integrity(text: &str) -> Option<(&'static str, String)> {
    let bytes = unbase64(text.strip_prefix("sha512-")?)?;
    Some(("SHA-512", bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
}

fn unbase64(text: &str) -> Option<Vec<u8>> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0u32, 0u32);
    for letter in text.trim_end_matches('=').bytes() {
        let value = LETTERS.iter().position(|known| *known == letter)?;
        held = (held << 6 | u32::try_from(value).ok()?) & 0xFFFF;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(held >> bits & 0xFF).ok()?);
        }
    }
    Some(bytes)
}

/// The Python packages that the launcher installs for tests and comparisons: as they are in the environment of setup,
/// or by name where there is none.
pub(crate) fn of_python(launcher: &str, environment: &Path) -> Vec<Package> {
    let installed = installed(environment);
    let mut packages = if installed.is_empty() { named(launcher) } else { installed };
    packages.sort();
    packages.dedup();
    packages
}

fn python(name: String, version: Option<String>, licence: Option<String>) -> Package {
    let (hash, source, needs) = (None, None, BTreeSet::new());
    Package { kind: Kind::Python, name, version, licence, hash, source, shipped: false, needs }
}

/// Names in the arrays and words of the launcher.
fn named(launcher: &str) -> Vec<Package> {
    let value = |name: &str| launcher.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    let all = [value("PYTHON_PACKAGES"), value("NODE_PACKAGE")].into_iter().flatten();
    let names = all.flat_map(|text| text.trim_matches(['(', ')']).split_whitespace());
    names.map(|name| python(name.to_owned(), None, None)).collect()
}

fn installed(environment: &Path) -> Vec<Package> {
    let folders = |path: &Path| std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let versions = folders(&environment.join("lib"));
    let places = versions.flat_map(|version| folders(&version.join("site-packages")));
    let described = places.filter_map(|place| std::fs::read_to_string(place.join("METADATA")).ok());
    described.filter_map(|text| described_by(&text)).collect()
}

/// Core metadata of Python packages: a head of `Name: value` lines up to the first empty one.
fn described_by(text: &str) -> Option<Package> {
    let head: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).collect();
    let value = |name: &str| {
        let found = head.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        found.map(|value| value.trim().to_owned())
    };
    // Only this field is an SPDX expression; the older ones hold whatever their authors wrote.
    Some(python(value("Name")?, value("Version"), value("License-Expression")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ships_is_told_from_what_tests() {
        let package = |id: &str, source: &str, license: &str| {
            format!(r#"{{"id":"{id}","name":"{id}","version":"1.0.0","license":"{license}","source":{source}}}"#)
        };
        let link = |to: &str, kind: &str| format!(r#"{{"pkg":"{to}","dep_kinds":[{{"kind":{kind}}}]}}"#);
        let node = |id: &str, links: &[String]| format!(r#"{{"id":"{id}","deps":[{}]}}"#, links.join(","));
        let registry = format!("\"{CRATES_IO}\"");
        let metadata = format!(
            r#"{{"packages":[{}],"resolve":{{"nodes":[{}]}}}}"#,
            [
                package("heng", "null", "Apache-2.0"),
                package("used", &registry, "MIT/Apache-2.0"),
                package("builds", &registry, "MIT"),
                package("tests", &registry, "MIT")
            ]
            .join(","),
            [
                node("heng", &[link("used", "null"), link("tests", "\"dev\"")]),
                node("used", &[link("builds", "\"build\"")]),
                node("builds", &[]),
                node("tests", &[])
            ]
            .join(",")
        );
        let lock = "[[package]]\nname = \"used\"\nversion = \"1.0.0\"\nchecksum = \"abcd\"\n";
        let packages = of_cargo(&metadata, lock).expect("good data");
        let shipped: Vec<(&str, bool)> = packages.iter().map(|p| (p.name.as_str(), p.shipped)).collect();
        assert_eq!(shipped, [("builds", true), ("heng", true), ("tests", false), ("used", true)]);
        assert_eq!(packages[3].licence.as_deref(), Some("MIT OR Apache-2.0"));
        assert_eq!(packages[3].hash, Some(("SHA-256", "abcd".to_owned())));
        assert_eq!(packages[1].needs, BTreeSet::from([("used".to_owned(), "1.0.0".to_owned())]));
    }

    #[test]
    fn npm_names_hashes_and_needs_are_read() {
        let lock = r#"{"packages":{"":{"version":"0"},
            "node_modules/@a/b":{"version":"2.0.0","license":"MIT","integrity":"sha512-/wAB","dependencies":{"c":"^1"}},
            "node_modules/c":{"version":"1.5.0","dev":true}}}"#;
        let packages = of_npm(lock).expect("good data");
        assert_eq!(packages[0].name, "@a/b");
        assert_eq!(packages[0].hash, Some(("SHA-512", "ff0001".to_owned())));
        assert_eq!(packages[0].needs, BTreeSet::from([("c".to_owned(), "1.5.0".to_owned())]));
        assert_eq!((packages[0].shipped, packages[1].shipped), (true, false));
    }

    #[test]
    fn python_packages_are_those_of_setup() {
        let launcher = "x=1\nPYTHON_PACKAGES=(one two)\nNODE_PACKAGE=three\n";
        let folder = std::env::temp_dir().join(format!("heng-xtask-python-{}", std::process::id()));
        let names = |packages: &[Package]| packages.iter().map(|p| p.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&of_python(launcher, &folder)), ["one", "three", "two"]);
        let place = folder.join("lib/python3.11/site-packages/one-1.2.dist-info");
        std::fs::create_dir_all(&place).expect("the folder is ours");
        let text = "Metadata-Version: 2.4\nName: one\nVersion: 1.2\nLicense-Expression: MIT\n\nName: no\n";
        std::fs::write(place.join("METADATA"), text).expect("the folder is ours");
        let found = of_python(launcher, &folder);
        std::fs::remove_dir_all(&folder).expect("the folder is ours");
        assert_eq!(found, [python("one".into(), Some("1.2".into()), Some("MIT".into()))]);
    }
}
