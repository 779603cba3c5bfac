# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""All benchmarks one after the other, their tables side by side: fleet, uploads, image transfer, ledger, one batch at real time, audit.

``python tests/performance/run.py`` runs all, with names (fleet, ftp, upload, records, batch, dlms, audit, page) some. Nothing else should run
on the machine meanwhile.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
BENCHES = {
    "fleet": "bench_fleet.py",
    "ftp": "bench_ftp.py",
    "upload": "bench_upload.py",
    "records": "bench_records.py",
    "batch": "bench_batch.py",
    "dlms": "bench_dlms.py",
    "audit": "bench_audit.py",
    "page": "bench_page.py",
}


def main() -> int:
    names = sys.argv[1:] or list(BENCHES)
    if unknown := set(names) - BENCHES.keys():
        print(f"run.py: no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}", file=sys.stderr)
        return 2
    print(f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}")
    failed = 0
    for name in names:
        begin = time.monotonic()
        print(f"\n--- {name}", flush=True)
        failed |= subprocess.run([sys.executable, FOLDER / BENCHES[name]], stdin=subprocess.DEVNULL, check=False).returncode
        print(f"({time.monotonic() - begin:.0f} s, load {os.getloadavg()[0]:.1f})", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
