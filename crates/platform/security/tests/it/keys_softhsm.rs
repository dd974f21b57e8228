//! A master key in a real token: SoftHSM, started by the tests in a folder of their own.
//!
//! The library reads the place of its tokens from an environment variable when it is loaded, so each test runs itself
//! once more as a child that has it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use heng_security::keys::{
    Approval, Credential, KeyRing, KeyState, KeysError, KeysUrl, MasterKey as _, Pkcs11Config, Pkcs11Master,
    Pkcs11Token, Scope,
};
use heng_security::provider::{Algorithm, verifier};
use zeroize::Zeroizing;

const FOLDER: &str = "HENG_SOFTHSM_TEST";
const PIN: &str = "87654321";

/// Says that a test did not run where `./heng test` looks for it.
fn skip(name: &str, why: &str) {
    let line = format!("SKIPPED: {name}: {why}");
    println!("{line}");
    if let Ok(log) = std::env::var("HENG_SKIP_LOG") {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(log).expect("open HENG_SKIP_LOG");
        writeln!(file, "{line}").expect("write HENG_SKIP_LOG");
    }
}

fn library() -> Option<PathBuf> {
    let folders = ["/usr/lib/softhsm", "/usr/lib64/softhsm", "/usr/lib64/pkcs11", "/usr/local/lib/softhsm"];
    folders.iter().map(|folder| Path::new(folder).join("libsofthsm2.so")).find(|path| path.exists())
}

/// The folder and the library of this test's token, in the child; in the test itself, runs the child and answers `None`.
fn inside(test: &str) -> Option<(PathBuf, PathBuf)> {
    let Some(library) = library() else {
        skip(test, "no SoftHSM (package softhsm2)");
        return None;
    };
    if let Some(folder) = std::env::var_os(FOLDER) {
        return Some((folder.into(), library));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (conf, tokens) = (folder.path().join("softhsm2.conf"), folder.path().join("tokens"));
    fs::create_dir(&tokens).expect("a folder for tokens");
    let text = format!("directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n", tokens.display());
    fs::write(&conf, text).expect("a configuration");
    let mut tool = Command::new("softhsm2-util");
    tool.args(["--init-token", "--free", "--label", "heng", "--so-pin", "12345678", "--pin", PIN]);
    let made = tool.env("SOFTHSM2_CONF", &conf).output().expect("softhsm2-util (package softhsm2) starts");
    assert!(made.status.success(), "{made:?}");
    let mut child = Command::new(std::env::current_exe().expect("this program"));
    child.args(["--exact", test, "--nocapture"]).env("SOFTHSM2_CONF", &conf).env(FOLDER, folder.path());
    let done = child.output().expect("the child starts");
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && out.contains("1 passed"), "{out}{err}");
    None
}

fn config(library: &Path, object: &str) -> Pkcs11Config {
    let pin = Zeroizing::new(PIN.as_bytes().to_vec());
    Pkcs11Config { module: library.to_owned(), token: "heng".into(), object: object.into(), pin }
}

fn officers() -> Approval {
    let credential = |name| Credential::new(name, b"a password of one officer").expect("good");
    Approval([credential("li.wei"), credential("wang.fang")])
}

/// A session of our own with the token, behind the back of what is tested.
fn session(library: &Path) -> Session {
    let token = Pkcs11::new(library).expect("the library");
    token.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).ok();
    let slot = token.get_slots_with_initialized_token().expect("slots")[0];
    let session = token.open_rw_session(slot).expect("a session");
    session.login(UserType::User, Some(&AuthPin::new(PIN.into()))).ok();
    session
}

