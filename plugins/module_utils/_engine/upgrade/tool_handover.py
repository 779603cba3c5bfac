# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The hand-over folder for a technician with the maker's tool: package, one Config.csv for each meter, one printable checklist.

Folders are 0700 and files 0600, because Config.csv holds passwords. What belongs to a meter is removed when its upgrade has ended,
the rest when no meter of the batch is left (R-100…R-104, G-05).
"""

from __future__ import annotations

import fcntl
import html
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..base.errors import DeviceError
from ..catalogue import constants, recovery
from .steps import SendFile

_METER = "meter.json"
_LOCK = ".lock"


def safe_name(text: str) -> str:
    """A host or campaign name as one part of a path."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", text).lstrip(".") or "_"


class HandOver:
    """The folder of one campaign's batch under ``base``. ``page`` makes its checklist."""

    def __init__(self, base: Path, campaign: str, page: Callable[[list[dict[str, Any]]], str] | None = None) -> None:
        self.folder = base / safe_name(campaign)
        self._page = page or checklist

    def add(self, host: str, config: str, package: SendFile, meter: Mapping[str, Any]) -> Path:
        """Write what one meter needs; returns its folder. Raises DeviceError when the disk does not take it."""
        place = self.folder / safe_name(host)
        try:
            for folder in (self.folder, self.folder / "package", place):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                folder.chmod(0o700)
            with self._locked():
                self._copy(package)
                if config:
                    _write(place / "Config.csv", config)
                _write(place / _METER, json.dumps(dict(meter), sort_keys=True))
                self._checklist()
        except OSError as error:
            raise DeviceError("staging", "handover_failed", f"the hand-over folder cannot be written: {error.strerror}") from None
        return place

    def remove(self, host: str) -> None:
        """Take one meter out; with the last one the whole folder goes."""
        if not self.folder.is_dir():
            return
        with self._locked():
            shutil.rmtree(self.folder / safe_name(host), ignore_errors=True)
            if self.meters():
                self._checklist()
                return
        shutil.rmtree(self.folder, ignore_errors=True)

    def meters(self) -> list[dict[str, Any]]:
        """What is handed over now, by host name."""
        return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(self.folder.glob(f"*/{_METER}"))]

    def _copy(self, package: SendFile) -> None:
        """The package under its own name (R-085); already there when another meter of the batch brought it."""
        there = self.folder / "package" / package.name
        if not there.exists() or there.stat().st_size != package.size:
            part = there.with_name(there.name + ".part")
            shutil.copyfile(package.path, part)
            part.chmod(0o600)
            part.replace(there)

    def _checklist(self) -> None:
        _write(self.folder / "checklist.html", self._page(self.meters()))

    def _locked(self) -> _Lock:
        return _Lock(self.folder / _LOCK)


class _Lock:
    """Workers of one batch write the same checklist, one after another."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        self._descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def __exit__(self, *exc: object) -> None:
        os.close(self._descriptor)


def _write(path: Path, text: str) -> None:
    """A file that only its owner can read, complete or not there at all; no newline is added (R-102)."""
    part = path.with_name(path.name + ".part")
    descriptor = os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
        stream.write(text)
    part.replace(path)


def checklist(meters: list[dict[str, Any]]) -> str:
    """One printable page without any password: before, the documented steps, after, and what never to do."""
    first: Mapping[str, Any] = meters[0] if meters else {}
    version, cap = str(first.get("tool_version") or "-"), int(first.get("cap", constants.TOOL_CAP_SINGLE.number))
    head = f"Tool {version}, as it came with the package. At most {cap} at a time."
    return page("Firmware upgrade with the maker's tool", head, meters, _COLUMNS, _steps(version, cap), recovery.RECOVERY["tool"].steps)


def page(
    title: str, head: str, meters: Sequence[Mapping[str, Any]], columns: Mapping[str, str], steps: Sequence[str], never: Sequence[str]
) -> str:
    """A printable table of meters with steps and advice; the last two columns are ticked by hand."""
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(meter.get(key) or '-'))}</td>" for key in columns) + "<td>&#9744;</td><td>&#9744;</td></tr>"
        for meter in meters
    )
    heads = "".join(f"<th>{html.escape(name)}</th>" for name in (*columns.values(), "Applicable", "Completed"))
    done, bad = ("".join(f"<li>{html.escape(step)}</li>" for step in lines) for lines in (steps, never))
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Hand-over</title><style>'
        "body{font:14px sans-serif;margin:2em}table{border-collapse:collapse;width:100%}td,th{border:1px solid #888;padding:4px;text-align:left}"
        f"</style></head><body><h1>{html.escape(title)}</h1><p>{html.escape(head)}</p>"
        f"<table><tr>{heads}</tr>{rows}</table><h2>Steps</h2><ol>{done}</ol><h2>If a meter does not come back</h2><ul>{bad}</ul></body></html>"
    )


_COLUMNS = {
    "host": "Meter",
    "address": "Address",
    "model": "Model",
    "serial": "Serial",
    "source": "From",
    "target": "To",
    "package": "Package",
}


def _steps(version: str, cap: int) -> tuple[str, ...]:
    wiring = "Connect the meter to this computer directly" if cap == 1 else "Stay in the meters' subnet; ping every meter"
    return (
        f"Nobody writes to these meters, and at most {constants.MAX_READ_CONNECTIONS.number} connections read them",
        "Control power will not be interrupted; do not switch off a meter at any time",
        wiring,
        f"Start the tool of version {version} that is in the package, no other one",
        "File > Open: the Config.csv of the meter's folder. Do not rename any file",
        "The status must read 'Firmware upgrade applicable'; with any other text leave this meter out and note the text",
        "Tools > Select Firmware: the file in the folder 'package'",
        "Tools > Upload Firmware, read the message, Yes",
        "Wait for 'Upgrade Completed. Double click here to open webpage.'",
        f"Wait {constants.SETTLE.number} seconds before the next meters; after a failure wait {constants.RETRY_HOLD.number} seconds, "
        "then close and reopen the tool",
        "After a failure, a meter that does not start normally or one without Ethernet: save the logs, for the maker's support",
        "File > Exit. Keep the tool's Logs folder, and hand this folder back; the new version is read from the meters",
    )
