//! The broker's own certificate authority: certificates for its roles, each with one SPIFFE id, on the SM2 curve or on
//! P-256.
//!
//! *Invariant:* a certificate of a role carries exactly one SPIFFE id, and is good for both ends of a link.
//! *Invariant:* an authority signs certificates of roles and no further authorities (path length 0).

use std::str::FromStr as _;
use std::time::{Duration, SystemTime};

use p256::pkcs8::LineEnding;
use sm2::dsa::signature::{Keypair, Signer};
use sm2::pkcs8::spki::{
    AlgorithmIdentifierOwned, DynSignatureAlgorithmIdentifier, EncodePublicKey, SignatureBitStringEncoding,
    SubjectPublicKeyInfoRef,
};
use sm2::pkcs8::{DecodePrivateKey as _, Document, EncodePrivateKey as _, ObjectIdentifier};
use x509_cert::Certificate;
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::builder::{Builder as _, CertificateBuilder};
use x509_cert::certificate::TbsCertificate;
use x509_cert::der::asn1::{BitString, Ia5String};
use x509_cert::der::{DecodePem as _, EncodePem as _};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName,
    SubjectKeyIdentifier,
};
use x509_cert::ext::{Extension, ToExtension};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::SubjectPublicKeyInfoOwned;
use x509_cert::time::{Time, Validity};

/// The curve of keys and signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// SM2 with SM3 (GB/T 32918), for links with SM4.
    Sm2,
    /// ECDSA on P-256 with SHA-256.
    P256,
}

/// Why a certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// Names, dates or keys that do not fit into a certificate.
    #[error("{0}")]
    Unfit(String),
    /// The system gave no random numbers.
    #[error("the system gave no random numbers")]
    Random,
}

fn unfit(error: impl std::fmt::Display) -> CaError {
    CaError::Unfit(error.to_string())
}

/// A certificate and its key, as PEM text.
#[derive(Clone)]
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// The key, PKCS#8. Whoever has it is who the certificate says.
    pub key: String,
}

impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issued").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// Whom a certificate names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Its SPIFFE id, such as `spiffe://heng.local/role/trading`.
    pub spiffe_id: String,
    /// Names by which it is called, such as `heng-role`.
    pub dns_names: Vec<String>,
    /// When it begins to be good.
    pub from: SystemTime,
    /// How long it is good.
    pub lasts: Duration,
}

/// An authority that issues certificates of roles.
pub struct Authority {
    key: Key,
    certificate: Certificate,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("subject", &self.name().to_string()).finish_non_exhaustive()
    }
}

impl Authority {
    /// A new authority called `name`, good from `from` on for `lasts`.
    ///
    /// # Errors
    /// If the name or the dates do not fit, or the system gives no random numbers.
    pub fn new(curve: Curve, name: &str, from: SystemTime, lasts: Duration) -> Result<Self, CaError> {
        let (key, subject) = (Key::new(curve)?, common_name(name)?);
        let profile = Profile { issuer: subject.clone(), subject, names: None };
        let certificate = key.sign(profile, &key, from, lasts)?;
        Ok(Self { key, certificate })
    }

    /// The authority of these PEM texts.
    ///
    /// # Errors
    /// If they are no certificate and key, or do not belong together.
    pub fn load(issued: &Issued) -> Result<Self, CaError> {
        let certificate = Certificate::from_pem(issued.certificate.as_bytes()).map_err(unfit)?;
        let key = Key::load(&issued.key)?;
        if key.public()? != *certificate.tbs_certificate().subject_public_key_info() {
            return Err(CaError::Unfit("the key is not that of the certificate".into()));
        }
        Ok(Self { key, certificate })
    }

    /// Its certificate and key.
    ///
    /// # Errors
    /// Never for keys and certificates that were made or loaded here.
    pub fn save(&self) -> Result<Issued, CaError> {
        Ok(Issued { certificate: pem(&self.certificate)?, key: self.key.pem()? })
    }

    /// Its certificate.
    ///
    /// # Errors
    /// Never for certificates that were made or loaded here.
    pub fn certificate(&self) -> Result<String, CaError> {
        pem(&self.certificate)
    }

    fn name(&self) -> &Name {
        self.certificate.tbs_certificate().subject()
    }

    /// A certificate for `subject`, with a new key on the authority's curve.
    ///
    /// # Errors
    /// If a name or date does not fit, or the system gives no random numbers.
    pub fn issue(&self, subject: &Subject) -> Result<Issued, CaError> {
        let key = Key::new(self.key.curve())?;
        let uri = GeneralName::UniformResourceIdentifier(Ia5String::new(&subject.spiffe_id).map_err(unfit)?);
        let dns = subject.dns_names.iter().map(|name| Ok(GeneralName::DnsName(Ia5String::new(name).map_err(unfit)?)));
        let names = std::iter::once(Ok(uri)).chain(dns).collect::<Result<Vec<_>, CaError>>()?;
        let called = subject.dns_names.first().unwrap_or(&subject.spiffe_id);
        let profile =
            Profile { issuer: self.name().clone(), subject: common_name(called)?, names: Some(SubjectAltName(names)) };
        let certificate = self.key.sign(profile, &key, subject.from, subject.lasts)?;
        Ok(Issued { certificate: pem(&certificate)?, key: key.pem()? })
    }
}

