# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The control endpoint: the meters' own account, and the switches for faults.

HTTP with JSON on the loopback address only; not part of any meter.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from metersim import faults, tables
from metersim.fleet import Fleet
from metersim.meter import Meter

if TYPE_CHECKING:
    from metersim.hep.ionport import IonDesk
    from metersim.hep.meter import HepMeter
    from metersim.mcs301.meter import Mcs301


class Bad(ValueError):
    """A request the control endpoint refuses, with the reason."""


# Meter is any kind of meter in the actions that all kinds have.
Action = Callable[[Fleet, Any, dict[str, Any]], Awaitable[None]]


async def _lock(fleet: Fleet, meter: Meter, args: dict[str, Any]) -> None:
    meter.set_lock(True)


async def _unlock(fleet: Fleet, meter: Meter, args: dict[str, Any]) -> None:
    meter.set_lock(False)


async def _power_cycle(fleet: Fleet, meter: Meter, args: dict[str, Any]) -> None:
    seconds = float(args.get("silence", 20))
    meter.spawn(lambda: meter.power_cycle(seconds))
    await asyncio.sleep(0)


async def _power_off(fleet: Fleet, meter: Meter, args: dict[str, Any]) -> None:
    await meter.die()


async def _power_on(fleet: Fleet, meter: Meter, args: dict[str, Any]) -> None:
    if meter.state != "dead":
        raise Bad("the meter is not switched off")
    await meter.come_back("power")


async def _set_firmware(fleet: Fleet, meter: Meter, args: dict[str, Any]) -> None:
    meter.previous, meter.firmware = meter.firmware, tables.parse_version(str(args.get("version", "")))
    meter.changed()
    await meter.refresh()


async def _end_sessions(fleet: Fleet, meter: Meter, args: dict[str, Any]) -> None:
    meter.sessions.drop("operator")


async def _write(fleet: Fleet, meter: Meter, args: dict[str, Any]) -> None:
    """F-20: somebody else writes to the meter now."""
    meter.record("foreign_write")
    if meter.state == "upgrading":
        meter.job.spoiled = "writer"


async def _set_address(fleet: Fleet, meter: Meter, args: dict[str, Any]) -> None:
    await fleet.move(meter, str(args.get("address") or fleet.spare_address()))


async def _set_serial(fleet: Fleet, meter: Meter, args: dict[str, Any]) -> None:
    meter.serial = int(args["serial"])
    if isinstance(meter, Meter):
        meter.changed()


async def _set_attempts(fleet: Fleet, meter: Meter, args: dict[str, Any]) -> None:
    meter.attempts = int(args["used"])


async def _set_latency(fleet: Fleet, meter: Meter, args: dict[str, Any]) -> None:
    meter.latency = float(args.get("seconds", 0))


async def _ftp_on(fleet: Fleet, meter: Meter, args: dict[str, Any]) -> None:
    meter.ftp_enabled = True
    await meter.refresh()


async def _ftp_off(fleet: Fleet, meter: Meter, args: dict[str, Any]) -> None:
    meter.ftp_enabled = False
    await meter.refresh()


ACTIONS: dict[str, Action] = {
    "lock": _lock,
    "unlock": _unlock,
    "power_cycle": _power_cycle,
    "power_off": _power_off,
    "power_on": _power_on,
    "set_firmware": _set_firmware,
    "set_address": _set_address,
    "set_serial": _set_serial,
    "set_attempts": _set_attempts,
    "set_latency": _set_latency,
    "ftp_on": _ftp_on,
    "ftp_off": _ftp_off,
    "end_sessions": _end_sessions,
    "foreign_write": _write,
}


COMMON = ("power_cycle", "power_off", "power_on", "set_address", "set_serial", "set_latency")


def _known(meter: Meter | Mcs301 | HepMeter) -> dict[str, Action]:
    """What can happen to this kind of meter."""
    if isinstance(meter, Meter):
        return ACTIONS
    from metersim.hep.meter import HepMeter

    if isinstance(meter, HepMeter):
        from metersim.hep.actions import ACTIONS as HEP

        return {**{name: ACTIONS[name] for name in COMMON}, **HEP}
    from metersim.mcs301.actions import ACTIONS as MORE

    return {**{name: ACTIONS[name] for name in COMMON}, **MORE}


