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
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from metersim import program, spec, tool_seats
from metersim.program import GIVE_UP, POLL, Program, Screen
from metersim.tool_files import (
    BAD_LOGIN,
    FAILED,
    LOST,
    NOT_APPLICABLE,
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
STUCK = 15.0  # real seconds at least without a step, from a meter that answers


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``metersim tool``."""
    parser.add_argument(
        "--version", required=True, dest="tool_version", metavar="VERSION", help="version the tool plays, such as 3.6 or 3.8"
    )
    parser.add_argument("--config", type=Path, required=True, help="Config.csv: one line, one meter")
    parser.add_argument("--package", type=Path, help="the .sedp file (needed unless --review)")
    parser.add_argument("--http-port", type=int)
    parser.add_argument("--https-port", type=int)
    parser.add_argument("--ftp-port", type=int)
    program.add_options(parser, "tool", USAGE, "the limit of devices counts in it")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """One run of the tool; its exit status."""

    def work(screen: Screen) -> None:
        limit = tool_seats.cap(args.tool_version)
        config = read_config(args.config)
        screen.log = Log(args.logs or args.app_dir / "Logs", config.address, args.log_encoding)
        screen.log.write(f"PM5000fwupgrade {args.tool_version} © metersim, {limit} device(s) at a time")
        Tool(args, config, screen).run()

    return program.run(work)


class Tool(Program):
    """The documented steps for one meter."""

    def __init__(self, args: argparse.Namespace, config: Config, screen: Screen) -> None:
        super().__init__(args, config.address, screen)
        self.config = config
        usual = spec.default_ports()
        self.link = Link(config.address, args.http_port or usual["http"], args.https_port or usual.get("https", 443))
        self.ftp_port = args.ftp_port or usual["ftp"]
        self.factor = clock_factor(args.state)

    def say(self, text: str) -> None:
        """One line of the status column."""
        self.screen.say(text)

    def run(self) -> None:
        """Steps 5 to 12 of the manual. Stop unless all went well."""
        done = f"IP address={self.config.address}, Status={COMPLETED}"
        if self.misbehaves_early(lambda: "Opened: " + self.args.config.read_text(encoding="ascii"), lambda: self.say(done)):
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
        self.begin()
        self.say("Upgrading. Do not power off the device.")
        self.misbehave_started()

    def _follow(self) -> None:
        """Watch until the meter says how it ended, or nothing has moved for too long."""
        shown, moved = -1, time.monotonic()
        heard = moved
        while True:
            self.maybe_interrupt()
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
