//! By what counterparties of FIX sessions prove who they are: what `[[fix.sessions]]` says of it, checked, and the gate that
//! asks for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use heng_identity::{Counterparty, CounterpartyProof, CounterpartyRefused, Identity};
use heng_ports::Principal;
use heng_transport::ChooseTls;
use heng_transport::fix::{
    FixAdmitted, FixApplicationKind, FixGate, FixKnock, FixSessionConfig, FixSessionId, FixTurnedAway,
};

use super::config::{FixConfig, FixSession};
use super::secret_source;

/// How long a refusal is held back, so that guessing takes its time.
const REFUSED_AFTER: Duration = Duration::from_secs(1);
/// What is told, whatever was wrong.
const REFUSED: &str = "Logon refused";
/// Certificates of one session at most: the one in use and the next.
const CERTIFICATES_MAX: usize = 8;

/// Checks what every session says of its proof.
///
/// # Errors
/// With the session and the key that is wrong.
pub(crate) fn check(fix: &FixConfig, production: bool) -> anyhow::Result<()> {
    for session in &fix.sessions {
        let place = format!("fix.sessions {} → {}", session.target, session.sender);
        check_one(session, fix.tls.is_some(), production).context(place)?;
    }
    Ok(())
}

fn check_one(session: &FixSession, tls: bool, production: bool) -> anyhow::Result<()> {
    if let Some(source) = &session.password {
        secret_source::check("password", source)?;
        ensure!(session.begin != "FIX.4.2", "password: FIX.4.2 has no field for it; use client_certificate_sha256");
    }
    if let Some(name) = &session.username {
        ensure!(session.password.is_some(), "username goes with a password");
        let plain = (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic());
        ensure!(plain, "username: 1 to 64 printable characters without spaces");
    }
    let pins = &session.client_certificate_sha256;
    ensure!(
        pins.is_empty() || tls,
        "client_certificate_sha256 needs [fix.tls]: without TLS nobody shows a certificate"
    );
    ensure!(pins.len() <= CERTIFICATES_MAX, "client_certificate_sha256: at most {CERTIFICATES_MAX}");
    for pin in pins {
        ensure!(fingerprint(pin).is_some(), "client_certificate_sha256: 64 hexadecimal digits, colons between or not");
    }
    let proves = session.password.is_some() || !pins.is_empty();
    let harmless = session.application == FixApplicationKind::Echo;
    ensure!(
        proves || harmless || !production,
        "production = true takes a password or client_certificate_sha256: a name alone proves nothing"
    );
    Ok(())
}

fn fingerprint(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u32> = text.chars().filter(|c| *c != ':').map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    let byte = |pair: &[u32]| u8::try_from(pair.iter().fold(0, |all, digit| all * 16 + digit)).ok();
    let bytes: Vec<u8> = digits.chunks(2).map(byte).collect::<Option<_>>()?;
    (digits.len() == 64).then(|| bytes.try_into().ok()).flatten()
}

/// The door's TLS; it asks for certificates if any session is known by one.
///
/// # Errors
/// If a file cannot be used.
pub(crate) fn tls(fix: &FixConfig) -> anyhow::Result<Option<ChooseTls>> {
    let Some(tls) = &fix.tls else { return Ok(None) };
    let asks = fix.sessions.iter().any(|session| !session.client_certificate_sha256.is_empty());
    let door = if asks { tls.open_asking(&[])? } else { tls.open(&[])? };
    Ok(Some(Arc::new(move |hello| door.choose(hello))))
}

/// Asks each session's counterparty for what its configuration says.
pub(crate) struct Counterparties {
    known: BTreeMap<FixSessionId, Counterparty>,
    identity: Arc<Identity>,
}

