# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Detached signatures of images: ECDSA P-256 over the SHA-256 of the whole file, with a pinned key (R-217, R-218, F-09)."""

from __future__ import annotations

import hashlib
import platform
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..base.errors import DependencyError
from .fault import Fault

#: What the manifest may call the one algorithm that the meter's companion standard allows.
ALGORITHMS = ("ecdsa-p256-sha256", "ecdsa-p256", "ecdsa p-256")
DEFAULT_ALGORITHM = ALGORITHMS[0]
_CURVE = "secp256r1"
_RAW = 64  # octets: r and s, 32 each
_LARGEST = 1 << 16  # octets of a key or signature file
_CHUNK = 1 << 20


def verify_detached(
    path: Path, signature_file: Path | None, public_key: str, algorithm: str = "", on_read: Callable[[], None] | None = None
) -> Fault | None:
    """Why this file is not what the holder of ``public_key`` (PEM) signed, or None where it is.

    The signature is DER, or r and s of 32 octets each. Raises DependencyError where the library ``cryptography`` is missing.
    """
    name = path.name
    if (algorithm or DEFAULT_ALGORITHM).strip().lower() not in ALGORITHMS:
        return Fault("signature_algorithm_not_allowed", f"{name}: signature algorithm {algorithm}; only ECDSA P-256 is allowed")
    if signature_file is None:
        return Fault("image_signature_missing", f"{name}: the manifest names no file with the detached signature")
    if not public_key:
        return Fault("image_signature_missing", f"{name}: the manifest pins no public key, so the signature proves nothing")
    try:
        signature = _small_file(signature_file)
    except OSError as error:
        return Fault("image_signature_missing", f"{signature_file} cannot be read: {error.strerror}")
    return _judge(path, signature, public_key, on_read)


def _judge(path: Path, signature: bytes, public_key: str, on_read: Callable[[], None] | None) -> Fault | None:
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, utils
    except ImportError:
        raise DependencyError("cryptography", platform.node(), "checking the signature of an image") from None
    key = _load(public_key)
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != _CURVE:
        what = "no public key in PEM" if key is None else getattr(getattr(key, "curve", None), "name", type(key).__name__)
        return Fault("signature_algorithm_not_allowed", f"{path.name}: the pinned key is {what}; it must be an ECDSA key on P-256")
    if len(signature) == _RAW:
        signature = utils.encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    try:
        key.verify(signature, _digest(path, on_read), ec.ECDSA(utils.Prehashed(hashes.SHA256())))
    except InvalidSignature:
        return Fault("image_signature_invalid", f"{path.name} was not signed with the pinned key, or was changed since")
    except OSError as error:
        return Fault("artifact_missing", f"{path} cannot be read: {error.strerror}")
    return None


def _load(public_key: str) -> Any:
    """The key of a PEM text (a public key or a certificate), or None."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from cryptography.x509 import load_pem_x509_certificate

    data = public_key.encode()
    try:
        if b"BEGIN CERTIFICATE" in data:
            return load_pem_x509_certificate(data).public_key()
        return load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        return None


def pinned_key(folder: Path, stated: str) -> str:
    """The PEM text that the manifest pins: itself, or in a file inside the artifact folder. Empty where there is none.

    Raises OSError and ValueError (a path that leads outside, or no text).
    """
    if not stated or re.search(r"-----BEGIN ", stated):
        return stated
    return _small_file(inside(folder, stated)).decode()


def inside(folder: Path, name: str) -> Path:
    """The path of a file that the manifest names, inside its folder. Raises ValueError."""
    path = Path(name)
    if path.is_absolute() or ".." in path.parts or "\x00" in name:
        raise ValueError(f"{name} is not inside the artifact folder")
    return folder / path


def _small_file(path: Path) -> bytes:
    with path.open("rb") as stream:
        data = stream.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise OSError(0, "too large for a key or a signature")
    return data


def _digest(path: Path, on_read: Callable[[], None] | None) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(_CHUNK):
            digest.update(piece)
            if on_read is not None:
                on_read()
    return digest.digest()
