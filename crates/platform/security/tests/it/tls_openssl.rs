//! TLS with SM against OpenSSL 4, as PyPI `cryptography` carries it, both ways; `./heng setup` brings it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use heng_security::ca::Curve;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ServerConnection, StreamOwned};

use crate::papers::{Papers, id};

const SUITES: [&str; 2] = ["TLS_SM4_GCM_SM3", "TLS_SM4_CCM_SM3"];
const GROUPS: [&str; 2] = ["curveSM2", "curveSM2MLKEM768"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..").canonicalize().unwrap()
}

fn openssl(papers: &Papers, side: &str, arguments: &[&str], role: &str) -> Child {
    let python = root().join(".heng/python/bin/python3");
    assert!(python.is_file(), "there is no {}: run ./heng setup", python.display());
    let mut command = Command::new(python);
    command.arg("-B").arg(root().join("tests/outside/tls_sm.py")).arg(side).args(arguments);
    command.arg("--papers").arg(papers.folder.path()).args(["--role", role]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// What it told at the end.
fn told(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    out.into_owned()
}

fn check(told: &str, suite: &str, group: &str) {
    for part in ["OpenSSL 4.", "TLSv1.3", suite, &format!("\"{group}\""), "\"ping\""] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
}

#[test]
fn openssl_is_served_with_every_suite_and_group() {
    let papers = Papers::new(Curve::Sm2, &["core", "trading"]);
    let config = papers.of("core").server(&[id("trading")]).unwrap();
    for suite in SUITES {
        for group in GROUPS {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port().to_string();
            let client = openssl(&papers, "client", &[&port, "--suite", suite, "--group", group], "trading");
            let (socket, _) = listener.accept().unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let mut stream = StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), socket);
            let mut ping = [0; 4];
            let echoed = stream.read_exact(&mut ping).and_then(|()| stream.write_all(&ping));
            check(&told(client), suite, group);
            echoed.unwrap();
        }
    }
}

#[test]
fn openssl_serves_us_with_every_suite_and_group() {
    let papers = Papers::new(Curve::Sm2, &["core", "trading"]);
    let config = papers.of("trading").client(&[id("core")]).unwrap();
    for suite in SUITES {
        for group in GROUPS {
            let mut server = openssl(&papers, "server", &["--suite", suite, "--group", group], "core");
            let mut port = String::new();
            BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut port).unwrap();
            let socket = TcpStream::connect(("127.0.0.1", port.trim().parse().unwrap())).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let name = ServerName::try_from("localhost").unwrap();
            let mut stream = StreamOwned::new(ClientConnection::new(config.clone(), name).unwrap(), socket);
            let mut ping = [0; 4];
            let echoed = stream.read_exact(&mut ping).and_then(|()| stream.write_all(&ping));
            check(&told(server), suite, group);
            echoed.unwrap();
        }
    }
}

#[test]
fn openssl_with_another_role_or_authority_is_refused() {
    let papers = Papers::new(Curve::Sm2, &["core", "trading", "identity"]);
    let strangers = Papers::new(Curve::Sm2, &["trading"]);
    std::fs::copy(papers.path("authority.pem"), strangers.path("authority.pem")).unwrap();
    let config = papers.of("core").server(&[id("trading")]).unwrap();
    for (papers, role) in [(&papers, "identity"), (&strangers, "trading")] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let client = openssl(papers, "client", &[&port, "--suite", SUITES[0], "--group", GROUPS[0]], role);
        let (socket, _) = listener.accept().unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut stream = StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), socket);
        assert!(stream.read_exact(&mut [0; 4]).is_err(), "{role} was served");
        drop(stream);
        assert!(!client.wait_with_output().unwrap().status.success(), "{role} was served");
    }
}
