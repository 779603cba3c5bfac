# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The baseline as a document: what it says of a meter, every fault with its place, and that odd documents only ever raise InputError."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from ansible_collections.gridops.metering.plugins.module_utils._engine.audit import baseline as engine
from ansible_collections.gridops.metering.plugins.module_utils._engine.audit.assemble import Auditor, Reading
from ansible_collections.gridops.metering.plugins.module_utils._engine.audit.baseline import parse
from ansible_collections.gridops.metering.plugins.module_utils._engine.audit.faults import BaselineError
from ansible_collections.gridops.metering.plugins.module_utils._engine.audit.targets import Given, refuse, targets_with
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.documents import line_of
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.models import MODELS, families
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.versions import Version
from ansible_collections.gridops.metering.plugins.module_utils._engine.security import baseline as security

requirement = pytest.mark.requirement
DAY = datetime.date(2026, 11, 21)
TEXT = """
schema: 1
profile: {id: grid, version: 3, owner: ot-security, valid_until: 2027-12-31}
applies_to: {hosts: ["*"]}
firmware:
  advisories: true
  pm5000: {advisories: false}
  PM5560: {minimum: 2.8.3, target: 4.4.0, forbidden: [3.1.0, "2.0.0-2.3.9"], advisories: true}
  ION9000: {minimum: 3.0.0, target: V004.000.000}
  mcs301:
    components:
      0: {approved: ["hex:0205"], signature: "aabb"}
      1: {target: "hex:0206", approved: ["0206", "0207"]}
  MCS301: {components: {"1": {approved: ["0206"]}}}
security:
  all: {services: {ftp: false}}
  hep: {mode: advanced, lockout: {attempts: {web: 5}}}
  hep 4: {lockout: {attempts: {web: 3}}}
  ION9000: {users: [{name: USER1, permissions: [read, security_config]}]}
attested:
  - {control: seals, hosts: ["a-*"], by: j.doe, at: 2026-01-01, text: old}
  - {control: seals, hosts: ["a-*"], by: j.doe, at: 2026-11-01, text: A-17, valid_days: 20}
waivers:
  - {control: interim_mode, hosts: ["pme-*"], reason: PME 9, approver: ot, expires: "2027-03-31"}
  - {control: "user:*", reason: being renamed, approver: ot, expires: 2026-11-20}
evidence: {max_age_days: 30, advisories_evaluated: "2026-10-01"}
"""


def document(**changed):
    return {**yaml.safe_load(TEXT), **changed}


def faults(given, **more):
    with pytest.raises(BaselineError) as refused:
        parse(given, DAY, **more)
    return refused.value.faults


class _Line(str):
    line = 0


def _lined(text):
    """A document whose keys know their lines, as core gives it."""

    class Loader(yaml.SafeLoader):
        pass

    def mapping(loader, node):
        found = {}
        for key, value in node.value:
            name = _Line(loader.construct_object(key))
            name.line = key.start_mark.line + 1
            found[name] = loader.construct_object(value, deep=True)
        return found

    Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    return yaml.load(text, Loader)


def _locate(value):
    return {"file": "b.yml", "line": value.line} if isinstance(value, _Line) else None


# -- what it says -----------------------------------------------------------------------------------------------------


@requirement("R-015", "R-241")
def test_what_a_model_shall_run():
    found = parse(document(), DAY).firmware_for("PM5560", "pm5000")
    assert (found.minimum, found.target) == (Version(2, 8, 3), Version(4, 4, 0))
    assert [found.forbids(Version(*v)) is not None for v in ((3, 1, 0), (3, 1, 1), (2, 0, 0), (2, 3, 9), (2, 4, 0))] == [
        True, False, True, True, False,
    ]  # fmt: skip
    assert found.path("target") == ("firmware", "PM5560", "target") and found.path("nothing") == ("firmware",)
    other = parse(document(), DAY).firmware_for("PM5650", "pm5000")
    assert (other.minimum, other.target, other.forbidden) == (None, None, ())


