# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Brings a DLMS meter's security to the wanted state, over sessions of the DLMS client.

Everything is looked at and judged first; nothing is changed while a precheck fails. Settings come first, then keys, and the
policy last; it is read back over a new association. What went wrong stops the run; the result tells what was done before.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from ..base.errors import DeviceError, MeteringError
from ..base.target import Dlms, DlmsKeys
from ..catalogue import obis
from ..planning.prechecks import Precheck, blocking
from ..wire.dlms.axdr import array, boolean, enum, octets, structure
from ..wire.dlms.security import wrap_key
from ..wire.dlms.session import AccessFault, Attribute, Method
from . import controls_dlms as judging
from . import look, marks, review, rotation
from .controls_dlms import CHANGED, FAIL, PASS, PLANNED, UNKNOWN, Control, Marks
from .desired import Desired
from .desk import Desk
from .look import SessionLike
from .rotation import LOST, PROVABLE, REFUSED, SILENT, WORKS, Begin, End, Known, Prove, Send, Situation, Step, Verdict
from .seen import Seen, clock_octets

STAGE = "security"
_UNASKED = "unasked"
_BUSY = 2  # action-result temporary-failure
#: Ends of an association that can come from wrong keys; some meters just hang up. Others tell nothing of keys: another meter
#: answers, somebody is in between, the meter is busy. Then no other keys are tried, and nobody is told to try any.
_OF_KEYS = frozenset({"dlms_auth_failed", "dlms_association_refused", "dlms_request_refused", "transport_failed"})


class KeyLedger(Protocol):
    """What is kept of keys and passwords; the records' part for DLMS meters is one. It never sees a secret."""

    def pending_keys(self, serial: str, client: int) -> Mapping[str, Mapping[str, Any]]:
        """Keys about to be sent by an earlier run, by key id, each with its ``mark``."""

    def begin_key(self, serial: str, client: int, key_id: str, mark: str) -> None:
        """A key is about to be sent. Durable when it returns."""

    def end_key(self, serial: str, client: int, key_id: str, outcome: str) -> None:
        """What became of it."""

    def mark(self, serial: str, account: str) -> Mapping[str, Any] | None:
        """The mark of the secret that worked last."""

    def set_mark(self, serial: str, account: str, mark: str) -> None:
        """A secret has just worked."""


@dataclass
class Report:
    """The end of a run. ``outcome``: current, changed, planned, reported, blocked or failed."""

    outcome: str = "reported"
    reason: str = ""
    text: str = ""
    device_text: str = ""
    changed: bool = False
    serial: str | None = None
    controls: list[Control] = field(default_factory=list)
    before: list[Control] = field(default_factory=list)
    prechecks: list[Precheck] = field(default_factory=list)
    seen: Seen = field(default_factory=Seen)
    key_states: Mapping[str, str] = field(default_factory=dict)
    failed_logins: int = 0
    probed: bool = False
    planned: list[dict[str, Any]] = field(default_factory=list)
    needed: list[str] = field(default_factory=list)


class _Stop(Exception):
    """The run ends here, with its report as it is."""


@dataclass
class Way:
    """How the meter is reached. ``connect`` makes a session, not opened yet, with the given keys; ``public`` one without security.

    The second argument of ``connect`` says that the meter's invocation counter may have begun anew, with a new key.
    """

    connect: Callable[[DlmsKeys, bool], SessionLike]
    public: Callable[[], SessionLike] | None
    now: Callable[[], float]


