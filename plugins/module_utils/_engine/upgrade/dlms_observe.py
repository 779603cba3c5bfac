# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What a meter does after an activation, judged look by look; pure (R-212, R-222, R-228, X-05, F-02).

The proof are the active identifiers and signatures, never the state of the transfer: that may be gone after the reboot.
The state of the judgement is plain data, so that a later run, or a jump host, goes on with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

from ..catalogue import constants
from . import dlms_rules as rules
from .observe import Expected, Limits, Observation

CONFIRMED, UNCONFIRMED, SCHEDULED = "confirmed", "activated_unconfirmed", "scheduled"
_ENDED = (rules.ACTIVATED, rules.NOT_INITIATED)
_LOST_IMAGE = (rules.ACTIVATED, rules.NOT_INITIATED, rules.VERIFY_FAILED)
_MOST_HOLDS = 20
Hold = Optional[dict[str, Any]]  # noqa: UP045 - evaluated at run time
_RESTING = ("scheduled", "activated_unconfirmed", "not_responding")


@dataclass(frozen=True)
class Sight:
    """One look. ``answered`` False is silence; ``fault`` is a reason not to ask again (a refused login).

    ``components`` are as in the facts. ``scheduled`` tells whether the scheduler holds this activation, None where unread.
    """

    answered: bool
    serial: str | None = None
    components: Sequence[Mapping[str, Any]] = ()
    status: int | None = None
    scheduled: bool | None = None
    fault: str = ""
    text: str = ""


def advance(state: Observation, sight: Sight, expected: Expected, limits: Limits, ahead: float) -> None:
    """Take one look into account; sets ``outcome`` when it is over.

    ``state.detail`` is what the staging left: component, images, expected, expected_signature, activate. ``ahead`` is how many
    seconds a scheduled activation is away, 0 or less when its time is over or the activation was at once.
    """
    if sight.fault:
        _end(state, "not_responding", sight.fault, sight.text)
    elif sight.answered and sight.serial == expected.serial:
        _answering(state, sight, expected, limits, ahead)
    else:
        _silent(state, sight, limits, ahead)
    if not state.outcome:
        _out_of_time(state, expected, limits, ahead)


def resting(state: Observation) -> bool:
    """Whether a later run goes on with this observation."""
    return state.outcome in _RESTING


# -- silence ----------------------------------------------------------------------------------------------------------


def _silent(state: Observation, sight: Sight, limits: Limits, ahead: float) -> None:
    """Nobody answers, or another meter does. After the trigger the meter reboots; how long is not documented."""
    if sight.answered:
        state.other_serial = sight.serial or "unreadable"
    if state.silent_since is None:
        state.silent_since = state.elapsed
        state.silence_seen = True
        state.note("restarting", sight.text or "another meter answers")
    _clear(state)
    quiet = state.elapsed - state.silent_since
    if quiet > limits.card_reset and not state.late:
        state.late = True
        state.note("late_resume", f"still silent after {limits.card_reset:g} s")
    if quiet <= limits.card_reset + limits.late_grace:
        return
    if ahead > 0:
        _end(state, "not_responding", "not_responding", f"silent for {quiet:.0f} s; the scheduled time is still ahead")
        return
    other = f"; the address now answers with serial {state.other_serial}" if state.other_serial else ""
    state.reason = "ip_changed" if state.other_serial else "comms_lost"
    state.outcome = "comms_lost"
    state.note("comms_lost", f"silent for {quiet:.0f} s{other}")


# -- answers ----------------------------------------------------------------------------------------------------------


def _answering(state: Observation, sight: Sight, expected: Expected, limits: Limits, ahead: float) -> None:
    if state.silent_since is not None:
        state.note("resumed", f"the meter answers again after {state.elapsed - state.silent_since:.0f} s")
        state.silent_since = None
        state.progress_at = state.elapsed
    state.other_serial = None
    before = state.detail.pop("hold", None)
    _judge(state, sight, expected, limits, ahead, before)


def _judge(state: Observation, sight: Sight, expected: Expected, limits: Limits, ahead: float, before: Hold) -> None:
    own = _component(sight, state.detail.get("component", constants.DLMS_B_APPLICATION.number))
    state.version = own["identifier"] if own else None
    state.status = rules.state_name(sight.status)
    wanted = (expected.target, *state.detail.get("expected", ()))
    if state.version in wanted:
        _new(state, sight, own or {}, before)
    elif state.version == expected.source:
        _old(state, sight, limits, ahead, before)
    elif state.version is not None and _held(state, before, f"other {state.version}"):
        _end(state, "failed_final", "wrong_version_after", f"the meter runs {state.version}")


def _new(state: Observation, sight: Sight, own: Mapping[str, Any], before: Hold) -> None:
    """The new firmware runs. It is confirmed once its own test is over and it still runs a while later (R-222)."""
    if state.new_version_at is None:
        state.new_version_at = state.elapsed
        before = None
        state.note("verifying", f"the meter runs {state.version}")
    state.restart_seen = True  # no other way leads to other firmware, also where nobody saw the silence
    problem = _not_whole(state, sight, own)
    if sight.status not in _ENDED:
        state.note(UNCONFIRMED, f"the meter's own test is not over ({rules.state_name(sight.status)})")
        return
    if not _held(state, before, "new" + problem):
        return
    if problem:
        _end(state, "failed_final", "wrong_version_after", problem)
        return
    state.detail["firmware_state"] = CONFIRMED
    state.outcome = "verified_late" if state.late else "verified"
    state.reason = ""
    state.note(state.outcome, "identifiers and signatures are as expected after the meter's own test")


