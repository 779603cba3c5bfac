# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""A small executor of GitLab pipelines and GitHub workflows: what their jobs run is run here, word for word, by bash.

It knows of both languages what the examples of this project use and refuses what it does not know. Actions (``uses:``) are played:
checkout, and artifacts up and down; others are only noted. The checkout is made anew for every job, at one path, as runners do.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

GITLAB_WORDS = {
    "stage",
    "rules",
    "script",
    "environment",
    "artifacts",
    "needs",
    "tags",
    "timeout",
    "interruptible",
    "resource_group",
    "image",
}
GITHUB_WORDS = {
    *("if", "needs", "runs-on", "container", "timeout-minutes", "environment", "concurrency", "env", "outputs", "steps", "permissions"),
    *("uses", "secrets"),
}
STEP_WORDS = {"name", "id", "if", "uses", "with", "env", "run", "continue-on-error"}


@dataclass
class Job:
    """How one job ended: ``success``, ``failed``, ``skipped``, or ``waiting`` for somebody who starts it or one before it."""

    state: str
    output: str = ""
    outputs: dict[str, str] = field(default_factory=dict)


@dataclass
class Forge:
    """One project: its repository, the variables of its environments (``*`` for all jobs), and a place for what jobs leave behind."""

    repository: Path
    folder: Path
    secrets: Mapping[str, Mapping[str, str]]
    base: Mapping[str, str]
    runs: int = 0

    @property
    def checkout(self) -> Path:
        return self.folder / "checkout"

    def start(self, branch: str) -> None:
        """A clean checkout, as runners make it: fetched anew, everything that is not in Git removed."""
        if not self.checkout.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            self._git("clone", "-q", str(self.repository), str(self.checkout), folder=self.folder)
        self._git("fetch", "-q", "origin", branch)
        self._git("checkout", "-q", "--force", "FETCH_HEAD")
        self._git("clean", "-q", "-ffdx")
        self.checkout.chmod(0o777)  # so GitLab's docker executor leaves it, and core then reads no ansible.cfg by itself

    def _git(self, *words: str, folder: Path | None = None) -> None:
        subprocess.run(["git", *words], cwd=folder or self.checkout, check=True, capture_output=True)

    def bash(self, script: str, env: Mapping[str, str], name: str) -> tuple[int, str]:
        """Run lines as both systems do: stop at the first that fails."""
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        environment = {**self.base, **env}
        done = subprocess.run(command, cwd=self.checkout, env=environment, capture_output=True, text=True, timeout=300, check=False)
        output = done.stdout + done.stderr
        self.runs += 1
        log = self.folder / "logs" / f"{self.runs:02}-{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(output, encoding="utf-8")
        return done.returncode, output

    def keep(self, store: Path, paths: Sequence[str]) -> None:
        """Artifacts out of the checkout."""
        for path in paths:
            if (self.checkout / path).exists():
                shutil.copytree(self.checkout / path, store / path, dirs_exist_ok=True)

    def give(self, store: Path) -> None:
        """Artifacts into the checkout."""
        if store.exists():
            shutil.copytree(store, self.checkout, dirs_exist_ok=True)


def holds(condition: str, known: Mapping[str, Any]) -> bool:
    """Whether a condition of either system holds: names, texts, ``==``, ``!=``, ``&&``, ``||``; no brackets."""
    return any(all(_compare(part, known) for part in either.split("&&")) for either in condition.split("||"))


def _compare(text: str, known: Mapping[str, Any]) -> bool:
    found = re.fullmatch(r"(.+?)(?:([=!]=)(.+))?", text.strip())
    if found is None:
        raise ValueError(f"an empty part in a condition: {text!r}")
    left, sign, right = (part.strip() for part in found.groups(""))
    if not sign:
        return bool(_value(left, known))
    return (_value(left, known) == _value(right, known)) == (sign == "==")


def _value(word: str, known: Mapping[str, Any]) -> Any:
    if word[0] in "\"'":
        return word[1:-1]
    if word == "always()":
        return True
    if found := re.fullmatch(r"hashFiles\('(.+)'\)", word):
        return "x" if (known["checkout"] / found[1]).exists() else ""
    if word.startswith("$"):
        return known.get(word[1:], "")
    at: Any = known
    for part in word.split("."):
        at = at.get(part, "") if isinstance(at, Mapping) else ""
    return at


def _only(words: Iterator[str] | Mapping[str, Any], known: set[str], where: str) -> None:
    assert set(words) <= known, f"{where}: the executor does not know {set(words) - known}"


# -- GitLab -----------------------------------------------------------------------------------------------------------------


