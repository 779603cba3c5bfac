# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Make the virtual environment of the checkout, with nothing but Python's standard library and without root.

``python3 tests/tools/env.py`` makes ``.venv``: the newest usable Python, ansible-core and tools from the hashed lock of that
Python, the checkout linked as the installed collection ``gridops.metering`` and the simulator as the command ``metersim``.
``--importer`` makes ``build/venv-importer`` for galaxy-importer instead, ``--referees`` ``build/venv-referees`` for the foreign
DLMS clients that tests compare with; ``--lock`` writes the locks anew.
A second call does nothing unless a lock, the Python or the place of the checkout changed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCKS = {(3, 11): "core-2.19", (3, 12): "core-2.20", (3, 13): "core-2.21", (3, 14): "core-2.21"}
#: Environments of their own, by the name of their lock: what stands in them must not be in the one of the product.
OWN = ("importer", "referees")
HELP = "this Python can make no virtual environment here; as root: apt-get install python3-venv"
# The base interpreter is asked for, so that a call from inside a venv does not build on a venv that may be about to go.
PROBE = "import ssl, sqlite3, sys, venv; print(*sys.version_info[:2], getattr(sys, '_base_executable', '') or sys.executable)"


class BootstrapError(Exception):
    """A sentence for the user."""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def run(command: Sequence[str | Path]) -> None:
    """Run quietly; on failure raise with the last lines which the command printed."""
    words = [str(word) for word in command]
    done = subprocess.run(words, env=clean_environment(), text=True, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-6:])
        raise BootstrapError(f"{Path(str(command[0])).name} ended with {done.returncode}:\n{tail}")


def clean_environment() -> dict[str, str]:
    """The environment without version-manager shims, which answer for Pythons that are not there, and without foreign venvs."""
    drop = {"VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_REQUIRE_VIRTUALENV"}
    env = {key: value for key, value in os.environ.items() if key not in drop}
    env["PATH"] = os.pathsep.join(search_path())
    env["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    if not env.get("HOME"):
        env["HOME"] = str(ROOT / "build" / "home")
    return env


def search_path() -> list[str]:
    """PATH without shims, then the Pythons which pyenv keeps."""
    path = [item for item in os.environ.get("PATH", os.defpath).split(os.pathsep) if item and "shims" not in Path(item).parts]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path(os.environ.get("HOME") or "/nonexistent") / ".pyenv")
    return path + [str(folder) for folder in sorted(pyenv.glob("versions/3.*/bin"), reverse=True) if str(folder) not in path]


def find_python() -> tuple[tuple[int, int], str]:
    """(version, path) of the newest Python for which there is a lock and which really runs."""
    where = os.pathsep.join(search_path())
    for version in sorted(LOCKS, reverse=True):
        name = f"python{version[0]}.{version[1]}"
        for program in (shutil.which(name, path=where), shutil.which("python3", path=where), sys.executable):
            found = probe(program) if program else None
            if found and found[0] == version and program:
                return found
    raise BootstrapError("Python 3.11 or newer is needed, and none was found on PATH")


