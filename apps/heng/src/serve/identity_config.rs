//! `[identity]`: whom browsers hand passkeys to, and by what people prove grave operations.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use heng_identity::{IdentityOptions, PasskeyOptions, Places};
use serde::Deserialize;

use super::config::Config;
use super::oidc_config::OidcConfig;

/// `[identity]`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct IdentityConfig {
    /// The console's domain, or one above it; with `origin`. Default: localhost.
    pub rp_id: Option<String>,
    /// Where people open the console, as browsers tell it: `https://broker.example`. Default: localhost at any port.
    pub origin: Option<String>,
    /// A directory of places (CSV with the columns network, latitude, longitude), by which impossible travel is judged.
    pub places: Option<PathBuf>,
    /// Whoever has no passkey proves grave operations by a one-time code. Default: true.
    pub step_up_totp: Option<bool>,
    /// Clients without any second factor prove them by the password. Default: true, unless `production`.
    pub step_up_password: Option<bool>,
    /// The provider by which staff sign on.
    pub oidc: Option<OidcConfig>,
    /// Words that passwords must not be built around: names and products of the firm. At most 200, of 3 to 64 characters.
    pub firm_words: Vec<String>,
}

impl IdentityConfig {
    pub(crate) fn check(&self, production: bool) -> anyhow::Result<()> {
        if let Some(oidc) = &self.oidc {
            oidc.check(self.origin.as_deref(), production)?;
        }
        let fits = |word: &String| (3..=64).contains(&word.chars().count());
        anyhow::ensure!(
            self.firm_words.len() <= 200 && self.firm_words.iter().all(fits),
            "identity.firm_words: at most 200, of 3 to 64 characters"
        );
        anyhow::ensure!(
            self.rp_id.is_some() == self.origin.is_some(),
            "identity.rp_id and identity.origin are given together or not at all"
        );
        let (Some(rp_id), Some(origin)) = (&self.rp_id, &self.origin) else { return Ok(()) };
        let host =
            origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://localhost").map(|_| "localhost"));
        let host = host.context("identity.origin: begins with https://, or is http://localhost")?;
        let host = host.split([':', '/']).next().unwrap_or_default();
        let fits = host == rp_id || host.strip_suffix(rp_id.as_str()).is_some_and(|rest| rest.ends_with('.'));
        anyhow::ensure!(
            fits && rp_id.parse::<std::net::IpAddr>().is_err(),
            "identity.rp_id: the domain of origin, or one above it"
        );
        Ok(())
    }
}

/// How the identity role behaves in this process.
///
/// # Errors
/// If the directory of places or a secret that the configuration names cannot be read.
pub(crate) fn options(config: &Config) -> anyhow::Result<IdentityOptions> {
    let (address_per_s, name_per_s) = config.http.sign_ins_per_s();
    let secured = config.http.is_secured();
    let asked = &config.identity;
    let passkeys = match (&asked.rp_id, &asked.origin) {
        (Some(rp_id), Some(origin)) => PasskeyOptions { rp_id: rp_id.clone(), origin: origin.clone(), any_port: false },
        _ if secured => PasskeyOptions { origin: "https://localhost".into(), ..PasskeyOptions::default() },
        _ => PasskeyOptions::default(),
    };
    let origin = asked.origin.as_deref().unwrap_or_default();
    let oidc = asked.oidc.as_ref().map(|oidc| oidc.options(origin)).transpose()?;
    Ok(IdentityOptions {
        oidc,
        address_per_s,
        name_per_s,
        passkeys,
        step_up_totp: asked.step_up_totp.unwrap_or(true),
        step_up_password: asked.step_up_password.unwrap_or(!config.production),
        places: asked.places.as_deref().map(places).transpose()?,
        firm_words: asked.firm_words.clone(),
        ..IdentityOptions::default()
    })
}

fn places(path: &Path) -> anyhow::Result<Arc<Places>> {
    let file = File::open(path).with_context(|| format!("open identity.places {}", path.display()))?;
    let read = Places::read(BufReader::new(file)).map_err(anyhow::Error::msg);
    read.map(Arc::new).with_context(|| format!("read identity.places {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rp_id: Option<&str>, origin: Option<&str>, expected: bool) {
        let own = |text: Option<&str>| text.map(str::to_owned);
        let config = IdentityConfig { rp_id: own(rp_id), origin: own(origin), ..IdentityConfig::default() };
        assert_eq!(config.check(false).is_ok(), expected, "{rp_id:?} {origin:?}");
    }

    #[test]
    fn the_relying_party_is_the_origins_domain() {
        check(None, None, true);
        check(Some("broker.example"), Some("https://broker.example"), true);
        check(Some("broker.example"), Some("https://desk.broker.example:8443"), true);
        check(Some("localhost"), Some("http://localhost:8600"), true);
        check(Some("broker.example"), None, false);
        check(Some("broker.example"), Some("http://broker.example"), false);
        check(Some("broker.example"), Some("https://evilbroker.example"), false);
        check(Some("127.0.0.1"), Some("https://127.0.0.1"), false);
    }
}