@requirement("R-289", "R-213", "R-212")
def test_the_narrower_part_goes_before_the_wider_one():
    found = parse(document(), DAY)
    assert found.firmware_for("PM5560", "pm5000").advisories and not found.firmware_for("PM5650", "pm5000").advisories
    assert found.firmware_for("ION9000", "hep").advisories and not found.firmware_for("", "pm5000").advisories
    wide, narrow = found.firmware_for("", "mcs301").components, found.firmware_for("MCS301", "mcs301").components
    assert wide[1].approved == ("0206", "0207") and narrow[1].approved == ("0206",)
    assert wide[1].target == narrow[1].target == "0206" and narrow[0] == wide[0] and wide[0].signature == "aabb"
    options = found.security_for("m", "hep", "4", {"user1": "Canary-1"}, "ION9000")
    assert options["lockout"] == {"attempts": {"web": 3}} and options["services"] == {"ftp": False}
    assert options["users"][0]["password"] == "Canary-1" and "Canary" not in json.dumps(found.document)


def test_the_head_says_which_document_it_was():
    found = parse(document(), DAY)
    assert {**found.head(), "digest": ""} == {
        "id": "grid",
        "version": "3",
        "owner": "ot-security",
        "valid_until": "2027-12-31",
        "digest": "",
    }
    assert found.digest == parse(json.loads(json.dumps(found.document)), DAY).digest != parse(document(applies_to={}), DAY).digest
    assert parse({}, DAY).head().keys() == {"digest"} and parse({}, DAY).targets() == {}


@requirement("R-233")
def test_waivers_are_for_some_meters_and_have_an_end():
    found = parse(document(), DAY)
    first, second = found.waivers_for("pme-1")
    assert found.waivers_for("m1") == (second,) and first.covers("interim_mode") and not first.covers("mode")
    assert second.covers("user:USER1") and not second.covers("user") and not second.covers("users:x")
    assert second.expired(DAY) and not first.expired(DAY) and not first.expired(first.expires)


@requirement("R-300")
def test_what_somebody_saw_counts_until_a_day():
    (found,) = parse(document(), DAY).attested_for("a-1")
    assert (found.text, found.until) == ("A-17", datetime.date(2026, 11, 21)) and not found.expired(DAY)
    assert found.expired(DAY + datetime.timedelta(days=1)) and parse(document(), DAY).attested_for("b-1") == ()


def test_a_meter_outside_is_not_covered():
    found = parse(document(applies_to={"families": ["hep"], "models": ["ION9000"], "hosts": ["hall-*"]}), DAY)
    assert found.covers("hall-1", "hep", "ION9000")
    for host, family, model in (
        ("hall-1", "pm5000", "PM5560"),
        ("hall-1", "hep", "PM8000"),
        ("hall-1", "hep", ""),
        ("x", "hep", "ION9000"),
    ):
        assert found.coverage.why(host, family, model)
    assert parse(document(applies_to={}), DAY).covers("x", "pm5000", "")


def test_evidence_may_be_stricter_and_never_laxer():
    found = parse(document(), DAY)
    assert found.evidence.max_age_days == 30 and found.advisories_old
    assert not parse(document(evidence={"advisories_evaluated": "2026-10-17"}), DAY).advisories_old
    assert parse(document(evidence={"advisories_evaluated": "2026-10-16"}), DAY).advisories_old and parse({}, DAY).advisories_old
    assert parse({}, DAY).evidence.max_age_days == 35


def test_what_is_odd_and_may_be_meant_is_a_warning():
    affected, nowhere = parse({"firmware": {"PM5560": {"target": "2.5.0"}, "PM5650": {"target": "3.5.0"}}}, DAY).warnings
    assert "certvde-2176, which 2.8.3 mends" in affected and "no documented upgrade leads there" in nowhere
    assert parse(document(), DAY).warnings == ()


# -- faults -----------------------------------------------------------------------------------------------------------

