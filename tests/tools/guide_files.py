# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The files that a guide shows, and the same files as examples to copy.

A block of a page is a file where a line with nothing but its name in bold code stands before it. ``python tests/tools/guide_files.py``
writes the blocks of docs/guides/pipelines.md from examples/pipelines; a test fails where they differ.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "guides" / "pipelines.md"
EXAMPLES = ROOT / "examples" / "pipelines"
#: Folders of the examples; each holds files of the repository.
PARTS = ("repository", "gitlab", "github")
BLOCK = re.compile(r"^\*\*`([^`\n]+)`\*\*\n\n```(\w+)\n(.*?)^```$", re.M | re.S)


def shown(page: str) -> dict[str, str]:
    """Name and content of each file of a page."""
    return {found[1]: found[3] for found in BLOCK.finditer(page)}


def kept() -> dict[str, str]:
    """The same of the examples."""
    return {
        str(path.relative_to(EXAMPLES / part)): path.read_text(encoding="utf-8")
        for part in PARTS
        for path in sorted((EXAMPLES / part).rglob("*"))
        if path.is_file()
    }


def refreshed(page: str) -> str:
    """The page with the content of its blocks from the examples."""
    files = kept()
    return BLOCK.sub(lambda found: f"**`{found[1]}`**\n\n```{found[2]}\n{files[found[1]]}```", page)


def main() -> None:
    PAGE.write_text(refreshed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
