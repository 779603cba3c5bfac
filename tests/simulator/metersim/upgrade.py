# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What a meter does when its upgrade page is opened."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metersim import packages, tables
from metersim.meter import Job, Meter, Step
from metersim.surfaces import CARD, CHECK, RESTART, SYSTEM

SLICES = 4


@dataclass
class Verdict:
    """Which process will fail and with what text; empty process means none."""

    process: str = ""
    text: str = ""
    target: tables.Version | None = None


def refusal(meter: Meter) -> str:
    """Why the meter does not even start (no attempt is counted), or ''."""
    limit = tables.attempt_limit(meter.model, meter.firmware)
    if meter.state == "upgrading" or meter.upgrade_task:
        return "refused_busy"
    if meter.generation == tables.NEW:
        return "refused_generation"
    if meter.locked:
        return "refused_lock"
    if limit is not None and meter.attempts >= limit:
        return "refused_attempts"
    if not (meter.root / "fw" / packages.CARD_FILE).is_file() or len(archives(meter)) != 1:
        return "refused_files"
    return ""


def archives(meter: Meter) -> list[Path]:
    """The firmware archives in ``fw``."""
    return sorted(path for path in (meter.root / "fw").iterdir() if path.suffix == ".fwa")


def trigger(meter: Meter, user: str) -> bool:
    """The upgrade page was opened by somebody who may. True when it starts."""
    why = refusal(meter)
    if why:
        if why == "refused_busy":
            meter.record("violation", what="trigger_during_upgrade")
        else:
            meter.job = Job("refused", meter.surface.texts[why], fresh_steps(meter))
        meter.record("trigger_refused", why=why.removeprefix("refused_"), user=user)
        return False
    meter.attempts += 1
    meter.record("trigger_accepted", user=user, method="ftp")
    meter.record("attempt_counted", n=meter.attempts, limit=tables.attempt_limit(meter.model, meter.firmware))
    meter.job = Job("running", meter.surface.texts["running"], fresh_steps(meter), when=meter.wall())
    meter.journal.begin_progress(meter.name)
    meter.upgrade_task = meter.spawn(lambda: _guarded(meter, _run(meter)))
    return True


def fresh_steps(meter: Meter) -> list[Step]:
    """All processes, waiting, in the surface's order."""
    return [Step(name) for name in meter.surface.order]


