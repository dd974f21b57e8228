//! The bytes of `keys.ring`.
//!
//! The file begins with 16 bytes: `HENGRING`, version of the layout (2; it is 1), six zeros. Records follow. Numbers stand
//! little end first, texts behind their length (2).
//!
//! | bytes | holds |
//! |---|---|
//! | 4 | length of what follows the checksum |
//! | 4 | CRC32C of length and of what follows the checksum |
//! | 1 | kind |
//! | | fields by kind |
//! | 32 | HMAC-SM3 under the ring's key of: that of the record before (zeros for the first), kind, fields |
//!
//! | kind | fields |
//! |---|---|
//! | 1 ring, the first record and only that | ring id (16), generation (8), made at (8), next key id (4), version of the master key (4), its id (text), the ring's key, wrapped (text) |
//! | 2 key | id (4), algorithm (2), made at (8), flags (1; 1 = closed), store, tenant, period (texts), secret, wrapped (text) |
//! | 3 destroyed key | id (4), algorithm (2), made at (8), operation (8), store, tenant, period (texts) |
//! | 4 officer | name (text), added at (8), argon2id memory, passes, lanes (4 each), salt (16), verifier (32) |
//! | 5 officer removed | name (text) |
//! | 6 algorithm of new keys | number (2) |
//! | 7 operation | its number in `keys.operations` (8), the hash of that line (32) |
//! | 8 key closed | id (4) |
//! | 9 numbers passed over, because an append was cut short | next key id (4) |

use std::path::Path;

use zeroize::Zeroizing;

use crate::keys::bytes::{Fields, put};
use crate::keys::data_key::ALGORITHMS;
use crate::keys::master::{MasterVersion, WRAPPED_MAX};
use crate::keys::officers::{NAME_MAX, Officer};
use crate::keys::{KeysError, Scope};
use crate::provider::Algorithm;
use crate::sm::sm3;

const MAGIC: &[u8; 8] = b"HENGRING";
const LAYOUT: u16 = 1;
pub(super) const HEADER: usize = 16;
/// Length and checksum.
const HEAD: usize = 8;
const MAC: usize = 32;
const BODY: std::ops::RangeInclusive<usize> = 1 + MAC..=1 << 14;
/// Longest ring file in bytes.
pub(super) const FILE_MAX: u64 = 256 << 20;
const ID_MAX: usize = 128;
const PART_MAX: usize = 64;

/// The first record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RingRecord {
    pub(super) ring: [u8; 16],
    pub(super) generation: u64,
    pub(super) made_unix_s: u64,
    pub(super) next: u32,
    pub(super) version: MasterVersion,
    pub(super) master: Box<str>,
    pub(super) wrapped: Box<[u8]>,
}

/// A data key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyRecord {
    pub(super) id: u32,
    pub(super) algorithm: Algorithm,
    pub(super) made_unix_s: u64,
    pub(super) closed: bool,
    pub(super) scope: Scope,
    pub(super) wrapped: Box<[u8]>,
}

/// What is left of a destroyed key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tombstone {
    pub(super) id: u32,
    pub(super) algorithm: Algorithm,
    pub(super) made_unix_s: u64,
    pub(super) operation: u64,
    pub(super) scope: Scope,
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    Ring(RingRecord),
    Key(KeyRecord),
    Destroyed(Tombstone),
    Officer(Officer),
    OfficerRemoved(Box<str>),
    Algorithm(Algorithm),
    Operation(u64, [u8; 32]),
    Closed(u32),
    Next(u32),
}

fn put_scope(out: &mut Vec<u8>, scope: &Scope) {
    [scope.store(), scope.tenant(), scope.period()].iter().for_each(|part| put(out, part.as_bytes()));
}

fn take_scope(fields: &mut Fields<'_>) -> Option<Scope> {
    let (store, tenant, period) = (fields.text(PART_MAX)?, fields.text(PART_MAX)?, fields.text(PART_MAX)?);
    Scope::new(store, tenant, period).ok()
}

fn take_algorithm(fields: &mut Fields<'_>) -> Option<Algorithm> {
    Algorithm::of_number(fields.u16()?).filter(|known| ALGORITHMS.contains(known))
}

