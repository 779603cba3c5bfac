# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What reading meters costs, side by side in one run: medians of CPU (user+sys of the process tree) and wall time.

Fleet: ``meter_fleet_info`` and the inventory plugin against a bare asyncio script that reads the same registers plus an
empty play over the same hosts (goal: CPU at most 1.4 times). One task per meter: ``meter_facts`` in the controller's
process against an empty action (goal: at most 1.5 times) and against the module path.
Run it with ``python tests/performance/bench_fleet.py [--meters 1000] [--tasks 100] [--module-tasks 20] [--rounds 5]``.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from metersim.testing import Fleet

BIN = Path(sys.executable).parent

SCRIPT = """
import asyncio, json, sys
from pymodbus.client import AsyncModbusTcpClient

async def one(host, port, found, gate):
    async with gate:
        client = AsyncModbusTcpClient(host, port=port, timeout=5, retries=0, reconnect_delay=0)
        await client.connect()
        try:
            identity = await client.read_holding_registers(29, count=111, device_id=255)
            firmware = await client.read_holding_registers(1636, count=9, device_id=255)
            found[host] = (identity.registers, firmware.registers)
        finally:
            client.close()

async def main(path):
    hosts = json.load(open(path))
    found, gate = {}, asyncio.Semaphore(200)
    await asyncio.gather(*(one(host, port, found, gate) for host, port in hosts))
    assert len(found) == len(hosts)

asyncio.run(main(sys.argv[1]))
"""

EMPTY_ACTION = """
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        return {"changed": False}
"""

PLAYS = {
    "empty": "[]",
    "fleet": "[{gridops.metering.meter_fleet_info: {max_error_share: 0}, run_once: true}]",
    "nothing": "[{empty_task: {}}]",
    "facts": "[{gridops.metering.meter_facts: {gather_subset: [min]}}]",
    "module": "[{facts_module: {host: '{{ ansible_host }}', ports: '{{ metering_ports }}', gather_subset: [min]}}]",
}


