# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Audits of made-up fleets, for tests and benchmarks of reports: the same numbers and seed give the same document.

Names, texts and values hold what reports must bear: quotes, angle brackets, pipes, other scripts, formulas of spreadsheets.
``python tests/support/auditmaker.py METERS FILE`` writes one.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from ansible_collections.gridops.metering.plugins.module_utils._engine.reporting import document as doc

#: 2026-11-01 02:00 UTC; the night of the oldest scan and campaign that ``history`` gives.
START = 1_793_498_400.0
DAY = 86_400.0

#: family, model, firmware in the field (from frequent to rare), target, mode.
MODELS = (
    ("pm5000", "PM5560", ("4.4.0", "2.8.3", "2.3.5", "3.1.0"), "4.4.0", ""),
    ("pm5000", "PM5563", ("4.4.0", "4.3.4", "2.3.5"), "4.4.0", ""),
    ("hep", "ION9000", ("4.0.0", "3.0.0", "2.2.0"), "4.0.0", "advanced"),
    ("hep", "PM8000", ("4.0.0", "3.1.0", "1.4.2"), "4.0.0", "standard"),
    ("mcs301", "MCS301", ("M05.1.24", "M05.1.20"), "", ""),
)

#: id, title, severity, level, kind, rule, clauses, families, want, bad, the state in which it is not good.
_CONTROLS: tuple[tuple[Any, ...], ...] = (
    ("firmware_readable", "The meter tells its firmware", "high", 1, "automated", "R-030", ("IEC 62443-4-2: CR 7.8",), "phm", True, None),
    (
        "firmware_minimum",
        "The firmware is not below the minimum",
        "high",
        1,
        "automated",
        "R-043",
        ("NIST 800-53: SI-2",),
        "ph",
        None,
        None,
    ),
    ("firmware_target", "The firmware is the target", "medium", 1, "automated", "R-043", ("NERC CIP-010: R1",), "ph", None, None),
    ("firmware_forbidden", "The firmware is none that is forbidden", "critical", 1, "automated", "R-043", (), "ph", None, None),
    (
        "firmware_advisory",
        "No published weakness is left open",
        "critical",
        1,
        "automated",
        "X-09",
        ("NERC CIP-007: R2",),
        "ph",
        None,
        None,
    ),
    (
        "component",
        "The part of the firmware is an approved one",
        "critical",
        1,
        "automated",
        "R-209",
        ("MID I: 8", "WELMEC 7.2: D"),
        "m",
        None,
        None,
    ),
    (
        "default_credentials",
        "No factory password works",
        "critical",
        1,
        "automated",
        "R-296",
        ("IEC 62443-4-2: CR 1.5",),
        "ph",
        "none",
        "USER1",
    ),
    ("mode", "The security mode", "high", 1, "automated", "R-254", ("IEC 62443-4-2: CR 2.1",), "h", "advanced", "standard"),
    ("web_protocol", "Webpages are not in clear", "high", 1, "automated", "R-236", ("IEC 62443-4-2: CR 4.1",), "ph", "https", "http"),
    ("services_ftp", "FTP is closed", "medium", 1, "automated", "R-376", ("IEC 62443-4-2: CR 7.7",), "ph", False, True),
    ("password_age", "Passwords are changed in time", "medium", 1, "automated", "R-271", ("NERC CIP-007: R5",), "ph", 450, 512),
    ("lockout_web", "Logins lock after failures", "high", 1, "automated", "R-344", ("NIST 800-53: AC-7",), "h", 5, 0),
    ("transfer_enabled", "The image transfer is closed", "medium", 2, "automated", "R-205", (), "m", False, True),
    ("seals", "The seals are applied", "medium", 1, "manual", "R-300", ("MID I: 8",), "phm", "applied", None),
    ("evidence_age", "The evidence is recent", "low", 1, "automated", "own", ("NERC CIP-010: R2",), "phm", 35, 61),
)
_LETTER = {"pm5000": "p", "hep": "h", "mcs301": "m"}

#: What names and texts may hold, and reports must bear.
NASTY = (
    "plain",
    "<script>alert(1)</script>",
    "</script>",
    'a "quoted" & <b>bold</b> one',
    '=HYPERLINK("http://x")',
    "+1",
    "@SUM(A1)",
    "-2",
    "pipe | star * tick ` under_score [link](http://x)",
    "bell \x07 and null \x00 and line\nbreak",
    "Zähler 計器 \u202eabc \U0001f50c",
)


