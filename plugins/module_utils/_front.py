# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The frame of every module's main(): used on jump hosts, where the collection runs as a module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ._engine.base.errors import MeteringError
from ._engine.base.redaction import Redactor
from ._errors import describe_error, internal_error
from ._sealed import maskable, secrets_in, unseal


def run_module(module: AnsibleModule, work: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Open the sealed options, do ``work`` and leave with its result, or with one sentence and no traceback."""
    redactor = Redactor()
    try:
        params = unseal(module.params)
        module.no_log_values.update(maskable(params))
        for secret in secrets_in(params):
            redactor.add(secret)
        result = work(params)
    except MeteringError as exc:
        result = describe_error(exc, "run")
    except Exception as exc:
        result = internal_error(exc, "run")
    cleaned: dict[str, Any] = redactor.clean(result)
    if cleaned.pop("failed", False):
        module.fail_json(**cleaned)
    module.exit_json(**cleaned)


def controller_only(module: AnsibleModule) -> None:
    """For modules whose work is done by their action: called as a module, on a jump host, there is nothing to do."""
    module.fail_json(msg="this module runs in the controller's process only: use it through its action, not on a jump host")
