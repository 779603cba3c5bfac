# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The judges of an audit: firmware, coverage, evidence, attestations, waivers, what a closer look adds, and the one document."""

from __future__ import annotations

import datetime
import json
import random
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.gridops.metering.plugins.module_utils._engine.audit import merge, outside, verdict
from ansible_collections.gridops.metering.plugins.module_utils._engine.audit.assemble import Auditor, Reading, document, seen
from ansible_collections.gridops.metering.plugins.module_utils._engine.audit.baseline import Baseline, parse
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.controls import CONTROLS, base_id
from ansible_collections.gridops.metering.plugins.module_utils._engine.reporting import document as doc

TODAY = datetime.date(2026, 11, 21)
NOW = datetime.datetime(2026, 11, 21, 12, tzinfo=datetime.UTC).timestamp()
DAY = 86_400
NO_LIMIT = {"limit": None, "used": None, "remaining": None, "source": "no_limit"}
PM = {
    "PM5560": {"minimum": "2.8.3", "target": "4.3.5", "forbidden": ["3.1.0"]},
    "PM5561": {"minimum": "10.7.3"},
    "ION9000": {"minimum": "3.0.0", "target": "4.0.0"},
}
PARTS = {"components": {"0": {"approved": ["0102", "0103"]}, "1": {"target": "0a0b", "signature": "ffff"}}}


def facts(model: str, version: str, serial: str = "S1", **more: Any) -> dict[str, Any]:
    family = "hep" if model.startswith(("ION", "PM8")) else "mcs301" if model == "MCS301" else "pm5000"
    firmware = {"version": version, "attempts": dict(NO_LIMIT), **more.pop("firmware", {})}
    return {"family": family, "model": model, "serial": serial, "firmware": firmware, **more}


def parts(**told: tuple[list[str], str | None]) -> dict[str, Any]:
    return {"components": [{"b": int(name[1:]), "identifiers": names, "signature": mark} for name, (names, mark) in told.items()]}


def baseline(today: datetime.date = TODAY, **sections: Any) -> Baseline:
    return parse({"profile": {"id": "grid", "version": "3"}, **sections}, today)


def one(sections: Mapping[str, Any], told: Mapping[str, Any] | None, **more: Any) -> doc.Meter:
    """One audited meter."""
    given = {"last_seen": more.pop("last_seen", {}), "now": NOW, "attempts": more.pop("attempts", {})}
    family = "pm5000" if told is None or told["family"] == "unknown" else told["family"]
    return Auditor(baseline(**sections), **given).meter(Reading("m1", "192.0.2.1", family, facts=told, **more))


def states(meter: doc.Meter) -> dict[str, str]:
    return {item["id"]: item["state"] for item in meter["controls"]}


def control(meter: doc.Meter, name: str) -> doc.Result:
    return next(item for item in meter["controls"] if item["id"] == name)


# -- firmware ---------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R-015", "X-09")
def test_a_meter_that_runs_the_target_is_compliant() -> None:
    meter = one({"firmware": PM}, facts("PM5560", "4.3.5"))
    assert meter["verdict"] == "compliant" and set(states(meter).values()) == {"pass"}
    assert {"firmware_minimum", "firmware_target", "firmware_forbidden", "firmware_advisory:certvde-2176", "covered"} <= set(states(meter))
    assert meter["target"] == "4.3.5" and meter["firmware"] == "4.3.5" and meter["reason"] == ""


@pytest.mark.requirement("R-006", "X-09")
def test_old_firmware_is_drift_with_the_task_that_mends_it() -> None:
    meter = one({"firmware": PM}, facts("PM5560", "2.5.4"))
    assert meter["verdict"] == "drift"
    for name in ("firmware_minimum", "firmware_target", "firmware_advisory:certvde-2176"):
        found = control(meter, name)
        assert found["state"] == "fail" and found["fix"]["playbook"] == "gridops.metering.upgrade" and "row" in found["remedy"]
    assert states(meter)["firmware_forbidden"] == "pass"


