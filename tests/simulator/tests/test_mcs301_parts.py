# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Parts of the simulated MCS301 by themselves: ciphers against published vectors, data, images, fleet file, schedule."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from metersim import packages, spec
from metersim.mcs301 import acse, apdu, axdr, calendar, container, security
from metersim.mcs301.container import ContainerError, Firmware
from metersim.mcs301.policy import Policy
from metersim.mcs301.spec import DlmsSpec

EK, AK = bytes(range(16)), bytes(range(0xD0, 0xE0))
CLIENT, METER = bytes.fromhex("4D4D4D0000000001"), bytes.fromhex("4D4D4D0000BC614E")
GET_TIME = bytes.fromhex("C0010000080000010000FF0200")
ONE: dict[str, Any] = {"name": "q1", "model": "MCS301", "firmware": {0: "010200030001", 1: "020500010007"}}
PART = Firmware(1, bytes.fromhex("020500020001"))


# -- ciphers -------------------------------------------------------------------------


def test_vectors_of_the_green_book() -> None:
    assert security.gmac(EK, AK, CLIENT, 1, b"P6wRJ21F").hex() == "1000000001" + "1a52fe7dd3e72748973c1e28"
    assert security.gmac(EK, AK, METER, 0x01234567, b"K56iVagY").hex() == "1001234567" + "fe1466afb3dbcd4f9389e2b7"
    body = security.protect(0x30, EK, AK, METER, 0x01234567, GET_TIME)
    assert body.hex() == "3001234567" + "411312ff935a47566827c467bc7d825c3be4a77c3fcc056b6b"
    assert security.unprotect(EK, AK, METER, body) == (0x30, 0x01234567, GET_TIME)


def test_vectors_of_rfc_3394() -> None:
    kek, key = bytes(range(16)), bytes.fromhex("00112233445566778899AABBCCDDEEFF")
    wrapped = bytes.fromhex("1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5")
    assert security.wrap(kek, key) == wrapped and security.unwrap(kek, wrapped) == key
    with pytest.raises(security.CipherError):
        security.unwrap(EK[::-1], wrapped)


@pytest.mark.parametrize("control", [0x00, 0x10, 0x20, 0x30])
def test_each_protection_opens_again_and_a_changed_one_does_not(control: int) -> None:
    body = security.protect(control, EK, AK, CLIENT, 7, GET_TIME)
    assert security.unprotect(EK, AK, CLIENT, body) == (control, 7, GET_TIME)
    if control & 0x10:
        for spoiled in (body[:-1] + bytes([body[-1] ^ 1]), bytes([body[0] ^ 0x20]) + body[1:], body[:-1], body[:9]):
            with pytest.raises(security.CipherError):
                security.unprotect(EK, AK, CLIENT, spoiled)


def test_policies_only_get_stronger() -> None:
    assert [Policy(0, 1).can_become(number) for number in (0, 1, 2, 3, 4)] == [False, True, False, True, False]
    assert [Policy(1, 0x24).can_become(number) for number in (0x24, 0x6C, 0x48, 0x7C, 0)] == [True, True, False, False, False]
    assert (Policy(1, 0x6C).request, Policy(1, 0x08).request, Policy(1, 0x20).response) == (0x30, 0x20, 0x10)
    assert Policy.of(1, "authenticated_encrypted").number == 0x6C and Policy.of(0, "encrypted").word == "encrypted"


# -- data and associations --------------------------------------------------------------


def test_data_of_every_type() -> None:
    value = axdr.structure(
        axdr.u8(1), axdr.i8(-1), axdr.u16(2), axdr.i16(-2), axdr.u32(3), axdr.Value(axdr.I32, -3), axdr.Value(axdr.U64, 4), axdr.enum(5),
        axdr.boolean(True), axdr.bits([True, False, True]), axdr.octets(b"x" * 300), axdr.Value(axdr.VISIBLE, b"a"), axdr.Value(0),
        axdr.array(axdr.Value(axdr.DATE, b"12345")), axdr.Value(axdr.FLOAT32, 0.5),
    )  # fmt: skip
    raw = axdr.encode(value)
    assert axdr.decode(raw) == value
    assert axdr.encode(axdr.bits([True] * 9)).hex() == "0409ff80" and axdr.encode(axdr.octets(b"y" * 200))[:3].hex() == "0981c8"


