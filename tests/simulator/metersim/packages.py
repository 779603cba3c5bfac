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
import hmac
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
SUFFIX = ".sedp"
# Plays the vendor's signing key. Everybody may know it: these packages are fiction.
VENDOR_KEY = b"metersim plays the vendor"
METHODS = ("ftp", "web", "tool", "dlms", "ion")
DLMS_MODEL = "MCS301"
HEP_MODELS = ("ION9000", "ION9000T", "PM8000", "ION7400")
CHUNK = 1024 * 1024


class PackageError(ValueError):
    """A package cannot be made or is not good."""


@dataclass(frozen=True)
class Head:
    """What the head of a file says about it."""

    part: str
    models: tuple[str, ...]
    version: tables.Version
    name: str = ""
    tool: str = ""


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


def seal_signed(name: str, models: list[str], version: str, size: int, tool: str = "", key: bytes = VENDOR_KEY) -> bytes:
    """A ``.sedp`` of about ``size`` bytes; its last 32 bytes play the signature."""
    words = {"models": models, "name": name, "part": "package", "tool": tool, "version": version}
    head = MAGIC + json.dumps(words, sort_keys=True).encode() + b"\n"
    body = head + random.Random(f"{name}-{models}-{version}").randbytes(max(0, size - len(head) - DIGEST))
    return body + hmac.digest(key, body, "sha256")


def open_signed(path: Path) -> Head:
    """Check a ``.sedp``. Raises PackageError when it is damaged, unsigned or not ours."""
    head = read_head(path)
    left = path.stat().st_size - DIGEST
    mac = hmac.new(VENDOR_KEY, digestmod="sha256")
    with path.open("rb") as file:
        while left > 0 and (chunk := file.read(min(CHUNK, left))):
            mac.update(chunk)
            left -= len(chunk)
        if not hmac.compare_digest(mac.digest(), file.read(DIGEST)):
            raise PackageError("signature is wrong")
    return head


def read_head(path: Path) -> Head:
    """What a ``.sedp`` says about itself, unchecked. Raises PackageError when that is not readable."""
    with path.open("rb") as file:
        if file.readline(len(MAGIC)) != MAGIC:
            raise PackageError("not a metersim package")
        line = file.readline(65536)
    try:
        words = json.loads(line)
        if words["part"] != "package":
            raise PackageError("not a .sedp package")
        return Head("package", tuple(words["models"]), tables.parse_version(words["version"]), str(words["name"]), str(words["tool"]))
    except (ValueError, KeyError, TypeError) as exc:
        raise PackageError("head is not readable") from exc


def sedp_name(model: str, version: str) -> str:
    """An invented pattern; the real one is not public."""
    return f"{model}_v{version}{SUFFIX}"


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
    archive = _spoiled(seal("firmware", [model], version, size), corrupt)
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


