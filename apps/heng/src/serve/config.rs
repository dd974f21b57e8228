//! The configuration file of a process: TOML, every key optional, unknown keys refused.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use heng_compliance::Witness;
use heng_marketdata::PushLimits;
use heng_model::{PartitionId, Seq};
use heng_security::evidence::{Algorithm, VerifierKey};
use heng_security::tls::{Door, LinkPapers, PemFiles};
use heng_trading::{FixVenueOptions, VenueTimes};
use heng_transport::fix::{FixApplicationKind, FixSessionConfig};
use heng_transport::{Front, Network, ProxyHeader, ServerOptions};
use serde::Deserialize;

use super::fix_proof;
use super::identity_config::IdentityConfig;
use super::logs::LogConfig;
use super::venue_tls::VenueTls;

/// Everything that can be configured.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The HTTP door.
    pub http: HttpConfig,
    /// The FIX door.
    pub fix: FixConfig,
    /// The core: where it listens, or where it is.
    pub core: CoreConfig,
    /// The certificate of this process for links between roles.
    pub tls: Option<RoleTls>,
    /// The tables of the services.
    pub store: StoreConfig,
    /// The simulated market.
    pub market: MarketConfig,
    /// Whether clients' own money is at stake: then what only simulates is refused.
    pub production: bool,
    /// Where orders trade.
    pub venues: VenuesConfig,
    /// The evidence log.
    pub evidence: EvidenceConfig,
    /// Keys of what is stored.
    pub keys: KeysConfig,
    /// Passkeys and fresh proofs.
    pub identity: IdentityConfig,
    /// The log of the process.
    pub log: LogConfig,
}

/// `[evidence]`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct EvidenceConfig {
    /// Name of a new log: a URL without its scheme, for example `log.broker.example/2026`; none = a random one. A log
    /// that is there keeps its name.
    pub origin: Option<String>,
    /// Who cosigns; none = two of its own in a demonstration, else nobody.
    pub witnesses: Vec<WitnessConfig>,
}

/// `[[evidence.witnesses]]`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct WitnessConfig {
    /// What its addresses begin with, for example `http://127.0.0.1:8650`.
    pub url: String,
    /// Its verifier key (C2SP signed-note, cosignature/v1).
    pub key: String,
}

impl WitnessConfig {
    /// As the evidence log takes it.
    ///
    /// # Errors
    /// If the key is none of a witness, or the address no plain HTTP.
    pub fn witness(&self) -> anyhow::Result<Witness> {
        let key: VerifierKey = self.key.parse().context("evidence.witnesses.key")?;
        let cosigns = key.algorithm() == Algorithm::Cosignature;
        anyhow::ensure!(cosigns, "evidence.witnesses.key {}: it is no key of a witness", key.name());
        let plain = self.url.starts_with("http://") && !self.url.ends_with('/');
        anyhow::ensure!(plain, "evidence.witnesses.url {:?}: http://host:port, without / at its end", self.url);
        Ok(Witness { url: self.url.clone(), key })
    }
}

/// `[http]`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Where to listen; port 0 = any free one. Default 127.0.0.1:8600.
    pub address: SocketAddr,
    /// Certificates; with any of them the door speaks TLS only.
    pub tls: Option<DoorTls>,
    /// Who ends TLS in front of this door, in words for auditors: `nginx on 10.0.0.5`. Without it a plain door beyond
    /// loopback is refused in production. With it cookies and headers are those of TLS; name the proxies as well.
    pub tls_ends_at: Option<String>,
    /// Proxies whose word about a caller's address is taken: addresses and networks like 10.1.0.0/16.
    pub trusted_proxies: Vec<String>,
    /// Where they tell it: x-forwarded-for or forwarded (RFC 7239). Default: x-forwarded-for.
    pub proxy_header: ProxyHeaderName,
    /// Requests a second of one principal; twice as many in a burst.
    pub principal_per_s: NonZeroU32,
    /// Requests a second of one address without a good credential, sign-ins and requests for tokens among them; of
    /// these a tenth by one name.
    pub stranger_per_s: NonZeroU32,
    /// Connections at once.
    pub connections_max: usize,
    /// Requests at once.
    pub requests_max: usize,
    /// Largest body in bytes, 8,192 to 4,194,304.
    pub body_max: usize,
    /// Seconds that a request may take, 1 to 600.
    pub request_max_s: u64,
    /// Seconds after which a silent connection is closed, 1 to 3,600.
    pub silence_max_s: u64,
    /// Bytes that the kernel takes for one connection ahead of its client, 16,384 to 16,777,216; 0 = as it likes. The
    /// less it is, the earlier a slow subscriber is noticed.
    pub send_buffer: u32,
    /// Market data streams at once, not more than connections.
    pub streams_max: usize,
    /// Market data streams of one principal at once.
    pub principal_streams_max: usize,
    /// Instruments that one market data stream follows at most.
    pub stream_symbols_max: usize,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 8600)),
            tls: None,
            tls_ends_at: None,
            trusted_proxies: Vec::new(),
            proxy_header: ProxyHeaderName::ForwardedFor,
            principal_per_s: NonZeroU32::new(2_000).expect("not zero"),
            stranger_per_s: NonZeroU32::new(50).expect("not zero"),
            connections_max: 16_384,
            requests_max: 512,
            body_max: 64 * 1_024,
            request_max_s: 10,
            silence_max_s: 60,
            send_buffer: 128 * 1_024,
            streams_max: 16_384,
            principal_streams_max: 1_024,
            stream_symbols_max: 200,
        }
    }
}

