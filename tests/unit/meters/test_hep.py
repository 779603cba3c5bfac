# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""How the facts of a HEP meter come about, against a meter of numbers; and what an upgrade may lose, compared."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gridops.metering.plugins.module_utils import _argspec
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError, InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Target
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.advisories import advisories_for, minimum_version
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.models import find_model
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.versions import Version
from ansible_collections.gridops.metering.plugins.module_utils._engine.meters import hep, hep_probe, hep_snapshot, pm5000
from ansible_collections.gridops.metering.plugins.module_utils._engine.meters import hep_registers as registers
from ansible_collections.gridops.metering.plugins.module_utils._engine.meters.families import parse_subsets, subsets_of
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.anonymous import Answer
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.modbus import RefusedError

TARGET = Target("h1", "192.0.2.7", _argspec.default_ports("hep"), 255, family="hep")
CLOSED = dict.fromkeys(TARGET.ports, "closed")
PROFILE = {
    "name": "site-registers",
    "verified": True,
    "registers": {
        "settings": {
            "mode": {"register": 57001, "words": {0: "none", 1: "standard", 2: "advanced", 3: "legacy_support"}},
            "web_server": {"register": 57002, "words": {0: False, 1: True}},
            "lockout_ion": {"register": 57004},
            "revenue_lock": {"register": 57005, "words": {0: "unlocked", 1: "locked"}},
        },
        "template": {"register": 57060, "count": 10},
        "energies": {"delivered": {"register": 2700}, "received": {"register": 2704}, "demand": {"register": 2710, "type": "float32"}},
    },
}


class Numbers:
    """Answers like a ModbusReader. ``refused`` answer exception 2, what is not in ``values`` reads as the filler."""

    def __init__(self, values: dict[int, int], refused: Any = (), objects: Any = None, code: int = 2) -> None:
        self.values, self.refused, self.objects, self.code = values, set(refused), objects or {}, code
        self.asked: list[tuple[int, int]] = []

    def __call__(self, target: Target, stage: str = "read") -> Numbers:
        return self

    async def __aenter__(self) -> Numbers:
        return self

    async def __aexit__(self, *dummy: object) -> None:
        return None

    async def registers(self, first: int, count: int) -> list[int]:
        self.asked.append((first, count))
        if self.refused & set(range(first, first + count)):
            raise RefusedError("facts", self.code, f"registers {first}")
        return [self.values.get(number, 0x8000) for number in range(first, first + count)]

    async def identification(self) -> dict[int, bytes]:
        return dict(self.objects)


def words(first: int, raw: bytes, count: int) -> dict[int, int]:
    padded = raw.ljust(2 * count, b"\0")
    return {first + i: int.from_bytes(padded[2 * i : 2 * i + 2], "big") for i in range(count)}


def meter(model: bytes = b"ION9000", firmware: bytes = b"V003.000.000", **more: int) -> dict[int, int]:
    return {
        **words(30, b"Main switchboard", 20),
        **words(50, model, 20),
        **words(70, b"Schneider Electric", 9),
        90: more.get("product_id", 18010),
        **words(117, b"MW-1907A123-02", 12),
        **words(1717, firmware, 6),
        **dict(zip(range(1845, 1849), (26, (11 << 8) | 21, (12 << 8) | 55, 4000), strict=True)),
    }


def number(first: int, value: int) -> dict[int, int]:
    return words(first, value.to_bytes(8, "big", signed=True), 4)


def profiled(**more: Any) -> dict[int, int]:
    settings = {57001: 3, 57002: 1, 57004: 5, 57005: 0}
    return {**meter(), **settings, **words(57060, b"ION9000_V1.4", 10), **number(2700, 12345), **number(2704, 7), **more}


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Any:
    def go(numbers: Numbers, *subsets: str, states: dict[str, str] | None = None, target: Target = TARGET, **more: Any) -> dict[str, Any]:
        for module in (hep, hep_snapshot):
            monkeypatch.setattr(module, "ModbusReader", numbers)

        async def probe(host: str, port: int, seconds: float) -> str:
            name = next(name for name, number in target.ports.items() if number == port)
            return {**CLOSED, **(states or {})}[name]

        monkeypatch.setattr(hep_probe, "probe", probe)
        return asyncio.run(hep.read(target, subsets_of("hep", parse_subsets(subsets or ("all",))), **more))

    return go


