//! The same keys and messages through PyPI `cryptography`, PyPI `tongsuopy`, PyPI `gmssl` and the openssl command, both
//! ways. `./heng setup` brings them; where they are missing, the test fails and says so.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use heng_security::provider::Aead as _;
use heng_security::sm::sm2::{self, AnyKey, SecretKey, Signature, SigningKey, VerifyingKey};
use heng_security::sm::sm3;
use heng_security::sm::sm4::{Sm4Cbc, Sm4Ccm, Sm4Ctr, Sm4Gcm};
use serde_json::{Value, json};

const SETUP: &str = "run ./heng setup";
const ID: &str = "broker@heng.example";
/// Symmetric cases, one for each of these lengths and some around them.
const LENGTHS: [usize; 12] = [1, 15, 16, 17, 63, 255, 256, 1007, 1024, 2048, 4113, 8192];
const KEY_PAIRS: usize = 6;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3).unwrap().to_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Bytes that look random and are the same each time.
fn some(seed: &str, length: usize) -> Vec<u8> {
    let mut output = vec![0; length];
    for (at, block) in output.chunks_mut(sm3::HASH).enumerate() {
        let hash = sm3::hash(&[seed.as_bytes(), &at.to_le_bytes()]);
        block.copy_from_slice(&hash[..block.len()]);
    }
    output
}

fn array<const N: usize>(seed: &str) -> [u8; N] {
    some(seed, N).try_into().unwrap()
}

fn symmetric(length: usize, at: usize) -> Value {
    let seed = |part: &str| format!("{part} {length} {at}");
    let (key, nonce, start) = (array(&seed("key")), array(&seed("nonce")), array(&seed("start")));
    let (aad, plaintext) = (some(&seed("aad"), 1 + 13 * at), some(&seed("plaintext"), length + at));
    let mut ctr = plaintext.clone();
    Sm4Ctr::new(&key).apply(&start, &mut ctr);
    let mut derived = [0; 80];
    sm3::hkdf(&key, &nonce, &aad, &mut derived).unwrap();
    json!({
        "key": hex(&key), "nonce": hex(&nonce), "start": hex(&start), "aad": hex(&aad), "plaintext": hex(&plaintext),
        "gcm": hex(&Sm4Gcm::new(&key).seal(&nonce, &aad, &plaintext).unwrap()),
        "ccm": hex(&Sm4Ccm::new(&key).seal(&nonce, &aad, &plaintext).unwrap()),
        "ctr": hex(&ctr),
        "cbc": hex(&Sm4Cbc::new(&key).encrypt(&start, &plaintext)),
        "sm3": hex(&sm3::hash(&[&plaintext])),
        "hmac": hex(&sm3::hmac(&key, &[&plaintext])),
        "hkdf": hex(&derived),
    })
}

fn message(at: usize) -> Vec<u8> {
    some(&format!("message {at}"), 100 + at)
}

fn asymmetric(secret: &SecretKey, at: usize) -> Value {
    let (public, message) = (secret.public_key(), message(at));
    let sign = |id: &[u8]| SigningKey::new(secret.clone(), id).unwrap().sign(&message).unwrap();
    let signature = sign(sm2::DEFAULT_ID);
    json!({
        "secret": hex(&*secret.to_bytes()), "point": hex(&public.to_point()),
        "secret_pem": *secret.to_pem(), "public_pem": public.to_pem(), "id": ID, "message": hex(&message),
        "signature": hex(&signature.to_der()), "signature_raw": hex(&signature.to_raw()),
        "signature_of_id": hex(&sign(ID.as_bytes()).to_der()),
        "ciphertext": hex(&sm2::encrypt(public, &message[..64]).unwrap()),
        "ciphertext_der": hex(&sm2::encrypt_der(public, &message[..64]).unwrap()),
    })
}

