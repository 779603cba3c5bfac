# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What can happen to a HEP meter over the control endpoint, beyond what can happen to every meter."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from metersim import tables
from metersim.hep.users import Refused, User, name_of, permissions_of

if TYPE_CHECKING:
    from metersim.hep.meter import HepMeter

Args = dict[str, Any]
OPERATOR = "operator"


async def _lock_user(fleet: Any, meter: HepMeter, args: Args) -> None:
    seconds = float(args.get("seconds", 0)) or meter.settings["lockout_duration"] * 60
    meter.lockouts.lock(meter.canonical(str(args["user"])), str(args["protocol"]), seconds)


async def _unlock_user(fleet: Any, meter: HepMeter, args: Args) -> None:
    meter.lockouts.unlock(meter.canonical(str(args["user"])), str(args["protocol"]))


async def _clear(fleet: Any, meter: HepMeter, args: Args) -> None:
    meter.lockouts.clear()


async def _revenue_lock(fleet: Any, meter: HepMeter, args: Args) -> None:
    meter.revenue_lock = True


async def _revenue_unlock(fleet: Any, meter: HepMeter, args: Args) -> None:
    meter.revenue_lock = False


def _do(act: Callable[[], Any]) -> None:
    try:
        act()
    except Refused as exc:
        raise ValueError(f"the meter refuses: {exc.word}") from exc


async def _set_mode(fleet: Any, meter: HepMeter, args: Args) -> None:
    _do(lambda: meter.set_mode(str(args["mode"]), OPERATOR, "operator"))


async def _set_password(fleet: Any, meter: HepMeter, args: Args) -> None:
    _do(lambda: meter.set_password(str(args["user"]), str(args["password"]), OPERATOR))


async def _set_setting(fleet: Any, meter: HepMeter, args: Args) -> None:
    """F-38: another tool writes now; a lock or an upgrade does not hinder it."""
    from metersim.hep import settings

    name = str(args["name"])
    _do(lambda: settings.check(name, args["value"], meter.major))
    meter.set_setting(name, args["value"], OPERATOR, "ion")


async def _set_user(fleet: Any, meter: HepMeter, args: Args) -> None:
    def act() -> None:
        name = name_of(args["name"], meter.user_limit)
        old = meter.users.get(name)
        rights = permissions_of(args["permissions"], meter.has_test_mode) if "permissions" in args else old.permissions if old else {"read"}
        password = str(args.get("password", old.password if old else "0"))
        meter.check_password(password)
        meter.users.put(User(name, password, set(rights)))
        meter.revision += 1
        meter.record("user_changed" if old else "user_added", user=name, permissions=sorted(rights), by=OPERATOR)

    _do(act)


async def _remove_user(fleet: Any, meter: HepMeter, args: Args) -> None:
    _do(lambda: meter.remove_user(str(args["name"]), OPERATOR))


async def _set_energies(fleet: Any, meter: HepMeter, args: Args) -> None:
    meter.energies = [int(item) for item in args["values"]][:4]


async def _set_firmware(fleet: Any, meter: HepMeter, args: Args) -> None:
    meter.firmware = tables.parse_version(str(args.get("version", "")))
    meter.keep_settings()
    await meter.refresh()


async def _set_serial(fleet: Any, meter: HepMeter, args: Args) -> None:
    meter.serial = str(args["serial"])


async def _end_sessions(fleet: Any, meter: HepMeter, args: Args) -> None:
    meter.web_sessions.clear()


ACTIONS: dict[str, Callable[[Any, Any, Args], Awaitable[None]]] = {
    "lock_user": _lock_user,
    "unlock_user": _unlock_user,
    "clear_lockouts": _clear,
    "revenue_lock": _revenue_lock,
    "revenue_unlock": _revenue_unlock,
    "set_mode": _set_mode,
    "set_password": _set_password,
    "set_setting": _set_setting,
    "set_user": _set_user,
    "remove_user": _remove_user,
    "set_energies": _set_energies,
    "set_firmware": _set_firmware,
    "set_serial": _set_serial,
    "end_sessions": _end_sessions,
}