@pytest.mark.requirement("R-160", "R-241", "R-242")
def test_identity_and_version_take_two_requests(read: Any) -> None:
    numbers = Numbers(meter())
    facts = read(numbers, "min")
    assert numbers.asked == [(30, 99), (1717, 6)]
    told = (facts["family"], facts["model"], facts["name"], facts["serial"], facts["product_id"], facts["manufacturer"])
    assert told == ("hep", "ION9000", "Main switchboard", "MW-1907A123-02", 18010, "Schneider Electric")
    assert (facts["firmware"]["version"], facts["firmware"]["raw"], facts["firmware"]["generation"]) == ("3.0.0", "V003.000.000", "3")
    assert facts["provenance"]["firmware.generation"] == "catalogue"
    assert facts["firmware"]["attempts"]["limit"] is None


@pytest.mark.requirement("R-241")
@pytest.mark.parametrize(
    ("spelling", "version", "generation"),
    [(b"2.1.0", "2.1.0", "below 3"), (b"v3.1.2", "3.1.2", "3"), (b"V004.000.000", "4.0.0", "4"), (b"003.000.000 ", "3.0.0", "3")],
)
def test_every_spelling_of_a_version_is_read(read: Any, spelling: bytes, version: str, generation: str) -> None:
    firmware = read(Numbers(meter(firmware=spelling)), "min")["firmware"]
    assert (firmware["version"], firmware["generation"]) == (version, generation)


@pytest.mark.requirement("F-37")
def test_a_version_that_is_none_is_unread_and_so_is_all_that_follows_from_it(read: Any) -> None:
    facts = read(Numbers(meter(firmware=b"beta build")), "min", "security")
    assert facts["firmware"]["version"] == facts["firmware"]["generation"] == "unknown"
    assert "no firmware version" in facts["unread"]["firmware.version"]
    assert facts["security"]["advisories"] is None


@pytest.mark.requirement("R-160", "R-242")
def test_the_product_id_tells_the_family_where_the_model_is_not_in_the_catalogue(read: Any) -> None:
    facts = read(Numbers(meter(model=b"ION9900", product_id=18019)), "min")
    assert (facts["family"], facts["model"]) == ("hep", "ION9900")
    strange = read(Numbers(meter(model=b"ION9900", product_id=18020)), "min")
    assert strange["family"] == "unknown"
    assert "catalogue" in strange["unread"]["family"]
    assert read(Numbers(meter(model=b"METSEPM8240")), "min")["model"] == "PM8000"


@pytest.mark.requirement("R-160")
def test_a_meter_of_another_family_is_refused_by_name(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeviceError, match="PM5560, of family pm5000") as caught:
        read(Numbers(meter(model=b"PM5560")), "min")
    assert caught.value.reason == "family_mismatch"
    monkeypatch.setattr(pm5000, "ModbusReader", Numbers(meter()))
    with pytest.raises(DeviceError, match="ION9000, of family hep") as caught:
        asyncio.run(pm5000.read(TARGET, ["min"]))
    assert caught.value.reason == "family_mismatch"


@pytest.mark.parametrize("filler", [0x8000, 0xFFFF])
def test_fillers_are_no_values(read: Any, filler: int) -> None:
    holes = {**meter(), **dict.fromkeys(range(30, 50), filler), 90: filler, **dict.fromkeys(range(1845, 1849), filler)}
    facts = read(Numbers(holes), "min", "clock")
    assert (facts["name"], facts["product_id"], facts["clock"]) == ("unknown", None, "unknown")
    assert facts["unread"]["name"] == facts["unread"]["product_id"] == facts["unread"]["clock"] == registers.NOT_AVAILABLE
    tail = {**meter(), **dict.fromkeys(range(121, 129), filler)}
    assert read(Numbers(tail), "min")["serial"] == "MW-1907A"


@pytest.mark.requirement("F-37")
def test_garbled_identity_is_unread_with_a_reason(read: Any) -> None:
    facts = read(Numbers({**meter(), **words(117, b"A\x1b[31mB", 12), **words(30, b"\xc3\x28", 20)}), "min")
    assert facts["serial"] == facts["name"] == "unknown"
    assert "malformed" in facts["unread"]["serial"]


@pytest.mark.requirement("F-40", "R-029")
def test_a_refused_block_is_read_field_by_field(read: Any) -> None:
    numbers = Numbers(meter(), refused={90})
    facts = read(numbers, "min")
    assert facts["serial"] == "MW-1907A123-02"
    assert facts["product_id"] is None
    assert facts["unread"]["product_id"] == "exception 2 (illegal data address), or protected by the meter's security"


