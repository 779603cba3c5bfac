# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The inventory plugin: lists, ranges, the tool's file, live reading from a cache, and what is refused."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import inventory_loader

PLUGIN = "gridops.metering.meters"
PASSWORD = "Canary-5b0e-csv"


class Made:
    """One parsed inventory."""

    def __init__(self, folder: Path, text: str, monkeypatch: pytest.MonkeyPatch, outcomes: dict[str, Any] | None = None) -> None:
        path = folder / "meters.yml"
        path.write_text(text)
        self.plugin = inventory_loader.get(PLUGIN)
        module = sys.modules[type(self.plugin).__module__]
        self.asked: list[dict[str, Any]] = []
        self.warnings: list[str] = []

        def gather_fleet(params: dict[str, Any], counters: Any = None) -> dict[str, Any]:
            self.asked.append(params)
            return {"meters": {job["name"]: (outcomes or {})[job["name"]] for job in params["meters"]}}

        monkeypatch.setattr(module, "gather_fleet", gather_fleet)
        monkeypatch.setattr(self.plugin.display, "warning", lambda text, *dummy, **more: self.warnings.append(text))
        self.data = InventoryData()
        self.plugin.parse(self.data, DataLoader(), str(path))
        with contextlib.suppress(AttributeError):  # as core does: without a cache there is nothing to write
            self.plugin.update_cache_if_changed()
        self.data.reconcile_inventory()

    def vars(self, host: str) -> dict[str, Any]:
        found: dict[str, Any] = self.data.hosts[host].get_vars()
        return found

    def group(self, name: str) -> list[str]:
        return [host.name for host in self.data.groups[name].get_hosts()]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def go(config: dict[str, Any] | str, outcomes: dict[str, Any] | None = None) -> Made:
        text = config if isinstance(config, str) else yaml.safe_dump({"plugin": PLUGIN, **config})
        return Made(tmp_path, text, monkeypatch, outcomes)

    return go


def test_a_list_with_defaults(make: Any) -> None:
    made = make(
        {
            "meters": [
                "192.0.2.1",
                {"name": "panel", "host": "192.0.2.2", "unit_id": 3, "gateway": "riser", "groups": ["hall"], "vars": {"site": "b"}},
            ],
            "defaults": {"ports": {"modbus": 1502}, "vars": {"site": "a"}, "groups": ["all_sites"]},
        }
    )
    assert made.group("meters") == made.group("all_sites") == ["192.0.2.1", "panel"]
    assert made.group("hall") == ["panel"]
    panel = made.vars("panel")
    assert (panel["ansible_host"], panel["metering_unit_id"], panel["metering_gateway"], panel["site"]) == ("192.0.2.2", 3, "riser", "b")
    assert made.vars("192.0.2.1")["metering_ports"] == {"modbus": 1502}
    assert made.vars("192.0.2.1")["site"] == "a"


def test_ranges_pair_names_with_addresses(make: Any) -> None:
    made = make({"meters": [{"name": "floor[01:03]", "host": "192.0.2.[21:23]"}, {"name": "m[1:2].example.net"}]})
    assert made.group("meters") == ["floor01", "floor02", "floor03", "m1.example.net", "m2.example.net"]
    assert made.vars("floor02")["ansible_host"] == "192.0.2.22"


