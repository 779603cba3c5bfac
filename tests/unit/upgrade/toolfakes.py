# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""A clock and a computer made of data, for the steps of the methods that drive a vendor's program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.tool import Ran

DONE = "Status=Upgrade Completed. Double click here to open webpage."


class FakeClock:
    """Time passes only when somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return 1_000_000.0 + self.now

    def pause(self, seconds: float) -> None:
        self.now += max(seconds, 0.001)


@dataclass
class FakeHost:
    """A computer that remembers what it was asked."""

    ran: Callable[[], Ran] = lambda: Ran(0, DONE)
    digest: str | None = None
    name: str = "desk"
    logs: dict[str, bytes] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    lines: list[list[str]] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    lost: bool = False

    def join(self, *parts: str) -> str:
        return "/".join(parts)

    def make_folder(self, path: str, inner: str) -> None:
        if self.lost:
            raise DeviceError("tool_host", "tool_host_unusable", "desk: it cannot be reached")

    def put(self, local: str, path: str) -> None:
        self.files[path] = local

    def put_secret(self, text: str, path: str) -> None:
        self.files[path] = text

    def sha256(self, path: str) -> str | None:
        return self.digest

    def run(self, argv: Sequence[str]) -> Ran:
        self.lines.append(list(argv))
        return self.ran()

    def names(self, path: str) -> list[str]:
        return list(self.logs)

    def fetch(self, path: str) -> bytes:
        return self.logs[path.rsplit("/", 1)[-1]]

    def remove(self, path: str) -> None:
        self.gone.append(path)

    def addresses(self) -> list[str]:
        return ["192.168.0.99/24", "fe80::1/64"]

    def ping(self) -> list[str]:
        return ["ping", "-c", "2", "{address}"]


def given_settings(host: FakeHost | None, folder: Path, command: tuple[str, ...], **more: Any) -> dict[str, Any]:
    """What every way to drive such a program is told; without a computer a technician does it."""
    return {
        "mode": "command" if host else "manual",
        "base": "C:/hand" if host else str(folder / "hand"),
        "campaign": "c1",
        "command": command,
        "logs_to": str(folder / "logs"),
        "real_seconds": lambda seconds: 0.2,
        **more,
    }
