# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The method web: one package through the meter's own webpages, which a profile describes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from ansible_collections.gridops.metering.plugins.module_utils._engine.artifacts.manifest import faults
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import accept, constants
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.prechecks import Precheck, Situation
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.prechecks_web import NEEDED_SECTIONS, judge_web
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.types import Attempt
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.observe import Limits
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.steps import SendFile
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.web import ROLES, WebSteps, scheme

from ._firmware_helper import LoginHelper
from ._method import Method, documented_limits

#: Ends after which the documents send a person to the meter before anything else is tried (R-149…R-151).
_IN_DOUBT = frozenset(
    {"stalled", "comms_lost", "ip_changed", "upgrade_state_unknown", "web_upgrade_failed", "deadline_exceeded", "wrong_version_after"}
)


class WebMethod(Method):
    """Upgrades of the new firmware generation (R-130…R-155)."""

    name: ClassVar[str] = "web"

    def __init__(self, task: Any) -> None:
        super().__init__(task)
        argv = task.params.get("login_helper") or []
        self.helper = LoginHelper(task, argv) if argv else None

    @property
    def roles(self) -> tuple[str, ...]:  # type: ignore[override]
        """No account is needed where cookies and headers are given."""
        return () if self.task.params.get("web_session") else ROLES

    def check(self) -> None:
        if self.helper is not None:
            self.helper.check()

    def profile(self) -> dict[str, Any] | None:
        return self.task.web_profile

    def limits(self) -> Limits:
        """The meter works while it answers (about 300 s), then is silent for at most 40 s (R-142, R-143)."""
        resume = self.task.rules.waits["resume"]
        return documented_limits(self.task, card_reset=resume, works_first=True, retry_failed=False, failed_reason="web_upgrade_failed")

    def steps(self, files: list[SendFile]) -> Any:
        task, given = self.task, self.task.params.get("web_session")
        role = self.role() or ROLES[0]
        if task.remote is not None:
            options = {"search": list(task.rules.search), "role": role, "web_session": given}
            remote = task.remote("web", task.target, self.profile(), files, options)
            remote.helper = self.helper
            return remote
        helper = self.helper
        return WebSteps(task.target, self.profile(), files, task.rules.search, task.hooks, role=role, web_session=given, helper=helper)

    def needed_words(self) -> dict[str, str]:
        profile = self.profile()
        if profile is None or profile.get("verified") is True:
            return {}
        text = f"unverified_profile: profile {profile['name']} drives the upgrade and was never verified on a real meter"
        if text not in self.task.warnings:
            self.task.warnings.append(text)
        return {"unverified_profile": accept.WORDS["unverified_profile"].reason}

    def gather(self, steps: Any) -> dict[str, Any]:
        task, profile, package = self.task, self.profile() or {}, self.task.package
        found: dict[str, Any] = {
            "scheme": scheme(profile),
            "profile": profile.get("name"),
            "verified": profile.get("verified"),
            "missing_sections": _missing(profile) if profile else [],
            "role": self.role() or ("the given web session" if not self.roles else None),
            "signature": package.signature if package else "absent",
            "corrupt_reports": task.records.corrupt_reports(task.params["campaign"], package.digest) if package else 0,
        }
        last = self._last()
        if last is not None and last.reason in _IN_DOUBT:
            found["bad_end"] = last.reason
            found["attest_is_older"] = _older(task.rules.attest.get("at"), last.finished)
        return found

    def _last(self) -> Attempt | None:
        serial = self.task.reading.serial if self.task.reading else None
        history = [item for item in self.task.records.attempt_history(serial) if item.state != "not_started"] if serial else []
        return history[-1] if history and history[-1].method == self.name else None

    def judge(self, now: Situation) -> list[Precheck]:
        return judge_web(now)

    def why_not(self, number: int) -> str:
        """Before a fresh try after a damaged image, the package is hashed again (R-147); a suspect one goes to no meter (R-148)."""
        package = self.task.package
        if package is None:
            return ""
        if self.task.records.corrupt_reports(self.task.params["campaign"], package.digest) >= constants.CORRUPT_REPORTS.number:
            return "artifact_suspect"
        if number:
            return next((fault.reason for fault in faults(package)), "")
        return ""

    def ended(self, outcome: str, reason: str) -> tuple[str, str]:
        package = self.task.package
        if reason == "image_invalid_or_corrupted" and package is not None:
            reports = self.task.records.corrupt_reports(self.task.params["campaign"], package.digest)
            if reports >= constants.CORRUPT_REPORTS.number:
                return "failed_final", "artifact_suspect"
        return outcome, reason

    def recovery(self, outcome: str, reason: str) -> str:
        """The 10 s without power is for an upgrade that hangs or a meter that is gone, not for one that said no (R-149, R-150)."""
        if reason in _IN_DOUBT or outcome in ("comms_lost", "escalate_vendor"):
            return super().recovery(outcome, reason)
        if outcome == "not_responding":
            return "Do nothing at the meter yet; it is looked at once more."
        return ""

    def notes(self) -> Mapping[str, Any]:
        return {"sessions_dropped": True}


def _missing(profile: Mapping[str, Any]) -> list[str]:
    """Steps that a profile must describe, and does not."""
    needed = [*NEEDED_SECTIONS, *([] if (profile.get("upload") or {}).get("applies_at_once") else ["confirm"])]
    return [name for name in needed if name not in profile]


def _older(said: Any, ended: float | None) -> bool:
    """Whether what a person attested, with a date, was said before that end."""
    try:
        at = datetime.fromisoformat(str(said))
    except ValueError:
        return False
    return ended is not None and at.timestamp() < ended
