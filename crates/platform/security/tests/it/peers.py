"""Other people's cryptography, for the tests in peers.rs.

Reads what ours made as one JSON object on stdin, fails at the first thing that a peer computes differently or refuses,
and prints what the peers made themselves as one JSON object.

Peers: PyPI cryptography (OpenSSL inside), PyPI tongsuopy (Tongsuo inside), PyPI gmssl (Python), the openssl command.
"""

import json
import os
import subprocess
import sys
import tempfile

from cryptography.hazmat.primitives import hashes, hmac, padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from gmssl import sm2 as gmssl_sm2, sm3 as gmssl_sm3, sm4 as gmssl_sm4
from tongsuopy.crypto import hashes as tongsuo_hashes, serialization
from tongsuopy.crypto.asymciphers import ec
from tongsuopy.crypto.ciphers import aead as tongsuo_aead

COUNTS = {}


def same(peer, what, theirs, ours):
    if theirs != ours:
        sys.exit(f"{peer} {what}: theirs {theirs.hex()} ours {ours.hex()}")
    COUNTS[f"{peer} {what}"] = COUNTS.get(f"{peer} {what}", 0) + 1


def openssl_gcm(key, nonce, aad, plaintext):
    sealing = Cipher(algorithms.SM4(key), modes.GCM(nonce)).encryptor()
    sealing.authenticate_additional_data(aad)
    return sealing.update(plaintext) + sealing.finalize() + sealing.tag


def whole(key, mode, data):
    cipher = Cipher(algorithms.SM4(key), mode).encryptor()
    return cipher.update(data) + cipher.finalize()


def symmetric(case):
    key, nonce, start, aad, plain = (bytes.fromhex(case[name]) for name in ("key", "nonce", "start", "aad", "plaintext"))
    ours = {name: bytes.fromhex(case[name]) for name in ("gcm", "ccm", "ctr", "cbc", "sm3", "hmac", "hkdf")}
    same("cryptography", "SM4-GCM", openssl_gcm(key, nonce, aad, plain), ours["gcm"])
    same("cryptography", "SM4-CTR", whole(key, modes.CTR(start), plain), ours["ctr"])
    pad = padding.PKCS7(128).padder()
    same("cryptography", "SM4-CBC", whole(key, modes.CBC(start), pad.update(plain) + pad.finalize()), ours["cbc"])
    digest = hashes.Hash(hashes.SM3())
    digest.update(plain)
    same("cryptography", "SM3", digest.finalize(), ours["sm3"])
    mac = hmac.HMAC(key, hashes.SM3())
    mac.update(plain)
    same("cryptography", "HMAC-SM3", mac.finalize(), ours["hmac"])
    derived = HKDF(algorithm=hashes.SM3(), length=80, salt=nonce, info=aad).derive(key)
    same("cryptography", "HKDF-SM3", derived, ours["hkdf"])
    same("tongsuopy", "SM4-GCM", tongsuo_aead.SM4GCM(key).encrypt(nonce, plain, aad), ours["gcm"])
    same("tongsuopy", "SM4-CCM", tongsuo_aead.SM4CCM(key, tag_length=16).encrypt(nonce, plain, aad), ours["ccm"])
    digest = tongsuo_hashes.Hash(tongsuo_hashes.SM3())
    digest.update(plain)
    same("tongsuopy", "SM3", digest.finalize(), ours["sm3"])
    if len(plain) <= 300:
        same("gmssl", "SM3", bytes.fromhex(gmssl_sm3.sm3_hash(list(plain))), ours["sm3"])
        cipher = gmssl_sm4.CryptSM4()
        cipher.set_key(key, gmssl_sm4.SM4_ENCRYPT)
        same("gmssl", "SM4-CBC", cipher.crypt_cbc(start, plain), ours["cbc"])


