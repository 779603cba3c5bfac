# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Starts of ``ansible-playbook`` (and of the simulator) that do not pay for their imports each time.

Importing ansible-core and the collection takes longer than most plays of the tests. A server process imports them once and forks
for each run; the run then is the unchanged ``main`` of the program in a process of its own, with its own arguments, environment,
folder, standard streams and session. ``run`` and ``start`` are called like ``subprocess.run`` and ``subprocess.Popen``.

What ansible-core reads at import (``ANSIBLE_*`` variables, configuration files, home, locale, paths) must be as in a fresh start.
So there is a server for each distinct program, folder, configuration file (name, size, time) and environment; only variables which
nothing reads at import (``FREE``) may differ between the runs of one server. A start is direct when its server printed anything
while importing, or has a thread, or does not answer; all starts are direct with ``METERING_TEST_DIRECT_STARTS=1``. What stays
different from a direct start: the parent of the run is the server, and its command line in /proc is the server's.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import gc
import hashlib
import importlib
import io
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

#: Beginnings of the names of variables that are read while a program runs, never while it is imported.
FREE = ("CI", "FAULT_LAB_", "GITHUB_", "GITLAB_", "GRIDOPS_", "METERING_", "PYTEST_", "XDG_DATA_HOME")
DIRECT = "METERING_TEST_DIRECT_STARTS"
#: Seconds a server outlives its last client; longer for tests whose clients are programs of their own.
LINGER = float(os.environ.get("METERING_TEST_LINGER", "2"))
#: What plays of tests add to the environment they are given. Whoever adds nothing else shares a server with the others.
QUIET = {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_HOST_KEY_CHECKING": "0", "ANSIBLE_LOCALHOST_WARNING": "0"}
#: Servers that this process keeps in use.
MOST = 4
COLLECTION = "ansible_collections.gridops.metering.plugins"
#: What every run of a play loads by itself, by the names under which ansible-core's loader would keep it.
PLUGINS = {
    "action": "add_host assert copy debug include_vars normal set_fact",
    "become": "sudo",
    "cache": "memory",
    "callback": "default",
    "connection": "local ssh",
    "filter": "core encryption mathstuff urls urlsplit",
    "inventory": "advanced_host_list auto host_list ini script toml yaml",
    "lookup": "file pipe",
    "shell": "powershell sh",
    "strategy": "free linear",
    "test": "core files mathstuff uri",
    "vars": "host_group_vars",
}


_held: dict[str, socket.socket] = {}


# -- the side of the tests ------------------------------------------------------------------------------------------------


class Started:
    """A run that a server forked; what ``subprocess.Popen`` offers of waiting and signals."""

    def __init__(self, args: Sequence[str], channel: socket.socket, pid: int) -> None:
        self.args, self.pid, self.returncode, self._channel = list(args), pid, None, channel
        self.returncode: int | None

    def wait(self, timeout: float | None = None) -> int:
        """The return code; ``subprocess.TimeoutExpired`` when it is not there in ``timeout`` seconds."""
        if self.returncode is None:
            self._channel.settimeout(timeout if timeout is None or timeout > 0 else 1e-6)
            try:
                answer = self._channel.recv(64)
            except TimeoutError:
                raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
            self._channel.close()
            if not answer:
                raise RuntimeError(f"the server of run {self.pid} ended before it")
            self.returncode = int(answer)
        return self.returncode

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
    stdin: Any = subprocess.DEVNULL,
    stdout: Any = None,
    stderr: Any = None,
    start_new_session: bool = False,
) -> Started | subprocess.Popen[bytes]:
    """Start a program; streams are files or ``DEVNULL`` (``stderr`` also ``STDOUT``), pipes need a direct start."""
    words = [str(word) for word in command]
    env = dict(os.environ if env is None else env)
    channel = None
    if not os.environ.get(DIRECT):
        with contextlib.suppress(OSError):
            channel = _connect(words, env, str(cwd or Path.cwd()))
    if channel is not None:
        with contextlib.ExitStack() as stack:
            streams = [_descriptor(stream, number, stack) for number, stream in enumerate((stdin, stdout, stderr))]
            if stderr == subprocess.STDOUT:
                streams[2] = streams[1]
            wish = {"argv": words, "env": env, "session": start_new_session}
            answer = b""
            with contextlib.suppress(ConnectionError):
                _send(channel, wish, streams)
                answer = channel.recv(64)
        if answer:
            return Started(words, channel, int(answer))
        channel.close()
    return subprocess.Popen(words, env=env, cwd=cwd, stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=start_new_session)