def probe(program: str) -> tuple[tuple[int, int], str] | None:
    """Version and real path of an interpreter; None when it does not run or lacks a module that we need."""
    try:
        done = subprocess.run([program, "-c", PROBE], text=True, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode:
        return None
    major, minor, path = done.stdout.split(maxsplit=2)
    return (int(major), int(minor)), path.strip()


def find_uv(venv: Path) -> str | None:
    """A uv that runs: the venv's own, or one on PATH."""
    for program in (str(venv / "bin" / "uv"), shutil.which("uv", path=os.pathsep.join(search_path()))):
        if program and Path(program).exists() and subprocess.run([program, "--version"], capture_output=True, check=False).returncode == 0:
            return program
    return None


# The four ways to an environment in which something can install packages, best first.


def with_uv(python: str, venv: Path) -> None:
    uv = find_uv(venv)
    if not uv:
        raise BootstrapError("no uv on PATH")
    run([uv, "venv", "-q", "--seed", "--python", python, venv])


def with_ensurepip(python: str, venv: Path) -> None:
    run([python, "-m", "venv", venv])


def with_outer_pip(python: str, venv: Path) -> None:
    """Debian's pip without Debian's venv package: pip can install into another interpreter's environment."""
    run([python, "-m", "pip", "--version"])
    run([python, "-m", "venv", "--without-pip", venv])
    run([python, "-m", "pip", "--python", venv / "bin" / "python", "install", "-q", "pip"])


def with_debian_wheel(python: str, venv: Path) -> None:
    """Neither ensurepip nor pip: unpack Debian's own pip wheel, which apt can fetch without root."""
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise BootstrapError("no apt-get")
    wheel = debian_pip_wheel(ROOT / "build" / "bootstrap")
    run([python, "-m", "venv", "--without-pip", venv])
    run([venv / "bin" / "python", wheel / "pip", "install", "-q", "--no-index", "--no-deps", wheel])


def debian_pip_wheel(work: Path) -> Path:
    """Path of pip-*.whl out of the package python3-pip-whl; apt works on lists and a cache of our own."""
    for folder in ("lists/partial", "cache/archives/partial", "log", "unpacked"):
        (work / folder).mkdir(parents=True, exist_ok=True)
    own = ["-o", f"Dir::State::lists={work}/lists", "-o", f"Dir::Cache={work}/cache", "-o", f"Dir::Log={work}/log"]
    own += ["-o", "APT::Sandbox::User=", "-o", "Acquire::Languages=none", "-o", "Debug::NoLocking=1"]
    run(["apt-get", "-q", *own, "update"])
    command = ["apt-get", "-q", *own, "download", "python3-pip-whl"]
    done = subprocess.run(command, cwd=work, env=clean_environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    packages = sorted(work.glob("python3-pip-whl_*.deb"))
    if done.returncode or not packages:
        raise BootstrapError(f"apt-get could not fetch python3-pip-whl: {done.stderr.strip()}")
    run(["dpkg", "-x", packages[-1], work / "unpacked"])
    wheels = sorted(work.glob("unpacked/usr/share/python-wheels/pip-*.whl"))
    if not wheels:
        raise BootstrapError("python3-pip-whl holds no wheel")
    return wheels[-1]


WAYS: tuple[Callable[[str, Path], None], ...] = (with_uv, with_ensurepip, with_outer_pip, with_debian_wheel)


def create(python: str, venv: Path) -> None:
    """Make the environment in the first way that works; raises BootstrapError that names them all."""
    failures = []
    for way in WAYS:
        shutil.rmtree(venv, ignore_errors=True)
        try:
            way(python, venv)
            run([venv / "bin" / "python", "-m", "pip", "--version"])
        except BootstrapError as error:
            failures.append(f"{way.__name__}: {str(error).splitlines()[-1]}")
        else:
            return
    shutil.rmtree(venv, ignore_errors=True)
    raise BootstrapError(HELP + "\n(tried " + "; ".join(failures) + ")")


def install(venv: Path, lock: Path) -> None:
    """Install the lock, every file checked by its hash; uv does it in seconds, pip is the slower second way."""
    python = venv / "bin" / "python"
    if not find_uv(venv):
        bootstrap_uv(venv, lock)
    uv = find_uv(venv)
    if uv:
        try:
            run([uv, "pip", "install", "-q", "--python", python, "--require-hashes", "-r", lock])
            return
        except BootstrapError as error:
            say(f"uv could not install, trying pip: {str(error).splitlines()[-1]}")
    run([python, "-m", "pip", "install", "-q", "--require-hashes", "-r", lock])


def bootstrap_uv(venv: Path, lock: Path) -> None:
    """Install only uv out of the lock; without it pip does everything."""
    found = re.search(r"^uv==.*\n(?: .*\n)*", lock.read_text(encoding="utf-8"), re.M)
    if not found:
        return
    only = ROOT / "build" / "uv.txt"
    only.parent.mkdir(exist_ok=True)
    only.write_text(found[0], encoding="utf-8")
    try:
        run([venv / "bin" / "python", "-m", "pip", "install", "-q", "--require-hashes", "-r", only])
    except BootstrapError as error:
        say(f"uv is not to be had, pip takes longer: {str(error).splitlines()[-1]}")


def link(venv: Path) -> None:
    """Make the checkout an installed collection and the simulator an importable package with a command."""
    command = [str(venv / "bin" / "python"), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = Path(subprocess.check_output(command, text=True).strip())
    tree = site / "ansible_collections" / "gridops"
    tree.mkdir(parents=True, exist_ok=True)
    collection = tree / "metering"
    if collection.is_symlink():
        collection.unlink()
    if not collection.exists():
        collection.symlink_to(ROOT, target_is_directory=True)
    (site / "metersim.pth").write_text(f"{ROOT / 'tests' / 'simulator'}\n", encoding="utf-8")
    script = venv / "bin" / "metersim"
    script.write_text('#!/bin/sh\nexec "$(dirname "$(readlink -f "$0")")/python" -m metersim "$@"\n', encoding="utf-8")
    script.chmod(0o755)


def stamp_of(version: tuple[int, int], lock: Path) -> str:
    digest = hashlib.sha256(lock.read_bytes() + Path(__file__).read_bytes()).hexdigest()
    return json.dumps({"python": version, "lock": lock.name, "sha256": digest, "root": str(ROOT)})


def ensure(venv: Path, own: str = "") -> None:
    """Bring the environment up to its lock; does nothing when its stamp says that it is."""
    version, python = find_python()
    lock = ROOT / "requirements" / f"{own or LOCKS[version]}.txt"
    stamp, want = venv / ".metering-env", stamp_of(version, lock)
    working = probe(str(venv / "bin" / "python")) is not None
    if working and stamp.is_file() and stamp.read_text(encoding="utf-8") == want:
        return
    say(f"Setting up {venv.relative_to(ROOT) if venv.is_relative_to(ROOT) else venv}: Python {version[0]}.{version[1]}, {lock.stem}")
    if not working or not same_version(venv, version):
        create(python, venv)
    install(venv, lock)
    if not own:
        link(venv)
    stamp.write_text(want, encoding="utf-8")


def same_version(venv: Path, version: tuple[int, int]) -> bool:
    return any((venv / "lib" / f"python{version[0]}.{version[1]}" / "site-packages").glob("pip"))


def lock_all() -> None:
    """Write every lock from its .in file (for all platforms, with hashes, naming no registry)."""
    folder = ROOT / "requirements"
    uv = find_uv(ROOT / ".venv")
    if not uv:
        raise BootstrapError("uv is needed to write locks: run python3 tests/tools/env.py first")
    for version, name in [(v, n) for v, n in LOCKS.items() if v != (3, 14)] + [((3, 11), name) for name in OWN]:
        command: list[str | Path] = [uv, "pip", "compile", "-q", "--upgrade", "--universal"]
        command += ["--python-version", f"{version[0]}.{version[1]}"]
        command += ["--generate-hashes", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]
        command += ["--custom-compile-command", "make lock", folder / f"{name}.in", "-o", folder / f"{name}.txt"]
        run(command)
        say(f"requirements/{name}.txt")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dir", type=Path, help="where to make the environment (default .venv)")
    for name, what in (("importer", "galaxy-importer"), ("referees", "the foreign DLMS clients")):
        parser.add_argument(f"--{name}", dest="own", action="store_const", const=name, default="", help=f"make build/venv-{name}, for {what}")
    parser.add_argument("--lock", action="store_true", help="write the locks anew")
    options = parser.parse_args()
    default = ROOT / "build" / f"venv-{options.own}" if options.own else ROOT / ".venv"
    try:
        if options.lock:
            lock_all()
        else:
            ensure((options.dir or default).absolute(), options.own)
    except BootstrapError as error:
        say(f"env: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
