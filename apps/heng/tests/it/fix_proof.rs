//! FIX counterparties prove who they are to the real binary: a password as it is and as a hash, a certificate, both; and
//! what is told to whoever does not.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::house::{Folder, Running, SOON, get_as};
use crate::support::{heng, root, run, text};

const PASSWORD: &str = "a partner's own s3cret";
const HASHED: &str = "another s3cret of a partner";

/// A handshake with or without a certificate of its own, a Logon, and whatever comes back.
const TLS_CLIENT: &str = r#"
import socket, ssl, sys
port, logon, papers = int(sys.argv[1]), sys.argv[2].encode(), sys.argv[3:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
if papers:
    context.load_cert_chain(papers[0], papers[1])
with context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=60)) as stream:
    stream.sendall(logon)
    print(stream.recv(4096).decode("ascii", "replace"))
"#;

/// What Python's own library says the SHA-256 of a certificate is.
const FINGERPRINT: &str = "
import hashlib, ssl, sys
print(hashlib.sha256(ssl.PEM_cert_to_DER_cert(open(sys.argv[1]).read().split('-----END')[0] + '-----END CERTIFICATE-----')).hexdigest())
";

/// The same hash as another implementation makes it, in the form that programs exchange.
const HASH: &str = "
import base64, sys
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
salt = b'sixteen bytes ok'
key = Argon2id(salt=salt, length=32, iterations=2, lanes=1, memory_cost=19456).derive(sys.argv[1].encode())
text = lambda raw: base64.b64encode(raw).decode().rstrip('=')
print(f'$argon2id$v=19$m=19456,t=2,p=1${text(salt)}${text(key)}')
";

fn python(script: &str, words: &[&str]) -> String {
    let python = root().join(".heng/python/bin/python3");
    assert!(python.is_file(), "there is no {}: run ./heng setup", python.display());
    let output = Command::new(python).arg("-c").arg(script).args(words).output().expect("python3 starts");
    format!("{}{}", text(&output.stdout), text(&output.stderr)).trim().to_owned()
}

fn logon(target: &str, fields: &str) -> String {
    let now = text(&Command::new("date").args(["-u", "+%Y%m%d-%H:%M:%S"]).output().expect("date runs").stdout);
    let body =
        format!("35=A|49={target}|56=HENG|34=1|52={}|98=0|108=30|141=Y|{fields}", now.trim()).replace('|', "\x01");
    let message = format!("8=FIX.4.4\x019={}\x01{body}", body.len());
    let sum = message.bytes().fold(0u8, u8::wrapping_add);
    format!("{message}10={sum:03}\x01")
}

/// What a plain door answers; empty if it closes.
fn plain(port: u64, target: &str, fields: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", u16::try_from(port).expect("a port"))).expect("a connection");
    stream.set_read_timeout(Some(SOON)).expect("a socket option");
    stream.write_all(logon(target, fields).as_bytes()).expect("sent");
    let mut answer = [0; 4_096];
    let read = stream.read(&mut answer).unwrap_or(0);
    text(&answer[..read])
}

fn is_in(answer: &str) -> bool {
    answer.contains("\x0135=A\x01")
}

fn is_out(answer: &str) -> bool {
    answer.contains("\x0135=5\x01") && answer.contains("\x0158=Logon refused\x01")
}

fn start(folder: &Path, settings: &str) -> (Running, Value) {
    fs::write(folder.join("heng.toml"), settings).expect("a configuration file");
    let mut command = heng();
    command.args(["serve", "--demo-clients", "1", "--http-port", "0", "--fix-port", "0", "--data"]);
    command.arg(folder.join("data")).arg("--ready-file").arg(folder.join("ready.json"));
    command.arg("--config").arg(folder.join("heng.toml")).env("FIX_HASHED", python(HASH, &[HASHED]));
    let broker = Running::start(command);
    broker.line_with("ready: ", &mut String::new());
    let ready = fs::read(folder.join("ready.json")).expect("a ready file");
    (broker, serde_json::from_slice(&ready).expect("JSON"))
}

fn session(target: &str, more: &str) -> String {
    format!(
        "[[fix.sessions]]\nbegin = \"FIX.4.4\"\nsender = \"HENG\"\ntarget = \"{target}\"\nreset_on_logon = true\n{more}\n"
    )
}

/// Every file below a folder that holds a text.
fn holding(folder: &Path, wanted: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(holding(&path, wanted));
        } else if fs::read(&path).is_ok_and(|bytes| bytes.windows(wanted.len()).any(|at| at == wanted.as_bytes())) {
            found.push(path.display().to_string());
        }
    }
    found
}

const MARKET: &str = "[market]\nclients = 200\ninstruments = 40\nflow = 20\n";

