# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What both new surfaces do: take a package, apply it, keep settings. The words are theirs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from metersim import packages, storage, upgrade
from metersim.meter import Image, Meter
from metersim.sessions import Session

WRITERS = ("administrator",)
PORT_NAMES = ("http_port", "https_port")
WORDS = {"http_redirect": (True, False), "ftp": (True, False), "ip_mode": ("dhcp", "bootp", "stored")}


class RefusedError(Exception):
    """Something is not done; ``code`` is the simulator's word, each surface has its own text."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


def busy(meter: Meter, what: str) -> None:
    """Writes are forbidden during an upgrade (R-086). RefusedError."""
    if meter.state == "upgrading" or meter.upgrade_task:
        meter.record("violation", what=what)
        raise RefusedError("busy")


async def take_upload(meter: Meter, session: Session, name: str, source: Callable[[int], Awaitable[bytes]], check: bool) -> Image:
    """Store an upload; with ``check`` the signature and the lock are looked at now. RefusedError."""
    user = session.user

    async def read(size: int) -> bytes:
        meter.sessions.touch(session)
        return await source(size)

    busy(meter, "web_upload_during_upgrade")
    if not name.endswith(packages.SUFFIX):
        meter.record("web_refused", user=user, why="type", name=name)
        raise RefusedError("type")
    try:
        image = await storage.receive(meter, read, name)
    except storage.TooLargeError:
        raise RefusedError("large") from None
    except (storage.LinkCutError, ConnectionError):
        raise
    except (OSError, ValueError, AssertionError):
        raise RefusedError("incomplete") from None
    meter.record("web_upload", user=user, name=name, size=image.size, sha256=image.sha256)
    busy(meter, "web_upload_during_upgrade")
    why = await _early_refusal(meter, image) if check else ""
    if why:
        image.path.unlink(missing_ok=True)
        meter.record("web_refused", user=user, why=why, name=name)
        raise RefusedError(why)
    upgrade.discard(meter)
    meter.image_file = image
    meter.lock_when("after_upload")
    return image


async def _early_refusal(meter: Meter, image: Image) -> str:
    try:
        await asyncio.to_thread(packages.open_signed, image.path)
    except packages.PackageError:
        return "signature"
    return "lock" if meter.locked else ""


def apply(meter: Meter, user: str) -> None:
    """Apply the package that waits. RefusedError with lock, attempts, files or busy."""
    meter.record("web_confirm", user=user)
    why = upgrade.start_package(meter, user, "web")
    if why:
        meter.record("web_refused", user=user, why=why.removeprefix("refused_"))
        raise RefusedError(why.removeprefix("refused_"))


def settings(meter: Meter) -> dict[str, Any]:
    """The settings in the simulator's words."""
    return {
        "http_port": meter.web_ports["http"],
        "https_port": meter.web_ports["https"],
        "http_redirect": meter.http_redirect,
        "ftp": meter.ftp_enabled,
        "ip_mode": meter.ip_mode,
    }


def save(meter: Meter, user: str, wanted: Mapping[str, Any]) -> None:
    """Save settings, all or none. RefusedError value (detail: the name) or busy."""
    busy(meter, "settings_write_during_upgrade")
    values = {}
    for name, value in wanted.items():
        if name in PORT_NAMES:
            value = int(value) if str(value).isdigit() else 0
            if not 0 < value < 65536:
                raise RefusedError("value", name)
        elif value not in WORDS[name]:
            raise RefusedError("value", name)
        values[name] = value
    meter.record("settings_written", user=user, values=values)
    moved = any(values.get(name, old) != old for name, old in settings(meter).items() if name in PORT_NAMES)
    meter.web_ports["http"] = values.get("http_port", meter.web_ports["http"])
    meter.web_ports["https"] = values.get("https_port", meter.web_ports["https"])
    meter.http_redirect = values.get("http_redirect", meter.http_redirect)
    meter.ip_mode = values.get("ip_mode", meter.ip_mode)
    meter.ftp_enabled = values.get("ftp", meter.ftp_enabled)
    if moved or "ftp" in values:
        meter.spawn(lambda: _refresh(meter))


async def _refresh(meter: Meter) -> None:
    await asyncio.sleep(0.05)  # real time: lets the answer leave first
    await meter.refresh()
