# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The steps of the image transfer with the records around them: which keys have worked, and which transfer was begun.

A transfer goes on only if the row that was written before it was initiated tells of the same image (X-08): before the
meter's own check nothing in the meter tells which image is half there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.gridops.metering.plugins.module_utils._dlms_options import needs_counters
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Dlms, DlmsKeys, Target
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import constants
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.dlms import DlmsLedger
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.marks import is_key_mark, key_account
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.dlms_rules import (
    INITIATED,
    ImageJob,
    is_pending,
    may_resume,
)
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.steps import Hooks, Reading

from ._dlms import note_proven

#: Meter seconds of one call in this process, which shows and beats by itself.
_WHOLE = 7 * 86_400.0
#: Ends after which the blocks in the meter are worth nothing.
_USELESS = ("image_verification_failed", "image_mismatch")
#: Makes the steps for one way to associate: in this process, or on a jump host.
Maker = Callable[[Target], Any]


def row_of(job: ImageJob, block_size: int) -> dict[str, Any]:
    """What the ledger keeps of a transfer."""
    return {
        "component": job.component,
        "digest": job.sha256,
        "identifier": job.identifier.hex(),
        "size": job.size,
        "block_size": block_size,
    }


def public_target(target: Target) -> Target:
    """The same meter as the public client sees it: no key, no password."""
    dlms = target.dlms or Dlms()
    anonymous = replace(dlms, client=dlms.public_client, authentication="none", protection="none", keys=DlmsKeys())
    return replace(target, dlms=anonymous)


