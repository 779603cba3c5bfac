# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The collection as others get it: a clean mirror of the checkout, the tarball, an installed tree.

``python tests/tools/build.py mirror [DIR]`` copies what git knows or would add to ``DIR/ansible_collections/gridops/metering``
and makes that a repository of its own (inside an ignored folder of another one ansible-test would silently skip everything).
``tarball`` builds it; ``install DEST`` installs the tarball under ``DEST/ansible_collections/gridops/metering``.
"""

from __future__ import annotations

import filecmp
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"


def identity() -> tuple[str, str, str]:
    """Namespace, name and version out of galaxy.yml."""
    text = (ROOT / "galaxy.yml").read_text(encoding="utf-8")
    found = [re.search(rf"^{key}:\s*(\S+)", text, re.M) for key in ("namespace", "name", "version")]
    namespace, name, version = (item[1] for item in found if item)
    return namespace, name, version


def mirror(base: Path = BUILD) -> Path:
    """Bring the mirror up to date and return it; only files that differ are copied."""
    namespace, name, dummy = identity()
    dest = base.absolute() / "ansible_collections" / namespace / name
    listed = subprocess.check_output(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT)
    want = {path for item in listed.split(b"\0") if item and (ROOT / (path := Path(os.fsdecode(item)))).is_file()}
    for path in want:
        out = dest / path
        if not (out.is_file() and filecmp.cmp(ROOT / path, out, shallow=False)):
            out.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, out)
    remove_others(dest, want)
    subprocess.check_call(["git", "init", "-q", str(dest)])
    return dest


def remove_others(dest: Path, want: set[Path]) -> None:
    for out in sorted(dest.rglob("*"), reverse=True):
        path = out.relative_to(dest)
        if path.parts[0] == ".git" or path.parts[:2] == ("tests", "output"):
            continue
        if out.is_dir() and not out.is_symlink():
            if not any(out.iterdir()):
                out.rmdir()
        elif path not in want:
            out.unlink()


def galaxy(*words: str | Path) -> None:
    """Run ansible-galaxy collection; its own complaint is the error."""
    command = [sys.executable, "-m", "ansible", "galaxy", "collection", *map(str, words)]
    # A collection path that holds nothing: neither the linked checkout nor the user's collections shall be looked at.
    env = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(BUILD / "no-collections"), "ANSIBLE_GALAXY_DISPLAY_PROGRESS": "false"}
    subprocess.run(command, check=True, env=env, stdin=subprocess.DEVNULL)


def tarball() -> Path:
    """Build the tarball out of the mirror."""
    galaxy("build", mirror(), "--output-path", BUILD / "dist", "--force")
    return BUILD / "dist" / ("-".join(identity()) + ".tar.gz")


def install(dest: Path) -> Path:
    """Install the tarball under ``dest``, in place of what is there."""
    namespace, name, dummy = identity()
    package = tarball()
    target = dest.absolute() / "ansible_collections" / namespace / name
    if target.is_symlink():
        raise SystemExit(f"build: {target} is a link to a checkout; remove it first")
    galaxy("install", package, "--collections-path", dest.absolute(), "--force", "--offline", "--no-deps")
    if not (target / "MANIFEST.json").is_file():
        raise SystemExit(f"build: nothing was installed at {target}")
    return target


def main(words: list[str]) -> int:
    match words:
        case ["mirror", *rest]:
            print(mirror(Path(rest[0]) if rest else BUILD))
        case ["tarball"]:
            print(tarball())
        case ["install", dest] if dest:
            print(install(Path(dest)))
        case _:
            print("build: one of: mirror [DIR], tarball, install DEST", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