def test_no_octets_bring_the_decoders_down() -> None:
    rng = random.Random(1)
    good = (
        axdr.encode(axdr.array(axdr.u32(1), axdr.octets(b"abc"))),
        bytes.fromhex("C001C100080000010000FF0200"),
        b"\x60\x05\xa1\x03\x06\x01\x00",
    )
    for dummy in range(3000):
        raw = bytearray(rng.choice(good))
        for dummy_too in range(rng.randint(1, 4)):
            raw[rng.randrange(len(raw))] = rng.randrange(256)
        for decoder in (axdr.decode, apdu.parse, acse.parse_aarq, acse.parse_initiate):
            try:
                decoder(bytes(raw[: rng.randint(1, len(raw))]))
            except (axdr.DataError, IndexError):
                pass
    with pytest.raises(axdr.DataError):
        axdr.decode(b"\x01\x01" * 50 + b"\x00")
    with pytest.raises(axdr.DataError):
        axdr.decode(b"\x09\x84\xff\xff\xff\xff")


def test_an_aarq_of_the_green_book() -> None:
    raw = bytes.fromhex("6036A1090607608574050801018A0207808B0760857405080201AC0A80083132333435363738BE10040E01000000065F1F0400007E1F04B0")
    request = acse.parse_aarq(raw)
    assert (request.context, request.mechanism, request.value) == (1, 1, b"12345678")
    initiate = acse.parse_initiate(request.user_info)
    assert (initiate.bits, initiate.pdu, initiate.version, initiate.dedicated) == (0x007E1F, 1200, 6, b"")


# -- schedule -----------------------------------------------------------------------------


@pytest.mark.simulates("R-204")
def test_when_a_schedule_fires() -> None:
    now = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)

    def due(time: str, date: str, zone: int = 0) -> datetime | None:
        return calendar.next_due((bytes.fromhex(time), bytes.fromhex(date)), now, zone)

    assert due("0a001e00", "07ea0b15ff") == now + timedelta(seconds=30)
    assert due("0a001e00", "07ea0b15ff", zone=60) is None  # ten o'clock local time is over
    assert due("0b001e00", "07ea0b15ff", zone=60) == now + timedelta(seconds=30)
    assert due("0a000000", "07ea0b15ff") is None
    assert due("020000ff", "ffffffffff") == now + timedelta(hours=16)
    assert due("020000ff", "ffffffff01") == datetime(2026, 11, 23, 2, tzinfo=UTC)  # a Monday
    assert due("00000000", "07eb0301ff") == datetime(2027, 3, 1, tzinfo=UTC)


def test_date_times_carry_their_deviation() -> None:
    moment = datetime(2026, 11, 21, 23, 30, 1, 250000, tzinfo=UTC)
    raw = calendar.date_time(moment, 60)
    assert raw.hex() == "07ea0b160700" + "1e0119" + "ffc400"
    assert calendar.from_date_time(raw, 0) == moment
    assert calendar.from_date_time(raw[:9] + b"\x80\x00\x00", 120) == moment - timedelta(hours=1)


# -- images ---------------------------------------------------------------------------------


@pytest.mark.simulates("R-217", "R-218", "F-09")
@pytest.mark.parametrize(
    ("corrupt", "why"),
    [
        ("flip", "signature"),
        ("truncate", "signature"),
        ("unsigned", "signature"),
        ("wrong_curve", "signature"),
        ("wrong_key", "signature"),
        ("model", "model"),
    ],
)
def test_the_meter_judges_images(corrupt: str, why: str) -> None:
    good = container.build([PART], 5000)
    assert len(good) == 5000 and good == container.build([PART], 5000)
    (part,) = container.open_container(good)
    assert (part.identifier, part.size, part.signature) == (PART.identifier, 5000, PART.signature)
    with pytest.raises(ContainerError, match=why):
        container.open_container(container.build([PART], 5000, corrupt))


def test_another_build_is_another_signature() -> None:
    assert Firmware(1, PART.identifier, "b").signature != PART.signature != Firmware(0, PART.identifier).signature


def test_packages_for_the_method_dlms(tmp_path: Path) -> None:
    for stated in container.STATED:
        packages.write(tmp_path, [("MCS301", "020500020001")], 3000, "", ("dlms",), dlms={"component": 2, "stated": stated})
    entries = {entry["id"]: entry for entry in yaml.safe_load((tmp_path / "firmware.yml").read_text())["packages"]}
    assert len(entries) == len(container.STATED)
    entry = entries["mcs301-2-020500020001-dlms"]
    assert entry["component"] == 2 and entry["expected_signature"] == Firmware(2, PART.identifier).signature.hex()
    raw = (tmp_path / entry["files"][0]["path"] / entry["files"][0]["name"]).read_bytes()
    key = serialization.load_pem_public_key((tmp_path / entry["signature"]["public_key"]).read_bytes())
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify((tmp_path / entry["signature"]["file"]).read_bytes(), raw, ec.ECDSA(hashes.SHA256()))
    assert "signature" not in entries["mcs301-2-020500020001-none-dlms"]
    assert entries["mcs301-2-020500020001-embedded_opaque-dlms"]["signature"] == {"kind": "embedded_opaque"}
    assert not (tmp_path / entries["mcs301-2-020500020001-missing-dlms"]["signature"]["file"]).exists()
    assert len((tmp_path / entries["mcs301-2-020500020001-raw-dlms"]["signature"]["file"]).read_bytes()) == 64


