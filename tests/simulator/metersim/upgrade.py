# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What a meter does when its upgrade page is opened."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metersim import packages, tables
from metersim.meter import Job, Meter, Step
from metersim.surfaces import CARD, SYSTEM

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
    meter.record("trigger_accepted", user=user)
    meter.record("attempt_counted", n=meter.attempts, limit=tables.attempt_limit(meter.model, meter.firmware))
    meter.job = Job("running", meter.surface.texts["running"], fresh_steps(meter))
    meter.journal.begin_progress(meter.name)
    meter.upgrade_task = meter.spawn(lambda: _guarded(meter))
    return True


def fresh_steps(meter: Meter) -> list[Step]:
    """All processes, waiting, in the surface's order."""
    return [Step(name) for name in meter.surface.order]


async def _guarded(meter: Meter) -> None:
    try:
        await _run(meter)
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
    texts = meter.surface.texts
    verdict = _judge_files(meter)
    refused = meter.take("F-10")
    if refused and not verdict.process:
        verdict = Verdict(SYSTEM, refused["text"] or texts["incompatible"], verdict.target)
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
    slice_time = meter.spec.process_time / len(job.steps) / SLICES
    for step in job.steps:
        _set(meter, step, "running", 0)
        for part in range(1, SLICES + 1):
            await meter.clock.sleep(slice_time)
            spoiled = meter.surface.texts[job.spoiled] if job.spoiled else ""
            if spoiled or (step.name == verdict.process and part > SLICES // 2):
                _set(meter, step, "failed", step.progress, spoiled or verdict.text)
                _finish(meter, ok=False)
                return
            step.progress = 100 * part // SLICES
        _set(meter, step, "done", 100)
    _finish(meter, ok=True)


def _set(meter: Meter, step: Step, state: str, progress: int, text: str = "") -> None:
    step.state, step.progress, step.text = state, progress, text
    meter.record("process", name=step.name, state=state, text=text)


def _finish(meter: Meter, ok: bool) -> None:
    """Write down the result. Staged files are gone afterwards, good or bad."""
    job = meter.job
    if ok and job.target and meter.take("F-16") is None:
        meter.previous, meter.firmware = meter.firmware, job.target
        meter.downloaded = meter.wall()
    remove_staged(meter)
    job.result = "done" if ok else "failed"
    job.message = meter.surface.texts[job.result]
    meter.state = "idle"
    meter.changed()
    meter.record("upgrade_done", ok=ok, version=meter.firmware_text)


def remove_staged(meter: Meter) -> None:
    """The meter clears what was copied for the upgrade."""
    staged: list[Any] = [*archives(meter), meter.root / "fw" / packages.CARD_FILE, meter.root / "www" / packages.TRIGGER_PAGE]
    for path in staged:
        path.unlink(missing_ok=True)