PART = {"approved": ["0206"], "target": "0207"}
FAULTS = [
    ({"firmwares": {}}, "metering_baseline.firmwares", "one of the keys"),
    ({"schema": 2}, "metering_baseline.schema", "expected 1"),
    ({"profile": {"valid_until": "2026-11-20"}}, "metering_baseline.profile.valid_until", "review the baseline"),
    ({"profile": {"valid_until": "2027-02-30"}}, "metering_baseline.profile.valid_until", "a day such as"),
    ({"profile": {"name": "x"}}, "metering_baseline.profile.name", "valid_until"),
    ({"firmware": {"PM5560": {"target": 4.4}}}, "metering_baseline.firmware.PM5560.target", "three numbers"),
    ({"firmware": {"PM5560": {"target": "4.4"}}}, "metering_baseline.firmware.PM5560.target", "three numbers"),
    ({"firmware": {"PM9999": {}}}, "metering_baseline.firmware.PM9999", "PM5560"),
    ({"firmware": {"hep": {"target": "4.0.0"}}}, "metering_baseline.firmware.hep.target", "advisories"),
    ({"firmware": {"PM5560": {"minimum": "2.8.3", "target": "2.8.2"}}}, "metering_baseline.firmware.PM5560.target", "minimum 2.8.3"),
    (
        {"firmware": {"PM5560": {"target": "2.3.0", "forbidden": ["2.0.0-2.3.9"]}}},
        "metering_baseline.firmware.PM5560.target",
        "2.0.0-2.3.9",
    ),
    ({"firmware": {"PM5560": {"forbidden": ["2.3.9-2.0.0"]}}}, "metering_baseline.firmware.PM5560.forbidden[0]", "lower to the higher"),
    ({"firmware": {"MCS301": {"components": {"10": {}}}}}, "metering_baseline.firmware.MCS301.components", "0 for metrology"),
    ({"firmware": {"MCS301": {"components": {"1": PART}}}}, "metering_baseline.firmware.MCS301.components.1.target", "approved"),
    (
        {"firmware": {"MCS301": {"components": {"1": {"target": "hex:0"}}}}},
        "metering_baseline.firmware.MCS301.components.1.target",
        "digits",
    ),
    (
        {"firmware": {"MCS301": {"components": {"0": {"target": "01"}, "1": {"target": "02"}}}}},
        "metering_baseline.firmware.MCS301.components",
        "one part with a target",
    ),
    ({"security": {"hep 3": {"lockout": {"attempts": {"web": 256}}}}}, "metering_baseline.security.hep 3.lockout.attempts.web", "0 to 255"),
    ({"security": {"hep 5": {}}}, "metering_baseline.security.hep 5", "hep 4"),
    ({"security": {"mcs301": {"users": []}}}, "metering_baseline.security.mcs301.users", "policy"),
    ({"security": {"ION9000": {"mode": "none"}}}, "metering_baseline.security.ION9000.mode", "advanced"),
    ({"attested": [{"control": "seals", "at": "2026-11-01"}]}, "metering_baseline.attested[0]", "key by as well"),
    ({"attested": [{"control": "mode", "by": "x", "at": "2026-11-01"}]}, "metering_baseline.attested[0].control", "only a person"),
    ({"attested": [{"control": "seals", "by": "x", "at": "2026-11-22"}]}, "metering_baseline.attested[0].at", "nobody saw it yet"),
    (
        {"attested": [{"control": "seals", "by": "x", "at": "2026-11-01", "valid_days": 457}]},
        "metering_baseline.attested[0].valid_days",
        "456",
    ),
    ({"waivers": [{"control": "mode", "approver": "a", "expires": "2027-01-01"}]}, "metering_baseline.waivers[0]", "key reason as well"),
    ({"waivers": [{"control": "mode", "reason": "r", "expires": "2027-01-01"}]}, "metering_baseline.waivers[0]", "key approver as well"),
    ({"waivers": [{"control": "mode", "reason": "r", "approver": "a"}]}, "metering_baseline.waivers[0]", "key expires as well"),
    (
        {"waivers": [{"control": "mode", "reason": "r", "approver": "a", "expires": "2027-12-27"}]},
        "metering_baseline.waivers[0].expires",
        "2027-12-26",
    ),
    (
        {"waivers": [{"control": "*", "reason": "r", "approver": "a", "expires": "2027-01-01"}]},
        "metering_baseline.waivers[0].control",
        "'user:*'",
    ),
    ({"evidence": {"max_age_days": 36}}, "metering_baseline.evidence.max_age_days", "1 to 35"),
    ({"evidence": {"advisories_evaluated": "2026-11-22"}}, "metering_baseline.evidence.advisories_evaluated", "up to 2026-11-21"),
    ({"applies_to": {"families": ["hep"], "models": ["PM5560"]}}, "metering_baseline.applies_to.models", "families hep"),
    ({1.5: {}}, "metering_baseline", "keys of text"),
]


