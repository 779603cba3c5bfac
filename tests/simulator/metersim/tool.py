# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""``metersim tool``: a stand-in of the vendor's upgrade program, with a command line of its own invention.

The real program is a Windows window without a documented command line. The
stand-in follows its documented steps: Config.csv, review, package, upload, the
words of its status column, its limit of devices, its logs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from metersim import spec, tool_seats
from metersim.tool_files import (
    BAD_LOGIN,
    DONE,
    FAILED,
    INTERRUPTED,
    LOST,
    NOT_APPLICABLE,
    OTHER,
    UNREACHABLE,
    USAGE,
    Config,
    Log,
    Stop,
    read_config,
    read_package,
)
from metersim.tool_link import Link, Silent, answers_ping, clock_factor

APPLICABLE = "Firmware upgrade applicable"
COMPLETED = "Upgrade Completed. Double click here to open webpage."
FTP_NEEDED = {("PM5561", "10.7.3"), ("PM5561", "10.8.2")}
MISBEHAVIOUR = ("hang", "hang-started", "nothing", "false-success", "chatty", "crash", "leaky")
GIVE_UP, POLL = 600.0, 2.0  # meter seconds
STUCK = 15.0  # real seconds at least without a step, from a meter that answers


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``metersim tool``."""
    parser.add_argument(
        "--version", required=True, dest="tool_version", metavar="VERSION", help="version the tool plays, such as 3.6 or 3.8"
    )
    parser.add_argument("--config", type=Path, required=True, help="Config.csv: one line, one meter")
    parser.add_argument("--package", type=Path, help="the .sedp file (needed unless --review)")
    parser.add_argument("--logs", type=Path, help="folder of the logs (default Logs in the application folder)")
    parser.add_argument(
        "--app-dir", type=Path, default=Path.home() / ".metersim-tool", help="application folder; the limit of devices counts in it"
    )
    home = os.environ.get("METERSIM_STATE")
    parser.add_argument(
        "--state",
        type=Path,
        default=Path(home) if home else None,
        help="state folder of the running fleet: its clock and its answers to ping",
    )
    parser.add_argument("--review", action="store_true", help="show the device and stop")
    parser.add_argument("--log-encoding", choices=("utf-16", "cp1252", "utf-8"), default="utf-16")
    parser.add_argument("--http-port", type=int)
    parser.add_argument("--https-port", type=int)
    parser.add_argument("--ftp-port", type=int)
    parser.add_argument(
        "--interrupt-after",
        type=float,
        metavar="SECONDS",
        help="end like a killed process so many real seconds after the start of the upgrade",
    )
    parser.add_argument("--misbehave", choices=MISBEHAVIOUR, help="do something a program should not do")
    parser.add_argument("--hang-seconds", type=float, default=60.0, help="real seconds a hanging tool lasts (default 60)")
    parser.set_defaults(run=run)
    parser.error = lambda message: _usage(parser, message)  # type: ignore[method-assign]


def _usage(parser: argparse.ArgumentParser, message: str) -> NoReturn:
    parser.print_usage(sys.stderr)
    parser.exit(USAGE, f"metersim tool: {message}\n")


def run(args: argparse.Namespace) -> int:
    """One run of the tool; its exit status."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a window outlives the session that started it
    signal.signal(signal.SIGTERM, _terminated)
    screen = Screen()
    try:
        limit = tool_seats.cap(args.tool_version)
        config = read_config(args.config)
        screen.log = Log(args.logs or args.app_dir / "Logs", config.address, args.log_encoding)
        screen.log.write(f"PM5000fwupgrade {args.tool_version} © metersim, {limit} device(s) at a time")
        Tool(args, config, screen).run()
        return DONE
    except Stop as stop:
        screen.say(str(stop))
        return stop.code
    finally:
        screen.close()


def _terminated(number: int, frame: Any) -> None:
    raise Stop(INTERRUPTED, "The tool was closed")


