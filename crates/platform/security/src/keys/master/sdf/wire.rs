//! How an adapter process and we talk: frames over a Unix socket.
//!
//! A frame is its length (4, little end first, at most 4 KiB) and that many bytes. A request holds the number of a function
//! (1), the session (4) and the arguments in the order of the standard; an answer holds the error code (4) and, if that
//! is 0, the results in the order of the standard. Byte strings stand behind their length (2).

use std::io::{Error, ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;

const FRAME_MAX: usize = 4 << 10;

/// The functions that are mirrored; GM/T 0018-2023, chapter 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Function {
    OpenSession = 1,
    CloseSession = 2,
    GetDeviceInfo = 3,
    GetKekAccessRight = 4,
    GenerateKeyWithKek = 5,
    ImportKeyWithKek = 6,
    DestroyKey = 7,
    Encrypt = 8,
    Decrypt = 9,
    CalculateMac = 10,
}

impl Function {
    const ALL: [Self; 10] = [
        Self::OpenSession,
        Self::CloseSession,
        Self::GetDeviceInfo,
        Self::GetKekAccessRight,
        Self::GenerateKeyWithKek,
        Self::ImportKeyWithKek,
        Self::DestroyKey,
        Self::Encrypt,
        Self::Decrypt,
        Self::CalculateMac,
    ];

    pub(crate) fn of_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|function| *function as u8 == number)
    }

    /// The name in the standard.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::OpenSession => "SDF_OpenSession",
            Self::CloseSession => "SDF_CloseSession",
            Self::GetDeviceInfo => "SDF_GetDeviceInfo",
            Self::GetKekAccessRight => "SDF_GetKEKAccessRight",
            Self::GenerateKeyWithKek => "SDF_GenerateKeyWithKEK",
            Self::ImportKeyWithKek => "SDF_ImportKeyWithKEK",
            Self::DestroyKey => "SDF_DestroyKey",
            Self::Encrypt => "SDF_Encrypt",
            Self::Decrypt => "SDF_Decrypt",
            Self::CalculateMac => "SDF_CalculateMAC",
        }
    }
}

/// An error code of the standard's annex A.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code(pub(crate) u32);

macro_rules! codes {
    ($($name:ident = $number:expr;)*) => {
        impl Code {
            $(pub(crate) const $name: Self = Self($number);)*

            /// The name in the standard, without `SDR_`.
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                    _ => "unknown to us",
                }
            }
        }
    };
}
codes! {
    OK = 0;
    UNKNOWERR = 0x0100_0001;
    NOTSUPPORT = 0x0100_0002;
    COMMFAIL = 0x0100_0003;
    HARDFAIL = 0x0100_0004;
    OPENSESSION = 0x0100_0006;
    PARDENY = 0x0100_0007;
    KEYNOTEXIST = 0x0100_0008;
    ALGNOTSUPPORT = 0x0100_0009;
    SYMOPERR = 0x0100_000f;
    STEPERR = 0x0100_0010;
    KEYERR = 0x0100_0015;
    ENCDATAERR = 0x0100_0016;
    RANDERR = 0x0100_0017;
    NOBUFFER = 0x0100_001c;
    INARGERR = 0x0100_001d;
    OUTARGERR = 0x0100_001e;
}

pub(crate) fn send(stream: &mut UnixStream, frame: &[u8]) -> std::io::Result<()> {
    if frame.len() > FRAME_MAX {
        return Err(Error::new(ErrorKind::InvalidInput, "the frame is too long"));
    }
    stream.write_all(&(frame.len() as u32).to_le_bytes())?;
    stream.write_all(frame)
}

pub(crate) fn receive(stream: &mut UnixStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > FRAME_MAX {
        return Err(Error::new(ErrorKind::InvalidData, "the frame is too long"));
    }
    let mut frame = vec![0; length];
    stream.read_exact(&mut frame)?;
    Ok(frame)
}
