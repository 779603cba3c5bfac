# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What a meter does after the trigger, judged reading by reading (R-064…R-066, R-088, R-143, G-07).

The judgement is pure: it takes what one look at the meter gave and moves the state on. The state is plain data, so that
a jump host can be asked for one slice of the observation after another.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..catalogue import constants


@dataclass(frozen=True)
class Expected:
    """What the upgrade set out to do, and how the meter looked before (versions as canonical text)."""

    serial: str
    source: str
    target: str
    restarts: int | None
    last_restart: str | None
    status_key: str = ""


@dataclass(frozen=True)
class Limits:
    """Deadlines of the observation in meter seconds, and in which order this method's upgrade goes.

    ``card_reset`` is the longest documented silence. ``works_first`` says that the meter works on the new firmware before it
    restarts, so that everything it says counts at once; without it the restart comes first, and what was said before is old.
    ``retry_failed`` says whether software may start again after a failed process (R-066), or a person acts first (R-150).
    """

    card_reset: float
    stall: float
    hard_timeout: float
    late_grace: float = float(constants.LATE_GRACE.number)
    no_progress: float = float(constants.STALL_NO_PROGRESS.number)
    works_first: bool = False
    retry_failed: bool = True
    failed_reason: str = "upgrade_process_failed"


@dataclass(frozen=True)
class Look:
    """One look at the meter; ``answered`` False is silence. ``status`` is what the status page said, if anything.

    ``refusal`` is the reason code that the profile gives to the device's words. ``key`` tells one upgrade on the status page
    from another: a page that still shows the key of before the trigger speaks of an earlier upgrade. ``last`` is that
    upgrade's version and time, where the page tells them (R-144). ``page_fault`` is why the page cannot be read any more.
    """

    answered: bool
    serial: str | None = None
    version: str | None = None
    restarts: int | None = None
    last_restart: str | None = None
    status: str = "unknown"
    processes: tuple[dict[str, Any], ...] = ()
    device_text: str = ""
    refusal: str | None = None
    key: str = ""
    last: dict[str, Any] = field(default_factory=dict)
    page_fault: str = ""


@dataclass
class Observation:
    """State of one observation. ``elapsed`` is meter seconds since the trigger; ``outcome`` is empty while it goes on.

    ``detail`` belongs to the method; it is kept with an attempt that rests.
    """

    elapsed: float = 0.0
    silent_since: float | None = None
    silence_seen: bool = False
    restart_seen: bool = False
    late: bool = False
    stalled: bool = False
    other_serial: str | None = None
    progress_at: float = 0.0
    progress_key: str = ""
    new_version_at: float | None = None
    completed_at: float | None = None
    status: str = "unknown"
    processes: list[dict[str, Any]] = field(default_factory=list)
    device_text: str = ""
    version: str | None = None
    outcome: str = ""
    reason: str = ""
    timeline: list[dict[str, Any]] = field(default_factory=list)
    running_seen: bool = False
    last_upgrade: dict[str, Any] = field(default_factory=dict)
    page_fault: str = ""
    detail: dict[str, Any] = field(default_factory=dict)

    def note(self, state: str, text: str = "") -> None:
        """Append to the timeline, once for each change of state."""
        if not self.timeline or self.timeline[-1]["state"] != state:
            self.timeline.append({"state": state, "at": round(self.elapsed, 1), "text": text})

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @property
    def percent(self) -> int | None:
        """Mean of the processes' percentages, where the status page gives them."""
        values = [item["percent"] for item in self.processes if isinstance(item.get("percent"), int)]
        return sum(values) // len(values) if values else None

    @property
    def near_the_end(self) -> bool:
        """Whether the next change is awaited any second: the return from silence, or the end of the last process."""
        return self.silent_since is not None or (self.percent or 0) >= constants.NEAR_THE_END.number


def advance(state: Observation, look: Look, expected: Expected, limits: Limits) -> None:
    """Take one look into account. Sets ``outcome`` and ``reason`` when the observation is over."""
    look = _of_this_upgrade(state, look, expected)
    if look.answered and look.serial == expected.serial:
        _answering(state, look, expected, limits)
    else:
        _silent(state, look, limits)
    if not state.outcome and state.elapsed >= limits.hard_timeout:
        _give_up(state, limits)