def _spoiled(raw: bytes, corrupt: str) -> bytes:
    if corrupt == "flip":
        middle = len(raw) // 2
        return raw[:middle] + bytes([raw[middle] ^ 0x10]) + raw[middle + 1 :]
    return raw[: len(raw) * 3 // 4] if corrupt == "truncate" else raw


def make_signed(
    folder: Path, model: str, version: str, method: str, size: int = 200_000, corrupt: str = "", tool: str = "3.8"
) -> dict[str, Any]:
    """Write one ``.sedp`` below ``folder`` and return its manifest entry; web and tool share the file.

    ``corrupt`` is ``flip``, ``truncate`` or ``unsigned``.
    """
    tail = f"-{corrupt}" if corrupt else ""
    place = folder / f"{model.lower()}-{version}-sedp{tail}"
    place.mkdir(parents=True, exist_ok=True)
    name = sedp_name(model, version)
    key = b"somebody else" if corrupt == "unsigned" else VENDOR_KEY
    raw = _spoiled(seal_signed(name, [model], version, size, tool, key), corrupt)
    (place / name).write_bytes(raw)
    entry: dict[str, Any] = {
        "id": f"{model.lower()}-{version}-{method}{tail}",
        "family": "pm5000",
        "models": [model],
        "version": version,
        "method": method,
        "files": [{"name": name, "role": "package", "path": place.name, "sha256": hashlib.sha256(raw).hexdigest(), "size": len(raw)}],
        "source_url": "sample package made by metersim",
        "approved_by": "metersim",
    }
    if method == "tool":
        entry["tool"] = {"version": tool}
    return entry


def write(
    folder: Path,
    wanted: list[tuple[str, str]],
    size: int = 200_000,
    corrupt: str = "",
    methods: tuple[str, ...] = ("ftp",),
    tool: str = "3.8",
    dlms: dict[str, Any] | None = None,
    ion: dict[str, Any] | None = None,
) -> Path:
    """Make packages and put them into ``folder/firmware.yml``, keeping what is there. ``dlms``: component, build, stated; ``ion``: minimum, bare."""
    manifest = folder / "firmware.yml"
    entries: list[dict[str, Any]] = []
    if manifest.exists():
        loaded = yaml.safe_load(manifest.read_text(encoding="utf-8"))
        if not isinstance(loaded, dict) or not isinstance(loaded.get("packages"), list):
            raise PackageError(f"{manifest} exists and is not a manifest")
        entries = loaded["packages"]
    for model, version in wanted:
        _check(model, version, methods, corrupt)
        for method in methods:
            if method == "dlms":
                entry = _image(folder, version, size, corrupt, dlms or {})
            elif method == "ion":
                entry = _upx(folder, model, version, size, corrupt, ion or {})
            elif method == "ftp":
                entry = make(folder, model, version, size, corrupt)
            else:
                entry = make_signed(folder, model, version, method, size, corrupt, tool)
            entries = [old for old in entries if old.get("id") != entry["id"]] + [entry]
    folder.mkdir(parents=True, exist_ok=True)
    manifest.write_text("---\n" + yaml.safe_dump({"packages": entries}, sort_keys=False, width=160), encoding="utf-8")
    return manifest


def _check(model: str, version: str, methods: tuple[str, ...], corrupt: str) -> None:
    """What cannot be made. Raises PackageError."""
    if model == DLMS_MODEL:
        if methods != ("dlms",):
            raise PackageError(f"a {model} takes images by method dlms only")
        return
    if model in HEP_MODELS:
        if methods != ("ion",):
            raise PackageError(f"a {model} takes packages by method ion only")
        if corrupt not in ("", "flip", "truncate"):
            raise PackageError(f"--corrupt {corrupt} is not for packages of method ion")
        return
    if model not in tables.MODELS:
        raise PackageError(f"unknown model '{model}' (known: {', '.join((*tables.MODELS, DLMS_MODEL, *HEP_MODELS))})")
    try:
        tables.parse_version(version)
    except ValueError as exc:
        raise PackageError(str(exc)) from exc
    for method in ("dlms", "ion"):
        if method in methods:
            raise PackageError(f"a {model} takes no {'images' if method == 'dlms' else 'packages'} by method {method}")
    if "ftp" in methods and corrupt == "unsigned":
        raise PackageError("only a package for web or tool can be unsigned")
    if corrupt not in ("", "flip", "truncate", "unsigned"):
        raise PackageError(f"--corrupt {corrupt} is for images of method dlms only")


def _image(folder: Path, version: str, size: int, corrupt: str, options: dict[str, Any]) -> dict[str, Any]:
    from metersim.mcs301 import package  # ciphers; the other methods do without

    try:
        return package.make(folder, version, size=size, corrupt=corrupt, **options)
    except ValueError as exc:
        raise PackageError(str(exc)) from exc


def _upx(folder: Path, model: str, version: str, size: int, corrupt: str, options: dict[str, Any]) -> dict[str, Any]:
    from metersim.hep import package

    try:
        return package.make(folder, model, version, size=size, corrupt=corrupt, **options)
    except ValueError as exc:
        raise PackageError(str(exc)) from exc


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``metersim packages``."""
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", action="append", required=True, help="may be repeated, together with --version")
    parser.add_argument("--version", action="append", required=True, dest="versions", metavar="VERSION")
    parser.add_argument("--size", type=int, default=200_000, help="bytes of the archive (default 200000)")
    parser.add_argument(
        "--corrupt",
        choices=("flip", "truncate", "unsigned", "wrong_curve", "wrong_key", "model"),
        default="",
        help="a spoiled file that only the meter notices (the last three: dlms)",
    )
    parser.add_argument(
        "--method",
        action="append",
        choices=METHODS,
        help="ftp (default), web, tool, dlms or ion; may be repeated, web and tool share a file",
    )
    parser.add_argument("--component", type=int, choices=range(10), default=1, help="dlms: which part of the firmware, B (default 1)")
    parser.add_argument("--build", default="", help="dlms: another binary with the same identifier")
    parser.add_argument(
        "--signature",
        choices=("detached", "raw", "embedded_opaque", "none", "wrong_key", "wrong_curve", "missing"),
        default="detached",
        help="dlms: what the manifest says and the .sig file holds (default detached)",
    )
    parser.add_argument("--tool-version", default="3.8", help="version of the vendor's tool that belongs to the package (default 3.8)")
    parser.add_argument("--min-ion-setup", default="", help="ion: the ION Setup that the package asks for (default by version)")
    parser.add_argument("--bare", action="store_true", help="ion: the .upx without the .zip, which alone tells the minimum")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    models, versions = args.model, args.versions
    if len(versions) == 1:
        versions = versions * len(models)
    if len(models) == 1:
        models = models * len(versions)
    if len(models) != len(versions):
        raise PackageError("give one --version for all models or one for each --model")
    methods = tuple(args.method or ("ftp",))
    dlms = {"component": args.component, "build": args.build, "stated": args.signature}
    ion = {"minimum": args.min_ion_setup, "bare": args.bare}
    print(write(args.folder, list(zip(models, versions, strict=True)), args.size, args.corrupt, methods, args.tool_version, dlms, ion))
    return 0