impl Record {
    fn kind(&self) -> u8 {
        match self {
            Self::Ring(_) => 1,
            Self::Key(_) => 2,
            Self::Destroyed(_) => 3,
            Self::Officer(_) => 4,
            Self::OfficerRemoved(_) => 5,
            Self::Algorithm(_) => 6,
            Self::Operation(..) => 7,
            Self::Closed(_) => 8,
            Self::Next(_) => 9,
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Ring(ring) => {
                out.extend_from_slice(&ring.ring);
                [ring.generation, ring.made_unix_s].iter().for_each(|n| out.extend_from_slice(&n.to_le_bytes()));
                [ring.next, ring.version].iter().for_each(|n| out.extend_from_slice(&n.to_le_bytes()));
                put(out, ring.master.as_bytes());
                put(out, &ring.wrapped);
            }
            Self::Key(key) => {
                out.extend_from_slice(&key.id.to_le_bytes());
                out.extend_from_slice(&key.algorithm.number().to_le_bytes());
                out.extend_from_slice(&key.made_unix_s.to_le_bytes());
                out.push(key.closed.into());
                put_scope(out, &key.scope);
                put(out, &key.wrapped);
            }
            Self::Destroyed(key) => {
                out.extend_from_slice(&key.id.to_le_bytes());
                out.extend_from_slice(&key.algorithm.number().to_le_bytes());
                [key.made_unix_s, key.operation].iter().for_each(|n| out.extend_from_slice(&n.to_le_bytes()));
                put_scope(out, &key.scope);
            }
            Self::Officer(officer) => officer.encode(out),
            Self::OfficerRemoved(name) => put(out, name.as_bytes()),
            Self::Algorithm(algorithm) => out.extend_from_slice(&algorithm.number().to_le_bytes()),
            Self::Operation(number, hash) => {
                out.extend_from_slice(&number.to_le_bytes());
                out.extend_from_slice(hash);
            }
            Self::Closed(id) | Self::Next(id) => out.extend_from_slice(&id.to_le_bytes()),
        }
    }

    fn decode(kind: u8, fields: &[u8]) -> Option<Self> {
        let mut fields = Fields(fields);
        let record = match kind {
            1 => Self::Ring(take_ring(&mut fields)?),
            2 => Self::Key(KeyRecord {
                id: fields.u32().filter(|id| *id > 0)?,
                algorithm: take_algorithm(&mut fields)?,
                made_unix_s: fields.u64()?,
                closed: fields.u8().filter(|flags| *flags <= 1)? == 1,
                scope: take_scope(&mut fields)?,
                wrapped: fields.bytes(WRAPPED_MAX)?.into(),
            }),
            3 => Self::Destroyed(Tombstone {
                id: fields.u32().filter(|id| *id > 0)?,
                algorithm: take_algorithm(&mut fields)?,
                made_unix_s: fields.u64()?,
                operation: fields.u64()?,
                scope: take_scope(&mut fields)?,
            }),
            4 => Self::Officer(Officer::decode(&mut fields)?),
            5 => Self::OfficerRemoved(fields.text(NAME_MAX)?.into()),
            6 => Self::Algorithm(take_algorithm(&mut fields)?),
            7 => Self::Operation(fields.u64()?, fields.array()?),
            8 => Self::Closed(fields.u32()?),
            9 => Self::Next(fields.u32().filter(|next| *next > 0)?),
            _ => return None,
        };
        fields.end().map(|()| record)
    }
}

fn take_ring(fields: &mut Fields<'_>) -> Option<RingRecord> {
    Some(RingRecord {
        ring: fields.array()?,
        generation: fields.u64()?,
        made_unix_s: fields.u64()?,
        next: fields.u32().filter(|next| *next > 0)?,
        version: fields.u32()?,
        master: fields.text(ID_MAX)?.into(),
        wrapped: fields.bytes(WRAPPED_MAX)?.into(),
    })
}

/// The chain of message authentication codes, at its end.
#[derive(Clone)]
pub(super) struct Chain {
    pub(super) key: Zeroizing<[u8; 32]>,
    last: [u8; MAC],
}

impl Chain {
    pub(super) fn new(key: Zeroizing<[u8; 32]>) -> Self {
        Self { key, last: [0; MAC] }
    }

