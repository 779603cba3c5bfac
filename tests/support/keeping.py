# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Playbooks of tests that keep values as files, without a module for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

PLUGINS = Path(__file__).with_name("action_plugins")


def keep(content: str, dest: str | Path) -> dict[str, Any]:
    """A task that writes a file for its owner only; the playbook is written by ``write_book``."""
    return {"keep": {"content": content, "dest": str(dest)}}


def write_book(path: Path, plays: Sequence[Mapping[str, Any]]) -> Path:
    """A playbook with the plugin of ``keep`` beside it."""
    beside = path.parent / PLUGINS.name
    if not beside.is_symlink():
        beside.symlink_to(PLUGINS)
    path.write_text(yaml.safe_dump(list(plays), sort_keys=False), encoding="utf-8")
    return path
