//! Secrets that a configuration names and does not hold: `file:PATH` or `env:NAME`.

use anyhow::{Context as _, ensure};
use heng_identity::Secret;

/// Bytes of a secret at most.
const SECRET_MAX: usize = 4_096;

/// Whether `source` names a place; nothing is read.
///
/// # Errors
/// If it is neither a file nor a variable.
pub(crate) fn check(key: &str, source: &str) -> anyhow::Result<()> {
    let named = |prefix: &str| source.strip_prefix(prefix).is_some_and(|place| !place.is_empty());
    ensure!(named("file:") || named("env:"), "{key}: file:PATH or env:NAME, never the secret itself");
    Ok(())
}

/// The secret at `source`, without the line end behind it.
///
/// # Errors
/// If there is none, it is empty, no text, or too long.
pub(crate) fn read(key: &str, source: &str) -> anyhow::Result<Secret> {
    check(key, source)?;
    let text = match source.split_once(':') {
        Some(("file", path)) => {
            let length = std::fs::metadata(path).with_context(|| format!("{key}: read {path}"))?.len();
            ensure!(length <= SECRET_MAX as u64, "{key}: {path} is longer than {SECRET_MAX} bytes");
            std::fs::read_to_string(path).with_context(|| format!("{key}: read {path}"))?
        }
        Some((_, name)) => std::env::var(name).with_context(|| format!("{key}: the variable {name}"))?,
        None => unreachable!("a source that was checked has a prefix"),
    };
    let secret = text.trim_end_matches(['\r', '\n']);
    ensure!(!secret.is_empty() && secret.len() <= SECRET_MAX, "{key}: {source} is empty or too long");
    Ok(Secret::new(secret.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_stands_in_a_file_or_a_variable() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("secret");
        std::fs::write(&file, "s3cret\n").expect("a file");
        let source = format!("file:{}", file.display());
        assert_eq!(read("x", &source).expect("a secret").expose(), "s3cret");
        assert!(!read("x", "env:PATH").expect("a variable").expose().is_empty());
        std::fs::write(&file, "\n").expect("a file");
        for wrong in [source.as_str(), "s3cret", "file:", "env:", "file:/nowhere/at/all", "env:HENG_NO_SUCH_THING"] {
            let error = read("identity.oidc.client_secret", wrong).expect_err(wrong);
            assert!(format!("{error:#}").starts_with("identity.oidc.client_secret: "), "{error:#}");
        }
    }
}