@requirement("R-300", "R-233", "R-212", "R-216", "R-344")
@pytest.mark.parametrize(("change", "option", "accepted"), FAULTS)
def test_a_fault_names_the_option_and_what_is_accepted(change, option, accepted):
    (found,) = faults(document(**change) if all(isinstance(key, str) for key in change) else {**document(), **change})
    assert found.option == option and found.text.startswith(f"{option}: ") and accepted in found.text
    assert found.text.endswith(")"), "the rule"


def test_all_faults_are_told_at_once_and_the_same_one_once():
    found = faults(document(evidence={"max_age_days": 0}, schema=3, attested=[{}]))
    assert [item.option for item in found] == [
        "metering_baseline.attested[0]", "metering_baseline.evidence.max_age_days", "metering_baseline.schema",
    ]  # fmt: skip
    assert "the keys control, by, at as well" in found[0].text
    with pytest.raises(BaselineError, match=r"^2 faults: .*; metering_baseline\.evidence") as refused:
        parse(
            document(
                evidence={"advisories_evaluated": "2027-01-01"},
                waivers=[{"control": "x", "reason": "r", "approver": "a", "expires": "2027-01-01"}],
            ),
            DAY,
        )
    assert len(refused.value.faults) == 2
    many = [{"control": "mode", "reason": "r", "approver": "a", "expires": "2029-01-01", "hosts": [str(number)]} for number in range(30)]
    with pytest.raises(BaselineError, match=r"30 faults: .*; and 10 more$"):
        parse(document(waivers=many), DAY)


def test_no_password_is_ever_shown():
    for wrong in (
        {"security": {"hep": {"users": [{"name": "USER1", "password": "Canary-6Base"}]}}},
        {"security": {"hep": "Canary-6Base"}},
        {"security": "Canary-6Base"},
        {"security": {"hep": {"mode": {"password": "Canary-6Base"}}}},
    ):
        assert all("Canary" not in item.text for item in faults(document(**wrong)))


@requirement("R-289")
def test_a_fault_of_one_generation_is_found_for_each_and_told_once():
    (found,) = faults({"security": {"all": {"lockout": {"attempts": {"web": 300}}}}})
    assert found.option == "metering_baseline.security.all.lockout.attempts.web"
    parse({"applies_to": {"families": ["pm5000"]}, "security": {"pm5000": {"services": {"ftp": False}}}}, DAY)


def test_every_fault_knows_its_line():
    text = (
        "firmware:\n  PM5560:\n    minimum: 2.8.3\n    target: 2.8.2\nsecurity:\n  hep:\n    lockout:\n      attempts:\n        web: 300\n"
    )
    found = faults(_lined(text), locate=_locate)
    assert sorted(str(item).rpartition(", in ")[2] for item in found) == ["b.yml:4", "b.yml:9"]


# -- where a control is wanted ----------------------------------------------------------------------------------------


def test_a_part_with_a_target_only_has_a_line_too():
    found = parse(_lined("firmware:\n  mcs301:\n    components:\n      1:\n        target: a1\n"), DAY, _locate)
    assert found.origin_of_control("component:1", "mcs301", "unknown", "MCS301") == {"file": "b.yml", "line": 5}
    assert found.origin_of_control("component:0", "mcs301", "unknown", "MCS301") == {"file": "b.yml", "line": 1}


@requirement("R-289")
@pytest.mark.parametrize(
    ("control", "family", "generation", "model", "key"),
    [
        ("lockout_web", "hep", "4", "ION9000", "hep 4"),
        ("lockout_web", "hep", "3", "ION9000", "hep"),
        ("ftp", "pm5000", "new", "PM5560", "all"),
        ("user:USER1", "hep", "3", "ION9000", "ION9000"),
        ("firmware_target", "pm5000", "new", "PM5560", "PM5560"),
        ("component_signature:0", "mcs301", "unknown", "MCS301", "0"),
        ("component:1", "mcs301", "unknown", "MCS301", "MCS301"),
        ("evidence_age", "hep", "3", "ION9000", "evidence"),
        ("telnet", "hep", "3", "ION9000", "hep"),
        ("telnet", "mcs301", "unknown", "MCS301", "security"),
        ("covered", "hep", "3", "ION9000", "applies_to"),
        ("seals", "hep", "3", "ION9000", "attested"),
        ("firmware_readable", "pm5000", "new", "PM5560", "firmware"),
        ("nobody_knows_this", "hep", "3", "ION9000", "security"),
    ],
)
def test_the_line_that_sets_what_a_control_wants_is_the_narrowest_one(control, family, generation, model, key):
    found = parse(_lined(TEXT), DAY, _locate)
    wanted = [number for number, line in enumerate(TEXT.splitlines(), start=1) if line.strip().startswith(f"{key}:")]
    assert found.origin_of_control(control, family, generation, model)["line"] in wanted
    assert parse(_lined(TEXT), DAY).origin_of_control(control, family, generation, model) is None


