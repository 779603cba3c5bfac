# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Whether a HEP meter that runs the new firmware also is what it was: template, energies, security mode (R-168…R-171, R-252, F-17, F-29). Pure.

``upgraded_unconfigured`` is neither success nor failure: the firmware is new, and the meter must not be used as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ..meters.hep_snapshot import Snapshot, blind, compare

UNCONFIGURED = "upgraded_unconfigured"
#: Settings that the maker changes with the firmware, or that are judged by themselves (R-189, R-236, R-252).
_EXPECTED = frozenset({"mode", "users", "web_protocol", "ftp", "telnet", "sftp"})


@dataclass(frozen=True)
class Verdict:
    """What the comparison says. ``reason`` is empty when all that could be read is as it should be."""

    reason: str = ""
    text: str = ""
    mode: str = "unknown"
    users: int | None = None
    review: bool = False
    warnings: tuple[str, ...] = ()
    changes: tuple[dict[str, Any], ...] = field(default_factory=tuple)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a result."""
        return {**asdict(self), "warnings": list(self.warnings), "changes": list(self.changes)}


def judge(before: Snapshot, after: Snapshot, prediction: Mapping[str, Any], tool_reason: str = "") -> Verdict:
    """The worst thing first: lost energies, no template, what the tool said of writing back, another mode than the documents tell."""
    losses = compare(before, after)
    energies = [loss for loss in losses if loss.kind == "register_data_loss"]
    template = [loss for loss in losses if loss.kind in ("template_missing", "template_changed")]
    mode, users = str(after.settings.get("mode") or "unknown"), after.settings.get("users")
    said: list[tuple[str, str]] = []
    if energies:
        lower = ", ".join(f"{loss.field.partition('.')[2]} {loss.before} to {loss.after}" for loss in energies)
        said.append(("register_data_loss", f"energy registers went down: {lower}"))
    for loss in template:
        words = "no template is loaded" if loss.kind == "template_missing" else f"template {loss.after} instead of {loss.before}"
        said.append((UNCONFIGURED, words))
    gone = [name for name in _read(before) if name not in _read(after)]
    if gone:
        said.append((UNCONFIGURED, f"{', '.join(gone)} could be read before and cannot be read now"))
    if tool_reason:
        said.append((tool_reason, "ION Setup could not write the saved registers back"))
    said += _other_mode(prediction, mode, before.settings.get("users"), users)
    warnings = [f"{loss.field.partition('.')[2]}: {loss.before} before, {loss.after} now" for loss in losses if _surprising(loss)]
    warnings += [f"{name} cannot be compared: {why}" for name, why in blind(before, after).items() if name in ("template", "energies")]
    review = prediction.get("mode") == "unknown" and prediction.get("rules") == ["G-11"]
    if review:
        shown = mode if mode != "unknown" else "not readable"
        warnings.append(f"security mode is {shown} now; no document tells what it should be (G-11): look at this meter before the next")
    return Verdict(
        reason=said[0][0] if said else "",
        text="; ".join(text for dummy, text in said),
        mode=mode,
        users=users if isinstance(users, int) else None,
        review=review,
        warnings=tuple(warnings),
        changes=tuple(asdict(loss) for loss in losses),
    )


def _read(one: Snapshot) -> list[str]:
    """Template and energies that this side could read."""
    return [*(["template"] if one.template is not None else []), *(name for name, value in one.energies.items() if value is not None)]


def _other_mode(prediction: Mapping[str, Any], mode: str, had: Any, users: Any) -> list[tuple[str, str]]:
    """What is not as predicted, where the prediction says something and the meter tells (R-252, R-253, R-189, F-29)."""
    reason, wanted = "post_security_mode_unexpected", prediction.get("mode", "unknown")
    if "unknown" in (wanted, mode):
        return []
    if mode != wanted:
        return [(reason, f"the security mode is {mode}; {wanted} was predicted")]
    created = len(prediction.get("users_created") or ())
    if prediction.get("users_removed") is False and None not in (had, users) and users != had:
        return [(reason, f"the meter has {users} users; that all {had} stay was predicted")]
    if prediction.get("users_removed") and isinstance(users, int) and users != created:
        return [(reason, f"the meter has {users} users; that all were deleted and {created} made was predicted")]
    return []


def _surprising(loss: Any) -> bool:
    return loss.kind == "setting_changed" and loss.field.partition(".")[2] not in _EXPECTED
