# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""A play through the warm starter is the play of a direct start: settings, environment, process, output, result."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import warmstart

PLAYBOOK = Path(sys.executable).parent / "ansible-playbook"
#: A lookup plugin beside the playbook, which says all that the program was given and made of it.
SEEN = """\
from __future__ import annotations
import locale, os, resource, signal, sys
from ansible import constants, context
from ansible.plugins.lookup import LookupBase
from ansible.utils.collection_loader import AnsibleCollectionConfig

class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        settings = {name: repr(getattr(constants, name)) for name in constants.config.get_configuration_definitions()}
        settings.pop("DEFAULT_LOCAL_TMP")
        handlers = {str(number): repr(signal.getsignal(number)).split(" at 0x")[0] for number in signal.valid_signals()}
        handlers.pop(str(int(signal.SIGTERM)))
        handlers.pop(str(int(signal.SIGINT)))
        return [{
            "settings": settings, "origins": repr(constants.config.get_config_value_and_origin("DEFAULT_FORKS")),
            "config_file": repr(constants.CONFIG_FILE), "args": repr(sorted(context.CLIARGS.items())), "argv": sys.argv,
            "environ": dict(os.environ), "cwd": os.getcwd(), "path": sys.path, "flags": repr(sys.flags), "umask": os.umask(0o022),
            "locale": locale.setlocale(locale.LC_ALL), "handlers": handlers, "limits": resource.getrlimit(resource.RLIMIT_NOFILE),
            "collections": AnsibleCollectionConfig.collection_paths, "prefix": sys.prefix,
            "streams": [repr(stream) for stream in (sys.__stdin__, sys.__stdout__, sys.__stderr__)],
            "temporary": os.path.isdir(constants.DEFAULT_LOCAL_TMP) and constants.DEFAULT_LOCAL_TMP,
        }]
"""
TASKS: list[dict[str, Any]] = [
    {"ansible.builtin.copy": {"content": "{{ lookup('seen') | to_json }}", "dest": "{{ seen_in }}", "mode": "0600"}, "no_log": True},
    {"ansible.builtin.debug": {"msg": "{{ 'plain' | gridops.metering.meter_model | default('none') }}"}, "ignore_errors": True},
    {"ansible.builtin.fail": {"msg": "as it should"}},
]


def both(folder: Path, *words: str, **env: str) -> tuple[list[subprocess.CompletedProcess[str]], list[dict[str, Any]]]:
    """The same play started directly and, once its server is there, through it."""
    (folder / "lookup_plugins").mkdir(exist_ok=True)
    (folder / "lookup_plugins" / "seen.py").write_text(SEEN, encoding="utf-8")
    book = folder / "play.yml"
    book.write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": TASKS}]), encoding="utf-8")
    seen = folder / "seen.json"
    command = [str(PLAYBOOK), "-i", "localhost,", "-c", "local", str(book), "-e", f"seen_in={seen}", *words]
    given = {**os.environ, **warmstart.QUIET, **env}
    done, dumps = [], []
    for direct in (True, False):
        if direct:
            done.append(
                subprocess.run(command, env=given, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
            )
        else:
            warmstart.run(command, env=given, timeout=60)  # the first start of a kind is direct
            child = warmstart.start(command, env=given, stdout=subprocess.DEVNULL)
            assert isinstance(child, warmstart.Started), "there is a server"
            assert child.wait(60) == 2
            done.append(warmstart.run(command, env=given, timeout=60))
        dumps.append(json.loads(seen.read_text(encoding="utf-8")))
    return done, dumps


@pytest.mark.parametrize("kind", ["plain", "changed"])
def test_a_warm_start_is_a_start(tmp_path: Path, kind: str) -> None:
    env, words = {}, []
    if kind == "changed":
        (tmp_path / "own.cfg").write_text("[defaults]\nforks = 3\ntimeout = 44\nstdout_callback = minimal\n", encoding="utf-8")
        env = {
            "ANSIBLE_CONFIG": str(tmp_path / "own.cfg"),
            "ANSIBLE_TIMEOUT": "33",
            "ANSIBLE_HOME": str(tmp_path / "home"),
            "TZ": "Asia/Tokyo",
        }
        words = ["-v"]
    (direct, warm), (fresh, forked) = both(tmp_path, *words, **env)
    assert fresh.pop("temporary") != forked.pop("temporary") is not False
    assert forked == fresh
    assert (warm.returncode, warm.stdout, warm.stderr) == (direct.returncode, direct.stdout, direct.stderr)
    assert warm.returncode == 2 and "as it should" in warm.stdout
    assert ("'33'" in str(fresh["settings"]["DEFAULT_TIMEOUT"]) or fresh["settings"]["DEFAULT_TIMEOUT"] == "33") == (kind == "changed")


def test_waiting_and_signals(tmp_path: Path) -> None:
    book = tmp_path / "play.yml"
    task = {"ansible.builtin.wait_for": {"path": str(tmp_path / "never"), "timeout": 100}}
    book.write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}]), encoding="utf-8")
    command = [str(PLAYBOOK), "-i", "localhost,", "-c", "local", str(book)]
    env = {**os.environ, **warmstart.QUIET}
    for dummy in range(2):
        child = warmstart.start(command, env=env, stdout=subprocess.DEVNULL, start_new_session=True)
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0.05)
        assert child.poll() is None
        os.killpg(child.pid, signal.SIGKILL)
        assert child.wait(30) == child.poll() == child.returncode == -signal.SIGKILL
        child.terminate()  # one that has ended is left alone
    assert isinstance(child, warmstart.Started) and os.getsid(0) != child.pid


def test_direct_starts_can_be_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(warmstart.DIRECT, "1")
    child = warmstart.start([str(PLAYBOOK), "--version"], stdout=subprocess.DEVNULL)
    assert isinstance(child, subprocess.Popen) and child.wait(60) == 0
    # Programs that it does not know are started as ever.
    monkeypatch.delenv(warmstart.DIRECT)
    assert warmstart.run([sys.executable, "-c", "print(6 * 7)"], cwd=tmp_path).stdout == "42\n"
