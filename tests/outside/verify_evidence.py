"""Checks a bundle of the evidence log with code that Heng's authors did not write.

Merkle trees and proofs of inclusion: pymerkle. Ed25519: cryptography. SM2: tongsuopy, which carries Tongsuo. SHA-256 and
SM3: hashlib. What is here besides is reading: of the bundle, of signed notes (C2SP signed-note), of checkpoints (C2SP
tlog-checkpoint), of tiles (C2SP tlog-tiles); and the check of RFC 9162, section 2.1.4.2, for proofs of consistency.

    python3 verify_evidence.py BUNDLE --key VKEY [--key VKEY …] [--public DIR] [--flips N --seed S]

`--public` is a copy of the log's public folder: then the whole tree is built again from it, at both sizes. `--flips`
changes single bits of records, salts, proofs and checkpoints, N in all, and fails unless each of them is found.
Exit codes: 0 proven, 1 not.
"""

import argparse
import base64
import copy
import hashlib
import json
import random
import sys
from functools import lru_cache
from pathlib import Path

import pymerkle.hasher
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pymerkle import InmemoryTree
from pymerkle.core import _inclusion_path_layout
from pymerkle.proof import InclusionProof, InvalidProof
from tongsuopy.crypto import exceptions as tongsuo_exceptions
from tongsuopy.crypto import hashes as tongsuo_hashes
from tongsuopy.crypto.asymciphers import ec as tongsuo_ec

# pymerkle takes its hash functions from this table; hashlib has SM3 where OpenSSL has it.
pymerkle.hasher.HASH_FUNCTIONS["sm3"] = lambda data=b"": hashlib.new("sm3", data)
pymerkle.hasher.ALGORITHMS.append("sm3")

SM2_TYPE = b"\xffheng/sm2-sm3/v1"
TYPES = {b"\x01": "ed25519", b"\x04": "cosignature-v1", SM2_TYPE: "sm2"}


class NotProven(Exception):
    """Something is wrong; the text says where."""


def need(condition: bool, what: str) -> None:
    if not condition:
        raise NotProven(what)


def from_base64(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise NotProven(f"no base64: {error}") from error
    # Python lets unused bits pass; a form that is not the only one could hide a change.
    need(base64.b64encode(data).decode() == text, "base64 in another form")
    return data


class Key:
    """A verifier key, `name+id+base64(type ‖ key)`."""

    def __init__(self, text: str):
        self.name, told, encoded = text.split("+", 2)
        data = from_base64(encoded)
        kind = next((kind for kind in TYPES if data.startswith(kind)), None)
        need(kind is not None, f"{text}: unknown type of key")
        self.algorithm, self.public = TYPES[kind], data[len(kind):]
        self.id = hashlib.sha256(self.name.encode() + b"\n" + data).digest()[:4]
        need(self.id.hex() == told, f"{text}: the id does not belong to the key")

    def verify(self, text: bytes, signature: bytes) -> bool:
        return signature_fits(self.algorithm, self.public, text, signature)


@lru_cache(maxsize=4_096)
def signature_fits(algorithm: str, public: bytes, text: bytes, signature: bytes) -> bool:
    if algorithm == "sm2":
        return sm2_fits(public, text, signature)
    if algorithm == "cosignature-v1":
        if len(signature) != 72:
            return False
        time = int.from_bytes(signature[:8], "big")
        text, signature = b"cosignature/v1\ntime %d\n" % time + text, signature[8:]
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, text)
    except InvalidSignature:
        return False
    return True


def der_integer(data: bytes) -> bytes:
    data = data.lstrip(b"\0") or b"\0"
    data = b"\0" + data if data[0] & 0x80 else data
    return b"\x02" + bytes([len(data)]) + data


def sm2_fits(public: bytes, text: bytes, signature: bytes) -> bool:
    if len(signature) != 64:
        return False
    numbers = der_integer(signature[:32]) + der_integer(signature[32:])
    key = tongsuo_ec.EllipticCurvePublicKey.from_encoded_point(tongsuo_ec.SM2(), public)
    try:
        key.verify(b"\x30" + bytes([len(numbers)]) + numbers, text, tongsuo_ec.ECDSA(tongsuo_hashes.SM3()))
    except tongsuo_exceptions.InvalidSignature:
        return False
    return True


