# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One step of an upgrade on a jump host: opens the sealed value, runs the step, returns plain data.

A jump host compiles whatever is imported anew for each step: each method is imported only where it is used.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import asdict, is_dataclass
from typing import Any

from ._dlms_options import dlms_from, dlms_secrets
from ._engine.base.clock import clock_for
from ._engine.base.errors import DeviceError, InputError
from ._engine.base.redaction import Redactor
from ._engine.base.target import Credential, Target, Timeouts, Tls

STEPS = frozenset({"identify", "services", "lock", "login", "stage", "trigger", "observe", "find"})
#: What the method ion asks beside.
ION_STEPS = frozenset({"snapshot"})
#: Steps of the image transfer beside those of every method.
IMAGE_STEPS = frozenset({"look", "cancel", "put_back", "told"})
#: Steps that change a meter, or may.
_CHANGES = frozenset({"stage", "trigger", "cancel", "put_back"})


def run_step(sealed: str | None) -> dict[str, Any]:
    """``{step_result}`` or ``{device_error}``. Raises InputError for a value that this collection did not make."""
    step, payload = _open(sealed)
    steps = _steps(payload)
    redactor = Redactor(item.password for item in steps.target.credentials.values())
    for secret in dlms_secrets((payload["target"].get("dlms") or {}).get("keys") or {}):
        redactor.add(secret)
    try:
        if step == "told":  # the one thing that is asked before there are counters
            from ._engine.wire.dlms.session import told_floor

            value: Any = told_floor(steps.target) - 1  # -1 where the meter does not tell
        else:
            value = getattr(steps, step)(**payload["arguments"])
    except DeviceError as error:
        fault = {"stage": error.stage, "reason": error.reason, "text": error.text, "device_text": error.device_text}
        return {"changed": False, "device_error": redactor.clean(fault)}
    finally:
        left = _left(steps) if step == "stage" else None
        steps.close()
    plain = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
    return {"changed": step in _CHANGES, "step_result": redactor.clean(plain), **({"session": left} if left else {})}


def _left(steps: Any) -> str | None:
    """The web session that the upload left, for the step after it: as opaque as the credentials are on their way here."""
    state = steps.leave_session() if hasattr(steps, "leave_session") else None
    return base64.b64encode(json.dumps(state).encode()).decode() if state else None


def _state(sealed: str | None) -> dict[str, Any] | None:
    return json.loads(base64.b64decode(sealed)) if sealed else None


def _open(sealed: str | None) -> tuple[str, dict[str, Any]]:
    try:
        document = json.loads(base64.b64decode(sealed or "", validate=True))
        step, payload = document["step"], document["payload"]
    except (binascii.Error, ValueError, KeyError, TypeError):
        step, payload = "", {}
    if step not in STEPS | IMAGE_STEPS | ION_STEPS:
        accepted = "a value made by this collection's own action; run meter_firmware as a task, not as a bare module"
        raise InputError("sealed", None, accepted, "design 3", secret=True)
    return step, payload


def _steps(payload: dict[str, Any]) -> Any:
    given = payload["target"]
    target = Target(
        name=given["name"],
        host=given["host"],
        ports=given["ports"],
        unit_id=given["unit_id"],
        timeouts=Timeouts(**given["timeouts"]),
        gateway=given["gateway"],
        credentials={role: Credential(**item) for role, item in given["credentials"].items()},
        tls=Tls(**given["tls"]),
        clock=clock_for(given["host"], payload["clock_factor"]),
        family=given.get("family", "pm5000"),
        dlms=dlms_from(given["dlms"]) if given.get("dlms") else None,
    )
    return _of_image(target, payload) if payload["method"] == "dlms" else _of_method(target, payload)


def _of_method(target: Target, payload: dict[str, Any]) -> Any:
    """Steps over Modbus, FTP and webpages."""
    from ._engine.upgrade.steps import MeterSteps, SendFile

    common = (target, payload["profile"], [SendFile(**item) for item in payload["files"]], payload["search"])
    if payload["method"] == "ftp":
        from ._engine.upgrade.ftp import FtpSteps

        return FtpSteps(*common, read_back=payload["read_back"])
    if payload["method"] == "web":
        from ._engine.upgrade.web import WebSteps

        return WebSteps(*common, role=payload["role"], web_session=payload["web_session"], state=_state(payload.get("session")))
    if payload["method"] == "tool":
        from ._engine.upgrade.tool import ToolSteps

        return ToolSteps(*common)
    if payload["method"] == "ion":
        from ._engine.upgrade.ion import IonSteps

        return IonSteps(*common)
    return MeterSteps(*common)


def _of_image(target: Target, payload: dict[str, Any]) -> Any:
    """Steps of an image transfer over DLMS; the block of counters is the controller's, and without protection none is spent."""
    from ._engine.upgrade.dlms import DlmsSteps, ImageJob
    from ._engine.upgrade.steps import Silence
    from ._engine.wire.dlms.session import BlockCounters, MemoryCounters

    image = {
        **payload["image"],
        "identifier": bytes.fromhex(payload["image"]["identifier"]),
        "expected": tuple(payload["image"]["expected"]),
    }
    job = ImageJob(**{**image, "path": payload["files"][0]["path"] if payload["files"] else ""})
    counters = BlockCounters(**payload["counters"]) if payload.get("counters") else MemoryCounters()
    steps = DlmsSteps(target, job, Silence(), counters, floor=0, networks=payload["search"])
    steps.restore_enabled = bool(payload.get("restore_enabled"))
    return steps
