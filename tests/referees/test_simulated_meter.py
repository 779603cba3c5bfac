# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Foreign clients against the simulated MCS301, as far as they can go. What they cannot do is in REFEREES.md, with the reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from refereekit import IDENTIFIER, RELEASE, STATUS, Bench, read, results, transfer

Make = Callable[..., Bench]
NAME = b"MCS301-B1-020500020001".hex()
LDN = read(1, "0.0.42.0.0.255", 2)
BOTH = pytest.mark.parametrize("referee", ["gurux", "cosem"])


def values(found: list[dict[str, Any]]) -> list[Any]:
    assert all(item["ok"] for item in found), found
    return [item["value"] for item in found]


@BOTH
def test_the_public_client_reads_the_name_and_no_more(referee: str, meter: Make) -> None:
    bench = meter()
    found = results(referee, bench.public(LDN, IDENTIFIER, RELEASE))
    assert [item["ok"] for item in found] == [True, True, False, True]
    assert bytes.fromhex(found[1]["value"]).decode() == bench.meter.state()["ldn"]


@BOTH
@pytest.mark.requirement("R-212")
def test_low_level_security_and_answers_in_blocks(referee: str, meter: Make) -> None:
    """The object list is longer than one message."""
    bench = meter()
    objects = {"do": "objects"} if referee == "gurux" else read(15, "0.0.40.0.0.255", 2)
    found = values(results(referee, bench.lls(IDENTIFIER, objects, RELEASE)))
    assert found[1] == "020500010007" and len(found[2]) > 20
    assert [event["kind"] for event in bench.meter.events()][-2:] == ["release", "disconnect"]


@BOTH
def test_a_wrong_password_is_refused(referee: str, meter: Make) -> None:
    bench = meter()
    found = results(referee, {**bench.lls(IDENTIFIER), "password": b"Canary-wrong".hex()})
    assert [item["ok"] for item in found] == [False]
    assert [event["why"] for event in bench.meter.events() if event["kind"] == "auth_failed"] == ["password"]


@pytest.mark.parametrize("general", [False, True], ids=["glo", "general-glo"])
@pytest.mark.parametrize("protection", ["authenticated", "authenticated_encrypted"])
def test_gurux_associates_by_gmac(meter: Make, protection: str, general: bool) -> None:
    bench = meter()
    found = values(results("gurux", bench.hls(IDENTIFIER, {"do": "objects"}, RELEASE, protection=protection, general=general)))
    assert found[1] == "020500010007" and len(found[2]) > 20
    assert any(event["kind"] == "hls_done" for event in bench.meter.events())


@pytest.mark.parametrize("version", [0, 1])
def test_gurux_changes_a_key(meter: Make, version: int) -> None:
    """Wrapped by the library under the KEK; the answer still comes under the old key."""
    bench = meter(security_version=version)
    new = "9d3b1f00c2a4586e77013c5d2e4f6a8b"
    values(results("gurux", bench.hls({"do": "key", "id": 0, "kek": bench.keys["kek"], "key": new})))
    bench.keys["guek"] = new
    assert values(results("gurux", bench.hls(IDENTIFIER, RELEASE)))[1] == "020500010007"


@pytest.mark.requirement("R-203", "R-221", "R-224")
@pytest.mark.parametrize("way", ["lls", "hls"])
def test_gurux_upgrades_the_meter(meter: Make, image: Path, way: str) -> None:
    """Initiate, blocks, verify, activate, and the new identifier after the reboot."""
    bench = meter(block_size=450, verify_time=0)
    job = bench.lls if way == "lls" else bench.hls
    upload = {"do": "upload", "path": str(image), "identifier": NAME, "block": 450}
    found = values(results("gurux", job(upload, STATUS, transfer(3), STATUS, transfer(4))))
    assert found[1]["blocks"] == 45 and [found[2], found[4]] == [1, 3]
    assert bench.meter.wait("upgrade_done", 20)["ok"]
    assert values(results("gurux", bench.lls(IDENTIFIER, STATUS, RELEASE)))[1:3] == ["020500020001", 6]


def test_cosem_associates_by_gmac(meter: Make) -> None:
    """It takes one invocation counter twice (for its proof and for the message around it), which a lenient meter lets pass."""
    found = values(results("cosem", meter(pass3_counter="lenient").hls(IDENTIFIER, LDN, RELEASE)))
    assert found[1] == "020500010007"
    bench = meter()
    assert [item["ok"] for item in results("cosem", bench.hls(IDENTIFIER))] == [False]
    assert [event["why"] for event in bench.meter.events() if event["kind"] == "auth_failed"] == ["gmac"]


@pytest.mark.requirement("R-203", "R-224")
def test_cosem_upgrades_the_meter_in_blocks_of_eighty_octets(meter: Make, image: Path) -> None:
    """Over low-level security: longer blocks and longer images only cost time."""
    bench = meter(block_size=80, verify_time=0)
    upload = {"do": "upload", "path": str(image), "identifier": NAME, "block": 80}
    found = values(results("cosem", bench.lls(upload, transfer(3), STATUS, transfer(4))))
    assert found[1]["blocks"] == 250 and found[3] == 3
    assert bench.meter.wait("upgrade_done", 20)["ok"]


@pytest.mark.requirement("R-217", "R-218", "F-09")
def test_the_meter_refuses_an_image_that_was_changed(meter: Make, image: Path, tmp_path: Path) -> None:
    spoiled = bytearray(image.read_bytes())
    spoiled[12_345] ^= 1
    (tmp_path / "spoiled.img").write_bytes(spoiled)
    bench = meter(block_size=450, verify_time=0)
    upload = {"do": "upload", "path": str(tmp_path / "spoiled.img"), "identifier": NAME, "block": 450}
    found = results("gurux", bench.hls(upload, transfer(3), STATUS, transfer(4)))
    assert [item["ok"] for item in found] == [True, True, False, True, False] and found[3]["value"] == 4