def read_note(data: bytes, keys: list[Key], all_keys: bool) -> dict:
    """The checkpoint in a signed note, after its signatures were checked."""
    try:
        note = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotProven("the note is no UTF-8") from error
    need(all(letter == "\n" or ord(letter) >= 32 for letter in note), "the note holds control characters")
    text, divider, lines = note.rpartition("\n\n")
    need(bool(divider) and lines.endswith("\n"), "the note has no signatures")
    text += "\n"
    signed = set()
    for line in lines[:-1].split("\n"):
        parts = line.split(" ")
        need(len(parts) == 3 and parts[0] == "—", "a line is no signature")
        signature = from_base64(parts[2])
        for number, key in enumerate(keys):
            if (key.name, key.id) == (parts[1], signature[:4]):
                need(key.verify(text.encode(), signature[4:]), f"the signature of {key.name} does not fit")
                signed.add(number)
    need(bool(signed), "no known key has signed")
    if all_keys:
        missing = [key.name for number, key in enumerate(keys) if number not in signed]
        need(not missing, f"{missing} have not signed")
    origin, size, root, *extensions = text[:-1].split("\n")
    need(size.isascii() and size.isdigit() and str(int(size)) == size, "the size is no number")
    sm3 = [line.split(" ", 1)[1] for line in extensions if line.startswith("sm3 ")]
    need(len(sm3) == 1, "there is no SM3 root")
    return {"origin": origin, "size": int(size), "sha256": from_base64(root), "sm3": from_base64(sm3[0])}


def check_inclusion(algorithm: str, entry: bytes, index: int, size: int, path: list[bytes], root: bytes) -> None:
    """pymerkle's own check, from its own hash of the leaf."""
    need(0 <= index < size, f"leaf {index} is not in the tree")
    leaf = hashlib.new(algorithm, b"\0" + entry).digest()
    rule, _ = _inclusion_path_layout(index + 1, size)
    proof = InclusionProof(algorithm, True, size, index + 1, rule, [leaf, *path])
    try:
        proof.verify(leaf, root, index=index + 1, size=size, algorithm=algorithm)
    except InvalidProof as error:
        raise NotProven(f"{algorithm} inclusion of leaf {index}: {error}") from error


def check_consistency(old: int, old_root: bytes, new: int, new_root: bytes, path: list[bytes]) -> None:
    """RFC 9162, section 2.1.4.2, over SHA-256."""
    def node(left: bytes, right: bytes) -> bytes:
        return hashlib.sha256(b"\1" + left + right).digest()

    need(0 < old <= new, "the earlier checkpoint is not earlier")
    if old == new:
        need(not path and old_root == new_root, "two trees of one size")
        return
    path = [old_root, *path] if old & (old - 1) == 0 else list(path)
    need(bool(path), "the proof of consistency is empty")
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    of_old = of_new = path[0]
    for sibling in path[1:]:
        need(last != 0, "the proof of consistency is too long")
        if at & 1 or at == last:
            of_old, of_new = node(sibling, of_old), node(sibling, of_new)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            of_new = node(of_new, sibling)
        at, last = at >> 1, last >> 1
    need(last == 0 and of_old == old_root and of_new == new_root, "the proof of consistency does not hold")


def read_hex(text: str, length: int | None = None) -> bytes:
    data = bytes.fromhex(text)
    need(data.hex() == text and (length is None or len(data) == length), "a hash in another form")
    return data


def decode(bundle: dict) -> dict:
    """The bundle with its bytes as bytes."""
    def proof(texts: list[str]) -> list[bytes]:
        return [read_hex(text, 32) for text in texts]

    need(bundle["format"] == "heng-evidence-bundle/v1", "another format")
    earlier = bundle.get("earlier")
    leaves = [
        {
            "index": leaf["index"],
            "commitment": read_hex(leaf["commitment"], 32),
            "salt": read_hex(leaf["salt"], 32) if "salt" in leaf else None,
            "record": read_hex(leaf["record"]) if "record" in leaf else None,
            "proof": proof(leaf["proof"]),
            "sm3_proof": proof(leaf["sm3_proof"]),
        }
        for leaf in bundle["leaves"]
    ]
    return {
        "checkpoint": bundle["checkpoint"].encode(),
        "earlier": earlier and {
            "checkpoint": earlier["checkpoint"].encode(), "consistency": proof(earlier["consistency"])
        },
        "leaves": leaves,
    }


def check_leaf(leaf: dict, checkpoint: dict) -> None:
    if leaf["record"] is not None:
        made = hashlib.sha256(leaf["salt"] + leaf["record"]).digest()
        need(made == leaf["commitment"], f"leaf {leaf['index']}: record and salt do not give the commitment")
    for algorithm, path in (("sha256", leaf["proof"]), ("sm3", leaf["sm3_proof"])):
        size, root = checkpoint["size"], checkpoint[algorithm]
        check_inclusion(algorithm, leaf["commitment"], leaf["index"], size, path, root)


def check(bundle: dict, keys: list[Key]) -> dict:
    checkpoint = read_note(bundle["checkpoint"], keys, True)
    if bundle["earlier"]:
        # Keys and witnesses may have changed since: one known signature is enough there.
        earlier = read_note(bundle["earlier"]["checkpoint"], keys, False)
        need(earlier["origin"] == checkpoint["origin"], "the earlier checkpoint is of another log")
        old, new = earlier["size"], checkpoint["size"]
        check_consistency(old, earlier["sha256"], new, checkpoint["sha256"], bundle["earlier"]["consistency"])
    for leaf in bundle["leaves"]:
        check_leaf(leaf, checkpoint)
    return checkpoint