class GitLab:
    """Pipelines of ``.gitlab-ci.yml``."""

    def __init__(self, forge: Forge) -> None:
        self.forge = forge
        self.pipelines = 0

    def run(
        self, variables: Mapping[str, str], manual: Sequence[str] = (), again: int = 0, only: bool = False, branch: str = "main"
    ) -> dict[str, Job]:
        """One pipeline, or of the pipeline with the number ``again`` the manual jobs and (but for ``only``) what waits for them."""
        self.forge.start(branch)
        spec = yaml.safe_load((self.forge.checkout / ".gitlab-ci.yml").read_text(encoding="utf-8"))
        stages, default = spec.pop("stages"), spec.pop("default")
        variables = {**spec.pop("variables", {}), **variables}
        assert any(holds(rule["if"], variables) for rule in spec.pop("workflow")["rules"]), "no pipeline for this"
        self.pipelines += 0 if again else 1
        store = self.forge.folder / "artifacts" / f"gitlab-{again or self.pipelines}"
        jobs = {name: {**default, **job} for name, job in spec.items() if not name.startswith(".")}
        done: dict[str, Job] = {}
        for stage in stages:
            for name, job in jobs.items():
                if job["stage"] != stage:
                    continue
                _only(job, GITLAB_WORDS, name)
                rule = next((rule for rule in job["rules"] if holds(rule["if"], variables)), None)
                needed = {need if isinstance(need, str) else need["job"] for need in job.get("needs", [])}
                if rule is None or (again and name not in manual and (only or not needed & set(done))):
                    continue
                earlier = [other for other in jobs if stages.index(jobs[other]["stage"]) < stages.index(stage)]
                done[name] = self._job(name, job, rule, variables, manual, done, earlier, store, branch)
        return done

    def _job(
        self,
        name: str,
        job: Mapping[str, Any],
        rule: Mapping[str, Any],
        variables: Mapping[str, str],
        manual: Sequence[str],
        done: Mapping[str, Job],
        earlier: Sequence[str],
        store: Path,
        branch: str,
    ) -> Job:
        when = rule.get("when", "on_success")
        before = {item if isinstance(item, str) else item["job"]: item for item in job.get("needs", earlier)}
        found = {done[other].state for other in before if other in done}
        if (when == "manual" and name not in manual) or "waiting" in found:
            return Job("waiting")
        if found - {"success"} and when != "always":
            return Job("skipped")
        self.forge.start(branch)
        env = {
            **variables,
            "GITLAB_CI": "true",
            "CI_JOB_NAME": name,
            **self.forge.secrets["*"],
            **self.forge.secrets.get(job.get("environment", {}).get("name", ""), {}),
        }
        for other, need in before.items():
            if isinstance(need, str) or need.get("artifacts", True):
                self.forge.give(store / other)
                env |= _dotenv(store / f"{other}.env")
        code, output = self.forge.bash("\n".join(job["script"]), env, f"gitlab-{self.pipelines}-{name}")
        kept = job.get("artifacts", {})
        if code == 0 or kept.get("when") == "always":
            self.forge.keep(store / name, kept.get("paths", []))
        for kind, path in kept.get("reports", {}).items():
            assert code or (self.forge.checkout / path).exists(), f"{name} made no {path}"
            if kind == "dotenv" and not code:
                shutil.copy(self.forge.checkout / path, store / f"{name}.env")
        return Job("failed" if code else "success", output)


