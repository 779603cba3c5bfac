# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What can happen to an MCS301 over the control endpoint, beyond what can happen to every meter."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metersim.mcs301.container import Firmware
from metersim.mcs301.objects import MANAGEMENT
from metersim.mcs301.policy import Policy
from metersim.mcs301.spec import KEYS, identifier

if TYPE_CHECKING:
    from metersim.mcs301.meter import Mcs301

Args = dict[str, Any]


async def _advance_clock(fleet: Any, meter: Mcs301, args: Args) -> None:
    meter.move_clock(float(args["seconds"]))


async def _preload(fleet: Any, meter: Mcs301, args: Args) -> None:
    try:
        raw = Path(str(args["path"])).read_bytes()
    except OSError as exc:
        raise ValueError(f"{args['path']}: {exc.strerror}") from exc
    meter.image.preload(identifier(args["identifier"]), raw, int(args.get("every", 7)))


async def _set_firmware(fleet: Any, meter: Mcs301, args: Args) -> None:
    component = int(args.get("component", 1))
    meter.components[component] = Firmware(component, identifier(args["identifier"]), str(args.get("build", "")))
    meter.objects.rebuild()


async def _set_keys(fleet: Any, meter: Mcs301, args: Args) -> None:
    for name in KEYS:
        if name in args:
            meter.security.keys[name] = bytes.fromhex(args[name])
    if "lls" in args:
        meter.secrets[MANAGEMENT] = str(args["lls"]).encode()


async def _set_counter(fleet: Any, meter: Mcs301, args: Args) -> None:
    meter.security.saw(MANAGEMENT, int(args["value"]))


async def _set_policy(fleet: Any, meter: Mcs301, args: Args) -> None:
    word = str(args["word"])
    if word not in Policy.WORDS:
        raise ValueError(f"policy must be one of {', '.join(Policy.WORDS)}")
    meter.security.policy = Policy.of(meter.security.policy.version, word)
    meter.objects.rebuild()


async def _set_transfer(fleet: Any, meter: Mcs301, args: Args) -> None:
    meter.image.enabled = bool(args["enabled"])


async def _drop(fleet: Any, meter: Mcs301, args: Args) -> None:
    meter.drop()


ACTIONS: dict[str, Callable[[Any, Any, Args], Awaitable[None]]] = {
    "advance_clock": _advance_clock,
    "preload": _preload,
    "set_firmware": _set_firmware,
    "set_keys": _set_keys,
    "set_counter": _set_counter,
    "set_policy": _set_policy,
    "set_transfer": _set_transfer,
    "drop": _drop,
}