def tile_path(index: int) -> str:
    parts = [f"{index % 1000:03}"]
    while index := index // 1000:
        parts.append(f"x{index % 1000:03}")
    return "/".join(reversed(parts))


def entries_of(public: Path, size: int, rest: list[bytes]) -> list[bytes]:
    """The commitments in the full bundles of the public folder, and those behind them as somebody handed them out."""
    entries: list[bytes] = []
    for index in range(size // 256):
        data = (public / "tile" / "entries" / tile_path(index)).read_bytes()
        while data:
            length = int.from_bytes(data[:2], "big")
            entries.append(data[2:2 + length])
            data = data[2 + length:]
    need(len(entries) == size // 256 * 256, "a bundle of entries is not full")
    return entries + rest


def check_whole_tree(bundle: dict, keys: list[Key], public: Path) -> int:
    """Builds the trees again with pymerkle from the public commitments alone."""
    checkpoint = read_note(bundle["checkpoint"], keys, True)
    full = checkpoint["size"] // 256 * 256
    known = {leaf["index"]: leaf["commitment"] for leaf in bundle["leaves"]}
    rest = [known[index] for index in range(full, checkpoint["size"])]
    entries = entries_of(public, checkpoint["size"], rest)
    for algorithm in ("sha256", "sm3"):
        tree = InmemoryTree(algorithm=algorithm)
        for entry in entries:
            tree.append_entry(entry)
        need(tree.get_root() == checkpoint[algorithm], f"the {algorithm} root of the public commitments is another")
        if bundle["earlier"]:
            earlier = read_note(bundle["earlier"]["checkpoint"], keys, False)
            need(tree.get_root(earlier["size"]) == earlier[algorithm], f"the {algorithm} tree does not extend the old")
    return len(entries)


def places(bundle: dict) -> list[tuple]:
    """Everything in which a bit can be changed, as a path and its number of bits."""
    found = [(("checkpoint",), bundle["checkpoint"])]
    if bundle["earlier"]:
        found += [(("earlier", "consistency", at), part) for at, part in enumerate(bundle["earlier"]["consistency"])]
    for number, leaf in enumerate(bundle["leaves"]):
        for name in ("salt", "record"):
            if leaf[name] is not None:
                found.append((("leaves", number, name), leaf[name]))
        for name in ("proof", "sm3_proof"):
            found += [(("leaves", number, name, at), part) for at, part in enumerate(leaf[name])]
    return [(path, 8 * len(part)) for path, part in found]


def flip(bundle: dict, path: tuple, bit: int) -> dict:
    changed = copy.deepcopy(bundle)
    holder = changed
    for step in path[:-1]:
        holder = holder[step]
    data = bytearray(holder[path[-1]])
    data[bit // 8] ^= 1 << bit % 8
    holder[path[-1]] = bytes(data)
    return changed


def flips(bundle: dict, keys: list[Key], count: int, seed: int) -> list[str]:
    """Single-bit changes that are not found. Kinds take turns, so that none is rare."""
    by_kind: dict[str, list[tuple]] = {}
    for path, bits in places(bundle):
        by_kind.setdefault(str(path[2] if path[0] == "leaves" else path[0]), []).append((path, bits))
    draw, unfound = random.Random(seed), []
    kinds = sorted(by_kind)
    for number in range(count):
        path, bits = draw.choice(by_kind[kinds[number % len(kinds)]])
        bit = draw.randrange(bits)
        small = dict(bundle)
        # Only the leaf that is changed is checked again; the others are as they were.
        if path[0] == "leaves":
            small["leaves"], path = [bundle["leaves"][path[1]]], ("leaves", 0, *path[2:])
        else:
            small["leaves"] = bundle["leaves"][:1]
        try:
            check(flip(small, path, bit), keys)
            unfound.append(f"{path} bit {bit}")
        except (NotProven, ValueError):
            pass
    return unfound


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--key", action="append", default=[], required=True)
    parser.add_argument("--public", type=Path)
    parser.add_argument("--flips", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    told: dict = {"proven": False}
    try:
        keys = [Key(text) for text in asked.key]
        bundle = decode(json.loads(asked.bundle.read_text()))
        checkpoint = check(bundle, keys)
        opened = sum(leaf["record"] is not None for leaf in bundle["leaves"])
        told |= {"size": checkpoint["size"], "opened": opened, "closed": len(bundle["leaves"]) - opened}
        if asked.public:
            told["rebuilt"] = check_whole_tree(bundle, keys, asked.public)
        unfound = flips(bundle, keys, asked.flips, asked.seed)
        told |= {"flips": asked.flips, "unfound": unfound[:10]}
        told["proven"] = not unfound
    except (NotProven, ValueError, KeyError, TypeError) as error:
        told["why"] = f"{type(error).__name__}: {error}"
    print(json.dumps(told))
    return 0 if told["proven"] else 1


if __name__ == "__main__":
    sys.exit(main())
