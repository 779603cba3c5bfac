# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Executor of the method tool: hand the meter over to the maker's own tool, and prove the result over Modbus (R-067…R-126).

The tool is never imitated (R-071, R-081). With ``command`` an operator's command line runs it on its host; with ``manual`` a
technician does. What the tool says is told, but only a fresh reading of the meter proves anything (R-088).
"""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from ..base.clock import Waiter
from ..base.errors import DeadlineError, DeviceError, OrphanedError
from ..base.redaction import Redactor
from ..catalogue import constants
from ..planning.prechecks_tool import APPLICABLE
from ..wire.loop import run
from ..wire.probe import OPEN, probe
from ..wire.web_session import ProfileSession
from .observe import Expected, Look, Observation
from .steps import MeterSteps, Reading, SendFile, Watch
from .tool_handover import HandOver, safe_name
from .tool_logs import decode, keep

#: The tool's own words at the end of a good upgrade (R-118).
COMPLETED = "Upgrade Completed"
#: The file of the tool that holds the passwords (R-101).
CONFIG = "Config.csv"
_TAIL = 300


@dataclass(frozen=True)
class Ran:
    """How a command ended: its exit code, and all it printed."""

    code: int
    output: str


class ToolHost(Protocol):
    """The computer of the tool. Every call may raise DeviceError ``tool_host_unusable``."""

    name: str

    def join(self, *parts: str) -> str: ...
    def make_folder(self, path: str, inner: str) -> None: ...
    def put(self, local: str, path: str) -> None: ...
    def put_secret(self, text: str, path: str) -> None: ...
    def sha256(self, path: str) -> str | None: ...
    def run(self, argv: Sequence[str]) -> Ran: ...
    def names(self, path: str) -> list[str]: ...
    def fetch(self, path: str) -> bytes: ...
    def remove(self, path: str) -> None: ...
    def addresses(self) -> list[str]: ...
    def ping(self) -> list[str]: ...


@dataclass(frozen=True)
class Settings:
    """How the tool is used. ``base`` is a folder on the tool's host (manual: here). Templates know config, package, logs and address."""

    mode: str
    base: str
    campaign: str
    command: tuple[str, ...] = ()
    review: tuple[str, ...] = ()
    ping: tuple[str, ...] = ()
    exit_ok: tuple[int, ...] = (0,)
    encoding: str = ""
    logs_to: str = ""
    tool_version: str = ""
    cap: int = 1
    wait: float = 0.0
    not_started: bool = False
    not_started_at: float | None = None
    model: str = ""
    target: str = ""
    real_seconds: Callable[[float], float] = field(default=lambda seconds: seconds, compare=False)


