# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What the parts of a run on a HEP or PM5000 meter share: its options, its report, and who is signed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..base.errors import DeviceError
from ..base.target import Credential, Target
from ..catalogue import constants, passwords
from ..catalogue.models import HEP
from ..planning.prechecks import Precheck
from . import capabilities, marks
from .channel import STAGE
from .channel_registers import RegisterChannel
from .channel_web import WebChannel
from .control import Control
from .desk import Desk
from .login_guard import Guard
from .password_rotation import Rotor, Verdict
from .state import Change, State
from .wanted import Wanted


@dataclass
class Report:
    """The end of a run. ``outcome``: current, changed, planned, reported, handed_over, blocked or failed.

    ``planned`` are the changes as they go to review, ``needed`` the words of accept that they need.
    """

    outcome: str = "reported"
    reason: str = ""
    text: str = ""
    device_text: str = ""
    changed: bool = False
    state: State = field(default_factory=lambda: State("", ""))
    channel: str = "none"
    controls: list[Control] = field(default_factory=list)
    before: list[Control] = field(default_factory=list)
    prechecks: list[Precheck] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    planned: list[dict[str, Any]] = field(default_factory=list)
    needed: list[str] = field(default_factory=list)
    secrets: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    findings: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, str]] = field(default_factory=list)
    diagnosis: list[dict[str, Any]] = field(default_factory=list)
    handover: list[dict[str, Any]] = field(default_factory=list)
    handover_file: str | None = None
    export_file: str | None = None
    failed_logins: int = 0
    retry_after: int | None = None


class Stop(Exception):
    """The run ends here, with its report as it is."""


@dataclass(frozen=True)
class Options:
    """How this run goes about it. ``change`` False only reads and reports; ``check`` plans and changes nothing.

    ``expect`` is what a reviewed plan says of this meter (``review.expected``): nothing else is changed.
    """

    change: bool = True
    check: bool = False
    check_login: bool = False
    try_default: bool = False
    diagnose: Mapping[str, Any] | None = None
    attest: Mapping[str, Any] = field(default_factory=dict)
    handover_dir: str | None = None
    run: str = "run"
    expect: Mapping[str, Any] | None = None
    #: Whether ION Setup has upgraded the meter with this serial number, as far as the records know; asked only when nobody gets in.
    upgraded: Callable[[str], bool] = field(default=lambda serial: False)


@dataclass
class Session:
    """What the parts of a run share once the meter is known: the way to it, its logins, and who is signed in."""

    target: Target
    wanted: Wanted
    options: Options
    desk: Desk
    report: Report
    channel: WebChannel | RegisterChannel | None = None
    guard: Guard | None = None
    rotor: Rotor | None = None
    login: Credential | None = None
    secret: str = field(default="", repr=False)
    signed_in: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def state(self) -> State:
        """What was seen of the meter."""
        return self.report.state

    def fail(self, reason: str, text: str, said: str = "", retry_after: int | None = None, outcome: str = "failed") -> None:
        """End the run. Raises Stop."""
        report = self.report
        report.outcome, report.reason, report.text, report.device_text, report.retry_after = outcome, reason, text, said, retry_after
        raise Stop

    def account(self, user: str) -> str:
        """The ledger's name of a user."""
        return marks.user_account(self.real_user(user), self.wanted.family)

    def real_user(self, user: str) -> str:
        """Whose account this name opens: from 3.0.0 on the model number is another name of User1, as long as it works (R-186, R-191)."""
        newer = self.wanted.family == HEP and self.state.generation in ("3", "4", capabilities.FROM_3)
        return str(constants.LSS_DEFAULT_USER.value) if newer and passwords.stands_for_user1(user, self.state.model) else user

    def need_rotor(self) -> Rotor:
        """The part that tries and sets passwords."""
        if self.rotor is None:
            raise DeviceError(STAGE, "serial_unknown", "the meter does not tell who it is, so no login can be recorded")
        return self.rotor

    def take(self, verdict: Verdict) -> None:
        """End the run where a password ended badly."""
        if verdict.reason:
            self.fail(verdict.reason, verdict.text, verdict.device_text, verdict.retry_after)


def user_of(now: Session, subject: str) -> str:
    """The user name of a subject: itself, or of a PM5000's account group the one that is in it."""
    account = next((item for item in now.wanted.accounts if item.group == subject), None)
    if account is None:
        return subject
    present = next((user.name for user in now.state.users or () if subject in user.permissions), None)
    return present or account.user or subject


def subject_login(now: Session) -> str | None:
    """Who is signed in, as it was asked for."""
    return now.login.user if now.login is not None else None
