# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Bad input: one clear sentence each, before any packet, without a traceback and without a secret (design 4.7).

All cases of meter_firmware run in one play against ports on which somebody listens and must hear nothing.
"""

from __future__ import annotations

import copy
import fcntl
import hashlib
import itertools
import json
import os
import re
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from firmwarekit import BIN, FIRMWARE, PASSWORD, play

FILES = {"App2.out": "comm_card", "PM5560_v2.9.9.fwa": "firmware", "PM5500StartUpgrade.shtml": "trigger_page"}
ELSEWHERE = "192.0.2.10"  # an address for documentation; nothing may go there


@dataclass(frozen=True)
class Case:
    """Options to change (None takes one away), what the sentence must say, and its rule; none where core's own check speaks."""

    name: str
    options: dict[str, Any]
    says: tuple[str, ...]
    rule: str | None
    task: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


def case(name: str, says: str | tuple[str, ...], rule: str | None, **options: Any) -> Case:
    return Case(name, options, (says,) if isinstance(says, str) else says, rule)


CASES = [
    # versions
    case("version missing", "version: None", "R-006", version=None),
    case("version empty", "version", "R-006", version=""),
    case("version of two numbers", "version: '2.9'", "R-241", version="2.9"),
    case("version as a number", "version: '2.9'", "R-241", version=2.9),
    case("version in words", "version: 'latest'", "R-241", version="latest"),
    case("version with a letter", "version: '2.9.x'", "R-241", version="2.9.x"),
    case("version of four numbers", "version: '2.9.9.1'", "R-241", version="2.9.9.1"),
    case("version below zero", "version: '-2.9.9'", "R-241", version="-2.9.9"),
    case("version too large", "version: '2.9.999999'", "R-241", version="2.9.999999"),
    case("version as a list", "version", None, version={"is": "2.9.9"}),
    # artifacts
    case("artifacts missing", "artifacts: None", "R-006", artifacts=None),
    case("artifacts nowhere", ("artifacts", "/nowhere"), "R-036", artifacts="/nowhere"),
    case("artifacts a file", "artifacts", "R-036", artifacts="{good}/App2.out"),
    case("manifest empty", "firmware.yml", "R-036", artifacts="{manifest}:"),
    case("manifest no YAML", ("firmware.yml", "valid YAML", "line 1"), "R-036", artifacts="{manifest}:packages: ["),
    case("manifest with a key twice", ("firmware.yml", "given twice"), "R-036", artifacts="{manifest}:{packages: [], packages: []}"),
    case("manifest with code", "firmware.yml", "R-036", artifacts="{manifest}:!!python/name:os.system"),
    case("manifest without packages", "at least one package", "R-036", artifacts="{manifest}:packages: []"),
    case("package without a version", "version", "R-036", artifacts="{package}:version="),
    case("package with a number as version", "2.9", "R-241", artifacts="{package}:version=2.9"),
    case("package for an unknown model", "'PM9999'", "R-006", artifacts='{package}:models=["PM9999"]'),
    case("package of an unknown method", "'usb'", "R-006", artifacts='{package}:method="usb"'),
    case("package with an unknown key", "colour", "R-036", artifacts='{package}:colour="red"'),
    case("file name with a folder", "'fw/App2.out'", "R-085", artifacts='{file}:name="fw/App2.out"'),
    case("file outside the folder", "'../x'", "R-040", artifacts='{file}:path="../x"'),
    case("file with half a hash", "'abc'", "R-036", artifacts='{file}:sha256="abc"'),
    case("file of no size", "size", "R-036", artifacts="{file}:size=0"),
    case("file of an unknown role", "'virus'", "R-037", artifacts='{file}:role="virus"'),
    # choices and numbers
    case("method unknown", ("method", "ftp"), None, method="usb"),
    case("accept unknown", ("accept: 'irreversable'", "irreversible"), "R-010", accept=["irreversable"]),
    case("accept a yes", "accept: 'yes'", "R-010", accept="yes"),
    case("reserve below zero", "attempts_reserve: -1", "R-044", attempts_reserve=-1),
    case("reserve above all limits", "attempts_reserve: 26", "R-044", attempts_reserve=26),
    case("reserve in words", "attempts_reserve", None, attempts_reserve="many"),
    case("retries too many", "retries: 2", "R-092", retries=2),
    case("retries below zero", "retries: -1", "R-092", retries=-1),
    case("concurrency of none", "concurrency: 0", "G-18", concurrency=0),
    case("concurrency above the ceiling", ("concurrency: 11", "1 to 10"), "G-18", concurrency=11),
    case("verify_upload unknown", ("verify_upload", "read_back"), None, verify_upload="no"),
    case("on_failure unknown", ("on_failure", "record"), None, on_failure="ignore"),
    case("check_login no boolean", "check_login", None, check_login="perhaps"),
    case("option misspelt", ("versoin",), None, versoin="2.9.9"),
    # networks
    case("search in words", ("search: 'banana'", "10.0.4.0/24"), "R-032", search=["banana"]),
    case("search too wide", ("search", "1024"), "R-032", search=["10.0.0.0/8"]),
    case("search too wide in all", ("search", "1024"), "R-032", search=["10.0.0.0/22", "10.1.0.0/30"]),
    # timing
    case("settle shortened", ("timing.settle: 30.0", "60 s or longer"), "R-089, G-22", host=ELSEWHERE, timing={"settle": 30}),
    case("card_reset shortened", "timing.card_reset: 60.0", "R-064, G-22", host=ELSEWHERE, timing={"card_reset": 60}),
    case("stall shortened", "timing.stall: 10.0", "R-149, G-22", host=ELSEWHERE, timing={"stall": 10}),
    case("hard_timeout shortened", "timing.hard_timeout: 600.0", "R-142, G-22", host=ELSEWHERE, timing={"hard_timeout": 600}),
    case("settle of none", "timing.settle: 0.0", "R-089", timing={"settle": 0}),
    case("settle not a number", "timing.settle: nan", "R-089", timing={"settle": ".nan"}),
    case("settle not a number, elsewhere", "timing.settle: nan", "R-089", host=ELSEWHERE, timing={"settle": ".nan"}),
    case("hard_timeout without an end", "timing.hard_timeout: inf", "R-142", timing={"hard_timeout": ".inf"}),
    case("lease_wait below zero", "timing.lease_wait: -1.0", "design 4.3", timing={"lease_wait": -1}),
    case("lease_wait not a number", "timing.lease_wait: nan", "design 4.3", timing={"lease_wait": ".nan"}),
    case("clock slower", "timing.clock_factor: 0.5", "G-22", timing={"clock_factor": 0.5}),
    case("clock not a number", "timing.clock_factor: nan", "G-22", timing={"clock_factor": ".nan"}),
    case("clock factor elsewhere", ("timing.clock_factor: 60.0", ELSEWHERE), "G-22", host=ELSEWHERE, timing={"clock_factor": 60}),
    case("clock factor for a name", "timing.clock_factor: 60.0", "G-22", host="meter.example", timing={"clock_factor": 60}),
    case("timing unknown", "holding", None, timing={"holding": 3}),
    case("timing in words", "settle", None, timing={"settle": "a minute"}),
    # connection
    case("host with blanks", "host: 'not a host!'", "R-108", host="not a host!"),
    case("host a broken address", "host: '10.0.0.300'", "R-108", host="10.0.0.300"),
    case("unit id of zero", "unit_id: 0", "R-108", unit_id=0),
    case("unit id too large", "unit_id: 256", "R-108", unit_id=256),
    case("port of zero", "ports.modbus: 0", "R-097", ports={"modbus": 0}),
    case("port too large", "ports.ftp: 70000", "R-097", ports={"ftp": 70000}),
    case("port of an unknown service", "gopher", None, ports={"gopher": 23}),
    case("timeout of nothing", "timeouts.read: 0", "design 4.0", timeouts={"read": 0}),
    case("timeout too long", "timeouts.connect: 9999", "design 4.0", timeouts={"connect": 9999}),
    # credentials: never shown, whatever their shape
    case("credentials in a row", "credentials", None, credentials=[f"{PASSWORD}-row"]),
    case(
        "credential a text", "credentials.product_master: the given value", "design 4.0", credentials={"product_master": f"{PASSWORD}-text"}
    ),
    case(
        "credential without a user",
        "credentials.product_master",
        "design 4.0",
        credentials={"product_master": {"password": f"{PASSWORD}-1"}},
    ),
    case("credential without a password", "credentials.product_master", "design 4.0", credentials={"product_master": {"user": "user2"}}),
    case(
        "credential with more",
        "credentials.product_master",
        "design 4.0",
        credentials={"product_master": {"user": "u", "password": f"{PASSWORD}-2", "pin": f"{PASSWORD}-3"}},
    ),
    case(
        "password a list",
        "credentials.product_master",
        "design 4.0",
        credentials={"product_master": {"user": "u", "password": [f"{PASSWORD}-4"]}},
    ),
    # attestations
    case("attest ip_mode unknown", ("ip_mode", "stored"), None, attest={"ip_mode": "maybe"}),
    case("attest mid_lock unknown", ("mid_lock", "unlocked"), None, attest={"mid_lock": "open"}),
    case("attest attempts below zero", "attest.attempts_used: -1", "R-043", attest={"attempts_used": -1}),
    case("attest attempts in words", "attempts_used", None, attest={"attempts_used": "few"}),
    case("attest something else", "colour", None, attest={"colour": "red"}),
    # profiles
    case("profile unknown", ("profile: 'pm9999'", "pm5000-legacy"), "design 2", profile="pm9999"),
    case("profile nowhere", "profile: '/nowhere/x.yml'", "design 2", profile="/nowhere/x.yml"),
    case("profile no YAML", "profile site.yml", "design 2", profile="{profile}:name: ["),
    case("profile of another family", "'hep'", "design 2", profile="{profile}:{name: a, family: hep, provenance: vendor, verified: true}"),
    case(
        "profile with a broken expression",
        "a regular expression",
        "design 2",
        profile="{profile}:{name: a, family: pm5000, provenance: vendor, verified: true, role_page: {path: /x, role: '(', product_master: [x]}}",
    ),
    case(
        "profile that reads the semaphore",
        "1920 or 1921",
        "R-047",
        profile="{profile}:{name: a, family: pm5000, provenance: vendor, verified: true, "
        "registers: {mid_lock: {register: 5680, locked: [1], unlocked: [0]}}}",
    ),
    # records
    case("records by another URL", ("records", "postgresql://"), "design 4.5", records=f"mysql://me:{PASSWORD}@db.example/ledger"),
    case("records a folder", "records", "design 4.5", records="{good}"),
    # the task itself
    Case("async", {}, ("async is not supported",), None, {"async": 30, "poll": 1}),
]


