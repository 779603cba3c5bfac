# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Every check of the repository by name: ``make test`` runs them all, ``--only ruff,unit`` some, ``--list`` names them.

Steps run in two lanes side by side (checks of the text and unit tests; tests by playbooks), then those that look at what the tests
left behind. The lane that is done first takes over steps of the other that may run anywhere. A failed step does not stop the others.
What needs a missing Debian package is skipped by name; with ``STRICT=1`` a skip is a failure.
Each step's whole output is in ``build/logs``; tests keep their outputs under ``build/test-artifacts``.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import build
import env as environment
from debian import missing_packages

ROOT = build.ROOT
LOGS = ROOT / "build" / "logs"
ARTIFACTS = Path(os.environ.get("METERING_TEST_ARTIFACTS") or ROOT / "build" / "test-artifacts").absolute()
ENGINE = "plugins/module_utils/_engine"
#: In every interpreter that tests start: looks at the command lines of what is started.
WATCH = ROOT / "tests" / "support" / "watch"
PYTEST_TOTAL = re.compile(r"^(?:=+ )?((?:\d+ \w+(?:, )?)+) in [\d.]+s", re.M)
PYTEST_SKIP = re.compile(r"^SKIPPED \[(\d+)\] (?:\S+:\d+: )?(.*)", re.M)
#: Sanity tests that run once for each Python, and the oldest of them (``python_requires`` in tests/config.yml).
VERSIONED, OLDEST = ("compile", "import"), "3.11"
ALLOWED_SKIP = re.compile(r"Debian package [\w.+-]+ is missing")


class StepError(Exception):
    """Why a step failed, in one line."""


@dataclass
class Outcome:
    """What a step came to; ``passed`` counts tests for test steps and is 1 for the others."""

    name: str
    passed: int = 0
    failed: int = 0
    skipped: list[str] = field(default_factory=list)
    note: str = ""
    seconds: float = 0.0

    @property
    def word(self) -> str:
        return "FAILED" if self.failed else "skipped" if self.skipped and not self.passed else "ok"


class Job:
    """One running step: its log and the ways to run something into it."""

    def __init__(self, name: str) -> None:
        self.outcome = Outcome(name)
        self.path = LOGS / f"{name}.log"
        self.path.write_text("", encoding="utf-8")

    def run(self, *command: str | Path, cwd: Path = ROOT, **more: str) -> str:
        """Run a command into the log and return its output; a failing one fails the step."""
        words = [str(word) for word in command]
        env = {**ENV, **more}
        with self.path.open("a", encoding="utf-8") as log:
            log.write(f"$ {' '.join(words)}\n")
            log.flush()
            start = log.tell()
            code = subprocess.run(words, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False).returncode
        output = self.path.read_bytes()[start:].decode("utf-8", "replace")
        if code:
            raise StepError(f"{Path(words[0]).name} ended with {code}")
        return output

    def gather(self, pattern: str) -> None:
        """Repeat the lines that matter at the end of the log, which is what a failure shows."""
        found = re.findall(rf"{pattern}.*$", self.path.read_text(encoding="utf-8", errors="replace"), re.M)
        with self.path.open("a", encoding="utf-8") as log:
            log.write("\n".join(["", *found, ""]) if found else "")

    def python(self, *words: str | Path, cwd: Path = ROOT, **more: str) -> str:
        return self.run(sys.executable, *words, cwd=cwd, **more)

    def pytest(self, *words: str) -> None:
        """Run pytest and take over its counts; no tests at all is a failure, and so is a skip without a missing package."""
        failure = ""
        try:
            self.python("-m", "pytest", "-q", "-p", "no:cacheprovider", *words, PYTHONPATH=str(WATCH))
        except StepError as error:
            failure = str(error)
        output = self.path.read_text(encoding="utf-8", errors="replace")
        totals = PYTEST_TOTAL.findall(output)
        counts = {word: int(number) for number, word in re.findall(r"(\d+) (\w+)", totals[-1])} if totals else {}
        self.outcome.passed = counts.get("passed", 0) + counts.get("xfailed", 0)
        self.outcome.failed = counts.get("failed", 0) + counts.get("error", 0) + counts.get("errors", 0)
        self.outcome.skipped = [reason for number, reason in PYTEST_SKIP.findall(output) for dummy in range(int(number))]
        self.outcome.note = totals[-1] if totals else "no summary line"
        if counts.get("skipped", 0) and not all(ALLOWED_SKIP.search(reason) for reason in self.outcome.skipped):
            raise StepError("a test was skipped for another reason than a missing Debian package")
        if failure or not self.outcome.passed:
            raise StepError(f"{failure or 'no test passed'}: {self.outcome.note}")