class RecordedSteps:
    """Steps for the flow. ``tries_keys`` False: keys that have not worked before stay in their place (check mode)."""

    def __init__(
        self,
        target: Target,
        job: ImageJob,
        make: Maker,
        ledger: Callable[[], DlmsLedger],
        *,
        campaign: str,
        tries_keys: bool,
        keeps: bool,
        hooks: Hooks,
        answered: bool = False,
        remote: bool = False,
        fill_gaps: bool = False,
    ) -> None:
        self.target, self.job = target, job
        self._make, self._open_ledger, self._campaign = make, ledger, campaign
        self._tries_keys, self._keeps, self._remote, self._fill_gaps = tries_keys, keeps, remote, fill_gaps
        self._answered = answered
        self._hooks, self._slice = hooks, float(constants.OBSERVE_SLICE.number) if remote else _WHOLE
        self._ledger: DlmsLedger | None = None
        self._inner: Any = None
        self._fault: DeviceError | None = None
        self._refused: DeviceError | None = None
        self._serial: str | None = None
        self.anonymous = False  # no key was tried, so only the public client's view is known

    @property
    def ledger(self) -> DlmsLedger:
        if self._ledger is None:
            self._ledger = self._open_ledger()
        return self._ledger

    # -- who answers --------------------------------------------------------------------------------------------------

    def identify(self) -> Reading:
        """Model, serial and identifier. In check mode over keys that have worked before, else what the public client sees."""
        if not self._tries_keys and self._inner is None and self._has_secret():
            seen = self._publicly()
            if not self._proven(seen.serial):
                self.anonymous = True
                return seen
        if self._refused is not None:
            raise self._refused
        try:
            reading: Reading = self._steps().identify()
        except DeviceError as error:
            if error.stage == "association":  # a refused login is not tried again by this task
                self._refused = error
            raise
        self._serial = reading.serial
        if self._keeps and reading.serial:
            note_proven(self.ledger, {"serial": reading.serial}, self.target.dlms)
        return reading

    def _has_secret(self) -> bool:
        dlms = self.target.dlms
        return dlms is not None and (needs_counters(dlms) or dlms.authentication == "lls")

    def _publicly(self) -> Reading:
        steps = self._make(public_target(self.target))
        try:
            seen: Reading = steps.identify()
            return seen
        finally:
            steps.close()

    def _proven(self, serial: str | None) -> bool:
        """Whether both keys have worked with this meter before. A password in clear has no mark here: it counts as never tried."""
        dlms = self.target.dlms
        if serial is None or dlms is None or dlms.authentication == "lls":
            return False
        for name in ("guek", "gak"):
            known = self.ledger.mark(serial, key_account(dlms.client, name))
            if not is_key_mark(str(known["mark"]) if known else None, serial, name, getattr(dlms.keys, name)):
                return False
        return True

    def _steps(self) -> Any:
        if self._inner is None:
            self._inner = self._make(self.target)
        return self._inner

    # -- the transfer -------------------------------------------------------------------------------------------------

    def look(self) -> dict[str, Any]:
        """What the image transfer object and its surroundings say; reads only."""
        return {} if self.anonymous else dict(self._steps().look())

    def gathered(self) -> dict[str, Any] | None:
        """The look for the prechecks; None where it was not tried or failed, which the login then tells."""
        try:
            return self.look() or None
        except DeviceError as error:
            self._fault = error
            return None

    def stage(self) -> dict[str, Any]:
        """Bring the image into the meter and have it checked there. Goes on where an earlier run was, if the ledger knows it."""
        serial = self._known_serial()
        seen = self.look()
        row = row_of(self.job, int(seen["block_size"]))
        kept = self.ledger.transfer(serial)
        resume: Mapping[str, Any] | None = None
        if is_pending(seen, self.job, kept):
            resume = kept
        elif may_resume(kept, seen, self.job) or (self._fill_gaps and seen["status"] == INITIATED):
            resume = row
        else:
            self.ledger.begin_transfer(serial, row, self._campaign)
            if seen["status"] != INITIATED:
                # Whatever is initiated from here on is this image, also if this run does not live to say so.
                self.ledger.note_transfer(serial, "initiated")
        try:
            staged = self._in_slices(serial, resume)
        except DeviceError as error:
            if error.reason in _USELESS:
                self.ledger.end_transfer(serial, error.reason)
            raise
        self.ledger.note_transfer(serial, "checked")
        return staged

    def _in_slices(self, serial: str, resume: Mapping[str, Any] | None) -> dict[str, Any]:
        """Call after call until the image is there; the first one ends with the initiation, which is written down."""
        state: Mapping[str, Any] | None = None
        while True:
            staged: dict[str, Any] = dict(self._steps().stage(resume=resume, seconds=self._slice, state=state))
            if staged["done"]:
                return staged
            if staged["state"]["initiated"] and not (state or {}).get("initiated"):
                self.ledger.note_transfer(serial, "initiated")
            state = staged["state"]
            if self._remote:  # nobody shows or beats there
                self._hooks.guard("staging")
                self._hooks.phase("transferring", None, f"{staged['state']['sent']} blocks sent")

    def _known_serial(self) -> str:
        serial = self._serial or self.identify().serial
        if serial is None:
            raise DeviceError("staging", "serial_unknown", "the meter does not tell its serial number")
        return serial

    # -- from the trigger on ------------------------------------------------------------------------------------------

    def trigger(self) -> dict[str, Any]:
        answer = dict(self._steps().trigger())
        if answer["state"] == "scheduled" and self._serial:
            self.ledger.note_transfer(self._serial, "scheduled")
        return answer

    def observe(self, state: Mapping[str, Any], expected: Mapping[str, Any], limits: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        return dict(self._steps().observe(state, expected, limits, seconds))

    def recall(self, detail: Mapping[str, Any]) -> bool:
        """Empty the meter's schedule where this run wants something else of the same image than what an earlier one wrote there.

        The schedule of another image is only touched by leave to throw that image away.
        """
        if detail.get("activate") != "at":
            return False
        same = detail.get("component") == self.job.component and set(detail.get("expected") or ()) & set(self.job.expected)
        as_wanted = self.job.activate == "at" and self.job.at == detail.get("at")
        if (same and as_wanted) or not (same or self.job.replace_pending):
            return False
        try:
            self._steps().cancel()
            if detail.get("restore_enabled") and self.job.activate == "never":
                self._steps().put_back()
        except DeviceError:  # it is silent, so it may be activating right now; the look that follows tells
            return False
        return True

    # -- the rest -----------------------------------------------------------------------------------------------------

    def services(self) -> dict[str, str]:
        """The port is open where the meter has just told who it is; otherwise a TCP connect tells."""
        if self._answered:
            return {"dlms": "open"}
        return dict(self._make(public_target(self.target)).services() if self.anonymous else self._steps().services())

    def lock(self) -> str:
        return "unlocked"

    def login(self) -> dict[str, Any]:
        """Reading was over this client's association already; what refused it altogether ended the task there."""
        if self._fault is not None:
            return {"state": "refused", "reason": self._fault.reason, "text": str(self._fault), "role": None, "free_space": None}
        return {"state": "ok", "reason": "", "text": "the meter has associated with this client", "role": None, "free_space": None}

    def find(self, serial: str) -> str | None:
        found = self._steps().find(serial)
        return str(found) if found else None

    def close(self) -> None:
        if self._inner is not None:
            self._inner.close()
            self._inner = None
