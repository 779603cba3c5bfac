# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's side of the security of HEP and PM5000 meters: options, profile, records, and the run."""

from __future__ import annotations

import getpass
import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.gridops.metering.plugins.module_utils._argspec import check_attest, target_from
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.profiles.expressions import require_library
from ansible_collections.gridops.metering.plugins.module_utils._engine.profiles.loader import load_profile
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import open_records
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.diagnosis import case_from
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.review import expected
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.settings_apply import apply_changes
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.settings_run import SettingsRun
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.settings_session import Options, Report
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.wanted import wanted_from

from ._security import ControllerDesk


def security_profile(params: Mapping[str, Any], family: str) -> dict[str, Any] | None:
    """The profile that tells of settings: ``security_profile``, else ``profile``. Raises InputError."""
    option = "security_profile" if params.get("security_profile") is not None else "profile"
    given = params.get(option)
    if given is None:
        return None
    if not isinstance(given, str):
        raise InputError(option, given, "the name of a shipped profile, or the path of a profile file", "design 2")
    profile = load_profile(given, option, family)
    require_library(profile)
    return profile


def run_settings(params: Mapping[str, Any], host: str, *, change: bool, check: bool) -> Report:
    """One meter, from this process. Raises MeteringError: for bad input before any contact."""
    target = target_from(params, host)
    wanted = wanted_from(params, target.family, managed=change)
    profile = security_profile(params, target.family)
    case_from(params.get("diagnose"))
    login = bool(params.get("check_login"))
    # A login is written down before it is sent, also in check mode where one was asked for.
    records = open_records(params.get("records"), getpass.getuser(), read_only=check and not login)
    options = Options(
        change=change,
        check=check,
        check_login=login,
        try_default=bool(params.get("default_credentials")),
        diagnose=params.get("diagnose"),
        attest=check_attest(params.get("attest")),
        handover_dir=params.get("handover_dir"),
        run=f"{time.time_ns():x}",  # names of exports of one second still have an order
        expect=expected(params.get("expect")),
        upgraded=lambda serial: serial in records.upgraded_by("ion"),
    )
    desk = ControllerDesk(records, params.get("campaign") or "adhoc", check or not change)
    try:
        return SettingsRun(target, wanted, profile, records.secrets, desk, options, apply_changes).run()
    finally:
        desk.release()