/// What a certificate of ours says of its holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The SPIFFE ids; exactly one in certificates of roles, none in those of authorities.
    pub spiffe_ids: Vec<String>,
    /// Serial number, hexadecimal.
    pub serial: String,
    /// The first moment that it is good.
    pub from: SystemTime,
    /// The last.
    pub until: SystemTime,
    /// The curve of its key; `None` if it is neither of ours.
    pub curve: Option<Curve>,
}

/// Reads a certificate's PEM text.
///
/// # Errors
/// If it is no certificate.
pub fn show(text: &str) -> Result<Shown, CaError> {
    let certificate = Certificate::from_pem(text.as_bytes()).map_err(unfit)?;
    let tbs = certificate.tbs_certificate();
    let names = tbs.get_extension::<SubjectAltName>().map_err(unfit)?.map_or_else(Vec::new, |(_, names)| names.0);
    let uri = |name: GeneralName| match name {
        GeneralName::UniformResourceIdentifier(uri) => Some(uri.as_str().to_owned()),
        _ => None,
    };
    let algorithm = &tbs.subject_public_key_info().algorithm;
    let curve = algorithm.parameters.as_ref().and_then(|parameters| parameters.decode_as::<ObjectIdentifier>().ok());
    Ok(Shown {
        spiffe_ids: names.into_iter().filter_map(uri).collect(),
        serial: tbs.serial_number().to_string().replace(':', ""),
        from: tbs.validity().not_before.to_system_time(),
        until: tbs.validity().not_after.to_system_time(),
        curve: curve.and_then(|oid| match oid {
            OID_SM2 => Some(Curve::Sm2),
            OID_P256 => Some(Curve::P256),
            _ => None,
        }),
    })
}

/// The curve of GB/T 32918.5.
const OID_SM2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.301");
/// `prime256v1`.
const OID_P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
/// `sm2-with-SM3`.
const SM2_WITH_SM3: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.501");
/// `serverAuth` and `clientAuth`: each role is at either end of a link.
const BOTH_ENDS: [ObjectIdentifier; 2] =
    [ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1"), ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2")];
/// The identifier of certificates (GM/T 0009).
const DISTINGUISHING_ID: &str = "1234567812345678";

fn pem(certificate: &Certificate) -> Result<String, CaError> {
    certificate.to_pem(x509_cert::der::pem::LineEnding::LF).map_err(unfit)
}

fn common_name(text: &str) -> Result<Name, CaError> {
    // RFC 4514: these would end or split the value.
    if text.chars().any(|letter| letter.is_control() || ",+\"\\<>;=#".contains(letter)) {
        return Err(CaError::Unfit(format!("the name {text:?} has a character that a name must not have")));
    }
    Name::from_str(&format!("CN={text},O=Heng")).map_err(unfit)
}

enum Key {
    Sm2(Sm2Issuer),
    P256(p256::ecdsa::SigningKey),
}

impl Key {
    fn new(curve: Curve) -> Result<Self, CaError> {
        use sm2::elliptic_curve::Generate as _;
        Ok(match curve {
            Curve::Sm2 => Self::Sm2(Sm2Issuer::new(sm2::SecretKey::try_generate().map_err(|_| CaError::Random)?)?),
            Curve::P256 => Self::P256(p256::ecdsa::SigningKey::try_generate().map_err(|_| CaError::Random)?),
        })
    }

    fn load(text: &str) -> Result<Self, CaError> {
        if let Ok(secret) = sm2::SecretKey::from_pkcs8_pem(text) {
            return Ok(Self::Sm2(Sm2Issuer::new(secret)?));
        }
        let key = p256::ecdsa::SigningKey::from_pkcs8_pem(text);
        key.map(Self::P256).map_err(|_| CaError::Unfit("the key is not PKCS#8 on the SM2 curve or P-256".into()))
    }

    const fn curve(&self) -> Curve {
        match self {
            Self::Sm2(_) => Curve::Sm2,
            Self::P256(_) => Curve::P256,
        }
    }

    fn pem(&self) -> Result<String, CaError> {
        let text = match self {
            Self::Sm2(key) => key.secret.to_pkcs8_pem(LineEnding::LF),
            Self::P256(key) => key.to_pkcs8_pem(LineEnding::LF),
        };
        text.map(|text| text.as_str().to_owned()).map_err(unfit)
    }