impl HttpConfig {
    /// As the server takes it.
    #[must_use]
    pub fn server(&self) -> ServerOptions {
        ServerOptions {
            connections_max: self.connections_max,
            requests_max: self.requests_max,
            body_max: self.body_max,
            request_max: Duration::from_secs(self.request_max_s),
            silence_max: Duration::from_secs(self.silence_max_s),
            send_buffer: self.send_buffer,
            ..ServerOptions::at(self.address)
        }
    }

    /// What stands in front of the door. Whoever is no proxy has been refused by `check`.
    #[must_use]
    pub fn front(&self) -> Front {
        let header = match self.proxy_header {
            ProxyHeaderName::ForwardedFor => ProxyHeader::ForwardedFor,
            ProxyHeaderName::Forwarded => ProxyHeader::Forwarded,
        };
        let trusted = self.trusted_proxies.iter().filter_map(|text| text.parse().ok()).collect();
        Front { trusted, header, secured: self.tls_ends_at.is_some() || self.tls.is_some() }
    }

    /// Whether browsers reach the door under TLS.
    #[must_use]
    pub const fn is_secured(&self) -> bool {
        self.tls_ends_at.is_some() || self.tls.is_some()
    }

    fn check_front(&self) -> anyhow::Result<()> {
        anyhow::ensure!(self.trusted_proxies.len() <= 64, "http.trusted_proxies: at most 64");
        for text in &self.trusted_proxies {
            text.parse::<Network>().map_err(|wrong| anyhow::anyhow!("http.trusted_proxies: {text} {wrong}"))?;
        }
        anyhow::ensure!(
            self.tls_ends_at.is_none() || !self.trusted_proxies.is_empty(),
            "http.tls_ends_at: name the proxies in http.trusted_proxies as well, or all callers have their address"
        );
        Ok(())
    }

    /// As market data takes it.
    #[must_use]
    pub fn push(&self) -> PushLimits {
        PushLimits {
            streams_max: self.streams_max,
            principal_streams_max: self.principal_streams_max,
            symbols_max: self.stream_symbols_max,
            ..PushLimits::default()
        }
    }

    /// Tries to prove who one is, a second: of one address, and of one name.
    #[must_use]
    pub fn sign_ins_per_s(&self) -> (NonZeroU32, NonZeroU32) {
        (self.stranger_per_s, NonZeroU32::new(self.stranger_per_s.get() / 10).unwrap_or(NonZeroU32::MIN))
    }

    fn check(&self) -> anyhow::Result<()> {
        self.tls.as_ref().map_or(Ok(()), |tls| tls.check("http.tls"))?;
        self.check_front()?;
        anyhow::ensure!(
            self.requests_max >= 1 && self.requests_max < self.connections_max,
            "http.requests_max must be at least 1 and below http.connections_max"
        );
        anyhow::ensure!((8_192..=4 << 20).contains(&self.body_max), "http.body_max: 8192 to 4194304 bytes");
        anyhow::ensure!((1..=600).contains(&self.request_max_s), "http.request_max_s: 1 to 600");
        anyhow::ensure!((1..=3_600).contains(&self.silence_max_s), "http.silence_max_s: 1 to 3600");
        let buffer = self.send_buffer == 0 || (16_384..=16 << 20).contains(&self.send_buffer);
        anyhow::ensure!(buffer, "http.send_buffer: 0, or 16384 to 16777216 bytes");
        let streams = (1..=self.connections_max).contains(&self.streams_max);
        anyhow::ensure!(streams, "http.streams_max must be at least 1 and not above http.connections_max");
        anyhow::ensure!(self.principal_streams_max >= 1, "http.principal_streams_max must be at least 1");
        anyhow::ensure!((1..=1_000).contains(&self.stream_symbols_max), "http.stream_symbols_max: 1 to 1000");
        Ok(())
    }
}

