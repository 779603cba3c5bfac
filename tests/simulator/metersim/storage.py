# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What can happen to a file while the meter stores it (F-04, F-05, F-07), for FTP and webpages alike."""

from __future__ import annotations

import errno
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metersim import packages

if TYPE_CHECKING:
    from metersim.meter import Image, Meter

LIMIT = 128 * 1024 * 1024
CHUNK = 256 * 1024
SLOW_CHUNK = 16 * 1024
RATE = 1024 * 1024  # bytes per meter second of a link that F-05 divides


class LinkCutError(OSError):
    """F-04 strikes in the middle of an upload."""


class TooLargeError(ValueError):
    """More than the meter takes."""


def meant(fault: dict[str, Any], name: str) -> bool:
    """Whether a fault is about this file; the usual ``.fwa`` stands for ``.sedp`` too."""
    return name.endswith(fault["file"]) or (fault["file"] == ".fwa" and name.endswith(packages.SUFFIX))


def cut_after(meter: Meter, name: str) -> int | None:
    """F-04: after how many bytes the link goes, None when it stays."""
    fault = meter.faults.get("F-04")
    if not fault or not meant(fault, name):
        return None
    fault = meter.take("F-04")
    return int(fault["after"]) if fault else None


def spoil(meter: Meter, path: Path, name: str = "") -> None:
    """F-07: what is stored is not what was sent."""
    fault = meter.faults.get("F-07")
    if not fault or not meant(fault, name or path.name):
        return
    fault = meter.take("F-07")
    if not fault:
        return
    size = path.stat().st_size
    with path.open("r+b") as file:
        if fault["mode"] == "truncate":
            file.truncate(size * 3 // 4)
            return
        file.seek(size // 2)
        byte = file.read(1)
        file.seek(size // 2)
        file.write(bytes([byte[0] ^ 0x08]) if byte else b"")


async def receive(meter: Meter, source: Any, name: str) -> Image:
    """Store an uploaded package; ``source(size)`` gives the next bytes, b'' at the end.

    LinkCutError, TooLargeError, or whatever the source raises when the client goes away.
    """
    from metersim.meter import Image

    path = meter.folder / "upload" / f"{meter.clock.now():.6f}"
    path.parent.mkdir(parents=True, exist_ok=True)
    cut = cut_after(meter, name)
    slow = meter.faults.get("F-05")
    digest = hashlib.sha256()
    size = 0
    try:
        with path.open("wb") as file:
            while chunk := await source(SLOW_CHUNK if slow else CHUNK):
                size += len(chunk)
                if cut is not None and size > cut:
                    raise LinkCutError(errno.EPIPE, "link cut")
                if size > LIMIT:
                    raise TooLargeError
                digest.update(chunk)
                file.write(chunk)
                if slow:
                    await meter.clock.sleep(len(chunk) * slow["upload"] / RATE)
    except BaseException as exc:
        path.unlink(missing_ok=True)
        meter.record("web_upload_incomplete", name=name, size=size)
        if isinstance(exc, LinkCutError):
            down = meter.faults.get("F-04", {}).get("down", 10.0)
            meter.spawn(lambda: meter.drop_link(down))
        raise
    spoil(meter, path, name)
    return Image(path, name, size, digest.hexdigest())