/// What they made is taken by ours.
fn take(secret: &SecretKey, at: usize, made: &Value) {
    let message = message(at);
    let key = |id: &[u8]| VerifyingKey::new(*secret.public_key(), id).unwrap();
    for (peer, signature) in made["signatures"].as_object().unwrap() {
        let signature = Signature::from_der(&bytes(signature)).unwrap();
        assert_eq!(key(sm2::DEFAULT_ID).verify(&message, &signature), Ok(()), "{peer}");
    }
    let raw = Signature::from_raw(&bytes(&made["signature_raw"]).try_into().unwrap()).unwrap();
    assert_eq!(key(sm2::DEFAULT_ID).verify(&message, &raw), Ok(()));
    let of_id = Signature::from_der(&bytes(&made["signature_of_id"])).unwrap();
    assert_eq!(key(ID.as_bytes()).verify(&message, &of_id), Ok(()));
    assert!(key(sm2::DEFAULT_ID).verify(&message, &of_id).is_err());
    assert_eq!(sm2::decrypt_der(secret, &bytes(&made["ciphertext_der"])).unwrap().to_vec(), &message[..64]);
    assert_eq!(sm2::decrypt(secret, &bytes(&made["ciphertext"])).unwrap().to_vec(), &message[..64]);
}

/// Key files of the openssl command.
fn read_keys(keys: &Value) {
    let read = |name: &str| sm2::key_from_file(keys[name].as_str().unwrap().as_bytes()).unwrap();
    let (first, again) = (read("pkcs8"), read("sec1"));
    let (AnyKey::Secret(first), AnyKey::Secret(again)) = (&first, &again) else { panic!("{first:?} {again:?}") };
    assert_eq!(*first.to_bytes(), *again.to_bytes());
    assert!(matches!(read("with_parameters"), AnyKey::Secret(_)));
    for public in ["public", "public_compressed"] {
        assert!(matches!(read(public), AnyKey::Public(public) if public == *first.public_key()), "{public}");
    }
}

fn peers(told: &Value) -> Value {
    let python = root().join(".heng/python/bin/python3");
    assert!(python.is_file(), "there is no {}: {SETUP}", python.display());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/peers.py");
    let mut command = Command::new(python);
    command.arg("-B").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It reads all before it writes.
    child.stdin.take().unwrap().write_all(told.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}\n(if something is missing: {SETUP})", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn other_peoples_programs_compute_the_same() {
    let secrets: Vec<SecretKey> = (0..KEY_PAIRS).map(|_| SecretKey::generate().unwrap()).collect();
    let cases = LENGTHS.iter().flat_map(|length| (0..4).map(move |at| symmetric(*length, at)));
    let pairs = secrets.iter().enumerate().map(|(at, secret)| asymmetric(secret, at));
    let told = json!({ "symmetric": cases.collect::<Vec<_>>(), "asymmetric": pairs.collect::<Vec<_>>() });
    let found = peers(&told);
    for (at, (secret, made)) in secrets.iter().zip(found["made"].as_array().unwrap()).enumerate() {
        take(secret, at, made);
    }
    read_keys(&found["keys"]);
    // Every peer was asked what it should have been asked.
    let counts = found["counts"].as_object().unwrap();
    for (what, least) in [
        ("cryptography SM4-GCM", 48),
        ("cryptography SM4-CTR", 48),
        ("cryptography SM4-CBC", 48),
        ("cryptography SM3", 48),
        ("cryptography HMAC-SM3", 48),
        ("cryptography HKDF-SM3", 48),
        ("tongsuopy SM4-GCM", 48),
        ("tongsuopy SM4-CCM", 48),
        ("tongsuopy SM3", 48),
        ("gmssl SM3", 24),
        ("gmssl SM4-CBC", 24),
        ("openssl SM2 signature", KEY_PAIRS),
        ("openssl SM2 signature with an id", KEY_PAIRS),
        ("openssl SM2 decryption", KEY_PAIRS),
        ("tongsuopy SM2 signature", KEY_PAIRS),
        ("gmssl SM2 signature", KEY_PAIRS),
        ("gmssl SM2 decryption", KEY_PAIRS),
    ] {
        assert!(counts[what].as_u64() >= Some(least as u64), "{what}: {counts:?}");
    }
}
