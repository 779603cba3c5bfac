# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Images in the simulator's own, openly fictitious container.

The maker's container is not public. Ours is a payload with a text head and
the 64 octets r || s of ECDSA P-256 over the payload's SHA-256. A real meter
would refuse it.
"""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

MAGIC = b"MCSIM-FICTION-2\n"
SIGNATURE = 64
MODEL = "MCS301"
CORRUPT = ("flip", "truncate", "unsigned", "wrong_curve", "wrong_key", "model")
STATED = ("detached", "raw", "embedded_opaque", "none", "wrong_key", "wrong_curve", "missing")


class ContainerError(ValueError):
    """An image is not good; the text says why in one word."""


@dataclass(frozen=True)
class Firmware:
    """One firmware part: its component, identifier and what is behind its active signature."""

    component: int
    identifier: bytes
    build: str = ""
    size: int = 0

    @property
    def signature(self) -> bytes:
        """The active signature: a hash, because nobody knows the maker's."""
        words = {"b": self.component, "build": self.build, "identifier": self.identifier.hex()}
        return hashlib.sha256(json.dumps(words, sort_keys=True).encode()).digest()


def key(words: str = "vendor", curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    """A key that plays somebody's. Everybody may know it: the images are fiction."""
    number = int.from_bytes(hashlib.sha256(f"metersim plays the {words} of MCS301".encode()).digest(), "big") >> 8
    return ec.derive_private_key(number, curve or ec.SECP256R1())


def public_pem(private: ec.EllipticCurvePrivateKey) -> bytes:
    """The public half as PEM."""
    return private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def sign(private: ec.EllipticCurvePrivateKey, raw: bytes) -> bytes:
    """DER signature over SHA-256, always the same for the same octets."""
    return private.sign(raw, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))


def plain_signature(der: bytes, size: int = 32) -> bytes:
    """r || s instead of DER."""
    r, s = decode_dss_signature(der)
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def build(parts: list[Firmware], size: int, corrupt: str = "") -> bytes:
    """A container of ``size`` octets (or as many as its head needs)."""
    models = ["MCS999"] if corrupt == "model" else [MODEL]

    def head(total: int) -> bytes:
        images = [{"b": part.component, "build": part.build, "identifier": part.identifier.hex(), "size": total} for part in parts]
        return MAGIC + json.dumps({"images": images, "models": models}, sort_keys=True).encode() + b"\n"

    size = max(size, len(head(size)) + SIGNATURE + 16)
    start = head(size)
    payload = start + random.Random(f"{parts}-{size}").randbytes(size - len(start) - SIGNATURE)
    if corrupt == "wrong_curve":
        return payload + plain_signature(sign(key("vendor", ec.SECP384R1()), payload), 48)
    if corrupt == "unsigned":
        return payload
    raw = payload + plain_signature(sign(key("stranger" if corrupt == "wrong_key" else "vendor"), payload))
    if corrupt == "flip":
        middle = len(raw) // 2
        return raw[:middle] + bytes([raw[middle] ^ 0x10]) + raw[middle + 1 :]
    return raw[: len(raw) * 3 // 4] if corrupt == "truncate" else raw


_VENDOR: list[ec.EllipticCurvePublicKey] = []


def open_container(raw: bytes) -> list[Firmware]:
    """What the meter finds in an image. Raises ContainerError."""
    payload, signature = raw[:-SIGNATURE], raw[-SIGNATURE:]
    if not payload.startswith(MAGIC):
        raise ContainerError("format")
    if not _VENDOR:
        _VENDOR.append(key().public_key())
    der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    try:
        _VENDOR[0].verify(der, payload, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as exc:
        raise ContainerError("signature") from exc
    return _read(payload)


def _read(payload: bytes) -> list[Firmware]:
    try:
        words: dict[str, Any] = json.loads(payload[len(MAGIC) : payload.index(b"\n", len(MAGIC))])
        parts = [Firmware(int(image["b"]), bytes.fromhex(image["identifier"]), image["build"], image["size"]) for image in words["images"]]
        models = words["models"]
    except (ValueError, KeyError, TypeError) as exc:
        raise ContainerError("format") from exc
    if MODEL not in models:
        raise ContainerError("model")
    if not parts or any(not 0 <= part.component <= 9 for part in parts):
        raise ContainerError("component")
    return parts