def _info(row: tuple[Any, ...]) -> doc.ControlInfo:
    clauses: list[doc.Clause] = []
    for text in row[6]:
        standard, dummy, clause = text.partition(": ")
        clauses.append({"standard": standard, "clause": clause, "verified": False})
    return {
        "id": row[0],
        "title": row[1],
        "rationale": f"{row[1]}: otherwise a meter may be read or changed by somebody who should not.",
        "severity": row[2],
        "level": row[3],
        "kind": row[4],
        "rule": row[5],
        "clauses": clauses,
    }


def _rest(control: doc.Result, state: str, row: tuple[Any, ...], meter: doc.Meter) -> None:
    """What a result of this state has besides."""
    if state == "fail":
        firmware = row[0].startswith("firmware") or row[0] == "component"
        if row[0] == "firmware_forbidden":
            control.update(reason="no_documented_path", remedy="A visit on site.")
        else:
            book = "gridops.metering.upgrade" if firmware else "gridops.metering.harden"
            task: dict[str, Any] = (
                {"gridops.metering.meter_firmware": {"target_version": meter["target"]}}
                if firmware
                else {"gridops.metering.meter_security": {row[0]: row[8]}}
            )
            control.update(remedy=f"{row[0]}: {row[8]}", fix={"playbook": book, "task": task})
    elif state == "unknown":
        control.update(remedy="A profile and a way to sign in.", reason="not_proven")
    elif state == "waived":
        control["waiver"] = {"reason": "exchange is planned", "approver": "ot-security", "expires": "2027-03-31"}
    elif state == "attested":
        control["attested"] = {"by": "j.doe", "at": "2026-10-01", "text": "A-17"}


def _control(row: tuple[Any, ...], meter: doc.Meter, dice: random.Random, line: int) -> doc.Result:
    """One result: bad with a chance of about one in twelve."""
    name = {"firmware_advisory": "firmware_advisory:certvde-2176", "component": "component:0"}.get(row[0], row[0])
    want, bad = row[8], row[9]
    if row[0].startswith("firmware") or row[0] == "component":
        want, bad = meter["target"] or "approved", meter["firmware"]
    state = "attested" if row[4] == "manual" else "pass"
    if dice.random() < 0.12:
        state = dice.choice(("fail", "fail", "fail", "unknown", "waived", "not_applicable"))
    if row[0] == "firmware_target":
        state = "pass" if meter["firmware"] == meter["target"] else "fail"
    if row[0] == "firmware_readable":
        state = "pass"
    have = want if state == "pass" else None if state in ("unknown", "not_applicable") else "applied" if state == "attested" else bad
    text = {"pass": "as wanted", "fail": f"is {have} and should be {want}", "unknown": "this meter does not tell"}.get(state, state)
    found: doc.Result = {
        "id": name,
        "state": state,
        "want": want,
        "have": have,
        "text": text,
        "rule": row[5],
        "fingerprint": doc.fingerprint(meter["serial"] or meter["name"], name),
        "location": {"file": "group_vars/all/baseline.yml", "line": line},
    }
    if state in ("pass", "fail", "waived"):
        found["evidence"] = "modbus"
    _rest(found, state, row, meter)
    return found


def _silent(meter: doc.Meter) -> doc.Result:
    """The one result of a meter that did not answer."""
    return {
        "id": "firmware_readable",
        "state": "unknown",
        "want": True,
        "have": None,
        "text": meter["text"],
        "rule": "R-030",
        "reason": meter["reason"],
        "remedy": "Check the address, the cable and the gateway.",
        "fingerprint": doc.fingerprint(meter["serial"] or meter["name"], "firmware_readable"),
        "location": meter["location"],
    }


def verdict_of(controls: Sequence[doc.Result]) -> str:
    """What these results come to (contract of the audit)."""
    fails = [item for item in controls if item["state"] == "fail"]
    if fails:
        return "drift" if any("fix" in item for item in fails) else "blocked"
    return "unknown" if any(item["state"] == "unknown" for item in controls) else "compliant"


def _attempts(family: str, number: int, silent: bool) -> dict[str, Any]:
    """As ``firmware.attempts`` of the facts: only PM5000 meters have a limit, and not all of them tell what is used."""
    if silent:
        return {}
    if family != "pm5000":
        return {"limit": None, "used": None, "remaining": None, "source": "no_limit"}
    if number % 4 == 0:
        return {"limit": 10, "used": None, "remaining": None, "source": "unknown"}
    return {"limit": 10, "used": number % 10, "remaining": 10 - number % 10, "source": "ledger"}


