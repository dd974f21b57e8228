//! The record layer of the two suites.

use rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, InboundPlainMessage, Iv, MessageDecrypter, MessageEncrypter, Nonce,
    OutboundOpaqueMessage, OutboundPlainMessage, PrefixedPayload, Tls13AeadAlgorithm, UnsupportedOperationError,
    make_tls13_aad,
};
use rustls::crypto::tls13::HkdfUsingHmac;
use rustls::{
    CipherSuite, CipherSuiteCommon, ConnectionTrafficSecrets, ContentType, Error, ProtocolVersion,
    SupportedCipherSuite, Tls13CipherSuite,
};

use super::hash::{Sm3Hash, Sm3Hmac};
use super::{SM4_CCM_SM3, SM4_GCM_SM3};
use crate::sm::sm4;

/// Length of a tag, bytes: RFC 8998 uses the long one in both modes.
const TAG: usize = 16;

/// `TLS_SM4_GCM_SM3`.
pub static TLS13_SM4_GCM_SM3: SupportedCipherSuite = SupportedCipherSuite::Tls13(&Tls13CipherSuite {
    common: CipherSuiteCommon {
        suite: CipherSuite::Unknown(SM4_GCM_SM3),
        hash_provider: &Sm3Hash,
        // The bound of RFC 8446 section 5.5 for a block of 128 bits in counter mode.
        confidentiality_limit: 1 << 24,
    },
    hkdf_provider: &HkdfUsingHmac(&Sm3Hmac),
    aead_alg: &Sm4Records(Mode::Gcm),
    quic: None,
});

/// `TLS_SM4_CCM_SM3`.
pub static TLS13_SM4_CCM_SM3: SupportedCipherSuite = SupportedCipherSuite::Tls13(&Tls13CipherSuite {
    common: CipherSuiteCommon {
        suite: CipherSuite::Unknown(SM4_CCM_SM3),
        hash_provider: &Sm3Hash,
        // The bound of RFC 9147 section B for CCM with a long tag.
        confidentiality_limit: 1 << 23,
    },
    hkdf_provider: &HkdfUsingHmac(&Sm3Hmac),
    aead_alg: &Sm4Records(Mode::Ccm),
    quic: None,
});

#[derive(Clone, Copy)]
enum Mode {
    Gcm,
    Ccm,
}

struct Sm4Records(Mode);

impl Tls13AeadAlgorithm for Sm4Records {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        Box::new(Records { cipher: Cipher::new(self.0, &key), iv })
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        Box::new(Records { cipher: Cipher::new(self.0, &key), iv })
    }

    fn key_len(&self) -> usize {
        16
    }

    fn extract_keys(&self, _: AeadKey, _: Iv) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        // Kernel offload knows no SM4.
        Err(UnsupportedOperationError)
    }
}

enum Cipher {
    Gcm(sm4::Sm4Gcm),
    Ccm(sm4::Sm4Ccm),
}

impl Cipher {
    fn new(mode: Mode, key: &AeadKey) -> Self {
        // The handshake derives `key_len` bytes of a type that has room for longer ones.
        let key = key.as_ref().first_chunk::<16>().expect("a key of 16 bytes was derived");
        match mode {
            Mode::Gcm => Self::Gcm(sm4::Sm4Gcm::new(key)),
            Mode::Ccm => Self::Ccm(sm4::Sm4Ccm::new(key)),
        }
    }
}

/// One direction of a connection.
struct Records {
    cipher: Cipher,
    iv: Iv,
}

impl MessageEncrypter for Records {
    fn encrypt(&mut self, message: OutboundPlainMessage<'_>, seq: u64) -> Result<OutboundOpaqueMessage, Error> {
        let length = self.encrypted_payload_len(message.payload.len());
        let mut payload = PrefixedPayload::with_capacity(length);
        payload.extend_from_chunks(&message.payload);
        payload.extend_from_slice(&message.typ.to_array());
        let (nonce, aad) = (Nonce::new(&self.iv, seq).0, make_tls13_aad(length));
        let tag = match &self.cipher {
            Cipher::Gcm(gcm) => gcm.seal_in_place(&nonce, &aad, payload.as_mut()),
            Cipher::Ccm(ccm) => ccm.seal_in_place(&nonce, &aad, payload.as_mut()),
        };
        payload.extend_from_slice(&tag.map_err(|_| Error::EncryptError)?);
        // RFC 8446 section 5.2: a record says version 1.2, whatever it is.
        Ok(OutboundOpaqueMessage::new(ContentType::ApplicationData, ProtocolVersion::TLSv1_2, payload))
    }

    fn encrypted_payload_len(&self, payload_len: usize) -> usize {
        payload_len + 1 + TAG
    }
}

impl MessageDecrypter for Records {
    fn decrypt<'a>(
        &mut self,
        mut message: InboundOpaqueMessage<'a>,
        seq: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        let payload = &mut message.payload;
        let (nonce, aad) = (Nonce::new(&self.iv, seq).0, make_tls13_aad(payload.len()));
        let Some((text, tag)) = payload.split_last_chunk_mut::<TAG>() else { return Err(Error::DecryptError) };
        let opened = match &self.cipher {
            Cipher::Gcm(gcm) => gcm.open_in_place(&nonce, &aad, text, tag),
            Cipher::Ccm(ccm) => ccm.open_in_place(&nonce, &aad, text, tag),
        };
        opened.map_err(|_| Error::DecryptError)?;
        let length = text.len();
        payload.truncate(length);
        message.into_tls13_unpadded_message()
    }
}