def make_environment() -> dict[str, str]:
    """PATH without shims and with the venv in front; no colours, no user configuration of Ansible, one place for artifacts.

    Bytecode has one place too, outside the tree: hundreds of starts of ansible-playbook would otherwise compile everything anew.
    """
    env = environment.clean_environment()
    env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), env["PATH"], "/usr/sbin", "/sbin"])
    env |= {"LC_ALL": "C.UTF-8", "NO_COLOR": "1", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"}
    env["PYTHONPYCACHEPREFIX"] = str(ROOT / "build" / "pycache")
    env |= {
        "METERING_TEST_ARTIFACTS": str(ARTIFACTS),
        "ANSIBLE_CONFIG": str(ROOT / "build" / "ansible.cfg"),
        "ANSIBLE_LOCALHOST_WARNING": "0",
    }
    for name in ("PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"):
        env.pop(name, None)
    return env


ENV = make_environment()
MIRROR = ROOT / "build" / "ansible_collections" / "gridops" / "metering"

# The steps. Each takes its Job and raises StepError, or returns.


def ruff(job: Job) -> None:
    """Style, imports and likely mistakes of all Python."""
    job.python("-m", "ruff", "check", "--no-cache", "--output-format", "concise", ".")


def mypy(job: Job) -> None:
    """Types: strict in the engine, checked everywhere else in plugins."""
    common = ["--namespace-packages", "--explicit-package-bases", "--config-file", ROOT / "pyproject.toml"]
    job.python("-m", "mypy", *common, MIRROR / "plugins", MYPYPATH=str(ROOT / "build"))


def importlinter(job: Job) -> None:
    """Imports run one way through the rooms, and the pure rooms do no I/O."""
    output = job.run("lint-imports", "--no-cache", "--config", ROOT / "pyproject.toml")
    if not re.search(r"Contracts: [1-9]\d* kept, 0 broken", output):
        raise StepError("import-linter checked no contract")


def independence(job: Job) -> None:
    """The simulator imports nothing of the product and the product nothing of the simulator."""
    job.python("tests/tools/independence.py")


def yamllint(job: Job) -> None:
    """All YAML, strictly."""
    job.python("-m", "yamllint", "-s", ".")


def shellcheck(job: Job) -> None:
    """All shell scripts."""
    listed = subprocess.check_output(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, text=True)
    scripts = [name for name in listed.splitlines() if name.endswith(".sh") or name.startswith(".ci/")]
    job.run("shellcheck", *scripts)


def changelog(job: Job) -> None:
    """Changelog fragments are well-formed."""
    job.run("antsibull-changelog", "lint", cwd=MIRROR)


def licences(job: Job) -> None:
    """Every file states licence and copyright (REUSE)."""
    job.run("reuse", "lint", "--lines", cwd=MIRROR)


def ansiblelint(job: Job) -> None:
    """Playbooks, roles and metadata: ansible-lint, profile production, offline."""
    output = job.run("ansible-lint", "--offline", "--profile", "production", "--strict", cwd=MIRROR)
    if "Passed: 0 failure(s)" not in output:
        raise StepError("ansible-lint did not say that it passed")


def plugindocs(job: Job) -> None:
    """Plugin and role documentation is complete and its references resolve. Its pages are judged by the step docsite."""
    job.run("antsibull-docs", "lint-collection-docs", "--plugin-docs", "--validate-collection-refs=all", "--skip-rstcheck", ".", cwd=MIRROR)


def docsite(job: Job) -> None:
    """The website of all pages builds without a warning, and every link in it leads somewhere."""
    job.python("tests/tools/docsite.py")


def sanity(job: Job) -> None:
    """ansible-test sanity, all tests, no ignore file; pylint only for what is shipped (the tests have ruff).

    Tests that know several Pythons meet the oldest that the collection supports and the newest here: what these two import and
    compile, those between them do too.
    """
    if ignored := list(MIRROR.glob("tests/sanity/ignore*.txt")):
        raise StepError(f"{ignored[0].name}: sanity errors are repaired here, not ignored")
    job.python("tests/tools/seed_ansible_test.py")
    try:
        common = ("ansible-test", "sanity", "--color", "no", "--truncate", "0")
        output = job.run(*common, *(word for test in ("pylint", *VERSIONED) for word in ("--skip-test", test)), cwd=MIRROR)
        for version in (OLDEST, f"{sys.version_info.major}.{sys.version_info.minor}"):
            if shutil.which(f"python{version}", path=ENV["PATH"]):
                output += job.run(*common, *(word for test in VERSIONED for word in ("--test", test)), "--python", version, cwd=MIRROR)
        output += job.run(*common, "--test", "pylint", "plugins/", cwd=MIRROR)
    finally:
        job.gather(r"^(?:ERROR|FATAL):")
    if "All targets skipped" in output or "Running sanity test" not in output or 'sanity test "pylint"' not in output:
        raise StepError("ansible-test skipped everything")


def collection(job: Job) -> None:
    """The built tarball, installed elsewhere, serves every module's documentation."""
    dest = ROOT / "build" / "installed"
    shutil.rmtree(dest, ignore_errors=True)
    job.python("tests/tools/build.py", "install", dest)
    installed = dest / "ansible_collections" / "gridops" / "metering"
    names = sorted(path.stem for path in (installed / "plugins" / "modules").glob("*.py"))
    if not names:
        raise StepError("the tarball holds no module")
    # The collections path comes before site-packages, where the checkout is linked.
    output = job.run("ansible-doc", "-t", "module", *(f"gridops.metering.{name}" for name in names), ANSIBLE_COLLECTIONS_PATH=str(dest))
    if str(installed) not in output or "MODULE gridops" not in output:
        raise StepError("ansible-doc did not read the installed collection")


def importer(job: Job) -> None:
    """galaxy-importer accepts the tarball. Its run of ansible-lint is left out: the stricter profile has a step of its own."""
    job.python("tests/tools/env.py", "--importer")
    package = build.BUILD / "dist" / ("-".join(build.identity()) + ".tar.gz")
    job.python("tests/tools/build.py", "tarball")
    work = ROOT / "build" / "importer"
    work.mkdir(parents=True, exist_ok=True)
    venv = ROOT / "build" / "venv-importer" / "bin"
    more = {"PATH": f"{venv}{os.pathsep}{ENV['PATH']}", "GALAXY_IMPORTER_RUN_ANSIBLE_LINT": "0"}
    output = job.run(venv / "python", "-m", "galaxy_importer.main", package, cwd=work, **more)
    if "completed successfully" not in output:
        raise StepError("galaxy-importer did not complete")
    if problems := re.findall(r"^.*\b(?:ERROR|CRITICAL)\b.*$", output, re.M):
        raise StepError(f"galaxy-importer: {problems[0]}")


def traceability(job: Job) -> None:
    """Every rule that is called done has a test, and the index is current."""
    job.python("tests/tools/traceability.py", "--check")


def unit(job: Job) -> None:
    """Unit tests."""
    job.pytest("tests/unit")


def simulator(job: Job) -> None:
    """The own tests of the simulator and of the foreign web meter."""
    job.pytest("-n", "2", "tests/simulator/tests", "tests/foreign")


def referees(job: Job) -> None:
    """Foreign DLMS clients against the simulated meter, and a foreign decoder on what our client sends."""
    job.python("tests/tools/env.py", "--referees")
    job.pytest("tests/referees")


def integration(job: Job) -> None:
    """Playbooks, plugins and foreign peers against simulated meters."""
    job.pytest("-n", "4", "tests/integration")


def faults(job: Job) -> None:
    """The fault campaign: each fault's "Collection must" and the invariants."""
    job.pytest("-n", "4", "tests/faults")


def molecule(job: Job) -> None:
    """One molecule scenario with idempotence."""
    job.run("molecule", "reset", "-s", "rollout")  # what a killed run left would count as created
    output = job.run("molecule", "test", "-s", "rollout")
    if not re.search(r"missing=0 +failed=0", output) or "[rollout > verify] Executed: Successful" not in output:
        raise StepError("molecule ran nothing")


def secrets(job: Job) -> None:
    """No planted password in anything that the tests left behind, nor in the command line of anything that they started."""
    job.python("tests/tools/secrets_grep.py")


def mutation(job: Job) -> None:
    """Each matrix row, limit and constant altered turns a test of its rule red."""
    job.python("tests/tools/mutation.py")


@dataclass(frozen=True)
class Step:
    run: Callable[[Job], None]
    lane: int
    packages: tuple[str, ...] = ()
    #: May run beside anything: it neither reads nor writes the mirror of the collection.
    free: bool = False

    @property
    def name(self) -> str:
        return self.run.__name__.replace("_", "-")


STEPS = (
    Step(ruff, 0),
    Step(mypy, 0),
    Step(importlinter, 0),
    Step(independence, 0),
    Step(yamllint, 0),
    Step(shellcheck, 0, ("shellcheck",)),
    Step(licences, 0),
    Step(changelog, 0),
    Step(traceability, 0),
    Step(plugindocs, 0),
    Step(docsite, 0, free=True),
    Step(ansiblelint, 0),
    Step(collection, 0),
    Step(sanity, 0, ("shellcheck",)),
    Step(importer, 0),
    Step(mutation, 0, free=True),
    Step(unit, 0, free=True),
    Step(simulator, 0, free=True),
    Step(referees, 0, free=True),
    Step(integration, 1),
    Step(faults, 1),
    Step(molecule, 1),
    Step(secrets, 2),
)


class Runner:
    """Runs steps and keeps their outcomes; one line per step as it ends."""

    def __init__(self, strict: bool) -> None:
        self.strict = strict
        self.outcomes: list[Outcome] = []
        self.lock = threading.Lock()

    def step(self, step: Step) -> None:
        started = time.monotonic()
        job = Job(step.name)
        lacking = missing_packages(step.packages)
        # Sanity is worth running without shellcheck: it leaves out that one test by itself.
        whole = step.run is not sanity
        if lacking:
            job.outcome.skipped = [f"Debian package {name} is missing" for name in lacking]
        try:
            if not (lacking and whole):
                step.run(job)
                job.outcome.passed = job.outcome.passed or 1
        except StepError as error:
            job.outcome.failed, job.outcome.note = max(job.outcome.failed, 1), str(error)
        except Exception as error:
            job.outcome.failed, job.outcome.note = 1, f"{type(error).__name__}: {error}"
        if self.strict and job.outcome.skipped:
            job.outcome.failed += len(job.outcome.skipped)
            job.outcome.note += " (a skip is a failure with STRICT=1)"
        job.outcome.seconds = time.monotonic() - started
        with self.lock:
            self.outcomes.append(job.outcome)
            print(line(job.outcome), flush=True)
            if job.outcome.failed:
                print_tail(job.path)

    def lanes(self, steps: Sequence[Step], serial: bool) -> None:
        for group in ((0, 1), (2,)):
            waiting = [step for step in steps if step.lane in group]
            threads = [threading.Thread(target=self.lane, args=(waiting, lane)) for lane in group]
            for thread in threads:
                thread.start()
                if serial:
                    thread.join()
            for thread in threads:
                thread.join()

    def lane(self, waiting: list[Step], lane: int) -> None:
        """Run the steps of a lane in their order, then the free ones of the other from its end."""
        while True:
            with self.lock:
                own = [step for step in waiting if step.lane == lane]
                others = [step for step in waiting if step.free]
                if not own and not others:
                    return
                step = own[0] if own else others[-1]
                waiting.remove(step)
            self.step(step)


def line(outcome: Outcome) -> str:
    return f"{outcome.word:8} {outcome.name:14} {outcome.seconds:6.1f} s  {outcome.note}".rstrip()


def print_tail(path: Path, count: int = 40) -> None:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    print("\n".join(f"    | {text}" for text in lines[-count:]))
    print(f"    the whole output: {path.relative_to(ROOT)}", flush=True)


def report(runner: Runner, order: Sequence[Step], seconds: float) -> int:
    """The table, the skips by name, the closing line; 1 when anything failed."""
    place = {step.name: number for number, step in enumerate(order)}
    outcomes = sorted(runner.outcomes, key=lambda item: place[item.name])
    print(f"\n--- {len(outcomes)} of {len(STEPS)} steps, {seconds:.0f} s")
    for outcome in outcomes:
        print(line(outcome))
    for outcome in outcomes:
        for reason in sorted(set(outcome.skipped)):
            print(f"skipped in {outcome.name}: {reason} ({outcome.skipped.count(reason)})")
    passed, failed = sum(item.passed for item in outcomes), sum(item.failed for item in outcomes)
    skipped = sum(len(item.skipped) for item in outcomes)
    summary = f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "")
    (LOGS / "summary.txt").write_text(summary + "\n", encoding="utf-8")
    print(summary, flush=True)
    return 1 if failed or not passed else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", help="names of steps, by comma")
    parser.add_argument("--skip", default="", help="names of steps to leave out, by comma")
    parser.add_argument("--list", action="store_true", help="name the steps and end")
    parser.add_argument("--serial", action="store_true", help="one lane after the other")
    parser.add_argument("--strict", action="store_true", default=os.environ.get("STRICT", "") not in ("", "0"), help="a skip is a failure")
    options = parser.parse_args()
    if options.list:
        print("\n".join(f"{step.name:14} {(step.run.__doc__ or ' ').strip().splitlines()[0]}" for step in STEPS))
        return 0
    names = {step.name for step in STEPS}
    only, skip = ({word for word in text.split(",") if word} for text in (options.only, options.skip))
    if unknown := (only | skip) - names:
        parser.error(f"no step {', '.join(sorted(unknown))}; there are {', '.join(sorted(names))}")
    chosen = [step for step in STEPS if (not only or step.name in only) and step.name not in skip]
    LOGS.mkdir(parents=True, exist_ok=True)
    if not only:
        shutil.rmtree(ARTIFACTS, ignore_errors=True)
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    (LOGS / "summary.txt").unlink(missing_ok=True)
    # The configuration of plays in tests: neither the user's nor the machine's shall change what is tested.
    shutil.copy(ROOT / "tests" / "support" / "ansible.cfg", ROOT / "build" / "ansible.cfg")
    started = time.monotonic()
    build.mirror()
    runner = Runner(options.strict)
    runner.lanes(chosen, options.serial)
    return report(runner, chosen, time.monotonic() - started)


if __name__ == "__main__":
    sys.exit(main())
