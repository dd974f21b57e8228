//! Sums s·G + t·P for verification.
//!
//! Scalars are cut into pieces of 16 bits, so that a product becomes a sum of sixteen terms with short scalars: the
//! crate's interleaved sum (`wnaf`) then doubles 16 times, not 256 times. The bases 2^(16·i)·P are computed once for a
//! key that is met often, those of G once for the process.
//!
//! Windows have five bits: the crate's check of digits in debug builds does not admit those of seven and eight, and
//! tables of six do not fit into the nearest cache.

use std::iter::once;
use std::sync::LazyLock;

use ::sm2::elliptic_curve::array::typenum::U5;
use ::sm2::elliptic_curve::{Group, PrimeField as _};
use ::sm2::{ProjectivePoint, Scalar};
use wnaf::{WnafBase, WnafScalar};

/// Bytes of a piece.
const PIECE: usize = 2;
/// Pieces of a scalar.
const PIECES: usize = 32 / PIECE;

type Base = WnafBase<ProjectivePoint, U5>;
type Piece = WnafScalar<Scalar, U5>;

/// The bases of one point.
#[derive(Clone, Debug)]
pub(super) struct Tables([Base; PIECES]);

/// Those of the generator. It is a constant of the standard, so all keys of a process may share it.
static GENERATOR: LazyLock<Box<Tables>> = LazyLock::new(|| Box::new(Tables::new(&ProjectivePoint::generator())));

impl Tables {
    pub(super) fn new(point: &ProjectivePoint) -> Self {
        let mut next = *point;
        Self(std::array::from_fn(|_| {
            let base = Base::new(&next);
            for _ in 0..8 * PIECE {
                next = Group::double(&next);
            }
            base
        }))
    }

    /// s·G + t·P for the P of these tables.
    pub(super) fn multiply_and_add(&self, s: &Scalar, t: &Scalar) -> ProjectivePoint {
        let pieces = [pieces(s), pieces(t)];
        Base::multiscalar_mul(GENERATOR.0.iter().chain(&self.0).zip(pieces.as_flattened()))
    }
}

/// s·G + t·P for a P without tables.
pub(super) fn multiply_and_add(s: &Scalar, t: &Scalar, point: &ProjectivePoint) -> ProjectivePoint {
    let (pieces, base, whole) = (pieces(s), Base::new(point), Piece::new(t));
    Base::multiscalar_mul(GENERATOR.0.iter().zip(&pieces).chain(once((&base, &whole))))
}

fn pieces(scalar: &Scalar) -> [Piece; PIECES] {
    let mut bytes: [u8; 32] = scalar.to_repr().into();
    bytes.reverse();
    std::array::from_fn(|at| Piece::from_le_bytes(&bytes[PIECE * at..PIECE * (at + 1)]))
}
