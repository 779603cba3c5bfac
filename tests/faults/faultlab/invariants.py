# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The invariants (a) to (j), judged from the meters' own account, the ledger and everything that was left behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from ansible_collections.gridops.metering.plugins.module_utils._engine.records.types import NOT_STARTED, Attempt
from metersim.testing import Event
from secrets_grep import offsets

from .lab import CAMPAIGN, Lab

SETTLE = 60.0
#: What changes a meter, or may.
WRITES = (
    "ftp_stored",
    "ftp_incomplete",
    "modbus_write",
    "trigger_request",
    "web_upload",
    "web_upload_incomplete",
    "web_confirm",
    "settings_written",
)
#: Requests that can start an upgrade: the trigger page, and "apply now" on the webpages, which only a session can say.
STARTS = ("trigger_request", "web_confirm")


def check_invariants(
    lab: Lab,
    planned: Iterable[str],
    cap: int = 1,
    campaign: str = CAMPAIGN,
    untouched: Iterable[str] = (),
    complete: bool = True,
    logins: int = 1,
    rivals: bool = False,
) -> None:
    """All invariants of one test.

    ``planned`` are the hosts of the campaign; with ``complete`` each must have an outcome (h). ``untouched`` must have seen
    neither a login nor a write (f). ``logins`` is how many runs may have tried a refused password once each (j).
    With ``rivals`` a second run may log in for its prechecks at any moment, also just before the first one's trigger (d).
    """
    names = sorted(meter["name"] for meter in lab.fleet.meters())
    never_above_the_cap(lab, cap)
    settled(lab, names, cap)
    for name in names:
        if name not in untouched:
            events = lab.events(name)
            history = lab.records.attempt_history(lab.serial(name)) if lab.ledger.exists() else []
            nothing_forbidden(name, events)
            recorded_before_triggered(name, events, history)
            read_before_each_trigger(name, events, rivals)
            one_login_try(name, events, logins)
    for name in untouched:
        assert not [event for event in lab.events(name) if event["kind"].startswith("ftp_") or event["kind"] in WRITES], name
    no_secret(lab)
    outcomes_add_up(lab, list(planned), campaign, complete)
    nothing_held(lab, names)


def never_above_the_cap(lab: Lab, cap: int) -> None:
    """(a) counted by the simulator itself."""
    peaks = lab.fleet.peaks()
    assert peaks["in_progress_max"] <= cap, peaks
    assert all(number <= 8 for number in peaks["connections_max"].values()), peaks


def spans(events: Sequence[Event]) -> list[tuple[float, float]]:
    """From each accepted trigger to the end of that upgrade, in meter seconds; a good one is followed by its settle time."""
    found: list[tuple[float, float]] = []
    start: float | None = None
    for event in events:
        if event["kind"] == "trigger_accepted":
            start = event["t"]
        elif start is not None and event["kind"] in ("upgrade_done", "power_lost"):
            settle = SETTLE if event["kind"] == "upgrade_done" and event["ok"] else 0.0
            found.append((start, event["t"] + settle))
            start = None
    return found


def settled(lab: Lab, names: Iterable[str], cap: int) -> None:
    """(i) an upgrade or its settle time is never joined by more than the cap allows, on the meters' clock."""
    moves = sorted((time, step) for name in names for span in spans(lab.events(name)) for time, step in zip(span, (1, -1), strict=True))
    running = highest = 0
    for dummy, step in moves:
        running += step
        highest = max(highest, running)
    assert highest <= cap, f"{highest} upgrades or settle times at once, {cap} are allowed: {moves}"


def nothing_forbidden(name: str, events: Sequence[Event]) -> None:
    """(b) no meter saw two hands at once, a Modbus write, or a read of the semaphore."""
    forbidden = [event for event in events if event["kind"] in ("violation", "modbus_write", "semaphore_read", "simulator_error")]
    assert not forbidden, (name, forbidden)


def recorded_before_triggered(name: str, events: Sequence[Event], history: Sequence[Attempt]) -> None:
    """(c) each request to the trigger path lies inside exactly one recorded attempt, and each counted attempt has its trigger."""
    used: Counter[str] = Counter()
    for event in (item for item in events if item["kind"] in STARTS):
        around = [item for item in history if item.started < event["real"] and (item.finished is None or event["real"] <= item.finished)]
        assert len(around) == 1, f"{name}: {len(around)} records for {event}; ledger: {history}"
        if event.get("authenticated", True):
            used[around[0].id] += 1
    assert all(number == 1 for number in used.values()), f"{name}: an attempt triggered twice: {used}"
    counted = [item.id for item in history if item.state != NOT_STARTED]
    assert sorted(used) == sorted(counted), f"{name}: triggers {sorted(used)}, counted attempts {sorted(counted)}"


def read_before_each_trigger(name: str, events: Sequence[Event], rivals: bool) -> None:
    """(d) between the last copied file, or the trigger before, and each trigger the meter was read afresh."""
    fresh = False
    staging = ("ftp_stored", "web_upload") if rivals else ("ftp_stored", "web_upload", "ftp_login_ok")
    for event in events:
        if event["kind"] == "modbus_connect":
            fresh = True
        elif event["kind"] in staging:
            fresh = False
        elif event["kind"] in STARTS and event.get("authenticated", True):
            assert fresh, f"{name}: triggered without a fresh read: {event}"
            fresh = False


def one_login_try(name: str, events: Sequence[Event], logins: int) -> None:
    """(j) a refused password is not tried again, by protocol and path."""
    failed = Counter((item["kind"], item.get("user"), item.get("path")) for item in events if item["kind"].endswith("_login_failed"))
    assert all(number <= logins for number in failed.values()), f"{name}: {failed}"


def no_secret(lab: Lab) -> None:
    """(e) neither outputs nor ledger nor progress files hold a planted password, in any usual encoding."""
    found = [path.name for path in sorted(lab.out.rglob("*")) if path.is_file() and next(offsets(path), None) is not None]
    assert not found, f"a planted password is in {found}"


def outcomes_add_up(lab: Lab, planned: list[str], campaign: str, complete: bool) -> None:
    """(h) every planned meter has one outcome and nobody else has; the journal of it all is unbroken."""
    if not lab.ledger.exists():
        assert not complete
        return
    kept: dict[str, Any] = lab.records.outcomes(campaign)
    assert set(kept) <= set(planned), kept
    if complete:
        assert {host for host, row in kept.items() if row["outcome"]} == set(planned), kept
    assert lab.records.verify_chain(campaign).ok


def nothing_held(lab: Lab, names: Iterable[str]) -> None:
    """No lease or slot is left behind that would stop the next run."""
    if lab.ledger.exists():
        records = lab.records
        assert records.slots_in_use("ftp") == records.slots_in_use("web") == 0
        assert not [holder for name in names if (holder := records.holder(f"meter:{lab.serial(name)}"))]
        assert not [name for name in names if records.open_attempt(lab.serial(name))]


def changes_nothing_again(lab: Lab, **options: Any) -> None:
    """(g) the same run once more writes to no meter and says so."""
    before = lab.fleet.events()[-1]["seq"]
    run = lab.run(**options)
    again = [event for event in lab.fleet.events(after=before) if event["kind"] in WRITES]
    assert not again, again
    assert run.rc == 0, run.text[-3000:]
    assert not [host for host, result in run.results().items() if result["changed"]]