def run(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
    timeout: float | None = None,
    check: bool = False,
    stdin: Any = subprocess.DEVNULL,
    capture_output: bool = True,
    text: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end and return its output as text; ends it and raises ``subprocess.TimeoutExpired`` after ``timeout`` s."""
    assert capture_output and text, "the other ways of subprocess.run are not needed here"
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = start(command, env=env, cwd=cwd, stdin=stdin, stdout=out, stderr=err)
        try:
            code = child.wait(timeout)
        finally:
            child.kill()
        output = []
        for stream in (out, err):
            stream.seek(0)
            output.append(io.TextIOWrapper(stream, encoding="utf-8").read())
    done = subprocess.CompletedProcess(list(child.args), code, *output)
    if check:
        done.check_returncode()
    return done


def _descriptor(stream: Any, number: int, stack: contextlib.ExitStack) -> int:
    if stream in (subprocess.DEVNULL, subprocess.STDOUT):
        return stack.enter_context(open(os.devnull, "r+b")).fileno()
    assert stream != subprocess.PIPE, "pipes need a direct start"
    return number if stream is None else stream if isinstance(stream, int) else int(stream.fileno())


def _key(words: Sequence[str], env: Mapping[str, str], cwd: str) -> tuple[str, list[str]] | None:
    """What a server of this start is known by, and how many words of the command name the program; None for other programs."""
    program = words[:1] if Path(words[0]).name == "ansible-playbook" else words[:3] if words[1:3] == ["-m", "metersim"] else []
    if not program:
        return None
    files = [env.get("ANSIBLE_CONFIG", ""), f"{cwd}/ansible.cfg", f"{env.get('HOME', '')}/.ansible.cfg", "/etc/ansible/ansible.cfg"]
    stamps = []
    for name in files:
        with contextlib.suppress(OSError):
            seen = os.stat(name)
            stamps.append((name, seen.st_size, seen.st_mtime_ns))
    fixed = sorted((name, value) for name, value in env.items() if not name.startswith(FREE))
    return hashlib.sha256(json.dumps([program, cwd, stamps, fixed]).encode()).hexdigest()[:16], list(program)


def _connect(words: Sequence[str], env: Mapping[str, str], cwd: str) -> socket.socket | None:
    """A connection to the server of such starts, which is started when there is none."""
    found = _key(words, env, cwd)
    if found is None:
        return None
    key, program = found
    folder = Path(tempfile.gettempdir()) / f"metering-warm-{os.getuid()}-{os.environ.get('PYTEST_XDIST_TESTRUNUID') or os.getpid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / key
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if key not in _held or not _alive(_held[key]):
            with contextlib.suppress(OSError):
                _held[key] = _dial(path)
        if key not in _held or not _alive(_held[key]):
            if not (seen := path.with_suffix(".seen")).exists():
                seen.touch()  # a server costs as much as two direct starts, so it is for what is started again
                return None
            _serve_elsewhere(path, program, env, cwd)
            _held[key] = _dial(path)
    _held[key] = _held.pop(key)  # the last used stands last
    while len(_held) > MOST:
        _held.pop(next(iter(_held))).close()
    return _dial(path)


def _dial(path: Path) -> socket.socket:
    channel = socket.socket(socket.AF_UNIX)
    channel.connect(str(path))
    return channel


def _alive(channel: socket.socket) -> bool:
    try:
        return bool(channel.recv(1, socket.MSG_DONTWAIT))
    except BlockingIOError:
        return True
    except OSError:
        return False


def _serve_elsewhere(path: Path, program: Sequence[str], env: Mapping[str, str], cwd: str) -> None:
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(64)
        number = listener.fileno()
        command = [sys.executable, __file__, str(number), *program]
        null = subprocess.DEVNULL
        # It leaves the caller's process group: what is meant for a run does not end the server.
        subprocess.Popen(command, env=dict(env), cwd=cwd, pass_fds=[number], stdin=null, stdout=null, stderr=null, start_new_session=True)


def _send(channel: socket.socket, wish: Mapping[str, Any], streams: Sequence[int]) -> None:
    body = json.dumps(wish).encode()
    socket.send_fds(channel, [len(body).to_bytes(8, "big")], list(streams))
    channel.sendall(body)


# -- the server -----------------------------------------------------------------------------------------------------------


def _children(package: str) -> Iterator[str]:
    for found in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        yield found.name


def _load_ansible() -> None:
    """Import what a play imports, in the order of a start; what cannot be imported is left for the run to complain of."""
    from ansible.cli import playbook
    from ansible.plugins import loader

    del playbook
    loader._configure_collection_loader([])
    names = [f"ansible.plugins.{kind}.{name}" for kind, listed in PLUGINS.items() for name in listed.split()]
    names.append("ansible_collections.ansible.builtin")
    names += [name for package in ("module_utils", "plugin_utils", "action") for name in _children(f"{COLLECTION}.{package}")]
    for name in names:
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def _become_ansible() -> NoReturn:
    """In a run: what belongs to a process is made anew, then the program's own main."""
    from ansible import constants
    from ansible.cli import check_blocking_io, playbook
    from ansible.config import manager
    from ansible.plugins import loader

    check_blocking_io()
    # The folder for temporary files carries a process's id and goes at its end.
    atexit.unregister(manager.cleanup_tmp_file)
    constants.DEFAULT_LOCAL_TMP = constants.config.get_config_value("DEFAULT_LOCAL_TMP", variables=vars(constants))
    # Done in the server; playbooks have no option that changes it.
    loader._configure_collection_loader = lambda prefix_collections_path=None: None
    sys.exit(playbook.main())


def _load_simulator() -> None:
    for name in ("cli", "serve"):
        importlib.import_module(f"metersim.{name}")


def _become_simulator() -> NoReturn:
    if "--parent" in sys.argv:  # it goes when its parent goes, which is the server
        sys.argv[sys.argv.index("--parent") + 1] = str(os.getppid())
    sys.argv = sys.argv[2:]
    runpy.run_module("metersim", run_name="__main__", alter_sys=True)
    sys.exit()


def _receive(channel: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """A wish and its three streams; None from a client that went."""
    head, streams, _flags, _address = socket.recv_fds(channel, 8, 3)
    if len(head) < 8:
        return None
    left, body = int.from_bytes(head, "big"), b""
    while len(body) < left:
        body += channel.recv(left - len(body))
    return json.loads(body), streams


def _take_over(wish: Mapping[str, Any], streams: Sequence[int]) -> None:
    """In the forked child: streams, session, environment and arguments of the wish."""
    if wish["session"]:
        os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(wish["env"])
    sys.argv = list(wish["argv"])


def _serve(listener: socket.socket) -> None:
    """Fork for each wish, and tell each client how its run ended. Returns in the forked children only."""
    watch = selectors.DefaultSelector()
    watch.register(listener, selectors.EVENT_READ)
    clients = set[socket.socket]()
    runs: dict[int, tuple[int, socket.socket]] = {}
    idle = time.monotonic()
    # Runs that nobody waits for any more go on without the server.
    while clients or time.monotonic() < idle + LINGER:
        for ready, _events in watch.select(LINGER):
            idle = time.monotonic()
            if ready.fileobj is listener:
                client = listener.accept()[0]
                watch.register(client, selectors.EVENT_READ)
                clients.add(client)
            elif ready.fd in runs:
                pid, client = runs.pop(ready.fd)
                watch.unregister(ready.fd)
                os.close(ready.fd)
                code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                with contextlib.suppress(OSError):
                    client.sendall(str(code).encode())
            else:
                client = ready.fileobj
                wish = None
                with contextlib.suppress(ConnectionError):
                    wish = _receive(client)
                if wish is None:
                    clients.discard(client)
                    watch.unregister(client)
                    client.close()
                    continue
                pid = os.fork()
                if not pid:
                    for mine in (watch, listener, *clients, *(other for _pid, other in runs.values())):
                        mine.close()
                    for handle in runs:
                        os.close(handle)
                    return _take_over(*wish)
                for stream in wish[1]:
                    os.close(stream)
                with contextlib.suppress(OSError):
                    client.sendall(str(pid).encode())
                handle = os.pidfd_open(pid)
                watch.register(handle, selectors.EVENT_READ)
                runs[handle] = (pid, client)
    sys.exit(0)


def main() -> NoReturn:
    listener = socket.socket(fileno=int(sys.argv[1]))
    os.set_inheritable(listener.fileno(), False)
    program = sys.argv[2:]
    simulator = program[-1] == "metersim"
    # What Python itself would have put first for the program.
    sys.path[0] = str(Path.cwd()) if simulator else str(Path(program[0]).parent)
    sys.argv = program
    with tempfile.TemporaryFile() as said:
        for number in (1, 2):
            os.dup2(said.fileno(), number)
    load, become = (_load_simulator, _become_simulator) if simulator else (_load_ansible, _become_ansible)
    load()
    sys.stdout.flush()
    sys.stderr.flush()
    if os.fstat(1).st_size or threading.active_count() > 1:
        os._exit(1)
    gc.collect()
    gc.freeze()
    _serve(listener)
    become()


if __name__ == "__main__":
    main()