@pytest.mark.requirement("G-10")
def test_what_no_document_leads_to_is_blocked_with_its_reason() -> None:
    meter = one({"firmware": {"ION9000": {"target": "3.0.0"}, "advisories": False}}, facts("ION9000", "4.0.0"))
    found = control(meter, "firmware_target")
    assert meter["verdict"] == "blocked" and found["reason"] == "downgrade_forbidden" and "fix" not in found and found["remedy"]


def test_a_forbidden_version_without_a_target_needs_a_person() -> None:
    meter = one({"firmware": {"PM5560": {"forbidden": ["2.0.0-2.9.9"]}, "advisories": False}}, facts("PM5560", "2.5.4"))
    found = control(meter, "firmware_forbidden")
    assert (meter["verdict"], found["want"], found["have"]) == ("blocked", "none of 2.0.0-2.9.9", "2.5.4")


@pytest.mark.requirement("X-10")
def test_a_target_that_is_affected_itself_mends_no_weakness() -> None:
    meter = one({"firmware": {"ION9000": {"target": "3.0.0"}}}, facts("ION9000", "2.2.0"))
    found = control(meter, "firmware_advisory:icsa-23-229-03")
    assert found["reason"] == "target_affected" and "fix" not in found and "management zone" in found["remedy"]
    assert "fix" in control(meter, "firmware_advisory:sevd-2021-068-02"), "the same target mends the older one"


@pytest.mark.requirement("R-015")
def test_without_model_or_version_nothing_passes() -> None:
    unread = one({"firmware": PM}, facts("PM5560", "unknown", unread={"firmware.version": "no register answered"}))
    assert states(unread)["firmware_readable"] == "unknown" and states(unread)["firmware_target"] == "unknown"
    assert control(unread, "firmware_readable")["text"] == "no register answered" and unread["verdict"] == "unknown"
    stranger = one({"firmware": PM}, {**facts("PM9999", "1.0.0"), "family": "unknown"})
    assert stranger["verdict"] == "unknown" and states(stranger)["covered"] == "unknown"


@pytest.mark.requirement("R-043", "R-154")
def test_when_all_attempts_are_used_no_upgrade_mends_it() -> None:
    limited = {"attempts": {"limit": 10, "used": None, "remaining": None, "source": "unknown"}}
    some = one({"firmware": PM}, facts("PM5561", "10.6.5", firmware=limited), attempts={"S1": 4})
    assert some["attempts"] == {"limit": 10, "used": 4, "remaining": 6, "source": "ledger"} and some["verdict"] == "drift"
    none = one({"firmware": PM}, facts("PM5561", "10.6.5", firmware=limited), attempts={"S1": 11})
    assert none["attempts"]["remaining"] == 0 and none["verdict"] == "blocked"
    assert control(none, "firmware_minimum")["reason"] == "attempts_exhausted"
    assert one({"firmware": PM}, facts("PM5561", "10.6.5", firmware=limited))["attempts"]["used"] is None


@pytest.mark.requirement("R-213", "R-218", "X-06")
def test_parts_of_an_mcs301_are_compared_by_identifier_and_signature() -> None:
    wanted = {"firmware": {"mcs301": PARTS}}
    good = one(wanted, facts("MCS301", "0a0b", firmware=parts(b0=(["0103"], None), b1=(["77", "0a0b"], "ffff"))))
    assert states(good)["component:0"] == states(good)["component:1"] == states(good)["component_signature:1"] == "pass"
    assert good["verdict"] == "compliant" and good["target"] == "0a0b"
    bad = one(wanted, facts("MCS301", "0a0c", firmware=parts(b0=(["0199"], None), b1=(["0a0c"], "eeee"))))
    assert states(bad)["component:0"] == states(bad)["component:1"] == states(bad)["component_signature:1"] == "fail"
    assert "fix" in control(bad, "component:1") and "fix" not in control(bad, "component:0") and bad["verdict"] == "drift"
    dumb = one(wanted, facts("MCS301", "0a0b", firmware=parts(b1=(["0a0b"], None))))
    assert states(dumb)["component:0"] == states(dumb)["component_signature:1"] == "unknown" and dumb["verdict"] == "unknown"