def _dotenv(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    return dict(line.split("=", 1) for line in path.read_text(encoding="utf-8").splitlines())


# -- GitHub -----------------------------------------------------------------------------------------------------------------


class GitHub:
    """Workflows below ``.github/workflows``."""

    def __init__(self, forge: Forge) -> None:
        self.forge = forge
        self.number = 0

    def run(
        self, workflow: str, event: str, env: Mapping[str, str], given: Mapping[str, Job] | None = None, branch: str = "main"
    ) -> dict[str, Job]:
        """One workflow, all approvals given; each job by its name, those of a called workflow by ``caller.name``.

        Jobs that are ``given`` ended like that in the run before, and are not run again; their artifacts are still there.
        """
        self.number += not given
        return self._workflow(workflow, event, env, branch, given or {})

    def _workflow(self, workflow: str, event: str, env: Mapping[str, str], branch: str, given: Mapping[str, Job]) -> dict[str, Job]:
        self.forge.start(branch)
        spec = yaml.safe_load((self.forge.checkout / ".github" / "workflows" / f"{workflow}.yml").read_text(encoding="utf-8"))
        assert event in spec[True], "'on' is true in YAML 1.1"
        done: dict[str, Job] = {**given}
        for name, job in spec["jobs"].items():  # written in order of their needs
            _only(job, GITHUB_WORDS, name)
            if name in done:
                continue
            needs = [job["needs"]] if isinstance(job.get("needs"), str) else job.get("needs", [])
            condition = str(job.get("if", "true"))
            known = {**self._known(event, env, {need: done[need] for need in needs}), "env": spec.get("env", {})}
            failed = any(done[need].state != "success" for need in needs)
            if (failed and "always()" not in condition) or (condition != "true" and not holds(condition, known)):
                done[name] = Job("skipped")
            elif "uses" in job:
                inner = self._workflow(Path(job["uses"]).stem, "workflow_call", env, branch, {})
                states = {one.state for one in inner.values()}
                done |= {f"{name}.{key}": one for key, one in inner.items()}
                done[name] = Job("failed" if "failed" in states else "success")
            else:
                done[name] = self._job(name, job, known, env, branch)
        return done

    def _known(self, event: str, env: Mapping[str, str], needs: Mapping[str, Job]) -> dict[str, Any]:
        here = {"head": {"repo": {"full_name": env["GITHUB_REPOSITORY"]}}}
        github = {"event_name": event, "repository": env["GITHUB_REPOSITORY"], "token": "", "event": {"pull_request": here}}
        found = {name: {"result": job.state, "outputs": job.outputs} for name, job in needs.items()}
        return {"github": github, "needs": found, "checkout": self.forge.checkout, "steps": {}}

    def _job(self, name: str, job: Mapping[str, Any], known: dict[str, Any], env: Mapping[str, str], branch: str) -> Job:
        secrets = self.forge.secrets.get(job.get("environment", ""), {})
        known |= {
            "secrets": secrets,
            "vars": self.forge.secrets["*"],
            "github": {**known["github"], "token": self.forge.secrets["forge"]["GITHUB_TOKEN"]},
        }
        given = {
            **_filled(known["env"], known),
            **env,
            "GITHUB_ACTIONS": "true",
            "GITHUB_JOB": name,
            "GITHUB_EVENT_NAME": known["github"]["event_name"],
        }
        given |= _filled(job.get("env", {}), known)
        state, output = "success", ""
        for number, step in enumerate(job["steps"]):
            _only(step, STEP_WORDS, name)
            condition = str(step.get("if", "true"))
            if (state != "success" and "always()" not in condition) or (condition != "true" and not holds(condition, known)):
                continue
            if "uses" in step:
                self._action(step, branch)
                continue
            assert "${{" not in step["run"], "texts of others do not go into a script"
            files = {word: self.forge.folder / f"github-{word.lower()}" for word in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
            for path in files.values():
                path.write_text("", encoding="utf-8")
            more = {**_filled(step.get("env", {}), known), **{word: str(path) for word, path in files.items()}}
            code, text = self.forge.bash(step["run"], {**given, **more}, f"github-{self.number}-{name}-{number}")
            known["steps"][step.get("id", "")] = {"outputs": _dotenv(files["GITHUB_OUTPUT"])}
            output += text
            if code and not step.get("continue-on-error"):
                state = "failed"
        return Job(state, output, _filled(job.get("outputs", {}), known))

    def _action(self, step: Mapping[str, Any], branch: str) -> None:
        store = self.forge.folder / "artifacts" / f"github-{self.number}"
        name, given = step["uses"].partition("@")[0], step.get("with", {})
        if name == "actions/checkout":
            self.forge.start(branch)
        elif name == "actions/upload-artifact":
            self.forge.keep(store / given["name"], [given["path"]])
        elif name == "actions/download-artifact":
            self.forge.give(store / given["name"])
        else:
            assert fnmatch(name, "github/codeql-action/*"), f"the executor does not know {name}"
            assert (self.forge.checkout / given["sarif_file"]).exists()


def _filled(texts: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, str]:
    return {name: re.sub(r"\$\{\{ (.+?) \}\}", lambda found: str(_value(found[1], known)), str(text)) for name, text in texts.items()}


def shims(folder: Path, support: Path, programs: Path) -> str:
    """A PATH whose ``ansible-playbook`` starts warm; all else is that of ``programs`` and of the system."""
    folder.mkdir(parents=True, exist_ok=True)
    shim = folder / "ansible-playbook"
    # What bash adds depends on where in a script a line stands, and would make each its own kind of start.
    shim.write_text(
        f"#!{programs / 'python'}\nimport os, sys\nsys.path.insert(0, {str(support)!r})\nimport warmstart\n"
        "env = {name: value for name, value in os.environ.items() if name not in ('SHLVL', 'OLDPWD', '_')}\n"
        f"sys.exit(warmstart.start([{str(programs / 'ansible-playbook')!r}, *sys.argv[1:]], env=env).wait())\n",
        encoding="utf-8",
    )
    shim.chmod(0o755)
    return os.pathsep.join([str(folder), str(programs), "/usr/bin", "/bin"])
