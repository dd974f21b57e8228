//! Handshakes in memory: what is agreed, who is refused, and what a changed byte does.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use heng_security::ca::Curve;
use heng_security::tls::Door;
use rustls::pki_types::ServerName;
use rustls::server::{Acceptor, ServerConfig};
use rustls::{ClientConfig, ClientConnection, ServerConnection};

use crate::papers::{DAY, Papers, id};

/// Two ends, and what each has said that the other has not heard.
struct Hands {
    client: ClientConnection,
    server: ServerConnection,
}

impl Hands {
    fn new(client: Arc<ClientConfig>, server: Arc<ServerConfig>) -> Self {
        let name = ServerName::try_from("localhost").unwrap();
        Self { client: ClientConnection::new(client, name).unwrap(), server: ServerConnection::new(server).unwrap() }
    }

    /// Shakes hands; `change` may alter each flight (numbered from 0) on its way.
    fn shake(&mut self, mut change: impl FnMut(usize, &mut Vec<u8>)) -> Result<(), rustls::Error> {
        let mut flight = 0;
        while self.client.is_handshaking() || self.server.is_handshaking() || self.client.wants_write() {
            let mut said = false;
            for from_client in [true, false] {
                let mut bytes = Vec::new();
                if from_client {
                    while self.client.wants_write() {
                        self.client.write_tls(&mut bytes).unwrap();
                    }
                } else {
                    while self.server.wants_write() {
                        self.server.write_tls(&mut bytes).unwrap();
                    }
                }
                if bytes.is_empty() {
                    continue;
                }
                said = true;
                change(flight, &mut bytes);
                flight += 1;
                let mut left = bytes.as_slice();
                while !left.is_empty() {
                    if from_client {
                        self.server.read_tls(&mut left).unwrap();
                        self.server.process_new_packets()?;
                    } else {
                        self.client.read_tls(&mut left).unwrap();
                        self.client.process_new_packets()?;
                    }
                }
            }
            if !said {
                return Err(rustls::Error::HandshakeNotComplete);
            }
        }
        Ok(())
    }

    /// What was agreed: suite and group.
    fn agreed(&self) -> (u16, u16) {
        let suite = self.server.negotiated_cipher_suite().unwrap().suite();
        let group = self.server.negotiated_key_exchange_group().unwrap().name();
        (suite.into(), group.into())
    }
}

fn link(papers: &Papers, client: &str, server: &str) -> Hands {
    let server_side = papers.of(server).server(&[id("trading")]).unwrap();
    Hands::new(papers.of(client).client(&[id("core")]).unwrap(), server_side)
}

#[test]
fn each_curve_has_its_suites_and_a_post_quantum_group() {
    for (curve, agreed) in [(Curve::Sm2, (0x00c6, 4590)), (Curve::P256, (0x1302, 4588))] {
        let papers = Papers::new(curve, &["core", "trading"]);
        let mut hands = link(&papers, "trading", "core");
        hands.shake(|_, _| {}).unwrap();
        assert_eq!(hands.agreed(), agreed, "{curve:?}");
    }
}

#[test]
fn only_the_named_role_of_the_right_authority_with_a_good_certificate_comes_in() {
    for curve in [Curve::Sm2, Curve::P256] {
        let papers = Papers::new(curve, &["core", "trading", "identity"]);
        let refused = |client: &str, server: &str| link(&papers, client, server).shake(|_, _| {}).is_err();
        assert!(!refused("trading", "core"), "{curve:?}");
        assert!(refused("identity", "core"), "{curve:?}: a role that is not on the list");
        assert!(refused("trading", "identity"), "{curve:?}: a server that is not the one meant");
        papers.issue("old", "trading", SystemTime::now() - DAY * 2, DAY);
        assert!(refused("old", "core"), "{curve:?}: a certificate that is over");
        papers.issue("early", "trading", SystemTime::now() + DAY, DAY);
        assert!(refused("early", "core"), "{curve:?}: a certificate that has not begun");
        let strangers = Papers::new(curve, &["trading"]);
        let mut stranger = strangers.of("trading");
        stranger.authorities = papers.path("authority.pem");
        let server = papers.of("core").server(&[id("trading")]).unwrap();
        let mut hands = Hands::new(stranger.client(&[id("core")]).unwrap(), server);
        assert!(hands.shake(|_, _| {}).is_err(), "{curve:?}: another authority's certificate");
    }
}

#[test]
fn a_rotated_certificate_is_taken_without_a_restart() {
    let papers = Papers::new(Curve::Sm2, &["core", "trading"]);
    let server = papers.of("core").server(&[id("trading")]).unwrap();
    let shown = |server: &Arc<ServerConfig>| {
        let mut hands = Hands::new(papers.of("trading").client(&[id("core")]).unwrap(), Arc::clone(server));
        hands.shake(|_, _| {}).unwrap();
        hands.client.peer_certificates().unwrap()[0].clone()
    };
    let before = shown(&server);
    papers.issue("core", "core", SystemTime::now() - DAY, DAY * 3);
    let began = std::time::Instant::now();
    while shown(&server) == before {
        assert!(began.elapsed() < Duration::from_secs(20), "the new certificate is not taken");
        std::thread::yield_now();
    }
}

