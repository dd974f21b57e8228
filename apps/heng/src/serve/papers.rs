//! Certificates for links between the roles of one machine, made where none are configured.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use heng_transport::TlsFiles;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType,
};

/// The name in the certificate of every role made here.
pub(crate) const ROLE_NAME: &str = "heng-role";

/// The files of a role's certificate in `folder`; made if they are not there, under an authority whose key is thrown
/// away once it has signed them.
///
/// # Errors
/// If the folder cannot be written.
pub(crate) fn of(folder: &Path) -> anyhow::Result<TlsFiles> {
    let files = TlsFiles {
        certificate: folder.join("role.pem"),
        key: folder.join("role.key"),
        authorities: Some(folder.join("authority.pem")),
    };
    let all = [&files.certificate, &files.key, &folder.join("authority.pem")];
    if all.iter().all(|path| path.exists()) {
        return Ok(files);
    }
    std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    // Two roles that start together with one folder must not each make half of the papers.
    let alone = std::fs::File::create(folder.join("papers.lock")).and_then(|file| file.lock().map(|()| file));
    let _alone = alone.with_context(|| format!("lock {}", folder.display()))?;
    if all.iter().all(|path| path.exists()) {
        return Ok(files);
    }
    let authority = authority().context("make the authority of role certificates")?;
    let key = KeyPair::generate()?;
    let certificate = role().context("name a role's certificate")?.signed_by(&key, &authority)?;
    write(all[2], &authority.pem())?;
    write(all[1], &key.serialize_pem())?;
    write(all[0], &certificate.pem())?;
    Ok(files)
}

fn authority() -> anyhow::Result<CertifiedIssuer<'static, KeyPair>> {
    let mut params = CertificateParams::default();
    params.distinguished_name = name("Heng roles of this machine");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

fn role() -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::new(vec![ROLE_NAME.to_owned()])?;
    params.distinguished_name = name(ROLE_NAME);
    params.subject_alt_names.push(SanType::URI("spiffe://heng.local/role/any".try_into()?));
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    Ok(params)
}

fn name(text: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, text);
    name
}

/// Only the owner may read it.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    let mut file = file.with_context(|| format!("write {}", path.display()))?;
    file.write_all(text.as_bytes()).with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn papers_are_made_once_and_fit() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = of(folder.path()).expect("papers");
        let before = std::fs::read(&files.certificate).expect("a file");
        assert_eq!(of(folder.path()).expect("the same papers"), files);
        assert_eq!(std::fs::read(&files.certificate).expect("a file"), before);
        heng_transport::server_config(&files, &[]).expect("a server's settings");
        heng_transport::client_config(&files).expect("a client's settings");
    }
}
