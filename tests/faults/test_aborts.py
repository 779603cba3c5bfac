# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Five aborts at each state boundary, then a rerun: after the old worker ended (m01), and while it still lives where it does (m02)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from faultlab.abort import KINDS, Terminal, abort, alive, kill, worker_of
from faultlab.gate import BOUNDARIES, Gate
from faultlab.invariants import check_invariants
from faultlab.lab import Lab, Run, outcome, until

HOSTS = ("m01", "m02")
#: Aborts after which the worker lives on (measured: workers have a session of their own).
ORPHANS = ("kill -9", "terminal lost")
BEFORE_RECORD = ("staging", "staged")


class Scene:
    """Two meters whose upgrades are held at one boundary, each by its own gate."""

    def __init__(self, lab: Lab, boundary: str) -> None:
        self.lab, self.boundary = lab, boundary
        lab.up({"model": "PM5561"}, {"model": "PM5561", "surface": "b", "http_auth": "digest"})
        self.gates = {host: Gate(lab, host, boundary) for host in HOSTS}

    def playbook(self, progress: str = "progress") -> Any:
        lab, ports = self.lab, next(iter(self.gates.values())).ports
        timing = {"clock_factor": lab.factor, "lease_wait": 1500, "settle": 300 if self.boundary == "settling" else 60}
        return lab.play(
            task={"timeout": 600},
            concurrency=2,
            ports=ports,
            timeouts={"connect": 10, "read": 40},
            timing=timing,
            progress_dir=str(lab.out / progress),
        )

    def reach(self, terminal: Terminal | None) -> tuple[Run, list[int | None]]:
        run = self.lab.start(self.playbook(), via=terminal.start if terminal else None)
        for host, gate in self.gates.items():
            until(gate.is_reached, 60, lambda host=host: f"{host} at {self.boundary}: {self.lab.progress(host)}")
        return run, [worker_of(self.lab, host) for host in HOSTS]

    def released_by_patience(self, kind: str) -> bool:
        """A task that ran into its timeout ends its FTP session politely, and for that the held message must go on."""
        if kind == "timeout" and self.boundary == "staging":
            for gate in self.gates.values():
                gate.open()
        return False

    def rerun(self, orphan: bool) -> Run:
        """Run again; the orphan goes on when the rerun has come as far as it can beside it."""
        run = self.lab.start(self.playbook("progress-rerun"))
        if orphan:
            until(lambda: run.rc is not None or "[m02] waiting" in run.text, 40, "the rerun waits for the orphan")
            assert len(self.lab.triggers("m02")) <= 1
        self.gates["m02"].open()
        return run.wait(90)


@pytest.fixture
def scene(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Scene]:
    scene = Scene(lab, request.param)
    yield scene
    for gate in scene.gates.values():
        gate.close()


def abort_and_rerun(lab: Lab, scene: Scene, kind: str) -> None:
    """The whole story, and what the meters and the ledger must say at its end."""
    terminal = Terminal() if kind == "terminal lost" else None
    run, workers = scene.reach(terminal)
    abort(kind, run, terminal, workers)
    orphan = kind in ORPHANS
    if not orphan:
        until(lambda: not any(map(alive, workers)) or scene.released_by_patience(kind), 20, "end of the workers")
    run.wait(30)
    kill(workers[0])
    scene.gates["m01"].open()
    assert alive(workers[1]) == orphan
    rerun = scene.rerun(orphan)
    until(lambda: not alive(workers[1]), 40, "end of the orphan")

    ends = {host: outcome(rerun[host])[0] for host in HOSTS}
    assert all(end in ("verified", "verified_late", "current") for end in ends.values()), (ends, rerun["m01"], rerun["m02"])
    for host in HOSTS:
        assert len(lab.events(host, "trigger_accepted")) == 1, "an attempt more than needed"
        assert lab.fleet.meter(host).state()["firmware"] == "10.9.9"
        history = lab.records.attempt_history(lab.serial(host))
        assert [item.outcome for item in history if item.state != "not_started"] in (["verified"], ["verified_late"])
        assert len(history) <= (2 if scene.boundary == "attempt_recorded" else 1)
    if scene.boundary in BEFORE_RECORD and orphan:
        assert ends["m02"] == "verified", "the orphan stopped before its trigger, so it is the rerun that upgraded"
    assert "Traceback" not in rerun.text
    check_invariants(lab, HOSTS, cap=2)