impl Counterparties {
    /// Of these sessions, each with whom its counterparty acts as. A session answers to its names exchanged as well, and
    /// asks for the same then.
    ///
    /// # Errors
    /// If a secret cannot be read.
    pub(crate) fn new(
        sessions: &[(FixSession, Option<Arc<Principal>>)],
        identity: Arc<Identity>,
    ) -> anyhow::Result<Arc<Self>> {
        let mut known = BTreeMap::new();
        for (session, principal) in sessions {
            known.insert(session.session().identity()?, counterparty(session, principal.clone())?);
        }
        for (session, _) in sessions {
            let own = session.session();
            let id = own.identity()?;
            let mirror =
                FixSessionConfig { sender: own.target.clone(), target: own.sender.clone(), ..own }.identity()?;
            let same = known[&id].clone();
            known.entry(mirror).or_insert(same);
        }
        Ok(Arc::new(Self { known, identity }))
    }
}

fn counterparty(session: &FixSession, principal: Option<Arc<Principal>>) -> anyhow::Result<Counterparty> {
    let place = format!("fix.sessions {} → {}", session.target, session.sender);
    let name = format!("{} {} → {}", session.begin, session.target, session.sender);
    let known = Counterparty::new(&name, principal);
    let known = match &session.password {
        None => known,
        Some(source) => {
            let secret = secret_source::read("password", source).with_context(|| place.clone())?;
            known.with_password(&secret, session.username.clone()).context(place)?
        }
    };
    Ok(known.with_certificates(session.client_certificate_sha256.iter().filter_map(|pin| fingerprint(pin)).collect()))
}

impl FixGate for Counterparties {
    fn admit<'a>(&'a self, knock: FixKnock<'a>) -> FixAdmitted<'a> {
        Box::pin(async move {
            let known = self.known.get(knock.session).ok_or(FixTurnedAway::Silently)?;
            let FixKnock { username, password, certificate, address, .. } = knock;
            let brought = CounterpartyProof { username, password, certificate, address };
            match self.identity.admit_counterparty(known, brought).await {
                Ok(()) => Ok(()),
                Err(CounterpartyRefused::Wrong) => {
                    tokio::time::sleep(REFUSED_AFTER).await;
                    Err(FixTurnedAway::Logout(REFUSED))
                }
                Err(CounterpartyRefused::Slow) => Err(FixTurnedAway::Silently),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(text: &str, production: bool, expected: Option<&str>) {
        let head = "begin = \"FIX.4.4\"\nsender = \"HENG\"\ntarget = \"PARTNER\"\n";
        let session: FixSession = toml::from_str(&format!("{head}{text}")).expect("TOML");
        let told = check_one(&session, text.contains("# tls"), production);
        match (told, expected) {
            (Ok(()), None) => {}
            (Err(error), Some(part)) => assert!(format!("{error:#}").contains(part), "{error:#}"),
            (told, _) => panic!("{text}: {told:?}"),
        }
    }

    #[test]
    fn a_trading_session_proves_itself_in_production() {
        check_text("", false, None);
        check_text("", true, Some("a name alone proves nothing"));
        check_text("application = \"drop-copy\"", true, Some("a name alone proves nothing"));
        check_text("application = \"echo\"", true, None);
        check_text("password = \"env:FIX_PARTNER\"", true, None);
        check_text("password = \"s3cret\"", true, Some("never the secret itself"));
        check_text("username = \"partner\"", false, Some("goes with a password"));
        let pin = "client_certificate_sha256 = [\"AB:12\"]";
        check_text(pin, false, Some("needs [fix.tls]"));
        check_text(&format!("{pin} # tls"), true, Some("64 hexadecimal digits"));
        let pin = format!("client_certificate_sha256 = [\"{}\"] # tls", "aB:".repeat(32).trim_end_matches(':'));
        check_text(&pin, true, None);
    }

    #[test]
    fn fingerprints_are_read_as_tools_print_them() {
        let plain = "00ff".repeat(16);
        let colons = "00:FF:".repeat(16);
        let read = fingerprint(&plain).expect("a fingerprint");
        assert_eq!((read[0], read[1], fingerprint(colons.trim_end_matches(':'))), (0, 255, Some(read)));
        for wrong in ["", "00", &"0".repeat(63), &"0g".repeat(32)] {
            assert_eq!(fingerprint(wrong), None, "{wrong}");
        }
    }
}