@pytest.mark.requirement("R-235", "R-373")
def test_a_closed_register_map_is_named_as_such_and_the_ports_are_still_told(read: Any) -> None:
    shut = Numbers({}, refused=range(1, 60000))
    with pytest.raises(DeviceError) as caught:
        read(shut, "min")
    assert caught.value.reason == "modbus_map_closed"
    with pytest.raises(DeviceError) as caught:
        hep.identify_sync(TARGET)
    assert caught.value.reason == "modbus_map_closed"
    facts = read(shut, "all", states={"https": "no_answer"})
    assert facts["services"]["modbus"] == {"port": 502, "state": "open"}
    assert facts["model"] == facts["family"] == facts["security"]["mode"] == "unknown"
    assert "protected" in facts["unread"]["serial"]


def test_what_answers_nothing_of_a_meter_is_none(read: Any) -> None:
    with pytest.raises(DeviceError) as caught:
        read(Numbers({}), "all")
    assert caught.value.reason == "identity_unreadable"


def test_the_device_identification_is_the_second_source(read: Any) -> None:
    values = {**meter(), **dict.fromkeys(range(50, 79), 0x8000)}
    facts = read(Numbers(values, objects={0: b"Schneider Electric", 1: b"METSEION9000", 2: b"003.000.000"}), "min")
    assert (facts["model"], facts["provenance"]["model"], facts["manufacturer"]) == ("ION9000", "object", "Schneider Electric")
    shown = read(Numbers(meter(), objects={0: b"Schneider Electric", 1: b"\xff"}), "identification")
    assert shown["identification"] == {"vendor": "Schneider Electric", "product_code": "unknown", "revision": "unknown"}


# -- security ---------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R-181", "R-187", "R-190", "R-304")
def test_without_a_profile_no_security_setting_is_guessed(read: Any) -> None:
    facts = read(Numbers(meter()), "all", states={"http": "open", "ion": "open"})
    security = facts["security"]
    assert security["mode"] == security["revenue_lock"] == "unknown"
    assert "settings" not in security
    assert "profile" in facts["unread"]["security.mode"]
    assert {"energies", "template", "network.mac", "firmware.components"} <= facts["unread"].keys()


@pytest.mark.requirement("R-183", "R-186", "R-268")
def test_a_profiles_registers_tell_mode_and_settings_and_no_register_between_is_read(read: Any) -> None:
    numbers = Numbers(profiled())
    facts = read(numbers, "security", "energies", profile=PROFILE)
    security = facts["security"]
    assert (security["mode"], security["anonymous_maps_to"], security["revenue_lock"]) == ("legacy_support", "User1", "unlocked")
    assert security["settings"] == {"web_server": True, "lockout_ion": 5}
    assert (security["profile"], security["profile_verified"]) == ("site-registers", True)
    assert facts["provenance"]["security.mode"] == "register"
    assert facts["energies"] == {"delivered": 12345, "received": 7, "demand": None}
    assert facts["template"] == "ION9000_V1.4"
    assert numbers.asked[2:6] == [(2700, 8), (2710, 2), (57001, 2), (57004, 2)]


def test_a_number_that_the_profile_does_not_explain_is_unknown(read: Any) -> None:
    facts = read(Numbers(profiled() | {57001: 9}), "security", profile=PROFILE)
    assert facts["security"]["mode"] == "unknown"
    assert facts["unread"]["security.mode"] == "the profile has no word for the value 9"


def test_registers_that_the_meter_protects_are_unread_and_the_rest_is_not(read: Any) -> None:
    facts = read(Numbers(profiled(), refused={57001}), "security", profile=PROFILE, attest={"security_mode": "advanced"})
    assert (facts["security"]["mode"], facts["provenance"]["security.mode"]) == ("advanced", "attested")
    assert facts["security"]["settings"]["web_server"] is True
    assert facts["security"]["anonymous_read"] is False


