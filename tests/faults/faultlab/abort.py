# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Five ways in which a run ends before its time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import subprocess
import termios
import threading
from pathlib import Path
from typing import IO

from .lab import Lab, Run, until

KINDS = ("kill -9", "terminal lost", "Ctrl-C", "SIGTERM", "timeout")


class Terminal:
    """A terminal window that can be closed: its session gets SIGHUP, as from the real thing."""

    def __init__(self) -> None:
        self.master, self._slave = os.openpty()
        self._closing, self._closed = threading.Event(), threading.Event()

    def start(self, command: list[str], env: dict[str, str], output: IO[bytes]) -> subprocess.Popen[bytes]:
        slave = self._slave

        def take() -> None:
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
            signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever started the tests under nohup has it ignored

        process = subprocess.Popen(command, env=env, stdin=slave, stdout=slave, stderr=slave, start_new_session=True, preexec_fn=take)
        os.close(slave)
        kept = os.dup(output.fileno())
        threading.Thread(target=self._copy, args=(kept,), daemon=True).start()
        return process

    def _copy(self, kept: int) -> None:
        # The kernel hangs up when the last user of the master is gone, so the reader itself closes it and never blocks in it.
        with contextlib.suppress(OSError):
            while not self._closing.is_set():
                if select.select([self.master], [], [], 0.02)[0]:
                    os.write(kept, os.read(self.master, 65536))
        os.close(self.master)
        os.close(kept)
        self._closed.set()

    def close(self) -> None:
        self._closing.set()
        self._closed.wait(10)


def worker_of(lab: Lab, host: str) -> int | None:
    """Process id of the worker that holds this meter's lease, as the ledger tells it."""
    holder = lab.records.holder(f"meter:{lab.serial(host)}")
    return holder.owner.pid if holder is not None and holder.alive else None


def alive(pid: int | None) -> bool:
    """Whether this process runs and is not only waiting to be reaped."""
    if pid is None:
        return False
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZXx"


def kill(pid: int | None) -> None:
    """End a worker for good."""
    if pid is not None and alive(pid):
        os.kill(pid, signal.SIGKILL)
        until(lambda: not alive(pid), 10, "end of a killed worker")


def abort(kind: str, run: Run, terminal: Terminal | None, workers: list[int | None]) -> None:
    """End ``run``. For ``timeout`` each worker gets the very signal by which core ends a task."""
    parent = run.process.pid
    if kind == "kill -9":
        os.kill(parent, signal.SIGKILL)
    elif kind == "terminal lost":
        assert terminal is not None
        terminal.close()
    elif kind == "Ctrl-C":
        os.killpg(parent, signal.SIGINT)
    elif kind == "SIGTERM":
        os.kill(parent, signal.SIGTERM)
    else:
        for pid in workers:
            assert pid is not None
            os.kill(pid, signal.SIGALRM)