class SecurityRun:
    """One meter, one run. ``change`` False only reads and reports; ``check`` True plans and sends nothing that was not proven before.

    ``expect`` is what a reviewed plan says of this meter (``review.expected``): nothing else is changed.
    """

    def __init__(
        self,
        dlms: Dlms,
        desired: Desired,
        way: Way,
        ledger: KeyLedger,
        desk: Desk,
        *,
        change: bool = True,
        check: bool = False,
        check_login: bool = False,
        expect: Mapping[str, Any] | None = None,
    ) -> None:
        self.dlms, self.desired, self.way, self.ledger, self.desk = dlms, desired, way, ledger, desk
        self.change, self.check, self.check_login, self.expect = change, check, check_login, expect
        self.report = Report()
        self._session: SessionLike | None = None
        self._keys = dlms.keys
        self._last_error: DeviceError | None = None
        self._done: dict[str, str] = {}
        self._holder: str | None = _UNASKED

    def run(self) -> Report:
        """The report. Raises DeviceError where nothing could be read, InputError and RecordsError as they come."""
        try:
            self._public_view()
            self._reserve()
            if self._sign_in():
                self._judge()
                self._apply()
        except _Stop:
            pass
        except MeteringError as error:
            if not self.report.changed:
                raise
            self._cut_off(error)
        finally:
            self._close()
        return self.report

    def _cut_off(self, error: MeteringError) -> None:
        """A fault after something was changed: the result still tells what that was."""
        told = (error.text, error.device_text) if isinstance(error, DeviceError) else (str(error), "")
        with contextlib.suppress(_Stop):
            self._fail(getattr(error, "reason", "") or "worker_orphaned", *told)

    # -- looking ------------------------------------------------------------------------------------------------------

    def _public_view(self) -> None:
        """Who answers, and what anyone may see. Nothing secret is sent."""
        seen = self.report.seen
        if self.way.public is None or self.dlms.client == self.dlms.public_client:
            seen.unread["public_client"] = "the public client was not asked"
            return
        session = self.way.public()
        try:
            session.open()
            look.identity(session, seen)
            look.public(session, seen)
        except DeviceError as error:
            if error.stage == "connect":
                raise
            seen.unread["public_client"] = f"client {self.dlms.public_client} is not let in: {error.text}"
        finally:
            session.close()
        self.report.serial = seen.serial

    def _reserve(self) -> None:
        """Before keys are looked for it must be the meter that was reviewed, and ours: another run may be changing them right now."""
        other = review.other_meter(self.expect, self.report.serial) if self.report.serial is not None else ""
        if other:
            self._judge_unread(f"not tried: {other}")
            self._block("plan_stale", other)
        if self.change and not self.check and self.desired.rotates and self.report.serial is not None:
            self._holder = self.desk.holder(self.report.serial)
            if self._holder is not None:
                self._judge_unread("not tried: somebody else works on this meter")
                self._block("firmware_in_progress", self._holder)

    def _sign_in(self) -> bool:
        """The association that everything else uses. False where check mode has no credentials that were proven before."""
        hls = self.dlms.authentication == "hls_gmac"
        if not hls:
            return self._sign_in_without_keys()
        situation = self._situation()
        if self.check and not self._proven(situation):
            if not self.check_login:
                return self._report_untried(
                    "not tried in check mode: these keys have not worked in a recorded run (check_login tries them)"
                )
            situation = replace(situation, probe=False, pending={}, proven={})
        if not self.change:
            situation = Situation(self.dlms.keys, probe=False)
        if situation.pending and self.check:
            situation = replace(situation, pending={})
        found = self._drive(rotation.locate(situation))
        self._keys = found.keys
        if not found.located:
            self._fail(self._reason(found), found.text, self._last_error.text if self._last_error else "")
        return True

    def _reason(self, verdict: Verdict) -> str:
        """Where no association could be judged its own reason says more: another meter may answer, or a broken one."""
        return self._last_error.reason if verdict.reason == "transport_failed" and self._last_error is not None else verdict.reason

    def _sign_in_without_keys(self) -> bool:
        if self.check and self.dlms.authentication == "lls" and not self.check_login:
            return self._report_untried("not tried in check mode: a password crosses the network in clear (check_login sends it)")
        session = self.way.connect(self.dlms.keys, False)
        self._session = session
        session.open()
        return True

    def _situation(self) -> Situation:
        """What the ledger knows of this meter's keys, in words."""
        serial = self.report.serial
        new = self.desired.new_keys
        if serial is None:
            return Situation(self.dlms.keys, new, probe=self.desired.probe)
        client = self.dlms.client
        pending = {name: self._which(name, str(row["mark"])) for name, row in self.ledger.pending_keys(serial, client).items()}
        proven = {}
        for name in rotation.ORDER:
            row = self.ledger.mark(serial, marks.key_account(client, name))
            if row is not None:
                proven[name] = self._which(name, str(row["mark"]))
        return Situation(self.dlms.keys, new, proven, pending, self.desired.probe)

    def _which(self, name: str, mark: str) -> str:
        for word, keys in (("new", self.desired.new_keys), ("current", self.dlms.keys)):
            if marks.is_key_mark(mark, self.report.serial or "", name, getattr(keys, name)):
                return word
        return "other"

    @staticmethod
    def _proven(situation: Situation) -> bool:
        return all(situation.proven.get(name) in ("current", "new") for name in PROVABLE) and not situation.pending

    def _report_untried(self, text: str) -> bool:
        """Only the public view: everything else is unknown, and nothing is planned."""
        self._judge_unread(text)
        self.report.outcome, self.report.text = "planned" if self.change else "reported", text
        return False

    def _judge_unread(self, text: str) -> None:
        """Controls where no association was had: what only that shows is unknown."""
        for name in ("policy", "suite", "transfer_enabled", "clock", "associations"):
            self.report.seen.unread[name] = text
        found = judging.judge(self.report.seen, self.desired, self.dlms, self.dlms.keys, Marks())
        unknown = [replace(item, state=UNKNOWN, text=text) if item.state == PLANNED else item for item in found]
        self.report.controls = self.report.before = unknown

    def _judge(self) -> None:
        report, session = self.report, self._open_session()
        look.secured(session, report.seen, self.way.now)
        if self.dlms.client == self.dlms.public_client:
            report.seen.public = report.seen.objects
        self._same_meter(session)
        report.controls = report.before = judging.judge(report.seen, self.desired, self.dlms, self._keys, self._marks())
        if not self.change:
            report.text = "read, nothing was changed"
            return
        self._as_reviewed()
        planned = [item.id for item in report.controls if item.state == PLANNED]
        if not planned:
            report.outcome, report.text = "current", "everything that the options ask for is so already"
            return
        if report.serial is None:
            self._block("serial_unknown", "the meter does not tell who it is, so nothing can be recorded of it")
        holder = self._who_else(session, report.serial or "")
        report.prechecks = judging.prechecks(report.controls, report.seen, self.desired, holder)
        stops = blocking(report.prechecks)
        if stops:
            self._block(stops[0].reason, "; ".join(item.text for item in stops))
        if self.check:
            report.outcome, report.changed = "planned", True
            report.text = f"would change {', '.join(planned)}"

    def _as_reviewed(self) -> None:
        """Only what was reviewed is done, on the meter that was reviewed, from where it was then (R-116)."""
        report = self.report
        report.planned = review.listed_controls(report.controls)
        report.needed = ["irreversible"] if any(item["control"] == "policy" for item in report.planned) else []
        why = review.other_meter(self.expect, report.serial) or review.stale(self.expect, report.planned)
        if why:
            self._block("plan_stale", why)

    def _same_meter(self, session: SessionLike) -> None:
        """What the public client told was not protected; what is recorded under that name must be of this meter."""
        seen = self.report.seen
        if seen.known_by is None:
            look.identity(session, seen)
            self.report.serial = seen.serial
            return
        confirmed = look.told(session, seen, seen.known_by)
        if confirmed != seen.serial:
            self._fail("serial_mismatch", f"the public client is told {seen.serial}, the ciphered association {confirmed or 'nothing'}")

    def _who_else(self, session: SessionLike, name: str) -> str | None:
        """Leases go by the serial number, also where the public client is told another name only."""
        if self.report.seen.known_by is not obis.SERIAL_NUMBER:
            serial = look.told(session, self.report.seen, obis.SERIAL_NUMBER)
            if serial:
                return self.desk.holder(serial)
        return self.desk.holder(name) if self._holder is _UNASKED else self._holder

    def _marks(self) -> Marks:
        serial, lls = self.report.serial, self.desired.lls
        state = "none"
        if serial is not None and lls is not None and self.desired.marks_key is not None:
            row = self.ledger.mark(serial, marks.secret_account(lls.client))
            if row is not None:
                same = row["mark"] == marks.secret_mark(serial, marks.secret_account(lls.client), lls.value, self.desired.marks_key)
                state = "same" if same else "other"
        return Marks(state, self._situation())

    # -- changing -----------------------------------------------------------------------------------------------------

    def _apply(self) -> None:
        report = self.report
        planned = [item.id for item in report.controls if item.state == PLANNED]
        if self.check or not self.change or not planned:
            return
        for name, act in (("image_transfer_enabled", self._close_transfer), ("clock", self._set_clock), ("lls_secret", self._set_lls)):
            if name in planned:
                self._change(name, act)
        if any(name.startswith("key_") for name in planned):
            self._rotate()
        if "policy" in planned:
            self._change("policy", self._strengthen)
        self._read_back(planned)

    def _change(self, name: str, act: Callable[[], None]) -> None:
        """One change: guarded, refusals told apart, and written into the journal."""
        self.desk.guard()
        self.report.changed = True  # also where the answer is lost: it may have arrived
        try:
            act()
        except AccessFault as fault:
            self.report.changed = bool(self._done)
            self._refused(name, fault)
        except DeviceError as error:
            self._note(name, "unknown")
            self._fail(error.reason, f"{name}: {error.text}; whether it was changed is not known", error.device_text)
        self._note(name, "changed")

    def _note(self, name: str, state: str) -> None:
        self._done[name] = state
        self.desk.journal("security_changed", {"serial": self.report.serial, "control": name, "state": state})

    def _refused(self, name: str, fault: AccessFault) -> None:
        """A refusal. One of what the access rights allow points to a gate in the meter itself."""
        class_id, name_of, index, verb = self._object_of(name)
        if look.refused_by_gate(fault, self.report.seen.may(verb, class_id, name_of, index)):
            text = (
                f"{name}: the meter refuses it although this client has the right to; a jumper or button of the meter may stand in the way"
            )
            self._fail("hardware_gate_suspected", text, fault.name)
        self._fail("setting_refused", f"{name}: the meter refuses it", fault.name)

    def _object_of(self, name: str) -> tuple[int, str, int, str]:
        setup = self.report.seen.setup
        if name == "lls_secret":
            return obis.ASSOCIATION_LN, self._lls_object(), 7, "writes"
        return {
            "image_transfer_enabled": (*obis.IMAGE_TRANSFER.attribute(5), "writes"),
            "clock": (*obis.CLOCK.attribute(2), "writes"),
            "policy": (obis.SECURITY_SETUP, setup, 1, "runs"),
        }.get(name, (obis.SECURITY_SETUP, setup, 2, "runs"))

    def _close_transfer(self) -> None:
        self._open_session().set(Attribute(*obis.IMAGE_TRANSFER.attribute(5)), boolean(False))

    def _set_clock(self) -> None:
        present = self.report.seen.clock or b""
        self._open_session().set(Attribute(*obis.CLOCK.attribute(2)), octets(clock_octets(present, self.way.now())))

    def _lls_object(self) -> str:
        found = self.report.seen.of_client(self.desired.lls.client) if self.desired.lls else None
        return found.obis if found else obis.CURRENT_ASSOCIATION.obis

    def _set_lls(self) -> None:
        """Only ever written, inside the ciphered association; never tried out, since that would send it in clear."""
        lls, serial = self.desired.lls, self.report.serial
        if lls is None or serial is None:
            raise TypeError("nothing to write")
        self._open_session().set(Attribute(obis.ASSOCIATION_LN, self._lls_object(), 7), octets(lls.value))
        if self.desired.marks_key is not None:
            account = marks.secret_account(lls.client)
            self.ledger.set_mark(serial, account, marks.secret_mark(serial, account, lls.value, self.desired.marks_key))

    def _strengthen(self) -> None:
        """The policy, then a new association and the value read back: who cannot get in any more must learn it now."""
        target = judging.policy_target(self.report.seen, self.desired)
        if target is None:
            raise TypeError("nothing to write")
        self._open_session().action(Method(obis.SECURITY_SETUP, self.report.seen.setup, 1), enum(target))
        if self._prove(Prove(self._keys)) != WORKS:
            raise self._last_error or DeviceError(STAGE, "transport_failed", "no new association after the change of policy")

    def _rotate(self) -> None:
        self.report.key_states = {}
        verdict = self._drive(rotation.rotate(self._situation(), self._keys))
        self._keys = verdict.keys
        self.report.key_states = dict(verdict.states)
        for name, state in verdict.states.items():
            if state != "refused":
                self.report.changed = True
                self._note(f"key_{name}", state)
        if verdict.reason:
            name = next((item for item, state in verdict.states.items() if state != "changed"), "")
            if verdict.reason == "key_refused" and isinstance(self._last_error, AccessFault):
                gate = self.report.seen.may("runs", obis.SECURITY_SETUP, self.report.seen.setup, 2)
                if look.refused_by_gate(self._last_error, gate):
                    self._refused(f"key_{name}", self._last_error)
            said = self._last_error.text if self._last_error else ""
            self._fail(self._reason(verdict), verdict.text, said)

    def _read_back(self, planned: list[str]) -> None:
        """The end is judged by a fresh look, not by the meter's answers."""
        report = self.report
        look.settings(self._open_session(), report.seen, self.way.now)
        fresh = judging.judge(report.seen, self.desired, self.dlms, self._keys, self._marks())
        report.controls = [self._ended(item, planned) for item in fresh]
        unproven = [item.id for item in report.controls if item.id in planned and item.state not in (CHANGED, PASS)]
        if unproven:
            self._fail("setting_not_confirmed", f"{', '.join(unproven)}: the meter accepted it and does not show it")
        changed = [item.id for item in report.controls if item.state == CHANGED]
        report.outcome = "changed" if changed else "current"
        report.text = f"changed {', '.join(changed)}" if changed else "the meter has the new keys already"

    def _ended(self, item: Control, planned: list[str]) -> Control:
        if item.id not in planned or self._done.get(item.id) != "changed":
            return item  # a key that turned out to be there already was not changed
        written = item.id == "lls_secret"
        if item.state == PASS or written:
            text = "was written; it is never tried out" if written else item.text
            return replace(item, state=CHANGED, have=item.want, text=text)
        return item

    # -- the steps of a key change ------------------------------------------------------------------------------------

    def _drive(self, steps: Generator[Step, str, Verdict]) -> Verdict:
        answer = None
        while True:
            try:
                step = next(steps) if answer is None else steps.send(answer)
            except StopIteration as end:
                verdict: Verdict = end.value
                return verdict
            answer = self._do(step)

    def _do(self, step: Step) -> str:
        if isinstance(step, Prove):
            return self._prove(step)
        if isinstance(step, Send):
            return self._send(step)
        serial, client = self.report.serial, self.dlms.client
        if serial is None:
            raise TypeError("nobody to record it of")
        if isinstance(step, Begin):
            self.desk.guard()
            self.ledger.begin_key(serial, client, step.key_id, self._mark(step.key_id, step.key))
        elif isinstance(step, Known):
            self.ledger.set_mark(serial, marks.key_account(client, step.key_id), self._mark(step.key_id, step.key))
        elif isinstance(step, End):
            if step.key is not None and step.outcome != "unknown":
                self.ledger.set_mark(serial, marks.key_account(client, step.key_id), self._mark(step.key_id, step.key))
            self.ledger.end_key(serial, client, step.key_id, step.outcome)
        return WORKS

    def _mark(self, name: str, key: bytes) -> str:
        return marks.key_mark(self.report.serial or "", name, key)

    def _prove(self, step: Prove) -> str:
        """A new association with these keys, and one ciphered answer. Counters that are not believed are an error of their own."""
        self._close()
        self.report.probed |= step.deliberate
        session = self.way.connect(step.keys, step.fresh)
        try:
            session.open()
            with contextlib.suppress(AccessFault):  # a refusal inside the association is as ciphered as an answer
                session.get(Attribute(*obis.CURRENT_ASSOCIATION.attribute(1)))
        except DeviceError as error:
            session.close()
            if error.reason.startswith("dlms_counter"):
                raise
            self._last_error = error
            if error.stage == "connect" or error.reason not in _OF_KEYS:
                return SILENT
            self.report.failed_logins += 1
            return REFUSED
        self._session = session
        if self.report.serial is not None and not self.check:
            for name in PROVABLE:
                key = getattr(step.keys, name)
                if key is not None:
                    self.ledger.set_mark(self.report.serial, marks.key_account(self.dlms.client, name), self._mark(name, key))
        return WORKS

    def _send(self, step: Send) -> str:
        """One key under the master key (RFC 3394), in the open association."""
        wrapped = structure(enum(rotation.KEY_NUMBERS[step.key_id]), octets(wrap_key(step.kek, step.key)))
        try:
            self._open_session().action(Method(obis.SECURITY_SETUP, self.report.seen.setup, 2), array([wrapped]))
        except AccessFault as fault:
            self._last_error = fault
            return LOST if fault.code == _BUSY else REFUSED  # busy: it may still take it
        except DeviceError as error:
            self._last_error = error
            self.report.changed |= step.new  # it may have arrived
            return LOST
        self.report.changed |= step.new
        return WORKS

    # -- ends ---------------------------------------------------------------------------------------------------------

    def _open_session(self) -> SessionLike:
        if self._session is None:
            raise DeviceError(STAGE, "transport_failed", "the association was lost")
        return self._session

    def _close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _block(self, reason: str, text: str) -> None:
        self.report.outcome, self.report.reason, self.report.text = "blocked", reason, text
        raise _Stop

    def _fail(self, reason: str, text: str, device_text: str = "") -> None:
        """Nothing more is done. What was changed before shows as changed, what was planned and not reached as planned."""
        report = self.report
        report.outcome, report.reason, report.text, report.device_text = "failed", reason, text, device_text
        if not report.controls:
            self._judge_unread(text)
        states = {"changed": CHANGED, "unknown": UNKNOWN}
        report.controls = [
            replace(item, state=states.get(self._done.get(item.id, ""), FAIL if item.state == PLANNED else item.state))
            for item in report.controls
        ]
        raise _Stop
