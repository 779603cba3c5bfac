# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The plan document: states, hops, accept words, attempts, order, digest and table (design 4.6, R-109, R-110)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning import plan as planning
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning import waves
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.plan import MeterState, PackageInfo, Settings

PACKAGES = (
    PackageInfo(("PM5560", "PM5562"), "2.9.9", "ftp", 1000),
    PackageInfo(("PM5561",), "10.9.9", "ftp", 2000),
    PackageInfo(("PM5560",), "4.3.5", "tool", 3000),
)
TARGETS = {"PM5560": "2.9.9", "METSEPM5561": "v10.9.9"}
DLF = frozenset({"loses_dlf3000"})


def meter(host: str, model: str = "PM5560", version: str = "2.7.8", **more: Any) -> MeterState:
    return MeterState(
        host=host, address=f"192.0.2.{len(host)}", model=model, version=version, **{"serial": f"S-{host}", "accept": DLF, **more}
    )


def plan(*meters: MeterState, targets: dict[str, str] | None = None, **settings: Any) -> dict[str, Any]:
    return planning.build_plan(meters, TARGETS if targets is None else targets, PACKAGES, Settings(**settings))


def entry(document: dict[str, Any], host: str) -> dict[str, Any]:
    return dict(next(item for item in document["meters"] if item["host"] == host))


@pytest.mark.requirement("R-109", "R-110", "R-114")
def test_a_meter_that_can_go_shows_what_the_vendors_tool_shows() -> None:
    document = plan(meter("m01"))
    assert planning.table(document) == [
        {
            "meter": "m01",
            "ip": "192.0.2.3",
            "product name": "PM5560",
            "current version": "2.7.8",
            "target": "2.9.9",
            "path": "A-1 ftp",
            "batch": "1",
            "status": "Firmware upgrade applicable",
        }
    ]
    found = entry(document, "m01")
    assert (found["state"], found["bytes_to_send"], found["obstacles"]) == ("upgrade", 1000, [])
    assert found["hops"][0]["source"] == "2.7.8" and found["hops"][0]["target"] == "2.9.9"
    package = next(item for item in PACKAGES if item.id == found["hops"][0]["artifact"])
    assert found["hops"][0]["digest"] == package.digest and package.version == "2.9.9"


@pytest.mark.parametrize(
    ("state", "reason", "text", "one"),
    [
        ("current", "", "already at 2.9.9", meter("m01", version="V002.009.009")),
        ("blocked", "transport_failed", "no route", MeterState("m01", error_reason="transport_failed", error="no route")),
        ("blocked", "model_unknown", "not in the catalogue", meter("m01", model="PM9999")),
        ("blocked", "model_unknown", "no model", meter("m01", model="")),
        ("blocked", "identity_unreadable", "can be read", meter("m01", version="")),
        ("blocked", "undocumented_path", "", meter("m01", version="3.0.0", target="4.3.5")),
        ("blocked", "path_not_supported", "Technical Support", meter("m01", model="PM5570", version="3.2.4", target="6.0.3")),
        ("blocked", "artifact_missing", "no package for PM5563 2.9.9", meter("m01", model="PM5563", target="2.9.9")),
        ("blocked", "artifact_missing", "no package for PM8000 3.1.0 by ion", meter("m01", "PM8000", "3.0.0", target="3.1.0")),
        ("no_target", "", "no target version is given for PM5650", meter("m01", model="PM5650", version="2.11.4")),
    ],
)
def test_meters_that_do_not_go_say_why(state: str, reason: str, text: str, one: MeterState) -> None:
    document = plan(one)
    found = entry(document, "m01")
    assert (found["state"], found["reason"], found["batch"]) == (state, reason, None)
    assert text in found["status"]
    assert document["batches"] == [] and document["counts"][state] == 1


@pytest.mark.requirement("R-010", "R-041")
def test_needed_words_are_listed_and_the_missing_ones_named() -> None:
    document = plan(meter("m01", accept=frozenset()), meter("m02", accept=frozenset(), upgraded_by_ftp=True))
    assert entry(document, "m01")["missing_accept"] == ["loses_dlf3000"]
    assert "needs the word 'loses_dlf3000' in accept" in entry(document, "m01")["status"]
    assert entry(document, "m02")["needed_accept"] == []
    assert document["needed_accept"] == document["missing_accept"] == ["loses_dlf3000"]


