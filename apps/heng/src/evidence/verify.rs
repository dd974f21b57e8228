//! `heng evidence verify`: a bundle against keys that somebody trusts, without any server.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use heng_compliance::{BUNDLE_BYTES_MAX, EvidenceBundle};
use heng_security::evidence::{NOTE_BYTES_MAX, SignedNote, VerifierKey, check_bundle};
use serde_json::{Value, json};

use crate::show::say;

/// Keys of one check at most.
const KEYS_MAX: usize = 64;

/// Checks a bundle; exit 0 if everything in it is proven, 1 if not.
#[derive(Args, Debug)]
pub(super) struct VerifyArgs {
    /// The bundle 证明文件
    file: PathBuf,
    /// A key that must have signed the checkpoint (name+id+key); may be given more than once 可信公钥
    #[arg(long, value_name = "VKEY")]
    key: Vec<VerifierKey>,
    /// A file with such keys, one a line 可信公钥文件
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// A checkpoint that somebody trusts: the bundle's must be it, or be proven to extend it 可信检查点
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Take the keys that the bundle brings itself: this proves that it fits together, not whose it is 使用文件自带公钥
    #[arg(long)]
    own_keys: bool,
    /// Print one JSON object 以 JSON 输出
    #[arg(long)]
    json: bool,
}

/// Reads a file that is not larger than `most`.
pub(super) fn read_bounded(path: &Path, most: usize) -> anyhow::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).with_context(|| format!("open {}", path.display()))?;
    file.take(most as u64 + 1).read_to_end(&mut bytes).with_context(|| format!("read {}", path.display()))?;
    anyhow::ensure!(bytes.len() <= most, "{} is longer than {most} bytes", path.display());
    Ok(bytes)
}

fn keys(args: &VerifyArgs, file: Option<&EvidenceBundle>) -> anyhow::Result<Vec<VerifierKey>> {
    let mut keys = args.key.clone();
    if let Some(path) = &args.keys {
        let text = String::from_utf8(read_bounded(path, NOTE_BYTES_MAX)?).context("the keys are no text")?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        for (number, line) in lines.enumerate() {
            keys.push(line.parse().with_context(|| format!("{}: key {}", path.display(), number + 1))?);
        }
    }
    if args.own_keys {
        for text in file.iter().flat_map(|file| &file.keys) {
            keys.push(text.parse().context("a key of the bundle")?);
        }
    }
    anyhow::ensure!(keys.len() <= KEYS_MAX, "more than {KEYS_MAX} keys");
    if keys.is_empty() {
        bail!("nobody is trusted: give --key, --keys, or --own-keys to check only that the bundle fits together");
    }
    Ok(keys)
}

/// A finding that stands outside of the library's report.
fn finding(place: &str, why: impl std::fmt::Display) -> Value {
    json!({ "place": place, "why": why.to_string() })
}

/// Whether the bundle's checkpoint is the trusted one, or is proven to extend it.
fn trusted(path: &Path, file: &EvidenceBundle) -> anyhow::Result<Option<Value>> {
    let note = SignedNote::parse(&read_bounded(path, NOTE_BYTES_MAX)?)?;
    let is_it = |text: &str| SignedNote::parse(text.as_bytes()).is_ok_and(|told| told.text == note.text);
    let earlier = file.earlier.as_ref().is_some_and(|earlier| is_it(&earlier.checkpoint));
    let same = is_it(&file.checkpoint) || earlier;
    Ok((!same).then(|| finding("checkpoint", "the bundle neither is under the trusted checkpoint nor extends it")))
}

pub(super) fn run(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let bytes = read_bounded(&args.file, BUNDLE_BYTES_MAX)?;
    let mut findings = Vec::new();
    let file = EvidenceBundle::parse(&bytes);
    let keys = keys(args, file.as_ref().ok())?;
    let mut told = json!({ "valid": false, "size": 0, "opened": 0, "closed": 0, "signed_by": [] });
    match file.and_then(|file| file.bundle().map(|bundle| (file, bundle))) {
        Err(error) => findings.push(finding("file", error)),
        Ok((file, bundle)) => {
            let report = check_bundle(&bundle, &keys);
            findings.extend(report.findings.iter().map(|found| finding(&found.place, &found.why)));
            if let Some(path) = &args.checkpoint {
                findings.extend(trusted(path, &file)?);
            }
            told = json!({ "valid": false, "origin": file.origin, "size": report.size, "opened": report.opened,
                "closed": report.closed, "signed_by": report.signed_by });
        }
    }
    let valid = findings.is_empty();
    told["valid"] = valid.into();
    told["findings"] = findings.into();
    if args.json {
        say(&format!("{told}\n"))?;
    } else {
        say(&in_words(&told))?;
    }
    Ok(if valid { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn in_words(told: &Value) -> String {
    let findings = told["findings"].as_array().map_or(&[][..], Vec::as_slice);
    let lines = findings.iter().map(|found| format!("  {}: {}\n", found["place"], found["why"]));
    let words = if findings.is_empty() { "valid 有效" } else { "NOT VALID 无效" };
    let (opened, closed, size) = (&told["opened"], &told["closed"], &told["size"]);
    let counts = format!("{opened} records proven, {closed} places proven without their record, of {size} leaves");
    format!("{words}: {counts}; signed by {}\n{}", told["signed_by"], lines.collect::<String>())
}