# -- coverage and evidence --------------------------------------------------------------------------------------------


def test_a_meter_that_the_baseline_is_not_for_is_unknown() -> None:
    meter = one({"firmware": PM, "applies_to": {"families": ["hep"]}}, facts("PM5560", "2.5.4"))
    assert states(meter) == {"firmware_readable": "pass", "covered": "unknown"} and meter["verdict"] == "unknown"
    nothing = one({"firmware": PM}, facts("PM5570", "12.0.0"))
    assert states(nothing)["covered"] == "unknown" and nothing["verdict"] == "unknown"


@pytest.mark.parametrize(
    ("last_seen", "state", "word"),
    [
        ({"m1": ("S7", NOW - 34 * DAY)}, "pass", "2026-10-18"),
        ({"m1": ("S7", NOW - 36 * DAY)}, "fail", "2026-10-16"),
        ({}, "unknown", "no audit"),
        (None, "unknown", "no records"),
    ],
)
def test_evidence_of_a_silent_meter_grows_old(last_seen: Any, state: str, word: str) -> None:
    """NERC CIP-010 R2: 35 days. The meter itself stays unknown, however young the evidence is."""
    place: doc.Location = {"file": "hosts.yml", "line": 7}
    meter = one({"firmware": PM}, None, last_seen=last_seen, reason="transport_failed", text="no answer", location=place)
    assert states(meter) == {"evidence_age": state, "firmware_readable": "unknown"} and word in control(meter, "evidence_age")["text"]
    assert meter["verdict"] == ("blocked" if state == "fail" else "unknown") and meter["reason"] == "transport_failed"
    assert meter["serial"] == ("S7" if last_seen else "")
    found = control(meter, "firmware_readable")
    assert found["location"] == place and found["reason"] == "transport_failed" and found["remedy"]
    assert "transport_failed" in verdict.sentence(meter)


def test_a_baseline_may_be_stricter_about_the_age() -> None:
    meter = one({"firmware": PM, "evidence": {"max_age_days": 7}}, None, last_seen={"m1": ("S7", NOW - 8 * DAY)}, reason="x", text="silent")
    assert states(meter)["evidence_age"] == "fail"


def test_somebody_has_to_look_for_new_advisories_again() -> None:
    for day, state in (("2026-11-01", "pass"), ("2026-10-01", "fail")):
        meter = one({"firmware": PM, "evidence": {"advisories_evaluated": day}}, facts("PM5560", "4.3.5"))
        assert states(meter)["advisories_evaluated"] == state
    assert "advisories_evaluated" not in states(one({"firmware": PM}, facts("PM5560", "4.3.5")))


# -- attested and waived ----------------------------------------------------------------------------------------------


@pytest.mark.requirement("R-300")
def test_a_persons_word_counts_until_its_day_and_never_over_what_was_measured() -> None:
    said = {"control": "seals", "by": "j.doe", "at": "2026-11-01", "text": "A-17", "valid_days": 30}
    fresh = one({"firmware": PM, "attested": [said]}, facts("PM5560", "4.3.5"))
    found = control(fresh, "seals")
    assert found["state"] == "attested" and found["attested"] == {"by": "j.doe", "at": "2026-11-01", "text": "A-17"}
    assert fresh["verdict"] == "compliant"
    old = one({"firmware": PM, "attested": [{**said, "at": "2026-10-01"}]}, facts("PM5560", "4.3.5"))
    assert states(old)["seals"] == "unknown" and old["verdict"] == "unknown"
    read = {"revenue_lock": "unlocked"}
    told = facts("ION9000", "4.0.0", security=read, provenance={"security.revenue_lock": "register"})
    lock = one(
        {"firmware": PM, "security": {"hep": {"mode": "advanced"}}, "attested": [{**said, "control": "revenue_lock", "text": "locked"}]},
        told,
    )
    assert states(lock)["revenue_lock"] == "fail", "the meter says that it is open"


