"""Signatures are checked against the formula itself, by other means than the code's own."""

from __future__ import annotations

import base64
import hashlib
import hmac
import subprocess
import sys
from pathlib import Path

import pytest

from heng import BearerToken, Client, Ed25519Key, HmacKey, signing_input, totp

from .conftest import Server

BODY = b'{"a":1}'
EXPECTED = b"POST\n/v1/orders?a=%20b\n1783300500000\nnonce-1\n" + hashlib.sha256(BODY).hexdigest().encode()


def test_the_signed_text_has_five_lines() -> None:
    assert signing_input("POST", "/v1/orders?a=%20b", "1783300500000", "nonce-1", BODY) == EXPECTED


def test_an_hmac_key_signs_with_the_text_of_its_secret() -> None:
    key = HmacKey("k1", "s3cret", clock=lambda: 1_783_300_500.0, nonce=lambda: "nonce-1")
    headers = key.headers("POST", "/v1/orders?a=%20b", BODY)
    signature = hmac.new(b"s3cret", EXPECTED, hashlib.sha256).digest()
    assert headers == {
        "x-heng-key": "k1", "x-heng-timestamp": "1783300500000", "x-heng-nonce": "nonce-1",
        "x-heng-signature": base64.b64encode(signature).decode(),
    }
    assert "s3cret" not in repr(key)


def test_an_ed25519_key_signs_what_its_public_key_verifies() -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    key = Ed25519Key("k2", bytes(range(32)), clock=lambda: 1_783_300_500.0, nonce=lambda: "nonce-1")
    signature = base64.b64decode(key.headers("POST", "/v1/orders?a=%20b", BODY)["x-heng-signature"])
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key.public_key))
    public.verify(signature, EXPECTED)
    with pytest.raises(InvalidSignature):
        public.verify(signature, EXPECTED + b" ")


def test_what_is_signed_is_the_target_as_it_is_sent(server: Server) -> None:
    server.answers((200, {"as_of_sequence": 1, "orders": [], "next_before": None}, {}))
    with Client(server.url, credential=HmacKey("k", "s")) as client:
        client.orders("1", client_order_id="a b&空")
        client.orders("1")
    first, second = server.asked
    assert first.target == "/v1/orders?account=1&client_order_id=a+b%26%E7%A9%BA"
    for asked in (first, second):
        text = signing_input("GET", asked.target, asked.headers["x-heng-timestamp"], asked.headers["x-heng-nonce"], b"")
        expected = base64.b64encode(hmac.new(b"s", text, hashlib.sha256).digest()).decode()
        assert asked.headers["x-heng-signature"] == expected
    assert first.headers["x-heng-nonce"] != second.headers["x-heng-nonce"]


def test_a_token_is_sent_and_not_shown() -> None:
    token = BearerToken("t0ken")
    assert token.headers("GET", "/", b"") == {"authorization": "Bearer t0ken"}
    assert "t0ken" not in repr(token)


def test_one_time_codes_are_those_of_rfc_6238() -> None:
    # Appendix B of the RFC, the last six digits.
    secret = base64.b32encode(b"12345678901234567890").decode()
    assert [totp(secret, at) for at in (59, 1_111_111_109, 1_234_567_890, 20_000_000_000)] == [
        "287082", "081804", "005924", "353130",
    ]


def test_the_synchronous_client_is_made_from_the_asynchronous_one() -> None:
    tool = Path(__file__).resolve().parent.parent / "tools" / "unasync.py"
    assert subprocess.run([sys.executable, str(tool), "--check"], check=False).returncode == 0