@pytest.mark.parametrize(
    ("model", "version", "methods", "corrupt", "words"),
    [
        ("MCS301", "2.0.1", ("dlms",), "", "hex digits"),
        ("MCS301", "020500020001", ("ftp",), "", "dlms only"),
        ("PM5560", "2.9.9", ("dlms",), "", "no images"),
        ("PM5560", "2.9.9", ("web",), "model", "method dlms only"),
    ],
)
def test_packages_that_cannot_be(tmp_path: Path, model: str, version: str, methods: tuple[str, ...], corrupt: str, words: str) -> None:
    with pytest.raises(packages.PackageError, match=words):
        packages.write(tmp_path, [(model, version)], 3000, corrupt, methods)


# -- fleet file -------------------------------------------------------------------------------


def test_identity_follows_from_the_serial_number() -> None:
    meter = spec.parse({"name": "north", "meters": [{**ONE, "serial": 12345678}]}).meters[0]
    assert isinstance(meter, DlmsSpec)
    assert meter.system_title.hex() == "4d43530460bc614e" and meter.ldn == "MCS0040612345678"
    again = spec.parse({"name": "north", "meters": [{**ONE, "serial": 12345678}]}).meters[0]
    other = spec.parse({"name": "south", "meters": [{**ONE, "serial": 12345678}]}).meters[0]
    assert isinstance(again, DlmsSpec) and isinstance(other, DlmsSpec)
    assert meter.key("guek") == again.key("guek") != other.key("guek")
    assert len({meter.key(name) for name in ("guek", "gak", "gbek", "kek")}) == 4
    assert meter.key("guek") not in (bytes(range(16)), AK)


def test_defaults_of_other_models_do_not_matter() -> None:
    fleet = spec.parse(
        {
            "surface": "b",
            "defaults": {"silence": 20, "dlms": {"pdu": 300, "silence": 5}},
            "meters": [
                {**ONE, "dlms": {"block_size": 200}},
                {"name": "p1", "model": "PM5560", "firmware": "2.7.8"},
                {**ONE, "name": "q[1:3]x"},
            ],
        }
    )
    first, plain = fleet.meters[:2]
    assert isinstance(first, DlmsSpec) and (first.dlms.pdu, first.dlms.block_size, first.dlms.silence) == (300, 200, 5)
    assert isinstance(plain, spec.MeterSpec) and plain.silence == 20 and len(fleet.meters) == 5


BAD = [
    ({"firmware": "2.7.8"}, "mapping of B"),
    ({"firmware": {12: "00"}}, "B must be 0 to 9"),
    ({"firmware": {1: "xyz"}}, "hex digits"),
    ({"firmware": {1: 10203040506}}, "hex digits"),
    ({"serial": 123456789}, "8 digits"),
    ({"latency": -1}, "latency"),
    ({"surface": "a"}, "unknown key 'surface'"),
    ({"dlms": [1]}, "dlms must be a mapping"),
    ({"dlms": {"speed": 1}}, "unknown key 'speed'"),
    ({"dlms": {"policy": "strong"}}, "policy must be one of"),
    ({"dlms": {"pdu": 1}}, "pdu must be a whole number"),
    ({"dlms": {"silence": "long"}}, "silence must be a number"),
    ({"dlms": {"image_info": 1}}, "true or false"),
    ({"dlms": {"mechanisms": ["gmac"]}}, "mechanisms"),
    ({"dlms": {"system_title": "00"}}, "16 hex digits"),
    ({"dlms": {"keys": {"guek": "00"}}}, "32 hex digits"),
    ({"dlms": {"keys": {"password": "x"}}}, "unknown key 'password'"),
    ({"faults": {"F-10": {}}}, "unknown fault 'F-10'"),
    ({"faults": {"F-04": {"stored": 1}}}, "true or false"),
]


@pytest.mark.parametrize(("change", "words"), BAD, ids=[words for dummy, words in BAD])
def test_bad_entries_are_one_line(change: dict[str, Any], words: str) -> None:
    with pytest.raises(spec.SpecError) as caught:
        spec.parse({"meters": [{**ONE, **change}]})
    assert words in str(caught.value) and "q1" in str(caught.value) and "\n" not in str(caught.value)


def test_shipped_fleets_have_every_kind() -> None:
    folder = Path(spec.__file__).parents[1] / "fleets"
    dlms, mixed = spec.load(folder / "dlms.yml"), spec.load(folder / "mixed.yml")
    assert all(isinstance(meter, DlmsSpec) for meter in dlms.meters) and len({meter.name for meter in dlms.meters}) > 10
    assert any(isinstance(meter, DlmsSpec) for meter in mixed.meters)