# -- targets ----------------------------------------------------------------------------------------------------------


@requirement("R-006")
def test_targets_are_those_of_the_baseline_or_fewer():
    found = parse(document(), DAY)
    everything = {"PM5560": "4.4.0", "ION9000": "4.0.0", "MCS301": {"version": "0206", "component": 1}}
    assert targets_with(found, []) == found.targets() == everything
    assert targets_with(found, [Given("t", "PM5560", "v4.4.0"), Given("t", "PM5650", "4.11.0")]) == {"PM5560": "4.4.0", "PM5650": "4.11.0"}
    assert targets_with(found, [Given("t", "MCS301", "hex:0206")]) == {"MCS301": "0206"}


@requirement("R-006", "R-215")
@pytest.mark.parametrize(
    ("model", "target", "says"),
    [
        ("PM5560", "4.3.5", "4.4.0, as metering_baseline.firmware.PM5560.target says"),
        ("MCS301", "0207", "0206, as metering_baseline.firmware.mcs301.components.1.target says"),
        (
            "MCS301",
            {"version": "0206", "component": 0},
            "an approved identifier, as metering_baseline.firmware.mcs301.components.0.approved says",
        ),
        ("PM5561", "10.7.2", "10.7.3 or a higher version, as metering_baseline.firmware.PM5561.minimum says"),
        ("PM5561", "10.8.0", "a version that is not forbidden, as metering_baseline.firmware.PM5561.forbidden says"),
    ],
)
def test_a_target_that_contradicts_the_baseline_is_refused_with_both_places(model, target, says):
    given = document()
    given["firmware"]["PM5561"] = {"minimum": "10.7.3", "forbidden": ["10.8.0"]}
    with pytest.raises(BaselineError) as refused:
        refuse(parse(given, DAY), Given("metering_targets.x", model, target, {"file": "t.yml", "line": 7}))
    assert says in str(refused.value) and str(refused.value).endswith("in t.yml:7")


def test_lines_of_a_yaml_text():
    text = "a:\n  - b\n  - c: {d: 1}\n'1': x\n"
    assert [line_of(text, path) for path in (("a",), ("a", 1), ("a", 1, "c", "d"), (1,))] == [1, 3, 3, 4]
    assert [line_of(text, path) for path in (("x",), ("a", 7), ("a", "b"), (1, 2))] == [None] * 4 and line_of("a: [", ("a",)) is None


# -- the schema -------------------------------------------------------------------------------------------------------


def test_the_published_schema_names_what_the_catalogue_has():
    definitions = engine.schema()["$defs"]
    parts = definitions["baseline"]["properties"]
    assert set(parts) == set(security.PARTS) and set(parts["waivers"]["items"]["properties"]) == set(security.WAIVER)
    assert definitions["model"]["enum"] == [model.name for model in MODELS]
    assert parts["applies_to"]["properties"]["families"]["items"]["enum"] == list(families)
    assert set(parts["firmware"]["properties"]) == {"advisories", *families, *(model.name for model in MODELS)}
    assert parts["security"]["properties"].keys() == set(security._PLACES)
    for place, entry in parts["security"]["properties"].items():
        known = security._ALL if place == "all" else security._OPTIONS[security.family_of(place)]
        assert set(definitions[entry["$ref"].rpartition("/")[2]]["properties"]) == set(known), place


