//! Certificates for links between roles: one for each role, made where none are configured.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use heng_security::ca::{Authority, Curve, Subject};
use heng_security::tls::{LinkPapers, PemFiles};

use super::roles::{ROLES, Role, RoleRow, Roles};

/// The DNS name in the certificate of every role.
pub(crate) const ROLE_NAME: &str = "heng-role";
/// The file of the authority's certificate.
pub(crate) const AUTHORITY: &str = "authority.pem";
/// Days that certificates made at the start are good: those of a trial, or of one machine.
const DAYS: u32 = 3_650;

/// The SPIFFE id of a role.
pub(crate) fn spiffe_id(role: Role) -> String {
    let row = ROLES.iter().find(|row| row.role == role).expect("every role has its row");
    format!("spiffe://heng.local/role/{}", row.name)
}

/// Who may open a link to `role`. Everything that is not named is refused: today the doors call the core, and nobody
/// calls anybody else.
pub(crate) fn callers_of(role: Role) -> Vec<String> {
    match role {
        Role::Core => [Role::Trading, Role::MarketData, Role::Identity, Role::Compliance].map(spiffe_id).to_vec(),
        Role::Trading | Role::MarketData | Role::Identity | Role::Compliance => Vec::new(),
    }
}

/// The files of a role's certificate.
pub(crate) struct RoleFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl RoleFiles {
    pub(crate) fn of(folder: &Path, role: Role) -> Self {
        let row = ROLES.iter().find(|row| row.role == role).expect("every role has its row");
        Self { certificate: folder.join(format!("{}.pem", row.name)), key: folder.join(format!("{}.key", row.name)) }
    }
}

/// A clock that goes behind must not find a new certificate in its future.
pub(crate) fn a_moment_ago() -> SystemTime {
    SystemTime::now() - Duration::from_secs(300)
}

/// Issues the certificate of a role.
///
/// # Errors
/// If the files cannot be written.
pub(crate) fn issue(authority: &Authority, row: &RoleRow, files: &RoleFiles, lasts: Duration) -> anyhow::Result<()> {
    let subject =
        Subject { spiffe_id: spiffe_id(row.role), dns_names: vec![ROLE_NAME.to_owned()], from: a_moment_ago(), lasts };
    let issued = authority.issue(&subject).with_context(|| format!("issue the certificate of {}", row.name))?;
    write(&files.key, &issued.key)?;
    write(&files.certificate, &issued.certificate)
}

/// The papers that a process with `roles` shows, from `folder`; made for all roles if they are not there, under an
/// authority whose key is thrown away once it has signed them.
///
/// # Errors
/// If the folder cannot be written.
pub(crate) fn of(folder: &Path, roles: &Roles) -> anyhow::Result<LinkPapers> {
    let files = RoleFiles::of(folder, roles.first());
    let own = PemFiles { certificate: files.certificate, key: files.key };
    let papers = LinkPapers { own, authorities: folder.join(AUTHORITY) };
    let complete = || [&papers.own.certificate, &papers.own.key, &papers.authorities].iter().all(|path| path.exists());
    if complete() {
        return Ok(papers);
    }
    std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    // Two roles that start together with one folder must not each make half of the papers.
    let alone = std::fs::File::create(folder.join("papers.lock")).and_then(|file| file.lock().map(|()| file));
    let _alone = alone.with_context(|| format!("lock {}", folder.display()))?;
    if complete() {
        return Ok(papers);
    }
    let lasts = Duration::from_secs(86_400) * DAYS;
    let authority = Authority::new(Curve::P256, "Heng roles of this machine", a_moment_ago(), lasts)?;
    for row in &ROLES {
        issue(&authority, row, &RoleFiles::of(folder, row.role), lasts)?;
    }
    write(&papers.authorities, &authority.certificate()?)?;
    Ok(papers)
}

/// Writes a file that only the owner may read; whoever reads meanwhile sees the old one or the new one.
pub(crate) fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let next = path.with_extension("next");
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&next);
    let mut file = file.with_context(|| format!("write {}", next.display()))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .with_context(|| format!("write {}", next.display()))?;
    std::fs::rename(&next, path).with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::pki_types::ServerName;
    use rustls::{ClientConnection, ServerConnection};

    use super::*;

    #[test]
    fn papers_are_made_once_and_fit() {
        let folder = tempfile::tempdir().expect("a folder");
        let papers = of(folder.path(), &Roles::all()).expect("papers");
        let before = std::fs::read(&papers.own.certificate).expect("a file");
        assert_eq!(of(folder.path(), &Roles::all()).expect("the same papers"), papers);
        assert_eq!(std::fs::read(&papers.own.certificate).expect("a file"), before);
    }

    /// Whether a handshake between two roles ends well, with exactly the settings that the roles use.
    fn shake_hands(folder: &Path, caller: Role, callee: Role) -> bool {
        let of = |role| {
            let files = RoleFiles::of(folder, role);
            let own = PemFiles { certificate: files.certificate, key: files.key };
            LinkPapers { own, authorities: folder.join(AUTHORITY) }
        };
        let server = of(callee).server(&callers_of(callee)).expect("a server's settings");
        let client = of(caller).client(&[spiffe_id(callee)]).expect("a client's settings");
        let name = ServerName::try_from(ROLE_NAME).expect("a name");
        let mut client = ClientConnection::new(client, name).expect("a client");
        let mut server = ServerConnection::new(Arc::clone(&server)).expect("a server");
        while client.is_handshaking() || server.is_handshaking() {
            let mut bytes = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut bytes).expect("bytes");
            }
            server.read_tls(&mut bytes.as_slice()).expect("bytes");
            if server.process_new_packets().is_err() {
                return false;
            }
            bytes.clear();
            while server.wants_write() {
                server.write_tls(&mut bytes).expect("bytes");
            }
            client.read_tls(&mut bytes.as_slice()).expect("bytes");
            if client.process_new_packets().is_err() {
                return false;
            }
        }
        true
    }

    #[test]
    fn every_pair_of_roles_is_allowed_or_refused_as_the_table_says() {
        for curve in [Curve::P256, Curve::Sm2] {
            let folder = tempfile::tempdir().expect("a folder");
            let lasts = Duration::from_secs(86_400);
            let authority = Authority::new(curve, "test", a_moment_ago(), lasts).expect("an authority");
            for row in &ROLES {
                issue(&authority, row, &RoleFiles::of(folder.path(), row.role), lasts).expect("a certificate");
            }
            write(&folder.path().join(AUTHORITY), &authority.certificate().expect("text")).expect("a file");
            let mut allowed = Vec::new();
            for caller in &ROLES {
                for callee in &ROLES {
                    if shake_hands(folder.path(), caller.role, callee.role) {
                        allowed.push((caller.name, callee.name));
                    }
                }
            }
            // Written out, so that a change of the table shows here.
            let doors = ["trading", "marketdata", "identity", "compliance"];
            assert_eq!(allowed, doors.map(|door| (door, "core")), "{curve:?}");
        }
    }
}