@pytest.mark.requirement("R-233")
def test_a_waiver_holds_until_its_day_and_then_turns_the_verdict() -> None:
    waiver = {"control": "firmware_target", "hosts": ["m*"], "reason": "exchange", "approver": "j.doe", "expires": "2026-12-01"}
    sections = {"firmware": {"PM5560": {"target": "4.3.5"}, "advisories": False}, "waivers": [waiver]}
    held = one(sections, facts("PM5560", "2.8.3"))
    assert control(held, "firmware_target")["waiver"] == {"reason": "exchange", "approver": "j.doe", "expires": "2026-12-01"}
    assert states(held)["firmware_target"] == "waived" and held["verdict"] == "compliant"
    late = Auditor(baseline(datetime.date(2026, 12, 2), **sections)).meter(Reading("m1", "h", facts=facts("PM5560", "2.8.3")))
    assert states(late)["firmware_target"] == "fail" and late["verdict"] == "drift"
    assert control(late, "firmware_target")["text"].endswith("its waiver ran out on 2026-12-01")
    other = Auditor(baseline(**sections)).meter(Reading("x1", "h", facts=facts("PM5560", "2.8.3")))
    assert states(other)["firmware_target"] == "fail"


def test_a_waiver_for_all_of_a_kind_covers_each() -> None:
    waiver = {"control": "firmware_advisory:*", "reason": "zone", "approver": "j.doe", "expires": "2027-01-01"}
    meter = one({"firmware": {"ION9000": {"minimum": "2.0.0"}}, "waivers": [waiver]}, facts("ION9000", "2.2.0"))
    assert [item["state"] for item in meter["controls"] if base_id(item["id"]) == "firmware_advisory"] == ["waived", "waived"]


# -- security ---------------------------------------------------------------------------------------------------------

SECURITY = {
    "hep": {"mode": "advanced", "services": {"ftp": False}},
    "pm5000": {"services": {"ftp": False}},
    "mcs301": {"policy": "authenticated_encrypted"},
}


@pytest.mark.parametrize("model", ["PM5560", "ION9000", "MCS301"])
def test_where_nobody_signs_in_the_wanted_security_is_unknown(model: str) -> None:
    version = {"PM5560": "4.3.5", "ION9000": "4.0.0", "MCS301": "0a0b"}[model]
    meter = one({"firmware": PM, "security": SECURITY}, facts(model, version))
    wanted = {"PM5560": "ftp", "ION9000": "mode", "MCS301": "policy"}[model]
    assert states(meter)[wanted] == "unknown" and meter["verdict"] == "unknown"
    assert control(meter, wanted)["text"] == outside.NOT_LOOKED


def test_registers_of_a_profile_are_seen_by_the_pass_itself() -> None:
    told = {"mode": "standard", "settings": {"web_programming": False, "panel_programming": None}}
    origin = {"security.mode": "register", "security.settings.web_programming": "register"}
    meter = one({"firmware": PM, "security": SECURITY}, facts("ION9000", "4.0.0", security=told, provenance=origin))
    assert states(meter)["mode"] == "fail" and states(meter)["web_programming"] == "pass"
    assert states(meter)["panel_programming"] == "unknown"
    assert meter["mode"] == "standard" and control(meter, "mode")["fix"]["playbook"] == "gridops.metering.harden"


