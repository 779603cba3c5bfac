# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The faults of a HEP meter, with their options and defaults."""

from __future__ import annotations

from typing import Any

from metersim import faults

CATALOGUE: dict[str, dict[str, tuple[Any, Any]]] = {
    "F-01": {},
    "F-14": {"silence": (float, 200.0)},
    "F-16": {},
    "F-17": {"what": (("both", "template", "energies"), "both"), "times": (int, 1)},
    "F-19": {},
    "F-25": {"offset": (int | float, 86400)},
    "F-26": {"user": (str, "USER1"), "protocol": (("ion", "modbus", "web", "sftp", "ssh"), "web"), "seconds": (float, 0.0)},
    "F-27": {"mode": (("lost_reply", "refused", "lost_request", "ignored"), "lost_reply"), "times": (int, 1)},
    "F-29": {"mode": (("legacy_support", "advanced", "standard_kept"), "legacy_support"), "users": (("kept", "deleted"), "deleted")},
    "F-31": {"mode": (("tls1.0", "tls1.1", "expired", "changed", "wrong_host"), "expired")},
    "F-32": {"mode": (("elsewhere", "port", "disabled"), "elsewhere"), "port": (int, 8081), "to": (str, "127.0.0.9")},
    "F-33": {"every": (int, 2), "after": (int, 65536)},
    "F-37": {
        "where": (("session", "security", "users", "modbus", "fc43", "all"), "security"),
        "kind": (("html", "non_ascii", "huge"), "html"),
    },
    "F-38": {"values": (dict, {}), "skip": (int, 0), "times": (int, 1)},
    "F-40": {"registers": (list, [])},
}


def normalise(raw: Any, where: str) -> dict[str, faults.Fault]:
    """Faults as ``{name: {option: value}}`` with defaults; ValueError in one line."""
    return faults.normalise(raw, where, CATALOGUE)
