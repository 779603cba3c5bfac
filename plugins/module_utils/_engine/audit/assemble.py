# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""From readings of a fleet and a baseline to the document of an audit; pure.

What two meters have in common is judged once, because a fleet may have ten thousand of them. A fault in one meter's data never ends the
audit: that meter is unknown. Nothing tells when the audit was made, so that an unchanged fleet gives the same bytes.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from ..base.errors import MeteringError
from ..catalogue import reasons
from ..catalogue.controls import base_id, control
from ..catalogue.models import HEP, PM5000, families
from ..reporting import document as doc
from ..reporting.document import ControlInfo, Document, Location, Meter, Result
from ..security.baseline import generation_of, model_of
from . import fix, judge, merge, outside, verdict
from .attestations import Attestation
from .baseline import Baseline
from .firmware_wanted import FirmwareWanted
from .judge import Bare, Firmware, bare
from .waivers import HostWaiver

_DAY = 86_400
_PASSWORDS = frozenset({"password", "password_age", "password_strength", "no_default_password"})


@dataclass(frozen=True)
class Reading:
    """One meter as it was read in one pass; ``facts`` is None where it was not, with reason and text.

    ``way_in``: somebody could sign in. ``passwords``: the vault has passwords that it shall have.
    """

    name: str
    host: str
    family: str = PM5000
    gateway: str = ""
    facts: Mapping[str, Any] | None = None
    reason: str = ""
    text: str = ""
    attest: Mapping[str, Any] = field(default_factory=dict)
    way_in: bool = False
    passwords: bool = False
    location: Location | None = None


@dataclass(frozen=True, eq=False)
class Kind:
    """What the baseline says of all meters of one family, generation and model: the options of meter_security, and what they ask for."""

    family: str
    generation: str
    model: str
    options: Mapping[str, Any] = field(default_factory=dict)
    asked: frozenset[str] = frozenset()
    wants_security: bool = False


