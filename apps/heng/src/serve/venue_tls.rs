//! What a configuration says of TLS towards a venue.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use heng_security::tls::{Outward, PemFiles};
use heng_transport::fix::FixClientTls;
use serde::Deserialize;

/// TLS towards a venue's gateways.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct VenueTls {
    /// The name that the gateways' certificates must have.
    pub server_name: String,
    /// PEM certificates of the authorities that issue them.
    pub authorities: PathBuf,
    /// Our own certificate (PEM), where the venue asks for one.
    pub certificate: Option<PathBuf>,
    /// Its key (PEM).
    pub key: Option<PathBuf>,
    /// Only the SM suites of RFC 8998. Default: the usual suites.
    #[serde(default)]
    pub national: bool,
}

impl VenueTls {
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        ensure!(
            self.certificate.is_some() == self.key.is_some(),
            "certificate and key are given together or not at all"
        );
        self.name().map(drop)
    }

    fn name(&self) -> anyhow::Result<rustls::pki_types::ServerName<'static>> {
        let name = rustls::pki_types::ServerName::try_from(self.server_name.clone());
        name.with_context(|| format!("server_name {:?}: a DNS name or an address", self.server_name))
    }

    /// As the adapter takes it.
    ///
    /// # Errors
    /// If a file cannot be used.
    pub(crate) fn open(&self) -> anyhow::Result<FixClientTls> {
        let own = self.certificate.clone().zip(self.key.clone());
        let own = own.map(|(certificate, key)| PemFiles { certificate, key });
        let outward = Outward { authorities: self.authorities.clone(), own, national: self.national };
        let config = outward.client().context("venues.fix.tls")?;
        Ok(FixClientTls { config, name: self.name()? })
    }
}
