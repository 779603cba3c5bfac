# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a method of upgrading adds to the task: its options, files, steps, prechecks, limits and slots."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import recovery
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.prechecks import Precheck, Situation
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.types import Attempt
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.flow import HopResult
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.observe import Limits
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.steps import SendFile

if TYPE_CHECKING:
    from ._firmware import FirmwareTask


class Method:
    """One method for one task. Subclasses are listed in ``_method_registry``; all of them are made and checked before any contact."""

    name: ClassVar[str] = ""
    #: Roles of accounts that may do this upgrade, the preferred one first. Any one of them must be given; empty means none.
    roles: ClassVar[tuple[str, ...]] = ()
    #: Meter seconds between two attempts inside one task (R-119).
    retry_hold: ClassVar[float] = 0.0
    #: What a failed_retryable upgrade ends as when no retry is left.
    exhausted: ClassVar[str] = "failed_final"
    #: Whether the documented minute after a good upgrade holds for it (R-089).
    settles: ClassVar[bool] = True

    def __init__(self, task: FirmwareTask) -> None:
        self.task = task

    def check(self) -> None:
        """Raise InputError for options of this method that are not of the documented form. Nothing was contacted yet."""

    def role(self) -> str | None:
        """The role of the given account that this method uses, or None where none was given."""
        return next((role for role in self.roles if role in self.task.target.credentials), None)

    def profile(self) -> dict[str, Any] | None:
        """The profile of the pages that this method sees."""
        return self.task.profile

    def slot(self) -> tuple[str, int]:
        """Group of slots, and how many upgrades may run in it at once. Undocumented for ftp and web (G-18)."""
        return self.name, self.task.rules.cap

    def limits(self) -> Limits:
        """Deadlines of the observation."""
        raise NotImplementedError

    def files(self) -> list[SendFile]:
        """The files of the task's package, in the order in which they are sent. Empty without a package."""
        package = self.task.package
        return [SendFile(item.name, item.role, item.sha256, item.size, str(item.path)) for item in package.files] if package else []

    def plan_files(self) -> list[str]:
        """The files as the plan shows them."""
        return [item.name for item in self.files()]

    def steps(self, files: list[SendFile]) -> Any:
        """The steps against the meter: in this process, or through ``task.remote`` on a jump host."""
        raise NotImplementedError

    def needed_words(self) -> dict[str, str]:
        """Words of ``accept`` that this method needs beside those of the matrix, each with its reason code."""
        return {}

    @property
    def stage_only(self) -> bool:
        """Whether the meter gets the firmware and is not told to install it."""
        return False

    def rests(self, attempt: Attempt | None) -> str:
        """The outcome where a run would change nothing, because the meter rests as it is wanted to; ``attempt`` is its open one."""
        return ""

    def arrived(self) -> None:
        """The meter already runs what is wanted: forget what was kept for the way there."""

    def gather(self, steps: Any) -> dict[str, Any]:
        """Facts of this method for its prechecks, asked before the login. Raises nothing for a meter that does not answer."""
        return {}

    def judge(self, now: Situation) -> list[Precheck]:
        """The prechecks in the documented order."""
        raise NotImplementedError

    def why_not(self, number: int) -> str:
        """A reason code against the next attempt, or nothing. ``number`` counts the attempts of this task from 0."""
        return ""

    def ended(self, outcome: str, reason: str) -> tuple[str, str]:
        """Outcome and reason of a hop as the task reports them, after a look at the records."""
        return outcome, reason

    def result_fields(self, ended: HopResult) -> dict[str, Any]:
        """What the result of a hop has beside the fields that all methods share."""
        return {}

    def recovery(self, outcome: str, reason: str) -> str:
        """What a person does about a bad end, and what not. Each method has its own advice (G-08)."""
        return recovery.RECOVERY[self.name].text

    def notes(self) -> Mapping[str, Any]:
        """What the plan says about this hop beside files and versions."""
        return {}


def data_home(*parts: str) -> str:
    """A folder of this collection in the user's data folder, for what is kept where no option says so."""
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return str(Path(base, "gridops.metering", *parts))


def attested_at(said: Any) -> float | None:
    """A date of an attestation as seconds; None where it has none that can be read."""
    try:
        return datetime.fromisoformat(str(said)).timestamp()
    except ValueError:
        return None


def documented_limits(task: FirmwareTask, **changes: Any) -> Limits:
    """The limits out of the options, with what is different for one method."""
    waits = task.rules.waits
    given: dict[str, Any] = {"card_reset": waits["card_reset"], "stall": waits["stall"], "hard_timeout": waits["hard_timeout"], **changes}
    return Limits(**given)