@pytest.mark.parametrize("scene", [name for name in BOUNDARIES if name != "restarting"], indirect=True)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.requirement("F-23", "R-062", "R-089", "I-b", "I-c", "I-d", "I-e", "I-h")
def test_abort_and_rerun(lab: Lab, scene: Scene, kind: str) -> None:
    """No double trigger, correct end state, whatever ended the run and wherever."""
    abort_and_rerun(lab, scene, kind)


@pytest.mark.parametrize("scene", ["restarting"], indirect=True)
@pytest.mark.parametrize("kind", ["kill -9", "timeout"])
@pytest.mark.requirement("F-23", "R-064", "I-c", "I-d")
def test_rerun_while_the_meter_is_silent(lab: Lab, scene: Scene, kind: str) -> None:
    """Nobody answers, but the ledger knows why: the rerun watches on and does not give up."""
    abort_and_rerun(lab, scene, kind)


@pytest.mark.parametrize("kind", ["kill -9", "SIGTERM", "timeout"])
@pytest.mark.requirement("F-23", "R-089", "I-a", "I-i")
def test_settle_time_survives_an_abort(lab: Lab, kind: str) -> None:
    """Cut off in the minute after m01, the rerun still gives the next meter its full minute of distance."""
    lab.up({}, {})
    timing = {"clock_factor": lab.factor, "lease_wait": 300}
    run = lab.start(lab.play(serial=1, task={"timeout": 600}, timing=timing))
    until(lambda: lab.progress("m01").get("phase") == "settling", 30, "settling")
    worker = worker_of(lab, "m01")
    abort(kind, run, None, [worker])
    if kind != "timeout":
        kill(worker)
    run.wait(30)
    # A task that ran into its timeout is a failed one, and with serial the play ends; otherwise the run is gone.
    assert not lab.events("m02", "trigger_request")
    rerun = lab.run(serial=1, timing=timing)
    assert (rerun["m01"]["outcome"], rerun["m02"]["outcome"]) == ("current", "verified")
    (done,), (trigger,) = lab.events("m01", "upgrade_done"), lab.events("m02", "trigger_accepted")
    assert trigger["t"] - done["t"] >= 60
    check_invariants(lab, HOSTS, cap=1)


@pytest.mark.requirement("F-23", "I-c", "I-d", "R-043")
def test_a_real_timeout_of_the_task(lab: Lab) -> None:
    """The keyword itself: the attempt stays open in the ledger, the next run ends it."""
    lab.up({"model": "PM5561", "silence": 110, "process_time": 600})
    run = lab.run(task={"timeout": 6})
    assert run["m01"]["_kind"] == "failed" and "Timed out" in run["m01"]["msg"]
    attempt = lab.records.open_attempt(lab.serial("m01"))
    assert attempt is not None and attempt.state == "triggered"
    rerun = lab.run()
    assert outcome(rerun["m01"]) == ("verified", "")
    assert rerun["m01"]["attempts"]["used"] == 1
    check_invariants(lab, ["m01"])


@pytest.mark.requirement("F-23", "F-18", "R-043", "R-066", "R-092", "I-c")
def test_a_resumed_attempt_that_failed_counts_as_the_first(lab: Lab) -> None:
    """Killed while it ran, then a process failed: the rerun makes the one documented repeat and no more."""
    lab.up({"model": "PM5561", "faults": {"F-18": {}}})
    run = lab.start(lab.play())
    lab.fleet.meter("m01").wait("silence_begin", 30)
    worker = worker_of(lab, "m01")
    abort("kill -9", run, None, [])
    run.wait()
    kill(worker)
    result = lab.run()["m01"]
    assert outcome(result) == ("failed_final", "upgrade_process_failed")
    assert [item["n"] for item in lab.events("m01", "attempt_counted")] == [1, 2]
    check_invariants(lab, ["m01"])


@pytest.mark.requirement("F-23", "R-043", "R-044")
def test_the_reserve_does_not_stop_the_end_of_an_attempt(lab: Lab) -> None:
    """The open attempt used the last free one: it is ended all the same, before any precheck."""
    lab.up({"model": "PM5561", "attempts_used": 8})
    run = lab.start(lab.play())
    lab.fleet.meter("m01").wait("silence_end", 30)
    worker = worker_of(lab, "m01")
    abort("kill -9", run, None, [])
    run.wait()
    kill(worker)
    result = lab.run()["m01"]
    assert outcome(result) == ("verified", "") and result["attempts"]["remaining"] == 1
    check_invariants(lab, ["m01"])
