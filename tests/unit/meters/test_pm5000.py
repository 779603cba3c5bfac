# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""How the facts of a PM5000 come about, against a meter of numbers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError, InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Target
from ansible_collections.gridops.metering.plugins.module_utils._engine.meters import pm5000
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.modbus import RefusedError

TARGET = Target("m1", "192.0.2.1", {"modbus": 502}, 255)


class FakeMeter:
    """Answers like a ModbusReader. ``refused`` are registers that answer exception 2."""

    def __init__(self, values: dict[int, int], refused: set[int] = frozenset(), objects: Any = None, code: int = 2) -> None:  # type: ignore[assignment]
        self.values, self.refused, self.objects, self.code = values, set(refused), objects, code
        self.asked: list[tuple[int, int]] = []
        self.identifications = 0

    def __call__(self, target: Target, stage: str = "read") -> FakeMeter:
        return self

    async def __aenter__(self) -> FakeMeter:
        return self

    async def __aexit__(self, *dummy: object) -> None:
        return None

    async def registers(self, first: int, count: int) -> list[int]:
        self.asked.append((first, count))
        span = range(first, first + count)
        if self.refused & set(span):
            raise RefusedError("facts", self.code, f"registers {first}")
        return [self.values.get(number, 0xFFFF) for number in span]

    async def identification(self) -> dict[int, bytes]:
        self.identifications += 1
        if isinstance(self.objects, Exception):
            raise self.objects
        return self.objects or {}


def text(first: int, value: bytes, count: int = 20) -> dict[int, int]:
    raw = value.ljust(2 * count, b"\0")
    return {first + i: int.from_bytes(raw[2 * i : 2 * i + 2], "big") for i in range(count)}


def plain(model: bytes = b"PM5561", version: tuple[int, int, int] = (10, 7, 3)) -> dict[int, int]:
    numbers = dict(zip((1638, 1639, 1640), version, strict=True))
    names = {**text(30, b"Panel 1"), **text(50, model), **text(70, b"Schneider Electric"), **text(136, b"000C01", 5)}
    return {**names, 90: 15209, 130: 0x0415, 131: 0x60A1, **numbers, 1637: 10731, 1828: 3, 1920: 1, 1921: 5}


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Any:
    def go(meter: FakeMeter, *subsets: str, **more: Any) -> dict[str, Any]:
        monkeypatch.setattr(pm5000, "ModbusReader", meter)

        async def probes(host: str, ports: dict[str, int], seconds: float) -> dict[str, str]:
            return dict.fromkeys(ports, "closed")

        monkeypatch.setattr(pm5000, "probe_all", probes)
        return asyncio.run(pm5000.read(more.pop("target", TARGET), subsets or ("all",), **more))

    return go


@pytest.mark.requirement("R-029")
def test_everything_takes_four_requests_and_the_identification(read: Any) -> None:
    meter = FakeMeter(plain())
    facts = read(meter)
    assert meter.asked == [(30, 111), (1637, 9), (1824, 20), (1920, 2)]
    assert (facts["family"], facts["model"], facts["name"], facts["serial"]) == ("pm5000", "PM5561", "Panel 1", str(0x041560A1))
    assert facts["firmware"]["version"] == "10.7.3"
    assert facts["firmware"]["raw"] == 10731
    assert facts["provenance"]["firmware.version"] == "register"


def test_min_takes_two_requests_and_leaves_the_rest_out(read: Any) -> None:
    meter = FakeMeter(plain())
    facts = read(meter, "min")
    assert meter.asked == [(30, 111), (1637, 9)]
    assert meter.identifications == 0
    assert not {"network", "services", "clock", "mid_lock", "status"} & facts.keys()


@pytest.mark.requirement("F-40", "R-029")
def test_an_unreadable_block_is_read_field_by_field_and_what_is_missing_is_listed(read: Any) -> None:
    meter = FakeMeter(plain(), refused={132, 1642})
    facts = read(meter, "min")
    assert facts["serial"] == str(0x041560A1)
    assert facts["manufactured"] == "unknown"
    assert facts["unread"]["manufactured"] == "exception 2 (illegal data address)"
    assert facts["firmware"]["version"] == "10.7.3"
    assert facts["firmware"]["previous_raw"] is None
    assert "manufactured" not in facts["provenance"]


@pytest.mark.requirement("F-40")
def test_a_meter_that_knows_no_function_3_is_not_asked_again_for_less() -> None:
    meter = FakeMeter({}, refused=set(range(1, 2000)), code=1)
    reading = pm5000.Reading()
    asyncio.run(pm5000.fetch(meter, pm5000.registers.IDENTITY, reading))  # type: ignore[arg-type]
    assert len(meter.asked) == 1
    assert set(reading.unread) == {field.name for field in pm5000.registers.IDENTITY.fields}


def test_what_tells_neither_model_nor_serial_nor_version_is_no_meter(read: Any) -> None:
    with pytest.raises(DeviceError) as caught:
        read(FakeMeter({}), "min")
    assert caught.value.reason == "identity_unreadable"


@pytest.mark.requirement("F-37")
def test_garbled_text_is_unknown_with_a_reason_and_the_second_source_is_asked(read: Any) -> None:
    values = {**plain(), **text(50, b"\xc3\x28PM"), **text(30, b"\x1b[31m")}
    facts = read(FakeMeter(values, objects={0: b"Schneider Electric", 1: b"METSEPM5561"}), "min")
    assert facts["model"] == "PM5561"
    assert facts["provenance"]["model"] == "object"
    assert facts["name"] == "unknown"
    assert "malformed" in facts["unread"]["name"]


