//! An authenticator in software, written apart from what is tested: P-256 keys, CBOR and client data by hand, after Web
//! Authentication, sections 5.8.1 and 6.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

pub(crate) const PRESENT: u8 = 0x01;
pub(crate) const VERIFIED: u8 = 0x04;
const WITH_KEY: u8 = 0x40;

pub(crate) fn encode(bytes: &[u8]) -> Value {
    URL_SAFE_NO_PAD.encode(bytes).into()
}

pub(crate) fn decode(value: &Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(value.as_str().expect("text")).expect("base64url")
}

/// One passkey. What a test wants to be wrong it sets before it asks for an answer.
#[derive(Clone)]
pub(crate) struct Authenticator {
    key: SigningKey,
    pub(crate) id: Vec<u8>,
    pub(crate) user: Vec<u8>,
    pub(crate) counter: u32,
    pub(crate) flags: u8,
    pub(crate) rp_id: String,
    pub(crate) origin: String,
    /// `webauthn.create` or `webauthn.get`, where another one than the right one is told.
    pub(crate) kind: Option<&'static str>,
    pub(crate) cross_origin: bool,
}

fn bytes_item(major: u8, length: usize) -> Vec<u8> {
    match length {
        0..=23 => vec![major << 5 | length as u8],
        24..=255 => vec![major << 5 | 24, length as u8],
        _ => vec![major << 5 | 25, (length >> 8) as u8, length as u8],
    }
}

fn text(text: &str) -> Vec<u8> {
    [bytes_item(3, text.len()), text.as_bytes().to_vec()].concat()
}

fn bytes(bytes: &[u8]) -> Vec<u8> {
    [bytes_item(2, bytes.len()), bytes.to_vec()].concat()
}

impl Authenticator {
    /// A fresh one; `seed` makes its key.
    pub(crate) fn new(seed: u8) -> Self {
        let key = SigningKey::from_slice(&[seed; 32]).expect("a small number is a key");
        let id = Sha256::digest([seed, 1]).to_vec();
        let (rp_id, origin) = ("localhost".to_owned(), "http://localhost:8600".to_owned());
        let (flags, user) = (PRESENT | VERIFIED, Vec::new());
        Self { key, id, user, counter: 0, flags, rp_id, origin, kind: None, cross_origin: false }
    }

    fn client_data(&self, kind: &str, challenge: &Value) -> Vec<u8> {
        let kind = self.kind.unwrap_or(kind);
        let data =
            json!({ "type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": self.cross_origin });
        data.to_string().into_bytes()
    }

    fn data(&self, flags: u8) -> Vec<u8> {
        let hash = Sha256::digest(self.rp_id.as_bytes());
        [hash.as_slice(), &[flags], &self.counter.to_be_bytes()].concat()
    }

    fn public(&self) -> Vec<u8> {
        let point = self.key.verifying_key().to_sec1_point(false);
        let (x, y) = point.as_bytes()[1..].split_at(32);
        // {1: 2, 3: -7, -1: 1, -2: x, -3: y}
        [&[0xA5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21][..], &bytes(x), &[0x22], &bytes(y)].concat()
    }

    /// The answer to a challenge of registration.
    pub(crate) fn create(&mut self, options: &Value) -> Value {
        self.user = decode(&options["user"]["id"]);
        let client = self.client_data("webauthn.create", &options["challenge"]);
        let length = (self.id.len() as u16).to_be_bytes();
        let data = [&self.data(self.flags | WITH_KEY), &[0; 16][..], &length, &self.id, &self.public()].concat();
        let object =
            [vec![0xA3], text("fmt"), text("none"), text("attStmt"), vec![0xA0], text("authData"), bytes(&data)]
                .concat();
        json!({ "id": encode(&self.id), "rawId": encode(&self.id), "type": "public-key",
            "response": { "attestationObject": encode(&object), "clientDataJSON": encode(&client), "transports": ["internal"] },
            "clientExtensionResults": {}, "authenticatorAttachment": "platform" })
    }

    /// The answer to a challenge of a proof; the counter goes on by one.
    pub(crate) fn get(&mut self, options: &Value) -> Value {
        self.counter += 1;
        self.again(options)
    }

    /// The answer without counting.
    pub(crate) fn again(&self, options: &Value) -> Value {
        let client = self.client_data("webauthn.get", &options["challenge"]);
        let data = self.data(self.flags);
        let signed = [data.as_slice(), Sha256::digest(&client).as_slice()].concat();
        let signature: Signature = self.key.sign(&signed);
        json!({ "id": encode(&self.id), "rawId": encode(&self.id), "type": "public-key",
            "response": { "authenticatorData": encode(&data), "clientDataJSON": encode(&client),
                "signature": encode(signature.to_der().as_bytes()), "userHandle": encode(&self.user) },
            "clientExtensionResults": {}, "authenticatorAttachment": "platform" })
    }
}

/// Numbers from a seed (xorshift), so that a failing case can be had again.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }

    /// An answer with something else in one of these fields of its `response` or of itself; told is what.
    pub(crate) fn spoil(&mut self, answer: &mut Value, fields: &[&str]) -> String {
        let field = fields[self.below(fields.len())];
        let before = answer.pointer(field).expect("a field").clone();
        let how = self.below(7);
        let after = match how {
            0 | 1 => {
                let mut bytes = decode(&before);
                let at = self.below(bytes.len());
                bytes[at] ^= 1 << self.below(8);
                encode(&bytes)
            }
            2 => {
                let mut bytes = decode(&before);
                bytes.truncate(self.below(bytes.len()));
                encode(&bytes)
            }
            3 => {
                let mut bytes = decode(&before);
                bytes.insert(self.below(bytes.len()), self.below(256) as u8);
                encode(&bytes)
            }
            4 => [json!(1), json!([]), json!(""), json!({ "a": [] }), json!("===")][self.below(5)].clone(),
            5 => {
                let mut letters = before.as_str().expect("text").as_bytes().to_vec();
                let at = self.below(letters.len());
                letters[at] = b"AbZ9-_+/= "[self.below(10)];
                String::from_utf8_lossy(&letters).into_owned().into()
            }
            _ => {
                let other = fields[self.below(fields.len())];
                answer.pointer(other).expect("a field").clone()
            }
        };
        *answer.pointer_mut(field).expect("a field") = after.clone();
        if after == before { String::new() } else { format!("{field} by way {how}: {after}") }
    }
}