class OpenSslCommand:
    """SM2 by the openssl command in a folder of its own."""

    def __init__(self, folder, case):
        self.folder = folder
        self.write("secret.pem", case["secret_pem"].encode())
        self.write("public.pem", case["public_pem"].encode())

    def write(self, name, content):
        with open(os.path.join(self.folder, name), "wb") as file:
            file.write(content)

    def run(self, *arguments):
        done = subprocess.run(["openssl", *arguments], cwd=self.folder, capture_output=True)
        return done.returncode, done.stdout, done.stderr

    def must(self, *arguments):
        code, out, err = self.run(*arguments)
        if code != 0:
            sys.exit(f"openssl {' '.join(arguments)}: {err.decode()}")
        return out

    def sign(self, message, identity):
        self.write("message", message)
        return self.must("dgst", "-sm3", "-sign", "secret.pem", "-sigopt", f"distid:{identity}", "message")

    def verifies(self, message, identity, signature):
        self.write("message", message)
        self.write("signature", signature)
        code, _, _ = self.run(
            "dgst", "-sm3", "-verify", "public.pem", "-sigopt", f"distid:{identity}", "-signature", "signature", "message"
        )
        return code == 0

    def encrypt(self, plaintext):
        self.write("plain", plaintext)
        return self.must("pkeyutl", "-encrypt", "-pubin", "-inkey", "public.pem", "-in", "plain")

    def decrypt(self, ciphertext):
        self.write("cipher", ciphertext)
        return self.must("pkeyutl", "-decrypt", "-inkey", "secret.pem", "-in", "cipher")


def accepts(peer, what, answer):
    if not answer:
        sys.exit(f"{peer} refuses our {what}")
    COUNTS[f"{peer} {what}"] = COUNTS.get(f"{peer} {what}", 0) + 1


def asymmetric(case, folder):
    message, signature, of_id = (bytes.fromhex(case[name]) for name in ("message", "signature", "signature_of_id"))
    command = OpenSslCommand(folder, case)
    accepts("openssl", "SM2 signature", command.verifies(message, "1234567812345678", signature))
    accepts("openssl", "SM2 signature with an id", command.verifies(message, case["id"], of_id))
    accepts("openssl", "refusal of another id", not command.verifies(message, "1234567812345678", of_id))
    same("openssl", "SM2 decryption", command.decrypt(bytes.fromhex(case["ciphertext_der"])), message[:64])
    algorithm = ec.ECDSA(tongsuo_hashes.SM3())
    secret = serialization.load_pem_private_key(case["secret_pem"].encode(), None)
    public = serialization.load_pem_public_key(case["public_pem"].encode())
    public.verify(signature, message, algorithm)
    accepts("tongsuopy", "SM2 signature", True)
    gmssl = gmssl_sm2.CryptSM2(private_key=case["secret"], public_key=case["point"], mode=1, asn1=False)
    # Its constructor takes off all leading zeros and fours, not only the mark 04.
    gmssl.public_key = case["point"][2:]
    accepts("gmssl", "SM2 signature", gmssl.verify_with_sm3(case["signature_raw"], message))
    same("gmssl", "SM2 decryption", gmssl.decrypt(bytes.fromhex(case["ciphertext"])[1:]), message[:64])
    return {
        "signatures": {
            "openssl": command.sign(message, "1234567812345678").hex(),
            "tongsuopy": secret.sign(message, algorithm).hex(),
        },
        "signature_of_id": command.sign(message, case["id"]).hex(),
        "signature_raw": gmssl.sign_with_sm3(message),
        "ciphertext_der": command.encrypt(message[:64]).hex(),
        "ciphertext": "04" + gmssl.encrypt(message[:64]).hex(),
    }


def keys(folder):
    """Key files as the openssl command makes them."""
    make = OpenSslCommand(folder, {"secret_pem": "", "public_pem": ""})
    secret = make.must("genpkey", "-algorithm", "SM2")
    make.write("made.pem", secret)
    return {
        "pkcs8": secret.decode(),
        "with_parameters": make.must("ecparam", "-name", "SM2", "-genkey").decode(),
        "sec1": make.must("ec", "-in", "made.pem").decode(),
        "public": make.must("pkey", "-in", "made.pem", "-pubout").decode(),
        "public_compressed": make.must("ec", "-in", "made.pem", "-pubout", "-conv_form", "compressed").decode(),
    }


def main():
    told = json.load(sys.stdin)
    for case in told["symmetric"]:
        symmetric(case)
    with tempfile.TemporaryDirectory() as folder:
        made = [asymmetric(case, folder) for case in told["asymmetric"]]
        print(json.dumps({"made": made, "keys": keys(folder), "counts": COUNTS}))


main()