def _not_whole(state: Observation, sight: Sight, own: Mapping[str, Any]) -> str:
    """What of the image does not run; empty where all parts do (R-212)."""
    wanted = state.detail.get("expected_signature")
    if wanted and own.get("signature") != wanted:
        return f"the identifier is as expected, but the signature is {own.get('signature') or 'not told'}"
    images = state.detail.get("images") or ()
    if len(images) < 2:
        return ""
    active = {item.get("identifier") for item in sight.components}
    missing = [str(item["identifier"]) for item in images if item["identifier"] not in active]
    return f"parts of the image do not run: {', '.join(missing)}" if missing else ""


def _old(state: Observation, sight: Sight, limits: Limits, ahead: float, before: Hold) -> None:
    """The old firmware answers: not begun yet, at work, cut off, or fallen back (X-05)."""
    state.new_version_at = None
    if sight.status == rules.ACTIVATION_FAILED:
        text = "the meter says that the activation failed; the old firmware runs"
        _end(state, "failed_final", "activation_failed_fallback", text)
    elif sight.status == rules.VERIFIED:
        _waiting(state, sight, limits, ahead, before)
    elif sight.status == rules.ACTIVATING:
        state.note("in_progress", rules.state_name(sight.status))
    elif sight.status in _LOST_IMAGE and _held(state, before, "fallback"):
        text = f"the old firmware runs and the image is gone ({rules.state_name(sight.status)})"
        _end(state, "failed_final", "activation_failed_fallback", text)
    elif sight.status in (rules.INITIATED, rules.VERIFYING) and _held(state, before, "foreign"):
        _end(state, "failed_final", "upgrade_state_unknown", "another transfer has begun in the meter; the old firmware runs")


def _waiting(state: Observation, sight: Sight, limits: Limits, ahead: float, before: Hold) -> None:
    """Old identifier and status 3: the image waits. Its time is ahead, it never began, or it was cut off (F-02)."""
    if ahead > 0:
        if sight.scheduled is False:
            _end(state, "failed_final", "upgrade_not_started", "the meter's scheduler does not hold the activation any more")
            return
        state.detail["firmware_state"] = SCHEDULED
        _end(state, SCHEDULED, "", "the image waits for its time")
        return
    if state.silence_seen or state.restart_seen:
        if _held(state, before, "interrupted"):
            text = "the old firmware runs and the image was kept: it is activated again, not sent again"
            _end(state, "failed_retryable", "activation_interrupted", text)
        return
    scheduled = state.detail.get("activate") == rules.AT
    grace = limits.no_progress + (constants.DLMS_CLOCK_TOLERANCE.number if scheduled else 0)
    late = -ahead if scheduled else state.elapsed
    if late > grace:
        outcome = "failed_final" if scheduled else "failed_retryable"
        _end(state, outcome, "upgrade_not_started", "the image waits, and nothing has begun")


# -- the end ----------------------------------------------------------------------------------------------------------


def _out_of_time(state: Observation, expected: Expected, limits: Limits, ahead: float) -> None:
    if state.new_version_at is not None and state.silent_since is None:
        if not _holding(state) and state.elapsed - state.new_version_at > constants.DLMS_SELF_TEST_LIMIT.number:
            state.detail["firmware_state"] = UNCONFIRMED
            _end(state, UNCONFIRMED, "", f"the new firmware runs, its own test has no end yet ({state.status})")
        return
    scheduled = state.detail.get("activate") == rules.AT
    if ahead > 0 or _holding(state) or (-ahead if scheduled else state.elapsed) < limits.hard_timeout:
        return
    if state.silent_since is not None:
        if state.elapsed - state.silent_since >= constants.PARKED_LOOK.number:
            state.outcome = state.reason = "comms_lost"
            state.note("comms_lost", "silent at the hard timeout")
        return
    _end(state, "failed_final", "upgrade_state_unknown", f"version {state.version or 'unknown'}, {state.status} at the hard timeout")


def _held(state: Observation, before: Hold, what: str) -> bool:
    """Whether the meter has told the same for the documented while, look after look; one look proves nothing."""
    hold: dict[str, Any] = before if before is not None and before["what"] == what else {"what": what, "since": state.elapsed}
    state.detail["hold"] = hold
    if hold is not before:
        state.detail["holds"] = state.detail.get("holds", 0) + 1
    return bool(state.elapsed - hold["since"] >= constants.DLMS_CONFIRM_HOLD.number)


def _holding(state: Observation) -> bool:
    """Whether a decision is near. A meter that changes its mind again and again gets no more time for it."""
    return "hold" in state.detail and bool(state.detail.get("holds", 0) <= _MOST_HOLDS)


def _clear(state: Observation) -> None:
    state.detail.pop("hold", None)


def _component(sight: Sight, part: int) -> Mapping[str, Any] | None:
    return next((item for item in sight.components if item.get("b") == part), None)


def _end(state: Observation, outcome: str, reason: str, text: str) -> None:
    _clear(state)
    state.outcome, state.reason = outcome, reason
    state.note(outcome, text)
