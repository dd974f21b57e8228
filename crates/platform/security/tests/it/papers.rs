//! An authority's folder, as `heng ops ca` makes it.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use heng_security::ca::{Authority, Curve, Subject};
use heng_security::tls::{LinkPapers, PemFiles};

pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// An authority with the certificates of roles.
pub(crate) struct Papers {
    pub(crate) folder: tempfile::TempDir,
    authority: Authority,
}

pub(crate) fn id(role: &str) -> String {
    format!("spiffe://heng.local/role/{role}")
}

impl Papers {
    pub(crate) fn new(curve: Curve, roles: &[&str]) -> Self {
        let authority = Authority::new(curve, "test", SystemTime::now() - DAY, DAY * 10).unwrap();
        let papers = Self { folder: tempfile::tempdir().unwrap(), authority };
        std::fs::write(papers.path("authority.pem"), papers.authority.certificate().unwrap()).unwrap();
        for role in roles {
            papers.issue(role, role, SystemTime::now() - DAY, DAY * 2);
        }
        papers
    }

    /// Writes `file.pem` and `file.key` for `role`.
    pub(crate) fn issue(&self, file: &str, role: &str, from: SystemTime, lasts: Duration) {
        let dns_names = vec!["localhost".to_owned()];
        let issued = self.authority.issue(&Subject { spiffe_id: id(role), dns_names, from, lasts }).unwrap();
        std::fs::write(self.path(&format!("{file}.key")), issued.key).unwrap();
        std::fs::write(self.path(&format!("{file}.pem")), issued.certificate).unwrap();
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    pub(crate) fn files(&self, file: &str) -> PemFiles {
        PemFiles { certificate: self.path(&format!("{file}.pem")), key: self.path(&format!("{file}.key")) }
    }

    pub(crate) fn of(&self, file: &str) -> LinkPapers {
        LinkPapers { own: self.files(file), authorities: self.path("authority.pem") }
    }
}
