# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Sample firmware of HEP meters: an invented ``.upx``, bare or in a ``.zip`` with its metadata (SURFACE.md, section 49)."""

from __future__ import annotations

import hashlib
import io
import json
import random
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAGIC = b"MCSIM-FICTION-HEP\n"
MODELS = ("ION9000", "ION9000T", "PM8000", "ION7400")
METADATA = "metadata.json"
DIGEST = 32
Version = tuple[int, int, int]
Fields = tuple[int, ...]
# which ION Setup a version asks for: the first three rows are documented (3: recommended)
MINIMUM = {4: "3.2.22341.01", 3: "3.2.20218.01", 2: "3.0.0.0"}


class DamagedError(ValueError):
    """A file that is no firmware, or not whole."""


@dataclass(frozen=True)
class Firmware:
    """What a ``.upx`` says about itself; ``min_ion_setup`` is what the firmware needs to be programmed afterwards."""

    models: tuple[str, ...]
    version: Version
    min_ion_setup: Fields


def version_of(text: str) -> Version:
    """``3.0.0`` and ``V003.000.000`` alike. ValueError."""
    parts = text.strip().lstrip("vV").split(".")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() for part in parts):
        raise ValueError(f"'{text}' is not a firmware version such as 3.0.0")
    return (int(parts[0]), int(parts[1]), int(parts[2]))


def setup_version(text: str) -> Fields:
    """A version of ION Setup as numbers: 3.2.9.1 is lower than 3.2.20218.01. ValueError."""
    parts = text.strip().split(".")
    if not 2 <= len(parts) <= 4 or not all(part.isascii() and part.isdigit() for part in parts):
        raise ValueError(f"'{text}' is not a version of ION Setup such as 3.2.20218.01")
    return (*(int(part) for part in parts), *([0] * (4 - len(parts))))


def minimum_for(version: Version) -> str:
    """The ION Setup a sample package of this version asks for."""
    return MINIMUM[max(2, min(4, version[0]))]


def stem(model: str, version: Version) -> str:
    """An invented pattern of names."""
    return f"{model}_V{version[0]:03}.{version[1]:03}.{version[2]:03}"


def seal(models: list[str], version: Version, minimum: str, size: int) -> bytes:
    """A ``.upx`` of about ``size`` bytes; its last 32 bytes are the SHA-256 of the rest."""
    words = {"min_ion_setup": minimum, "models": models, "version": _text(version)}
    head = MAGIC + json.dumps(words, sort_keys=True).encode() + b"\n"
    body = head + random.Random(repr(words)).randbytes(max(0, size - len(head) - DIGEST))
    return body + hashlib.sha256(body).digest()


def open_upx(raw: bytes, whole: bool = True) -> Firmware:
    """Read a ``.upx``; with ``whole`` its digest is checked. DamagedError."""
    if not raw.startswith(MAGIC) or len(raw) < len(MAGIC) + DIGEST:
        raise DamagedError("not an upgrade file")
    if whole and hashlib.sha256(raw[:-DIGEST]).digest() != raw[-DIGEST:]:
        raise DamagedError("the upgrade file is damaged")
    try:
        words = json.loads(raw[len(MAGIC) : raw.index(b"\n", len(MAGIC))])
        return Firmware(tuple(words["models"]), version_of(words["version"]), setup_version(words["min_ion_setup"]))
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise DamagedError("the upgrade file is damaged") from exc


def read(path: Path) -> tuple[bytes, Fields | None]:
    """The ``.upx`` in a file and the ION Setup that a ``.zip`` asks for (a bare ``.upx`` cannot tell: None). DamagedError."""
    try:
        raw = path.read_bytes()
    except OSError as exc:
        raise DamagedError("the upgrade file cannot be read") from exc
    if path.suffix.lower() == ".upx":
        return raw, None
    if path.suffix.lower() != ".zip":
        raise DamagedError("the upgrade file must be of type .zip or .upx")
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            words = json.loads(archive.read(METADATA))
            names = [name for name in archive.namelist() if name.lower().endswith(".upx")]
            if len(names) != 1:
                raise DamagedError("the archive must hold one upgrade file")
            return archive.read(names[0]), setup_version(words["min_ion_setup"])
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError) as exc:
        raise DamagedError("the archive cannot be read") from exc


def make(
    folder: Path, model: str, version: str, size: int = 200_000, corrupt: str = "", minimum: str = "", bare: bool = False
) -> dict[str, Any]:
    """Write one package below ``folder`` and return its manifest entry.

    ``corrupt`` (flip, truncate) spoils the ``.upx`` so that only the meter notices.
    ``bare``: no archive around it; the manifest then tells a minimum only when somebody gave one.
    ValueError for versions that are none.
    """
    wanted = version_of(version)
    needed = minimum or minimum_for(wanted)
    setup_version(needed)
    name = stem(model, wanted)
    raw = _spoiled(seal([model], wanted, needed, size), corrupt)
    ident = f"{model.lower()}-{_text(wanted)}-ion" + ("-bare" if bare else "") + (f"-{corrupt}" if corrupt else "")
    place = folder / ident
    place.mkdir(parents=True, exist_ok=True)
    file = f"{name}.upx" if bare else f"{name}.zip"
    content = raw if bare else _archive(f"{name}.upx", raw, {"min_ion_setup": needed, "models": [model], "version": _text(wanted)})
    (place / file).write_bytes(content)
    entry: dict[str, Any] = {
        "id": ident,
        "family": "hep",
        "models": [model],
        "version": _text(wanted),
        "method": "ion",
        "files": [{"name": file, "role": "package", "path": ident, "sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}],
        "source_url": "sample package made by metersim",
        "approved_by": "metersim",
    }
    if minimum or not bare:
        entry["min_ion_setup"] = needed
    return entry


def _text(version: Version) -> str:
    return ".".join(map(str, version))


def _spoiled(raw: bytes, corrupt: str) -> bytes:
    if corrupt == "flip":
        middle = len(raw) // 2
        return raw[:middle] + bytes([raw[middle] ^ 0x10]) + raw[middle + 1 :]
    return raw[: len(raw) * 3 // 4] if corrupt == "truncate" else raw


def _archive(name: str, raw: bytes, words: dict[str, Any]) -> bytes:
    """The same input makes the same archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for file, content in ((METADATA, json.dumps(words, sort_keys=True).encode()), (name, raw)):
            archive.writestr(zipfile.ZipInfo(file, (2026, 1, 1, 0, 0, 0)), content)
    return out.getvalue()