/// Headers in which proxies tell where a request came from.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub enum ProxyHeaderName {
    /// `X-Forwarded-For`.
    #[serde(rename = "x-forwarded-for")]
    ForwardedFor,
    /// `Forwarded` of RFC 7239.
    #[serde(rename = "forwarded")]
    Forwarded,
}

/// `[fix]`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct FixConfig {
    /// Where to listen; port 0 = any free one. Default 127.0.0.1:8610.
    pub address: SocketAddr,
    /// Certificates; with any of them the door speaks TLS only.
    pub tls: Option<DoorTls>,
    /// Who ends TLS in front of this door, in words for auditors; without it a plain door beyond loopback is refused in
    /// production.
    pub tls_ends_at: Option<String>,
    /// The sessions; none = one demo session where there are demo clients.
    pub sessions: Vec<FixSession>,
}

impl Default for FixConfig {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 8610)),
            tls: None,
            tls_ends_at: None,
            sessions: Vec::new(),
        }
    }
}

/// `[[fix.sessions]]`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct FixSession {
    /// BeginString, for example FIX.4.4 or FIXT.1.1.
    pub begin: String,
    /// DefaultApplVerID of FIXT.1.1: 7 = FIX 5.0, 8 = SP1, 9 = SP2; names like FIX.5.0SP2 are understood too.
    pub default_appl_ver: Option<String>,
    /// Our CompID.
    pub sender: String,
    /// The other side's CompID.
    pub target: String,
    /// Heartbeat interval in seconds, if the other side does not tell one.
    #[serde(default = "heartbeat_s")]
    pub heartbeat_s: u32,
    /// Sequence numbers begin at 1 with every logon.
    #[serde(default)]
    pub reset_on_logon: bool,
    /// What answers.
    #[serde(default)]
    pub application: FixApplicationKind,
    /// Sign-in name of the principal for whom a session acts that trades or hears drop copies; none = the first demo
    /// client.
    pub user: Option<String>,
    /// What the counterparty's Logon must bring as Password (554): `file:PATH` or `env:NAME` of the password or its
    /// argon2id hash; none = no password.
    #[serde(default)]
    pub password: Option<String>,
    /// What it must bring beside it as Username (553); none = any.
    #[serde(default)]
    pub username: Option<String>,
    /// SHA-256 of the certificates (DER) one of which it must show in the TLS handshake; empty = none is asked for.
    #[serde(default)]
    pub client_certificate_sha256: Vec<String>,
}

const fn heartbeat_s() -> u32 {
    30
}

impl FixSession {
    /// The session of a demonstration.
    #[must_use]
    pub fn demo() -> Self {
        Self {
            begin: "FIX.4.4".into(),
            default_appl_ver: None,
            sender: "HENG".into(),
            target: "DEMO".into(),
            heartbeat_s: heartbeat_s(),
            reset_on_logon: false,
            application: FixApplicationKind::Trading,
            user: None,
            password: None,
            username: None,
            client_certificate_sha256: Vec::new(),
        }
    }

    /// The drop copy of a demonstration: it hears what its client does through every door, while it is logged on.
    #[must_use]
    pub fn demo_copy() -> Self {
        let application = FixApplicationKind::DropCopy;
        Self { target: "DEMO-COPY".into(), reset_on_logon: true, application, ..Self::demo() }
    }

    /// As the FIX engine takes it.
    #[must_use]
    pub fn session(&self) -> FixSessionConfig {
        FixSessionConfig {
            begin: self.begin.clone(),
            default_appl_ver: self.default_appl_ver.clone(),
            sender: self.sender.clone(),
            target: self.target.clone(),
            heartbeat_s: self.heartbeat_s,
            reset_on_logon: self.reset_on_logon,
            application: self.application,
        }
    }
}