@pytest.mark.requirement("R-009", "R-010")
def test_a_chain_names_the_words_of_all_its_hops() -> None:
    found = entry(plan(meter("m01", version="2.3.1", target="4.3.5")), "m01")
    assert [hop["row"] for hop in found["hops"]] == ["A-1", "A-2"]
    assert found["needed_accept"] == ["irreversible", "loses_dlf3000"] and found["missing_accept"] == ["irreversible"]


@pytest.mark.requirement("R-043", "R-044")
@pytest.mark.parametrize(
    ("used", "reserve", "remaining", "after", "reason"),
    [
        (0, 1, 10, 9, None),
        (8, 1, 2, 1, None),
        (9, 1, 1, 0, "attempts_reserve"),
        (9, 0, 1, 0, None),
        (10, 0, 0, 0, "attempts_exhausted"),
        (None, 1, None, None, "attempts_unknown"),
    ],
)
def test_attempts_left_are_part_of_the_plan(
    used: int | None, reserve: int, remaining: int | None, after: int | None, reason: str | None
) -> None:
    found = entry(plan(meter("m01", model="PM5561", version="10.7.3", attempts_used=used, attempts_reserve=reserve)), "m01")
    assert found["attempts"] == {"limit": 10, "used": used, "remaining": remaining, "remaining_after": after}
    assert [item["reason"] for item in found["obstacles"]] == ([reason] if reason else [])


def test_meters_without_obstacle_go_first_so_that_the_canary_is_a_fair_test() -> None:
    meters = [meter("m01", accept=frozenset()), meter("m02", serial=""), meter("m03"), meter("m04")]
    document = plan(*meters, batches=(1, 2), concurrency=2)
    assert document["batches"] == [["m03"], ["m04", "m01"], ["m02"]]
    assert [item["batch"] for item in document["meters"]] == [2, 3, 1, 2]


def test_peers_are_kept_apart() -> None:
    meters = [meter(host, peer_group="gw") for host in ("m01", "m02")]
    assert plan(*meters, batches=(2,), concurrency=2)["batches"] == [["m01"], ["m02"]]


def test_a_meters_own_version_comes_before_the_models() -> None:
    assert entry(plan(meter("m01", target="2.7.8")), "m01")["state"] == "current"


@pytest.mark.requirement("G-18")
def test_the_plan_says_that_the_number_is_not_documented() -> None:
    assert "no document gives a number" in plan(meter("m01"))["concurrency_note"]


@pytest.mark.requirement("R-064", "R-089")
def test_the_estimate_counts_batches_with_their_waits() -> None:
    document = plan(meter("m01"), meter("m02"))
    assert document["estimate"]["batches"] == 2
    assert document["estimate"]["at_least_seconds"] == 2 * (60 + 60)


def test_the_digest_is_over_the_whole_plan_and_stable() -> None:
    one, same = plan(meter("m01"), meter("m02")), plan(meter("m01"), meter("m02"))
    assert one == same and one["digest"] == planning.plan_digest(json.loads(json.dumps(one)))
    others = [plan(meter("m01")), plan(meter("m01"), meter("m02", version="2.7.9")), plan(meter("m02"), meter("m01"))]
    assert len({one["digest"], *(other["digest"] for other in others)}) == 4


@pytest.mark.parametrize(
    "targets", [{"PM9999": "2.9.9"}, {"PM5560": "2.9"}, {"PM5560": 2.9}, {"PM5560": "2.9.9", "METSEPM5560": "2.8.0"}, ["PM5560"]]
)
def test_bad_targets_are_refused(targets: Any) -> None:
    with pytest.raises(InputError, match="metering_targets"):
        plan(meter("m01"), targets=targets)


@pytest.mark.requirement("F-23")
def test_an_upgrade_without_a_recorded_end_is_work_although_the_version_is_right() -> None:
    document = plan(meter("m01", version="2.9.9"), meter("m02", version="2.9.9", open_attempt=True))
    assert entry(document, "m01")["state"] == "current"
    assert entry(document, "m02")["state"] == "upgrade" and entry(document, "m02")["batch"] == 1
    assert "no recorded end" in entry(document, "m02")["status"]


