//! What a run found.

use std::collections::BTreeMap;

use serde::Serialize;

use super::parts::path;
use super::policy::PolicyFigures;
use crate::evidence::EvidenceFigures;
use crate::machine::Machine;

/// Figures by name: rates by the second, or microseconds where the name ends in `_us`.
type Figures = BTreeMap<String, Option<f64>>;

/// What OpenSSL is asked for; null until it was measured.
const OF_OPENSSL: [&str; 6] =
    ["sm4_gcm_8k_mb_s", "sm4_gcm_256b_us", "sm2_sign_per_s", "sm2_verify_per_s", "sm3_mb_s", "aes128_gcm_8k_mb_s"];

/// All figures of a run, as `--json` prints them.
#[derive(Serialize)]
pub(super) struct Report {
    quick: bool,
    /// The code that our SM4 ran.
    sm4_path: &'static str,
    #[serde(flatten)]
    ours: Figures,
    peers: BTreeMap<&'static str, Figures>,
    /// Leaves of the evidence log a second, and its proofs.
    #[serde(flatten)]
    evidence: EvidenceFigures,
    /// Microseconds of a policy decision.
    #[serde(flatten)]
    policy: PolicyFigures,
    /// Ours over theirs, each in this run.
    ratios: Figures,
    /// What is null, and why.
    not_measured: BTreeMap<String, String>,
    openssl: Vec<String>,
    seconds: f64,
    machine: Option<Machine>,
}

impl Report {
    pub(super) fn new(quick: bool) -> Self {
        let openssl = OF_OPENSSL.map(|name| (name.to_owned(), None)).into();
        let mut report = Self {
            quick,
            sm4_path: path(),
            ours: Figures::new(),
            peers: [("openssl", openssl), ("rustcrypto", Figures::new()), ("libsmx", Figures::new())].into(),
            evidence: EvidenceFigures::default(),
            policy: PolicyFigures::default(),
            ratios: Figures::new(),
            not_measured: BTreeMap::new(),
            openssl: Vec::new(),
            seconds: 0.0,
            machine: None,
        };
        let small = "a call from Python costs more than the message";
        report.not_measured("peers.openssl.sm4_gcm_256b_us", small);
        report
    }

    /// Says why something is null.
    pub(super) fn not_measured(&mut self, name: &str, reason: &str) {
        self.not_measured.insert(name.to_owned(), reason.to_owned());
    }

    /// Takes a rate by the second. A name with a point is a peer's.
    pub(super) fn put(&mut self, name: &'static str, per_second: f64) {
        let value = if name.ends_with("_us") { 1e6 / per_second } else { per_second };
        match name.split_once('.') {
            Some((peer, name)) => {
                self.peers.entry(peer).or_default().insert(name.to_owned(), Some(value));
            }
            None => {
                self.ours.insert(name.to_owned(), Some(value));
            }
        }
    }

    pub(super) fn put_evidence(&mut self, figures: EvidenceFigures) {
        self.evidence = figures;
    }

    pub(super) fn put_policy(&mut self, figures: PolicyFigures) {
        self.policy = figures;
    }

    pub(super) fn put_openssl(&mut self, name: &str, value: f64) {
        self.peers.entry("openssl").or_default().insert(name.to_owned(), Some(value));
    }

    pub(super) fn openssl_versions(&mut self, python: Option<String>, command: Option<String>) {
        self.openssl = [("PyPI cryptography", python), ("command", command)]
            .into_iter()
            .filter_map(|(name, version)| Some(format!("{name}: {}", version?)))
            .collect();
    }

    pub(super) fn finish(&mut self, machine: Machine, seconds: f64) {
        for (peer, figures) in &self.peers {
            for (name, theirs) in figures {
                if let (Some(Some(ours)), Some(theirs)) = (self.ours.get(name), theirs) {
                    let ratio = if name.ends_with("_us") { theirs / ours } else { ours / theirs };
                    self.ratios.insert(format!("{name} over {peer}"), Some(ratio));
                }
            }
        }
        self.machine = Some(machine);
        self.seconds = seconds;
    }

    /// The same for people.
    pub(super) fn table(&self) -> String {
        let heads: String = self.peers.keys().map(|peer| format!("{peer:>14}")).collect();
        let mut lines =
            vec![format!("SM4 runs on: {}", self.sm4_path), format!("{:<34}{:>14}{heads}", "one core", "heng")];
        lines.extend(self.ours.iter().map(|(name, ours)| {
            let cells =
                std::iter::once(*ours).chain(self.peers.values().map(|figures| figures.get(name).copied().flatten()));
            format!("{name:<34}{}", cells.map(cell).collect::<String>())
        }));
        let evidence = &self.evidence;
        lines.push(format!(
            "evidence: {} leaves a second, a proof in both trees {} µs (p99 {})",
            evidence.evidence_leaves_per_s, evidence.evidence_proof_us_p50, evidence.evidence_proof_us_p99
        ));
        lines.push(self.policy.to_string());
        let ratios =
            self.ratios.iter().filter_map(|(name, ratio)| Some(format!("{name}: {:.2} times as fast", (*ratio)?)));
        lines.extend(ratios);
        lines.extend(self.not_measured.iter().map(|(name, reason)| format!("not measured: {name}: {reason}")));
        lines.extend(self.openssl.iter().cloned());
        let loads = self.machine.as_ref();
        lines.extend(loads.map(|m| format!("{}; load {} … {}", m.processor, m.load_at_start, m.load_at_end)));
        lines.push(format!("{:.1} s{}\n", self.seconds, if self.quick { ", quick" } else { "" }));
        lines.join("\n")
    }
}

fn cell(value: Option<f64>) -> String {
    match value {
        None => format!("{:>14}", "-"),
        Some(value) => format!("{value:>14.*}", if value < 100.0 { 3 } else { 0 }),
    }
}
