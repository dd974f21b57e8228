//! `heng crypto`: SM2, SM3 and SM4 at the command line, for checks against other people's programs.
//!
//! Results stand on stdout as hexadecimal digits, or as `{"out": …}`. docs/security/crypto.md shows each command beside
//! its counterpart in OpenSSL and Python.

mod input;
mod keys;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use heng_model::wire::hex;
use heng_security::CryptoError;
use heng_security::provider::{Aead as _, Nonce};
use heng_security::sm::sm2::{self, AnyKey, Signature, SigningKey, VerifyingKey};
use heng_security::sm::sm3::{Digest as _, Sm3};
use heng_security::sm::sm4::Sm4Gcm;

use crate::show::say;
use input::{Hexadecimal, InputArgs};

/// SM2, SM3 and SM4, for checks against other programs.
#[derive(Args, Debug)]
pub struct CryptoArgs {
    #[command(subcommand)]
    what: CryptoCommand,
}

#[derive(Subcommand, Debug)]
enum CryptoCommand {
    /// The SM3 hash of a file or of given bytes 计算 SM3 杂凑值
    Sm3(HashArgs),
    /// Encipher with SM4-GCM; prints ciphertext and tag, one after the other 以 SM4-GCM 加密
    Sm4GcmSeal(SealArgs),
    /// Decipher what sm4-gcm-seal printed; exit code 1 if the tag does not fit 以 SM4-GCM 解密
    Sm4GcmOpen(SealArgs),
    /// Sign with SM2; prints the signature in DER 以 SM2 签名
    Sm2Sign(SignArgs),
    /// Verify a signature of SM2; prints valid (exit code 0) or invalid (exit code 1) 验证 SM2 签名
    Sm2Verify(VerifyArgs),
    /// Make an SM2 key: FILE (PKCS #8, mode 0600) and FILE.pub; prints the point 生成 SM2 密钥对
    Sm2Key(keys::KeyArgs),
}

#[derive(Args, Debug)]
struct HashArgs {
    #[command(flatten)]
    input: InputArgs,
    /// Print exactly one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct SealArgs {
    /// Key of 16 bytes in hexadecimal digits, or @FILE that holds them (a command line is seen by other users)
    #[arg(long, value_name = "H|@FILE", value_parser = input::bytes::<16>)]
    key: [u8; 16],
    /// Nonce of 12 bytes in hexadecimal digits; never twice under one key
    #[arg(long, value_name = "H", value_parser = input::bytes::<12>)]
    nonce: Nonce,
    /// Additional data in hexadecimal digits
    #[arg(long, value_name = "H", default_value = "", hide_default_value = true, value_parser = input::hexadecimal)]
    aad: Hexadecimal,
    #[command(flatten)]
    input: InputArgs,
    /// Print exactly one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct KeyOfArgs {
    /// Key file: PEM (PKCS #8, EC PRIVATE KEY, PUBLIC KEY), DER or hexadecimal digits
    #[arg(long, value_name = "FILE")]
    key: std::path::PathBuf,
    /// Distinguishing identifier of the signer
    #[arg(long, value_name = "TEXT", default_value = "1234567812345678")]
    id: String,
}

#[derive(Args, Debug)]
struct SignArgs {
    #[command(flatten)]
    key: KeyOfArgs,
    #[command(flatten)]
    input: InputArgs,
    /// Print exactly one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct VerifyArgs {
    #[command(flatten)]
    key: KeyOfArgs,
    /// Signature in hexadecimal digits, in DER or as 64 bytes r and s; or @FILE that holds the digits
    #[arg(long, value_name = "H|@FILE", value_parser = input::hexadecimal)]
    signature: Hexadecimal,
    #[command(flatten)]
    input: InputArgs,
    /// Print exactly one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs `heng crypto`.
///
/// # Errors
/// A file that cannot be read or is too long, a key that is not one, a sealed message that is not authentic.
pub fn run(args: &CryptoArgs) -> anyhow::Result<ExitCode> {
    match &args.what {
        CryptoCommand::Sm3(args) => {
            let mut hash = Sm3::new();
            args.input.each_part(|part| hash.update(part))?;
            answer(&hex(&hash.finalize()), args.json)
        }
        CryptoCommand::Sm4GcmSeal(args) => {
            let sealed = Sm4Gcm::new(&args.key).seal(&args.nonce, &args.aad.0, &args.input.whole()?)?;
            answer(&hex(&sealed), args.json)
        }
        CryptoCommand::Sm4GcmOpen(args) => {
            let plaintext = Sm4Gcm::new(&args.key).open(&args.nonce, &args.aad.0, &args.input.whole()?)?;
            answer(&hex(&plaintext), args.json)
        }
        CryptoCommand::Sm2Sign(args) => sign(args),
        CryptoCommand::Sm2Verify(args) => verify(args),
        CryptoCommand::Sm2Key(args) => keys::make(args),
    }
}

/// Prints a result.
fn answer(out: &str, json: bool) -> anyhow::Result<ExitCode> {
    say(&if json { format!("{}\n", serde_json::json!({ "out": out })) } else { format!("{out}\n") })?;
    Ok(ExitCode::SUCCESS)
}

fn sign(args: &SignArgs) -> anyhow::Result<ExitCode> {
    let AnyKey::Secret(secret) = keys::read(&args.key.key)? else {
        anyhow::bail!("{} holds a public key; signing needs the secret one", args.key.key.display());
    };
    let key = SigningKey::new(secret, args.key.id.as_bytes())?;
    let mut hash = key.message();
    args.input.each_part(|part| hash.update(part))?;
    answer(&hex(&key.sign_hash(hash)?.to_der()), args.json)
}

fn verify(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let key = VerifyingKey::new(*keys::read(&args.key.key)?.public_key(), args.key.id.as_bytes())?;
    let mut hash = key.message();
    args.input.each_part(|part| hash.update(part))?;
    let valid = signature(&args.signature.0).and_then(|signature| key.verify_hash(hash, &signature)).is_ok();
    answer(if valid { "valid" } else { "invalid" }, args.json)?;
    Ok(if valid { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// DER, or r and s. A DER signature of 64 bytes would begin as a sequence of the right length; r and s hardly ever do.
fn signature(bytes: &[u8]) -> Result<sm2::Signature, CryptoError> {
    let der = Signature::from_der(bytes);
    match bytes.try_into() {
        Ok(raw) if der.is_err() => Signature::from_raw(raw),
        _ => der,
    }
}
