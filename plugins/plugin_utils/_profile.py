# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What facts need of a profile: its registers. Read on the controller; what runs elsewhere gets the content.

The full check of a profile needs a schema library that takes longer to load than a meter takes to be read, so only
the part that is used is checked here; the modules that write check all of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.meters.hep_registers import profile_fields

_SHIPPED = Path(__file__).resolve().parents[1] / "module_utils" / "_engine" / "profiles" / "data"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


_HEP_PARTS = ("settings", "template", "energies")


def register_profile(profile: Any) -> dict[str, Any] | None:
    """Name, mark and registers for reading of a profile given by name, by path or as content. Raises InputError."""
    if profile is None:
        return None
    document = profile if isinstance(profile, Mapping) else _read(str(profile))
    shown = document.get("name", "the given content")
    registers = document.get("registers") or {}
    lock = registers.get("mid_lock")
    if lock is not None:
        _check_lock(lock, f"profile {shown}: registers.mid_lock")
    found = {"mid_lock": lock} if lock else {}
    found.update({part: registers[part] for part in _HEP_PARTS if registers.get(part)})
    made = {"name": shown, "verified": document.get("verified") is True, "registers": found}
    profile_fields(made)
    return made


def _read(name: str) -> Mapping[str, Any]:
    path = Path(name).expanduser() if "/" in name or name.endswith((".yml", ".yaml")) else _SHIPPED / f"{name}.yml"
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)
    except (OSError, UnicodeDecodeError):
        names = ", ".join(sorted(item.stem for item in _SHIPPED.glob("*.yml")))
        raise InputError("profile", name, f"one of {names}, or the path of a readable profile file", "design 2") from None
    except yaml.YAMLError:
        raise InputError("profile", name, "a file of valid YAML", "design 2") from None
    if not isinstance(document, Mapping) or not isinstance(document.get("registers") or {}, Mapping):
        raise InputError("profile", name, "a mapping with name, family, provenance, verified, registers", "design 2")
    return document


def _check_lock(lock: Any, where: str) -> None:
    right = isinstance(lock, Mapping) and lock.get("register") in (1920, 1921)
    if not right or not all(
        isinstance(lock.get(key), list) and all(isinstance(v, int) for v in lock[key]) for key in ("locked", "unlocked")
    ):
        raise InputError(where, lock, "register (1920 or 1921), locked and unlocked (lists of numbers)", "R-047")
