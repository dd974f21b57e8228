//! A bundle as a file: JSON, bytes in hexadecimal, checkpoints as the text that they are.

use heng_security::evidence::{
    BUNDLE_LEAVES_MAX, Bundle, Checkpoint, Hash, PROOF_LEN_MAX, ProvedLeaf, SALT_LEN, SignedNote, VerifierKey, hex,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::{ComplianceError, Result};
use crate::record::Record;

/// Name and version of the form.
const FORMAT: &str = "heng-evidence-bundle/v1";
/// Longest file that is read.
pub const BUNDLE_BYTES_MAX: usize = 512 << 20;

/// Proofs of records: a signed checkpoint, and leaves under it.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct EvidenceBundle {
    /// `heng-evidence-bundle/v1`.
    pub format: String,
    /// The log's name.
    pub origin: String,
    /// Leaves of the tree.
    pub size: u64,
    /// The checkpoint, a signed note (C2SP).
    pub checkpoint: String,
    /// Public keys of the log and its witnesses, as they say of themselves. Trust none that you have not from elsewhere.
    pub keys: Vec<String>,
    /// An earlier checkpoint that this one extends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier: Option<EarlierCheckpoint>,
    /// Proof that the tree begins with so many leaves as were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consistency: Option<ConsistencyShown>,
    /// The leaves.
    #[schema(max_items = 100_000)]
    pub leaves: Vec<EvidenceLeaf>,
}

/// An earlier checkpoint with the proof that the newer one extends it.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct EarlierCheckpoint {
    /// The signed note.
    pub checkpoint: String,
    /// Hashes of the proof (RFC 6962, section 2.1.2).
    pub consistency: Vec<String>,
}

/// A proof of consistency without the earlier checkpoint.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ConsistencyShown {
    /// Leaves of the earlier tree.
    pub size: u64,
    /// Hashes of the proof.
    pub proof: Vec<String>,
}

/// A leaf with its proofs.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct EvidenceLeaf {
    /// Its place in the tree.
    pub index: u64,
    /// SHA-256 over salt and record; what stands in the tree.
    pub commitment: String,
    /// The salt; absent after lawful deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<String>,
    /// The canonical record; absent after lawful deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    /// Hashes of the proof of inclusion (RFC 6962, section 2.1.1), lowest first.
    pub proof: Vec<String>,
    /// The same in the SM3 tree.
    pub sm3_proof: Vec<String>,
    /// The record for people; the bytes count, not this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<serde_json::Value>,
}

fn hashes(list: &[Hash]) -> Vec<String> {
    list.iter().map(|hash| hex(hash)).collect()
}

fn bytes(pointer: &'static str, text: &str) -> Result<Vec<u8>> {
    let wrong = || ComplianceError::field(pointer, "must be lower-case hexadecimal");
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        _ => Err(wrong()),
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return Err(wrong());
    }
    pairs.iter().map(|[high, low]| Ok(digit(*high)? << 4 | digit(*low)?)).collect()
}

fn hash(pointer: &'static str, text: &str) -> Result<Hash> {
    bytes(pointer, text)?.try_into().map_err(|_| ComplianceError::field(pointer, "must be 32 bytes"))
}

fn proof(pointer: &'static str, list: &[String]) -> Result<Vec<Hash>> {
    if list.len() > PROOF_LEN_MAX {
        return Err(ComplianceError::field(pointer, "is longer than any proof"));
    }
    list.iter().map(|text| hash(pointer, text)).collect()
}

impl EvidenceLeaf {
    fn of(leaf: &ProvedLeaf) -> Self {
        let (salt, record) = leaf.opening.as_ref().map(|(salt, record)| (hex(salt), hex(record))).unzip();
        let shown = leaf.opening.as_ref().and_then(|(_, record)| Record::read(record).ok());
        Self {
            index: leaf.index,
            commitment: hex(&leaf.commitment),
            salt,
            record,
            proof: hashes(&leaf.proof),
            sm3_proof: hashes(&leaf.sm3_proof),
            shown: shown.map(|record| record.show()),
        }
    }