def test_nothing_logs_in_to_a_meter(make: Any) -> None:
    made = make({"meters": ["192.0.2.1"]})
    assert made.data.groups["meters"].vars == {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    assert make({"meters": ["192.0.2.1"], "local": False, "group": "em"}).data.groups["em"].vars == {}


@pytest.mark.requirement("R-101", "R-103", "G-05")
def test_the_tools_file_is_imported_without_passwords_and_with_one_warning(make: Any, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"192.168.0.10,255,user1,{PASSWORD},user2,{PASSWORD}\n192.168.0.11,7,user1,{PASSWORD},user2,{PASSWORD}")
    (tmp_path / "b.csv").write_text(f"192.168.0.12,255,user1,{PASSWORD},user2,{PASSWORD}")
    made = make({"tool_csv": ["a.csv", "b.csv"]})
    assert made.group("meters") == ["192.168.0.10", "192.168.0.11-7", "192.168.0.12"]
    assert made.vars("192.168.0.11-7")["metering_unit_id"] == 7
    assert made.vars("192.168.0.10")["metering_users"] == {"web_master": "user1", "product_master": "user2"}
    assert len(made.warnings) == 1 and "passwords" in made.warnings[0]
    assert PASSWORD not in repr([made.vars(host) for host in made.data.hosts])


def facts(model: str) -> dict[str, Any]:
    return {"ok": True, "facts": {"model": model, "firmware": {"version": "2.5.4"}}}


FAILED = {"ok": False, "msg": "no answer", "error": {"class": "device", "stage": "facts", "reason": "transport_failed", "remedy": "look"}}


def test_live_reading_makes_groups_and_marks_what_could_not_be_read(make: Any) -> None:
    config = {
        "meters": ["a", "b", "c"],
        "read": True,
        "keyed_groups": [{"key": "metering_facts.model", "prefix": "model"}],
        "compose": {"now": "metering_facts.firmware.version"},
        "groups": {"old": "metering_facts.firmware.version is version('2.9.9', '<')"},
    }
    made = make(config, {"a": facts("PM5560"), "b": FAILED, "c": facts("PM5661")})
    assert made.group("model_PM5560") == ["a"] and made.group("model_PM5661") == ["c"]
    assert made.group("meters_unread") == ["b"]
    assert made.group("old") == ["a", "c"]
    assert made.vars("a")["now"] == "2.5.4"
    assert made.vars("b")["metering_read"]["error"]["reason"] == "transport_failed"
    assert "metering_facts" not in made.vars("b")


@pytest.mark.requirement("F-37")
def test_text_of_a_meter_is_never_a_template(make: Any) -> None:
    evil = "{{ lookup('pipe', 'echo owned') }}"
    made = make({"meters": ["a"], "read": True, "compose": {"copy": "metering_facts.model"}}, {"a": facts(evil)})
    assert made.vars("a")["metering_facts"]["model"] == evil
    assert made.vars("a")["copy"] == evil


def test_without_read_nothing_is_asked(make: Any) -> None:
    assert make({"meters": ["a"]}).asked == []


def test_the_cache_spares_the_fleet_until_the_list_changes(make: Any, tmp_path: Path) -> None:
    cached = {"read": True, "cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(tmp_path / "cache")}
    outcomes = {"a": facts("PM5560"), "b": facts("PM5560")}
    assert len(make({"meters": ["a"], **cached}, outcomes).asked) == 1
    again = make({"meters": ["a"], **cached}, outcomes)
    assert again.asked == [] and again.vars("a")["metering_facts"]["model"] == "PM5560"
    assert len(make({"meters": ["a", "b"], **cached}, outcomes).asked) == 1


@pytest.mark.requirement("R-108")
@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"metres": ["a"]}, "metres"),
        ({"meters": [{"host": "192.0.2.1"}]}, "meters[0]"),
        ({"meters": [{"name": "a", "adress": "192.0.2.1"}]}, "adress"),
        ({"meters": [7]}, "meters[0]"),
        ({"meters": [["a"]]}, "meters[0]"),
        ({"meters": ["a", "a"]}, "each name once"),
        ({"meters": [{"name": "a", "host": "not an address"}]}, "not an address"),
        ({"meters": [{"name": "a", "unit_id": 300}]}, "unit_id"),
        ({"meters": [{"name": "a", "ports": {"modbus": 0}}]}, "ports.modbus"),
        ({"meters": [{"name": "a", "ports": 502}]}, "ports"),
        ({"meters": [{"name": "a", "groups": "hall"}]}, "groups"),
        ({"meters": [{"name": "a", "vars": ["x"]}]}, "vars"),
        ({"meters": [{"name": "a[1:3]", "host": "192.0.2.[1:4]"}]}, "as many addresses"),
        ({"meters": [{"name": "a[3:1]"}]}, "a[3:1]"),
        ({"meters": ["a"], "defaults": {"host": "x", "name": "y", "zone": 1}}, "zone"),
        ({"tool_csv": ["missing.csv"]}, "missing.csv"),
        ({"meters": ["a"], "read": True, "gather_subset": ["hardware"]}, "hardware"),
        ("plugin: gridops.metering.meters\nmeters: [a\n", "YAML parsing failed"),
        ("- just a list\n", "a mapping with plugin"),
        ("", "empty"),
        ({"meters": ["a"], "read": True, "concurrency": 0}, "concurrency"),
        ({"meters": ["a"], "read": True, "profile": "no-such", "gather_subset": ["lock"]}, "no-such"),
    ],
)
def test_a_bad_file_is_one_clear_sentence(make: Any, config: Any, words: str) -> None:
    with pytest.raises(AnsibleParserError) as caught:
        make(config)
    assert words in str(caught.value)
    assert "Traceback" not in str(caught.value) and "internal error" not in str(caught.value)


def test_only_yaml_files_are_taken(tmp_path: Path) -> None:
    plugin = inventory_loader.get(PLUGIN)
    for name, taken in (("meters.yml", True), ("x.yaml", True), ("x.ini", False)):
        (tmp_path / name).write_text("")
        assert plugin.verify_file(str(tmp_path / name)) is taken
