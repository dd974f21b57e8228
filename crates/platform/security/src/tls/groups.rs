//! Key agreement on curveSM2, alone and with ML-KEM-768 beside it.

use rustls::crypto::{ActiveKeyExchange, CompletedKeyExchange, SharedSecret, SupportedKxGroup};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::{Error, NamedGroup, PeerMisbehaved, ProtocolVersion};
use sm2::elliptic_curve::Generate as _;
use sm2::elliptic_curve::point::AffineCoordinates as _;
use sm2::elliptic_curve::sec1::ToSec1Point as _;
use sm2::{ProjectivePoint, PublicKey, SecretKey};

use super::{CURVE_SM2_ID, CURVE_SM2_MLKEM768_ID};

/// Length of a point without compression, bytes.
const POINT: usize = 65;

/// curveSM2 of RFC 8998.
pub const CURVE_SM2: &dyn SupportedKxGroup = &CurveSm2;
/// curveSM2 and ML-KEM-768: whoever breaks one learns nothing. The share of the curve stands first.
pub const CURVE_SM2_MLKEM768: &dyn SupportedKxGroup = &CurveSm2MlKem768;

const WRONG_SHARE: Error = Error::PeerMisbehaved(PeerMisbehaved::InvalidKeyShare);

#[derive(Debug)]
struct CurveSm2;

impl CurveSm2 {
    fn begin() -> Result<OnCurve, Error> {
        let secret = SecretKey::try_generate().map_err(|_| rustls::crypto::GetRandomFailed)?;
        let share = secret.public_key().to_sec1_point(false).as_bytes().to_vec();
        Ok(OnCurve { secret, share })
    }
}

impl SupportedKxGroup for CurveSm2 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        Ok(Box::new(Self::begin()?))
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::Unknown(CURVE_SM2_ID)
    }

    fn usable_for_version(&self, version: ProtocolVersion) -> bool {
        version == ProtocolVersion::TLSv1_3
    }
}

struct OnCurve {
    secret: SecretKey,
    share: Vec<u8>,
}

impl OnCurve {
    /// The coordinate x of the common point, 32 bytes.
    fn agree(&self, share: &[u8]) -> Result<Vec<u8>, Error> {
        // RFC 8446 section 4.2.8.2: points are not compressed; the crate refuses what is not on the curve.
        if share.len() != POINT {
            return Err(WRONG_SHARE);
        }
        let peer = PublicKey::from_sec1_bytes(share).map_err(|_| WRONG_SHARE)?;
        let common = ProjectivePoint::from(*peer.as_affine()) * *self.secret.to_nonzero_scalar();
        Ok(common.to_affine().x().to_vec())
    }
}

impl ActiveKeyExchange for OnCurve {
    fn complete(self: Box<Self>, share: &[u8]) -> Result<SharedSecret, Error> {
        self.agree(share).map(SharedSecret::from)
    }

    fn pub_key(&self) -> &[u8] {
        &self.share
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::Unknown(CURVE_SM2_ID)
    }
}

#[derive(Debug)]
struct CurveSm2MlKem768;

const ML_KEM: &dyn SupportedKxGroup = rustls::crypto::aws_lc_rs::kx_group::MLKEM768;

impl SupportedKxGroup for CurveSm2MlKem768 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let (curve, lattice) = (CurveSm2::begin()?, ML_KEM.start()?);
        let share = [curve.share.as_slice(), lattice.pub_key()].concat();
        Ok(Box::new(Both { curve, lattice, share }))
    }

    fn start_and_complete(&self, share: &[u8]) -> Result<CompletedKeyExchange, Error> {
        let (on_curve, encapsulation_key) = share.split_at_checked(POINT).ok_or(WRONG_SHARE)?;
        let (curve, lattice) = (CurveSm2::begin()?, ML_KEM.start_and_complete(encapsulation_key)?);
        let secret = [curve.agree(on_curve)?.as_slice(), lattice.secret.secret_bytes()].concat();
        let pub_key = [curve.share.as_slice(), &lattice.pub_key].concat();
        Ok(CompletedKeyExchange { group: self.name(), pub_key, secret: SharedSecret::from(secret) })
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::Unknown(CURVE_SM2_MLKEM768_ID)
    }

    fn usable_for_version(&self, version: ProtocolVersion) -> bool {
        version == ProtocolVersion::TLSv1_3
    }
}

struct Both {
    curve: OnCurve,
    lattice: Box<dyn ActiveKeyExchange>,
    share: Vec<u8>,
}

impl ActiveKeyExchange for Both {
    fn complete(self: Box<Self>, share: &[u8]) -> Result<SharedSecret, Error> {
        let (on_curve, ciphertext) = share.split_at_checked(POINT).ok_or(WRONG_SHARE)?;
        let curve = self.curve.agree(on_curve)?;
        let lattice = self.lattice.complete(ciphertext)?;
        Ok(SharedSecret::from([curve.as_slice(), lattice.secret_bytes()].concat()))
    }

    // A peer without ML-KEM answers the share of the curve, which is offered beside this one at no cost.
    fn hybrid_component(&self) -> Option<(NamedGroup, &[u8])> {
        Some((NamedGroup::Unknown(CURVE_SM2_ID), &self.curve.share))
    }

    fn complete_hybrid_component(self: Box<Self>, share: &[u8]) -> Result<SharedSecret, Error> {
        self.curve.agree(share).map(SharedSecret::from)
    }

    fn pub_key(&self) -> &[u8] {
        &self.share
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::Unknown(CURVE_SM2_MLKEM768_ID)
    }
}