def test_who_is_looked_at_more_closely() -> None:
    auditor = Auditor(baseline(firmware=PM, security=SECURITY))
    ready = Reading("m1", "h", "hep", facts=facts("ION9000", "4.0.0"), way_in=True)
    assert auditor.closer(ready)
    assert not auditor.closer(Reading("m1", "h", "hep", facts=facts("ION9000", "4.0.0")))
    assert not auditor.closer(Reading("m1", "h", "hep", reason="transport_failed", way_in=True)), "who is silent is not asked again"
    assert auditor.closer(Reading("m1", "h", "hep", reason="modbus_map_closed", way_in=True)), "its pages may be open"
    assert not Auditor(baseline(firmware=PM)).closer(ready), "nothing of its security is wanted"
    assert not Auditor(baseline(security=SECURITY, applies_to={"families": ["pm5000"]})).closer(ready)
    assert "mode" not in states(auditor.meter(ready)), "a closer look tells it"


def test_passwords_of_the_vault_are_wanted_too() -> None:
    auditor = Auditor(baseline(firmware=PM))
    shut = auditor.meter(Reading("m1", "h", facts=facts("PM5560", "4.3.5"), passwords=True))
    assert states(shut)["password"] == "unknown" and shut["verdict"] == "unknown"
    ready = Reading("m1", "h", facts=facts("PM5560", "4.3.5"), passwords=True, way_in=True)
    first = auditor.meter(ready)
    assert auditor.closer(ready) and "password" not in states(first)
    told = looked(
        ("password:administrator", "pass", "the given password", "set by an earlier run"), ("web_protocol", "fail", "https", "http")
    )
    meter = auditor.looked(first, told)
    assert meter["verdict"] == "compliant" and "web_protocol" not in states(meter), "nothing of it is wanted"
    assert auditor.looked(first, {})["verdict"] == "unknown"


def looked(*controls: tuple[str, str, Any, Any], **more: Any) -> dict[str, Any]:
    return {
        "controls": [
            {"id": name, "state": state, "want": want, "have": have, "text": "told", "rule": "R-254", "remedy": "", "evidence": "page"}
            for name, state, want, have in controls
        ],
        **more,
    }


def test_what_a_closer_look_told_is_merged() -> None:
    sections = {
        "firmware": PM, "security": SECURITY,
        "attested": [{"control": "seals", "by": "j.doe", "at": "2026-11-01"}],
        "waivers": [{"control": "ftp", "reason": "old tool", "approver": "j.doe", "expires": "2026-12-01"}],
    }  # fmt: skip
    auditor = Auditor(baseline(**sections))
    first = auditor.meter(Reading("m1", "h", "hep", facts=facts("ION9000", "4.0.0"), way_in=True))
    first = json.loads(json.dumps(first))  # it goes through a file
    told = looked(
        ("mode", "pass", "advanced", "advanced"), ("ftp", "fail", False, True), ("seals", "unknown", "applied", None), mode="advanced"
    )
    meter = Auditor(baseline(**sections)).looked(first, told)
    assert meter["verdict"] == "compliant" and meter["mode"] == "advanced"
    assert states(meter)["ftp"] == "waived" and states(meter)["seals"] == "attested" and states(meter)["firmware_target"] == "pass"
    assert control(meter, "ftp")["waiver"]["reason"] == "old tool"


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({}, ""),
        ({"failed": True, "msg": "the task failed"}, ""),
        ({"failed": True, "error": {"reason": "login_refused"}, "text": "refused"}, "login_refused"),
    ],
)
def test_a_look_that_told_nothing_leaves_all_unknown(told: dict[str, Any], reason: str) -> None:
    auditor = Auditor(baseline(firmware=PM, security=SECURITY))
    meter = auditor.looked(auditor.meter(Reading("m1", "h", "hep", facts=facts("ION9000", "4.0.0"), way_in=True)), told)
    assert states(meter)["mode"] == "unknown" and meter["verdict"] == "unknown"
    assert control(meter, "mode").get("reason", "") == reason