/// `[core]`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct CoreConfig {
    /// Where the core role listens for other roles; none = it is reached in this process only.
    pub listen: Option<SocketAddr>,
    /// Where the core is, for a process without the core role.
    pub url: Option<SocketAddr>,
    /// The name in the core's certificate.
    pub name: Option<String>,
}

/// `[tls]`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct RoleTls {
    /// PEM chain of this process.
    pub certificate: PathBuf,
    /// PEM key of this process.
    pub key: PathBuf,
    /// PEM certificates of the authorities that issue role certificates.
    pub authorities: PathBuf,
}

impl RoleTls {
    /// As a link takes it.
    #[must_use]
    pub fn papers(&self) -> LinkPapers {
        let own = PemFiles { certificate: self.certificate.clone(), key: self.key.clone() };
        LinkPapers { own, authorities: self.authorities.clone() }
    }
}

/// `[http.tls]` and `[fix.tls]`: what a door shows. Callers that offer SM (RFC 8998) get SM where there is an SM2
/// certificate, all others the usual suites where there is another one.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct DoorTls {
    /// PEM chain on P-256, RSA or Ed25519.
    pub certificate: Option<PathBuf>,
    /// Its PEM key.
    pub key: Option<PathBuf>,
    /// PEM chain on the SM2 curve.
    pub sm2_certificate: Option<PathBuf>,
    /// Its PEM key.
    pub sm2_key: Option<PathBuf>,
}

fn pair(certificate: Option<&PathBuf>, key: Option<&PathBuf>) -> Option<PemFiles> {
    Some(PemFiles { certificate: certificate?.clone(), key: key?.clone() })
}

impl DoorTls {
    fn check(&self, name: &str) -> anyhow::Result<()> {
        let halves = [(&self.certificate, &self.key, ""), (&self.sm2_certificate, &self.sm2_key, "sm2_")];
        for (certificate, key, kind) in halves {
            anyhow::ensure!(
                certificate.is_some() == key.is_some(),
                "{name}.{kind}certificate and {name}.{kind}key are given together or not at all"
            );
        }
        anyhow::ensure!(self.certificate.is_some() || self.sm2_certificate.is_some(), "{name} names no certificate");
        Ok(())
    }

    /// The door's settings; `protocols` are offered by ALPN, the best first.
    ///
    /// # Errors
    /// If a file cannot be used.
    pub fn open(&self, protocols: &[&str]) -> anyhow::Result<Door> {
        let (usual, national) = self.pairs();
        Ok(Door::open(usual.as_ref(), national.as_ref(), protocols)?)
    }

    /// The same for a door that asks callers for a certificate of their own.
    ///
    /// # Errors
    /// If a file cannot be used.
    pub fn open_asking(&self, protocols: &[&str]) -> anyhow::Result<Door> {
        let (usual, national) = self.pairs();
        Ok(Door::asking(usual.as_ref(), national.as_ref(), protocols)?)
    }

    fn pairs(&self) -> (Option<PemFiles>, Option<PemFiles>) {
        let usual = pair(self.certificate.as_ref(), self.key.as_ref());
        (usual, pair(self.sm2_certificate.as_ref(), self.sm2_key.as_ref()))
    }
}

/// `[keys]`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct KeysConfig {
    /// The master key of the data folder's key ring, as `heng keys` takes it: `file:…`, `pkcs11:…` or `sdf:…`. With a
    /// ring in the folder journal, event log and snapshots are encrypted; naming a master key without a ring is an error.
    pub url: Option<String>,
}

/// `[store]`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// `sqlite` (files in the data folder) or `postgres://…`.
    pub url: String,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { url: "sqlite".into() }
    }
}

/// `[market]`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct MarketConfig {
    /// Whether the core role trades a simulated market all day.
    pub simulate: bool,
    /// Orders of the background flow in a second.
    pub flow: u32,
    /// Client accounts of a new market.
    pub clients: u32,
    /// Instruments of a new market.
    pub instruments: u32,
    /// Seed of a new market.
    pub seed: u64,
}

impl Default for MarketConfig {
    fn default() -> Self {
        Self { simulate: true, flow: 200, clients: 2_000, instruments: 100, seed: 1 }
    }
}

/// `[venues]`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct VenuesConfig {
    /// Our own matching engine.
    pub internal: InternalConfig,
    /// Venues elsewhere that speak FIX.
    pub fix: Vec<FixVenueConfig>,
}