def _meter(number: int, dice: random.Random, rows: Sequence[tuple[Any, ...]]) -> doc.Meter:
    family, model, versions, target, mode = MODELS[dice.choices(range(len(MODELS)), weights=(5, 2, 2, 2, 1))[0]]
    silent = dice.random() < 0.01
    nasty = NASTY[number % len(NASTY)] if number % 50 == 7 else ""
    meter: doc.Meter = {
        "name": f"{family[:3]}-{number:05d}{' ' + nasty if nasty else ''}",
        "host": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",
        "serial": "" if silent else f"{family[0].upper()}{number:08d}",
        "family": family,
        "model": "" if silent else model,
        "firmware": "" if silent else dice.choices(versions, weights=range(2 * len(versions), 0, -2))[0],
        "target": target,
        "mode": "" if silent else mode,
        "gateway": f"gw-{number // 8 % 40:02d}" if number % 3 == 0 else "",
        "reason": "unreachable" if silent else "",
        "text": "no answer within 5 s" if silent else "",
        "verdict": "",
        "summary": {},
        "attempts": _attempts(family, number, silent),
        "controls": [],
        "location": {"file": "inventory/hosts.yml", "line": 4 + 3 * number},
    }
    letter = _LETTER[family]
    controls = [_silent(meter)] if silent else [_control(row, meter, dice, 10 + 2 * at) for at, row in enumerate(rows) if letter in row[7]]
    if nasty and not silent:
        controls[-1]["text"] = nasty
        controls[-1]["have"] = nasty
    controls.sort(key=lambda item: item["id"])
    meter["controls"], meter["verdict"] = controls, verdict_of(controls)
    meter["summary"] = {state: sum(item["state"] == state for item in controls) for state in doc.STATES}
    return meter


def totals(meters: Sequence[doc.Meter]) -> dict[str, Any]:
    """The sums that a document carries."""
    return {
        "meters": len(meters),
        "controls": sum(len(item["controls"]) for item in meters),
        "verdicts": {verdict: sum(item["verdict"] == verdict for item in meters) for verdict in doc.VERDICTS},
        "states": {state: sum(item["summary"][state] for item in meters) for state in doc.STATES},
    }


def finish(meters: Sequence[doc.Meter], controls: Sequence[doc.ControlInfo] | None = None) -> doc.Document:
    """The document of these meters: sorted, added up, with its digest."""
    ordered = sorted(meters, key=lambda item: item["name"])
    used = {result["id"].partition(":")[0] for item in ordered for result in item["controls"]}
    infos = sorted(controls or (_info(row) for row in _CONTROLS), key=lambda item: item["id"])
    found: doc.Document = {
        "schema": doc.SCHEMA,
        "schema_version": doc.SCHEMA_VERSION,
        "baseline": {"id": "grid", "version": "3", "owner": "ot-security", "valid_until": "2027-12-31"},
        "verdict": next((verdict for verdict in doc.VERDICTS if any(item["verdict"] == verdict for item in ordered)), "compliant"),
        "totals": totals(ordered),
        "controls": [item for item in infos if item["id"] in used],
        "meters": ordered,
        "digest": "",
    }
    found["digest"] = doc.digest(found)
    return found


def make(meters: int = 200, seed: int = 1) -> doc.Document:
    """The audit of so many meters of all families."""
    dice = random.Random(seed)
    return finish([_meter(number, dice, _CONTROLS) for number in range(1, meters + 1)])


def single(controls: Sequence[doc.Result], name: str = "m-1", **more: Any) -> doc.Meter:
    """One meter with just these results."""
    summary = {state: sum(item["state"] == state for item in controls) for state in doc.STATES}
    meter = {
        **{"name": name, "host": "10.0.0.1", "serial": "H1", "family": "hep", "model": "ION9000", "firmware": "4.0.0", "target": "4.0.0"},
        **{
            "mode": "standard",
            "gateway": "",
            "reason": "",
            "text": "",
            "verdict": verdict_of(controls),
            "summary": summary,
            "attempts": {},
        },
        "controls": sorted(controls, key=lambda item: item["id"]),
        "location": {"file": "inventory/hosts.yml", "line": 4},
        **more,
    }
    return cast(doc.Meter, meter)


