//! `[identity.oidc]`: the provider by which staff sign on. It proves who somebody is; roles are not taken from it.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use heng_identity::OidcOptions;
use serde::Deserialize;

use super::secret_source;

/// `[identity.oidc]`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct OidcConfig {
    /// The issuer, as the provider's discovery document tells it: `https://…`; plain HTTP on this machine only.
    pub issuer: String,
    /// Our name at the provider.
    pub client_id: String,
    /// What we prove ourselves with: `file:PATH` or `env:NAME`.
    pub client_secret: String,
    /// Scopes beside `openid`. Default: profile, email.
    #[serde(default = "scopes")]
    pub scopes: Vec<String>,
    /// What the button says.
    #[serde(default = "label")]
    pub name: String,
    /// The claim that names the user where `link_by_name` is on, and in the trail. Default: `preferred_username`;
    /// `email` counts only when the provider says that it is verified.
    #[serde(default = "claim")]
    pub claim: String,
    /// A second factor was proven at the provider if `acr` is one of these.
    #[serde(default)]
    pub second_factor_acr: Vec<String>,
    /// The same if `amr` holds one of these; where both are given, both must say so.
    #[serde(default)]
    pub second_factor_amr: Vec<String>,
    /// Link the first sign-on to the staff user of exactly the name that the claim tells. Default: an administrator links.
    #[serde(default)]
    pub link_by_name: bool,
    /// PEM certificates of the authorities of the provider's certificate. Default: those of browsers.
    #[serde(default)]
    pub authorities: Option<PathBuf>,
}

fn scopes() -> Vec<String> {
    ["profile", "email"].map(str::to_owned).to_vec()
}

fn label() -> String {
    "Single sign-on".to_owned()
}

fn claim() -> String {
    "preferred_username".to_owned()
}

/// Lists have at most so many words, and words at most so many characters.
const WORDS_MAX: usize = 16;
const WORD_MAX: usize = 200;

impl OidcConfig {
    /// `origin` is where people open the console.
    ///
    /// # Errors
    /// With the key that is wrong.
    pub(crate) fn check(&self, origin: Option<&str>, production: bool) -> anyhow::Result<()> {
        origin.context("identity.oidc needs identity.origin: the provider sends people back there")?;
        let near = ["http://localhost", "http://127.0.0.1", "http://[::1]"];
        let at_home = !production && near.iter().any(|place| on(&self.issuer, place));
        ensure!(
            self.issuer.starts_with("https://") || at_home,
            "identity.oidc.issuer: begins with https:// (plain HTTP only on this machine, and not in production)"
        );
        let plain_issuer = !self.issuer.contains(['?', '#', ' ']) && self.issuer.len() <= 512;
        ensure!(plain_issuer, "identity.oidc.issuer: an address without query and fragment");
        let plain = |text: &str| (1..=WORD_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        ensure!(plain(&self.client_id), "identity.oidc.client_id: 1 to {WORD_MAX} printable characters");
        let named = (1..=40).contains(&self.name.chars().count()) && !self.name.contains(char::is_control);
        ensure!(named, "identity.oidc.name: 1 to 40 characters");
        ensure!(plain(&self.claim), "identity.oidc.claim: the name of a claim");
        let lists = [
            ("scopes", &self.scopes),
            ("second_factor_acr", &self.second_factor_acr),
            ("second_factor_amr", &self.second_factor_amr),
        ];
        for (key, list) in lists {
            let fits = list.len() <= WORDS_MAX && list.iter().all(|word| plain(word));
            ensure!(fits, "identity.oidc.{key}: at most {WORDS_MAX} words without spaces");
        }
        secret_source::check("identity.oidc.client_secret", &self.client_secret)
    }

    /// As the identity role takes it.
    ///
    /// # Errors
    /// If the secret cannot be read.
    pub(crate) fn options(&self, origin: &str) -> anyhow::Result<OidcOptions> {
        Ok(OidcOptions {
            issuer: self.issuer.clone(),
            client_id: self.client_id.clone(),
            client_secret: secret_source::read("identity.oidc.client_secret", &self.client_secret)?,
            scopes: self.scopes.clone(),
            label: self.name.clone(),
            claim: self.claim.clone(),
            second_factor_acr: self.second_factor_acr.clone(),
            second_factor_amr: self.second_factor_amr.clone(),
            link_by_name: self.link_by_name,
            authorities: self.authorities.clone(),
            origin: origin.to_owned(),
        })
    }
}

/// Whether an address is on this host: its port or path may follow, and nothing else.
fn on(address: &str, host: &str) -> bool {
    address
        .strip_prefix(host)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']) && !rest.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Result<OidcConfig, toml::de::Error> {
        let usual = "client_id = \"heng\"\nclient_secret = \"env:OIDC\"\n";
        toml::from_str(&format!("{usual}{text}"))
    }

    fn check(text: &str, origin: Option<&str>, production: bool, expected: Option<&str>) {
        let told = config(text).expect("TOML").check(origin, production);
        match expected {
            None => told.expect(text),
            Some(part) => {
                let error = format!("{:#}", told.expect_err(text));
                assert!(error.contains(part), "{error}");
            }
        }
    }

    #[test]
    fn a_provider_is_over_tls_and_its_secret_elsewhere() {
        let (home, site) = (Some("http://localhost:8600"), Some("https://desk.example"));
        check("issuer = \"https://login.example/realms/a\"", site, true, None);
        check("issuer = \"http://127.0.0.1:3000\"", home, false, None);
        check("issuer = \"http://127.0.0.1:3000\"", home, true, Some("identity.oidc.issuer"));
        check("issuer = \"http://login.example\"", site, false, Some("identity.oidc.issuer"));
        check("issuer = \"http://localhost.evil.example\"", home, false, Some("identity.oidc.issuer"));
        check("issuer = \"http://localhost:1@evil.example\"", home, false, Some("identity.oidc.issuer"));
        check("issuer = \"https://login.example\"", None, false, Some("identity.origin"));
        check("issuer = \"https://login.example?a=b\"", site, false, Some("identity.oidc.issuer"));
        check("issuer = \"https://login.example\"\nscopes = [\"a b\"]", site, false, Some("identity.oidc.scopes"));
        check("issuer = \"https://login.example\"\nname = \"\"", site, false, Some("identity.oidc.name"));
        assert!(config("issuer = \"https://a\"\ngroups = []").is_err(), "roles are not taken from a provider");
        let plain = "issuer = \"https://a\"\nclient_id = \"heng\"\nclient_secret = \"s3cret\"";
        let plain: OidcConfig = toml::from_str(plain).expect("TOML");
        let error = format!("{:#}", plain.check(site, false).expect_err("a secret in the file"));
        assert!(error.contains("never the secret itself") && !error.contains("s3cret"), "{error}");
    }
}
