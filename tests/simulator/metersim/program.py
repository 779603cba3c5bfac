# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What the stand-ins of both vendors' programs share: options, screen and log, the ends of a run, and what a program should not do."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from metersim.tool_files import DONE, INTERRUPTED, OTHER, Log, Stop

MISBEHAVIOUR = ("hang", "hang-started", "nothing", "false-success", "chatty", "crash", "leaky")
GIVE_UP, POLL = 600.0, 2.0  # meter seconds


def add_options(parser: argparse.ArgumentParser, name: str, bad_options: int, app_dir_holds: str) -> None:
    """The options that both programs have; ``name`` is the command, ``bad_options`` its exit status for a wrong one."""
    state = os.environ.get("METERSIM_STATE")
    parser.add_argument("--review", action="store_true", help="show the device and stop")
    parser.add_argument("--logs", type=Path, help="folder of the logs (default Logs in the application folder)")
    parser.add_argument("--app-dir", type=Path, default=Path.home() / f".metersim-{name}", help=f"application folder; {app_dir_holds}")
    parser.add_argument(
        "--state",
        type=Path,
        default=Path(state) if state else None,
        help="state folder of the running fleet: its clock, its answers to ping",
    )
    parser.add_argument("--log-encoding", choices=("utf-16", "cp1252", "utf-8"), default="utf-16")
    parser.add_argument(
        "--interrupt-after",
        type=float,
        metavar="SECONDS",
        help="end like a killed process so many real seconds after the start of the upgrade",
    )
    parser.add_argument("--misbehave", choices=MISBEHAVIOUR, help="do something a program should not do")
    parser.add_argument("--hang-seconds", type=float, default=60.0, help="real seconds a hanging program lasts (default 60)")

    def wrong(message: str) -> NoReturn:
        parser.print_usage(sys.stderr)
        parser.exit(bad_options, f"metersim {name}: {message}\n")

    parser.error = wrong  # type: ignore[method-assign]


class Screen:
    """Where a program writes: standard output, and its log once that is open."""

    def __init__(self) -> None:
        self.log: Log | None = None

    def say(self, text: str) -> None:
        """One line. Nobody reading standard output any more does not end the program."""
        if self.log:
            self.log.write(text)
        with contextlib.suppress(OSError, ValueError):
            print(text, flush=True)

    def close(self) -> None:
        """The last words must not raise at the interpreter's end."""
        if self.log:
            self.log.close()
        try:
            if sys.stdout:
                sys.stdout.flush()
        except (OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def run(work: Callable[[Screen], None]) -> int:
    """One run of a program; its exit status. SIGHUP does not end it, SIGTERM closes it."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a window outlives the session that started it
    signal.signal(signal.SIGTERM, _terminated)
    screen = Screen()
    try:
        work(screen)
        return DONE
    except Stop as stop:
        screen.say(str(stop))
        return stop.code
    finally:
        screen.close()


def _terminated(number: int, frame: Any) -> None:
    raise Stop(INTERRUPTED, "The program was closed")


class Program:
    """One run for one device, with the moods that a program may have."""

    def __init__(self, args: argparse.Namespace, address: str, screen: Screen) -> None:
        self.args, self.screen = args, screen
        self.mood = args.misbehave or _mood_of(args.app_dir, address)
        self.started = 0.0

    def begin(self) -> None:
        """The upgrade has started."""
        self.started = time.monotonic()

    def misbehave_started(self) -> None:
        """What may go wrong in the program once the upgrade has started."""
        if self.mood == "crash":
            raise RuntimeError("the program has a fault")
        if self.mood == "hang-started":
            self._hang()
        if self.mood == "chatty":
            self._chatter()

    def misbehaves_early(self, leak: Callable[[], str], completed: Callable[[], None]) -> bool:
        """True when that was all: ``leak`` has the secrets, ``completed`` says that all went well."""
        if self.mood == "leaky":
            self.screen.say(leak())
        if self.mood == "hang":
            self._hang()
        if self.mood == "false-success":
            completed()
        return self.mood in ("nothing", "false-success")

    def maybe_interrupt(self) -> None:
        """``--interrupt-after``"""
        if self.args.interrupt_after is not None and time.monotonic() - self.started >= self.args.interrupt_after:
            os._exit(INTERRUPTED)

    def _hang(self) -> None:
        time.sleep(self.args.hang_seconds)
        raise Stop(OTHER, "The program was not responding")

    def _chatter(self) -> None:
        """Far too many words, some of them no text at all."""
        for number in range(20_000):
            self.screen.say(f"trace {number}: " + "0123456789abcdef" * 6)
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.buffer.write(b"\xff\xfe\x00 Ger\xe4t \x1b[31m\n")
            sys.stdout.buffer.flush()


def _mood_of(app_dir: Path, address: str) -> str:
    """``misbehave.json`` in the application folder: ``{address: word}``, for one meter of many."""
    try:
        words = json.loads((app_dir / "misbehave.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(words.get(address, ""))