/// `[venues.internal]`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct InternalConfig {
    /// Whether the broker is licensed to match orders itself (Securities Law, articles 37 and 38).
    pub licensed: bool,
}

/// `[[venues.fix]]`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct FixVenueConfig {
    /// What people call it; letters, digits, `-`.
    pub name: String,
    /// The venue partition whose instruments trade there; not 0, which is the core's own.
    pub partition: u16,
    /// Its gateways, the preferred one first.
    pub addresses: Vec<SocketAddr>,
    /// BeginString.
    #[serde(default = "fix44")]
    pub begin: String,
    /// Our CompID.
    pub sender: String,
    /// The venue's CompID.
    pub target: String,
    /// Heartbeat interval in seconds.
    #[serde(default = "heartbeat_s")]
    pub heartbeat_s: u32,
    /// Sequence numbers begin at 1 with every logon.
    #[serde(default)]
    pub reset_on_logon: bool,
    /// The broker's own code at the venue; empty = left out.
    #[serde(default)]
    pub account: String,
    /// Milliseconds without a report until an order's state is unknown and enquired about.
    #[serde(default = "answer_max_ms")]
    pub answer_max_ms: u64,
    /// Seconds that an order may wait for the venue to come back; then it is refused.
    #[serde(default = "waiting_max_s")]
    pub waiting_max_s: u64,
    /// TLS towards its gateways.
    pub tls: Option<VenueTls>,
    /// Who makes TLS of what we send in the clear, where that is not this process: a leased line's cipher machine, a proxy.
    pub tls_begins_at: Option<String>,
}

fn fix44() -> String {
    "FIX.4.4".into()
}

const fn answer_max_ms() -> u64 {
    2_000
}

const fn waiting_max_s() -> u64 {
    30
}

/// Whoever stands in for TLS of ours has a name.
fn named(key: &str, who: Option<&str>) -> anyhow::Result<()> {
    let fits = who.is_none_or(|who| (1..=200).contains(&who.trim().chars().count()));
    anyhow::ensure!(fits, "{key}: 1 to 200 characters");
    Ok(())
}

impl FixVenueConfig {
    /// As the adapter takes it; its notes are kept in `folder`.
    ///
    /// # Errors
    /// If a certificate or key cannot be used.
    pub fn options(&self, folder: PathBuf) -> anyhow::Result<FixVenueOptions> {
        Ok(FixVenueOptions {
            tls: self.tls.as_ref().map(VenueTls::open).transpose()?,
            name: self.name.clone(),
            partition: PartitionId(self.partition),
            session: self.session(),
            addresses: self.addresses.clone(),
            pauses: (Duration::from_millis(100), Duration::from_secs(5)),
            account: self.account.clone(),
            instruments: Vec::new(),
            first: Seq(1),
            folder,
            times: VenueTimes {
                answer_max: Duration::from_millis(self.answer_max_ms),
                waiting_max: Duration::from_secs(self.waiting_max_s),
                ..VenueTimes::default()
            },
        })
    }

    fn session(&self) -> FixSessionConfig {
        FixSessionConfig {
            begin: self.begin.clone(),
            default_appl_ver: None,
            sender: self.sender.clone(),
            target: self.target.clone(),
            heartbeat_s: self.heartbeat_s,
            reset_on_logon: self.reset_on_logon,
            application: FixApplicationKind::Trading,
        }
    }

