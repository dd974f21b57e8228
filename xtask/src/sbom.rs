//! The bill of materials: CycloneDX 1.6 as JSON, from the lock files, without network, the same for the same inputs.
//!
//! It has neither a time nor a serial number, so that two builds of one commit can be compared.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::packages::{Kind, Package, metadata, of_cargo, of_npm, of_python};

/// Where setup keeps its Python packages.
const PYTHON_HOME: &str = ".heng/python";

/// What is asked for.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Write it there instead of to stdout.
    #[arg(long, value_name = "F")]
    out: Option<PathBuf>,
}

/// Makes the bill and prints or writes it.
pub(crate) fn run(root: &Path, options: &Options) -> Result<bool> {
    let mut text = serde_json::to_string_pretty(&bill(&packages(root)?))?;
    text.push('\n');
    match &options.out {
        Some(path) => std::fs::write(path, text).with_context(|| format!("write {}", path.display()))?,
        None => print!("{text}"),
    }
    Ok(true)
}

/// Every package of the three kinds.
fn packages(root: &Path) -> Result<Vec<Package>> {
    let read = |path: &str| std::fs::read_to_string(root.join(path)).with_context(|| format!("read {path}"));
    let mut all = of_cargo(&metadata(root, false)?, &read("Cargo.lock")?)?;
    all.extend(of_npm(&read("console/package-lock.json")?)?);
    all.extend(of_python(&read("heng")?, &root.join(PYTHON_HOME)));
    Ok(all)
}

/// The address of a package (purl); our own crates stand in no registry.
fn address(package: &Package) -> String {
    let kind = match package.kind {
        Kind::Cargo if package.source.is_none() => "generic",
        Kind::Cargo => "cargo",
        Kind::Npm => "npm",
        Kind::Python => "pypi",
    };
    let name = match package.kind {
        // Registry names of Python are compared without case, with one kind of dash.
        Kind::Python => package.name.to_lowercase().replace('_', "-"),
        _ => package.name.replace('@', "%40"),
    };
    let version = package.version.as_deref().map(|version| format!("@{}", version.replace('+', "%2B")));
    format!("pkg:{kind}/{name}{}", version.unwrap_or_default())
}

fn component(package: &Package) -> Value {
    let address = address(package);
    let (group, name) = match package.name.split_once('/').filter(|_| package.kind == Kind::Npm) {
        Some((group, name)) => (Some(group), name),
        None => (None, package.name.as_str()),
    };
    let mut shown = json!({
        "type": "library",
        "bom-ref": address,
        "name": name,
        "scope": if package.shipped { "required" } else { "excluded" },
        "purl": address,
    });
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            shown[name] = value;
        }
    };
    set("group", group.map(Value::from));
    set("version", package.version.as_deref().map(Value::from));
    set("licenses", package.licence.as_ref().map(|licence| json!([{ "expression": licence }])));
    set("hashes", package.hash.as_ref().map(|(alg, digits)| json!([{ "alg": alg, "content": digits }])));
    if package.version.is_none() {
        set("properties", Some(json!([{ "name": "heng:version", "value": "the newest when setup runs" }])));
    }
    shown
}

/// The whole document.
fn bill(packages: &[Package]) -> Value {
    let own = packages.iter().find(|p| p.kind == Kind::Cargo && p.source.is_none() && p.name == "heng");
    let own = own.expect("the shipped package is one of them");
    let rest = || packages.iter().filter(|package| *package != own);
    let mut product = component(own);
    product["type"] = "application".into();
    let of = |kind: Kind, (name, version): &(String, String)| {
        let same = |p: &&Package| p.kind == kind && p.name == *name && p.version.as_ref() == Some(version);
        packages.iter().find(same).map(address)
    };
    let links = packages.iter().map(|package| {
        let needs: Vec<String> = package.needs.iter().filter_map(|need| of(package.kind, need)).collect();
        json!({ "ref": address(package), "dependsOn": needs })
    });
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": { "component": product },
        "components": rest().map(component).collect::<Vec<_>>(),
        "dependencies": links.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn text<'a>(component: &'a Value, name: &str) -> &'a str {
        component[name].as_str().unwrap_or_default()
    }

    #[test]
    fn the_bill_has_what_a_scanner_needs() {
        let made = bill(&packages(&crate::root()).expect("the lock files can be read"));
        assert_eq!((text(&made, "bomFormat"), text(&made, "specVersion")), ("CycloneDX", "1.6"));
        assert_eq!(text(&made["metadata"]["component"], "name"), "heng");
        let components = made["components"].as_array().expect("a list");
        let references: BTreeSet<&str> = components.iter().map(|component| text(component, "bom-ref")).collect();
        assert_eq!(references.len(), components.len(), "each stands once");
        for component in components {
            let address = text(component, "purl");
            let pinned = address.starts_with("pkg:cargo/") || address.starts_with("pkg:npm/");
            assert!(address.starts_with("pkg:") && !text(component, "name").is_empty(), "{component}");
            assert!(!pinned || address.ends_with(&format!("@{}", text(component, "version").replace('+', "%2B"))));
            assert!(!pinned || component["licenses"][0]["expression"].is_string(), "{component}");
            let digits = text(&component["hashes"][0], "content").len();
            assert!(!pinned || [64, 128].contains(&digits), "{component}");
        }
        for wanted in ["pkg:cargo/rustls@", "pkg:npm/react@", "pkg:npm/%40types/react@", "pkg:generic/heng-engine@"] {
            assert!(references.iter().any(|reference| reference.starts_with(wanted)), "{wanted}");
        }
        let scope = |name: &str| components.iter().find(|c| text(c, "name") == name).map(|c| text(c, "scope"));
        assert_eq!(
            (scope("rustls"), scope("proptest"), scope("vite")),
            (Some("required"), Some("excluded"), Some("excluded"))
        );
    }

    #[test]
    fn links_lead_to_components_and_two_runs_agree() {
        let made = bill(&packages(&crate::root()).expect("the lock files can be read"));
        let product = text(&made["metadata"]["component"], "bom-ref");
        let components = made["components"].as_array().expect("a list");
        let known: BTreeSet<&str> = components.iter().map(|c| text(c, "bom-ref")).chain([product]).collect();
        for link in made["dependencies"].as_array().expect("a list") {
            let ends = link["dependsOn"].as_array().expect("a list").iter().filter_map(Value::as_str);
            for end in ends.chain([text(link, "ref")]) {
                assert!(known.contains(end), "{end}");
            }
        }
        let again = bill(&packages(&crate::root()).expect("the lock files can be read"));
        assert_eq!(made.to_string(), again.to_string());
    }
}