/// A door takes the settings that its caller can speak.
#[test]
fn a_door_speaks_sm_with_those_who_offer_it() {
    let (national, usual) =
        (Papers::new(Curve::Sm2, &["core", "trading"]), Papers::new(Curve::P256, &["core", "trading"]));
    let both = Door::open(Some(&usual.files("core")), Some(&national.files("core")), &["http/1.1"]).unwrap();
    let agreed = |door: &Door, papers: &Papers| {
        let client = papers.of("trading").client(&[id("core")]).unwrap();
        let mut client = ClientConnection::new(client, ServerName::try_from("localhost").unwrap()).unwrap();
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        let mut acceptor = Acceptor::default();
        acceptor.read_tls(&mut bytes.as_slice()).unwrap();
        let accepted = acceptor.accept().map_err(|(error, _)| error).unwrap().unwrap();
        let config = door.choose(&accepted.client_hello())?;
        let mut hands = Hands { client, server: accepted.into_connection(config).map_err(|(error, _)| error).unwrap() };
        hands.shake(|_, _| {}).unwrap();
        Some(hands.agreed().0)
    };
    assert_eq!(agreed(&both, &national), Some(0x00c6));
    assert_eq!(agreed(&both, &usual), Some(0x1302));
    let only_sm = Door::open(None, Some(&national.files("core")), &[]).unwrap();
    assert_eq!(agreed(&only_sm, &usual), None);
    let swapped = Door::open(Some(&national.files("core")), None, &[]).unwrap_err().to_string();
    assert!(swapped.contains("core.key") && swapped.contains("SM2"), "{swapped}");
}

/// A small generator, so that a failing case can be run again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

/// Places in flights of records that a receiver must not look at: the version in a record's header (RFC 8446, 5.1),
/// the whole of a `change_cipher_spec`, which means nothing (appendix D.4), and the outer type of a protected record, in
/// whose place rustls authenticates what it must be (5.2).
fn meaningless(bytes: &[u8], place: usize) -> bool {
    let mut at = 0;
    while at + 5 <= bytes.len() {
        let end = at + 5 + usize::from(u16::from_be_bytes([bytes[at + 3], bytes[at + 4]]));
        if place < end {
            return bytes[at] == 20 || (at + 1..at + 3).contains(&place) || (bytes[at] == 23 && place == at);
        }
        at = end;
    }
    false
}

#[test]
fn no_handshake_with_a_changed_bit_is_accepted() {
    let national = Papers::new(Curve::Sm2, &["core", "trading"]);
    let (client, server) =
        (national.of("trading").client(&[id("core")]).unwrap(), national.of("core").server(&[id("trading")]).unwrap());
    let mut dice = Dice(8998);
    let mut changed = 0;
    while changed < 10_000 {
        let (wanted, mut hit) = (dice.below(3), None);
        let mut hands = Hands::new(Arc::clone(&client), Arc::clone(&server));
        let shaken = hands.shake(|flight, bytes| {
            if flight == wanted {
                let place = dice.below(bytes.len());
                if !meaningless(bytes, place) {
                    bytes[place] ^= 1 << dice.below(8);
                    hit = Some(place);
                }
            }
        });
        if let Some(place) = hit {
            changed += 1;
            assert!(shaken.is_err(), "flight {wanted}, byte {place}");
        }
    }
}

#[test]
fn no_certificate_with_a_changed_bit_is_accepted() {
    let papers = Papers::new(Curve::Sm2, &["core", "trading"]);
    let text = std::fs::read_to_string(papers.path("trading.pem")).unwrap();
    let server = papers.of("core").server(&[id("trading")]).unwrap();
    let original = papers.of("trading").client(&[id("core")]).unwrap();
    let mut dice = Dice(5280);
    let mut tried = 0;
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    drop(original);
    while tried < 500 {
        let body: Vec<usize> = (28..text.len() - 27).filter(|at| text.as_bytes()[*at] != b'\n').collect();
        let at = body[dice.below(body.len())];
        let letter = letters.as_bytes()[dice.below(64)];
        if text.as_bytes()[at] == letter || text.as_bytes()[at] == b'=' {
            continue;
        }
        tried += 1;
        let mut bytes = text.clone().into_bytes();
        bytes[at] = letter;
        std::fs::write(papers.path("changed.pem"), &bytes).unwrap();
        std::fs::copy(papers.path("trading.key"), papers.path("changed.key")).unwrap();
        // Refused where it is read, or by the other end.
        if let Ok(client) = papers.of("changed").client(&[id("core")]) {
            let shaken = Hands::new(client, Arc::clone(&server)).shake(|_, _| {});
            assert!(shaken.is_err(), "letter {at} as {}", char::from(letter));
        }
    }
}