def test_what_a_look_leaves_out_or_tells_oddly_is_unknown() -> None:
    auditor = Auditor(baseline(firmware=PM, security=SECURITY))
    first = auditor.meter(Reading("m1", "h", "hep", facts=facts("ION9000", "4.0.0"), way_in=True))
    assert states(auditor.looked(first, looked(("telnet", "pass", False, False))))["mode"] == "unknown"
    assert states(auditor.looked(first, looked(("mode", "wonderful", 1, 1))))["mode"] == "unknown"
    odd = auditor.looked(first, {"controls": 7, "error": "x"})
    assert states(odd)["mode"] == "unknown" and odd["verdict"] == "unknown"


def test_numbers_that_pass_with_time_are_told_as_what_they_stand_for() -> None:
    def found(name: str, state: str, have: str) -> str:
        return json.dumps(merge.results(looked((name, state, "less than 90 days", have))))

    for name, state in (("password_age:USER1", "pass"), ("password_age:USER1", "fail"), ("clock", "fail"), ("clock", "pass")):
        assert found(name, state, "+41 days") == found(name, state, "+42 days")
    assert found("clock", "fail", "+41 s") != found("clock", "fail", "-41 s")
    assert merge.results(looked(("mode", "planned", 1, 2)))[0]["state"] == "fail"
    assert merge.failure({"error": {"reason": "locked_out"}, "text": "wait 17 s"}) == merge.failure(
        {"error": {"reason": "locked_out"}, "text": "wait 16 s"}
    )


# -- the document -----------------------------------------------------------------------------------------------------


def fleet() -> list[Reading]:
    found = [
        Reading(f"m{number:02d}", f"192.0.2.{number}", facts=facts("PM5560", "2.5.4" if number % 3 else "4.3.5", f"S{number}"))
        for number in range(20)
    ]
    return [
        *found,
        Reading("silent", "192.0.2.99", reason="transport_failed", text="no answer"),
        Reading("hep", "h", "hep", facts=facts("ION9000", "4.0.0", "H1")),
    ]


def text_of(readings: list[Reading], today: datetime.date = TODAY, **more: Any) -> str:
    auditor = Auditor(baseline(today, firmware=PM, security=SECURITY), **more)
    found = document(auditor.baseline, [auditor.meter(item) for item in readings])
    found["digest"] = doc.digest(found)
    return "".join(doc.dump(found))


@given(st.randoms(use_true_random=False))
@settings(max_examples=10, deadline=None)
def test_the_same_fleet_gives_the_same_bytes_in_any_order_and_a_day_later(dice: random.Random) -> None:
    readings, seen_at = fleet(), {"silent": ("S99", NOW - 3 * DAY)}
    before = text_of(readings, last_seen=seen_at, now=NOW)
    dice.shuffle(readings)
    assert text_of(readings, TODAY + datetime.timedelta(days=1), last_seen=seen_at, now=NOW + DAY) == before
    whole = json.loads(before)
    assert whole["digest"] == doc.digest({**whole, "digest": ""}) and "2026-11-21" not in before


def test_sums_add_up_and_every_control_is_described() -> None:
    whole = json.loads(text_of(fleet()))
    assert whole["totals"]["meters"] == len(whole["meters"]) == sum(whole["totals"]["verdicts"].values()) == 22
    assert (
        whole["totals"]["controls"] == sum(whole["totals"]["states"].values()) == sum(len(meter["controls"]) for meter in whole["meters"])
    )
    used = {base_id(item["id"]) for meter in whole["meters"] for item in meter["controls"]}
    assert [item["id"] for item in whole["controls"]] == sorted(used) and used <= set(CONTROLS)
    assert whole["verdict"] == "drift" and whole["baseline"]["id"] == "grid"
    assert all(item["rule"] for meter in whole["meters"] for item in meter["controls"])


def test_findings_of_two_names_for_one_meter_are_told_apart() -> None:
    auditor = Auditor(baseline(firmware=PM))
    twins = [auditor.meter(Reading(name, "h", facts=facts("PM5560", "2.5.4"))) for name in ("a", "b")]
    whole = document(auditor.baseline, twins)
    marks = [item["fingerprint"] for meter in whole["meters"] for item in meter["controls"]]
    assert len(marks) == len(set(marks)) and seen(twins) == {"S1": "b"}


