//! Key files of SM2.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use heng_model::wire::hex;
use heng_security::sm::sm2::{AnyKey, SecretKey, key_from_file};

/// Bytes of a key file that are looked at; a file that goes on behind them is refused.
const LOOK: u64 = (64 << 10) + 1;

#[derive(Args, Debug)]
pub(super) struct KeyArgs {
    /// The file of the secret key; it must not exist. The public key comes into FILE.pub
    file: PathBuf,
    /// Print exactly one JSON object
    #[arg(long)]
    json: bool,
}

/// Reads a key file.
pub(super) fn read(path: &Path) -> anyhow::Result<AnyKey> {
    let mut content = Vec::new();
    let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
    file.take(LOOK).read_to_end(&mut content).with_context(|| format!("read {}", path.display()))?;
    key_from_file(&content).with_context(|| format!("read the key in {}", path.display()))
}

/// Makes a key pair.
pub(super) fn make(args: &KeyArgs) -> anyhow::Result<ExitCode> {
    let secret = SecretKey::generate()?;
    let mut public_file = args.file.clone().into_os_string();
    public_file.push(".pub");
    write_new(&args.file, 0o600, secret.to_pem().as_bytes())?;
    write_new(Path::new(&public_file), 0o644, secret.public_key().to_pem().as_bytes())?;
    super::answer(&hex(&secret.public_key().to_point()), args.json)
}

/// Writes a file that was not there; who may read it is settled before the first byte.
fn write_new(path: &Path, mode: u32, content: &[u8]) -> anyhow::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = file.with_context(|| format!("create {}", path.display()))?;
    file.write_all(content).and_then(|()| file.sync_all()).with_context(|| format!("write {}", path.display()))
}
