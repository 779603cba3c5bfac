# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Makes docs/images/report-*.png: the HTML page of a made-up audit in headless Chromium, on a desktop and a phone, light and dark.

``python tests/tools/pictures.py [FOLDER]`` writes them anew. Another version of Chromium or other fonts give slightly other pictures, so
no check compares them.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

import browserkit

import auditmaker
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import controls
from ansible_collections.gridops.metering.plugins.module_utils._engine.reporting import html
from ansible_collections.gridops.metering.plugins.module_utils._engine.reporting.document import VERDICTS

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
METERS, NIGHTS = 480, 45
MOST_BYTES = 200_000
DESKTOP, PHONE = (1200, 820), (380, 760)
#: File, address, size, colours, and how many pixels of the picture make one of the page.
PICTURES = (
    ("report-overview", "#/", DESKTOP, "light", 1),
    ("report-overview-dark", "#/", DESKTOP, "dark", 1),
    ("report-meters", "#/meters?verdict=drift&sort=verdict", DESKTOP, "light", 1),
    ("report-meter", "#/meter/{meter}", DESKTOP, "light", 1),
    ("report-campaigns", "#/campaigns", DESKTOP, "dark", 1),
    ("report-phone-light", "#/meter/{meter}", PHONE, "light", 1.5),
    ("report-phone-dark", "#/", PHONE, "dark", 1.5),
)


def story() -> tuple[dict[str, Any], dict[str, Any]]:
    """An audit with the catalogue's own controls, and a past that leads to it."""
    made = auditmaker.make(METERS, seed=11)
    meters = [
        meter
        for number, meter in enumerate(made["meters"])
        if " " not in meter["name"] and (meter["verdict"] != "drift" or number % 5 == 0)
    ]
    infos = [controls.CONTROLS[item["id"]].info() if item["id"] in controls.CONTROLS else item for item in made["controls"]]
    document = auditmaker.finish(meters, infos)
    past = auditmaker.history(scans=NIGHTS, campaigns=3, meters=90, digest=document["digest"])
    last = document["totals"]["verdicts"]
    for number, scan in enumerate(past["scans"]):
        share = 0.55 + 0.45 * number / (NIGHTS - 1) if number < 20 else 0.8 + 0.2 * (number - 20) / (NIGHTS - 21)
        counts = {verdict: round(last[verdict] * (share if verdict == "compliant" else 1)) for verdict in VERDICTS}
        counts["drift"] = len(meters) - counts["compliant"] - counts["unknown"] - counts["blocked"]
        scan["verdicts"] = counts
    return dict(document), dict(past)


def main(folder: Path) -> int:
    document, past = story()
    tried = {item["host"] for campaign in past["campaigns"] for item in campaign["tries"]}
    meter = next(item["name"] for item in document["meters"] if item["name"] in tried and item["verdict"] == "drift")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work, browserkit.chromium() as browser:
        file = Path(work) / "audit.html"
        with file.open("w", encoding="utf-8", newline="\n") as out:
            html.write(document, past, out)
        for name, address, (width, height), colours, scale in PICTURES:
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=colours, device_scale_factor=scale)
            page = context.new_page()
            page.goto(file.as_uri() + address.format(meter=meter))
            page.locator("h1").wait_for()
            page.wait_for_function("[...document.querySelectorAll('.frame')].every(item => item.querySelector('svg'))")
            target = folder / f"{name}.png"
            page.screenshot(path=target)
            context.close()
            print(f"{target}: {target.stat().st_size} bytes")
            if target.stat().st_size > MOST_BYTES:
                print(f"pictures.py: {target} is larger than {MOST_BYTES} bytes", file=sys.stderr)
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES))