@dataclass
class ToolSteps(MeterSteps):
    """The steps of the method tool against one meter. ``config`` is the secret line of Config.csv.

    ``far`` are steps on a jump host, where the meter can only be reached from there; the tool's host is reached from here.
    """

    settings: Settings = field(default_factory=lambda: Settings("manual", ".", "adhoc"))
    host: ToolHost | None = field(default=None, repr=False)
    config: str = field(default="", repr=False)
    far: Any = field(default=None, repr=False)

    SERVICES: ClassVar[tuple[str, ...]] = ("http", "https", "ftp")
    #: The file with the passwords, on the tool's host.
    SECRET: ClassVar[str] = CONFIG

    def __post_init__(self) -> None:
        super().__post_init__()
        self._redactor = Redactor(item.password for item in self.target.credentials.values())
        self._command: _Command | None = None
        self._watch: _ToolWatch | None = None
        self._left_there = False

    # -- before anything is written -----------------------------------------------------------------------------------

    def identify(self) -> Reading:
        """Who answers, read from here or from the jump host."""
        return super().identify() if self.far is None else self.far.identify()

    def lock(self) -> str:
        """As on the register, read from here or from the jump host."""
        return super().lock() if self.far is None else str(self.far.lock())

    def find(self, serial: str) -> str | None:
        """Looked for from here or from the jump host."""
        found = super().find(serial) if self.far is None else self.far.find(serial)
        return str(found) if found else None

    def _answer(self) -> Reading | None:
        """A jump host that fails is no silent meter: the attempt stays open, for the next run to look."""
        try:
            return self.identify()
        except DeviceError as error:
            if error.stage == "delegation":
                raise OrphanedError("observing", f"the jump host failed, the meter goes on ({error.text})") from None
            return None

    def services(self) -> dict[str, str]:
        """State of the web and FTP ports, and whether the way to the web port is stable (R-073): TCP connects, no byte sent."""
        if self.far is not None:
            return dict(self.far.services())
        found = super().services()
        name = next((service for service in ("https", "http") if found[service] == OPEN), None)
        return found if name is None else {**found, "link": self._link(self.target.ports[name])}

    def _link(self, port: int) -> str:
        tries = constants.LINK_PROBES.number

        async def again() -> int:
            states = [await probe(self.target.host, port, self.target.timeouts.connect) for dummy in range(tries)]
            return sum(1 for item in states if item != OPEN)

        lost = run(again())
        return "stable" if not lost else f"{lost} of {tries} connections failed"

    def reaches(self) -> dict[str, Any]:
        """icmp and same_subnet as the tool's host sees them (R-078, R-099); None where it cannot be told from here."""
        if self.host is None:
            return {"icmp": None, "same_subnet": None}
        address = self.target.host
        argv = [word.replace("{address}", address) for word in (self.settings.ping or self.host.ping())]
        ran = self.host.run(argv)
        return {"icmp": ran.code == 0, "same_subnet": _same_subnet(address, self.host.addresses())}

    def login(self) -> dict[str, Any]:
        """What the meter's pages tell, where a profile reads its network settings."""
        answer: dict[str, Any] = {"state": "not_tried", "reason": "", "text": "the tool logs in by itself", "role": None, "facts": {}}
        settings = (self.profile or {}).get("settings") or {}
        if "ip_mode" in settings and self.far is None:
            answer.update(self._pages())
        return answer

    def _pages(self) -> dict[str, Any]:
        session = ProfileSession(self.target, self.profile or {}, "product_master")
        try:
            session.login()
            facts = {"ip_mode": session.read("ip_mode")}
        except DeviceError as error:
            if error.reason in ("page_missing", "transport_failed", "web_busy", "web_not_understood"):
                return {}
            return {"state": "refused", "reason": error.reason, "text": str(error)}
        finally:
            session.close()
        return {"state": "ok", "text": "the webpages accepted the login of the Product Master", "facts": facts}

    # -- hand-over ----------------------------------------------------------------------------------------------------

    def stage(self) -> dict[str, Any]:
        """Bring package and Config.csv to where the tool is, and ask it for its review. Nothing is started.

        Raises DeviceError ``not_applicable`` with the tool's own words when it would not upgrade this meter.
        """
        package = self.files[0]
        if self.settings.mode == "manual":
            self._hand_over(package)
        else:
            self._left_there = True
            self._bring(package)
            self._review()
        return {"files": [package.name], "bytes": package.size}

    def _hand_over(self, package: SendFile) -> None:
        reading, settings = self.identify(), self.settings
        meter = {
            "host": self.target.name,
            "address": self.target.host,
            "model": reading.model,
            "serial": reading.serial,
            "source": reading.version,
            "target": settings.target,
            "package": package.name,
            "sha256": package.sha256,
            "tool_version": settings.tool_version,
            "cap": settings.cap,
        }
        self._folder_here(settings.base).add(self.target.name, self.config, package, meter)

    def _folder_here(self, base: str) -> HandOver:
        return HandOver(Path(base), self.settings.campaign)

    def _bring(self, package: SendFile) -> None:
        host, folder = self._host(), self._folder()
        host.make_folder(folder, "Logs")
        there = host.join(folder, package.name)
        host.put(package.path, there)
        seen = host.sha256(there)
        if seen is not None and seen != package.sha256:
            raise DeviceError("staging", "artifact_hash_mismatch", f"{package.name} on {host.name} is not the pinned file")
        if self.config:
            host.put_secret(self.config, host.join(folder, self.SECRET))

    def _review(self) -> None:
        """The status that the tool shows before anything is started, where the operator has a command for it (R-109…R-111)."""
        if not self.settings.review:
            return
        ran = self._host().run(self._argv(self.settings.review))
        if APPLICABLE not in ran.output:
            said = self._words(ran.output) or f"nothing (exit code {ran.code})"
            raise DeviceError("staging", "not_applicable", "the tool does not call this upgrade applicable", said)

    def trigger(self) -> dict[str, Any]:
        """Start the tool, or leave the folder to the technician. The caller wrote the ledger before."""
        nothing = {"status": None, "location": "", "reason": ""}
        if self.settings.mode == "manual":
            return {**nothing, "state": "handed_over", "text": f"handed over in {self.settings.base}"}
        if self._command is not None and self._command.running:
            return {**nothing, "state": "not_started", "reason": "tool_host_unusable", "text": "the tool of the last try still runs"}
        host, argv = self._host(), self._argv(self.settings.command)
        self._command = _Command(lambda: host.run(argv))
        return {**nothing, "state": "triggered", "text": f"the tool was started on {host.name}"}

    # -- afterwards ---------------------------------------------------------------------------------------------------

    def watch(self) -> Watch:
        """The tool's end beside the reading over Modbus."""
        if self._watch is None or self._watch.command is not self._command:
            self._watch = _ToolWatch(self._command, self.settings, self._words, self.target.clock.monotonic)
        return self._watch

    def observe(self, state: Mapping[str, Any], expected: Mapping[str, Any], limits: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """Watch until the end; the tool's end and its kept logs are in ``detail``. A hand-over is waited for as long as was asked."""
        given = {"mode": self.settings.mode, "folder": self.settings.base, **state["detail"]}  # an earlier run may have had another mode
        if given["mode"] == "manual":
            return self._await_technician(Observation(**{**state, "detail": given}), Expected(**expected))
        moved = super().observe({**state, "detail": given}, expected, limits, seconds)
        if moved["outcome"] and self.host is not None:
            self._left_there = True  # also what an interrupted run left
            moved["detail"] = {**moved["detail"], "tool": self._tool_detail(expected, moved)}
        return moved

    def _tool_detail(self, expected: Mapping[str, Any], moved: Mapping[str, Any]) -> dict[str, Any]:
        """The tool's end and its kept logs. It gets a little time to end by itself after a good upgrade."""
        good = moved["outcome"] in ("verified", "verified_late")
        detail: dict[str, Any] = {}
        if self._command is not None:
            ran = self._command.ended(self.settings.real_seconds(constants.TOOL_END_GRACE.number) if good else 0.0)
            detail = {"exit_code": ran.code if ran else None, "said": self._words(ran.output) if ran else self._command.fault}
            if self._command.running:
                detail["said"] = f"the tool still runs on {self._host().name}; close it there"
        return {**detail, "logs": self._keep_logs(good, expected, moved)}

    def _await_technician(self, state: Observation, expected: Expected) -> dict[str, Any]:
        def look() -> bool | None:
            reading = self._answer()
            if reading is not None and reading.serial == expected.serial:
                state.version = reading.version
                if reading.version == expected.target:
                    restarted = None not in (reading.restarts, expected.restarts) and reading.restarts != expected.restarts
                    state.restart_seen, state.outcome, state.reason = restarted, "verified", "" if restarted else "restart_not_observed"
                    state.note("verified", f"the meter reports version {reading.version}")
                elif reading.version != expected.source:
                    state.outcome, state.reason = "failed_final", "wrong_version_after"
                    state.note("failed_final", f"the meter reports version {reading.version}, handed over was {expected.target}")
                elif self._said_not_started(state):
                    state.outcome, state.reason = "failed_final", "upgrade_not_started"
                    state.note("failed_final", "attested: the tool was never started for this meter")
            return True if state.outcome else None

        state.note("handed_over", "a technician upgrades this meter with the maker's tool")
        self.hooks.phase("handed_over", None, "waiting for the new version")
        try:
            Waiter(self.target.clock, lambda: self.hooks.guard("observing")).until(
                "handed_over", look, self.settings.wait, interval=float(constants.POLL_INTERVAL.number)
            )
        except DeadlineError:
            state.outcome = "handed_over"
        if state.outcome != "handed_over":
            self._folder_here(state.detail["folder"]).remove(self.target.name)
        return state.as_dict()

    def _said_not_started(self, state: Observation) -> bool:
        """Whether a technician says that the tool was never started, and means this hand-over: one of an earlier run."""
        settings = self.settings
        if self.files:  # made by this run
            return False
        begun = self.target.clock.time() - settings.real_seconds(state.elapsed)
        return settings.not_started and (settings.not_started_at is None or settings.not_started_at >= begun)

    def _keep_logs(self, good: bool, expected: Mapping[str, Any], moved: Mapping[str, Any]) -> list[str]:
        """The tool's logs here, without secrets; for the maker's support after a bad end (R-121…R-125, R-157)."""
        host = self._host()
        try:
            where = host.join(self._folder(), "Logs")
            logs = {name: decode(host.fetch(host.join(where, name)), self.settings.encoding) for name in host.names(where)[:20]}
        except DeviceError as error:
            logs = {"no-logs.txt": f"the tool's logs cannot be fetched: {error.text}"}
        head = {"model": self.settings.model, "serial": expected["serial"], "firmware": moved["version"] or expected["source"]}
        texts = {name: self._redactor.text(text) for name, text in logs.items()}
        return keep(
            Path(self.settings.logs_to), self.settings.campaign, self.target.name, {**head, "outcome": moved["outcome"]}, texts, good
        )

    def close(self) -> None:
        """Take away what was brought to the tool's host, also after a failure. A tool that still runs loses only the passwords."""
        host, left, self._left_there = self.host, self._left_there, False
        if host is None or not left:
            return
        folder = self._folder()
        running = self._command is not None and self._command.running
        try:
            host.remove(host.join(folder, self.SECRET) if running else folder)
        except DeviceError as error:
            self.hooks.phase("cleaning", None, f"{self.SECRET} may be left in {folder} on {host.name}: {error.text}")

    # -- details ------------------------------------------------------------------------------------------------------

    def _host(self) -> ToolHost:
        if self.host is None:
            raise DeviceError("tool_host", "tool_host_unusable", "no tool host is given")
        return self.host

    def _folder(self) -> str:
        return self._host().join(self.settings.base, safe_name(self.settings.campaign), safe_name(self.target.name))

    def _argv(self, template: Sequence[str]) -> list[str]:
        values = self._places()
        return [_filled(word, values) for word in template]

    def _places(self) -> dict[str, str]:
        """What stands in a command line for the words in braces: paths and an address, never a secret."""
        host, folder = self._host(), self._folder()
        return {
            "{config}": host.join(folder, CONFIG),
            "{package}": host.join(folder, self.files[0].name),
            "{logs}": host.join(folder, "Logs"),
            "{address}": self.target.host,
        }

    def _words(self, output: str) -> str:
        """The last line that the tool printed, masked."""
        lines = [" ".join(line.split()) for line in output.splitlines() if line.strip()]
        return self._redactor.text(lines[-1])[-_TAIL:] if lines else ""


def _filled(word: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        word = word.replace(name, value)
    return word


def _same_subnet(address: str, networks: Sequence[str]) -> bool | None:
    """Whether the host has an address in the meter's network; None where its addresses are not known."""
    if not networks:
        return None
    try:
        meter = ipaddress.ip_address(address)
        return any(meter in ipaddress.ip_interface(text).network for text in networks)
    except ValueError:
        return None


class _Command:
    """The tool's command in a thread of its own, so that the meter is watched and the leases are kept meanwhile."""

    def __init__(self, run: Callable[[], Ran]) -> None:
        self._run = run
        self.result: Ran | None = None
        self.fault = ""
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            self.result = self._run()
        except DeviceError as error:
            self.fault = error.text
        except Exception as error:  # a thread's exception would be printed and lost
            self.fault = f"the command failed ({type(error).__name__})"

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def ended(self, seconds: float) -> Ran | None:
        """The result, waited for ``seconds`` of real time; None while it runs, or when the way to its host was lost."""
        self._thread.join(seconds)
        return self.result


class _ToolWatch:
    """The tool's own state as a status: it works, it completed, it failed. A lost way to its host says nothing of the meter."""

    def __init__(self, command: _Command | None, settings: Settings, words: Callable[[str], str], monotonic: Callable[[], float]) -> None:
        self.command, self._settings, self._words, self._monotonic = command, settings, words, monotonic
        self._since: dict[str, float] = {}

    def look(self, reading: Reading) -> Look:
        seen = (reading.serial, reading.version, reading.restarts, reading.last_restart)
        status, text, fault = self._state(reading)
        return Look(True, *seen, status, (), text, page_fault=fault)

    def _state(self, reading: Reading) -> tuple[str, str, str]:
        if self.command is None:  # an earlier run started it; only the meter can tell now
            return "unknown", "", ""
        new = reading.version == self._settings.target
        if self.command.running:
            # The tool shows no progress, so an old version tells nothing. A tool that never ends does not hold up a meter that runs
            # the new one (R-088 is about the meter).
            return ("running" if new and not self._longer("new", constants.TOOL_END_GRACE) else "unknown"), "", ""
        ran = self.command.result
        if ran is None:
            return "unknown", "", self.command.fault
        text = self._words(ran.output)
        if not new and not self._longer("ended", constants.TOOL_ENDED_LOOK):
            # Closed, given up, or a command that only started it: a meter that had begun goes on by itself, and only its version tells.
            return "unknown", text, ""
        good = ran.code in self._settings.exit_ok
        return ("completed" if good else "unknown" if new else "failed"), text, ""

    def _longer(self, what: str, limit: constants.Constant) -> bool:
        return self._monotonic() - self._since.setdefault(what, self._monotonic()) > limit.number

    def close(self) -> None:
        """Nothing is open."""
