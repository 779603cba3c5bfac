# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Put a stand-in for the get-pip script where ansible-test looks before it would fetch one from outside the package index."""

from __future__ import annotations

import re
from pathlib import Path

import ansible_test._internal as root

SCRIPT = """import subprocess, sys
want = [arg for arg in sys.argv[1:] if arg not in ("--no-setuptools", "--no-wheel")]
subprocess.check_call([sys.executable, "-m", "ensurepip", "--default-pip"], stdout=subprocess.DEVNULL)
subprocess.check_call([sys.executable, "-m", "pip", "install", "-q", *want])
"""


def main() -> None:
    source = Path(root.__file__).with_name("python_requirements.py").read_text(encoding="utf-8")
    cache = Path.home() / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for version in set(re.findall(r"pip=['\"]([0-9.]+)['\"]", source)):
        path = cache / f"get_pip_{version.replace('.', '_')}.py"
        if not path.exists():
            path.write_text(SCRIPT, encoding="utf-8")


if __name__ == "__main__":
    main()
