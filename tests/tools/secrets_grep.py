# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Look for planted passwords in everything that a test run left behind.

Every password of tests and demo holds the word ``canary`` and a dash (a rollout has canaries of its own). Logs, results, ledgers,
journals, plans and playbook outputs are kept under ``$METERING_TEST_ARTIFACTS`` (``build/test-artifacts``) and searched as bytes, in
the encodings a secret could hide in.
Inputs that hold passwords by nature (inventories, fleet files) are left out by name. The find is reported by file and offset, never shown.
"""

from __future__ import annotations

import base64
import fnmatch
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MARKER = "canary-"
INPUTS = ("inventory*.yml", "inventory*.yaml", "fleet*.yml", "fleet*.yaml")
CHUNK = 1 << 20


def needles() -> list[bytes]:
    """The marker in plain, UTF-16, hexadecimal and the three ways in which base64 may cut it, all in lower case."""
    found = {MARKER.encode(), MARKER.encode("utf-16-le"), MARKER.encode().hex().encode()}
    for word in (MARKER, MARKER.capitalize(), MARKER.upper()):
        found.add(word.encode().hex().encode())
        for shift, first in ((0, 0), (1, 2), (2, 3)):
            # Only letters whose six bits all come from the word stay the same whatever stands before and after it.
            coded = base64.b64encode(b"\0" * shift + word.encode())
            found.add(coded[first : (shift + len(word)) * 8 // 6])
    return sorted(item for item in found if len(item) >= 6)


def searched(folder: Path) -> list[Path]:
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink() and not any(fnmatch.fnmatch(path.name, pattern) for pattern in INPUTS)
    ]


def offsets(path: Path) -> Iterator[int]:
    """Offset of the first find of each needle in the file; base64 is compared exactly, the rest without regard to case."""
    words = needles()
    overlap = max(map(len, words)) - 1
    seen: set[bytes] = set()
    with path.open("rb") as stream:
        start, rest = 0, b""
        while block := stream.read(CHUNK):
            text = rest + block
            lowered = text.lower()
            for word in words:
                place = (lowered if word.islower() or word.isdigit() else text).find(word)
                if place >= 0 and word not in seen:
                    seen.add(word)
                    yield start + place
            start, rest = start + len(text) - overlap, text[-overlap:]


def scan(folder: Path) -> list[str]:
    return [f"{path.relative_to(folder)}: offset {place}" for path in searched(folder) for place in offsets(path)]


def self_test() -> None:
    """Plant the marker in every form and see each one found, and an innocent file and an input passed over."""
    secret = f"x{MARKER.capitalize()}-7f3a-pm"
    forms = {
        "plain": secret.encode(),
        "utf16": secret.encode("utf-16-le"),
        "hex": secret.encode().hex().encode(),
        "border": b"." * (CHUNK - 3) + secret.encode(),
        **{f"base64-{shift}": base64.b64encode(b"." * shift + secret.encode()) for shift in range(3)},
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for form, content in forms.items():
            (folder / form).write_bytes(b"before " + content + b" after")
        (folder / "innocent").write_bytes(b"a can, a ry, a bird")
        (folder / "inventory.yml").write_bytes(secret.encode())
        found = {line.split(":")[0] for line in scan(folder)}
    if found != set(forms):
        raise SystemExit(f"secrets: the self-test found {sorted(found)} instead of {sorted(forms)}")


def main() -> int:
    self_test()
    folder = Path(os.environ.get("METERING_TEST_ARTIFACTS") or ROOT / "build" / "test-artifacts")
    files = searched(folder) if folder.is_dir() else []
    if not files:
        print(f"secrets: {folder} holds nothing to search; run the tests first", file=sys.stderr)
        return 1
    found = scan(folder)
    for line in found:
        print(f"secret in {line}")
    print(f"secrets: {len(files)} files searched, {len(found)} finds")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
