# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What new firmware does to a HEP meter: which version may follow, and what becomes of mode, users, pages and values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metersim.hep import events
from metersim.hep.package import Version
from metersim.hep.users import FACTORY_PASSWORD, FIRST, User, permissions_of

if TYPE_CHECKING:
    from metersim.hep.meter import HepMeter

APPLICABLE = "Firmware upgrade applicable"
PRESENT = "Firmware version already present"
NO_WAY_BACK = "Downgrade is not possible"
WRONG_SOURCE = "Source firmware not supported"
WRONG_MODEL = "Firmware not compatible with this product"
REVENUE_LOCKED = "Device is revenue locked"
# first number of the target: the lowest source. 3 is documented, 4 is invented.
LOWEST_SOURCE: dict[int, Version] = {3: (2, 1, 0), 4: (3, 0, 0)}


def verdict(meter: HepMeter, models: list[str], version: Version) -> str:
    """Whether this firmware may go to this meter."""
    if meter.model not in models:
        return WRONG_MODEL
    if meter.revenue_lock:
        return REVENUE_LOCKED
    if version == meter.firmware:
        return PRESENT
    if version < meter.firmware:
        return NO_WAY_BACK
    lowest = LOWEST_SOURCE.get(min(version[0], 4))
    return WRONG_SOURCE if lowest and meter.firmware < lowest else APPLICABLE


def install(meter: HepMeter, version: Version) -> None:
    """The meter starts with other firmware: no template, no energies, until it is programmed (R-168)."""
    old, meter.firmware = meter.firmware, version
    meter.template, meter.energies = "", [0, 0, 0, 0]
    meter.keep_settings()
    if old[0] < 3 <= version[0]:
        meter.certificates += 1
        _security_of_three(meter)
    _otherwise(meter)


def _security_of_three(meter: HepMeter) -> None:
    """None and Standard are gone: only USER1 is left (Standard: documented, R-189; None: invented)."""
    if meter.mode == "advanced":
        return
    password = meter.numeric_password if meter.mode == "standard" else FACTORY_PASSWORD
    _remove_users(meter)
    meter.users.put(User(FIRST, password, permissions_of("all", meter.has_test_mode)))
    meter.record("user_added", user=FIRST, permissions=sorted(permissions_of("all", meter.has_test_mode)), by="upgrade")
    _mode(meter, "legacy_support")


def _otherwise(meter: HepMeter) -> None:
    """F-29: it ends in another mode, or without its users."""
    fault = meter.take("F-29") if meter.major >= 3 else None
    if not fault:
        return
    if fault["users"] == "deleted":
        _remove_users(meter)
        meter.users.put(User(FIRST, FACTORY_PASSWORD, permissions_of("all", meter.has_test_mode)))
    _mode(meter, {"standard_kept": "standard"}.get(fault["mode"], fault["mode"]))


def _remove_users(meter: HepMeter) -> None:
    for user in meter.users.all():
        meter.record("user_removed", user=user.name, by="upgrade")
    meter.users.clear()


def _mode(meter: HepMeter, mode: str) -> None:
    old, meter.mode = meter.mode, mode
    meter.revision += 1
    if old != mode:
        meter.record("mode_changed", old=old, new=mode, cause="upgrade")
        meter.log(events.MODE, "", f"security mode {mode}")