def result(control: str, state: str, want: Any = None, have: Any = None, **more: Any) -> doc.Result:
    """One result; ``more`` are fields besides."""
    text = {"pass": "as wanted", "fail": f"is {have} and should be {want}", "unknown": "this meter does not tell"}.get(state, state)
    found: dict[str, Any] = {"id": control, "state": state, "want": want, "have": have, "text": text, "rule": "R-254"}
    found |= {"fingerprint": doc.fingerprint("H1", control), "location": {"file": "group_vars/all/baseline.yml", "line": 12}}
    return cast(doc.Result, {**found, **more})


def one_of_each_state() -> doc.Document:
    """A meter with a control in every state."""
    fix = {"playbook": "gridops.metering.harden", "task": {"name": "Mend it", "gridops.metering.meter_security": {"mode": "advanced"}}}
    waiver = {"reason": "exchange is planned", "approver": "ot-security", "expires": "2027-03-31"}
    return finish(
        [
            single(
                [
                    result("mode", "fail", "advanced", "standard", remedy="mode: advanced", fix=fix, evidence="modbus"),
                    result("lockout_web", "unknown", 5, remedy="a profile", reason="not_proven"),
                    result("services_ftp", "waived", False, True, waiver=waiver),
                    result("seals", "attested", "applied", "applied", attested={"by": "j.doe", "at": "2026-10-01", "text": "A-17"}),
                    result("web_protocol", "not_applicable", "https"),
                    result("evidence_age", "pass", 35, 0),
                ]
            )
        ]
    )


def with_text(text: str) -> doc.Document:
    """A meter that is named so, and says so."""
    return finish([single([result("mode", "fail", "advanced", text, remedy=text)], name=text)])


def cleaned(text: str) -> str:
    """What is left of a text where characters that no report may hold are shown as replaced."""
    return "".join("\ufffd" if item in "\x00\x07\u202a\u202e" else item for item in text)


def _scan(number: int, meters: int, scans: int, digest: str) -> doc.Scan:
    share = 0.35 + 0.55 * number / max(scans - 1, 1)
    good = int(meters * share)
    unknown, blocked = meters // 50, meters // 100
    counts = {"drift": max(meters - good - unknown - blocked, 0), "blocked": blocked, "unknown": unknown, "compliant": good}
    return {
        "at": START + number * DAY,
        "operator": "nightly",
        "baseline": "grid 3",
        "verdict": "drift" if counts["drift"] else "unknown",
        "digest": digest if number == scans - 1 else f"{number:064x}",
        "verdicts": counts,
    }


def _campaign(number: int, meters: int, dice: random.Random) -> doc.Campaign:
    tries: list[doc.Try] = []
    for count in range(meters):
        outcome = dice.choices(("verified", "failed_final", "comms_lost"), weights=(95, 3, 2))[0]
        begin = START + number * 7 * DAY + count // 20 * 900.0
        tries.append(
            {
                "host": f"pm5-{number * meters + count + 1:05d}",
                "serial": f"P{number * meters + count + 1:08d}",
                "method": "web",
                "source": "2.3.5",
                "target": "4.4.0",
                "started": begin,
                "finished": None if count == meters - 1 and number == 2 else begin + 540.0 + dice.randrange(200),
                "outcome": "" if count == meters - 1 and number == 2 else outcome,
                "reason": "" if outcome == "verified" else "version_unchanged",
            }
        )
    outcomes: dict[str, int] = {}
    for item in tries:
        outcomes[item["outcome"] or "open"] = outcomes.get(item["outcome"] or "open", 0) + 1
    return {"campaign": f"wave-{number + 1}", "meters": meters, "outcomes": outcomes, "tries": tries, "head": f"{number + 7:064x}"}


def history(scans: int = 12, campaigns: int = 3, meters: int = 60, seed: int = 1, digest: str = "") -> doc.History:
    """So many nightly scans, the last one with this digest, and campaigns of so many meters a week apart."""
    dice = random.Random(seed)
    return {
        "scans": [_scan(number, meters, scans, digest) for number in range(scans)],
        "campaigns": [_campaign(number, meters, dice) for number in range(campaigns)],
    }


def main(count: str, target: str) -> None:
    with Path(target).open("w", encoding="utf-8") as stream:
        stream.writelines(doc.dump(make(int(count))))


if __name__ == "__main__":
    main(*sys.argv[1:])