class Auditor:
    """Judges meters of one fleet against one baseline.

    ``last_seen`` is (serial number, seconds since 1970) by name, None without records; ``attempts`` what the ledger counted, by serial number.
    """

    def __init__(
        self, baseline: Baseline, last_seen: Mapping[str, tuple[str, float]] | None = None, now: float = 0.0,
        attempts: Mapping[str, int] | None = None,
    ) -> None:  # fmt: skip
        self.baseline, self._last_seen, self._now, self._attempts = baseline, last_seen, now, attempts or {}
        self._firmware: dict[Firmware, list[Bare]] = {}
        self._kinds: dict[tuple[str, str, str], Kind] = {}
        self._by_version: dict[tuple[str, str, str], Kind] = {}
        self._outside: dict[tuple[Any, ...], list[Bare]] = {}
        self._places: dict[tuple[str, Kind], Location | None] = {}

    # -- one meter ----------------------------------------------------------------------------------------------------

    def meter(self, reading: Reading) -> Meter:
        """One meter with every control but those that only a closer look tells (``closer``)."""
        try:
            return self._meter(reading)
        except (MeteringError, ValueError, TypeError, KeyError, AttributeError) as error:  # data that nobody foresaw is this meter's alone
            text = f"what the meter told cannot be judged: {error}"
            odd = replace(reading, facts=None, text=text)
            return self._closed(self._head(odd, None), [judge.silent("", text)], self.kind(odd, None))

    def _meter(self, reading: Reading) -> Meter:
        kind = self.kind(reading, reading.facts)
        meter = self._head(reading, kind)
        why = self.baseline.coverage.why(reading.name, kind.family, kind.model)
        if kind.family not in families:
            why = f"{kind.family} is no family that can be audited"
        results: list[Bare] = []
        if reading.facts is None:
            results.append(judge.silent(reading.reason, reading.text))
        else:
            results += self._of_firmware(kind, reading.facts, covered=not why)
            results.append(self._covered(kind, why))
        if not why:
            results += self._evidence(reading)
            if reading.facts is not None and not self.closer(reading):
                results += self._from_outside(kind, reading) if kind.wants_security else []
                results += [_no_password(outside.NOT_LOOKED)] if reading.passwords else []
        return self._closed(meter, _said(results, reading.attest), kind)

    def closer(self, reading: Reading) -> bool:
        """Whether somebody has to sign in at this meter to tell the rest."""
        if not reading.way_in or (reading.facts is None and reading.reason != "modbus_map_closed"):
            return False
        kind = self.kind(reading, reading.facts)
        return (kind.wants_security or reading.passwords) and self.baseline.covers(reading.name, kind.family, kind.model)

    def kind(self, reading: Reading, facts: Mapping[str, Any] | None) -> Kind:
        """What the baseline says of such meters."""
        told = facts or {}
        family = _known(told.get("family")) or reading.family
        firmware = told.get("firmware")
        key = (family, str(told.get("model")), str(firmware.get("version")) if isinstance(firmware, Mapping) else "")
        found = self._by_version.get(key)
        if found is None:
            found = self._by_version[key] = self._kind(family, told)
        return found

    def _kind(self, family: str, told: Mapping[str, Any]) -> Kind:
        key = (family, generation_of(told), model_of(told))
        found = self._kinds.get(key)
        if found is None:
            said = self.baseline.security_for("", *key[:2], model=key[2]) if family in families else {}
            options = {name: value for name, value in said.items() if name != "waivers"}
            wants = outside.asks(options)
            found = self._kinds[key] = Kind(*key, options, fix.asked_ids(options, family) if wants else frozenset(), wants)
        return found

    def _head(self, reading: Reading, kind: Kind | None) -> Meter:
        facts = reading.facts or {}
        found = Firmware.of(reading.family, facts)
        sight = (self._last_seen or {}).get(reading.name)
        serial = _known(facts.get("serial")) or (sight[0] if sight and reading.facts is None else "")
        meter: Meter = {
            "name": reading.name,
            "host": reading.host,
            "serial": serial,
            "family": kind.family if kind else reading.family,
            "model": found.model,
            "firmware": found.version,
            "target": self._target(kind) if kind else "",
            "mode": _known((facts.get("security") or {}).get("mode")),
            "gateway": reading.gateway,
            "reason": reading.reason,
            "text": reading.text,
            "verdict": "",
            "summary": {},
            "attempts": self._left(facts),
            "controls": [],
        }
        if reading.location is not None:
            meter["location"] = reading.location
        return meter

    def _target(self, kind: Kind) -> str:
        wanted = self.baseline.firmware_for(kind.model, kind.family)
        if wanted.target is not None:
            return str(wanted.target)
        return next((item.target for dummy, item in sorted(wanted.components.items()) if item.target), "")

    def _left(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Attempts as the facts tell them, and the ledger where they do not."""
        told = (facts.get("firmware") or {}).get("attempts") or {}
        used, limit = self._attempts.get(str(facts.get("serial"))), told.get("limit")
        if used is None or limit is None or told.get("source") != "unknown":
            return dict(told)
        return {"limit": limit, "used": used, "remaining": max(0, limit - used), "source": "ledger"}

    # -- results ------------------------------------------------------------------------------------------------------

    def _of_firmware(self, kind: Kind, facts: Mapping[str, Any], *, covered: bool) -> list[Bare]:
        found = Firmware.of(kind.family, facts)
        if not covered:
            return judge.judge(found, FirmwareWanted(advisories=False))
        results = self._firmware.get(found)
        if results is None:
            results = self._firmware[found] = judge.judge(found, self.baseline.firmware_for(kind.model, kind.family))
        return results

    def _covered(self, kind: Kind, why: str) -> Bare:
        want = "the baseline says something of this meter"
        if why:
            return bare("covered", "unknown", want, None, why)
        wanted = self.baseline.firmware_for(kind.model, kind.family)
        named = [name for name, there in (("firmware", bool(wanted.paths)), ("security", kind.wants_security)) if there]
        if not named:
            what = kind.model or "this model"
            return bare(
                "covered", "unknown", want, "nothing", f"the baseline wants nothing of {what}, so nothing was judged but advisories"
            )
        return bare("covered", "pass", want, " and ".join(named), "the baseline is for this meter")

    def _evidence(self, reading: Reading) -> list[Bare]:
        """How old the evidence is (rollout 4.2); told as a day, so that a quiet fleet gives a quiet document."""
        most, baseline = self.baseline.evidence.max_age_days, self.baseline
        results = [self._age(reading, most)]
        looked = baseline.evidence.advisories_evaluated
        if looked is not None:
            state, text = ("fail", "too long ago") if baseline.advisories_old else ("pass", "recently enough")
            text = f"somebody last looked for new advisories on {looked}, which is {text}"
            remedy = "look for new advisories of the makers, then set evidence.advisories_evaluated" if state == "fail" else ""
            results.append(bare("advisories_evaluated", state, f"at most {most} days ago", str(looked), text, remedy=remedy))
        return results

    def _age(self, reading: Reading, most: int) -> Bare:
        name, want = "evidence_age", f"read within {most} days"
        if reading.facts is not None:
            return bare(name, "pass", want, "read by this audit", "was read by this audit")
        sight = (self._last_seen or {}).get(reading.name)
        if sight is None:
            text = "the records know of no audit that could read it" if self._last_seen is not None else "there are no records to ask"
            return bare(name, "unknown", want, None, text)
        day = datetime.datetime.fromtimestamp(sight[1], datetime.UTC).date()
        if (self._now - sight[1]) / _DAY <= most:
            return bare(name, "pass", want, str(day), f"is silent now and was last read on {day}", evidence="records")
        text = f"was last read on {day}, longer ago than {most} days"
        return bare(name, "fail", want, str(day), text, evidence="records", remedy="find out why it is silent, and audit it again")

    def _from_outside(self, kind: Kind, reading: Reading, why: str = outside.NOT_LOOKED) -> list[Bare]:
        facts = reading.facts or {}
        told = facts.get("security") or {}
        version = (facts.get("firmware") or {}).get("version")
        simple = not told.get("settings") and (kind.family != HEP or not reading.attest)
        key = (kind, version, told.get("mode"), told.get("revenue_lock"), why) if simple else None
        found = self._outside.get(key) if key is not None else None
        if found is None:
            found = outside.judge(kind.family, facts, kind.options, self.baseline.today, reading.attest, why)
            if key is not None:
                self._outside[key] = found
        return found

    # -- after a closer look ------------------------------------------------------------------------------------------

    def looked(self, meter: Meter, told: Mapping[str, Any], attest: Mapping[str, Any] | None = None) -> Meter:
        """The meter of an earlier step with what a closer look told; what the look did not tell of what is wanted stays unknown."""
        try:
            return self._looked(meter, told, attest or {})
        except (MeteringError, ValueError, TypeError, KeyError, AttributeError) as error:  # what nobody foresaw is this meter's alone
            return self._looked(meter, {"failed": True, "msg": f"what the closer look told cannot be judged: {error}"}, {})

    def _looked(self, meter: Meter, told: Mapping[str, Any], attest: Mapping[str, Any]) -> Meter:
        reading = Reading(meter["name"], meter["host"], meter["family"], attest=attest, location=meter.get("location"))
        kind = self._kind(meter["family"], {"model": meter["model"], "firmware": {"version": meter["firmware"] or "unknown"}})
        found = {item["id"]: item for item in merge.results(told)}
        if not kind.wants_security:  # only the passwords of the vault are
            found = {name: item for name, item in found.items() if base_id(name) in _PASSWORDS}
        reason, text = merge.failure(told)
        text = text or "the closer look did not tell it"
        everything = not found
        for item in self._from_outside(kind, reading, text) if kind.wants_security else [_no_password(text)]:
            if everything or (item["id"] in kind.asked and item["id"] not in found):
                why = {"reason": reason, "remedy": merge.remedy(reason)} if item["state"] == "unknown" and reason else {}
                found[item["id"]] = {**item, **why}
        meter = meter.copy()
        # What only the look knows: the mode; of a meter with closed registers who it is.
        meter["mode"] = meter["mode"] or _known(told.get("mode"))
        meter["serial"] = meter["serial"] or _known(told.get("serial"))
        meter["model"] = meter["model"] or _known(told.get("model"))
        return self._closed(
            meter, _said(found.values(), reading.attest), kind, [item for item in meter["controls"] if item["id"] not in found]
        )

    # -- the end ------------------------------------------------------------------------------------------------------

    def _closed(self, meter: Meter, results: Sequence[Bare], kind: Kind, earlier: Sequence[Result] = ()) -> Meter:
        """The meter with these results: attested and waived by the baseline, with line, fix and fingerprint, and its verdict.

        ``earlier`` are results of a step before, which are as they are but for their name.
        """
        found = {item["id"]: item for item in results}
        self._attest(found, meter["name"], frozenset(item["id"] for item in earlier))
        waivers = self.baseline.waivers_for(meter["name"])
        name = meter["serial"] or meter["name"]
        controls = [self._result(found[key], meter, kind, waivers, name) for key in found]
        for item in earlier:
            kept = item.copy()
            kept["fingerprint"] = doc.fingerprint(name, item["id"])
            controls.append(kept)
        controls.sort(key=lambda item: item["id"])
        meter["controls"] = controls
        meter["summary"] = verdict.summary(controls)
        meter["verdict"] = verdict.of_meter(controls)
        return meter

    def _attest(self, found: dict[str, Bare], host: str, done: frozenset[str]) -> None:
        """A person's word, where no wire tells; what was measured goes before it."""
        for item in self.baseline.attested_for(host):
            there = found.get(item.control)
            if item.control in done:
                continue
            if there is None or there["state"] in ("unknown", "attested"):
                found[item.control] = self._attested(item, there)

    def _attested(self, item: Attestation, there: Bare | None) -> Bare:
        want = there["want"] if there else "attested"
        said = {"by": item.by, "at": str(item.at), "text": item.text}
        place = self.baseline.origin(item.path)
        if item.expired(self.baseline.today):
            text = f"{item.by} saw it on {item.at}, which counted until {item.until}"
            remedy = "look again, and attest it anew"
            return bare(item.control, "unknown", want, None, text, remedy=remedy, location=place)
        text = f"{item.by} saw it on {item.at}{f': {item.text}' if item.text else ''}"
        return bare(item.control, "attested", want, item.text or "seen", text, attested=said, evidence="attested", location=place)

    def _result(self, item: Bare, meter: Meter, kind: Kind, waivers: Sequence[HostWaiver], name: str) -> Result:
        more = {"rule": item["rule"] or control(item["id"]).rule, "fingerprint": doc.fingerprint(name, item["id"])}
        found = cast(Result, {**item, **more})
        if item["state"] == "fail":
            self._failed(found, meter, kind, waivers)
        if "location" not in found:
            place = meter.get("location") if meter["reason"] and item["id"] == judge.READABLE else self._place(item["id"], kind)
            if place is not None:
                found["location"] = place
        return found

    def _failed(self, found: Result, meter: Meter, kind: Kind, waivers: Sequence[HostWaiver]) -> None:
        """Waived until a day, or failed with the task that mends it."""
        fitting = [item for item in waivers if item.covers(found["id"])]
        for item in fitting:
            if not item.expired(self.baseline.today):
                found["state"] = "waived"
                found["text"] = f"{found['text']}; {item.approver} leaves it until {item.expires}: {item.reason}"
                found["waiver"] = {"reason": item.reason, "approver": item.approver, "expires": str(item.expires)}
                place = self.baseline.origin(item.path)
                if place is not None:
                    found["location"] = place
                return
        if fitting:
            found["text"] = f"{found['text']}; its waiver ran out on {max(item.expires for item in fitting)}"
        if found.get("reason"):
            return
        if meter["attempts"].get("remaining") == 0 and base_id(found["id"]).startswith("firmware_"):
            found["reason"] = "attempts_exhausted"
            found["remedy"] = reasons.remedy("attempts_exhausted")
            return
        task = fix.fix(found, meter, _asked(found["id"], kind))
        if task is not None:
            found["fix"] = task

    def _place(self, name: str, kind: Kind) -> Location | None:
        key = (name, kind)
        if key not in self._places:
            self._places[key] = self.baseline.origin_of_control(name, kind.family, kind.generation, kind.model)
        return self._places[key]


def _said(results: Iterable[Bare], attest: Mapping[str, Any]) -> list[Bare]:
    """Results with who attested what, where the inventory tells that and not the baseline."""
    told = {name: str(attest.get(name) or "") for name in ("by", "at")}
    return [{**item, "attested": {**told, "text": str(item["have"])}} if item["state"] == "attested" else item for item in results]


def _no_password(why: str) -> Bare:
    return bare("password", "unknown", "the given password", None, why)


def _asked(name: str, kind: Kind) -> bool:
    """Whether the baseline asks for this by name; firmware is only judged where it does."""
    if base_id(name).startswith(("firmware", "component")):
        return True
    return name in kind.asked or name.startswith("password:") or (name.startswith("user:") and "user:*" in kind.asked)


def _known(value: Any) -> str:
    return "" if value in (None, "unknown") else str(value)


# -- the fleet --------------------------------------------------------------------------------------------------------


def document(baseline: Baseline, meters: Iterable[Meter]) -> Document:
    """The whole: sorted and added up. Its digest is made where it is written."""
    ordered = sorted(meters, key=lambda item: item["name"])
    _tell_apart(ordered)
    used = sorted({base_id(item["id"]) for meter in ordered for item in meter["controls"]})
    return {
        "schema": doc.SCHEMA,
        "schema_version": doc.SCHEMA_VERSION,
        "baseline": baseline.head(),
        "verdict": verdict.of_fleet(meter["verdict"] for meter in ordered),
        "totals": verdict.totals(ordered),
        "controls": [cast(ControlInfo, control(name).info()) for name in used],
        "meters": ordered,
        "digest": "",
    }


def _tell_apart(meters: Sequence[Meter]) -> None:
    """Two names that lead to one meter: its serial number does not tell their findings apart, so their names do."""
    seen: dict[str, int] = {}
    for meter in meters:
        seen[meter["serial"]] = seen.get(meter["serial"], 0) + 1
    for meter in meters:
        if meter["serial"] and seen[meter["serial"]] > 1:
            for item in meter["controls"]:
                item["fingerprint"] = doc.fingerprint(f"{meter['serial']} {meter['name']}", item["id"])


def seen(meters: Iterable[Meter]) -> dict[str, str]:
    """Serial number to name of the meters that were read, for the records."""
    return {meter["serial"]: meter["name"] for meter in meters if meter["serial"] and not meter["reason"]}