    fn check(&self, production: bool) -> anyhow::Result<()> {
        let plain = !self.name.is_empty() && self.name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        anyhow::ensure!(plain, "venues.fix.name {:?}: letters, digits and - only", self.name);
        anyhow::ensure!(self.partition != 0, "venues.fix.partition: 0 is the core's own");
        anyhow::ensure!(!self.addresses.is_empty(), "venues.fix.addresses: at least one");
        self.session().identity()?;
        if let Some(tls) = &self.tls {
            tls.check().context("venues.fix.tls")?;
        }
        named("venues.fix.tls_begins_at", self.tls_begins_at.as_deref())?;
        let near = self.addresses.iter().all(|address| address.ip().to_canonical().is_loopback());
        anyhow::ensure!(
            !production || near || self.tls.is_some() || self.tls_begins_at.is_some(),
            "venues.fix {}: its addresses are not loopback and nothing encrypts: with production = true give it \
             [venues.fix.tls], or name who makes TLS in tls_begins_at",
            self.name
        );
        Ok(())
    }
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read, is no TOML, or holds a key that is not known.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("read {}", path.display()))
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let config: Self = toml::from_str(text)?;
        config.check()?;
        Ok(config)
    }

    /// The file, or the defaults where none is given.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn read_or_default(path: Option<&Path>) -> anyhow::Result<Self> {
        path.map_or_else(|| Ok(Self::default()), Self::read)
    }

    /// Money and personal data never leave the machine in the clear: a plain door beyond loopback needs a name for who
    /// ends TLS before it (GB/T 39786, communication security).
    fn check_doors(&self) -> anyhow::Result<()> {
        let (http, fix) = (&self.http, &self.fix);
        let doors = [
            ("http", http.address, http.tls.is_some() || http.tls_ends_at.is_some()),
            ("fix", fix.address, fix.sessions.is_empty() || fix.tls.is_some() || fix.tls_ends_at.is_some()),
        ];
        for (name, address, guarded) in doors {
            anyhow::ensure!(
                !self.production || guarded || address.ip().to_canonical().is_loopback(),
                "{name}.address {address} is not loopback and the door is plain: with production = true give it \
                 [{name}.tls], or name who ends TLS before it in {name}.tls_ends_at"
            );
        }
        named("http.tls_ends_at", http.tls_ends_at.as_deref())?;
        named("fix.tls_ends_at", fix.tls_ends_at.as_deref())
    }

    fn check(&self) -> anyhow::Result<()> {
        self.http.check()?;
        self.identity.check(self.production)?;
        self.log.check()?;
        self.check_doors()?;
        anyhow::ensure!(self.fix.sessions.len() <= 1_000, "fix.sessions: at most 1000");
        for session in &self.fix.sessions {
            session.session().identity()?;
        }
        fix_proof::check(&self.fix, self.production)?;
        self.venues.fix.iter().try_for_each(|venue| venue.check(self.production))?;
        anyhow::ensure!(self.evidence.witnesses.len() <= 16, "evidence.witnesses: at most 16");
        self.evidence.witnesses.iter().try_for_each(|witness| witness.witness().map(drop))?;
        heng_trading::check_internal_licence(self.production, self.venues.internal.licensed)?;
        anyhow::ensure!(self.market.flow <= 5_000, "market.flow: at most 5000 orders a second");
        let store = &self.store.url;
        anyhow::ensure!(
            store == "sqlite" || store.starts_with("postgres://") || store.starts_with("postgresql://"),
            "store.url must be \"sqlite\" or begin with postgres://"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let error = Config::parse(text).expect_err(text);
        assert!(format!("{error:#}").contains(expected), "{error:#}");
    }

    #[test]
    fn nothing_is_needed_and_everything_is_read() {
        assert_eq!(Config::parse("").expect("empty"), Config::default());
        let text = r#"
            [http]
            address = "127.0.0.1:0"
            connections_max = 20000
            streams_max = 20000
            principal_streams_max = 10000
            send_buffer = 65536
            stranger_per_s = 300
            [core]
            url = "127.0.0.1:7600"
            [tls]
            certificate = "a.pem"
            key = "a.key"
            authorities = "ca.pem"
            [[fix.sessions]]
            begin = "FIXT.1.1"
            default_appl_ver = "FIX.5.0SP2"
            sender = "HENG"
            target = "PARTNER"
            reset_on_logon = true
            application = "echo"
        "#;
        let config = Config::parse(text).expect("a good file");
        assert_eq!(config.fix.sessions[0].application, FixApplicationKind::Echo);
        assert_eq!(config.fix.sessions[0].heartbeat_s, 30);
        assert_eq!(config.core.url.map(|url| url.port()), Some(7600));
        let (push, server) = (config.http.push(), config.http.server());
        assert_eq!((push.streams_max, push.principal_streams_max), (20_000, 10_000));
        assert_eq!((server.connections_max, server.send_buffer), (20_000, 65_536));
        let (address, name) = config.http.sign_ins_per_s();
        assert_eq!((address.get(), name.get()), (300, 30));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        check("[http]\nport = 1", "unknown field `port`");
        check("[store]\nurl = \"mysql://x\"", "store.url");
        check("[http.tls]\nkey = \"x\"", "together");
        check("[http]\nsend_buffer = 100", "http.send_buffer");
        check("[http]\nconnections_max = 10\nrequests_max = 5", "http.streams_max");
        check("[http]\nprincipal_streams_max = 0", "http.principal_streams_max");
        check("[http]\nbody_max = 10", "http.body_max");
        check("[[fix.sessions]]\nbegin = \"FIX.4.4\"\nsender = \"A\"", "missing field `target`");
        check("[market]\nflow = 100000", "market.flow");
        check("production = true", "licen");
        let witness = "[[evidence.witnesses]]\nurl = \"http://127.0.0.1:1\"\nkey = ";
        check(&format!("{witness}\"x\""), "evidence.witnesses.key");
        let ed25519 = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        check(&format!("{witness}\"{ed25519}\""), "no key of a witness");
        let venue = "[[venues.fix]]\nname = \"sse\"\nsender = \"A\"\ntarget = \"B\"\naddresses = [\"127.0.0.1:1\"]";
        check(&format!("{venue}\npartition = 0"), "venues.fix.partition");
        assert_eq!(Config::parse(&format!("{venue}\npartition = 1")).expect("a venue").venues.fix.len(), 1);
    }

    #[test]
    fn plain_doors_beyond_loopback_are_refused_in_production() {
        let base = "production = true\n[venues.internal]\nlicensed = true\n";
        let session = "[[fix.sessions]]\nbegin = \"FIX.4.4\"\nsender = \"A\"\ntarget = \"B\"\n";
        let echo = "application = \"echo\"\n";
        check(&format!("{base}[http]\naddress = \"0.0.0.0:443\""), "http.tls_ends_at");
        check(&format!("{base}[fix]\naddress = \"10.0.0.1:8610\"\n{session}"), "fix.tls_ends_at");
        let proxy = "tls_ends_at = \"nginx on 10.0.0.5\"";
        check(&format!("{base}[http]\naddress = \"0.0.0.0:80\"\n{proxy}"), "http.trusted_proxies");
        check("[http]\ntrusted_proxies = [\"10.0.0.0/40\"]", "http.trusted_proxies: 10.0.0.0/40");
        check("[http]\ntrusted_proxies = [\"10.0.0.5\"]\ntls_ends_at = \" \"", "1 to 200");
        check("[log]\nfiles = 0", "log.files");
        let venue = "[[venues.fix]]\nname = \"x\"\npartition = 1\nsender = \"A\"\ntarget = \"B\"\n";
        let (far, near) = ("addresses = [\"10.0.0.5:9876\"]\n", "addresses = [\"127.0.0.1:9876\"]\n");
        let tls = "[venues.fix.tls]\nserver_name = \"gw.example\"\nauthorities = \"ca.pem\"\n";
        check(&format!("{base}{venue}{far}"), "tls_begins_at");
        check(&format!("{base}{venue}{far}tls_begins_at = \" \""), "1 to 200");
        check(&format!("{venue}{near}{tls}key = \"a\""), "together");
        check(&format!("{venue}{near}{}", tls.replace("gw.example", "gw..example")), "server_name");
        check("[log]\nformat = \"xml\"", "unknown variant");
        for good in [
            "[http]\naddress = \"0.0.0.0:8600\"".to_owned(),
            base.to_owned(),
            format!("{base}[http]\naddress = \"[::1]:80\""),
            format!("{base}[fix]\naddress = \"10.0.0.1:8610\""),
            format!("{base}[http]\naddress = \"0.0.0.0:80\"\n{proxy}\ntrusted_proxies = [\"10.0.0.5\"]"),
            format!("{base}[fix]\naddress = \"10.0.0.1:8610\"\ntls_ends_at = \"stunnel on 10.0.0.1\"\n{session}{echo}"),
            format!("{base}{venue}{far}{tls}"),
            format!("{base}{venue}{far}tls_begins_at = \"the line's cipher machine\""),
            format!("{base}{venue}{near}"),
            format!("{base}[http]\naddress = \"0.0.0.0:443\"\n[http.tls]\ncertificate = \"a\"\nkey = \"b\""),
        ] {
            Config::parse(&good).expect(&good);
        }
        let proxied = "[http]\nproxy_header = \"forwarded\"\ntrusted_proxies = [\"10.0.0.5\"]\ntls_ends_at = \"it\"";
        let front = Config::parse(proxied).expect("a good file").http.front();
        assert_eq!((front.trusted.len(), front.header, front.secured), (1, ProxyHeader::Forwarded, true));
    }
}