def _of_this_upgrade(state: Observation, look: Look, expected: Expected) -> Look:
    """A page that still tells of the upgrade before this one says nothing of this one: idle."""
    state.running_seen = state.running_seen or look.status == "running"
    ended = look.status in ("completed", "failed", "rejected", "refused")
    if ended and look.key and look.key == expected.status_key and not state.running_seen:
        return replace(look, status="idle", processes=(), device_text="", refusal=None, last={})
    return look


def _silent(state: Observation, look: Look, limits: Limits) -> None:
    """Nobody answers, or somebody else does: for this meter both are silence (F-13)."""
    if look.answered:
        state.other_serial = look.serial or "unreadable"
    if state.silent_since is None:
        state.silent_since = state.elapsed
        state.silence_seen = True
        state.note("restarting", "the meter is silent, as expected after the trigger")
    quiet = state.elapsed - state.silent_since
    if quiet > limits.card_reset and not state.late:
        state.late = True
        state.note("late_resume", f"still silent after the documented {limits.card_reset:g} s")
    if quiet > limits.card_reset + limits.late_grace:
        state.reason = "ip_changed" if state.other_serial else "comms_lost"
        state.outcome = "comms_lost"
        other = f"; the address now answers with serial {state.other_serial}" if state.other_serial else ""
        state.note("comms_lost", f"silent for {quiet:.0f} s{other}")


def _answering(state: Observation, look: Look, expected: Expected, limits: Limits) -> None:
    if state.silent_since is not None:
        state.note("resumed", f"the meter answers again after {state.elapsed - state.silent_since:.0f} s")
        state.silent_since = None
        state.progress_at = state.elapsed
    state.other_serial = None
    state.version = look.version
    _restart_evidence(state, look, expected)
    _progress(state, look)
    if look.status == "refused" and not _restarted(state):
        state.reason = look.refusal or "device_rejected_image"
        state.outcome = "attempts_exhausted" if state.reason == "attempts_exhausted" else "failed_final"
        state.note("refused", look.device_text)
    elif look.status == "rejected" and _began(state, limits):
        state.outcome, state.reason = "failed_final", "device_rejected_image"
        state.note("failed_final", look.device_text)
    elif look.status == "failed" and _began(state, limits):
        _failed(state, look, limits)
    elif look.version == expected.target:
        _new_version(state, look, limits)
    elif look.status == "completed" and _began(state, limits):
        _completed_with_old_version(state, look, limits)
    else:
        _still_old(state, look, expected, limits)


def _restart_evidence(state: Observation, look: Look, expected: Expected) -> None:
    counted = None not in (look.restarts, expected.restarts) and look.restarts != expected.restarts
    dated = None not in (look.last_restart, expected.last_restart) and look.last_restart != expected.last_restart
    state.restart_seen = state.restart_seen or counted or dated


def _restarted(state: Observation) -> bool:
    return state.silence_seen or state.restart_seen


def _began(state: Observation, limits: Limits) -> bool:
    """Whether what the page says of an end can be about this upgrade."""
    return limits.works_first or _restarted(state)


def _failed(state: Observation, look: Look, limits: Limits) -> None:
    """A process failed. A damaged file is worth one fresh try (R-147), a rejected one none (R-141)."""
    state.reason = look.refusal or limits.failed_reason
    damaged = state.reason == "image_invalid_or_corrupted"
    final = not damaged and (not limits.retry_failed or state.reason == "device_rejected_image")
    state.outcome = "failed_final" if final else "failed_retryable"
    state.note(state.outcome, look.device_text)


def _progress(state: Observation, look: Look) -> None:
    state.status = look.status
    state.last_upgrade = look.last or state.last_upgrade
    state.page_fault = look.page_fault or state.page_fault
    state.device_text = look.device_text or state.device_text
    if look.processes:
        state.processes = list(look.processes)
    key = repr((look.version, look.status, look.processes))
    if key != state.progress_key:
        state.progress_key, state.progress_at = key, state.elapsed


