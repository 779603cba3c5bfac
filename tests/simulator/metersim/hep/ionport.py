# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The meters' side of the stand-in of ION Setup: an invention on the control endpoint (SURFACE.md, section 50).

The wire of ION is not public; nothing here resembles it.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from metersim import tables
from metersim.hep import events, package, upgrade
from metersim.hep.meter import Denied, HepMeter

LARGEST = 64 * 1024 * 1024
STEPS = 20
# shares of the time of an upgrade that is not silence
TRANSFER, PROGRAM = 0.8, 0.1
SERIAL_TIMES = 40
NOT_WRITTEN = "Unable to write saved register values."
LOST_LINK = "Communication with the device was lost during the transfer"
FIRST_TLS_SETUP = package.setup_version("3.2.22341.01")


class NoError(Exception):
    """A request the meter refuses: status, code, text."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status, self.code, self.text = status, code, text


class IonPort:
    """One meter, seen by ION Setup."""

    def __init__(self, meter: HepMeter) -> None:
        self.meter = meter
        self.ticket = ""
        self.setup: package.Fields = ()
        self.state, self.percent, self.status = "idle", 0, ""
        self.firmware: package.Firmware | None = None
        self.transfers = 0
        self._lost: set[str] = set()

    @property
    def gateway(self) -> str:
        """What lies between: none, hep, egx or serial."""
        return self.meter.spec.hep.gateway

    def reachable(self) -> None:
        """NoError when nobody answers."""
        if self.meter.state in ("silent", "dead"):
            raise NoError(503, "silent", "No connection to the device")

    # -- calls -----------------------------------------------------------------

    async def hello(self, body: dict[str, Any]) -> dict[str, Any]:
        """What ION Setup sees before it signs in."""
        self.reachable()
        meter = self.meter
        if self.gateway == "none" and not (meter.settings.get("ion") or meter.settings.get("ion_tls")):
            raise NoError(409, "closed", "ION and Secure ION are disabled on this device")
        self.setup = package.setup_version(str(body.get("setup", "")))
        if meter.major >= 4 and self.setup < FIRST_TLS_SETUP:
            raise NoError(409, "setup", "This version of ION Setup cannot connect to the device")
        return {
            "product": meter.model,
            "version": tables.version_text(meter.firmware),
            "serial": meter.serial,
            "mode": meter.mode,
            "model_number": meter.model_number,
            "gateway": self.gateway,
        }

    async def open(self, body: dict[str, Any]) -> dict[str, Any]:
        """Sign in; one session at a time."""
        self.reachable()
        meter = self.meter
        user = str(body.get("user", "")) or meter.model_number
        try:
            login = meter.login(user, str(body.get("password", "")), "ion")
        except Denied as exc:
            text = "User is locked out" if exc.why == "locked" else "Invalid user name or password"
            raise NoError(401, "login", f"Login failed: {text}") from exc
        if "full_config" not in login.permissions:
            raise NoError(401, "login", "Login failed: the user may not configure this device")
        if self.state == "running":
            raise NoError(409, "busy", "An upgrade is already in progress")
        self.ticket = secrets.token_hex(16)
        meter.record("ionsetup_open", user=login.name, setup=str(body.get("setup", "")))
        return {"ticket": self.ticket}

    async def check(self, body: dict[str, Any]) -> dict[str, Any]:
        """Whether a package may go here. An upgrade that was not programmed may be finished (``resume``)."""
        self.reachable()
        try:
            models, version = list(body["models"]), package.version_of(str(body["version"]))
        except (KeyError, TypeError, ValueError):
            raise NoError(400, "request", "Request not understood") from None
        status = upgrade.verdict(self.meter, models, version)
        resume = status == upgrade.PRESENT and self.state == "restarted"
        self.meter.record("ionsetup_check", status=status)
        return {"applicable": status == upgrade.APPLICABLE, "status": status, "resume": resume}

    async def save(self, body: dict[str, Any]) -> dict[str, Any]:
        """Register values that ION Setup keeps on its PC (R-168)."""
        self.reachable()
        self.meter.record("registers_saved")
        return {"template": self.meter.template, "energies": list(self.meter.energies)}

    async def image(self, raw: bytes) -> dict[str, Any]:
        """The upgrade file; the meter takes it in the background."""
        self.reachable()
        if self.state == "running":
            raise NoError(409, "busy", "An upgrade is already in progress")
        meter = self.meter
        meter.record("upgrade_begin", gateway=self.gateway)
        meter.record("trigger_accepted", method="ion")
        meter.log(events.UPGRADE_BEGUN, "", "firmware upgrade begun")
        meter.journal.begin_progress(meter.name)
        self.state, self.percent, self.status = "running", 0, "Sending upgrade file"
        meter.state = "upgrading"
        meter.spawn(lambda: self._take(raw))
        return {"bytes": len(raw)}

    async def progress(self, body: dict[str, Any]) -> dict[str, Any]:
        """How far it is: running, failed or restarted."""
        return {"state": self.state, "percent": self.percent, "status": self.status, "version": tables.version_text(self.meter.firmware)}

    async def program(self, body: dict[str, Any]) -> dict[str, Any]:
        """Load the template that was there before (R-168; R-169 to R-171 with a too old ION Setup)."""
        self._restarted()
        meter = self.meter
        await meter.clock.sleep(self._rest() * PROGRAM)
        fault = meter.take("F-17")
        what = str(fault["what"]) if fault else ""
        old = self.firmware is not None and self.setup < self.firmware.min_ion_setup
        self._lost = {"template", "energies"} if old or what == "both" else {what} if what else set()
        if "template" in self._lost:
            meter.factory_settings()
            meter.record("template_failed", setup_too_old=old)
            await meter.refresh()
            raise NoError(409, "not_written", NOT_WRITTEN)
        meter.template = str(body.get("template", ""))
        meter.record("template_loaded", template=meter.template)
        return {"status": "Template loaded"}

    async def restore(self, body: dict[str, Any]) -> dict[str, Any]:
        """Write the saved values back."""
        self._restarted()
        meter = self.meter
        await meter.clock.sleep(self._rest() * PROGRAM)
        values = body.get("energies")
        if "energies" in self._lost or not isinstance(values, list) or [type(value) for value in values] != [int] * 4:
            meter.record("registers_lost")
            self._done(configured=False)
            raise NoError(409, "not_written", NOT_WRITTEN)
        meter.energies = [int(value) for value in values]
        meter.record("registers_restored")
        self._done(configured=bool(meter.template))
        return {"status": "Registers restored"}

    async def close(self, body: dict[str, Any]) -> dict[str, Any]:
        """Sign out."""
        self.ticket = ""
        self.meter.record("ionsetup_close")
        return {}

    def _restarted(self) -> None:
        """Programming belongs to an upgrade. NoError."""
        self.reachable()
        if self.state != "restarted":
            raise NoError(409, "order", "No upgrade is waiting to be programmed")

    # -- inside ------------------------------------------------------------------

    def _rest(self) -> float:
        """Meter seconds of an upgrade without its silence."""
        given = self.meter.spec.hep
        return max(0.0, given.upgrade_time - given.silence)

    def _breaks_at(self) -> int | None:
        """After how many bytes the link goes (F-33). A HEP meter as gateway never carries it through (R-175)."""
        self.transfers += 1
        fault = self.meter.faults.get("F-33")
        after = int(fault["after"]) if fault else 65536
        if self.gateway == "hep":
            return after
        return after if fault and (self.transfers - 1) % max(1, int(fault["every"])) == 0 else None

    async def _take(self, raw: bytes) -> None:
        meter, breaks = self.meter, self._breaks_at()
        step = self._rest() * TRANSFER / STEPS * (SERIAL_TIMES if self.gateway == "serial" else 1)
        for number in range(1, STEPS + 1):
            await meter.clock.sleep(step)
            if meter.state != "upgrading":  # its power went; the agent takes a new file at the next try
                self._failed("Communication with the device was lost", "power", meter.state)
                return
            if breaks is not None and len(raw) * number // STEPS >= min(breaks, len(raw)):
                self._failed(LOST_LINK, "link", "idle", min(breaks, len(raw)))
                return
            self.percent = number * 80 // STEPS
        try:
            firmware = package.open_upx(raw)
        except package.DamagedError:
            self._failed("The upgrade file is not valid", "damaged", "idle")
            return
        if upgrade.verdict(meter, list(firmware.models), firmware.version) != upgrade.APPLICABLE:
            self._failed("The upgrade file is not for this device", "model", "idle")
            return
        meter.record("image", bytes=len(raw), version=tables.version_text(firmware.version))
        await self._restart(firmware)

    async def _restart(self, firmware: package.Firmware) -> None:
        meter = self.meter
        await meter.go_silent("upgrade")
        if "F-01" in meter.faults:
            meter.state = "dead"
            meter.journal.end_progress(meter.name)
            return
        await meter.clock.sleep(meter.faults.get("F-14", {}).get("silence", meter.spec.hep.silence))
        before = meter.firmware
        if "F-16" not in meter.faults:
            upgrade.install(meter, firmware.version)
        self.firmware = firmware
        await meter.come_back("upgrade")
        meter.journal.end_progress(meter.name)
        meter.upgrades.append({"from": tables.version_text(before), "to": tables.version_text(meter.firmware), "configured": None})
        self.state, self.percent, self.status = "restarted", 90, "Device restarted"

    def _failed(self, text: str, why: str, state: str, count: int = 0) -> None:
        meter = self.meter
        meter.state = state
        meter.journal.end_progress(meter.name)
        self.state, self.status = "failed", text
        meter.record("image_broken", why=why, bytes=count)
        meter.record("upgrade_done", ok=False, version=tables.version_text(meter.firmware), configured=bool(meter.template))

    def _done(self, configured: bool) -> None:
        meter = self.meter
        self.state = "idle"
        if meter.upgrades:
            meter.upgrades[-1]["configured"] = configured
        meter.log(events.UPGRADE_ENDED, "", "firmware upgrade ended")
        meter.record("upgrade_done", ok=True, version=tables.version_text(meter.firmware), configured=configured)


class IonDesk:
    """``/ionsetup/WHO/CALL`` of the control endpoint; WHO is a meter's address or name."""

    def __init__(self, fleet: Any) -> None:
        self._fleet = fleet
        self._ports: dict[str, IonPort] = {}

    def _port(self, who: str) -> IonPort:
        for meter in self._fleet.meters.values():
            if who in (meter.name, meter.address) and isinstance(meter, HepMeter):
                return self._ports.setdefault(meter.name, IonPort(meter))
        raise NoError(404, "silent", "No connection to the device")

    async def answer(self, request: web.Request) -> web.Response:
        """One call."""
        try:
            port, call = self._port(request.match_info["who"]), request.match_info["call"]
            if call not in ("hello", "open") and not secrets.compare_digest(port.ticket, request.headers.get("X-Ticket", "")):
                raise NoError(401, "ticket", "Session expired")
            if call == "image":
                return web.json_response(await port.image(await _content(request)), status=202)
            calls: dict[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]] = {
                "hello": port.hello,
                "open": port.open,
                "check": port.check,
                "save": port.save,
                "progress": port.progress,
                "program": port.program,
                "restore": port.restore,
                "close": port.close,
            }
            if call not in calls:
                raise NoError(404, "path", "No such function")
            return web.json_response(await asyncio.shield(calls[call](_words(await _content(request)))))
        except NoError as exc:
            return web.json_response({"error": exc.code, "status": exc.text}, status=exc.status)


async def _content(request: web.Request) -> bytes:
    raw = bytearray()
    async for chunk in request.content.iter_any():
        raw += chunk
        if len(raw) > LARGEST:
            raise NoError(413, "too_large", "The upgrade file is too large")
    return bytes(raw)


def _words(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw or b"{}")
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise NoError(400, "request", "Request not understood")
    return body
