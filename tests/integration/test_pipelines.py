# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The guide to pipelines, done: a repository made from the page alone goes through both CI systems' jobs over a simulated fleet."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from firmwarekit import BIN

from forges import GITHUB_BODY, Forges
from metersim import packages
from metersim.testing import Fleet
from pipelines import Forge, GitHub, GitLab, shims

ROOT = Path(__file__).resolve().parents[2]
SUPPORT = ROOT / "tests" / "support"
HALLS, INFEED = "Canary-halls-1", "Canary-infeed-2"
GITLAB_TOKEN, GITHUB_TOKEN = "Canary-glpat", "Canary-ghs"
ACCOUNTS = {"product_master": {"user": "user2", "password": HALLS}}
WRITES = {"ftp_login_ok", "ftp_login_failed", "ftp_stored", "trigger_request", "modbus_write", "setting_written"}


def hall(name: str, firmware: str) -> dict[str, Any]:
    return {"name": name, "model": "PM5560", "firmware": firmware, "accounts": ACCOUNTS}


METERS = [
    *(hall("hall-1", "2.9.9"), hall("hall-2", "2.9.9"), hall("hall-3", "2.9.9")),
    {
        "name": "infeed-1",
        "model": "ION9000",
        "firmware": "4.0.0",
        "hep": {
            "mode": "advanced",
            "users": [{"name": "USER1", "password": INFEED, "permissions": "all"}],
            "settings": {
                "web_programming": True,
                "panel_programming": False,
                **{f"lockout_{name}": 5 for name in ("ion", "modbus", "web", "sftp", "ssh")},
                "lockout_duration": 30,
            },
        },
    },
]


