# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""``metersim ionsetup``: a stand-in of ION Setup, with a command line of its own invention.

The real program is a Windows window. The stand-in follows what is documented of an
upgrade: the minimum version in the archive, saved registers, the upload, programming
afterwards, and what an old version of the program leaves behind.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import stat
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from metersim import program
from metersim.hep import package, upgrade
from metersim.program import GIVE_UP, POLL, Program, Screen
from metersim.tool_files import Log, Stop
from metersim.tool_link import clock_factor

NOT_APPLICABLE, TOO_OLD, FAILED, BAD_OPTIONS, BAD_PACKAGE, UNREACHABLE, BAD_LOGIN, LOST, NOT_PROGRAMMED = range(2, 11)
COMPLETED = "Upgrade completed. Registers restored."
LONGEST_PASSWORD = 64
TIMEOUT = 30.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``metersim ionsetup``."""
    parser.add_argument(
        "--version", required=True, dest="setup_version", metavar="VERSION", help="version the program plays, such as 3.2.22341.01"
    )
    parser.add_argument("--meter", required=True, help="the meter's address")
    parser.add_argument("--user", default="", help="user name; may be empty under Standard and legacy support")
    parser.add_argument("--password-file", type=Path, help="file with the password and nothing else, for its owner only (0600)")
    parser.add_argument("--package", type=Path, help="the .zip, or a bare .upx (needed unless --review)")
    program.add_options(parser, "ionsetup", BAD_OPTIONS, "saved registers lie in it")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """One run of the program; its exit status."""

    def work(screen: Screen) -> None:
        version = _setup_version(args.setup_version)
        if not re.fullmatch(r"[\w.:-]{1,64}", args.meter):
            raise Stop(BAD_OPTIONS, "--meter is not an address")
        screen.log = Log(args.logs or args.app_dir / "Logs", args.meter, args.log_encoding, "IONSetup")
        screen.say(f"ION Setup {args.setup_version} (metersim)")
        IonSetup(args, version, screen).run()

    return program.run(work)


def _setup_version(text: str) -> package.Fields:
    try:
        return package.setup_version(text)
    except ValueError as exc:
        raise Stop(BAD_OPTIONS, str(exc)) from exc


def read_password(path: Path | None) -> str:
    """The password in its file; Stop when others may read it. The message never shows it."""
    if path is None:
        return ""
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise Stop(BAD_OPTIONS, "The password file may be read by others (chmod 600)")
        text = path.read_text(encoding="ascii").removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as exc:
        raise Stop(BAD_OPTIONS, "The password file cannot be read") from exc
    if len(text) > LONGEST_PASSWORD or any(not 33 <= ord(sign) <= 126 for sign in text):
        raise Stop(BAD_OPTIONS, "The password file must hold one password of printable ASCII and nothing else")
    return text


class Link:
    """Calls to the fleet's control endpoint, in the place of the ION protocol."""

    def __init__(self, state: Path | None, meter: str) -> None:
        try:
            control = json.loads(((state or Path()) / "ready.json").read_text(encoding="utf-8"))["control"] if state else ""
        except (OSError, ValueError, KeyError) as exc:
            raise Stop(UNREACHABLE, f"No fleet runs with the folder {state}") from exc
        if not control:
            raise Stop(UNREACHABLE, "No fleet: give --state")
        self._base = f"{control}/ionsetup/{meter}/"
        self.ticket = ""

    def call(self, name: str, body: dict[str, Any] | bytes | None = None) -> tuple[int, dict[str, Any]]:
        """Status and answer; 0 when there is no answer."""
        content = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        request = urllib.request.Request(self._base + name, data=content, headers={"X-Ticket": self.ticket}, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as exc:
            with contextlib.suppress(ValueError):
                return exc.code, json.loads(exc.read())
            return exc.code, {}
        except (OSError, ValueError):
            return 0, {}


class IonSetup(Program):
    """The documented steps for one meter."""

    def __init__(self, args: argparse.Namespace, version: package.Fields, screen: Screen) -> None:
        super().__init__(args, args.meter, screen)
        self.version = version
        self.device: dict[str, Any] = {}

    def say(self, status: str) -> None:
        """One line about the device."""
        self.screen.say(f"Device={self.args.meter}, Status={status}")

    def run(self) -> None:
        """Package, login, review, registers, upload, programming. Stop unless all went well."""
        password = read_password(self.args.password_file)
        if self.misbehaves_early(lambda: f"Opened with {self.args.user}: {password}", lambda: self.say(COMPLETED)):
            return
        if self.args.package is None and not self.args.review:
            raise Stop(BAD_OPTIONS, "Select an upgrade file (--package)")
        raw, firmware = self._package()
        self.link = Link(self.args.state, self.args.meter)
        self.factor = clock_factor(self.args.state)
        self._open(password)
        try:
            resume = self._review(firmware)
            if not self.args.review:
                saved = self._saved() if resume else self._save()
                if not resume:
                    self._upload(raw)
                    self._follow()
                self._program(saved)
        finally:
            self.link.call("close")

    # -- before --------------------------------------------------------------------

    def _package(self) -> tuple[bytes, package.Firmware | None]:
        """The upgrade file. A ``.zip`` tells the minimum version of this program, a bare ``.upx`` does not (R-166, R-167)."""
        if self.args.package is None:
            return b"", None
        try:
            raw, minimum = package.read(self.args.package)
            firmware = package.open_upx(raw, whole=False)
        except package.DamagedError as exc:
            raise Stop(BAD_PACKAGE, str(exc).capitalize()) from exc
        if minimum is not None and self.version < minimum:
            wanted = ".".join(map(str, minimum[:3])) + f".{minimum[3]:02d}"
            raise Stop(TOO_OLD, f"This upgrade requires ION Setup {wanted} or later.")
        return raw, firmware

    def _open(self, password: str) -> None:
        self.device = self._good("hello", {"setup": self.args.setup_version})[1]
        device = self.device
        first = self.args.user.upper() in ("", "USER1", device["model_number"])
        if device["mode"] == "legacy_support" and first and not re.fullmatch(r"\d*", password):
            self.say("Login failed: the password must be numeric while Legacy Security Support is active")
            raise Stop(BAD_LOGIN, "The password was not sent to the device")  # F-28: some software enforces it
        words = {"user": self.args.user, "password": password, "setup": self.args.setup_version}
        answer = self._good("open", words)[1]
        self.link.ticket = str(answer["ticket"])

    def _good(self, call: str, body: dict[str, Any] | bytes) -> tuple[int, dict[str, Any]]:
        """A call that must succeed before anything was started."""
        code, answer = self.link.call(call, body)
        if code in (200, 202):
            return code, answer
        status = str(answer.get("status") or "No connection to the device")
        self.say(status)
        ends = {"login": BAD_LOGIN, "silent": UNREACHABLE, "": UNREACHABLE}
        raise Stop(ends.get(str(answer.get("error", "")), NOT_APPLICABLE), "Nothing was sent to the device")

    def _review(self, firmware: package.Firmware | None) -> bool:
        """The device and whether the file may go to it; whether only programming is left."""
        resume, status, good = False, upgrade.APPLICABLE, True
        if firmware:
            body = {"models": list(firmware.models), "version": ".".join(map(str, firmware.version))}
            answer = self._good("check", body)[1]
            resume = bool(answer.get("resume")) and self._store().exists()
            status, good = str(answer["status"]), bool(answer["applicable"]) or resume
            if resume:
                status = "Firmware is present, programming was not finished"
        words = self.device
        self.screen.say(
            f"Device={self.args.meter}, Current firmware={words['version']}, Product name={words['product']}, "
            f"Security={words['mode']}, Status={status}"
        )
        if not good:
            raise Stop(NOT_APPLICABLE, "Nothing was sent to the device")
        return resume

    # -- registers -------------------------------------------------------------------

    def _store(self) -> Path:
        serial = re.sub(r"[^\w-]", "_", str(self.device.get("serial", "")))
        return Path(self.args.app_dir) / f"registers-{serial}.json"

    def _save(self) -> dict[str, Any]:
        """Keep the register values on this PC."""
        saved = self._good("save", {})[1]
        self.args.app_dir.mkdir(parents=True, exist_ok=True)
        self._store().write_text(json.dumps(saved), encoding="utf-8")
        with (self.args.app_dir / "SECURITY.LOG").open("a", encoding="utf-8", newline="\r\n") as log:
            log.write(
                f"{time.strftime('%Y-%m-%d %H:%M:%S')} {self.device['serial']} registers saved by {self.args.user or 'no user name'}\n"
            )
        self.say("Register values saved")
        return saved

    def _saved(self) -> dict[str, Any]:
        words: dict[str, Any] = json.loads(self._store().read_text(encoding="utf-8"))
        return words

    # -- the upgrade --------------------------------------------------------------------

    def _upload(self, raw: bytes) -> None:
        """From here on the meter may change."""
        self.say(f"Sending upgrade file, {len(raw)} bytes")
        self._good("image", raw)
        self.begin()
        self.misbehave_started()

    def _follow(self) -> None:
        """Watch until the device has restarted with what was sent."""
        shown, moved = -1, time.monotonic()
        while True:
            self.maybe_interrupt()
            code, answer = self.link.call("progress")
            if code == 200 and answer.get("state") == "failed":
                self.say(str(answer["status"]))
                raise Stop(FAILED, "The upgrade failed")
            if code == 200 and answer.get("state") == "restarted":
                self.say(f"Device restarted with firmware {answer['version']}")
                return
            percent = int(answer.get("percent", shown))
            if percent != shown:
                moved = time.monotonic()
                if percent // 20 != shown // 20:
                    self.say(f"Upgrading {percent} %")
                shown = percent
            if time.monotonic() - moved > max(2.0, self._patience() / self.factor):
                raise Stop(LOST, "The device did not come back. Do not switch it off.")
            time.sleep(max(0.05, POLL / self.factor))

    def _patience(self) -> float:
        """Meter seconds without a change; a serial line is slow (R-177)."""
        return GIVE_UP * (40 if self.device.get("gateway") == "serial" else 1)

    def _program(self, saved: dict[str, Any]) -> None:
        """Template and registers (R-168). What cannot be written now is lost (R-169, R-170)."""
        lost = False
        for call, text in (("program", "Template loaded"), ("restore", "Registers written")):
            code, answer = self.link.call(call, saved)
            if code != 200:
                self.say(str(answer.get("status") or "No connection to the device"))
                if answer.get("error") != "not_written":
                    raise Stop(NOT_PROGRAMMED, "The firmware was upgraded, but the device is not configured")
                lost = True
            else:
                self.say(text)
        self._store().unlink(missing_ok=True)
        if lost:
            raise Stop(NOT_PROGRAMMED, "The firmware was upgraded, but the device is not configured")
        self.say(COMPLETED)
