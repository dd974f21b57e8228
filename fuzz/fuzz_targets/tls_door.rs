//! The first bytes of strangers at a door with both certificates, the usual and the national one: a handshake is refused
//! or waits for more; it is never done.
#![no_main]

use std::io::Read as _;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use heng_security::ca::{Authority, Curve, Subject};
use heng_security::tls::{Door, PemFiles};
use libfuzzer_sys::fuzz_target;
use rustls::server::Acceptor;

fn door() -> &'static Door {
    static DOOR: OnceLock<Door> = OnceLock::new();
    DOOR.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("heng-fuzz-tls-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let files = [(Curve::P256, "usual"), (Curve::Sm2, "national")].map(|(curve, name)| {
            let (begin, lasts) = (SystemTime::UNIX_EPOCH, Duration::from_secs(4_000_000_000));
            let authority = Authority::new(curve, name, begin, lasts).expect("an authority");
            let issued = authority.issue(&Subject {
                spiffe_id: format!("spiffe://heng.local/role/{name}"),
                dns_names: vec!["door".to_owned()],
                from: begin,
                lasts,
            });
            let issued = issued.expect("a certificate");
            let files =
                PemFiles { certificate: folder.join(format!("{name}.pem")), key: folder.join(format!("{name}.key")) };
            std::fs::write(&files.certificate, &issued.certificate).expect("written");
            std::fs::write(&files.key, issued.key.as_bytes()).expect("written");
            files
        });
        Door::open(Some(&files[0]), Some(&files[1]), &["h2", "http/1.1"]).expect("a door")
    })
}

fuzz_target!(|bytes: &[u8]| {
    let (mut acceptor, mut left) = (Acceptor::default(), bytes);
    // Several records may come; each read takes what there is.
    for _ in 0..8 {
        if left.is_empty() || acceptor.read_tls(&mut left).is_err() {
            return;
        }
        match acceptor.accept() {
            Ok(None) => {}
            Err(_) => return,
            Ok(Some(accepted)) => {
                let Some(config) = door().choose(&accepted.client_hello()) else { return };
                let Ok(mut connection) = accepted.into_connection(config) else { return };
                while !left.is_empty() {
                    if connection.read_tls(&mut left).is_err() || connection.process_new_packets().is_err() {
                        return;
                    }
                }
                assert!(connection.is_handshaking(), "nobody knows the keys");
                assert!(connection.reader().read(&mut [0; 16]).map_or(true, |count| count == 0));
                return;
            }
        }
    }
});
