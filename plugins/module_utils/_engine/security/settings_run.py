# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Brings the security of a HEP or PM5000 meter to the wanted state, by whatever way there is to it, or only looks and judges.

Everything is read and judged first; nothing is changed while a precheck fails. Then one change follows the other, each compared with
what was read before it (F-38) and read back after it. What went wrong stops the run; the result tells what was done before.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..base.errors import DeviceError, MeteringError, OrphanedError
from ..base.target import Credential, Target
from ..catalogue import accept as words
from ..catalogue import constants, passwords
from ..catalogue.default_accounts import default_accounts
from ..catalogue.models import HEP
from ..planning.prechecks import Precheck, blocking
from . import capabilities, channel_handover, consumers, default_credentials, diagnosis, password_age, plan_settings, review, settings_look
from .channel_registers import RegisterChannel
from .channel_web import WebChannel
from .control import FAIL, PASS, PLANNED, UNKNOWN, Control
from .desk import Desk
from .export import write_export
from .judge_settings import judge
from .login_guard import Guard
from .password_rotation import Need, Rotor, SecretLedger
from .probe_posture import probe_posture
from .settings_session import Options, Report, Session, Stop, subject_login, user_of
from .state import ATTESTED, Change, State
from .wanted import Wanted

#: Accounts that sign in, by role of ``credentials``, the first one that is given; those of a PM5000 by generation.
ROLES = {"legacy": ("admin", "product_master"), "new": ("admin", "administrator"), "hep": ("admin",)}
_BEFORE_ADVANCED = ("none", "standard")
_PROFILE, _REGISTERS, _HANDOVER = "profile", "registers", "handover"


