# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Upgrades of simulated MCS301 without a play: the task behind meter_firmware in this process, several meters side by side."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import Records, open_records
from ansible_collections.gridops.metering.plugins.module_utils._firmware import FIRMWARE_SPEC
from ansible_collections.gridops.metering.plugins.module_utils._firmware_step import run_step
from ansible_collections.gridops.metering.plugins.plugin_utils._firmware import FirmwareTask
from ansible_collections.gridops.metering.plugins.plugin_utils._firmware_remote import RemoteImageSteps
from metersim import packages
from metersim.testing import Fleet

FACTOR = 100
OLD, NEW, METROLOGY = "020500010007", "020500020001", "010200040001"
PARTS = {0: "010200030001", 1: OLD, 2: "030100000004"}
LLS = "Canary-dlms-5b0c"
#: Less to watch than with a real meter, which takes minutes; meter seconds.
BRISK = {"verify_time": 3, "silence": 15, "self_test": 5}
ACTS = ("initiate", "verify", "schedule", "activate", "violation", "simulator_error")


class Hooks:
    """Tells phases to a function, and never stops anything."""

    def __init__(self, phase: Callable[[str, int | None], None] | None) -> None:
        self.leases: list[Any] = []
        self._phase = phase

    def phase(self, state: str, percent: int | None, text: str) -> None:
        if self._phase is not None:
            self._phase(state, percent)

    def guard(self, stage: str) -> None:
        """Nobody is gone."""

    def learn(self, secret: str) -> None:
        """Nothing is shown."""


def mcs(name: str, **more: Any) -> dict[str, Any]:
    """An MCS301 with a planted password."""
    dlms = {"keys": {"lls": LLS}, **BRISK, **more.pop("dlms", {})}
    return {"name": name, "model": "MCS301", "firmware": PARTS, "dlms": dlms, **more}


def write(folder: Path, size: int, version: str = NEW, *, corrupt: str | None = None, **dlms: Any) -> str:
    """A folder with one image; what of it the meter's public key must fit is the simulator's fiction."""
    packages.write(
        folder, [("MCS301", version)], size, corrupt, ("dlms",), dlms={"component": 1, "build": "", "stated": "detached", **dlms}
    )
    return str(folder)


def package_of(folder: str) -> dict[str, Any]:
    """The one package of a folder, as its manifest says it."""
    (package,) = yaml.safe_load((Path(folder) / "firmware.yml").read_text(encoding="utf-8"))["packages"]
    return dict(package)


def image_name(folder: str) -> str:
    """The identifier of the image container, in hexadecimal digits."""
    stated = str(package_of(folder)["image_identifier"])
    return stated.removeprefix("hex:") if stated.startswith("hex:") else stated.encode().hex()


def image_file(folder: str) -> Path:
    (item,) = (item for item in package_of(folder)["files"] if item["role"] == "image")
    return Path(folder) / item.get("path", ".") / item["name"]


def acts(fleet: Fleet, name: str) -> list[str]:
    """What the meter was made to do; reading it is a matter of pace."""
    return [event["kind"] for event in fleet.meter(name).events() if event["kind"] in ACTS]


def records_of(path: Path) -> Records:
    return open_records(str(path), "tester", read_only=True)


def upgrade(
    hosts: Mapping[str, Mapping[str, Any]],
    name: str,
    ledger: Path,
    *,
    check: bool = False,
    phase: Callable[[str, int | None], None] | None = None,
    there: Path | None = None,
    **options: Any,
) -> dict[str, Any]:
    """One task for one meter, with the options of its inventory variables; the result before masking."""
    said = {key.removeprefix("metering_"): value for key, value in hosts[name].items() if key.startswith("metering_")}
    given: dict[str, Any] = {key: value for key, value in said.items() if key in FIRMWARE_SPEC}
    given.update(host=hosts[name]["ansible_host"], records=str(ledger), concurrency=10, timing={"clock_factor": FACTOR, "lease_wait": 600})
    checked = ArgumentSpecValidator(FIRMWARE_SPEC).validate({"version": NEW, **given, **options})
    assert not checked.error_messages, checked.error_messages
    remote = None if there is None else jump_host(there)
    return FirmwareTask(dict(checked.validated_parameters), name, check, remote, Hooks(phase)).run()


def jump_host(there: Path) -> Callable[..., RemoteImageSteps]:
    """A jump host without a way to it: each call only gets what was sealed, and images are copied into ``there``."""

    def copy(path: str, name: str) -> str:
        return str(shutil.copy(path, there / name))

    def clean() -> None:
        for path in there.iterdir():
            path.unlink()

    def make(method: str, target: Any, profile: Any, files: Any, options: Mapping[str, Any]) -> RemoteImageSteps:
        return RemoteImageSteps(target, profile, files, {**options, "method": method, "clock_factor": FACTOR}, run_step, copy, clean)

    return make


def upgrade_all(fleet: Fleet, names: Iterable[str], ledger: Path, **options: Any) -> dict[str, dict[str, Any]]:
    """The same task for several meters side by side."""
    hosts, listed = fleet.hosts(), list(names)
    with ThreadPoolExecutor(10) as pool:
        return dict(zip(listed, pool.map(lambda name: upgrade(hosts, name, ledger, **options), listed), strict=True))


def killed(hosts: Mapping[str, Mapping[str, Any]], name: str, ledger: Path, die: Callable[[str, int | None], bool], **options: Any) -> int:
    """The task in a child process that is killed where ``die`` says so of a phase; the signal that ended it, or 0."""
    child = os.fork()
    if child == 0:

        def phase(state: str, percent: int | None) -> None:
            if die(state, percent):
                os.kill(os.getpid(), 9)

        try:
            upgrade(hosts, name, ledger, phase=phase, **options)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
