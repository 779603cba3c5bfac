# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The files of the upgrade tool's stand-in: Config.csv, the package, the log."""

from __future__ import annotations

import ipaddress
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metersim import packages

CONFIG_LARGEST = 1024


class Stop(Exception):
    """The tool ends with this exit status and this last line."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


# exit statuses, see README.md
DONE, OTHER, NOT_APPLICABLE, TOO_MANY, FAILED, BAD_CONFIG, BAD_PACKAGE, UNREACHABLE, BAD_LOGIN, LOST, USAGE, INTERRUPTED = (
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    64,
    130,
)


@dataclass(frozen=True)
class Config:
    """One line of Config.csv (R-101)."""

    address: str
    unit: int
    accounts: tuple[tuple[str, str], tuple[str, str]] = field(repr=False)


def read_config(path: Path) -> Config:
    """Read Config.csv as strictly as it is documented (R-101, R-102). The message names the field and never its value."""
    try:
        raw = path.read_bytes()
    except OSError as exc:
        raise Stop(BAD_CONFIG, f"Config.csv cannot be opened: {exc.strerror}") from exc
    if len(raw) > CONFIG_LARGEST or not raw:
        raise Stop(BAD_CONFIG, "Config.csv is empty" if not raw else "Config.csv is too long")
    if b"\n" in raw or b"\r" in raw:
        raise Stop(BAD_CONFIG, "Config.csv must be a single line without a line end")
    try:
        fields = raw.decode("ascii").split(",")
    except UnicodeDecodeError as exc:
        raise Stop(BAD_CONFIG, "Config.csv holds a character that is not ASCII") from exc
    if len(fields) != 6:
        raise Stop(BAD_CONFIG, f"Config.csv must have six fields, not {len(fields)}")
    names = (
        "IP address",
        "Modbus slave ID",
        "Web-master username",
        "Web-master password",
        "Product-Master username",
        "Product-Master password",
    )
    for name, value in zip(names, fields, strict=True):
        if not value or value != value.strip() or set(value) & set("<>\"'\t\0"):
            raise Stop(BAD_CONFIG, f"Config.csv: {name} is empty or holds a space, bracket or quote")
    return Config(_address(fields[0]), _unit(fields[1]), ((fields[2], fields[3]), (fields[4], fields[5])))


def _address(text: str) -> str:
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError as exc:
        raise Stop(BAD_CONFIG, "Config.csv: IP address is not valid") from exc


def _unit(text: str) -> int:
    if not (text.isdigit() and text == str(int(text)) and 1 <= int(text) <= 255):
        raise Stop(BAD_CONFIG, "Config.csv: Modbus slave ID must be 1 to 255")
    return int(text)


def read_package(path: Path, version: str) -> dict[str, Any]:
    """Head of a ``.sedp``; refuses a renamed file (R-085) and one of another tool version (R-071)."""
    if path.suffix != ".sedp":
        raise Stop(BAD_PACKAGE, "The firmware file must be of type .sedp")
    try:
        with path.open("rb") as source:
            magic, line = source.readline(), source.readline(65536)
        head = json.loads(line) if magic == packages.MAGIC else None
    except (OSError, ValueError) as exc:
        raise Stop(BAD_PACKAGE, "The firmware file cannot be read") from exc
    if not isinstance(head, dict) or head.get("part") != "package" or not isinstance(head.get("models"), list):
        raise Stop(BAD_PACKAGE, "The firmware file is not a firmware package")
    if head.get("name") != path.name:
        raise Stop(BAD_PACKAGE, "The name of the firmware file was changed")
    if head.get("tool") != version:
        wanted = head.get("tool") or "none (use the webpages)"
        raise Stop(BAD_PACKAGE, f"This package belongs to another version of the tool: {wanted}")
    return head


class Log:
    """The tool's own log (R-125), Windows line ends, in a Windows encoding."""

    def __init__(self, folder: Path, address: str, encoding: str, program: str = "PM5000fwupgrade") -> None:
        stamp = time.strftime("%Y%m%d-%H%M%S")
        stem = f"{program}_" + (f"{address}_" if address else "") + stamp
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.path = _unused(folder, stem)
            self._file = self.path.open("w", encoding=encoding, errors="replace", newline="\r\n")
        except OSError as exc:
            raise Stop(OTHER, f"The log cannot be written: {exc.strerror}") from exc

    def write(self, text: str) -> None:
        """One line with the time of day."""
        self._file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")
        self._file.flush()

    def close(self) -> None:
        """Done."""
        self._file.close()


def _unused(folder: Path, stem: str) -> Path:
    for number in range(1, 1000):
        path = folder / (f"{stem}.log" if number == 1 else f"{stem}_{number}.log")
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            continue
        return path
    raise Stop(OTHER, "The folder of the logs is full")