def guide_files() -> ModuleType:
    spec = importlib.util.spec_from_file_location("guide_files", ROOT / "tests" / "tools" / "guide_files.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Repository:
    """The user's repository, with the addresses of the simulated meters."""

    def __init__(self, folder: Path, fleet: Fleet) -> None:
        self.folder = folder
        files = guide_files().shown((ROOT / "docs" / "guides" / "pipelines.md").read_text(encoding="utf-8"))
        for name, text in files.items():
            self.put(name, text)
        for name, found in fleet.hosts().items():
            place = {key: found[key] for key in ("ansible_host", "metering_ports", "metering_tls") if key in found}
            self.put(f"inventory/host_vars/{name}.yml", yaml.safe_dump(place, explicit_start=True))
        self.git("init", "-q", "-b", "main")
        self.commit("From the guide")

    def put(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text(encoding="utf-8")
        assert text.count(old) == 1, (name, old)
        self.put(name, text.replace(old, new))

    def git(self, *words: str) -> None:
        command = ["git", "-c", "user.name=Ann", "-c", "user.email=ann@example.org", *words]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True)

    def commit(self, message: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)


class Site:
    """The user's meters, repository, records and CI systems."""

    def __init__(self, fleet: Fleet, artifacts: Path, tmp: Path, url: str, forges: Forges) -> None:
        self.fleet, self.forges = fleet, forges
        packages.write(tmp / "firmware", [("PM5560", "2.9.9")])
        self.repository = Repository(tmp / "repository", fleet)
        look = {
            "METERING_RECORDS": url,
            "METERING_MARKS_KEY": "Canary-marks-of-the-vault",
            "METERING_HALLS_PASSWORD": HALLS,
            "METERING_INFEED_PASSWORD": INFEED,
        }
        secrets = {
            **{"*": {"METERING_ARTIFACTS": str(tmp / "firmware")}, "meters-look": look, "meters": look},
            "forge": {"METERING_FORGE_TOKEN": GITLAB_TOKEN, "GITHUB_TOKEN": GITHUB_TOKEN},
        }
        (tmp / "home").mkdir()
        base = {
            "PATH": shims(tmp / "shims", SUPPORT, BIN),
            "HOME": str(tmp / "home"),
            "LANG": "C.UTF-8",
            "CI": "true",
            "ANSIBLE_NOCOLOR": "1",
            "METERING_TEST_LINGER": "20",
            "PYTEST_XDIST_TESTRUNUID": f"pipelines-{os.getpid()}",
        }
        if os.environ.get("ANSIBLE_COLLECTIONS_PATH"):
            base["ANSIBLE_COLLECTIONS_PATH"] = os.environ["ANSIBLE_COLLECTIONS_PATH"]
        shutil.rmtree(artifacts, ignore_errors=True)
        self.forge = Forge(self.repository.folder, artifacts, secrets, base)
        self.gitlab, self.github = GitLab(self.forge), GitHub(self.forge)

    def lab(self, source: str, **more: str) -> dict[str, str]:
        """What GitLab defines."""
        project = {"CI_API_V4_URL": f"{self.forges.url}/api/v4", "CI_PROJECT_ID": "7", "CI_DEFAULT_BRANCH": "main"}
        page = {"CI_PIPELINE_SOURCE": source, "CI_PIPELINE_URL": "https://gitlab.example.org/grid/meters/-/pipelines/1"}
        if source == "merge_request_event":
            return {**project, **page, "CI_MERGE_REQUEST_IID": "3", **more}
        return {**project, **page, "CI_COMMIT_BRANCH": "main", **more}

    def hub(self, ref: str) -> dict[str, str]:
        """What GitHub defines."""
        where = {"GITHUB_API_URL": self.forges.url, "GITHUB_REPOSITORY": "grid/meters", "GITHUB_SERVER_URL": "https://github.com"}
        return {**where, "GITHUB_REF": ref, "GITHUB_RUN_ID": "17"}

    def kept(self, pipeline: str, path: str) -> Any:
        """A file of the artifacts of a job."""
        return json.loads((self.forge.folder / "artifacts" / pipeline / path).read_text(encoding="utf-8"))

    def done(self) -> list[dict[str, Any]]:
        """What was done to meters, except by the people of the story."""
        return [event for event in self.fleet.events() if event["kind"] in WRITES and event.get("by") != "operator"]


@pytest.fixture
def site(tmp_path: Path, artifacts: Path, postgres: Any) -> Iterator[Site]:
    with (
        Fleet({"name": "pipelines", "clock_factor": 120, "meters": METERS}, tmp_path) as fleet,
        Forges(GITLAB_TOKEN, GITHUB_TOKEN) as forges,
    ):
        yield Site(fleet, artifacts, tmp_path, postgres.url(), forges)


def states(jobs: Mapping[str, Any]) -> dict[str, str]:
    return {name: job.state for name, job in jobs.items()}


def test_the_examples_are_the_files_of_the_page() -> None:
    tool = guide_files()
    assert tool.shown(tool.PAGE.read_text(encoding="utf-8")) == tool.kept(), "run tests/tools/guide_files.py"


@pytest.mark.parametrize(
    "words",
    [
        ["--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci", "gitlab/.gitlab-ci.yml"],
        ["--builtin-schema", "vendor.github-workflows", "github/.github/workflows/audit.yml", "github/.github/workflows/change.yml"],
    ],
    ids=["gitlab", "github"],
)
def test_the_pipelines_fit_the_published_schemas(words: list[str]) -> None:
    folder = ROOT / "examples" / "pipelines"
    done = subprocess.run([BIN / "check-jsonschema", *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def env_of(site: Site, pipeline: str) -> dict[str, str]:
    """The digests that the job ``plan`` hands on."""
    text = (site.forge.folder / "artifacts" / pipeline / "plan.env").read_text(encoding="utf-8")
    return dict(line.split("=", 1) for line in text.splitlines())


def commands(lines: Iterable[str]) -> set[str]:
    """The playbook command lines of a job."""
    joined = re.sub(r"\s*\n\s*(?!ansible-playbook)(?=-e)", " ", "\n".join(lines))
    return {" ".join(line.split()) for line in joined.splitlines() if line.strip().startswith("ansible-playbook")}


def test_both_systems_run_the_same_playbooks() -> None:
    folder = ROOT / "examples" / "pipelines"
    lab = yaml.safe_load((folder / "gitlab" / ".gitlab-ci.yml").read_text(encoding="utf-8"))
    hub = {
        name: yaml.safe_load((folder / "github" / ".github" / "workflows" / f"{name}.yml").read_text(encoding="utf-8"))["jobs"]
        for name in ("change", "audit")
    }

    def steps(workflow: str, job: str) -> set[str]:
        return commands(step["run"] for step in hub[workflow][job]["steps"] if "run" in step)

    assert steps("change", "plan") == commands(lab["check"]["script"]) | commands(lab["plan"]["script"])
    assert steps("change", "apply") == commands(lab["apply"]["script"]) and len(steps("change", "apply")) == 2
    assert steps("audit", "audit") == commands(lab["audit"]["script"])


def told(forges: Forges, system: str, *words: str | Path) -> None:
    """Run ci/tell.py as a job of this system."""
    gitlab = {
        "GITLAB_CI": "true",
        "CI_API_V4_URL": f"{forges.url}/api/v4",
        "CI_PROJECT_ID": "7",
        "CI_PIPELINE_URL": "https://example.org/1",
    }
    github = {
        "GITHUB_API_URL": forges.url,
        "GITHUB_REPOSITORY": "grid/meters",
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_RUN_ID": "1",
    }
    env = {
        "gitlab": {**gitlab, "CI_MERGE_REQUEST_IID": "5", "METERING_FORGE_TOKEN": GITLAB_TOKEN},
        "github": {**github, "GITHUB_REF": "refs/pull/5/merge", "GITHUB_TOKEN": GITHUB_TOKEN},
    }[system]
    tool = ROOT / "examples" / "pipelines" / "repository" / "ci" / "tell.py"
    done = subprocess.run([sys.executable, tool, *map(str, words)], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout + done.stderr == "", done.stderr


@pytest.mark.parametrize("system", ["gitlab", "github"])
def test_a_finding_is_one_issue(system: str, tmp_path: Path) -> None:
    def audited(verdict: str, compliant: int, body: str = "/close\nA meter says so") -> None:
        totals = {"meters": 3, "verdicts": {"drift": 3 - compliant, "compliant": compliant}}
        (tmp_path / "audit.json").write_text(json.dumps({"verdict": verdict, "totals": totals}), encoding="utf-8")
        (tmp_path / "audit.md").write_text(body, encoding="utf-8")
        told(forges, system, "audit", tmp_path)

    def issues() -> list[dict[str, Any]]:
        return [issue for issue in forges.open(system) if "pull_request" not in issue]

    with Forges(GITLAB_TOKEN, GITHUB_TOKEN) as forges:
        told(forges, system, "audit", tmp_path)
        assert [issue["title"] for issue in issues()] == ["Meters: the audit did not end"]
        audited("drift", 1)
        (issue,) = issues()
        text = issue["description" if system == "gitlab" else "body"]
        assert issue["title"] == "Meters: drift, 2 of 3 not compliant" and text.startswith("\\/close")
        before = len(forges.requests)
        audited("drift", 1)
        assert len(forges.requests) == before + 1, "nothing new is not told again"
        audited("compliant", 3)
        assert issues() == []
        audited("unknown", 2, "long " * 100000)
        (issue,) = issues()
        assert len(issue["description" if system == "gitlab" else "body"]) < GITHUB_BODY


@pytest.mark.parametrize("system", ["gitlab", "github"])
def test_a_plan_is_one_comment_with_its_digests(system: str, tmp_path: Path) -> None:
    digests, plan = tmp_path / "digests.env", tmp_path / "plan.md"
    digests.write_text("METERING_PLAN_DIGEST=0123\n", encoding="utf-8")
    with Forges(GITLAB_TOKEN, GITHUB_TOKEN) as forges:
        for text in ("# Plan\n" * 20000, "# Another plan\n"):
            plan.write_text(text, encoding="utf-8")
            told(forges, system, "plan", digests, plan)
            (comment,) = forges.comments[system]
            assert comment["request"] == 5 and "METERING_PLAN_DIGEST=0123" in comment["body"] and len(comment["body"]) < GITHUB_BODY
        assert "Another plan" in comment["body"]


@pytest.mark.needs_debian("postgresql")
@pytest.mark.requirement("R-116")
def test_the_whole_way(site: Site) -> None:
    """Drift appears, and no meter is touched while the window is shut (GitHub); the night finds it, the merge request shows the plan, apply
    does just that, the audit is compliant, apply again does nothing (GitLab)."""
    lab, hub, forges, repository = site.gitlab, site.github, site.forges, site.repository
    # A person at the display, and a meter from the stock.
    site.fleet.meter("infeed-1").action("set_setting", name="panel_programming", value=True)
    site.fleet.meter("hall-2").action("set_firmware", version="2.7.8")

    closed = (datetime.now(UTC) + timedelta(days=3)).strftime("%a").lower()
    repository.edit("campaign.yml", "[mon, tue, wed, thu]", f"[{closed}]")
    repository.commit("Not today")
    merged = hub.run("change", "push", site.hub("refs/heads/main"))
    assert states(merged) == {
        **{"plan": "success", "tell": "skipped", "apply": "failed", "audit": "failed"},
        **{"audit.audit": "failed", "audit.finding": "success"},
    }, merged["plan"].output[-4000:]
    assert "window" in merged["apply"].output
    assert [issue["title"] for issue in forges.open("github")[1:]] == ["Meters: drift, 2 of 4 not compliant"]
    # The plan of a pull request is made by the same job; its comment:
    shown = hub.run("change", "pull_request", site.hub("refs/pull/5/merge"), given={"plan": merged["plan"]})
    assert states(shown) == {"plan": "success", "tell": "success", "apply": "skipped", "audit": "skipped"}
    (comment,) = forges.comments["github"]
    assert comment["request"] == 5
    assert all(f"{name}={digest}" in comment["body"] for name, digest in merged["plan"].outputs.items())
    assert "hall-2" in comment["body"] and "panel_programming: on to off" in comment["body"]
    assert site.done() == []

    night = lab.run(site.lab("schedule"))
    assert states(night) == {"audit": "failed", "finding": "success"}
    (found,) = [
        result for result in site.kept("gitlab-1", "audit/build/audit/audit.sarif")["runs"][0]["results"] if "panel" in result["ruleId"]
    ]
    place = found["locations"][0]["physicalLocation"]
    lines = (repository.folder / place["artifactLocation"]["uri"]).read_text(encoding="utf-8").splitlines()
    assert "panel_programming: false" in lines[place["region"]["startLine"] - 1]
    (issue,) = forges.open("gitlab")
    assert issue["labels"] == ["meter-audit"] and "panel_programming" in issue["description"] and "hall-2" in issue["description"]

    repository.git("checkout", "-q", "-b", "mend")
    repository.edit("campaign.yml", "campaign: winter-2026", "campaign: mend-hall-2")
    always = '[mon, tue, wed, thu, fri, sat, sun], from: "00:00", to: "00:00"'
    repository.edit("campaign.yml", f'[{closed}], from: "22:00", to: "05:00"', always)
    repository.commit("Mend what the night found")
    shown = lab.run(site.lab("merge_request_event"), branch="mend")
    assert states(shown) == {"check": "success", "plan": "success", "tell": "success"}, [job.output[-3000:] for job in shown.values()]
    digests = env_of(site, "gitlab-2")
    assert all(f"{name}={digest}" in forges.comments["gitlab"][0]["body"] for name, digest in digests.items())

    repository.git("checkout", "-q", "main")
    repository.git("merge", "-q", "mend")
    waiting = {"check": "success", "plan": "success", "apply": "waiting", "audit": "waiting", "finding": "waiting"}
    assert states(lab.run(site.lab("push"))) == waiting
    assert env_of(site, "gitlab-3") == digests
    assert site.done() == [], "nobody has approved"
    done = lab.run(site.lab("push"), manual=["apply"], again=3)
    assert states(done) == {"apply": "success", "audit": "success", "finding": "success"}, done["apply"].output[-6000:]
    assert site.fleet.meter("hall-2").state()["firmware"] == "2.9.9"
    assert site.fleet.meter("infeed-1").state()["settings"]["panel_programming"] is False
    changes = site.done()
    assert {event["meter"] for event in changes} == {"hall-2", "infeed-1"}
    assert site.kept("gitlab-3", "audit/build/audit/audit.json")["verdict"] == "compliant"
    folder = site.forge.folder / "artifacts" / "gitlab-3" / "audit" / "build" / "audit"
    listed = {item["name"]: item["sha256"] for item in site.kept("gitlab-3", "audit/build/audit/evidence.json")["files"]}
    assert set(listed) == {"audit.json", "junit.xml", "audit.sarif", "audit.md", "audit.csv", "metering.prom", "audit.html"}
    assert listed == {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in listed}
    assert forges.open("gitlab") == [] and forges.issues["gitlab"][0]["notes"]

    again = lab.run(site.lab("push"), manual=["apply"], again=3, only=True)
    assert states(again) == {"apply": "success"}
    assert site.done() == changes