def measure(command: list[str], folder: Path) -> tuple[float, float]:
    """CPU and wall seconds of one command and all its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, wall


def write(folder: Path, hosts: dict[str, dict[str, object]], counts: dict[str, int]) -> None:
    """Inventories, plays and scripts of the run."""
    (folder / "ansible.cfg").write_text("[defaults]\nforks = 10\ninterpreter_python = " + sys.executable + "\n")
    names = list(hosts)
    for name, count in counts.items():
        chosen = {host: hosts[host] for host in names[:count]}
        group = {"hosts": chosen, "vars": {"ansible_connection": "local"}}
        (folder / f"inventory-{name}.json").write_text(json.dumps({"meters": group}))
    (folder / "hosts.json").write_text(json.dumps([[v["ansible_host"], v["metering_ports"]["modbus"]] for v in hosts.values()]))  # type: ignore[index]
    (folder / "script.py").write_text(SCRIPT)
    for name, tasks in PLAYS.items():
        (folder / f"{name}.yml").write_text(f"- hosts: meters\n  gather_facts: false\n  strategy: linear\n  tasks: {tasks}\n")
    (folder / "action_plugins").mkdir()
    (folder / "action_plugins" / "empty_task.py").write_text(EMPTY_ACTION)
    (folder / "library").mkdir()
    (folder / "library" / "empty_task.py").write_text("# the action does it all\n")
    module = Path(__file__).resolve().parents[2] / "plugins" / "modules" / "meter_facts.py"
    text = module.read_text().replace("from ..module_utils.", "from ansible_collections.gridops.metering.plugins.module_utils.")
    (folder / "library" / "facts_module.py").write_text(text)
    meters = [{"name": name, "host": v["ansible_host"], "ports": v["metering_ports"]} for name, v in hosts.items()]
    (folder / "live.meters.yml").write_text(json.dumps({"plugin": "gridops.metering.meters", "read": True, "meters": meters}))
    (folder / "dead.meters.yml").write_text(json.dumps({"plugin": "gridops.metering.meters", "meters": meters}))


def play(name: str, inventory: str) -> list[str]:
    return [str(BIN / "ansible-playbook"), "-i", inventory, f"{name}.yml"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--meters", type=int, default=1000)
    parser.add_argument("--tasks", type=int, default=100)
    parser.add_argument("--module-tasks", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    spec = {
        "name": "bench",
        "services": ["modbus"],
        "meters": [{"name": f"m[00001:{args.meters:05d}]", "model": "PM5560", "firmware": "2.5.4"}],
    }
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with Fleet(spec, folder / "fleet") as fleet:
            run(args, folder, fleet.hosts())


def run(args: argparse.Namespace, folder: Path, hosts: dict[str, dict[str, object]]) -> None:
    work = folder / "work"
    work.mkdir()
    write(work, hosts, {"fleet": args.meters, "tasks": args.tasks, "module": args.module_tasks})
    ways: dict[str, Callable[[], tuple[float, float]]] = {
        "bare script": lambda: measure([sys.executable, "script.py", "hosts.json"], work),
        "empty play": lambda: measure(play("empty", "inventory-fleet.json"), work),
        "meter_fleet_info": lambda: measure(play("fleet", "inventory-fleet.json"), work),
        "empty play, plugin's list": lambda: measure(play("empty", "dead.meters.yml"), work),
        "inventory plugin, live": lambda: measure(play("empty", "live.meters.yml"), work),
        "empty play, tasks": lambda: measure(play("empty", "inventory-tasks.json"), work),
        "empty action": lambda: measure(play("nothing", "inventory-tasks.json"), work),
        "meter_facts, in process": lambda: measure(play("facts", "inventory-tasks.json"), work),
        "meter_facts, module path": lambda: measure(play("module", "inventory-module.json"), work),
    }
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for dummy_round in range(args.rounds):
        for name, way in ways.items():
            taken[name].append(way())
    cpu = {name: statistics.median(value[0] for value in values) for name, values in taken.items()}
    wall = {name: statistics.median(value[1] for value in values) for name, values in taken.items()}
    report(args, cpu, wall)


def report(args: argparse.Namespace, cpu: dict[str, float], wall: dict[str, float]) -> None:
    print(
        f"medians of {args.rounds}; {args.meters} meters, {args.tasks} tasks, {args.module_tasks} module tasks; load {os.getloadavg()[0]:.1f}"
    )
    print(f"{'':28}{'CPU s':>8}{'wall s':>8}")
    for name, value in cpu.items():
        print(f"{name:28}{value:8.2f}{wall[name]:8.2f}")
    base = cpu["bare script"] + cpu["empty play"]
    base_list = cpu["bare script"] + cpu["empty play, plugin's list"]
    print(f"meter_fleet_info / (script + empty play)        {cpu['meter_fleet_info'] / base:.2f}  (goal 1.4)")
    print(f"inventory plugin / (script + empty play)        {cpu['inventory plugin, live'] / base:.2f}  (goal 1.4)")
    print(f"inventory plugin / (script + play on its list)  {cpu['inventory plugin, live'] / base_list:.2f}")
    print(f"meter_facts / empty action, whole play          {cpu['meter_facts, in process'] / cpu['empty action']:.2f}  (goal 1.5)")
    per = {name: (cpu[name] - cpu["empty play, tasks"]) / args.tasks * 1000 for name in ("empty action", "meter_facts, in process")}
    print(f"  per task, play taken off: {per['meter_facts, in process']:.1f} ms against {per['empty action']:.1f} ms")
    module = cpu["meter_facts, module path"] / args.module_tasks * 1000
    print(f"  per task on the module path: {module:.0f} ms, {module / max(per['meter_facts, in process'], 0.1):.0f} times as much")


if __name__ == "__main__":
    main()