def good_artifacts(folder: Path) -> dict[str, Any]:
    """A package with all that it needs; the manifest as data."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, role in FILES.items():
        (folder / name).write_text(name, encoding="utf-8")
        files.append({"name": name, "role": role, "sha256": hashlib.sha256(name.encode()).hexdigest(), "size": len(name)})
    package = {"id": "p1", "family": "pm5000", "models": ["PM5560"], "version": "2.9.9", "method": "ftp", "files": files}
    document = {"packages": [package]}
    (folder / "firmware.yml").write_text(yaml.safe_dump(document), encoding="utf-8")
    return document


def spoiled(folder: Path, good: dict[str, Any], text: str) -> str:
    """The path of an artifact folder or profile that is bad in the way ``text`` says; other texts stay as they are."""
    kind, colon, rest = text.partition(":")
    if not colon or not kind.startswith("{"):
        return text.replace("{good}", str(folder.parent / "good"))
    folder.mkdir(parents=True)
    if kind == "{profile}":
        (folder / "site.yml").write_text(rest, encoding="utf-8")
        return str(folder / "site.yml")
    document = copy.deepcopy(good)
    place = document["packages"][0] if kind == "{package}" else document["packages"][0]["files"][0]
    key, _sign, value = rest.partition("=")
    if kind == "{manifest}":
        (folder / "firmware.yml").write_text(rest, encoding="utf-8")
        return str(folder)
    place.pop(key, None)
    if value:
        place[key] = yaml.safe_load(value)
    (folder / "firmware.yml").write_text(yaml.safe_dump(document), encoding="utf-8")
    return str(folder)


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> dict[str, Any]:
    """Results of all cases, and how many connections were heard; run once, also when several workers share the tests."""
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if os.environ.get("PYTEST_XDIST_WORKER") else shared
    done = shared / "bad-input.json"
    with (shared / "bad-input.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            base = Path(os.environ.get("METERING_TEST_ARTIFACTS") or request.config.rootpath / "build" / "test-artifacts")
            done.write_text(json.dumps(run_all(tmp_path_factory.mktemp("bad"), base / "integration.test_bad_input")), encoding="utf-8")
    found: dict[str, Any] = json.loads(done.read_text(encoding="utf-8"))
    return found


def run_all(folder: Path, artifacts: Path) -> dict[str, Any]:
    """Every case in one play, against ports that listen."""
    ears = [socket.create_server(("127.0.0.1", 0)) for dummy in range(3)]
    ports = dict(zip(("modbus", "ftp", "http"), (ear.getsockname()[1] for ear in ears), strict=True))
    good = good_artifacts(folder / "good")
    base = {
        "host": "127.0.0.1",
        "ports": ports,
        "version": "2.9.9",
        "artifacts": str(folder / "good"),
        "records": str(folder / "records.sqlite3"),
        "credentials": {"product_master": {"user": "user2", "password": PASSWORD}},
    }
    tasks = []
    for number, item in enumerate(CASES):
        options = {**base, **item.options}
        for key, value in options.items():
            if isinstance(value, str) and value.startswith("{"):
                options[key] = spoiled(folder / f"case-{number}", good, value)
            if key == "timing" and isinstance(value, dict):
                options[key] = {name: float(given[1:]) if given in (".nan", ".inf") else given for name, given in value.items()}
            if key == "ports" and value is not ports:
                options[key] = {**ports, **value}
        tasks.append({FIRMWARE: {key: value for key, value in options.items() if value is not None}, **item.task})
    inventory = folder / "inventory.yml"
    inventory.write_text("meters: {hosts: {m01: {ansible_connection: local}}}\n", encoding="utf-8")
    results = play(artifacts, inventory, tasks, "-vvv").results
    return {"results": [result["m01"] for result in results], "contacts": sum(map(contacts, ears))}


def contacts(ear: socket.socket) -> int:
    """How many connections a listening port got."""
    ear.setblocking(False)
    with ear:
        for count in itertools.count():
            try:
                ear.accept()[0].close()
            except BlockingIOError:
                return count
    return 0


@pytest.mark.requirement(
    "R-006", "R-010", "R-032", "R-036", "R-037", "R-040", "R-043", "R-044", "R-085", "R-089", "R-092", "R-097", "R-108", "R-241",
    "G-18", "G-22",
)  # fmt: skip
@pytest.mark.parametrize("number", range(len(CASES)), ids=[item.name for item in CASES])
def test_one_sentence_each(heard: dict[str, Any], number: int) -> None:
    item = CASES[number]
    result = heard["results"][number]
    text = result["msg"]
    assert result["failed"] and not result.get("unreachable") and not result["changed"]
    assert "\n" not in text and len(text) < 700, text
    for words in item.says:
        assert words in text
    if item.rule is not None:
        assert text.endswith(f"({item.rule})") and result["error"]["class"] == "input"
        assert "is not accepted; expected" in text
    assert not re.search(r"internal error|Traceback|exception", text)
    assert PASSWORD not in json.dumps(result)


def test_there_are_enough_cases_and_each_has_its_own_name() -> None:
    assert len({item.name for item in CASES}) == len(CASES) >= 40


def test_nobody_heard_a_thing(heard: dict[str, Any]) -> None:
    assert heard["contacts"] == 0


# -- inventories and the vendor tool's file ---------------------------------------------------------------------------


SOURCES = [
    ("meters: [a]\ncolour: red", "colour"),
    ("meters: [{host: 127.0.0.1}]", "name"),
    ("meters: [{name: a, host: 'not a host!'}]", "not a host!"),
    ("meters: [{name: a, port: 502}]", "port"),
    ("meters: [{name: a, ports: {modbus: 0}}]", "ports.modbus"),
    ("meters: [{name: a, unit_id: 300}]", "300"),
    ("meters: [{name: 'a[1:3]', host: '127.0.0.[1:2]'}]", "127.0.0.[1:2]"),
    ("meters: [{name: a}, {name: a}]", "a"),
    ("tool_csv: [nowhere.csv]", "nowhere.csv"),
    ("tool_csv: [bad.csv]", "bad.csv"),
]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What ansible-inventory says about each bad source, all in one run, which finds no good one; it must not end with a traceback."""
    folder, paths = tmp_path_factory.mktemp("sources"), []
    for number, (text, _says) in enumerate(SOURCES):
        paths.append(folder / f"s{number:02}" / "inventory.meters.yml")
        paths[-1].parent.mkdir()
        paths[-1].write_text(f"plugin: gridops.metering.meters\n{text}\n", encoding="utf-8")
        (paths[-1].parent / "bad.csv").write_text(f"127.0.0.1,502,user1,{PASSWORD}\n", encoding="utf-8")
    done = subprocess.run(
        [str(BIN / "ansible-inventory"), *(word for path in paths for word in ("-i", str(path))), "--list"],
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "ANSIBLE_NOCOLOR": "1", "ANSIBLE_INVENTORY_UNPARSED_FAILED": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr and done.returncode != 0, done.stderr
    said = " ".join((done.stdout + done.stderr).split())
    # Each source ends with its own line.
    parts = re.split(r"Unable to parse \S+/s\d\d/inventory\.meters\.yml as an inventory source", said)
    assert len(parts) == len(SOURCES) + 1, said
    return parts


@pytest.mark.requirement("R-097", "R-101", "R-108")
@pytest.mark.parametrize("number", range(len(SOURCES)), ids=[text for text, _says in SOURCES])
def test_a_bad_inventory_is_one_sentence(told: list[str], artifacts: Path, number: int) -> None:
    said = told[number].replace(f"/s{number:02}/inventory.meters.yml", "")
    (artifacts / "output.txt").write_text(said, encoding="utf-8")
    assert SOURCES[number][1] in said
    assert PASSWORD not in said