#[test]
fn a_token_held_key_is_used_and_rotated() {
    let Some((folder, library)) = inside("keys_softhsm::a_token_held_key_is_used_and_rotated") else { return };
    let pin = folder.join("pin");
    fs::write(&pin, PIN).expect("a PIN");
    fs::set_permissions(&pin, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("a private PIN");
    let url = format!("pkcs11:token=heng?module-path={}&pin-source=file:{}", library.display(), pin.display());
    let url: KeysUrl = url.parse().expect("a URL");
    let keys = folder.join("keys");
    let master = url.create(&folder, Algorithm::Aes256Gcm).expect("a master key in the token");
    assert!(url.create(&folder, Algorithm::Aes256Gcm).is_err(), "there is one already");
    let ring = KeyRing::create(&keys, master, Algorithm::Sm4Gcm, &officers()).expect("a ring");
    let scope = Scope::new("clients/accounts", "house", "2026-11").expect("good");
    let seal = |ring: &KeyRing| ring.current(&scope).expect("a key").seal(b"row 7", b"6222 0212").expect("it seals");
    let before = seal(&ring);
    assert_eq!(ring.rotate_master(&officers(), true).expect("it rotates in the token"), 2);
    ring.set_algorithm(&officers(), Algorithm::Aes256Gcm).expect("it changes");
    let after = seal(&ring);
    drop(ring);
    let ring = KeyRing::open(&keys, url.open(&folder).expect("the token")).expect("the ring");
    for sealed in [&before, &after] {
        assert_eq!(ring.unseal(b"row 7", sealed).expect("it opens"), b"6222 0212");
    }
    assert_eq!(ring.status().master_version, 2);
    assert!(ring.keys().iter().all(|key| key.state != KeyState::Destroyed(0)));
    // The token holds version 2 alone, and does not give it away.
    let session = session(&library);
    let found = session.find_objects(&[Attribute::Label(b"heng-master".to_vec())]).expect("objects");
    let [key] = found[..] else { panic!("{} keys", found.len()) };
    let id = session.get_attributes(key, &[AttributeType::Id]).expect("its id");
    assert_eq!(id, [Attribute::Id(vec![0, 0, 0, 2])]);
    let value = session.get_attributes(key, &[AttributeType::Value]);
    assert!(value.map_or(true, |value| value.is_empty()), "the key left its token");
}

#[test]
fn what_a_token_wraps_is_bound_and_unchanged() {
    let Some((_, library)) = inside("keys_softhsm::what_a_token_wraps_is_bound_and_unchanged") else { return };
    let master = Pkcs11Master::create(&config(&library, "heng-master")).expect("a master key");
    let wrapped = master.wrap(1, &[5; 32], b"context").expect("it wraps");
    assert_eq!(*master.unwrap(1, &wrapped, b"context").expect("it unwraps"), [5; 32]);
    // SoftHSM answers CKR_GENERAL_ERROR here, other tokens CKR_ENCRYPTED_DATA_INVALID.
    assert!(master.unwrap(1, &wrapped, b"other").is_err());
    for at in 0..wrapped.len() {
        let mut changed = wrapped.clone();
        changed[at] ^= 1;
        assert!(master.unwrap(1, &changed, b"context").is_err(), "byte {at}");
        assert!(master.unwrap(1, &wrapped[..at], b"context").is_err(), "{at} bytes");
    }
    assert!(matches!(master.unwrap(2, &wrapped, b"context"), Err(KeysError::NoVersion { version: 2, .. })));
    let wrong = Pkcs11Config { pin: Zeroizing::new(b"00000000".to_vec()), ..config(&library, "heng-master") };
    // Who is logged in stays so in this process, so another label stands for the wrong token here.
    assert!(Pkcs11Master::open(&Pkcs11Config { token: "other".into(), ..wrong }).is_err());
    assert!(Pkcs11Master::open(&config(&library, "absent")).is_err());
}

#[test]
fn a_key_that_may_leave_its_token_is_refused() {
    let Some((_, library)) = inside("keys_softhsm::a_key_that_may_leave_its_token_is_refused") else { return };
    let template = [
        Attribute::Token(true),
        Attribute::ValueLen(32.into()),
        Attribute::Label(b"loose".to_vec()),
        Attribute::Id(vec![0, 0, 0, 1]),
        Attribute::Sensitive(false),
        Attribute::Extractable(true),
        Attribute::Encrypt(true),
        Attribute::Decrypt(true),
    ];
    let session = session(&library);
    session.generate_key(&Mechanism::AesKeyGen, &template).expect("a loose key");
    let master = Pkcs11Master::open(&config(&library, "loose")).expect("it is there");
    let refused = master.wrap(1, &[5; 32], b"");
    assert!(matches!(refused, Err(KeysError::KeyRefused { .. })), "{refused:?}");
}

fn make_pair(
    session: &Session,
    mechanism: &Mechanism<'_>,
    label: &str,
    curve: &[u8],
) -> Result<(), cryptoki::error::Error> {
    let label = Attribute::Label(label.into());
    let public = [Attribute::Token(true), Attribute::EcParams(curve.to_vec()), Attribute::Verify(true), label.clone()];
    let private = [
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
        label,
    ];
    session.generate_key_pair(mechanism, &public, &private).map(drop)
}

/// SoftHSM makes keys on the SM2 curve and signs with ECDSA under them.
#[test]
fn ecdsa_on_the_sm2_curve_is_refused() {
    let Some((_, library)) = inside("keys_softhsm::ecdsa_on_the_sm2_curve_is_refused") else { return };
    let session = session(&library);
    let sm2 = [0x06, 0x08, 0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x82, 0x2d];
    let p256 = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    make_pair(&session, &Mechanism::EccKeyPairGen, "sm2", &sm2).expect("SoftHSM makes a key on the SM2 curve");
    let found = session.find_objects(&[Attribute::Label(b"sm2".to_vec()), Attribute::Sign(true)]).expect("objects");
    session.sign(&Mechanism::Ecdsa, found[0], &[1; 32]).expect("and signs with ECDSA under it");
    make_pair(&session, &Mechanism::EccKeyPairGen, "p256", &p256).expect("a key");
    let token = Arc::new(Pkcs11Token::open(&config(&library, "-")).expect("the token"));
    let refused = token.signer("sm2").err().expect("it is refused").to_string();
    assert!(refused.contains("SM2 curve") && refused.contains("ECDSA"), "{refused}");
    assert!(matches!(token.signer("p256").err(), Some(KeysError::KeyRefused { .. })));
    assert!(matches!(token.signer("absent").err(), Some(KeysError::Token { .. })));
}

#[test]
fn a_token_signs_with_ed25519() {
    let Some((_, library)) = inside("keys_softhsm::a_token_signs_with_ed25519") else { return };
    let session = session(&library);
    let name = [&[0x13, 0x0c][..], b"edwards25519"].concat();
    make_pair(&session, &Mechanism::EccEdwardsKeyPairGen, "ed", &name).expect("a key");
    let token = Arc::new(Pkcs11Token::open(&config(&library, "-")).expect("the token"));
    let signature = token.signer("ed").expect("a signer").sign(b"a checkpoint").expect("it signs");
    let found = session.find_objects(&[Attribute::Label(b"ed".to_vec()), Attribute::Verify(true)]).expect("objects");
    let point = session.get_attributes(found[0], &[AttributeType::EcPoint]).expect("its point");
    let [Attribute::EcPoint(point)] = &point[..] else { panic!("no point") };
    let public = &point[point.len() - 32..];
    let verifier = verifier(Algorithm::Ed25519, public).expect("a public key");
    assert_eq!(verifier.verify(b"a checkpoint", &signature), Ok(()));
    assert!(verifier.verify(b"another one", &signature).is_err());
}
