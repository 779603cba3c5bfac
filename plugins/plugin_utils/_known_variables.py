# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every variable that a part of this collection takes from an inventory, for telling mistyped ones."""

from __future__ import annotations

import functools
from pathlib import Path

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.documents import parse_yaml

_COLLECTION = Path(__file__).resolve().parents[2]
#: Beside the options of modules and roles: those of playbooks, and those that plugins make.
_MORE = (
    "audit_file", "facts", "har", "har_host", "har_password", "har_user", "harden", "hosts", "peer_group", "probe_login", "probe_mask",
    "profile_draft", "profile_force", "read", "report_campaigns", "report_formats", "rollout_outcome", "rollout_reason", "users",
)  # fmt: skip


@functools.cache
def known_variables() -> frozenset[str]:
    """Their names: ``metering_<option>`` of every module, the options of every role, and some more."""
    return frozenset({*(f"metering_{name}" for name in (*_MORE, *_of_modules())), *_of_roles()})


def _of_modules() -> set[str]:
    """Options as the modules document them, in the modules themselves and in their fragments."""
    found: set[str] = set()
    for part in ("modules", "doc_fragments"):
        for path in (_COLLECTION / "plugins" / part).glob("*.py"):
            found |= _documented(path.read_text(encoding="utf-8"))
    return found


def _documented(text: str) -> set[str]:
    found: set[str] = set()
    for part in text.split('r"""')[1:]:
        document = part.split('"""', 1)[0]
        if "\noptions:" in f"\n{document}":
            parsed = parse_yaml(document, "documentation", "design 4.0")
            found |= set(parsed.get("options") or {})
    return found


def _of_roles() -> set[str]:
    found: set[str] = set()
    for path in (_COLLECTION / "roles").glob("*/meta/argument_specs.yml"):
        specs = parse_yaml(path.read_text(encoding="utf-8"), path.name, "design 4.0", own=True)["argument_specs"]
        found |= {name for entry in specs.values() for name in entry.get("options") or {}}
    return found