@pytest.mark.requirement("R-182", "R-184", "R-185", "R-196", "R-231", "R-237", "R-238")
def test_what_follows_from_version_and_mode_is_told_as_such(read: Any) -> None:
    old = read(Numbers(meter(firmware=b"2.4.1")), "security", attest={"security_mode": "standard"})["security"]
    assert (old["anonymous_read"], old["front_panel_password_change"], old["password_storage"]) == (True, True, "unknown")
    assert old["limits"] == {"modbus_master_map_modules": 20, "modbus_master_device_modules": 64}
    new = read(Numbers(meter()), "security")
    assert (new["security"]["front_panel_password_change"], new["security"]["password_storage"]) == (False, "protected")
    assert new["security"]["limits"] == {"modbus_master_map_modules": 40, "modbus_master_device_modules": 128, "users": 50}
    assert new["provenance"]["security.limits"] == "catalogue"


@pytest.mark.requirement("X-10", "G-13")
@pytest.mark.parametrize("name", ["ION9000", "ION9000T", "PM8000", "ION7400"])
def test_bulletins_are_known_by_version(name: str) -> None:
    model = find_model(name)
    found = {version: [item.id for item in advisories_for(model, Version.parse(version))] for version in ("2.9.9", "3.2.0", "4.0.0")}
    assert found == {"2.9.9": ["icsa-23-229-03", "sevd-2021-068-02"], "3.2.0": ["icsa-23-229-03"], "4.0.0": []}
    assert minimum_version(model) == Version(4, 0, 0)


def test_bulletins_are_facts(read: Any) -> None:
    found = read(Numbers(meter()), "security")["security"]["advisories"]
    assert [(item["id"], item["cves"], item["fixed_in"]) for item in found] == [("icsa-23-229-03", ["CVE-2022-46680"], "4.0.0")]


# -- from outside -----------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R-188", "R-393", "R-398", "R-399")
@pytest.mark.parametrize(
    ("http", "https", "answer", "seen"),
    [
        ("open", "open", Answer(301, {"location": "https://192.0.2.7:8443/"}), ("redirect", "https://192.0.2.7:8443")),
        ("open", "closed", Answer(200), ("plain", None)),
        ("open", "open", Answer(401), ("plain", None)),
        ("open", "open", Answer(302, {"location": "http://other/"}), ("plain", "http://other")),
        ("open", "open", Answer(error="no answer in time"), ("unknown", None)),
        ("open", "open", Answer(301, {"location": "https://bad host\x1b/"}), ("redirect", None)),
        ("closed", "open", Answer(), ("https_only", None)),
        ("closed", "closed", Answer(), ("closed", None)),
        ("no_answer", "open", Answer(), ("unknown", None)),
        ("closed", "no_answer", Answer(), ("unknown", None)),
    ],
)
def test_how_the_webpages_are_reached_is_judged_from_what_was_seen(http: str, https: str, answer: Answer, seen: Any) -> None:
    assert hep_probe.judge_web({"http": http, "https": https}, answer) == seen


def test_closed_and_silent_ports_are_facts_with_reasons(read: Any) -> None:
    facts = read(Numbers(meter()), "services", "tls", "web_access", states={"ion": "open", "ssh": "no_answer", "dnp": "unknown"})
    assert set(facts["services"]) == {"modbus", "http", "https", "ssh", "ftp", "telnet", "ion", "ion_tls", "rtu_tcp", "dnp"}
    assert (facts["services"]["ion"]["state"], facts["services"]["ssh"]["state"]) == ("open", "no_answer")
    assert facts["unread"]["services.dnp.state"] == "there is no way to the host"
    assert facts["unread"]["tls.https"] == "port 443: closed"
    assert facts["web_access"] == {"seen": "closed", "redirects_to": None}


def test_only_one_of_the_ports_that_share_their_connections_is_open_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    open_now: set[int] = set()
    shared = {TARGET.ports[name] for name in hep_probe.SHARED}
    most = 0

    async def probe(host: str, port: int, seconds: float) -> str:
        nonlocal most
        open_now.add(port)
        most = max(most, len(open_now))
        assert len(open_now & shared) <= 1
        await asyncio.sleep(0)
        open_now.discard(port)
        return "open"

    monkeypatch.setattr(hep_probe, "probe", probe)
    assert list(asyncio.run(hep_probe.ports(TARGET, TARGET.ports))) == list(TARGET.ports)
    assert most <= 2


@given(st.lists(st.integers(0, 0xFFFF), min_size=20, max_size=20))
def test_whatever_a_register_holds_is_a_value_or_a_reason(words_: list[int]) -> None:
    for item in (*registers.IDENTITY.fields, *registers.FIRMWARE.fields, *registers.CLOCK.fields, *registers.profile_fields(PROFILE)):
        try:
            value = item.decode(words_[: item.count])
        except registers.UnreadableError as exc:
            assert str(exc)
        else:
            assert value is not None and str(value).isprintable()