class Screen:
    """Where the tool writes: standard output, and its log once that is open."""

    def __init__(self) -> None:
        self.log: Log | None = None

    def say(self, text: str) -> None:
        """One line. Nobody reading standard output any more does not end the tool."""
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


class Tool:
    """The documented steps for one meter."""

    def __init__(self, args: argparse.Namespace, config: Config, screen: Screen) -> None:
        self.args, self.config, self.screen = args, config, screen
        usual = spec.default_ports()
        self.link = Link(config.address, args.http_port or usual["http"], args.https_port or usual.get("https", 443))
        self.ftp_port = args.ftp_port or usual["ftp"]
        self.factor = clock_factor(args.state)
        self.started = 0.0
        self.mood = args.misbehave or _mood_of(args.app_dir, config.address)

    def say(self, text: str) -> None:
        """One line of the status column."""
        self.screen.say(text)

    def run(self) -> None:
        """Steps 5 to 12 of the manual. Stop unless all went well."""
        if self._misbehaves_early():
            return
        if self.args.package is None and not self.args.review:
            raise Stop(USAGE, "Select a firmware file (--package)")
        head = read_package(self.args.package, self.args.tool_version) if self.args.package else None
        with tool_seats.seat(self.args.app_dir, self.config.address, self.args.tool_version), self._session():
            self._review(head)
            if not self.args.review:
                self._upload()
                self._start()
                self._follow()

    # -- before -------------------------------------------------------------------

    @contextlib.contextmanager
    def _session(self) -> Iterator[None]:
        """Talk to the meter; whatever it does not answer before the start is one kind of end."""
        if answers_ping(self.config.address, self.args.state) is False:
            raise Stop(UNREACHABLE, f"IP address={self.config.address}, Status=Device does not answer to ping. Enable ICMP in the network.")
        try:
            yield
        except Silent as exc:
            raise Stop(UNREACHABLE, f"IP address={self.config.address}, Status=No connection to the device") from exc

    def _review(self, head: dict[str, Any] | None) -> None:
        """Step 8: the four columns, and whether the package may go to this meter."""
        accounts = [{"user": user, "password": password} for user, password in self.config.accounts]
        code, answer = self.link.call("POST", "/fwtool/open", {"tool": self.args.tool_version, "accounts": accounts})
        device = answer.get("device", {})
        status, applicable = str(answer.get("status") or f"Unexpected answer {code}"), code == 200
        if applicable:
            status = self._unsuitable(device)
            applicable = not status
        if applicable and head:
            words = {key: head[key] for key in ("models", "version", "tool")}
            code, answer = self.link.call("POST", "/fwtool/check", {"package": words})
            status, applicable = str(answer.get("status") or f"Unexpected answer {code}"), code == 200 and bool(answer.get("applicable"))
        elif applicable:
            status = APPLICABLE
        self._columns(device, status)
        if not applicable:
            self._close()
            raise Stop(
                BAD_LOGIN if answer.get("error") == "login" else NOT_APPLICABLE,
                "Recheck the connection, the meter and the details in Config.csv",
            )
        if self.args.review:
            self._close()

    def _columns(self, device: dict[str, Any], status: str) -> None:
        product, version = device.get("product", "?"), device.get("version", "?")
        self.say(f"IP address={self.config.address}, Current firmware={version}, Product name={product}, Status={status}")

    def _unsuitable(self, device: dict[str, Any]) -> str:
        """Why the requirements of the manual are not met, or ''."""
        if device.get("unit", self.config.unit) != self.config.unit:
            return "No answer from this Modbus slave ID"
        if device.get("ip_mode", "stored") != "stored":
            return "IP method is not Stored"
        if device.get("http_port", 80) != 80 and device.get("https_port", 443) != 443:
            return "HTTP port is not 80 and HTTPS port is not 443"
        if (device.get("product"), device.get("version")) in FTP_NEEDED and not self.link.port_open(self.ftp_port):
            return "FTP server is disabled. Enable it on the meter display."
        return ""

    # -- the upgrade ----------------------------------------------------------------

    def _upload(self) -> None:
        size = self.args.package.stat().st_size
        self.say(f"Uploading {self.args.package.name}, {size} bytes")
        code, answer = self.link.image(self.args.package)
        if code != 200 or answer.get("bytes") != size:
            self._close()
            raise Stop(FAILED, f"Upload failed: {answer.get('status', code)}")

    def _start(self) -> None:
        """The point of no return."""
        code, answer = self.link.call("POST", "/fwtool/start", {})
        if code != 202:
            self._close()
            raise Stop(FAILED, f"Upgrade not started: {answer.get('status', code)}")
        self.started = time.monotonic()
        self.say("Upgrading. Do not power off the device.")
        if self.mood == "crash":
            raise RuntimeError("the program has a fault")
        if self.mood == "hang-started":
            self._hang()
        if self.mood == "chatty":
            self._chatter()

    def _follow(self) -> None:
        """Watch until the meter says how it ended, or nothing has moved for too long."""
        shown, moved = -1, time.monotonic()
        heard = moved
        while True:
            self._maybe_interrupt()
            code, answer = self._progress()
            if code == 200:
                heard = time.monotonic()
            if code == 200 and answer.get("state") in ("done", "failed"):
                self._finish(answer)
                return
            if 400 <= code < 500:  # a redirect is a meter whose HTTPS port is about to open
                raise Stop(FAILED, f"Upgrade failed: {answer.get('status', code)}")
            percent = int(answer.get("percent", shown))
            if percent != shown:
                moved = time.monotonic()
                if percent // 10 != shown // 10:
                    self.say(f"Upgrading {percent} %")
                shown = percent
            # On a busy computer a meter that answers may still be slow.
            stuck = time.monotonic() - moved > max(STUCK, GIVE_UP / self.factor)
            if stuck or time.monotonic() - heard > max(2.0, GIVE_UP / self.factor):
                raise Stop(LOST, "Device stopped responding. Do not power off the device.")
            time.sleep(max(0.05, POLL / self.factor))

    def _progress(self) -> tuple[int, dict[str, Any]]:
        try:
            return self.link.call("GET", "/fwtool/progress")
        except Silent:
            return 0, {}

    def _finish(self, answer: dict[str, Any]) -> None:
        self._close()
        if answer["state"] == "failed":
            raise Stop(FAILED, f"Upgrade failed: {answer.get('status', '')}")
        self.say(f"IP address={self.config.address}, Status={COMPLETED}")

    def _close(self) -> None:
        with contextlib.suppress(Silent):
            self.link.call("POST", "/fwtool/close", {})

    # -- what a program should not do ---------------------------------------------------

    def _misbehaves_early(self) -> bool:
        """True when that was all."""
        if self.mood == "leaky":
            self.screen.say("Opened: " + self.args.config.read_text(encoding="ascii"))
        if self.mood == "hang":
            self._hang()
        if self.mood == "false-success":
            self.say(f"IP address={self.config.address}, Status={COMPLETED}")
        return self.mood in ("nothing", "false-success")

    def _hang(self) -> None:
        time.sleep(self.args.hang_seconds)
        raise Stop(OTHER, "The program was not responding")

    def _chatter(self) -> None:
        """Far too many words, some of them no text at all."""
        for number in range(20_000):
            self.say(f"trace {number}: " + "0123456789abcdef" * 6)
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.buffer.write(b"\xff\xfe\x00 Ger\xe4t \x1b[31m\n")
            sys.stdout.buffer.flush()

    def _maybe_interrupt(self) -> None:
        if self.args.interrupt_after is not None and time.monotonic() - self.started >= self.args.interrupt_after:
            os._exit(INTERRUPTED)


def _mood_of(app_dir: Path, address: str) -> str:
    """``misbehave.json`` in the application folder: ``{address: word}``, for one meter of many."""
    try:
        words = json.loads((app_dir / "misbehave.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(words.get(address, ""))