    fn public(&self) -> Result<SubjectPublicKeyInfoOwned, CaError> {
        match self {
            Self::Sm2(key) => SubjectPublicKeyInfoOwned::from_key(&key.verifying_key()),
            Self::P256(key) => SubjectPublicKeyInfoOwned::from_key(key.verifying_key()),
        }
        .map_err(unfit)
    }

    fn sign(&self, profile: Profile, of: &Self, from: SystemTime, lasts: Duration) -> Result<Certificate, CaError> {
        let mut number = [0; 16];
        getrandom::fill(&mut number).map_err(|_| CaError::Random)?;
        // RFC 5280 section 4.1.2.2: positive.
        number[0] = number[0] & 0x7f | 0x40;
        let until = from.checked_add(lasts).ok_or_else(|| CaError::Unfit("it would be good for too long".into()))?;
        let validity = Validity::new(Time::try_from(from).map_err(unfit)?, Time::try_from(until).map_err(unfit)?);
        let serial = SerialNumber::new(&number).map_err(unfit)?;
        let builder = CertificateBuilder::new(profile, serial, validity, of.public()?).map_err(unfit)?;
        match self {
            Self::Sm2(key) => builder.build::<_, Sm2Signature>(key),
            Self::P256(key) => builder.build::<_, p256::ecdsa::DerSignature>(key),
        }
        .map_err(unfit)
    }
}

/// An authority's certificate without `names`, a role's with them.
struct Profile {
    issuer: Name,
    subject: Name,
    names: Option<SubjectAltName>,
}

impl BuilderProfile for Profile {
    fn get_issuer(&self, _: &Name) -> Name {
        self.issuer.clone()
    }

    fn get_subject(&self) -> Name {
        self.subject.clone()
    }

    fn build_extensions(
        &self,
        key: SubjectPublicKeyInfoRef<'_>,
        issuer_key: SubjectPublicKeyInfoRef<'_>,
        tbs: &TbsCertificate,
    ) -> x509_cert::builder::Result<Vec<Extension>> {
        let mut list = Vec::new();
        let subject = tbs.subject();
        list.push(SubjectKeyIdentifier::try_from(key)?.to_extension(subject, &list)?);
        if let Some(names) = &self.names {
            list.push(AuthorityKeyIdentifier::try_from(issuer_key)?.to_extension(subject, &list)?);
            list.push(BasicConstraints { ca: false, path_len_constraint: None }.to_extension(subject, &list)?);
            list.push(KeyUsage(KeyUsages::DigitalSignature.into()).to_extension(subject, &list)?);
            list.push(ExtendedKeyUsage(BOTH_ENDS.to_vec()).to_extension(subject, &list)?);
            list.push(names.to_extension(subject, &list)?);
        } else {
            list.push(BasicConstraints { ca: true, path_len_constraint: Some(0) }.to_extension(subject, &list)?);
            list.push(KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign).to_extension(subject, &list)?);
        }
        Ok(list)
    }
}

/// Signs certificates with SM2.
struct Sm2Issuer {
    secret: sm2::SecretKey,
    key: sm2::dsa::SigningKey,
}

impl Sm2Issuer {
    fn new(secret: sm2::SecretKey) -> Result<Self, CaError> {
        let key = sm2::dsa::SigningKey::new(DISTINGUISHING_ID, &secret).map_err(unfit)?;
        Ok(Self { secret, key })
    }
}

#[derive(Clone)]
struct Sm2Public(sm2::PublicKey);

impl EncodePublicKey for Sm2Public {
    fn to_public_key_der(&self) -> sm2::pkcs8::spki::Result<Document> {
        self.0.to_public_key_der()
    }
}

impl Keypair for Sm2Issuer {
    type VerifyingKey = Sm2Public;

    fn verifying_key(&self) -> Sm2Public {
        Sm2Public(self.secret.public_key())
    }
}

impl DynSignatureAlgorithmIdentifier for Sm2Issuer {
    fn signature_algorithm_identifier(&self) -> sm2::pkcs8::spki::Result<AlgorithmIdentifierOwned> {
        Ok(AlgorithmIdentifierOwned { oid: SM2_WITH_SM3, parameters: None })
    }
}

struct Sm2Signature(Vec<u8>);

impl SignatureBitStringEncoding for Sm2Signature {
    fn to_bitstring(&self) -> sm2::pkcs8::der::Result<BitString> {
        BitString::from_bytes(&self.0)
    }
}

impl Signer<Sm2Signature> for Sm2Issuer {
    fn try_sign(&self, message: &[u8]) -> Result<Sm2Signature, sm2::dsa::signature::Error> {
        let signature: sm2::dsa::Signature = self.key.try_sign(message)?;
        Ok(Sm2Signature(signature.to_der().as_bytes().to_vec()))
    }
}
