# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Who holds a lease: this process, named so that another process of the same machine can tell whether it still lives."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_DEAD_STATES = frozenset("ZXx")


@dataclass(frozen=True)
class Owner:
    """One process. ``boot_id`` holds the boot and the pid namespace, since pids mean nothing outside of both.

    ``pid_start`` is in clock ticks since boot, so that a reused pid is not taken for the old process. ``run`` names
    the process that started this one: all workers of one playbook run share it.
    """

    host: str
    boot_id: str
    pid: int
    pid_start: int
    run: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def this_process(run: str = "") -> Owner:
    """The owner of whatever this process takes."""
    pid = os.getpid()
    parent = os.getppid()
    return Owner(
        host=socket.gethostname(),
        boot_id=_boot_id(),
        pid=pid,
        pid_start=_pid_start(pid) or 0,
        run=run or f"{parent}-{_pid_start(parent) or 0}",
    )


def owner_alive(owner: Owner) -> bool | None:
    """Whether this owner still runs; None when it cannot be told from here (another host, container or boot)."""
    if owner.host != socket.gethostname() or not owner.boot_id:
        return None
    if owner.boot_id != _boot_id():
        # Another pid namespace, this machine before a reboot, or another machine with the same name (clones, "localhost"):
        # a shared ledger cannot tell them apart, and a lease expires soon enough.
        return None
    start = _pid_start(owner.pid)
    return start is not None and start == owner.pid_start


def _boot_id() -> str:
    """Boot and pid namespace; empty where the system does not tell (then liveness is unknown)."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = os.readlink(_PROC / "self/ns/pid")
    except OSError:
        return ""
    return f"{boot}/{namespace}"


def _pid_start(pid: int) -> int | None:
    """Start of a living process in clock ticks since boot; None when it is gone or only waits to be reaped."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    if len(fields) < 20 or fields[0] in _DEAD_STATES:
        return None
    return int(fields[19])
