//! `heng crypto`, also against the openssl command.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::{Folder, arg, one_object, run, text};

fn crypto(args: &[&str]) -> Output {
    run(&[&["crypto"], args].concat())
}

/// What a command that succeeds prints, on one line, and the same as JSON.
fn printed(args: &[&str]) -> String {
    let output = crypto(args);
    assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
    text(&output.stdout).trim_end().to_owned()
}

fn printed_twice(args: &[&str]) -> String {
    let line = printed(args);
    let object = one_object(&crypto(&[args, &["--json"]].concat()));
    assert_eq!(object, serde_json::json!({ "out": line }));
    line
}

fn refused(args: &[&str], code: i32, says: &str) {
    let output = crypto(args);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {}", text(&output.stderr));
    assert!(text(&output.stderr).contains(says), "{args:?}: {}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "", "{args:?}");
}

fn openssl(folder: &Path, args: &[&str]) -> Output {
    let output = Command::new("openssl").args(args).current_dir(folder).output();
    output.unwrap_or_else(|error| panic!("openssl does not start: {error}; run ./heng setup"))
}

const ABC: &str = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0";

#[test]
fn sm3_of_bytes_and_of_a_file() {
    let folder = Folder::new();
    assert_eq!(printed_twice(&["sm3", "--hex", "616263"]), ABC);
    let file = folder.join("large");
    fs::write(&file, vec![b'a'; 3_000_000]).unwrap();
    let ours = printed_twice(&["sm3", arg(&file)]);
    let theirs = openssl(folder.path(), &["dgst", "-sm3", "-r", "large"]);
    assert!(text(&theirs.stdout).starts_with(&ours), "{}", text(&theirs.stdout));
    refused(&["sm3"], 2, "required");
    refused(&["sm3", "--hex", "61626"], 2, "no whole number of bytes");
    refused(&["sm3", "--hex", "zz"], 2, "at place 1");
    refused(&["sm3", "--hex", "61", arg(&file)], 2, "cannot be used with");
    refused(&["sm3", arg(&folder.join("none"))], 1, "open ");
}

/// RFC 8998, A.1.
const SEALED: &str = "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735\
    d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d83de3541e4c2b58177e065a9bf7b62ec";

#[test]
fn sm4_gcm_seals_and_opens() {
    let folder = Folder::new();
    let key_file = folder.join("key");
    fs::write(&key_file, "0123456789ABCDEFFEDCBA9876543210\n").unwrap();
    let key = format!("@{}", key_file.display());
    let common =
        ["--key", &key, "--nonce", "00001234567800000000ABCD", "--aad", "FEEDFACEDEADBEEFFEEDFACEDEADBEEFABADDAD2"];
    let with = |word: &'static str, more: &[&str]| -> Vec<String> {
        [&[word], &common[..], more].concat().iter().map(|word| (*word).to_owned()).collect()
    };
    let line = |words: Vec<String>| printed_twice(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let plain: String = ["aa", "bb", "cc", "dd", "ee", "ff", "ee", "aa"].map(|byte| byte.repeat(8)).concat();
    assert_eq!(line(with("sm4-gcm-seal", &["--hex", &plain])), SEALED);
    assert_eq!(line(with("sm4-gcm-open", &["--hex", SEALED])), plain);
    let changed = SEALED.replacen("17f3", "17f2", 1);
    let words = with("sm4-gcm-open", &["--hex", &changed]);
    refused(&words.iter().map(String::as_str).collect::<Vec<_>>(), 1, "not authentic");
    refused(&["sm4-gcm-open", "--key", &key, "--nonce", "00001234567800000000ABCD", "--hex", "00"], 1, "16 are needed");
    refused(&["sm4-gcm-seal", "--key", "00", "--nonce", "00001234567800000000ABCD", "--hex", "00"], 2, "16 are needed");
    refused(&["sm4-gcm-seal", "--key", &key, "--nonce", "00", "--hex", "00"], 2, "12 are needed");
    refused(&["sm4-gcm-seal", "--key", "@none", "--nonce", "00001234567800000000ABCD", "--hex", "00"], 2, "none");
}

#[test]
fn sm2_keys_signatures_and_their_refusal() {
    let folder = Folder::new();
    let (key, public, order) = (folder.join("key.pem"), folder.join("key.pem.pub"), folder.join("order"));
    fs::write(&order, "buy 100").unwrap();
    let point = printed(&["sm2-key", arg(&key)]);
    assert!(point.starts_with("04") && point.len() == 130, "{point}");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    refused(&["sm2-key", arg(&key)], 1, "create ");
    let point_file = folder.join("point");
    fs::write(&point_file, &point).unwrap();
    let signature = printed(&["sm2-sign", "--key", arg(&key), arg(&order)]);
    for key in [&key, &public, &point_file] {
        let verify = ["sm2-verify", "--key", arg(key), "--signature", &signature, arg(&order)];
        assert_eq!(printed_twice(&verify), "valid");
    }
    let invalid = |args: &[&str]| {
        let output = crypto(args);
        assert_eq!((output.status.code(), text(&output.stdout).trim_end()), (Some(1), "invalid"), "{args:?}");
    };
    let public = arg(&public);
    invalid(&["sm2-verify", "--key", public, "--signature", &signature, "--hex", "00"]);
    invalid(&["sm2-verify", "--key", public, "--id", "another", "--signature", &signature, arg(&order)]);
    invalid(&["sm2-verify", "--key", public, "--signature", "3000", arg(&order)]);
    invalid(&["sm2-verify", "--key", public, "--signature", &"00".repeat(64), arg(&order)]);
    refused(&["sm2-verify", "--key", public, arg(&order)], 2, "--signature");
    refused(&["sm2-sign", "--key", public, arg(&order)], 1, "public key");
    refused(&["sm2-sign", "--key", arg(&order), arg(&order)], 1, "SM2 key");
}

/// GB/T 32918.5-2017, A.2: r and s as 64 bytes.
#[test]
fn the_signature_of_the_standard_is_valid() {
    let folder = Folder::new();
    let key = folder.join("point");
    let point = "0409F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020\
        CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13";
    fs::write(&key, point).unwrap();
    let raw = "F5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3\
        B1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA";
    let message = "6d65737361676520646967657374";
    assert_eq!(printed_twice(&["sm2-verify", "--key", arg(&key), "--signature", raw, "--hex", message]), "valid");
}

#[test]
fn the_openssl_command_agrees_both_ways() {
    let folder = Folder::new();
    let (key, public) = (folder.join("key.pem"), folder.join("key.pem.pub"));
    let order = folder.join("order");
    fs::write(&order, "sell 200").unwrap();
    printed(&["sm2-key", arg(&key)]);
    for id in ["1234567812345678", "broker@heng.example"] {
        let ours = printed(&["sm2-sign", "--key", arg(&key), "--id", id, arg(&order)]);
        let bytes: Vec<u8> =
            (0..ours.len()).step_by(2).map(|at| u8::from_str_radix(&ours[at..at + 2], 16).unwrap()).collect();
        fs::write(folder.join("ours"), bytes).unwrap();
        let option = format!("distid:{id}");
        let verify = ["dgst", "-sm3", "-verify", "key.pem.pub", "-sigopt", &option, "-signature", "ours", "order"];
        let verified = openssl(folder.path(), &verify);
        assert!(verified.status.success(), "{}{}", text(&verified.stdout), text(&verified.stderr));
        let theirs = openssl(folder.path(), &["dgst", "-sm3", "-sign", "key.pem", "-sigopt", &option, "order"]);
        assert!(theirs.status.success(), "{}", text(&theirs.stderr));
        let signature: String = theirs.stdout.iter().map(|byte| format!("{byte:02x}")).collect();
        let file = folder.join("theirs");
        fs::write(&file, &signature).unwrap();
        let signature = format!("@{}", file.display());
        let verify = ["sm2-verify", "--key", arg(&public), "--id", id, "--signature", &signature, arg(&order)];
        assert_eq!(printed(&verify), "valid");
    }
}
