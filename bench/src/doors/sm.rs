//! What SM everywhere costs an order: the same orders through FIX at a plain broker and at one whose door speaks
//! TLS_SM4_GCM_SM3 with an SM2 certificate and whose folder is sealed by SM4, in alternated pairs in one run.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use heng_security::tls::{LinkPapers, PemFiles};
use serde::{Deserialize, Serialize};

use super::broker::Broker;
use super::child::{Load, run};
use super::plan::{PAIRS, Plan};
use super::spec::{Offer, OrderLoad};
use super::stages::fix_load;
use crate::clock::median;

/// Offered through FIX in each run.
const ORDERS_PER_S: f64 = 5_000.0;
/// Opens the key file of the sealed broker; it protects nothing beyond the run.
pub(super) const PASSPHRASE: (&str, &str) = ("HENG_KEYS_PASSPHRASE", "a passphrase of this run");
/// Whose certificate the door shows.
const ROLE: &str = "trading";

/// Papers for a TLS connection to the door.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Tls {
    folder: PathBuf,
}

impl Tls {
    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// What the configuration of the door says.
    pub(crate) fn door(&self) -> String {
        let (certificate, key) = (self.file("trading.pem"), self.file("trading.key"));
        format!("[fix.tls]\nsm2_certificate = {certificate:?}\nsm2_key = {key:?}\n")
    }

    /// Connects as a client that speaks SM alone and accepts the door's certificate alone.
    ///
    /// # Errors
    /// If the papers cannot be read or the handshake fails.
    pub(crate) async fn connect(
        &self,
        stream: tokio::net::TcpStream,
    ) -> io::Result<tokio_rustls::client::TlsStream<tokio::net::TcpStream>> {
        let own = PemFiles { certificate: self.file("trading.pem"), key: self.file("trading.key") };
        let papers = LinkPapers { own, authorities: self.file("authority.pem") };
        let client = papers.client(&[format!("spiffe://heng.local/role/{ROLE}")]).map_err(io::Error::other)?;
        let name = "heng-role".try_into().map_err(io::Error::other)?;
        tokio_rustls::TlsConnector::from(client).connect(name, stream).await
    }
}

fn heng(binary: &Path, words: &[&str], place: (&str, &Path)) -> io::Result<()> {
    let told = Command::new(binary).args(words).arg(place.0).arg(place.1).env(PASSPHRASE.0, PASSPHRASE.1).output()?;
    let said = || io::Error::other(format!("heng {words:?}: {}", String::from_utf8_lossy(&told.stderr)));
    if told.status.success() { Ok(()) } else { Err(said()) }
}

/// Certificates, and a key ring in the data folder of the broker that will be started in `folder`.
pub(super) fn papers(binary: &Path, folder: &Path) -> io::Result<Tls> {
    let ca = folder.join("ca");
    std::fs::create_dir_all(folder.join("data"))?;
    heng(binary, &["ops", "ca", "init", "--curve", "sm2"], ("--dir", &ca))?;
    heng(binary, &["ops", "ca", "issue", "--role", ROLE], ("--dir", &ca))?;
    let mut officers = Vec::new();
    for name in ["first", "second"] {
        let file = folder.join(name);
        std::fs::write(&file, format!("the password of the {name} officer"))?;
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        officers.push(format!("{name}=file:{}", file.display()));
    }
    let words = ["keys", "init", "--algorithm", "SM4-GCM", "--officer", &officers[0], "--officer", &officers[1]];
    heng(binary, &words, ("--data", &folder.join("data")))?;
    Ok(Tls { folder: ca })
}

/// The figures of all pairs.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct SmFigures {
    pub(crate) orders_per_s: f64,
    /// Medians of the ratios, SM ÷ plain.
    pub(crate) cpu_ratio: f64,
    pub(crate) p99_ratio: f64,
    pub(crate) cpu_ratios: Vec<f64>,
    pub(crate) p99_ratios: Vec<f64>,
    /// Processor time of the whole broker for an order.
    pub(crate) plain_cpu_us: Vec<f64>,
    pub(crate) sm_cpu_us: Vec<f64>,
    pub(crate) plain_p99_ms: Vec<f64>,
    pub(crate) sm_p99_ms: Vec<f64>,
    pub(crate) errors: u64,
}

/// Processor time for an order in µs, and p99 in ms.
async fn one(plan: &Plan, broker: &Broker, errors: &mut u64) -> Result<(f64, f64), Box<dyn Error>> {
    let how = Offer::PerSecond(ORDERS_PER_S);
    let load: OrderLoad = fix_load(broker, how, (plan.warm_s, plan.pair_s * 2.0))?;
    let before = broker.cpu_s()?;
    let outcome = run(Load::Fix, &load).await?;
    let spent = broker.cpu_s()? - before;
    *errors += outcome.errors;
    broker.cancel_all().await?;
    // The orders of the warm-up cost as well.
    let orders = outcome.achieved_per_s * (plan.warm_s + plan.pair_s * 2.0);
    Ok((spent * 1e6 / orders.max(1.0), outcome.p99_ms))
}

/// Measures the pairs; the broker that comes first changes from pair to pair.
pub(super) async fn measure(plan: &Plan, plain: &Broker, sealed: &Broker) -> Result<SmFigures, Box<dyn Error>> {
    let mut figures = SmFigures { orders_per_s: ORDERS_PER_S, ..SmFigures::default() };
    let mut errors = 0;
    for pair in 0..PAIRS {
        let (first, second) = if pair % 2 == 0 { (plain, sealed) } else { (sealed, plain) };
        let (one_of, other) = (one(plan, first, &mut errors).await?, one(plan, second, &mut errors).await?);
        let (plain, sm) = if pair % 2 == 0 { (one_of, other) } else { (other, one_of) };
        figures.plain_cpu_us.push(plain.0);
        figures.sm_cpu_us.push(sm.0);
        figures.plain_p99_ms.push(plain.1);
        figures.sm_p99_ms.push(sm.1);
        figures.cpu_ratios.push(sm.0 / plain.0);
        figures.p99_ratios.push(sm.1 / plain.1);
    }
    figures.errors = errors;
    figures.cpu_ratio = median(figures.cpu_ratios.clone());
    figures.p99_ratio = median(figures.p99_ratios.clone());
    Ok(figures)
}
