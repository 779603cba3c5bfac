# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Alters each matrix row, attempt limit and constant in turn; fails where no unit test marked with its rule turns red.

Each mutant lives in a forked child and meets only those unit tests of the pure core that carry one of the item's rules. First
the children of one collected session, which is quick; a mutant that passes there gets a child which changes the catalogue before
the rest of the engine and any test is imported. Numbers that are a choice of this collection (rule ``own``) are proved by the
table of constants.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import io
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import hypothesis
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
import traceability

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = "ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue"
PURE = ("tests/unit/catalogue/", "tests/unit/planning/", "tests/unit/filter/")
CONSTANTS_TEST = "tests/unit/catalogue/test_constants.py"
DEADLINE = 60.0
CAUGHT, MISSED, BROKEN = 0, 1, 2
_NOT_NEEDED = ("cacheprovider", "unraisableexception", "threadexception", "logging", "doctest", "junitxml", "pastebin", "faulthandler")


@dataclass(frozen=True)
class Mutant:
    """One change: ``place`` finds the object in a freshly imported catalogue, ``field`` gets ``value``."""

    name: str
    rules: tuple[str, ...]
    place: tuple[str, str, int]
    field: str
    value: Callable[[Any], Any]

    def apply(self) -> None:
        """Change the object in place, frozen or not."""
        module, table, index = self.place
        item = getattr(importlib.import_module(f"{CATALOGUE}.{module}"), table)[index]
        before = getattr(item, self.field)
        after = self.value(before)
        if after == before and type(after) is type(before):
            raise ValueError(f"{self.name} changes nothing")
        object.__setattr__(item, self.field, after)


# What is changed


def mutants() -> list[Mutant]:
    """All of them, in the order of the tables."""
    matrix = importlib.import_module(f"{CATALOGUE}.matrix")
    limits = importlib.import_module(f"{CATALOGUE}.limits")
    constants = importlib.import_module(f"{CATALOGUE}.constants")
    return [
        *(mutant for index, row in enumerate(matrix.ROWS) for mutant in _of_row(row, index)),
        *(mutant for index, limit in enumerate(limits.LIMITS) for mutant in _of_limit(limit, index)),
        *(mutant for index, constant in enumerate(constants.CONSTANTS) for mutant in _of_constant(constant, index)),
    ]


def _up(version: Any) -> Any:
    return replace(version, patch=version.patch + 1)


def _down(version: Any) -> Any:
    if version.patch:
        return replace(version, patch=version.patch - 1)
    if version.minor:
        return replace(version, minor=version.minor - 1, patch=99999)
    return replace(version, major=version.major - 1, minor=99999, patch=99999)


