# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Look for planted passwords in everything that a test run left behind, and in the command lines of all that it started.

Every password of tests and demo holds the word ``canary`` and a dash (a rollout has canaries of its own). Logs, results, ledgers,
journals, plans and playbook outputs are kept under ``$METERING_TEST_ARTIFACTS`` (``build/test-artifacts``) and searched as bytes, in
the encodings a secret could hide in.
Inputs that hold passwords by nature (inventories, fleet files) are left out by name. The find is reported by file and offset, never shown.
Command lines are looked at as they start (tests/support/watch); what was found there lies in ``command-lines.txt``.
"""

from __future__ import annotations

import base64
import fnmatch
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MARKER = "canary-"
INPUTS = ("inventory*.yml", "inventory*.yaml", "fleet*.yml", "fleet*.yaml")
CHUNK = 1 << 20
WATCH = ROOT / "tests" / "support" / "watch"
STARTED = "command-lines.txt"


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


def self_test_of_the_watch() -> None:
    """A process that starts others in every way: each planted word is seen, what an operator types after ``-e`` is not."""
    word = f"x{MARKER.capitalize()}-9b1c"
    code = f"""
import os, subprocess
subprocess.run(["true", "{word}"])
subprocess.run("true {word}", shell=True)
os.system("true {word}")
os.waitpid(os.posix_spawnp("true", ["true", "{word}"], os.environ), 0)
subprocess.run(["true", "clean"])
subprocess.run([{str(Path(sys.executable).parent / "ansible-playbook")!r}, "--version", "-e", "{word}"], stdout=subprocess.DEVNULL)
if not os.fork():
    os.execvp("true", ["true", "{word}"])
os.wait()
"""
    with tempfile.TemporaryDirectory() as name:
        env = {**os.environ, "PYTHONPATH": str(WATCH), "METERING_TEST_ARTIFACTS": name}
        subprocess.run([sys.executable, "-c", code], env=env, stdin=subprocess.DEVNULL, check=True)
        seen = Path(name, STARTED)
        told = seen.read_text(encoding="utf-8").splitlines() if seen.exists() else []
    if {line.split(":")[0] for line in told} != {"true", "sh"} or len(told) < 5 or any(word in line for line in told):
        raise SystemExit(f"secrets: the watch over command lines saw {told}")


def main() -> int:
    self_test()
    self_test_of_the_watch()
    folder = Path(os.environ.get("METERING_TEST_ARTIFACTS") or ROOT / "build" / "test-artifacts")
    files = searched(folder) if folder.is_dir() else []
    if not files:
        print(f"secrets: {folder} holds nothing to search; run the tests first", file=sys.stderr)
        return 1
    found = scan(folder)
    if (folder / STARTED).exists():
        found += [f"a command line, {line}" for line in sorted(set((folder / STARTED).read_text(encoding="utf-8").splitlines()))]
    for line in found:
        print(f"secret in {line}")
    print(f"secrets: {len(files)} files searched, {len(found)} finds")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
