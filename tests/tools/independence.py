# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Product and simulator are two independent readings of the documents: neither imports the other, and they share no data file.

The foreign DLMS libraries are referees only: the product and the simulator import neither of them (their licences allow tests,
not shipping).
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SIMULATOR, STRANGERS, PRODUCT = ROOT / "tests" / "simulator", ROOT / "tests" / "foreign", ROOT / "plugins"
REFEREES = ("gurux_dlms", "dlms_cosem")
BY_NAME = ("ansible_collections.", "metersim.")
DATA = {".yml", ".yaml", ".json", ".csv", ".py"}


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Line and module name of each import, importlib calls with a constant included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(BY_NAME):
            yield node.lineno, node.value


def escapes(path: Path, name: str, room: Path) -> bool:
    """Whether a relative import leaves the room."""
    level = len(name) - len(name.lstrip("."))
    return level > 0 and not path.parents[level - 1].is_relative_to(room)


def violations() -> list[str]:
    found = []
    product = ("ansible", "ansible_collections", "plugins")
    rooms = ((SIMULATOR, (*product, *REFEREES)), (STRANGERS, product), (PRODUCT, ("metersim", "tests", *REFEREES)))
    for room, foreign in rooms:
        for path in sorted(room.rglob("*.py")):
            for line, name in imported(path):
                if name.split(".")[0] in foreign or escapes(path, name, room):
                    found.append(f"{path.relative_to(ROOT)}:{line}: imports {name}")
    return found + shared_files()


def shared_files() -> list[str]:
    """Files of the product that stand in the simulator too, byte by byte (empty ones aside)."""
    digests: dict[str, Path] = {}
    for path in sorted(PRODUCT.rglob("*")):
        if path.is_file() and path.suffix in DATA and path.stat().st_size:
            digests[hashlib.sha256(path.read_bytes()).hexdigest()] = path
    found = []
    for path in sorted(SIMULATOR.rglob("*")):
        if path.is_file() and path.suffix in DATA and path.stat().st_size:
            twin = digests.get(hashlib.sha256(path.read_bytes()).hexdigest())
            if twin:
                found.append(f"{path.relative_to(ROOT)}: the same file as {twin.relative_to(ROOT)}")
    return found


def main() -> int:
    count = len(list(SIMULATOR.rglob("*.py")))
    found = violations()
    print("\n".join([*found, f"independence: {count} simulator files, {len(found)} violations"]))
    return 1 if found or not count else 0


if __name__ == "__main__":
    sys.exit(main())