CHAIN = (
    PackageInfo(("PM5560",), "2.9.9", "ftp", 1000, "f", "F", ""),
    PackageInfo(("PM5560",), "4.3.5", "tool", 2000, "t", "T", "3.8"),
    PackageInfo(("PM5650",), "4.11.0", "tool", 2000, "t7", "T7", "3.7"),
    PackageInfo(("PM5560",), "4.4.0", "web", 4000, "w", "W", ""),
)


def chain(*meters: MeterState, **settings: Any) -> dict[str, Any]:
    return planning.build_plan(meters, {}, CHAIN, Settings(**{"concurrency": 4, "batches": (4,), **settings}))


@pytest.mark.requirement("R-006", "R-009", "R-084", "R-116")
def test_a_chain_has_a_package_for_every_hop_and_a_pass_for_every_method() -> None:
    document = chain(meter("m01", version="2.3.0", target="4.4.0"), meter("m02", version="4.3.5", target="4.4.0"))
    found = entry(document, "m01")
    assert [(hop["method"], hop["source"], hop["target"], hop["digest"]) for hop in found["hops"]] == [
        ("ftp", "2.3.0", "2.9.9", "F"),
        ("tool", "2.9.9", "4.3.5", "T"),
        ("web", "4.3.5", "4.4.0", "W"),
    ]
    assert found["expect"]["tool"] == {"serial": "S-m01", "versions": ["2.9.9"], "artifact": "T"} and found["bytes_to_send"] == 7000
    batches = {one["method"]: [batch["meters"] for batch in one["batches"]] for one in document["passes"]}
    assert batches == {"ftp": [["m01"]], "tool": [["m01"]], "web": [["m02", "m01"]]} or batches["web"] == [["m01", "m02"]]
    assert document["estimate"]["at_most_seconds"] == sum(item["at_most_seconds"] for item in document["estimate"]["by_method"].values())


@pytest.mark.requirement("R-083", "R-084", "G-03", "G-18")
def test_the_tool_of_the_package_caps_its_pass() -> None:
    document = chain(*(meter(f"m{number}", version="2.9.9", target="4.3.5") for number in range(4)))
    assert [one["cap"] for one in document["passes"]] == [4] and len(document["batches"]) == 1
    both = chain(
        *(meter(f"m{number}", version="2.9.9", target="4.3.5") for number in range(3)), meter("n", "PM5650", "2.12.9", target="4.11.0")
    )
    assert [one["cap"] for one in both["passes"]] == [1] and len(both["batches"]) == 4, "tool 3.7 takes one at a time"


@pytest.mark.requirement("F-23", "G-06")
def test_an_upgrade_without_an_end_gets_the_pass_of_its_method() -> None:
    silent = MeterState("m01", error_reason="transport_failed", error="no answer", open_method="tool", target="4.4.0")
    ended = meter("m02", version="4.3.5", target="4.4.0", open_attempt=True, open_method="tool")
    document = chain(silent, ended)
    assert entry(document, "m01")["passes"] == ["tool"] and entry(document, "m02")["passes"] == ["tool", "web"]


@pytest.mark.requirement("F-36")
def test_waves_are_cut_into_batches_and_kept_apart() -> None:
    hosts = [meter(f"m{number}", version="2.9.9", target="4.3.5", hardware="AB"[number % 2]) for number in range(4)]
    document = chain(*hosts, waves=(waves.Wave("canary", 2, batches=(1,), soak=600, on_success="pause"), waves.Wave("rest")))
    assert [(wave["name"], wave["meters"], wave["soak"]) for wave in document["waves"]] == [
        ("canary", ["m0", "m1"], 600),
        ("rest", ["m2", "m3"], 0.0),
    ]
    assert document["batches"] == [["m0"], ["m1"], ["m2", "m3"]]
    assert {"upgrade_process_failed", "transport_failed"} <= {row["reason"] for row in document["retries"]}
    assert not {"web_auth_failed", "mid_lock_enabled", "artifact_hash_mismatch"} & {row["reason"] for row in document["retries"]}