    /// Appends a record to bytes of a file.
    pub(super) fn write(&mut self, record: &Record, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; HEAD]);
        out.push(record.kind());
        record.encode(out);
        self.last = sm3::hmac(&*self.key, &[&self.last, &out[start + HEAD..]]);
        out.extend_from_slice(&self.last);
        let length = out.len() - start - HEAD;
        assert!(BODY.contains(&length), "the parts of records are bounded when they are made");
        out[start..start + 4].copy_from_slice(&(length as u32).to_le_bytes());
        let sum = sum_of(&out[start..]);
        out[start + 4..start + HEAD].copy_from_slice(&sum.to_le_bytes());
    }

    /// Checks that a record follows.
    fn follow(&mut self, raw: &Raw<'_>) -> bool {
        let fits = sm3::hmac_fits(&*self.key, &[&self.last, raw.authenticated], raw.mac);
        self.last = *raw.mac;
        fits
    }
}

/// The checksum of a record that begins these bytes: length and body, not the checksum itself.
fn sum_of(record: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&record[..4]), &record[HEAD..])
}

/// The first bytes of every ring file.
pub(super) fn header() -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..10].copy_from_slice(&LAYOUT.to_le_bytes());
    bytes
}

/// A record whose checksum fits.
pub(super) struct Raw<'a> {
    offset: usize,
    authenticated: &'a [u8],
    mac: &'a [u8; MAC],
}

impl<'a> Raw<'a> {
    /// The record at an offset, and where the next one begins.
    fn at(file: &'a [u8], offset: usize) -> Option<(Self, usize)> {
        let rest = &file[offset..];
        let length = u32::from_le_bytes(*rest.first_chunk()?) as usize;
        let record = rest.get(..HEAD + length).filter(|_| BODY.contains(&length))?;
        let sum = u32::from_le_bytes(record[4..HEAD].try_into().ok()?);
        if sum_of(record) != sum {
            return None;
        }
        let (authenticated, mac) = record[HEAD..].split_last_chunk::<MAC>()?;
        Some((Self { offset, authenticated, mac }, offset + record.len()))
    }

    fn record(&self) -> Option<Record> {
        let (kind, fields) = self.authenticated.split_first()?;
        Record::decode(*kind, fields)
    }
}

/// The records of a file whose checksums fit, the ring record apart, and where they end.
pub(super) struct Split<'a> {
    path: &'a Path,
    pub(super) ring: RingRecord,
    raws: Vec<Raw<'a>>,
    /// Bytes up to here are whole records; behind it stand at most those of an append that a crash cut short.
    pub(super) length: usize,
}

fn damaged(path: &Path, offset: usize, reason: &'static str) -> KeysError {
    KeysError::Damaged { path: path.to_owned(), offset: offset as u64, reason }
}

/// Splits a file into records. What an append left unfinished at the end is no damage; a bad record with a good one
/// anywhere behind it is.
pub(super) fn split<'a>(path: &'a Path, file: &'a [u8]) -> Result<Split<'a>, KeysError> {
    if file.get(..HEADER) != Some(&header()[..]) {
        return Err(damaged(path, 0, "it is not a key ring of layout 1"));
    }
    let (mut raws, mut offset) = (Vec::new(), HEADER);
    while let Some((raw, next)) = Raw::at(file, offset) {
        raws.push(raw);
        offset = next;
    }
    if (offset + 1..file.len()).any(|later| Raw::at(file, later).is_some()) {
        return Err(damaged(path, offset, "this record is damaged, and good ones follow it"));
    }
    match raws.first().and_then(Raw::record) {
        Some(Record::Ring(ring)) => Ok(Split { path, ring, raws, length: offset }),
        // A ring is written whole or not at all, so its first record is never an unfinished one.
        _ => Err(damaged(path, HEADER, "it does not begin with a ring record")),
    }
}

impl Split<'_> {
    /// Checks that all records come from whoever has the ring's key, and decodes them.
    pub(super) fn verify(&self, key: Zeroizing<[u8; 32]>) -> Result<(Vec<Record>, Chain), KeysError> {
        let mut chain = Chain::new(key);
        let mut records = Vec::with_capacity(self.raws.len());
        for raw in &self.raws {
            if !chain.follow(raw) {
                return Err(damaged(self.path, raw.offset, "this record was not written by Heng with this ring's key"));
            }
            records
                .push(raw.record().ok_or_else(|| damaged(self.path, raw.offset, "this record is of an unknown form"))?);
        }
        Ok((records, chain))
    }
}
