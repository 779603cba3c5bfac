# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The campaign file: the sample is good, and each mistake is one sentence that names the key (R-001, design 4.6)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.advisories import ADVISORIES
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.enums import CAMPAIGN_REASONS
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning import campaign, plan, waves

SAMPLE = Path(__file__).parents[3] / "examples" / "campaign.yml"
REASON = {"kind": "feature"}


def parse(**keys: Any) -> campaign.Campaign:
    return campaign.parse_campaign(yaml.safe_dump({"reason": REASON, **keys}))


@pytest.mark.requirement("R-001", "R-005", "G-18", "F-25", "F-36")
def test_the_sample_is_a_good_campaign() -> None:
    found = campaign.parse_campaign(SAMPLE.read_text(encoding="utf-8"))
    assert [wave.name for wave in found.waves] == ["canary", "first tenth", "rest"]
    assert [wave.soak for wave in found.waves] == [86_400, 7200, 0] and found.waves[0].on_success == "pause"
    assert found.concurrency and waves.check_batches(found.batches, found.concurrency) == (1, 5, 10)
    assert set(plan.check_targets(found.targets)) == {"PM5560", "PM5650", "PM5561"}
    assert set(found.raw["reason"]["advisories"]) <= {item.id for item in ADVISORIES}
    assert found.group_of("hall-1") == found.group_of("hall-2") == "feeder-a" and found.group_of("pump-3") is None
    assert len(found.windows) == 2


@pytest.mark.requirement("R-001", "R-002", "R-003", "R-004", "R-005")
def test_each_reason_of_the_documents_is_known() -> None:
    assert [parse(reason={"kind": kind}).raw["reason"]["kind"] for kind in CAMPAIGN_REASONS] == list(CAMPAIGN_REASONS)


@pytest.mark.requirement("R-001")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "metering_campaign_file"),
        ("- a list", "metering_campaign_file"),
        ("{unclosed", "metering_campaign_file"),
        ("campaign: autumn", "reason"),
        ("reason: {kind: boredom}", "performance, enhancement, feature, compliance, security"),
        ("reason: {kind: feature, why: x}", "why"),
    ],
)
def test_a_file_without_a_reason_or_form_is_refused(text: str, words: str) -> None:
    with pytest.raises(InputError) as raised:
        campaign.parse_campaign(text)
    assert words in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"target": {}}, "target"),
        ({"accept": ["anything"]}, "anything"),
        ({"concurrency": 0}, "concurrency"),
        ({"batches": [0]}, "batches"),
        ({"batches": ["5"]}, "batches"),
        ({"gate": {"max_failure": 1}}, "max_failure"),
        ({"gate": {"min_success_share": 80}}, "share from 0 to 1"),
        ({"waves": []}, "waves"),
        ({"waves": [{"size": 1}]}, "name"),
        ({"waves": [{"name": "a", "size": 1, "share": "5%"}]}, "only one of size, share and hosts"),
        ({"waves": [{"name": "a"}, {"name": "a"}]}, "each wave once"),
        ({"waves": [{"name": "a", "share": "0%"}]}, "share"),
        ({"waves": [{"name": "a", "share": 0.1}]}, "share"),
        ({"waves": [{"name": "a", "soak": "a while"}]}, "soak"),
        ({"waves": [{"name": "a", "soak": -1}]}, "soak"),
        ({"waves": [{"name": "a", "on_success": "stop"}]}, "advance or pause"),
        ({"waves": [{"name": "a", "gate": {"sample": 1}}]}, "sample"),
        ({"topology": {"ring": ["m1", "m1"]}}, "topology"),
        ({"topology": {"ring": ["m1"], "feeder": ["m1"]}}, "one group only"),
        ({"windows": [{"from": "22:00", "to": "05:00"}]}, "zone"),
        ({"windows": [{"from": "22:00", "to": "05:00", "zone": "Nowhere"}]}, "zone"),
        ({"windows": [{"from": "22:00", "to": "05:00", "zone": "UTC", "days": ["Monday"]}]}, "mon, tue"),
        ({"tool_mode": "automatic"}, "manual or command"),
    ],
)
def test_a_mistake_is_told_by_its_key(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as raised:
        parse(**keys)
    assert words in str(raised.value)


@pytest.mark.requirement("F-36")
@pytest.mark.parametrize(("given_text", "expected"), [(90, 90), ("90", 90), ("30m", 1800), ("1.5h", 5400), ("2d", 172_800), ("5 s", 5)])
def test_durations(given_text: Any, expected: float) -> None:
    assert campaign.seconds("soak", given_text) == expected


HOSTS = [f"m{number:02d}" for number in range(1, 24)]
WAVE = st.one_of(
    st.fixed_dictionaries({"size": st.integers(1, 9)}),
    st.fixed_dictionaries({"share": st.integers(1, 100).map(lambda share: f"{share}%")}),
    st.fixed_dictionaries({"hosts": st.lists(st.sampled_from([*HOSTS, "elsewhere"]), min_size=1, max_size=4, unique=True)}),
    st.just({}),
)


@pytest.mark.requirement("R-089", "invariant-h")
@given(st.lists(WAVE, max_size=5))
def test_every_meter_is_in_exactly_one_wave(given_waves: list[dict[str, Any]]) -> None:
    named = [{"name": f"w{number}", **item} for number, item in enumerate(given_waves)]
    found = parse(**({"waves": named} if named else {}))
    assigned = waves.assign_waves(HOSTS, found.waves)
    assert sorted(host for dummy, hosts in assigned for host in hosts) == HOSTS


@pytest.mark.requirement("F-36")
@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=30))
def test_the_first_meters_are_of_as_many_kinds_as_there_are(kinds: list[str]) -> None:
    hosts = [f"h{number}" for number in range(len(kinds))]
    by_host = dict(zip(hosts, kinds, strict=True))
    spread = waves.spread(hosts, by_host)
    assert sorted(spread) == sorted(hosts)
    assert len({by_host[host] for host in spread[: len(set(kinds))]}) == len(set(kinds))
