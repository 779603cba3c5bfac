# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The faults of an MCS301, with their options and defaults."""

from __future__ import annotations

from typing import Any

from metersim import faults

CATALOGUE: dict[str, dict[str, tuple[Any, Any]]] = {
    "F-01": {},
    "F-02": {"times": (int, 1)},
    "F-04": {"after": (int, 10), "stored": (bool, True), "down": (float, 0.0), "times": (int, 1)},
    "F-05": {"seconds": (float, 0.05)},
    "F-14": {"silence": (float, 200.0)},
    "F-16": {},
    "F-25": {"offset": (int | float, 86400)},
    "F-35": {"seconds": (float, 120.0), "times": (int, 1)},
    "F-36": {"after": (float, 86400.0), "mode": (("dead", "revert"), "revert"), "times": (int, 1)},
    "F-37": {
        "where": (("get", "action", "aare"), "get"),
        "kind": (("truncated", "length", "tag", "invoke", "empty"), "truncated"),
        "times": (int, 0),
    },
    "lose_blocks": {"every": (int, 5), "numbers": (list, []), "times": (int, 1)},
    "verify_failure": {"times": (int, 1)},
    "activation_failure": {"times": (int, 1)},
    "initiate_busy": {"times": (int, 2)},
    "block_busy": {"every": (int, 7), "times": (int, 3)},
    "counter_error": {"answer": (("bare", "close"), "bare")},
    "plaintext_answers": {"mode": (("plain", "weaker"), "plain"), "after": (int, 0), "times": (int, 0)},
    "replayed_answers": {"after": (int, 0), "times": (int, 0)},
    "wrong_pass4": {},
    "same_challenge": {},
    "told_counter": {"value": (int, 0), "mode": (("", "rolled_back", "absurd"), "")},
    "lost_key_answer": {"times": (int, 1)},
    "jumper_gate": {"classes": (list, [8, 15, 64])},
    "lockout": {"tries": (int, 3), "seconds": (float, 300.0)},
    "half_open": {"seconds": (float, 60.0)},
    "close_on_failure": {},
}


def normalise(raw: Any, where: str) -> dict[str, faults.Fault]:
    """Faults as ``{name: {option: value}}`` with defaults; ValueError in one line."""
    return faults.normalise(raw, where, CATALOGUE)