def _new_version(state: Observation, look: Look, limits: Limits) -> None:
    """Version and serial are as wanted; the restart must have been seen, and no process may still run."""
    if state.new_version_at is None:
        state.new_version_at = state.elapsed
        state.note("verifying", f"the meter reports version {look.version}")
    if look.status == "running":
        return
    waited = state.elapsed - state.new_version_at
    if not _restarted(state) and waited < limits.card_reset:
        return
    state.outcome = "verified_late" if state.late else "verified"
    state.reason = "" if _restarted(state) else "restart_not_observed"
    state.note(state.outcome)


def _completed_with_old_version(state: Observation, look: Look, limits: Limits) -> None:
    """The page says completed, the registers disagree (F-16); one resume time of grace, then the registers are right."""
    if state.completed_at is None:
        state.completed_at = state.elapsed
    if state.elapsed - state.completed_at >= limits.no_progress:
        state.outcome, state.reason = "failed_final", "wrong_version_after"
        state.note("wrong_version", f"the status page says completed, the meter reports {look.version}")


def _still_old(state: Observation, look: Look, expected: Expected, limits: Limits) -> None:
    """Old version, nothing failed: the old instance may still answer (F-15), work goes on, or nothing ever began."""
    if _restarted(state):
        state.note("in_progress")
    elif limits.works_first and look.status == "running" and not state.stalled:
        state.note("in_progress", look.device_text)
    elif _never_began(state, look, expected, limits):
        state.outcome, state.reason = "failed_final", "upgrade_not_started"
        told = (
            "the meter's status page tells of no upgrade since"
            if limits.works_first
            else "the meter counts no restart since before the trigger"
        )
        state.note("failed_final", told)
        return
    idle = state.elapsed - state.progress_at
    if look.status == "idle" and _restarted(state) and idle > limits.no_progress:
        # It restarted for another reason (power), and the trigger was lost with it. Counted all the same (G-06).
        state.outcome, state.reason = "failed_final", "upgrade_not_started"
        state.note("failed_final", "the meter restarted and says that no upgrade ran since")
        return
    blind = limits.works_first and look.status == "unknown"  # without the page nobody sees it move
    if state.elapsed > limits.stall and idle > limits.no_progress and not blind:
        if not state.stalled:
            state.note("stalled", f"no progress for {idle:.0f} s")
        state.stalled = True
    elif state.stalled:
        state.stalled = False
        state.note("in_progress", "progress again")


def _never_began(state: Observation, look: Look, expected: Expected, limits: Limits) -> bool:
    """The whole window for a beginning has passed, and the meter tells that nothing began.

    Where the restart comes first, its counter tells; where the work comes first, only the status page can.
    """
    if limits.works_first:
        told = look.status == "idle" and not state.running_seen
    else:
        told = expected.restarts is not None and look.restarts == expected.restarts and look.status != "running"
    return told and state.elapsed > limits.card_reset + limits.late_grace


def _give_up(state: Observation, limits: Limits) -> None:
    if limits.works_first and state.stalled and state.status != "unknown" and not _restarted(state):
        state.outcome, state.reason = "failed_final", "stalled"
        state.note("failed_final", "no progress and no end by the hard timeout")
    elif not _restarted(state):
        state.outcome, state.reason = "failed_final", "upgrade_state_unknown"
        state.note("failed_final", "no restart and no new version by the hard timeout")
    elif state.silent_since is not None:
        state.outcome, state.reason = "comms_lost", "comms_lost"
        state.note("comms_lost", "silent at the hard timeout")
    elif state.new_version_at is not None:
        state.outcome, state.reason = "escalate_vendor", "deadline_exceeded"
        state.note("escalate_vendor", "the new version runs, but the meter says that a process never ended")
    else:
        state.outcome = "failed_final"
        state.reason = "stalled" if state.stalled else "wrong_version_after"
        state.note("failed_final", f"version {state.version} at the hard timeout")