async def _guarded(meter: Meter, work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    finally:
        meter.upgrade_task = None
        meter.journal.end_progress(meter.name)


async def _run(meter: Meter) -> None:
    await asyncio.sleep(0.05)  # real time: lets the redirect leave first
    late = meter.take("F-15")
    if late:
        await meter.clock.sleep(late["seconds"])
    if meter.take("F-01") is not None:
        await meter.die(inside_upgrade=True)
        return
    await meter.go_silent()
    slow = meter.take("F-14")
    await meter.clock.sleep(slow["silence"] if slow else meter.spec.silence)
    await meter.come_back("upgrade", state="upgrading")
    await _processes(meter, verify(meter))


def verify(meter: Meter) -> Verdict:
    """Look into the staged files (and the fault list)."""
    return _with_faults(meter, _judge_files(meter), SYSTEM)


def _with_faults(meter: Meter, verdict: Verdict, judge: str) -> Verdict:
    """F-10 and F-18 on top of what the files deserve; ``judge`` is the process that finds an image unfit."""
    texts = meter.surface.texts
    refused = meter.take("F-10")
    if refused and not verdict.process:
        verdict = Verdict(judge, refused["text"] or texts["incompatible"], verdict.target)
    broken = meter.take("F-18")
    if broken and not verdict.process:
        verdict = Verdict(broken["process"], broken["text"] or texts["process"], verdict.target)
    return verdict


def _judge_files(meter: Meter) -> Verdict:
    texts = meter.surface.texts
    archive = archives(meter)[0]
    try:
        card = packages.open_sealed((meter.root / "fw" / packages.CARD_FILE).read_bytes())
    except packages.PackageError:
        return Verdict(CARD, texts["corrupt"])
    try:
        head = packages.open_sealed(archive.read_bytes())
    except packages.PackageError:
        return Verdict(SYSTEM, texts["corrupt"])
    name = re.fullmatch(r"(\w+)_v(\d+\.\d+\.\d+)\.fwa", archive.name)
    fits = (
        card.part == "comm_card"
        and meter.model in card.models
        and head.part == "firmware"
        and meter.model in head.models
        and name is not None
        and name[1] == meter.model
        and name[2] == tables.version_text(head.version)
        and not tables.ftp_verdict(meter.model, meter.firmware, head.version)
    )
    return Verdict(target=head.version) if fits else Verdict(SYSTEM, texts["incompatible"], head.version)


async def _processes(meter: Meter, verdict: Verdict) -> None:
    job = meter.job
    job.target = verdict.target
    if not await _work_through(meter, job.steps, verdict, meter.spec.process_time):
        _finish(meter, ok=False)
        return
    _take_version(meter)
    _finish(meter, ok=True)


async def _work_through(meter: Meter, steps: list[Step], verdict: Verdict, seconds: float) -> bool:
    """Run processes for so many meter seconds in all; False when one failed."""
    slow = meter.faults.get("F-05")
    slice_time = seconds / len(steps) / SLICES * (slow["process"] if slow else 1)
    for index, step in enumerate(steps):
        _set(meter, step, "running", 0)
        for part in range(1, SLICES + 1):
            await meter.clock.sleep(slice_time)
            if index == 1 and part == SLICES // 2:
                await _trouble(meter)
            spoiled = meter.surface.texts[meter.job.spoiled] if meter.job.spoiled else ""
            if spoiled or (step.name == verdict.process and part > SLICES // 2):
                _set(meter, step, "failed", step.progress, spoiled or verdict.text)
                return False
            step.progress = 100 * part // SLICES
        _set(meter, step, "done", 100)
    return True


async def _trouble(meter: Meter) -> None:
    """What comes from outside in the middle of an upgrade: F-20 and F-06."""
    other = meter.take("F-20")
    if other:
        meter.record("foreign_connections" if other["mode"] == "connections" else "foreign_write")
        meter.job.spoiled = other["mode"]
    stall = meter.take("F-06")
    if stall:
        meter.record("stall_begin", seconds=stall["seconds"])
        if not stall["seconds"]:
            await asyncio.Event().wait()
        await meter.clock.sleep(stall["seconds"])
        meter.record("stall_end")


def _set(meter: Meter, step: Step, state: str, progress: int, text: str = "") -> None:
    step.state, step.progress, step.text = state, progress, text
    meter.record("process", name=step.name, state=state, text=text)


def _take_version(meter: Meter) -> None:
    """The new firmware is in place, unless F-16 says otherwise."""
    target = meter.job.target
    if target is None or meter.take("F-16") is not None:
        return
    before = meter.generation
    meter.previous, meter.firmware = meter.firmware, target
    meter.downloaded = meter.wall()
    if meter.generation != before:
        meter.record("generation_changed", generation=meter.generation)
    late = meter.take("F-36")
    if late:
        meter.spawn(lambda: _late_failure(meter, late))


async def _late_failure(meter: Meter, fault: dict[str, Any]) -> None:
    """F-36: it worked at first."""
    await meter.clock.sleep(fault["after"])
    while meter.upgrade_task:
        await meter.clock.sleep(5)
    meter.record("late_failure", mode=fault["mode"])
    if fault["mode"] == "dead":
        await meter.die()
        return
    await meter.go_silent()
    if meter.previous:
        meter.previous, meter.firmware = meter.firmware, meter.previous
    await meter.clock.sleep(meter.spec.restart_silence)
    await meter.come_back("power")


def _finish(meter: Meter, ok: bool) -> None:
    """Write down the result. Staged files are gone afterwards, good or bad."""
    job = meter.job
    if job.method == "ftp":
        remove_staged(meter)
    else:
        discard(meter)
    job.result = "done" if ok else "failed"
    remark = next((step.text for step in job.steps if step.state == "failed"), "")
    job.message = meter.surface.texts[job.result] or remark
    job.when = meter.wall()
    meter.state = "idle"
    meter.changed()
    meter.record("upgrade_done", ok=ok, version=meter.firmware_text)


def remove_staged(meter: Meter) -> None:
    """The meter clears what was copied for the upgrade."""
    staged: list[Any] = [*archives(meter), meter.root / "fw" / packages.CARD_FILE, meter.root / "www" / packages.TRIGGER_PAGE]
    for path in staged:
        path.unlink(missing_ok=True)


# -- upgrades with a .sedp package: webpages and tool --------------------------


def discard(meter: Meter) -> None:
    """Forget the uploaded package."""
    image, meter.image_file = meter.image_file, None
    if image:
        image.path.unlink(missing_ok=True)


def package_refusal(meter: Meter) -> str:
    """Why an uploaded package is not applied (nothing is counted), or ''."""
    limit = tables.attempt_limit(meter.model, meter.firmware)
    if meter.state == "upgrading" or meter.upgrade_task:
        return "refused_busy"
    if meter.image_file is None:
        return "refused_files"
    if meter.locked:
        return "refused_lock"
    if limit is not None and meter.attempts >= limit:
        return "refused_attempts"
    return ""


def start_package(meter: Meter, user: str, method: str) -> str:
    """Apply the uploaded package: the point of no return. '' when it starts, else the refusal."""
    why = package_refusal(meter)
    if why:
        if why == "refused_busy":
            meter.record("violation", what="trigger_during_upgrade")
        else:
            meter.job = Job("refused", meter.surface.texts[why], method=method, when=meter.wall())
        meter.record("trigger_refused", why=why.removeprefix("refused_"), user=user, method=method)
        return why
    meter.attempts += 1
    meter.record("trigger_accepted", user=user, method=method)
    meter.record("attempt_counted", n=meter.attempts, limit=tables.attempt_limit(meter.model, meter.firmware))
    steps = [Step(name) for name in (CHECK, *meter.surface.order, RESTART)]
    meter.job = Job("running", meter.surface.texts["running"], steps, method=method, when=meter.wall())
    meter.journal.begin_progress(meter.name)
    meter.state = "upgrading"
    meter.sessions.drop("upgrade")
    meter.upgrade_task = meter.spawn(lambda: _guarded(meter, _run_package(meter)))
    return ""


async def _run_package(meter: Meter) -> None:
    await asyncio.sleep(0.05)  # real time: lets the answer leave first
    job = meter.job
    verdict = _with_faults(meter, await _judge_package(meter), CHECK)
    job.target = verdict.target
    *work, restart = job.steps
    power = meter.take("F-01") is not None
    if not await _work_through(meter, work[: 2 if power else len(work)], verdict, meter.spec.update_time * (2 / len(work) if power else 1)):
        _finish(meter, ok=False)
        return
    if power:
        await meter.die(inside_upgrade=True)
        return
    _set(meter, restart, "running", 0)
    slow = meter.take("F-14")
    await meter.go_silent()
    await meter.clock.sleep(slow["silence"] if slow else meter.spec.restart_silence)
    if meter.faults.get("F-31", {}).get("mode") == "changed_after_upgrade":
        meter.certificates += 1
    if verdict.process == RESTART:
        await meter.come_back("upgrade")
        _set(meter, restart, "failed", 0, verdict.text)
        _finish(meter, ok=False)
        return
    _take_version(meter)
    await meter.come_back("upgrade", state="upgrading")
    _set(meter, restart, "done", 100)
    _finish(meter, ok=True)


async def _judge_package(meter: Meter) -> Verdict:
    texts, image = meter.surface.texts, meter.image_file
    if image is None:
        return Verdict(CHECK, texts["corrupt"])
    try:
        head = await asyncio.to_thread(packages.open_signed, image.path)
    except (packages.PackageError, OSError):
        return Verdict(CHECK, texts["corrupt"])
    judge = tables.web_verdict if meter.job.method == "web" else tables.tool_verdict
    fits = meter.model in head.models and head.name == image.name and not judge(meter.model, meter.firmware, head.version)
    return Verdict(target=head.version) if fits else Verdict(CHECK, texts["incompatible"], head.version)