# -- profiles ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "registers_",
    [
        {"settings": {"mode": 57001}},
        {"settings": {"mode": {"register": 0}}},
        {"settings": {"mode": {"register": True}}},
        {"settings": {"mode": {"register": 57001, "type": "u8"}}},
        {"settings": {"mode": {"register": 57001, "words": []}}},
        {"template": {"register": 57060}},
        {"template": {"register": 57060, "count": 1000}},
        {"energies": {"delivered": {"register": 65535}}},
    ],
)
def test_a_profile_with_a_bad_register_is_refused(registers_: Any) -> None:
    with pytest.raises(InputError, match=r"profile: registers\."):
        registers.profile_fields({"registers": registers_})


# -- snapshot ---------------------------------------------------------------------------------------------------------


def taken(read: Any, values: dict[int, int], **more: Any) -> hep.Snapshot:
    read(Numbers(meter()), "min")  # puts the fixture's reader in place
    hep_snapshot.ModbusReader = Numbers(values, **more)  # type: ignore[attr-defined]
    return hep.snapshot_sync(TARGET, PROFILE)


@pytest.mark.requirement("R-168")
def test_a_snapshot_holds_what_an_upgrade_may_lose(read: Any) -> None:
    found = taken(read, profiled())
    assert (found.serial, found.model, found.version, found.template) == ("MW-1907A123-02", "ION9000", "V003.000.000", "ION9000_V1.4")
    assert found.energies == {"delivered": 12345, "received": 7, "demand": None}
    assert found.settings["mode"] == "legacy_support"
    assert found.unread == {"energies.demand": registers.NOT_AVAILABLE}
    assert hep.Snapshot.from_dict(found.as_dict()) == found


@pytest.mark.requirement("R-170", "R-171", "R-179")
def test_the_comparison_names_what_was_lost(read: Any) -> None:
    before = taken(read, profiled())
    lost = taken(read, {**profiled(), **dict.fromkeys(range(57060, 57070), 0), **number(2700, 0), **number(2704, 9), 57004: 0})
    assert lost.template == ""
    assert [(item.field, item.kind) for item in hep.compare(before, lost)] == [
        ("energies.delivered", "register_data_loss"),
        ("template", "template_missing"),
        ("settings.lockout_ion", "setting_changed"),
    ]
    other = taken(read, {**profiled(), **words(57060, b"ION9000_V2.0", 10)})
    assert [item.kind for item in hep.compare(before, other)] == ["template_changed"]
    assert hep.compare(before, before) == []


def test_what_could_not_be_read_is_no_loss_and_no_proof(read: Any) -> None:
    before = taken(read, profiled())
    after = taken(read, profiled(), refused={*range(2700, 2708), 57060})
    assert hep.compare(before, after) == []
    blind = hep.blind(before, after)
    assert {"energies.delivered", "energies.received", "template"} <= blind.keys()
    assert blind["template"].startswith("after the upgrade: exception 2")


def test_without_a_profile_a_snapshot_knows_that_it_knows_nothing(read: Any) -> None:
    read(Numbers(meter()), "min")
    found = hep.snapshot_sync(TARGET)
    assert (found.template, dict(found.energies)) == (None, {})
    assert {"template", "energies", "settings"} <= hep.blind(found, found).keys()


# -- options ----------------------------------------------------------------------------------------------------------


def test_a_hep_target_has_the_documented_ports_and_takes_others() -> None:
    target = _argspec.target_from({"host": "192.0.2.7", "family": "hep", "ports": {"ion": 17700, "dlms": 4060}}, "h1")
    assert target.family == "hep"
    assert _argspec.default_ports("hep") == {
        "modbus": 502, "http": 80, "https": 443, "ssh": 22, "ftp": 21, "telnet": 23, "ion": 7700, "ion_tls": 7443, "rtu_tcp": 7701, "dnp": 20000
    }  # fmt: skip
    assert target.ports == {**_argspec.default_ports("hep"), "ion": 17700}
    assert replace(target, ports=TARGET.ports).ports["ion_tls"] == 7443
    with pytest.raises(InputError, match="services"):
        _argspec.check_ports({"ions": 7700}, "hep")
