# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Sample images with their manifest entries and detached signatures."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from metersim.mcs301 import container
from metersim.mcs301.container import MODEL, Firmware
from metersim.mcs301.spec import identifier as parse_identifier

PUBLIC_KEY = "metersim-vendor.pem"


def make(
    folder: Path, identifier: str, component: int = 1, size: int = 65536, build: str = "", corrupt: str = "", stated: str = "detached"
) -> dict[str, Any]:
    """Write one image below ``folder`` and return its manifest entry.

    ``corrupt`` spoils what the meter checks, ``stated`` is about the manifest and the
    detached signature. Raises ValueError for an identifier that is none.
    """
    part = Firmware(component, parse_identifier(identifier), build)
    raw = container.build([part], size, corrupt)
    tail = "".join(f"-{word}" for word in (build, corrupt, "" if stated == "detached" else stated) if word)
    name = f"{MODEL.lower()}-{component}-{part.identifier.hex()}{tail}"
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    file = f"{name}.img"
    (place / file).write_bytes(raw)
    entry: dict[str, Any] = {
        "id": f"{name}-dlms",
        "family": "mcs301",
        "models": [MODEL],
        "version": part.identifier.hex(),
        "method": "dlms",
        "component": component,
        "image_identifier": f"{MODEL}-B{component}-{part.identifier.hex()}",  # names the container
        "expected_identifier": part.identifier.hex(),
        "expected_signature": part.signature.hex(),
        "files": [{"name": file, "role": "image", "path": name, "sha256": hashlib.sha256(raw).hexdigest(), "size": len(raw)}],
        "source_url": "sample image made by metersim",
        "approved_by": "metersim",
    }
    signature = _sign(folder, place / f"{file}.sig", raw, stated)
    if signature:
        entry["signature"] = signature
    return entry


def _sign(folder: Path, file: Path, raw: bytes, stated: str) -> dict[str, str]:
    """Write what belongs to the detached signature; what the manifest says of it."""
    if stated == "none":
        return {}
    if stated == "embedded_opaque":
        return {"kind": "embedded_opaque"}
    wrong_curve = stated == "wrong_curve"
    holder = container.key("vendor", ec.SECP384R1() if wrong_curve else None)
    public = folder / (PUBLIC_KEY.replace(".pem", "-p384.pem") if wrong_curve else PUBLIC_KEY)
    public.write_bytes(container.public_pem(holder))
    signature = container.sign(container.key("stranger") if stated == "wrong_key" else holder, raw)
    if stated == "raw":
        signature = container.plain_signature(signature)
    if stated != "missing":
        file.write_bytes(signature)
    return {"kind": "detached", "algorithm": "ecdsa-p256-sha256", "public_key": public.name, "file": f"{file.parent.name}/{file.name}"}
