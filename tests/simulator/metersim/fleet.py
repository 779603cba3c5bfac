# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Starting and stopping a whole fleet in one event loop."""

from __future__ import annotations

import contextlib
import resource
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metersim.clock import FleetClock
from metersim.hep.spec import HepSpec
from metersim.journal import Journal
from metersim.mcs301.spec import DlmsSpec
from metersim.meter import Meter
from metersim.modbus import ModbusService
from metersim.spec import FleetSpec, StartError

if TYPE_CHECKING:
    from metersim.hep.meter import HepMeter
    from metersim.mcs301.meter import Mcs301


class Fleet:
    """All meters of a fleet file, running."""

    def __init__(self, spec: FleetSpec, state: Path) -> None:
        self.spec = spec
        self.state = state
        self.clock = FleetClock(spec.clock_factor)
        self.journal = Journal(self.clock)
        self.meters: dict[str, Meter | Mcs301 | HepMeter] = {}
        for meter_spec in spec.meters:
            place = (self.clock, self.journal, spec.ports, state / "meters")
            if isinstance(meter_spec, DlmsSpec):
                from metersim.mcs301.meter import Mcs301  # ciphers; fleets without such a meter do without

                self.meters[meter_spec.name] = Mcs301(meter_spec, *place)
            elif isinstance(meter_spec, HepSpec):
                from metersim.hep.meter import HepMeter  # webpages; bulk fleets do without

                self.meters[meter_spec.name] = HepMeter(meter_spec, *place)
            else:
                self.meters[meter_spec.name] = Meter(meter_spec, *place)
        self._hub: Any = None

    async def start(self) -> None:
        """Open every port of every meter. Raises StartError."""
        raise_file_limit()
        if any("ftp" in meter.spec.services for meter in self.meters.values()):
            from metersim.ftp import FtpHub  # heavy import, and bulk fleets do not need it

            self._hub = FtpHub()
            self._hub.start()
        for meter in self.meters.values():
            self._equip(meter)
            try:
                await meter.open()
            except OSError as exc:
                await self.stop()
                raise StartError(f"meter {meter.name}: cannot listen on {exc.strerror or exc}") from exc

    def _equip(self, meter: Meter | Mcs301 | HepMeter) -> None:
        """Give a meter the services its file entry asks for."""
        meter.fleet = self
        if not isinstance(meter, Meter):
            return
        wanted = meter.spec.services
        if "modbus" in wanted:
            meter.services["modbus"] = ModbusService(meter)
        if "ftp" in wanted or "http" in wanted:
            meter.prepare_files()
        if "ftp" in wanted:
            from metersim.ftp import FtpService

            meter.services["ftp"] = FtpService(meter, self._hub)
        if "http" in wanted:
            from metersim.web import WebService

            meter.services["http"] = WebService(meter)
            meter.services["https"] = WebService(meter, secure=True)

    async def stop(self) -> None:
        """Close everything."""
        for meter in self.meters.values():
            await meter.shutdown()
        if self._hub:
            self._hub.stop()

    async def move(self, meter: Meter | Mcs301 | HepMeter, address: str) -> None:
        """Give a running meter another address."""
        old, meter.address = meter.address, address
        meter.record("address_changed", old=old, new=address)
        if meter.state not in ("silent", "dead"):
            await meter.close()
            await meter.open()

    def spare_address(self) -> str:
        """An address of the block that no meter has (for DHCP moves)."""
        taken = {meter.address for meter in self.meters.values()} | {spec.address for spec in self.spec.meters}
        last = max(tuple(int(part) for part in address.split(".")) for address in taken)
        number = last[0] << 24 | last[1] << 16 | last[2] << 8 | last[3]
        while True:
            number += 1
            address = ".".join(str(number >> shift & 0xFF) for shift in (24, 16, 8, 0))
            if number & 0xFF not in (0, 255) and address not in taken:
                return address


def raise_file_limit() -> None:
    """Soft file limit up to the hard one (thousands of listening sockets)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