def _bound(bound: str, move: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda band: replace(band, **{bound: move(getattr(band, bound))})


def _of_row(row: Any, index: int) -> Iterator[Mutant]:
    place, rules = ("matrix", "ROWS", index), row.rules
    for side in ("source", "target"):
        for bound in ("first", "last", "below"):
            version = getattr(getattr(row, side), bound)
            if version is not None:
                yield Mutant(f"{row.id} {side}.{bound} up", rules, place, side, _bound(bound, _up))
                yield Mutant(f"{row.id} {side}.{bound} down", rules, place, side, _bound(bound, _down))
                yield Mutant(f"{row.id} {side}.{bound} gone", rules, place, side, _bound(bound, lambda dummy: None))
        if getattr(row, side).end is None:
            yield Mutant(
                f"{row.id} {side} ends", rules, place, side, lambda band: replace(band, last=replace(band.low, major=band.low.major + 7))
            )
    for method in ("unsupported", "ftp", "web"):
        if method != row.method:
            yield Mutant(f"{row.id} method {method}", rules, place, "method", lambda dummy, method=method: method)
    for way in (None, True, False):
        if way is not row.reversible:
            yield Mutant(f"{row.id} reversible {way}", rules, place, "reversible", lambda dummy, way=way: way)
    yield Mutant(f"{row.id} higher_only", rules, place, "higher_only", lambda flag: not flag)
    yield from _of_models(row.id, row.models, rules, place)
    if row.pattern_first is not None:
        yield Mutant(f"{row.id} pattern_first up", rules, place, "pattern_first", _up)
        yield Mutant(f"{row.id} pattern_first gone", rules, place, "pattern_first", lambda dummy: None)
    if row.literal is not None:
        yield Mutant(f"{row.id} literal next", rules, place, "literal", lambda pair: (pair[0], pair[1] + 1))
        yield Mutant(f"{row.id} literal gone", rules, place, "literal", lambda dummy: None)


def _of_models(name: str, models: tuple[str, ...], rules: tuple[str, ...], place: tuple[str, str, int]) -> Iterator[Mutant]:
    for model in models:
        yield Mutant(
            f"{name} without {model}", rules, place, "models", lambda names, model=model: tuple(item for item in names if item != model)
        )
    stranger = "PM5570L" if "PM5570L" not in models else "PM5570"
    yield Mutant(f"{name} with {stranger}", rules, place, "models", lambda names: (*names, stranger))


def _of_limit(limit: Any, index: int) -> Iterator[Mutant]:
    name, place = f"limit {'/'.join(limit.models)} {limit.since}", ("limits", "LIMITS", index)
    yield Mutant(f"{name} since up", limit.rules, place, "since", _up)
    yield Mutant(f"{name} since down", limit.rules, place, "since", _down)
    yield Mutant(f"{name} limit up", limit.rules, place, "limit", lambda number: number + 1)
    yield Mutant(f"{name} limit down", limit.rules, place, "limit", lambda number: number - 1)
    yield from _of_models(name, limit.models, limit.rules, place)


def _of_constant(constant: Any, index: int) -> Iterator[Mutant]:
    place, rules = ("constants", "CONSTANTS", index), constant.rules
    if isinstance(constant.value, int):
        yield Mutant(f"{constant.name} up", rules, place, "value", lambda number: number + 1)
        yield Mutant(f"{constant.name} down", rules, place, "value", lambda number: number - 1)
    elif isinstance(constant.value, str):
        yield Mutant(f"{constant.name} text", rules, place, "value", lambda text: f"{text}x")
    else:
        yield Mutant(f"{constant.name} version", rules, place, "value", lambda dotted: type(dotted).parse(f"{dotted.text}.1"))
    for direction in (None, "longer", "smaller"):
        if direction != constant.stricter:
            yield Mutant(f"{constant.name} stricter {direction}", rules, place, "stricter", lambda dummy, direction=direction: direction)


# Which tests are run


class Select:
    """A pytest plugin: keeps the tests with a wanted mark."""

    def __init__(self, rules: frozenset[str]) -> None:
        self.rules = rules

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        wanted, rest = [], []
        for item in items:
            (wanted if self.wants(item) else rest).append(item)
        config.hook.pytest_deselected(items=rest)
        items[:] = wanted

    def wants(self, item: pytest.Item) -> bool:
        ids = {rule for mark in item.iter_markers("requirement") for rule in mark.args}
        if "own" in self.rules and item.nodeid.startswith(CONSTANTS_TEST):
            return True
        return bool(ids & self.rules)


def files_by_rule(root: Path = ROOT) -> dict[str, set[str]]:
    """Unit test files by the rules that stand in them; tests of the catalogue come first because they are quick."""
    result: dict[str, set[str]] = {"own": {CONSTANTS_TEST}}
    for mark in traceability.all_marks(root):
        file = mark.test.split("::")[0]
        if file.startswith(PURE):
            for rule in mark.ids:
                result.setdefault(rule, set()).add(file)
    return result


def _speed(file: str) -> tuple[int, bool, str]:
    return (0 if "/catalogue/" in file else 2 if "properties" in file else 1, file != CONSTANTS_TEST, file)


class Fork:
    """A pytest plugin: in place of the run, a forked child for each mutant alters the table and runs the tests of its rules."""

    def __init__(self, todo: list[Mutant], workers: int) -> None:
        self.todo, self.workers = todo, workers
        self.caught: list[str] = []

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if not session.testsfailed:  # a collection that failed proves nothing
            done = children(self.todo, self.workers, lambda mutant: self._run(session, mutant))
            self.caught = [mutant.name for mutant, code in done if code == CAUGHT]
        return True

    def _run(self, session: pytest.Session, mutant: Mutant) -> int:
        gc.disable()  # a short life; collecting would only copy the pages shared with the parent
        session.config.option.tbstyle = "no"  # who fails is enough; showing the lines takes far longer than the test
        mutant.apply()
        chosen, own = Select(frozenset(mutant.rules)), f"[{mutant.name.split()[0]}"
        # The case that bears the item's name comes first: it is the one most likely to turn red.
        for item in sorted(
            filter(chosen.wants, session.items), key=lambda item: (own not in item.nodeid, *_speed(item.nodeid.split("::")[0]))
        ):
            session.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            if session.testsfailed:
                return CAUGHT
        return MISSED


def run_tests(files: set[str], rules: frozenset[str], *plugins: Fork) -> int:
    """CAUGHT when a wanted test failed, MISSED when all passed or none was there, BROKEN when the tests could not be run."""
    options = ["-x", "--override-ini=addopts=", "--import-mode=importlib", "--assert=plain", f"--rootdir={ROOT}"]
    options += ["-p", "no:terminal"] if plugins else ["-q", "--no-header", "--tb=no"]
    for plugin in _NOT_NEEDED:
        options += ["-p", f"no:{plugin}"]
    code = pytest.main([*options, *sorted(files, key=_speed)], plugins=[Select(rules), *plugins])
    if code in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        return MISSED
    if code == pytest.ExitCode.TESTS_FAILED:
        return CAUGHT
    return CAUGHT if code == pytest.ExitCode.INTERRUPTED else BROKEN


# Children


def _child(work: Callable[[], int], log: Path | None = None, patience: int = int(DEADLINE)) -> int:
    """Fork, run, and give back the process id; the child never returns."""
    process = os.fork()
    if process:
        return process
    signal.alarm(patience + 30)
    code = BROKEN
    text = io.StringIO()
    try:
        with redirect_stdout(text), redirect_stderr(text):
            code = work()
    except BaseException as error:
        text.write(f"\n{type(error).__name__}: {error}\n")
    if log is not None and code != CAUGHT:
        log.write_text(text.getvalue(), encoding="utf-8")
    os._exit(code)


def _mutated(mutant: Mutant, files: dict[str, set[str]]) -> int:
    mutant.apply()
    chosen = set().union(*(files.get(rule, set()) for rule in mutant.rules))
    quick = {file for file in chosen if _speed(file)[0] == 0}
    for some in (quick, chosen - quick):
        code = run_tests(some, frozenset(mutant.rules)) if some else MISSED
        if code != MISSED:
            return code
    return MISSED


def _wait(process: int) -> int:
    status = os.waitpid(process, 0)[1]
    return os.waitstatus_to_exitcode(status)


def children(todo: list[Mutant], workers: int, work: Callable[[Mutant], int]) -> Iterator[tuple[Mutant, int]]:
    """Mutants and the codes of their children as these end; one that passes the deadline counts as caught, since something changed."""
    waiting, running = list(reversed(todo)), {}
    while waiting or running:
        while waiting and len(running) < workers:
            mutant = waiting.pop()
            running[_child(lambda mutant=mutant: work(mutant))] = (mutant, time.monotonic())
        process, status = os.waitpid(-1, os.WNOHANG)
        if process in running:
            yield running.pop(process)[0], os.waitstatus_to_exitcode(status)
            continue
        for child, (mutant, began) in list(running.items()):
            if time.monotonic() - began > DEADLINE:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                del running[child]
                yield mutant, CAUGHT
        select.select([], [], [], 0.002)


def quickly_caught(todo: list[Mutant], workers: int, files: dict[str, set[str]]) -> set[str]:
    """Names of the mutants that turn a test red in a session which was collected before; that session has a process of its own."""
    rules = frozenset(rule for mutant in todo for rule in mutant.rules)
    chosen = set().union(*(files.get(rule, set()) for rule in rules))
    reader, writer = os.pipe()

    def work() -> int:
        fork = Fork(todo, workers)
        if chosen:
            run_tests(chosen, rules, fork)
        with open(writer, "w", encoding="utf-8") as stream:
            stream.write("\n".join(fork.caught))
        return CAUGHT

    process = _child(work, patience=len(todo) * int(DEADLINE))
    os.close(writer)
    with open(reader, encoding="utf-8") as stream:
        names = set(stream.read().splitlines())
    _wait(process)
    return names


def run_all(todo: list[Mutant], workers: int, say: Callable[[str], None]) -> dict[str, int]:
    """Exit code of each mutant by name."""
    files = files_by_rule()
    codes = dict.fromkeys(quickly_caught(todo, workers, files), CAUGHT)
    for mutant, code in children([item for item in todo if item.name not in codes], workers, lambda item: _mutated(item, files)):
        codes[mutant.name] = code
        if code != CAUGHT:
            say(f"  not caught: {mutant.name} ({', '.join(mutant.rules)})")
    return codes


def baseline(log: Path) -> int:
    """Run every test that a mutant may use on the catalogue as it is; they must all pass."""
    files = files_by_rule()
    rules = frozenset(rule for mutant in mutants() for rule in mutant.rules)
    chosen = set().union(*(files.get(rule, set()) for rule in rules))
    return _wait(_child(lambda: run_tests(chosen, rules), log))


def preload() -> None:
    """Import what is heavy and does not depend on the catalogue, so that each child starts quickly."""
    os.chdir(ROOT)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # a child needs none of them, and loading them is half of its time
    hypothesis.settings.register_profile("mutation", derandomize=True, database=None, max_examples=100, deadline=None)
    hypothesis.settings.load_profile("mutation")
    from ansible.plugins.loader import init_plugin_loader

    init_plugin_loader()


def main(arguments: list[str] | None = None) -> int:
    """0 when every mutant was caught, 1 when one was not, 2 when the tests themselves do not pass."""
    parser = argparse.ArgumentParser(description="Alter each row, limit and number; a marked test must turn red.")
    parser.add_argument("--only", default="", help="only mutants whose name contains this text")
    parser.add_argument("--list", action="store_true", help="print the mutants and stop")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args(arguments)
    preload()
    todo = [mutant for mutant in mutants() if options.only in mutant.name]
    if options.list:
        print("\n".join(f"{mutant.name}  [{', '.join(mutant.rules)}]" for mutant in todo))
        return 0
    began = time.monotonic()
    log = ROOT / "build" / "mutation-baseline.txt"
    log.parent.mkdir(exist_ok=True)
    if baseline(log) != MISSED:
        print(
            f"mutation: the tests do not pass on the catalogue as it is (or there are none); see {log.relative_to(ROOT)}", file=sys.stderr
        )
        return 2
    codes = run_all(todo, max(1, options.workers), lambda text: print(text, flush=True))
    caught = sum(code == CAUGHT for code in codes.values())
    print(f"{len(codes)} mutants, {caught} caught, in {time.monotonic() - began:.0f} s")
    return 0 if caught == len(codes) else 1


if __name__ == "__main__":
    sys.exit(main())