#[test]
fn a_password_opens_its_session_and_nothing_else_does() {
    let folder = Folder::new("fix-password");
    let secret = folder.0.join("secret");
    fs::write(&secret, format!("{PASSWORD}\n")).expect("a file");
    let first = format!("password = \"file:{}\"\nusername = \"desk\"", secret.display());
    let sessions = format!("{}{}", session("PARTNER", &first), session("OTHER", "password = \"env:FIX_HASHED\""));
    let (mut broker, ready) = start(&folder.0, &format!("{MARKET}{sessions}"));
    let port = ready["fix"]["port"].as_u64().expect("a port");
    for fields in ["", "554=wrong|", &format!("553=other|554={PASSWORD}|"), &format!("554={HASHED}|")] {
        let answer = plain(port, "PARTNER", fields);
        assert!(is_out(&answer) && !answer.contains("password"), "{fields}: {answer:?}");
    }
    let new = plain(port, "PARTNER", &format!("553=desk|554={PASSWORD}|925=another|"));
    assert!(new.contains("58=NewPassword (925) is not supported"), "{new:?}");
    assert!(is_in(&plain(port, "PARTNER", &format!("553=desk|554={PASSWORD}|"))));
    assert!(is_out(&plain(port, "OTHER", &format!("554={PASSWORD}|"))));
    assert!(is_in(&plain(port, "OTHER", &format!("554={HASHED}|"))), "as a hash");

    let (http, token) =
        (ready["http"].as_str().expect("an address"), ready["token"]["staff"].as_str().expect("a token"));
    let (_, trail) = get_as(http, "/v1/audit?action=fix.logon&limit=100", token);
    let rows = trail["rows"].as_array().expect("rows");
    let count = |outcome: &str| rows.iter().filter(|row| row["outcome"] == outcome).count();
    assert_eq!((count("failed"), count("done")), (5, 2), "{trail}");
    assert!(trail.to_string().contains("wrong or missing username"), "{trail}");
    assert_eq!(broker.terminate(), Some(0));
    for word in [PASSWORD, HASHED] {
        assert_eq!(holding(&folder.0.join("data"), word), Vec::<String>::new(), "{word} is kept");
        assert!(!trail.to_string().contains(word));
    }
}

#[test]
fn a_certificate_opens_its_session_and_nothing_else_does() {
    let folder = Folder::new("fix-certificate");
    let file = |name: &str| folder.0.join(name).display().to_string();
    let ca = |words: &[&str]| assert!(run(&[&["ops", "ca"][..], words].concat()).status.success(), "{words:?}");
    ca(&["init", "--dir", &file("ca"), "--curve", "p256"]);
    for role in ["trading", "marketdata", "compliance"] {
        ca(&["issue", "--dir", &file("ca"), "--role", role]);
    }
    let pair = |role: &str| [file(&format!("ca/{role}.pem")), file(&format!("ca/{role}.key"))];
    let [certificate, key] = pair("trading");
    let pin = python(FINGERPRINT, &[&pair("marketdata")[0]]);
    assert_eq!(pin.len(), 64, "{pin}");
    fs::write(file("secret"), PASSWORD).expect("a file");
    let known = format!("client_certificate_sha256 = [\"{pin}\"]");
    let both = format!("{known}\npassword = \"file:{}\"", file("secret"));
    let settings = format!(
        "{MARKET}[fix.tls]\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n{}{}",
        session("PARTNER", &known),
        session("BOTH", &both)
    );
    let (mut broker, ready) = start(&folder.0, &settings);
    let port = ready["fix"]["port"].as_u64().expect("a port").to_string();
    let talk = |target: &str, fields: &str, role: Option<&str>| {
        let papers = role.map(pair).unwrap_or_default();
        let (logon, papers) =
            (logon(target, fields), papers.iter().map(String::as_str).filter(|file| !file.is_empty()));
        python(TLS_CLIENT, &[port.as_str(), logon.as_str()].into_iter().chain(papers).collect::<Vec<_>>())
    };
    assert!(is_out(&talk("PARTNER", "", None)), "without a certificate");
    assert!(is_out(&talk("PARTNER", "", Some("compliance"))), "another's of the same authority");
    assert!(is_in(&talk("PARTNER", "", Some("marketdata"))));
    let password = format!("554={PASSWORD}|");
    assert!(is_out(&talk("BOTH", "", Some("marketdata"))), "the certificate alone");
    assert!(is_out(&talk("BOTH", &password, None)), "the password alone");
    assert!(is_in(&talk("BOTH", &password, Some("marketdata"))));
    assert_eq!(broker.terminate(), Some(0));
}

#[test]
fn production_takes_no_trading_session_that_proves_nothing() {
    let folder = Folder::new("fix-production");
    let file = folder.0.join("heng.toml");
    let licence = "production = true\n[venues.internal]\nlicensed = true\n";
    fs::write(&file, format!("{licence}{}", session("PARTNER", ""))).expect("a configuration file");
    let data = folder.0.join("data").display().to_string();
    let refused = run(&[
        "serve",
        "--config",
        &file.display().to_string(),
        "--data",
        &data,
        "--http-port",
        "0",
        "--fix-port",
        "0",
    ]);
    let told = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{told}");
    assert!(told.contains("fix.sessions PARTNER → HENG") && told.contains("a name alone proves nothing"), "{told}");
}
