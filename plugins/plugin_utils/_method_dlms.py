# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The method dlms: one signed image through the image transfer object, then its activation now, later or never."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, ClassVar

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Dlms, Target
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import constants
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.published_keys import FINDING, is_published_key
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.estimates import transfer_seconds
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.prechecks import Precheck, Situation
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.prechecks_dlms import (
    EMPTY,
    OTHER_HALF,
    OUR_HALF,
    OURS,
    judge_dlms,
    needed_words,
)
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.types import Attempt
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.dlms import DlmsSteps
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.dlms_rules import (
    ImageJob,
    pending_kind,
)
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.flow import HopResult
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.observe import Limits
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.steps import SendFile

from ._dlms import dlms_ledger, reserve_block
from ._dlms_steps import RecordedSteps
from ._method import Method, documented_limits

#: Ends after which nothing is left in the meter to go on with.
_GONE = frozenset({"verified", "verified_late", "failed_final"})
#: Bad ends before the activation after which the meter may still hold blocks, or end its check: the next run goes on (X-08).
_GOES_ON = frozenset({"transport_failed", "image_incomplete", "image_transfer_refused", "image_verification_late"})


class DlmsMethod(Method):
    """Upgrades of DLMS/COSEM meters (R-217…R-228)."""

    name: ClassVar[str] = "dlms"
    settles: ClassVar[bool] = False  # no document asks for a minute between meters of this family
    _told: dict[str, int]
    _waits = EMPTY  # what the second slot holds, once it was looked at

    def __init__(self, task: Any) -> None:
        super().__init__(task)
        self._told = {}

    @property
    def component(self) -> int:
        """The part that is upgraded: the named one, else the package's, else the application (R-213, R-215)."""
        task = self.task
        if task.rules.component is not None:
            return int(task.rules.component)
        packages = [task.package] if task.package is not None else task.wanted_packages()
        parts = {item.component for item in packages if item.component is not None}
        return int(parts.pop()) if len(parts) == 1 else int(constants.DLMS_B_APPLICATION.number)

    @property
    def stage_only(self) -> bool:
        return bool(self.task.rules.activate == "never")

    def limits(self) -> Limits:
        activation, idle = constants.DLMS_ACTIVATION_LIMIT.number, constants.DLMS_NOT_BEGUN.number
        return documented_limits(self.task, card_reset=float(activation), no_progress=float(idle), works_first=True)

    def files(self) -> list[SendFile]:
        return [item for item in super().files() if item.role == "image"]

    def _job(self, files: list[SendFile]) -> ImageJob:
        task, package = self.task, self.task.package
        image = files[0] if files else None
        return ImageJob(
            component=self.component,
            identifier=package.image_identifier if package else b"",
            expected=(str(task.rules.version),),
            expected_signature=(package.expected_signature or None) if package else None,
            path=image.path if image else "",
            size=image.size if image else 0,
            sha256=image.sha256 if image else "",
            activate=task.rules.activate,
            at=task.rules.activate_at or None,
            replace_pending="replace_pending" in task.rules.accept,
        )

    def steps(self, files: list[SendFile]) -> Any:
        task, job = self.task, self._job(files)

        def make(target: Target) -> Any:
            if task.remote is None:
                search = task.rules.search
                return DlmsSteps(target, job, task.hooks, ledger(), networks=search, accept_reset=self._resets())
            plain = {**asdict(job), "identifier": job.identifier.hex()}
            remote = task.remote(self.name, target, None, files, {"image": plain, "search": list(task.rules.search)})
            remote.knows = self._told
            remote.counters = lambda where, told, count: reserve_block(ledger(), where, told, count, self._resets())
            return remote

        def ledger() -> Any:
            # Reading over HLS spends counters, so this part of the records is written in check mode too.
            return dlms_ledger(task.params.get("records")) if task.check_mode else task.records.dlms

        return RecordedSteps(
            task.target,
            job,
            make,
            ledger,
            campaign=task.params["campaign"],
            tries_keys=not task.check_mode or bool(task.params["check_login"]),
            keeps=not task.check_mode,
            hooks=task.hooks,
            answered=task.reading is not None,
            remote=task.remote is not None,
            fill_gaps=bool(task.params.get("fill_gaps")),
        )

    def _resets(self) -> bool:
        return "counter_reset" in self.task.rules.accept

    def needed_words(self) -> dict[str, str]:
        return needed_words(self.component, self._signature())

    def _signature(self) -> str:
        return str(self.task.package.signature) if self.task.package else "absent"

    def gather(self, steps: Any) -> dict[str, Any]:
        task, package = self.task, self.task.package
        job = self._job(self.files())
        look = steps.gathered()
        kept = steps.ledger.transfer(task.reading.serial) if look and task.reading else None
        pending = pending_kind(look, job, kept) if look else EMPTY
        if pending == OTHER_HALF and task.params.get("fill_gaps"):
            pending = OUR_HALF
        self._waits = pending
        task.needed.update(needed_words(self.component, self._signature(), pending))
        return {
            "component": self.component,
            "signature": self._signature(),
            "image_identifier": bool(package and package.image_identifier),
            "size": job.size,
            "service": task.params.get("service"),
            "activate": task.rules.activate,
            "ahead": _ahead(task.rules.activate_at, task.target.clock.time()),
            "association": _association(task.target.dlms),
            "look": look,
            "pending": pending,
        }

    def judge(self, now: Situation) -> list[Precheck]:
        return judge_dlms(now)

    def rests(self, attempt: Attempt | None) -> str:
        """A schedule that is as wanted is left alone, and so is a meter that still tests its new firmware."""
        if attempt is None:
            return "staged" if self.stage_only and self._waits == OURS else ""
        kept = {**(attempt.before.get("steps") or {}), **(attempt.detail.get("steps") or {})}
        rests = str(attempt.detail.get("resting") or "")
        if attempt.method != self.name or attempt.target != str(self.task.rules.version):
            return ""
        wanted = (self.task.rules.activate, self.task.rules.activate_at or None)
        if rests == "scheduled" and wanted != (kept.get("activate"), kept.get("at")):
            return ""
        return rests if rests in ("scheduled", "activated_unconfirmed") else ""

    def arrived(self) -> None:
        serial = self.task.reading.serial if self.task.reading else None
        if serial and self.task.opaque and self.task.records.dlms.transfer(serial):
            self.task.records.dlms.end_transfer(serial, "current")

    def ended(self, outcome: str, reason: str) -> tuple[str, str]:
        serial = self.task.reading.serial if self.task.reading else None
        if serial and outcome in _GONE and reason not in _GOES_ON and self.task.records.dlms.transfer(serial):
            self.task.records.dlms.end_transfer(serial, outcome)
        return outcome, reason

    def recovery(self, outcome: str, reason: str) -> str:
        return "" if outcome in ("staged", "scheduled", "activated_unconfirmed") else super().recovery(outcome, reason)

    def result_fields(self, ended: HopResult) -> dict[str, Any]:
        sent = {key: ended.staged[key] for key in ("bytes", "blocks", "resumed_at", "rounds") if key in ended.staged}
        state = ended.detail.get("firmware_state") or {"staged": "checked"}.get(ended.outcome, ended.outcome)
        known = ("checked", "scheduled", "activated_unconfirmed", "confirmed")
        return {"firmware_state": state if state in known else "", **({"transfer": sent} if sent else {})}

    def notes(self) -> Mapping[str, Any]:
        least, most = transfer_seconds(sum(item.size for item in self.files()))
        return {"component": self.component, "activate": self.task.rules.activate, "transfer_seconds": [round(least), round(most)]}


def _ahead(at: str, now: float) -> float | None:
    return datetime.fromisoformat(at).timestamp() - now if at else None


def _association(dlms: Dlms | None) -> dict[str, Any]:
    """How this client associates, and what is to be said of its keys; no key."""
    if dlms is None:
        return {"authentication": "none", "protection": "none", "fault": "dlms is missing"}
    published = [name for name in ("guek", "gak", "gbek", "kek") if is_published_key(getattr(dlms.keys, name) or b"")]
    return {
        "authentication": dlms.authentication,
        "protection": dlms.protection,
        "fault": "",
        "findings": [f"{FINDING}: {name} is a key that the documents print" for name in published],
    }