EXAMPLES = sorted((Path(__file__).parents[3] / "examples" / "baselines").glob("*.yml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_complete_and_its_schema_is_where_it_says(path):
    text = path.read_text(encoding="utf-8")
    found = parse(yaml.safe_load(text)["metering_baseline"], DAY)
    assert found.targets() and found.document["security"] and found.attestations and not found.advisories_old and found.warnings == ()
    named = text.partition("$schema=")[2].splitlines()[0]
    assert (path.parent / named).resolve() == engine.SCHEMA_FILE.resolve()
    whole = Draft202012Validator(engine.schema())
    whole.validate(json.loads(json.dumps({**yaml.safe_load(text), "other_variable": 1}, default=str)))
    assert not whole.is_valid({"metering_baseline": {"firmwares": {}}})
    Draft202012Validator.check_schema(engine.schema())


def test_the_documents_of_the_guide_are_baselines():
    text = (Path(__file__).parents[3] / "docs" / "guides" / "baselines.md").read_text(encoding="utf-8")
    first, parts = (block.split("```")[0] for block in text.split("```yaml\n")[1:])
    assert parse(yaml.safe_load(first)["metering_baseline"], DAY).targets() == {"PM5560": "4.4.0", "ION9000": "4.0.0"}
    assert parse(yaml.safe_load(parts), DAY).targets()["MCS301"] == {"version": "0206010c", "component": 1}


# -- odd documents ----------------------------------------------------------------------------------------------------

_KEYS = st.sampled_from(
    [
        "schema", "profile", "applies_to", "firmware", "security", "attested", "waivers", "evidence", "hep", "hep 4", "all", "PM5560", "MCS301",
        "mcs301", "components", "target", "minimum", "forbidden", "approved", "signature", "control", "hosts", "expires", "at", "by", "lockout",
        "attempts", "web", "users", "mode", "valid_until", "max_age_days", "0", "1", "families", "models", "accept", "services", "ip_filter",
    ]
)  # fmt: skip
_LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.dates(), st.datetimes(), st.binary(max_size=2),
    st.sampled_from(["4.4.0", "2.0.0-1.0.0", "hex:00", "mode", "user:*", "seals", "2027-01-01", "2027-13-01", "*", "\ud800", "advanced", "hep"]),
)  # fmt: skip
_ODD = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(_KEYS, inner, max_size=4), st.dictionaries(st.one_of(_LEAVES), inner, max_size=2)
    ),
    max_leaves=12,
)


@requirement("R-233")
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.one_of(_ODD, st.dictionaries(st.sampled_from(sorted(security.PARTS)), _ODD, max_size=3)))
def test_an_odd_document_is_read_or_refused_and_nothing_else(odd):
    try:
        parse(odd, DAY)
    except InputError as error:
        assert str(error)


def test_a_document_within_itself_is_refused():
    endless: dict[str, object] = {}
    endless["profile"] = endless
    (found,) = faults(endless)
    assert "16 levels" in found.text


# -- waivers and verdicts ---------------------------------------------------------------------------------------------


@requirement("R-233")
@settings(max_examples=60, deadline=None)
@given(st.integers(-60, 400), st.sampled_from(["firmware_minimum", "firmware_*", "firmware_advisory:*"]), st.booleans())
def test_a_waiver_that_ran_out_is_a_fail_again(days, control, for_this_one):
    """Whatever the day: waived up to the last one, failed after it, and never anything else; a waiver of something else changes nothing."""
    waiver = {"control": control, "reason": "r", "approver": "a", "expires": str(DAY + datetime.timedelta(days=days))}
    given = {
        "firmware": {"advisories": False, "PM5560": {"minimum": "2.8.3"}},
        "waivers": [{**waiver, "hosts": ["m1" if for_this_one else "m2"]}],
    }
    if control == "firmware_*":
        with pytest.raises(BaselineError):
            parse(given, DAY)
        return
    facts = {"model": "PM5560", "serial": "MX-1", "firmware": {"version": "2.8.2"}}
    meter = Auditor(parse(given, DAY)).meter(Reading("m1", "192.0.2.1", facts=facts))
    found = {item["id"]: item["state"] for item in meter["controls"]}["firmware_minimum"]
    assert found == ("waived" if control == "firmware_minimum" and for_this_one and days >= 0 else "fail")
    assert (meter["verdict"] in ("drift", "blocked")) == (found == "fail")