def test_one_meter_with_odd_data_never_ends_the_audit() -> None:
    auditor = Auditor(baseline(firmware=PM, security=SECURITY))
    for odd in (
        {"firmware": 7},
        {"family": "hep", "model": ["x"]},
        {"family": "pm5000", "model": "PM5560", "firmware": {"version": "nonsense"}},
        {},
        {"family": "stranger", "model": "PM5560", "firmware": {"version": "4.3.5"}},
    ):
        meter = auditor.meter(Reading("m1", "h", facts=odd))
        assert meter["verdict"] == "unknown", odd


# -- properties -------------------------------------------------------------------------------------------------------

RESULT = st.fixed_dictionaries({"state": st.sampled_from(doc.STATES)}, optional={"fix": st.just({"playbook": "x"})})


@given(st.lists(RESULT, max_size=6))
def test_unknown_is_never_good(controls: list[dict[str, Any]]) -> None:
    found = verdict.of_meter(controls)
    here = {item["state"] for item in controls}
    assert (found == "compliant") == (bool(here) and not here & {"fail", "unknown"})
    fixes = any(item["state"] == "fail" and "fix" in item for item in controls)
    assert (found == "drift") == fixes and (found == "blocked") == ("fail" in here and not fixes)


@given(st.lists(st.sampled_from(doc.VERDICTS), max_size=6))
def test_a_fleet_is_as_good_as_its_worst_meter(verdicts: list[str]) -> None:
    found = verdict.of_fleet(verdicts)
    assert (found == "compliant") == (set(verdicts) == {"compliant"})
    assert all(doc.VERDICTS.index(found) <= doc.VERDICTS.index(item) for item in verdicts)


VERSIONS = st.sampled_from(("unknown", "2.5.4", "2.8.3", "3.1.0", "4.3.5", "9.9.9"))
WAIVED = st.sampled_from(("firmware_target", "firmware_minimum", "firmware_forbidden", "covered", "evidence_age", "ftp"))


@given(st.lists(VERSIONS, min_size=1, max_size=5), st.lists(WAIVED, max_size=3, unique=True), st.booleans(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_waivers_and_words_never_hide_what_is_unknown(versions: list[str], waived: list[str], late: bool, silent: bool) -> None:
    """Any fleet: compliant means that nothing failed and nothing is unknown; a waiver only ever turns a fail, and not when it ran out."""
    waivers = [{"control": name, "reason": "r", "approver": "a", "expires": "2026-11-30"} for name in waived]
    sections = {"firmware": PM, "security": SECURITY}
    today = datetime.date(2026, 12, 1) if late else TODAY
    readings = [Reading(f"m{number}", "h", facts=facts("PM5560", version, f"S{number}")) for number, version in enumerate(versions)]
    readings += [Reading("silent", "h", reason="transport_failed", text="no answer")] if silent else []

    def audited(**more: Any) -> doc.Document:
        auditor = Auditor(baseline(today, **sections, **more), {}, NOW)
        return document(auditor.baseline, [auditor.meter(item) for item in readings])

    plain, held = audited(), audited(waivers=waivers)
    for before, after in zip(plain["meters"], held["meters"], strict=True):
        for old, new in zip(before["controls"], after["controls"], strict=True):
            turned = old["state"] == "fail" and old["id"] in waived and not late
            assert new["state"] == ("waived" if turned else old["state"])
        here = {item["state"] for item in after["controls"]}
        assert (after["verdict"] == "compliant") == (not here & {"fail", "unknown"})
    assert (held["verdict"] == "compliant") == all(item["verdict"] == "compliant" for item in held["meters"])
    assert sum(held["totals"]["states"].values()) == sum(len(item["controls"]) for item in held["meters"])
