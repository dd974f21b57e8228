//! Whether whoever connects is the counterparty that it names: asked once for each connection, before the session knows of
//! it. The answer may take its time, which a session's own functions may not.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

use super::config::FixSessionId;
use super::dictionary::Begin;
use super::fields::{Field, list};
use super::value::Kind;

const USERNAME: i32 = 553;
const PASSWORD: i32 = 554;
const NEW_PASSWORD: i32 = 925;

/// What a Logon brings to prove who sent it.
#[derive(Clone, Copy)]
pub struct FixKnock<'a> {
    /// The session that it names.
    pub session: &'a FixSessionId,
    /// Username (553).
    pub username: Option<&'a [u8]>,
    /// Password (554).
    pub password: Option<&'a [u8]>,
    /// The certificate (DER) whose key signed the TLS handshake.
    pub certificate: Option<&'a [u8]>,
    /// Where it comes from.
    pub address: IpAddr,
}

/// How somebody is turned away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FixTurnedAway {
    /// With a Logout of this text.
    Logout(&'static str),
    /// Without a word.
    Silently,
}

/// Answers for a gate.
pub type FixAdmitted<'a> = Pin<Box<dyn Future<Output = Result<(), FixTurnedAway>> + Send + 'a>>;

/// Who decides.
pub trait FixGate: Send + Sync {
    /// Whether this Logon may go on to its session. It may wait, which holds up this connection alone.
    fn admit<'a>(&'a self, knock: FixKnock<'a>) -> FixAdmitted<'a>;
}

/// Why a Logon is refused before anybody is asked.
const NO_NEW_PASSWORD: FixTurnedAway = FixTurnedAway::Logout("NewPassword (925) is not supported");
const DOUBLED: FixTurnedAway = FixTurnedAway::Logout("Username (553) or Password (554) stands twice");

/// What a Logon says of who sent it. Its fields are told apart as its session does, so that both read the same.
pub(super) fn knock<'a>(
    logon: &'a [u8],
    session: &'a FixSessionId,
    certificate: Option<&'a [u8]>,
    address: IpAddr,
) -> Result<FixKnock<'a>, FixTurnedAway> {
    let (own, version) = (Begin::dictionary(session.begin), session.version.dictionary());
    let is_data = |tag| own.kind(tag).or_else(|| version.kind(tag)) == Some(Kind::Data);
    let mut fields: Vec<Field> = Vec::new();
    // What is wrong with the fields is found by the session.
    let _ = list(logon, is_data, &mut fields);
    let all = |tag: i32| fields.iter().filter(move |field| field.tag == tag).map(|field| field.value(logon));
    if all(NEW_PASSWORD).next().is_some() {
        return Err(NO_NEW_PASSWORD);
    }
    if all(USERNAME).count() > 1 || all(PASSWORD).count() > 1 {
        return Err(DOUBLED);
    }
    let (username, password) = (all(USERNAME).next(), all(PASSWORD).next());
    Ok(FixKnock { session, username, password, certificate, address })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fix::FixSessionConfig;

    fn session() -> FixSessionId {
        let config = FixSessionConfig {
            begin: "FIX.4.4".into(),
            default_appl_ver: None,
            sender: "HENG".into(),
            target: "PARTNER".into(),
            heartbeat_s: 30,
            reset_on_logon: false,
            application: crate::fix::FixApplicationKind::Echo,
        };
        config.identity().expect("a session")
    }

    fn check(fields: &str, expected: Result<(Option<&str>, Option<&str>), FixTurnedAway>) {
        let text = format!("8=FIX.4.4|9=1|35=A|{fields}|10=000|").replace('|', "\u{1}");
        let session = session();
        let read = knock(text.as_bytes(), &session, None, IpAddr::from([127, 0, 0, 1]));
        let read = read.map(|knock| (knock.username, knock.password));
        assert_eq!(read, expected.map(|(name, word)| (name.map(str::as_bytes), word.map(str::as_bytes))), "{fields}");
    }

    #[test]
    fn a_logon_says_who_sent_it_once() {
        check("98=0", Ok((None, None)));
        check("553=partner|554=s3cret", Ok((Some("partner"), Some("s3cret"))));
        check("554=s3cret|554=other", Err(DOUBLED));
        check("553=a|553=b|554=s3cret", Err(DOUBLED));
        check("554=s3cret|925=other", Err(NO_NEW_PASSWORD));
        // What stands inside of data is no field.
        check("95=12|96=x|554=s3cret|553=a", Ok((Some("a"), None)));
    }
}