    fn read(&self) -> Result<ProvedLeaf> {
        let opening = match (&self.salt, &self.record) {
            (Some(salt), Some(record)) => {
                let salt = <[u8; SALT_LEN]>::try_from(bytes("/leaves/salt", salt)?);
                let salt = salt.map_err(|_| ComplianceError::field("/leaves/salt", "must be 32 bytes"))?;
                Some((salt, bytes("/leaves/record", record)?))
            }
            (None, None) => None,
            _ => return Err(ComplianceError::field("/leaves", "salt and record come together or not at all")),
        };
        Ok(ProvedLeaf {
            index: self.index,
            commitment: hash("/leaves/commitment", &self.commitment)?,
            opening,
            proof: proof("/leaves/proof", &self.proof)?,
            sm3_proof: proof("/leaves/sm3_proof", &self.sm3_proof)?,
        })
    }

    /// Whether what is told for people is not what the bytes say.
    fn misleads(&self) -> bool {
        let said = self.record.as_ref().and_then(|record| Record::read(&bytes("/leaves/record", record).ok()?).ok());
        self.shown.is_some() && self.shown != said.map(|record| record.show())
    }
}

impl EvidenceBundle {
    /// The file of a bundle.
    ///
    /// # Errors
    /// If its checkpoint is none.
    pub fn of(bundle: &Bundle, keys: &[VerifierKey], consistency: Option<(u64, Vec<Hash>)>) -> Result<Self> {
        let checkpoint = Checkpoint::parse(&bundle.note.text)?;
        let earlier = bundle
            .earlier
            .as_ref()
            .map(|(note, proof)| EarlierCheckpoint { checkpoint: note.to_string(), consistency: hashes(proof) });
        Ok(Self {
            format: FORMAT.to_owned(),
            origin: checkpoint.origin,
            size: checkpoint.size,
            checkpoint: bundle.note.to_string(),
            keys: keys.iter().map(ToString::to_string).collect(),
            earlier,
            consistency: consistency.map(|(size, proof)| ConsistencyShown { size, proof: hashes(&proof) }),
            leaves: bundle.leaves.iter().map(EvidenceLeaf::of).collect(),
        })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// If it is too long, no JSON, or of another form.
    pub fn parse(file: &[u8]) -> Result<Self> {
        if file.len() > BUNDLE_BYTES_MAX {
            return Err(ComplianceError::field("/", "the file is too long"));
        }
        let read: Self =
            serde_json::from_slice(file).map_err(|error| ComplianceError::field("/", error.to_string()))?;
        if read.format != FORMAT {
            return Err(ComplianceError::field("/format", format!("must be {FORMAT}")));
        }
        if read.leaves.len() > BUNDLE_LEAVES_MAX {
            return Err(ComplianceError::field("/leaves", format!("are more than {BUNDLE_LEAVES_MAX}")));
        }
        Ok(read)
    }

    /// What is to be proven.
    ///
    /// # Errors
    /// If a part cannot be read.
    pub fn bundle(&self) -> Result<Bundle> {
        let note = SignedNote::parse(self.checkpoint.as_bytes())?;
        let checkpoint = Checkpoint::parse(&note.text)?;
        if (checkpoint.origin.as_str(), checkpoint.size) != (self.origin.as_str(), self.size) {
            return Err(ComplianceError::field("/checkpoint", "tells another origin or size than the file"));
        }
        let earlier = match &self.earlier {
            None => None,
            Some(earlier) => {
                let note = SignedNote::parse(earlier.checkpoint.as_bytes())?;
                Some((note, proof("/earlier/consistency", &earlier.consistency)?))
            }
        };
        if let Some(at) = self.leaves.iter().position(EvidenceLeaf::misleads) {
            let detail = format!("leaf {at} shows something else than its record says");
            return Err(ComplianceError::field("/leaves/shown", detail));
        }
        let leaves = self.leaves.iter().map(EvidenceLeaf::read).collect::<Result<Vec<ProvedLeaf>>>()?;
        Ok(Bundle { note, earlier, leaves })
    }

    /// Puts an earlier checkpoint in, to which the proof of consistency of this file leads.
    ///
    /// # Errors
    /// If the file proves no consistency with that size, or the text is no checkpoint.
    pub fn with_earlier(mut self, checkpoint: String) -> Result<Self> {
        let told = Checkpoint::parse(&SignedNote::parse(checkpoint.as_bytes())?.text)?;
        match self.consistency.take() {
            Some(shown) if shown.size == told.size => {
                self.earlier = Some(EarlierCheckpoint { checkpoint, consistency: shown.proof });
                Ok(self)
            }
            _ => Err(ComplianceError::field("/consistency", "does not lead to that checkpoint")),
        }
    }
}