class SettingsRun:
    """One meter, one run."""

    def __init__(
        self,
        target: Target,
        wanted: Wanted,
        profile: Mapping[str, Any] | None,
        ledger: SecretLedger,
        desk: Desk,
        options: Options,
        apply: Callable[[Session, Sequence[Change]], None],
    ) -> None:
        self.profile, self._ledger, self._apply_changes = profile or {}, ledger, apply
        self.report = Report(state=State(target.family, ""))
        self.now = Session(target, wanted, options, desk, self.report)

    # -- the run ------------------------------------------------------------------------------------------------------

    def run(self) -> Report:
        """The report. Raises DeviceError where nothing could be read, RecordsError as they come."""
        report = self.report
        try:
            self._look()
            if self._reserve() and self._sign_in():
                self._judge()
                self._apply()
            self._export()
        except Stop:
            pass
        except MeteringError as error:
            if not report.changed and not report.controls:
                raise
            self._cut_off(error)
        finally:
            with contextlib.suppress(DeviceError):
                if self.now.channel is not None:
                    self.now.channel.close()
        self._finish()
        return report

    def _cut_off(self, error: MeteringError) -> None:
        """A fault in the middle: the result still tells what was done before it."""
        text, said = (error.text, error.device_text) if isinstance(error, DeviceError) else (str(error), "")
        with contextlib.suppress(Stop):
            self.now.fail(getattr(error, "reason", "") or ("worker_orphaned" if isinstance(error, OrphanedError) else ""), text, said)

    def _finish(self) -> None:
        report, guard = self.report, self.now.guard
        report.failed_logins = guard.failed if guard is not None else 0
        if report.reason in diagnosis.REASONS or self.now.options.diagnose:
            case = diagnosis.case_from(
                self.now.options.diagnose,
                family=self.now.wanted.family,
                version=report.state.version,
                reason=report.reason,
                upgraded=self.now.options.upgraded(report.state.serial or ""),
                protocol=self.now.channel.protocol if self.now.channel else "",
                retry_after=report.retry_after,
                default_refused=any(
                    item.id.startswith(default_credentials.CONTROL)
                    and (item.state == PASS or item.have == default_credentials.REFUSED_ONLY)
                    for item in report.controls
                ),
            )
            report.diagnosis = diagnosis.diagnose(case)

    # -- looking ------------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Who answers, and what is seen without a login."""
        settings_look.identify(self.now, self.profile)
        state, attest = self.now.state, self.now.options.attest
        state.client = settings_look.own_address(self.now.target.host)
        probe_posture(self.now.target, state)
        if self._has_registers:
            settings_look.read_registers(self.now, self.profile)
        if state.mode is None and attest.get("security_mode") is not None:
            state.mode, state.provenance["mode"] = attest["security_mode"], ATTESTED

    @property
    def _has_registers(self) -> bool:
        return bool((self.profile.get("registers") or {}).get("settings"))

    # -- the way to it ------------------------------------------------------------------------------------------------

    def _reserve(self) -> bool:
        """The meter must be ours before a password goes out: another run may be changing it right now."""
        now, state = self.now, self.now.state
        other = review.other_meter(now.options.expect, state.serial)
        if other:
            self._judge_seen()
            now.fail("plan_stale", other, outcome="blocked")
        self.report.channel = self._choose()
        if now.options.change and not now.options.check:
            if state.serial is None:
                self._judge_seen()
                now.fail("serial_unknown", "the meter does not tell who it is, so nothing can be recorded of it", outcome="blocked")
            holder = now.desk.holder(state.serial or "")
            if holder is not None:
                self._judge_seen()
                now.fail("firmware_in_progress", holder, outcome="blocked")
        if self.report.channel in (_HANDOVER, "none"):
            self._judge_seen()
            self._hand_over()
            return False
        return True

    def _choose(self) -> str:
        """profile, registers, handover, or none where nothing has to be written and no way is known."""
        now, wanted = self.now, self.now.wanted
        web = bool(self.profile.get("security")) and self._credential() is not None
        if wanted.channel == _PROFILE:
            if not web:
                self._judge_seen()
                now.fail(
                    "profile_missing" if not self.profile.get("security") else "credential_unknown",
                    "the channel profile needs a profile with a section security, and the credential of an account",
                    outcome="blocked",
                )
            return _PROFILE
        if wanted.channel == _REGISTERS and not self._has_registers:
            self._judge_seen()
            now.fail("profile_missing", "the channel registers needs a profile that names setup registers", outcome="blocked")
        if wanted.channel in (_REGISTERS, _HANDOVER):
            return wanted.channel
        off = now.state.settings.get("web_server") is False or now.state.settings.get("web_protocol") == "disabled" or self._web_shut()
        if web and not off and not (now.options.change and now.state.settings.get("web_programming") is False and self._registers_open):
            return _PROFILE
        return _REGISTERS if self._has_registers and now.state.settings.get("modbus_access") != "none" else _HANDOVER

    def _web_shut(self) -> bool:
        """Whether the port of the webpages is closed, and the document names no other one for it."""
        name = "http" if WebChannel(self.now.target, self.profile, self.now.state.generation).clear else "https"
        other = self.now.wanted.settings.get(f"web_port_{name}")
        return self.now.state.ports.get(name) == "closed" and other in (None, self.now.target.ports.get(name))

    @property
    def _registers_open(self) -> bool:
        settings = self.now.state.settings
        return self._has_registers and settings.get("modbus_access") == "read_write"

    def _credential(self) -> Credential | None:
        """The account that signs in; below Advanced the single password of a meter has a name of its own."""
        given, state = self.now.target.credentials, self.now.state
        if state.mode in _BEFORE_ADVANCED and "standard" in given:
            return given["standard"]
        kind = HEP if self.now.target.family == HEP else state.generation
        found = next((given[role] for role in ROLES.get(kind, (*ROLES["new"], *ROLES["legacy"])) if role in given), None)
        if found is not None and state.mode == "advanced" and found.user == passwords.model_number(state.model):
            # An earlier run may have gone over to Advanced security, under which that name is none.
            heir = next((user.name for user in self.now.wanted.users if "security_config" in (user.permissions or ())), None)
            secret = self.now.wanted.secret(heir) if heir is not None else None
            return Credential(heir, secret) if heir is not None and secret is not None else found
        return found

    # -- signing in ---------------------------------------------------------------------------------------------------

    def _sign_in(self) -> bool:
        """True where the whole state was read. False where check mode has no password that was proven before."""
        now, state = self.now, self.now.state
        if self.report.channel == _REGISTERS:
            now.channel = RegisterChannel(now.target, self.profile)
            return True
        credential = self._credential()
        if credential is None or state.serial is None:
            self._judge_seen()
            self.report.text = "nobody signed in: the meter does not tell its serial number, so the login could not be recorded"
            return False
        self._valid_name(credential)
        now.login, now.channel = credential, self._web_channel()
        self._passwords_desk(credential)
        guard, rotor = now.guard, now.need_rotor()
        new = self._own_new(credential)
        if now.options.check and not now.options.check_login and not self._proven(credential.user, credential.password, new):
            self._judge_seen()
            self.report.outcome = "planned" if now.options.change else "reported"
            self.report.text = "nobody signed in: in check mode only a password is used that has worked before (check_login tries it)"
            return False
        channel = now.channel
        verdict = rotor.sign_in(
            now.account(credential.user), credential.password, new, login=lambda secret: channel.login(credential.user, secret)
        )
        if verdict.reason:
            self._judge_seen()
            cause = guard.error if guard is not None and verdict.reason == "transport_failed" else None
            text = f"{cause.text}{settings_look.moved_to(channel.port, channel.clear, state)}" if cause else verdict.text
            now.fail(cause.reason if cause else verdict.reason, text, verdict.device_text, verdict.retry_after)
        now.secret = new if verdict.which == "new" and new is not None else credential.password
        now.signed_in[now.real_user(credential.user)] = now.secret
        channel.read(state)
        self._learn_lockouts()
        self.report.findings += channel.findings
        return True

    def _own_new(self, credential: Credential) -> str | None:
        """The wanted password of who signs in; of a PM5000 that of the group which may configure it."""
        wanted = self.now.wanted
        if wanted.family == HEP:
            return wanted.secret(self.now.real_user(credential.user))
        return wanted.secret({"legacy": "product_master", "new": "administrator"}.get(self.now.state.generation, ""))

    def _valid_name(self, credential: Credential) -> None:
        """A name that this mode does not know is not tried: it would count as a failed login (R-191, R-194)."""
        now, mode = self.now, self.now.state.mode
        number = passwords.model_number(now.state.model) if now.wanted.family == HEP and now.state.model else None
        wrong = (mode == "advanced" and credential.user == number) or (mode == "standard" and credential.user != number)
        if mode is not None and number and wrong:
            self._judge_seen()
            hint = f"under {mode} {credential.user} is no user name" + (
                "" if mode == "advanced" else f"; credentials.standard is for {number}"
            )
            now.fail("user_name_not_valid_in_mode", hint, outcome="blocked")

    def _web_channel(self) -> WebChannel:
        now = self.now
        channel = WebChannel(now.target, self.profile, now.state.generation)
        port = now.wanted.settings.get("web_port_https")
        if port is not None and now.state.ports.get("https") == "closed" and not channel.clear:
            # An earlier run may have moved it there already.
            channel = WebChannel(replace(now.target, ports={**now.target.ports, "https": int(port)}), self.profile, now.state.generation)
        return channel

    def _passwords_desk(self, credential: Credential) -> None:
        now = self.now
        record = not now.options.check or now.options.check_login
        retry = "login_retry" in now.wanted.accept
        now.guard = Guard(
            self._ledger, now.state.serial or "", now.wanted.marks_key, factor=getattr(now.target.clock, "factor", 1.0),
            retry_accepted=retry, record=record,
        )  # fmt: skip
        now.rotor = Rotor(self._ledger, now.guard, now.state.serial or "", now.wanted.marks_key, "web", now.desk.guard)
        self._learn_lockouts()

    def _learn_lockouts(self) -> None:
        guard, settings = self.now.guard, self.now.state.settings
        if guard is None:
            return
        guard.duration = settings.get("lockout_duration")
        names = {name.removeprefix("lockout_"): value for name, value in settings.items() if name.startswith("lockout_")}
        names.pop("duration", None)
        guard.attempts = names

    def _proven(self, user: str, current: str, new: str | None) -> bool:
        situation = self.now.need_rotor().situation(self.now.account(user), current, new, own=True)
        return situation.proven in ("current", "new") and not situation.pending

    # -- judging ------------------------------------------------------------------------------------------------------

    def _needs(self) -> dict[str, Need]:
        """Which passwords have to be set, by user or group; judged from the records, never by trying."""
        now = self.now
        if now.rotor is None:
            return {}
        found = {}
        for subject, secret in now.wanted.passwords.items():
            user = user_of(now, subject)
            exists = now.state.users is None or any(item.name.casefold() == user.casefold() for item in now.state.users)
            found[subject] = now.rotor.wanted(
                now.account(user), secret, now.wanted.update_secret, now.wanted.max_age_days, exists=exists or user == subject_login(now)
            )
        return found

    def _judge_seen(self) -> None:
        """Controls from what was seen so far; nothing is planned on that ground."""
        found = self._controls()
        text = "was not compared: nobody signed in"
        self.report.controls = [
            replace(item, state=FAIL if item.have is not None else UNKNOWN, text=item.text or text) if item.state == PLANNED else item
            for item in found
        ]
        self.report.before = self.report.controls

    def _controls(self) -> list[Control]:
        now = self.now
        found = [
            settings_look.never_by_probe(item, now.state) for item in judge(now.state, now.wanted, self._needs(), attest=now.options.attest)
        ]
        return [*found, *self._ages(found), *self._default_passwords()]

    def _ages(self, found: Sequence[Control]) -> list[Control]:
        """How old the passwords are that this run leaves as they are (R-307)."""
        now, limit = self.now, self.now.wanted.max_age_days
        login = subject_login(now)
        if limit is None or now.rotor is None or login is None:
            return []
        rotor, names = now.rotor, [user.name for user in now.state.users or ()] or [now.real_user(login)]
        renewed = [
            user_of(now, item.id.removeprefix("password:")) for item in found if item.id[:9] == "password:" and item.state == PLANNED
        ]
        return password_age.judge(names, lambda user: rotor.age_days(now.account(user)), limit, renewed)

    def _default_passwords(self) -> list[Control]:
        now, state = self.now, self.now.state
        if now.guard is None:
            return []
        accounts = default_accounts(now.wanted.family, state.generation, state.model)
        channel = now.channel if now.options.try_default and not now.options.check else None
        return default_credentials.judge(
            now.wanted.family, accounts, now.guard, signed_in=now.signed_in, protocol="web", login=channel.prove if channel else None,
            tells_locked=bool((self.profile.get("login") or {}).get("tells_locked")),
        )  # fmt: skip

    def _judge(self) -> None:
        now, report, state = self.now, self.report, self.now.state
        report.controls = report.before = self._controls()
        if not now.options.change:
            self._read_events()
            report.text = "read, nothing was changed"
            return
        # What cannot be on this meter is told even where nothing would be changed.
        report.prechecks = [*capabilities.check(now.wanted, state)]
        planned = [item for item in report.controls if item.state == PLANNED]
        report.changes = self._ordered(plan_settings.changes(report.controls, state, now.wanted)) if planned else []
        if planned:
            way = "registers" if report.channel == _REGISTERS else "web"
            report.prechecks += plan_settings.prechecks(report.controls, state, now.wanted, channel=way)
            report.prechecks += self._own_prechecks(report.changes)
            self._note_consumers()
            report.needed = self._needed_words(way)
        report.planned = review.listed(report.changes, report.controls)
        self._as_reviewed()
        left = capabilities.left_over(report.controls, now.wanted)
        report.prechecks += left
        stops = blocking(report.prechecks)
        if stops:
            now.fail(stops[0].reason, "; ".join(item.text for item in stops), outcome="blocked")
        if not planned:
            report.outcome, report.text = "current", "everything that the options ask for is so already"
            if left:
                report.text = f"nothing can be changed here; left as it is: {left[0].text}"
        elif now.options.check:
            report.outcome, report.changed = "planned", True
            report.text = f"would change {', '.join(item.id for item in planned)}"

    def _as_reviewed(self) -> None:
        """Only what was reviewed is done, from where it was reviewed (R-116). Raises Stop."""
        why = review.stale(self.now.options.expect, self.report.planned)
        if why:
            self.now.fail("plan_stale", why, outcome="blocked")

    def _needed_words(self, way: str) -> list[str]:
        """The words of accept without which these changes are refused."""
        report, state = self.report, self.now.state
        bare = replace(self.now.wanted, accept=frozenset())
        refused = blocking([*capabilities.check(bare, state), *plan_settings.prechecks(report.controls, state, bare, channel=way)])
        reasons = {item.reason for item in refused}
        if self.profile.get("verified") is not True:
            reasons.add(words.WORDS["unverified_profile"].reason)
        return [name for name, word in words.WORDS.items() if word.reason in reasons]

    def _read_events(self) -> None:
        """Recent security events, for an audit (R-273)."""
        now = self.now
        if not isinstance(now.channel, WebChannel):
            return
        try:
            self.report.events = now.channel.events(constants.SECURITY_EVENTS.number) or []
        except DeviceError as error:
            now.state.unread["events"] = error.text

    def _ordered(self, changes: Sequence[Change]) -> list[Change]:
        """What closes the very way that is used goes last; everything else stays in its safe order."""
        closers = self.now.channel.closers if self.now.channel is not None else frozenset()
        return sorted(changes, key=lambda item: item.control in closers)

    def _own_prechecks(self, changes: Sequence[Change]) -> list[Precheck]:
        """Whether this way can write all of it, and may (R-280, R-383, design 2)."""
        now, channel = self.now, self.now.channel
        if channel is None:
            return []
        found = []
        if self.profile.get("verified") is not True:
            word = words.WORDS["unverified_profile"]
            told = f"profile {self.profile.get('name')} writes settings and was never verified on a real meter"
            accepted = word.name in now.wanted.accept
            hint = "" if accepted else f"; add '{word.name}' to accept"
            found.append(Precheck("profile_verified", PASS if accepted else FAIL, not accepted, word.reason, told + hint, ("design 2",)))
        cannot = [(item.control, why) for item in changes if (why := channel.writable(item.control, item.kind))]
        if cannot:
            text = "; ".join(f"{name}: {why}" for name, why in cannot)
            found.append(Precheck("channel_writes_it", FAIL, True, "profile_missing", text, ("design 2",)))
        shut = [item.control for item in changes if item.control in ("modbus_programming", "modbus_access")]
        if channel.name == _REGISTERS and len(shut) > 1 and now.state.mode == "advanced":
            text = "modbus.access and modbus.programming cannot both be closed over registers: the one closes the way to the other"
            found.append(Precheck("closes_once", FAIL, True, "programming_off", text, ("R-268",)))
        return [*found, *self._used_before(changes)]

    def _used_before(self, changes: Sequence[Change]) -> list[Precheck]:
        """Passwords that a run of ours has set on the same account before: told, and not in the way of going back (R-307)."""
        now, last = self.now, constants.PASSWORD_HISTORY.number
        given = [(item.subject, now.wanted.secret(item.subject)) for item in changes if item.subject is not None]
        rotor = now.rotor
        again = [] if rotor is None else [
            user for user, secret in given if secret is not None and rotor.reused(now.account(user_of(now, user)), secret, last)
        ]  # fmt: skip
        text = f"{', '.join(again)}: this password was set before; it is one of the last {last}"
        return [Precheck("password_is_new", FAIL, False, "password_policy", text, ("R-307",))] if again else []

    def _note_consumers(self) -> None:
        now = self.now
        users = {user_of(now, item.subject) for item in self.report.changes if item.kind == "password" and item.subject is not None}
        for user in sorted(users):
            roles = consumers.roles_of(now.target.credentials, user, now.wanted.family)
            self.report.notes += consumers.notes(now.wanted.family, user, roles, now.wanted.consumers)

    # -- changing -----------------------------------------------------------------------------------------------------

    def _apply(self) -> None:
        now, report = self.now, self.report
        if not now.options.change or now.options.check or report.outcome == "current":
            return
        self._apply_changes(now, report.changes)
        report.outcome = "changed" if report.changed else "current"
        report.text = f"changed {', '.join(dict.fromkeys(item.control for item in report.changes))}"

    def _hand_over(self) -> None:
        """A list for a person, where no way to the meter is known. It claims nothing."""
        now, report = self.now, self.report
        names = capabilities.asked(now.wanted)
        todo = [item for item in report.controls if item.id in names and item.state in (FAIL, UNKNOWN, PLANNED)]
        if not now.options.change:
            report.text = "read from outside, nothing was changed"
            return
        if not todo:
            report.outcome, report.text = "current", "everything that the options ask for is so already"
            return
        report.prechecks = list(capabilities.check(now.wanted, now.state))
        stops = blocking(report.prechecks)
        if stops:
            now.fail(stops[0].reason, "; ".join(item.text for item in stops), outcome="blocked")
        report.handover = channel_handover.steps(todo)
        report.planned = review.listed_controls(todo, review.HANDOVER)
        self._as_reviewed()
        report.outcome = "planned" if now.options.check else "handed_over"
        report.text = f"{len(todo)} points are to be set or looked at by hand"
        if now.options.handover_dir and not now.options.check:
            folder = Path(now.options.handover_dir).expanduser()
            written = channel_handover.write_handover(folder, now.target.name, now.state, report.handover, now.options.run)
            report.handover_file = str(written)

    def _export(self) -> None:
        now, folder = self.now, self.now.wanted.export_dir
        if folder is None or now.options.check or not now.state.settings or self.report.outcome in ("handed_over", "blocked"):
            return
        path, digest = write_export(Path(folder).expanduser(), now.state, now.options.run, now.target.clock.time())
        self.report.export_file = str(path)
        now.desk.journal("security_exported", {"serial": now.state.serial, "file": path.name, "sha256": digest})
