# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Sample firmware packages in the simulator's own, openly fictitious format.

The makers' formats are not public. Ours is a text head, a body and a real
SHA-256 at the end, so that the simulated meter can judge integrity, model and
version. A real meter would refuse these files.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from metersim import tables

MAGIC = b"METERSIM-FICTION-1\n"
PARTS = ("comm_card", "firmware", "trigger_page")
TRIGGER_PAGE = "PM5500StartUpgrade.shtml"
CARD_FILE = "App2.out"
DIGEST = 32


class PackageError(ValueError):
    """A package cannot be made or is not good."""


@dataclass(frozen=True)
class Head:
    """What the head of a file says about it."""

    part: str
    models: tuple[str, ...]
    version: tables.Version


def seal(part: str, models: list[str], version: str, size: int) -> bytes:
    """A file of about ``size`` bytes whose last 32 bytes are the SHA-256 of the rest."""
    head = MAGIC + json.dumps({"part": part, "models": models, "version": version}, sort_keys=True).encode() + b"\n"
    filler = random.Random(f"{part}-{models}-{version}").randbytes(max(0, size - len(head) - DIGEST))
    return head + filler + hashlib.sha256(head + filler).digest()


def open_sealed(raw: bytes) -> Head:
    """Check a file. Raises PackageError when it is damaged or not ours."""
    if not raw.startswith(MAGIC) or len(raw) < len(MAGIC) + DIGEST:
        raise PackageError("not a metersim package")
    if hashlib.sha256(raw[:-DIGEST]).digest() != raw[-DIGEST:]:
        raise PackageError("checksum is wrong")
    try:
        words = json.loads(raw[len(MAGIC) : raw.index(b"\n", len(MAGIC))])
        return Head(words["part"], tuple(words["models"]), tables.parse_version(words["version"]))
    except (ValueError, KeyError, TypeError) as exc:
        raise PackageError("head is not readable") from exc


def firmware_name(model: str, version: str) -> str:
    """The documented name pattern of the archive (R-038)."""
    return f"{model}_v{version}.fwa"


def trigger_page(model: str, version: str) -> bytes:
    """The page whose opening starts the upgrade."""
    return f"<html><!-- {model} {version} --><body>Upgrade is starting.</body></html>\n".encode()


def make(folder: Path, model: str, version: str, size: int = 200_000, corrupt: str = "") -> dict[str, Any]:
    """Write one package below ``folder`` and return its manifest entry.

    ``corrupt`` (``flip`` or ``truncate``) spoils the archive itself while the
    manifest's hash still fits, so that only the meter can notice.
    """
    name = f"{model.lower()}-{version}" + (f"-{corrupt}" if corrupt else "")
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    archive = seal("firmware", [model], version, size)
    if corrupt == "flip":
        middle = len(archive) // 2
        archive = archive[:middle] + bytes([archive[middle] ^ 0x10]) + archive[middle + 1 :]
    elif corrupt == "truncate":
        archive = archive[: len(archive) * 3 // 4]
    contents = (
        (CARD_FILE, "comm_card", seal("comm_card", [model], version, max(4096, size // 8))),
        (firmware_name(model, version), "firmware", archive),
        (TRIGGER_PAGE, "trigger_page", trigger_page(model, version)),
    )
    files = []
    for file, role, raw in contents:
        (place / file).write_bytes(raw)
        files.append({"name": file, "role": role, "path": name, "sha256": hashlib.sha256(raw).hexdigest(), "size": len(raw)})
    return {
        "id": f"{model.lower()}-{version}-ftp" + (f"-{corrupt}" if corrupt else ""),
        "family": "pm5000",
        "models": [model],
        "version": version,
        "method": "ftp",
        "files": files,
        "source_url": "sample package made by metersim",
        "approved_by": "metersim",
    }


def write(folder: Path, wanted: list[tuple[str, str]], size: int = 200_000, corrupt: str = "") -> Path:
    """Make packages and put them into ``folder/firmware.yml``, keeping what is there."""
    manifest = folder / "firmware.yml"
    entries: list[dict[str, Any]] = []
    if manifest.exists():
        loaded = yaml.safe_load(manifest.read_text(encoding="utf-8"))
        if not isinstance(loaded, dict) or not isinstance(loaded.get("packages"), list):
            raise PackageError(f"{manifest} exists and is not a manifest")
        entries = loaded["packages"]
    for model, version in wanted:
        if model not in tables.MODELS:
            raise PackageError(f"unknown model '{model}' (known: {', '.join(tables.MODELS)})")
        try:
            tables.parse_version(version)
        except ValueError as exc:
            raise PackageError(str(exc)) from exc
        entry = make(folder, model, version, size, corrupt)
        entries = [old for old in entries if old.get("id") != entry["id"]] + [entry]
    folder.mkdir(parents=True, exist_ok=True)
    manifest.write_text("---\n" + yaml.safe_dump({"packages": entries}, sort_keys=False, width=160), encoding="utf-8")
    return manifest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``metersim packages``."""
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", action="append", required=True, help="may be repeated, together with --version")
    parser.add_argument("--version", action="append", required=True, dest="versions", metavar="VERSION")
    parser.add_argument("--size", type=int, default=200_000, help="bytes of the archive (default 200000)")
    parser.add_argument("--corrupt", choices=("flip", "truncate"), default="", help="a spoiled archive that only the meter notices")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    models, versions = args.model, args.versions
    if len(versions) == 1:
        versions = versions * len(models)
    if len(models) == 1:
        models = models * len(versions)
    if len(models) != len(versions):
        raise PackageError("give one --version for all models or one for each --model")
    print(write(args.folder, list(zip(models, versions, strict=True)), args.size, args.corrupt))
    return 0
