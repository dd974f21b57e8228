"""Proving who asks: bearer tokens, and API keys that sign every request."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import struct
import time
from typing import Any, Callable, Dict, Optional, Protocol, Union

__all__ = ["BearerToken", "Credential", "Ed25519Key", "HmacKey", "signing_input", "totp"]


class Credential(Protocol):
    """Makes the headers that prove who asks."""

    def headers(self, method: str, target: str, body: bytes) -> Dict[str, str]:
        """Headers for a request; ``target`` is the path with its query, exactly as sent."""


def signing_input(method: str, target: str, timestamp: str, nonce: str, body: bytes) -> bytes:
    """What is signed: method, target, milliseconds since 1970, nonce and the body's SHA-256 in hex, on five lines."""
    return "\n".join([method, target, timestamp, nonce, hashlib.sha256(body).hexdigest()]).encode()


class BearerToken:
    """A session's token or an access token."""

    def __init__(self, token: str) -> None:
        self._token = token

    def headers(self, method: str, target: str, body: bytes) -> Dict[str, str]:
        return {"authorization": f"Bearer {self._token}"}

    def __repr__(self) -> str:
        return "BearerToken(…)"


class _SigningKey:
    def __init__(self, key_id: str, clock: Callable[[], float], nonce: Callable[[], str]) -> None:
        self.key_id = key_id
        self._clock = clock
        self._nonce = nonce

    def _sign(self, message: bytes) -> bytes:
        raise NotImplementedError

    def headers(self, method: str, target: str, body: bytes) -> Dict[str, str]:
        timestamp, nonce = str(int(self._clock() * 1000)), self._nonce()
        signature = self._sign(signing_input(method, target, timestamp, nonce, body))
        return {
            "x-heng-key": self.key_id,
            "x-heng-timestamp": timestamp,
            "x-heng-nonce": nonce,
            "x-heng-signature": base64.b64encode(signature).decode(),
        }

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.key_id!r}, …)"


def _fresh_nonce() -> str:
    return secrets.token_urlsafe(18)


class HmacKey(_SigningKey):
    """An API key with a shared secret (HMAC-SHA256); the secret's text itself is the key."""

    def __init__(
        self, key_id: str, secret: str, *, clock: Callable[[], float] = time.time,
        nonce: Callable[[], str] = _fresh_nonce,
    ) -> None:
        super().__init__(key_id, clock, nonce)
        self._secret = secret.encode()

    def _sign(self, message: bytes) -> bytes:
        return hmac.new(self._secret, message, hashlib.sha256).digest()


class Ed25519Key(_SigningKey):
    """An API key with a key pair of the client. Needs the extra ``heng[ed25519]``.

    ``private_key`` is the 32 bytes of the key, a PEM text, or a key object of the package ``cryptography``.
    """

    def __init__(
        self, key_id: str, private_key: Union[bytes, str, Any], *, clock: Callable[[], float] = time.time,
        nonce: Callable[[], str] = _fresh_nonce,
    ) -> None:
        super().__init__(key_id, clock, nonce)
        self._key = _private_key(private_key)

    def _sign(self, message: bytes) -> bytes:
        signature: bytes = self._key.sign(message)
        return signature

    @property
    def public_key(self) -> str:
        """Base64 of the 32 bytes of the public key, for ``create_api_key``."""
        raw: bytes = self._key.public_key().public_bytes_raw()
        return base64.b64encode(raw).decode()

    @classmethod
    def generate(cls, key_id: str = "") -> "Ed25519Key":
        """A new key pair; the id comes from ``create_api_key``."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return cls(key_id, Ed25519PrivateKey.generate())


def _private_key(given: Union[bytes, str, Any]) -> Any:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError as error:
        raise ImportError("Ed25519 keys need the extra: pip install 'heng[ed25519]'") from error
    if isinstance(given, str):
        given = given.encode()
    if isinstance(given, bytes) and len(given) == 32:
        return Ed25519PrivateKey.from_private_bytes(given)
    key = serialization.load_pem_private_key(given, password=None) if isinstance(given, bytes) else given
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError("not an Ed25519 private key")
    return key


def totp(secret: str, at: Optional[float] = None) -> str:
    """The code of an authenticator (RFC 6238: SHA-1, six digits, thirty seconds) for a Base32 secret."""
    padded = secret.replace(" ", "").upper()
    key = base64.b32decode(padded + "=" * (-len(padded) % 8))
    counter = struct.pack(">Q", int((time.time() if at is None else at) // 30))
    digest = hmac.new(key, counter, hashlib.sha1).digest()
    offset = digest[-1] & 15
    number: int = struct.unpack(">I", digest[offset:offset + 4])[0] & 0x7FFF_FFFF
    return f"{number % 1_000_000:06d}"
