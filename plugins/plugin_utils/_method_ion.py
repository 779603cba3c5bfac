# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The method ion: ION Setup upgrades a HEP meter; this collection prepares, limits, waits, compares and proves (R-161…R-192)."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError, InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import accept, constants
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.models import HEP
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.versions import Dotted, Version
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning import prechecks_ion as rules_ion
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.estimates import serial_seconds
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.prechecks import Precheck, Situation
from ansible_collections.gridops.metering.plugins.module_utils._engine.profiles.loader import load_profile
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.flow import HopResult
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.ion import EXIT_REASONS, IonSettings, IonSteps
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.observe import Limits
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.steps import SendFile

from ._method import Method, attested_at, data_home, documented_limits

ROLE = "admin"
_PLACES = ("{package}", "{password}", "{user}", "{address}", "{logs}")


class IonMethod(Method):
    """The only documented way of a HEP meter to newer firmware (rows H-1, H-2)."""

    name: ClassVar[str] = "ion"
    roles: ClassVar[tuple[str, ...]] = ()  # with manual the technician has the account; the prechecks say what is missing

    def __init__(self, task: Any) -> None:
        super().__init__(task)
        self.options: Mapping[str, Any] = {key: value for key, value in (task.params.get("ion") or {}).items() if value is not None}
        self.mode = task.params.get("tool_mode") or "manual"
        self._profile: dict[str, Any] | None = None
        self._seen: dict[str, Any] = {}

    # -- options ------------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise InputError for options that cannot work, before any contact; those of other families' meters are not looked at."""
        if self.task.target.family != HEP:
            return
        named = self.task.params.get("security_profile")
        self._profile = load_profile(named, "security_profile", HEP) if named else self.task.profile
        if self.mode == "command":
            for name in ("host", "command", "handover_dir"):
                if not self.options.get(name):
                    raise InputError(f"ion.{name}", None, "a value, because tool_mode is command", "R-246")
        for name in ("command", "review"):
            for word in self.options.get(name) or ():
                unknown = set(re.findall(r"\{[a-z_]+\}", word)) - set(_PLACES)
                if unknown:
                    raise InputError(f"ion.{name}", sorted(unknown)[0], "only the places " + ", ".join(_PLACES), "R-246")
        if self.options.get("setup_version"):
            Dotted.parse(str(self.options["setup_version"]), "ion.setup_version")
        baud = self.options.get("baud")
        low, high = constants.ION_BAUD_MIN.number, constants.ION_BAUD_MAX.number
        if baud is not None and not low <= baud <= high:
            raise InputError("ion.baud", baud, f"bits per second from {low} to {high}", "R-177")
        self._exit_reasons()

    def _exit_reasons(self) -> dict[int, str]:
        given: dict[int, str] = {}
        for code, reason in (self.options.get("exit_reasons") or {}).items():
            if not str(code).isdigit() or reason not in EXIT_REASONS:
                accepted = f"exit codes with one of {', '.join(EXIT_REASONS)}"
                raise InputError("ion.exit_reasons", f"{code}: {reason}", accepted, "R-169")
            given[int(code)] = str(reason)
        return given

    @property
    def transport(self) -> str:
        """How ION Setup reaches the meter (R-174, R-177, R-178)."""
        target = self.task.target
        behind = bool(target.gateway) or target.unit_id != constants.UNIT_ID.number
        return rules_ion.transport_of(self.options.get("transport"), behind)

    def profile(self) -> dict[str, Any] | None:
        """The profile with the setup registers of this meter."""
        return self._profile

    # -- what the flow asks ---------------------------------------------------------------------------------------------

    def slot(self) -> tuple[str, int]:
        """No document gives a number (G-18). What goes over an unreliable way goes alone (R-174, R-177)."""
        cap = 1 if rules_ion.unreliable(self.transport) else self.task.rules.cap
        return f"ion:{self.options.get('host', 'manual')}", cap

    def limits(self) -> Limits:
        """ION Setup works while the meter answers, then the meter restarts; a serial line stretches all of it (R-177)."""
        changes: dict[str, Any] = {"works_first": True, "failed_reason": "tool_failed", "retry_failed": False}
        watched = max(self.task.rules.waits["hard_timeout"], constants.TOOL_DEADLINE.number) + constants.ION_PROGRAMMING.number
        if self.transport == rules_ion.SERIAL and self.task.package is not None:
            watched += serial_seconds(self.task.package.size, self.options.get("baud"))[1]
        changes["hard_timeout"] = float(constants.HANDOVER_HOLD.number if self.mode == "manual" else watched)
        return documented_limits(self.task, **changes)

    def steps(self, files: list[SendFile]) -> Any:
        task = self.task
        far = None
        if task.remote is not None:  # the meter is read from the jump host, the tool's computer is reached from here
            far = task.remote(self.name, task.target, self.profile(), [], {"search": list(task.rules.search)})
        host = task.tool_host(str(self.options["host"])) if self.mode == "command" and task.tool_host is not None else None
        return IonSteps(task.target, self.profile(), files, task.rules.search, task.hooks, self._settings(), host, self._password(), far)

    def _settings(self) -> IonSettings:
        task, options = self.task, self.options
        factor = task.rules.clock_factor
        account = task.target.credentials.get(ROLE)
        given = str(options.get("handover_dir") or "")
        return IonSettings(
            mode=self.mode,
            base=given if self.mode == "command" else os.path.expanduser(given) or data_home("handover"),
            campaign=task.params["campaign"],
            command=tuple(options.get("command") or ()),
            review=tuple(options.get("review") or ()),
            exit_ok=tuple(options.get("exit_ok") or (0,)),
            encoding=str(options.get("encoding") or ""),
            logs_to=str(options.get("logs_to") or data_home("tool-logs")),
            tool_version=str(options.get("setup_version") or ""),
            cap=self.slot()[1],
            wait=float(task.params.get("wait") or 0.0),
            not_started=bool(task.rules.attest.get("tool_not_started")),
            not_started_at=attested_at(task.rules.attest.get("at")),
            model=task.model.name,
            target=str(task.hop.target) if task.hop is not None else "",
            real_seconds=lambda seconds: seconds / factor,
            least=str(self._least()) if task.hop is not None else "",
            user=account.user if account is not None else "",
            transport=self.transport,
            exit_reasons=self._exit_reasons(),
            prediction=self.prediction().as_dict() if task.hop is not None else {},
            notes=tuple(self._notes()),
        )

    def _password(self) -> str:
        """The password for a file on the tool's host; a technician gets none."""
        account = self.task.target.credentials.get(ROLE)
        return account.password if account is not None and self.mode == "command" else ""

    # -- judging ------------------------------------------------------------------------------------------------------

    def _least(self) -> Dotted:
        target = self.task.hop.target if self.task.hop is not None else None
        if not isinstance(target, Version):
            target = self.task.rules.version
        stated = self.task.package.min_ion_setup if self.task.package is not None else ""
        return rules_ion.minimum_ion_setup(self.task.model, target, stated)  # type: ignore[arg-type]

    def security_mode(self) -> tuple[str, bool]:
        """The mode that the meter tells, else the attested one, else unknown; and whether it is attested."""
        told = (self._seen.get("settings") or {}).get("mode")
        said = self.task.rules.attest.get("security_mode")
        return (str(told), False) if told else (str(said), True) if said else ("unknown", False)

    def prediction(self) -> rules_ion.Prediction:
        """Security after this task's hop, as the documents tell it."""
        task = self.task
        target = task.hop.target if task.hop is not None and isinstance(task.hop.target, Version) else task.rules.version
        return rules_ion.predict_mode(task.model, task.source, self.security_mode()[0], target)  # type: ignore[arg-type]

    def needed_words(self) -> dict[str, str]:
        package = self.task.package
        words = rules_ion.accept_words(package is not None and package.bare, self.transport, self.options.get("gateway_model"))
        return {word: accept.WORDS[word].reason for word in words}

    def gather(self, steps: Any) -> dict[str, Any]:
        task, account = self.task, self.task.target.credentials.get(ROLE)
        try:
            self._seen = steps.snapshot()
        except DeviceError:
            self._seen = {}
        settings = self._seen.get("settings") or {}
        mode, attested = self.security_mode()
        found: dict[str, Any] = {
            "mode": self.mode,
            "host": self.options.get("host"),
            "setup_version": self.options.get("setup_version"),
            "least_ion_setup": str(self._least()),
            "min_ion_setup": task.package.min_ion_setup if task.package is not None else "",
            "bare": task.package is not None and task.package.bare,
            "transport": self.transport,
            "gateway_model": self.options.get("gateway_model"),
            "baud": self.options.get("baud"),
            "has_admin": account is not None,
            "numeric_password": None if account is None else _numeric(account.password),
            "security_mode": mode,
            "mode_attested": attested,
            "prediction": self.prediction().as_dict(),
            "revenue_lock": {"locked": True, "unlocked": False}.get(str(settings.get("revenue_lock"))),
            "consumers": task.params.get("consumers") or (),
            "snapshot": {
                "template": self._seen.get("template") is not None,
                "energies": any(value is not None for value in (self._seen.get("energies") or {}).values()),
            },
        }
        try:
            steps.reaches()
        except DeviceError as error:
            found["host_fault"] = error.text
        return found

    def judge(self, now: Situation) -> list[Precheck]:
        return rules_ion.judge_ion(now)

    # -- plan and result ----------------------------------------------------------------------------------------------

    def _notes(self) -> list[str]:
        package = self.task.package
        size = package.size if package is not None else 0
        return rules_ion.plan_notes(self.task.params.get("consumers") or (), self.transport, size, self.options.get("baud"))

    def notes(self) -> Mapping[str, Any]:
        task = self.task
        hop = task.hop
        own = [*(hop.notes if hop is not None else ()), *self._notes()]
        users = (self._seen.get("settings") or {}).get("users")
        prediction = self.prediction().as_dict()
        removed = users if prediction["users_removed"] else 0 if prediction["users_removed"] is False else None
        return {
            "tool_mode": self.mode,
            "ion_setup": {"needed": str(self._least()), "installed": self.options.get("setup_version")},
            "transport": self.transport,
            "security": {**prediction, "users_before": users, "users_deleted": removed},
            "notes": list(dict.fromkeys([*own, *prediction["notes"]])),
            "at_once": self.slot()[1],
        }

    def result_fields(self, ended: HopResult) -> dict[str, Any]:
        """Mode and users as they were found, and what the comparison warns of."""
        found: Mapping[str, Any] = ended.detail.get("configuration") or {}
        if not found:
            return {}
        fields: dict[str, Any] = {"warnings": [*self.task.warnings, *ended.warnings, *found.get("warnings", ())]}
        if ended.after is not None and "mode" in found:
            fields["after"] = {**ended.after, "security_mode": found["mode"], "users": found["users"], "review": found["review"]}
        return fields


def _numeric(password: str) -> bool:
    """Whether ION Setup takes this password under Legacy security support (R-258, R-259)."""
    return password.isascii() and password.isdigit() and len(password) <= constants.LSS_PASSWORD_LENGTH.number