@pytest.mark.requirement("F-37")
def test_a_second_source_that_fails_or_lies_changes_nothing(read: Any) -> None:
    for objects in (DeviceError("facts", "transport_failed", "silence"), {0: b"\xff\xfe", 1: b"\x00"}, RefusedError("facts", 1, "it")):
        facts = read(FakeMeter(plain(), objects=objects), "identification")
        assert facts["model"] == "PM5561"
        assert facts["identification"] == {"vendor": "unknown", "product_code": "unknown", "revision": "unknown"}
        assert "identification.vendor" in facts["unread"]


def test_a_model_that_the_catalogue_does_not_know_has_no_family(read: Any) -> None:
    facts = read(FakeMeter(plain(model=b"PM9999")), "all")
    assert (facts["model"], facts["family"]) == ("PM9999", "unknown")
    assert "catalogue" in facts["unread"]["family"]
    assert facts["mid_lock"] == "unknown"


@pytest.mark.requirement("R-047")
def test_the_lock_is_unknown_unless_a_profile_maps_the_register(read: Any) -> None:
    facts = read(FakeMeter(plain()), "lock")
    assert facts["mid_lock"] == "unknown"
    assert facts["lock"] == {"switch": 1, "status": 5}
    profile = {"name": "site", "verified": True, "registers": {"mid_lock": {"register": 1921, "locked": [5], "unlocked": [2]}}}
    assert read(FakeMeter(plain()), "lock", profile=profile)["mid_lock"] == "locked"
    assert read(FakeMeter({**plain(), 1921: 2}), "lock", profile=profile)["mid_lock"] == "unlocked"
    assert read(FakeMeter({**plain(), 1921: 9}), "lock", profile=profile)["mid_lock"] == "unknown"


def test_an_attestation_fills_a_gap_and_never_overrides_the_wire(read: Any) -> None:
    profile = {"registers": {"mid_lock": {"register": 1921, "locked": [5], "unlocked": [2]}}}
    said = {"mid_lock": "unlocked", "ip_mode": "stored", "attempts_used": 4}
    facts = read(FakeMeter(plain()), "all", profile=profile, attest=said)
    assert facts["mid_lock"] == "locked"
    assert facts["network"]["ip_mode"] == "stored"
    assert facts["provenance"]["network.ip_mode"] == "attested"
    assert facts["firmware"]["attempts"] == {"limit": 10, "used": 4, "remaining": 6, "source": "attested"}
    assert read(FakeMeter(plain()), "lock", attest=said)["mid_lock"] == "unlocked"


@pytest.mark.requirement("R-043")
def test_attempts_are_unknown_until_told_and_no_matter_without_a_limit(read: Any) -> None:
    assert read(FakeMeter(plain()), "min")["firmware"]["attempts"] == {"limit": 10, "used": None, "remaining": None, "source": "unknown"}
    free = read(FakeMeter(plain(b"PM5560", (2, 5, 4))), "min")
    assert free["firmware"]["attempts"]["source"] == "no_limit"
    assert "firmware.attempts.used" not in free["unread"]


def test_a_model_without_a_lock_has_none(read: Any) -> None:
    assert read(FakeMeter(plain(b"METSEPM5560", (2, 5, 4))), "lock")["mid_lock"] == "not_applicable"


def test_each_service_has_port_and_state(read: Any) -> None:
    target = Target("m1", "192.0.2.1", {"modbus": 502, "http": 8080}, 255)
    services = read(FakeMeter(plain()), "services", target=target)["services"]
    assert services == {"modbus": {"port": 502, "state": "open"}, "http": {"port": 8080, "state": "closed"}}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["min"], {"identity", "firmware"}),
        (["!services", "!security"], set(pm5000.SUBSETS) - {"services", "security"}),
        (["all", "!all"], {"identity"}),
        (["lock"], {"identity", "lock"}),
        ([], set(pm5000.SUBSETS)),
    ],
)
def test_subsets(names: list[str], expected: set[str]) -> None:
    assert pm5000.parse_subsets(names) == expected


def test_an_unknown_subset_is_refused() -> None:
    with pytest.raises(InputError, match="gather_subset: '!hardware'"):
        pm5000.parse_subsets(["!hardware"])


@pytest.mark.requirement("R-029")
def test_identify_tells_who_it_is_and_whether_it_restarted(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = FakeMeter({**plain(), 1824: 26, 1825: (11 << 8) | 21, 1826: (2 << 8) | 59, 1827: 41000})
    monkeypatch.setattr(pm5000, "ModbusReader", meter)
    identity = pm5000.identify_sync(TARGET)
    assert meter.asked == [(30, 111), (1637, 9), (1824, 5)]
    assert str(identity.version) == "10.7.3"
    assert identity.model is not None and identity.model.name == "PM5561"
    assert (identity.serial, identity.restarts, identity.last_restart) == (str(0x041560A1), 3, "2026-11-21T02:59:41")
    assert identity.previous is None and "firmware.previous" in identity.unread


@pytest.mark.requirement("R-047")
def test_lock_state_needs_a_mapping(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = FakeMeter(plain())
    monkeypatch.setattr(pm5000, "ModbusReader", meter)
    assert pm5000.lock_state_sync(TARGET, None) == "unknown"
    assert meter.asked == []
    assert pm5000.lock_state_sync(TARGET, {"register": 1921, "locked": [5], "unlocked": [2]}) == "locked"
    assert meter.asked == [(1920, 2)]
