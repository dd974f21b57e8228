//! The HTTP and FIX doors under TLS with SM, spoken to by OpenSSL 4, and with the usual suites.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::house::{Folder, Running};
use crate::support::{heng, root, text};

const SETTINGS: &str = r#"
[http.tls]
certificate = "P256/trading.pem"
key = "P256/trading.key"
sm2_certificate = "SM2/trading.pem"
sm2_key = "SM2/trading.key"

[fix.tls]
certificate = "P256/trading.pem"
key = "P256/trading.key"
sm2_certificate = "SM2/trading.pem"
sm2_key = "SM2/trading.key"
"#;

fn ca(words: &[&str]) {
    let output = heng().args(["ops", "ca"]).args(words).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
}

/// One handshake by OpenSSL, and the first answer to `say`.
fn openssl(port: u64, suite: &str, group: &str, papers: &Path, say: &str) -> Value {
    let python = root().join(".heng/python/bin/python3");
    assert!(python.is_file(), "there is no {}: run ./heng setup", python.display());
    let mut command = Command::new(python);
    command.arg("-B").arg(root().join("tests/outside/tls_sm.py")).args(["client", &port.to_string()]);
    command.args(["--suite", suite, "--group", group, "--say", say]).arg("--papers").arg(papers);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{suite} {group}: {}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A Logon of the demo session.
fn logon(told: &Value) -> String {
    let word = |name: &str| told[name].as_str().unwrap();
    let body = format!(
        "35=A\x0149={}\x0156={}\x0134=1\x0152={}\x0198=0\x01108=30\x01141=Y\x01",
        word("target"),
        word("sender"),
        text(&Command::new("date").args(["-u", "+%Y%m%d-%H:%M:%S"]).output().unwrap().stdout).trim(),
    );
    let message = format!("8={}\x019={}\x01{body}", word("begin"), body.len());
    let sum = message.bytes().fold(0u8, u8::wrapping_add);
    format!("{message}10={sum:03}\x01").replace('\x01', "\\x01")
}

#[test]
fn both_doors_speak_sm_and_the_usual_suites_on_one_port() {
    let folder = Folder::new("tls-doors");
    let path = |name: &str| folder.0.join(name);
    for curve in ["P256", "SM2"] {
        let dir = path(curve);
        let dir = dir.to_str().unwrap();
        ca(&["init", "--dir", dir, "--curve", &curve.to_lowercase()]);
        ca(&["issue", "--dir", dir, "--role", "trading"]);
    }
    let settings = SETTINGS.replace("P256/", &format!("{}/", path("P256").display()));
    fs::write(path("heng.toml"), settings.replace("SM2/", &format!("{}/", path("SM2").display()))).unwrap();
    let mut command = heng();
    command.args(["serve", "--demo-clients", "2", "--http-port", "0", "--fix-port", "0", "--data"]);
    command.arg(path("data")).arg("--ready-file").arg(path("ready.json")).arg("--config").arg(path("heng.toml"));
    let mut broker = Running::start(command);
    broker.line_with("ready: ", &mut String::new());
    let ready: Value = serde_json::from_slice(&fs::read(path("ready.json")).unwrap()).unwrap();
    let http = ready["http"].as_str().unwrap();
    assert!(http.starts_with("https://"), "{http}");
    let (http, fix) = (http.rsplit(':').next().unwrap().parse().unwrap(), ready["fix"]["port"].as_u64().unwrap());
    let health = "GET /healthz HTTP/1.1\\r\\nhost: localhost\\r\\nconnection: close\\r\\n\\r\\n";
    let cases = [
        ("TLS_SM4_GCM_SM3", "curveSM2MLKEM768", "SM2"),
        ("TLS_SM4_CCM_SM3", "curveSM2", "SM2"),
        ("TLS_AES_256_GCM_SHA384", "X25519MLKEM768", "P256"),
    ];
    for (suite, group, papers) in cases {
        for (port, say, expected) in
            [(http, health, "HTTP/1.1 200"), (fix, logon(&ready["fix"]).as_str(), "\u{1}35=A\u{1}")]
        {
            let told = openssl(port, suite, group, &path(papers), say);
            assert_eq!((told["suite"].as_str(), told["group"].as_str()), (Some(suite), Some(group)), "{told}");
            assert!(told["answer"].as_str().unwrap().contains(expected), "{told}");
        }
    }
    assert_eq!(broker.terminate(), Some(0));
}