class Control:
    """The endpoint of one fleet."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._runner: web.AppRunner | None = None
        self.stop_wanted = asyncio.Event()
        self.url = ""
        self._desk: IonDesk | None = None

    async def start(self, port: int) -> None:
        """Listen on 127.0.0.1; port 0 takes any free one."""
        app = web.Application(middlewares=[_plain_errors])
        app.add_routes(
            [
                web.get("/meters", self._meters),
                web.get("/meters/{name}", self._meter),
                web.get("/meters/{name}/events", self._meter_events),
                web.get("/meters/{name}/certificate", self._certificate),
                web.put("/meters/{name}/faults", self._faults),
                web.post("/meters/{name}/actions", self._action),
                web.get("/events", self._events),
                web.get("/peaks", self._peaks),
                web.get("/clock", self._clock),
                web.post("/ionsetup/{who}/{call}", self._ionsetup),
                web.post("/shutdown", self._shutdown),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Close the endpoint."""
        if self._runner:
            await self._runner.cleanup()

    def _find(self, request: web.Request) -> Meter | Mcs301 | HepMeter:
        name = request.match_info["name"]
        if name not in self._fleet.meters:
            raise web.HTTPNotFound(text=f"no meter '{name}'")
        return self._fleet.meters[name]

    async def _meters(self, request: web.Request) -> web.Response:
        return web.json_response([meter.summary() for meter in self._fleet.meters.values()])

    async def _meter(self, request: web.Request) -> web.Response:
        return web.json_response(self._find(request).summary())

    async def _meter_events(self, request: web.Request) -> web.Response:
        return web.json_response(self._fleet.journal.of(self._find(request).name, _after(request)))

    async def _certificate(self, request: web.Request) -> web.Response:
        from metersim.certs import now_shown  # heavy import; bulk fleets do without

        meter = self._find(request)
        if not hasattr(meter, "certificate_subject"):
            raise Bad("this meter has no certificate")
        certificate = now_shown(meter)
        return web.json_response({"fingerprint": certificate.fingerprint, "pem": certificate.pem.decode()})

    async def _events(self, request: web.Request) -> web.Response:
        return web.json_response(self._fleet.journal.all(_after(request)))

    async def _peaks(self, request: web.Request) -> web.Response:
        return web.json_response(self._fleet.journal.peaks())

    async def _clock(self, request: web.Request) -> web.Response:
        clock = self._fleet.clock
        return web.json_response({"t": clock.now(), "factor": clock.factor, "wall": clock.wall().isoformat(), "pid": os.getpid()})

    async def _faults(self, request: web.Request) -> web.Response:
        meter = self._find(request)
        wanted = await _body(request)
        meter.set_faults(faults.normalise(wanted, f"meter {meter.name}") if isinstance(meter, Meter) else meter.check_faults(wanted))
        await meter.refresh()
        return web.json_response(meter.summary())

    async def _action(self, request: web.Request) -> web.Response:
        meter = self._find(request)
        args = await _body(request)
        known = _known(meter)
        action = known.get(args.get("action", ""))
        if action is None:
            raise Bad(f"unknown action '{args.get('action')}' (known: {', '.join(known)})")
        try:
            await action(self._fleet, meter, args)
        except KeyError as exc:
            raise Bad(f"action {args['action']} needs {exc}") from exc
        return web.json_response(meter.summary())

    async def _ionsetup(self, request: web.Request) -> web.Response:
        from metersim.hep.ionport import IonDesk  # fleets without such a meter do without

        if self._desk is None:
            self._desk = IonDesk(self._fleet)
        return await self._desk.answer(request)

    async def _shutdown(self, request: web.Request) -> web.Response:
        self.stop_wanted.set()
        return web.json_response({"stopping": True})


def _after(request: web.Request) -> int:
    try:
        return int(request.query.get("after", "0"))
    except ValueError as exc:
        raise Bad("'after' must be a number") from exc


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.text() or "{}")
    except ValueError as exc:
        raise Bad("the body is not JSON") from exc
    if not isinstance(body, dict):
        raise Bad("the body must be a JSON object")
    return body


@web.middleware
async def _plain_errors(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
    try:
        return await handler(request)
    except ValueError as exc:
        return web.Response(status=400, text=str(exc))
