# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The FTP server of the legacy Ethernet card, with pyftpdlib.

pyftpdlib's own poller is watched by the asyncio loop, so all meters share one
thread and nothing needs a lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import logging
import socket
import struct
import sys
from pathlib import Path
from typing import Any

from pyftpdlib.exceptions import AuthenticationFailed  # type: ignore[import-untyped]
from pyftpdlib.filesystems import AbstractedFS  # type: ignore[import-untyped]
from pyftpdlib.handlers import DTPHandler, FTPHandler  # type: ignore[import-untyped]
from pyftpdlib.ioloop import IOLoop  # type: ignore[import-untyped]
from pyftpdlib.servers import FTPServer  # type: ignore[import-untyped]

from metersim import packages, storage
from metersim.meter import Meter
from metersim.storage import LinkCutError

LOG = logging.getLogger("pyftpdlib")
READ = "elr"
WRITE = "adfmwMT"
MASTERS = ("product_master", "administrator")


class FtpHub:
    """pyftpdlib's poller inside the asyncio loop."""

    def __init__(self) -> None:
        self.ioloop = IOLoop.factory()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to serve whatever is registered."""
        self._loop.add_reader(self.ioloop.fileno(), self._ready)
        self._tick()

    def _ready(self) -> None:
        self.ioloop.poll(0)

    def _tick(self) -> None:
        self.ioloop.sched.poll()
        self._timer = self._loop.call_later(0.1, self._tick)

    def stop(self) -> None:
        """Serve no more."""
        if self._timer:
            self._timer.cancel()
        self._loop.remove_reader(self.ioloop.fileno())
        self.ioloop.close()


class Accounts:
    """pyftpdlib's authorizer interface over the meter's accounts."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def validate_authentication(self, username: str, password: str, handler: Any) -> None:
        """AuthenticationFailed for a wrong login."""
        role = self._meter.role_of(username, password)
        if role is None:
            raise AuthenticationFailed("Login incorrect.")
        handler.role = role

    def get_home_dir(self, username: str) -> str:
        """The card's root; F-21 shows an unusual one."""
        fault = self._meter.faults.get("F-21")
        odd = fault and fault["mode"] == "layout"
        return str((self._meter.folder / "odd" if odd else self._meter.root).resolve())

    def has_user(self, username: str) -> bool:
        """Whether an account has this name."""
        return any(account["user"] == username for account in self._meter.accounts().values())

    def has_perm(self, username: str, perm: str, path: str | None = None) -> bool:
        """Everybody reads; only the Product Master writes, and not during an upgrade."""
        if perm not in WRITE:
            return True
        meter = self._meter
        role = next((role for role, account in meter.accounts().items() if account["user"] == username), "")
        where = "/" + str(Path(path).relative_to(self.get_home_dir(username))) if path else "/"
        if meter.effective_role(role) not in MASTERS:
            meter.record("ftp_denied", user=username, path=where, why="role")
            return False
        if meter.state == "upgrading" or meter.upgrade_task:
            meter.record("violation", what="ftp_write_during_upgrade", path=where)
            meter.record("ftp_denied", user=username, path=where, why="upgrade")
            return False
        return True

    def get_perms(self, username: str) -> str:
        """Only used for listings."""
        return READ

    def get_msg_login(self, username: str) -> str:
        """Text of the 230 answer."""
        return "User logged in."

    def get_msg_quit(self, username: str) -> str:
        """Text of the 221 answer."""
        return "Bye."

    def impersonate_user(self, username: str, password: str) -> None:
        """Nothing to do."""

    def terminate_impersonation(self, username: str) -> None:
        """Nothing to do."""


class CardFullError(OSError):
    """No space left on the card."""


class CardFile:
    """A file being written to the card: counts space, hashes, breaks when told."""

    def __init__(self, meter: Meter, path: str, mode: str) -> None:
        self._file = open(path, mode)  # noqa: SIM115 - pyftpdlib closes it
        self.name = path
        self._meter = meter
        self._left = meter.free_space()
        self._cut = storage.cut_after(meter, Path(path).name)
        self._written = 0
        self._hash = hashlib.sha256() if mode.startswith("w") else None

    @property
    def closed(self) -> bool:
        """As a file's."""
        return self._file.closed

    @property
    def digest(self) -> str:
        """SHA-256 of what was received."""
        return self._hash.hexdigest() if self._hash else hashlib.sha256(Path(self.name).read_bytes()).hexdigest()

    def write(self, chunk: bytes) -> int:
        """Store some bytes; CardFullError or LinkCutError."""
        self._written += len(chunk)
        if self._cut is not None and self._written > self._cut:
            keep = len(chunk) - (self._written - self._cut)
            self._file.write(chunk[: max(0, keep)])
            raise LinkCutError(errno.EPIPE, "link cut")
        if self._written > self._left:
            raise CardFullError(errno.ENOSPC, "no space")
        if self._hash:
            self._hash.update(chunk)
        return self._file.write(chunk)

    def seek(self, offset: int, whence: int = 0) -> int:
        """As a file's; the running hash is of no use afterwards."""
        self._hash = None
        return self._file.seek(offset, whence)

    def close(self) -> None:
        """As a file's."""
        self._file.close()


class CardData(DTPHandler):  # type: ignore[misc]
    """Data connection; turns the card's troubles into FTP answers."""

    def handle_error(self) -> None:
        """Disk trouble: 552, or the sudden end of everything."""
        cause = getattr(sys.exc_info()[1], "__cause__", None)
        meter: Meter = self.cmd_channel.meter
        if isinstance(cause, CardFullError):
            name = self.file_obj.name
            self._resp = ("552 Requested file action aborted. Storage allocation exceeded.", LOG.warning)
            self.close()
            Path(name).unlink(missing_ok=True)
        elif isinstance(cause, LinkCutError):
            down = meter.faults.get("F-04", {}).get("down", 10.0)
            self.file_obj.close()
            meter.spawn(lambda: meter.drop_link(down))
        else:
            super().handle_error()

    def close(self) -> None:
        """Keep the digest for the control channel before the file goes."""
        if isinstance(self.file_obj, CardFile):
            self.cmd_channel.last_file = self.file_obj
        super().close()


class CardFiles(AbstractedFS):  # type: ignore[misc]
    """The card's file system."""

    def open(self, filename: str, mode: str) -> Any:
        """Writes go through CardFile."""
        if "r" in mode and "+" not in mode:
            return open(filename, mode)
        return CardFile(self.cmd_channel.meter, filename, mode)


class CardHandler(FTPHandler):  # type: ignore[misc]
    """Control connection of one client. ``meter`` and ``service`` are set per meter."""

    meter: Meter
    service: FtpService
    role = ""
    last_file: CardFile | None = None
    banner = "FTP server ready."
    abstracted_fs = CardFiles
    dtp_handler = CardData
    auth_failed_timeout = 0
    use_sendfile = False
    tcp_no_delay = True

    def on_connect(self) -> None:
        """A client is there."""
        self.service.clients.add(self)

    def on_disconnect(self) -> None:
        """A client is gone."""
        self.service.clients.discard(self)
        if self.authenticated:
            self.service.session_over()

    def on_login(self, username: str) -> None:
        """Count and record."""
        self.meter.logins["ftp"]["ok"] += 1
        self.meter.record("ftp_login_ok", user=username, role=self.role)
        self.meter.lock_when("after_login")

    def on_login_failed(self, username: str, password: str) -> None:
        """Count and record; never the password."""
        self.meter.logins["ftp"]["failed"] += 1
        self.meter.record("ftp_login_failed", user=username)

    def ftp_STOR(self, file: str, mode: str = "w") -> Any:
        """452 before the transfer when nothing at all is left."""
        present = Path(file).stat().st_size if Path(file).is_file() and "a" not in mode else 0
        if self.meter.free_space() + present <= 0:
            self.respond("452 Requested action not taken. Insufficient storage space.")
            self.meter.record("ftp_denied", user=self.username, path=self._card_path(file), why="space")
            return None
        return super().ftp_STOR(file, mode)

    def _card_path(self, file: str) -> str:
        return "/" + str(Path(file).relative_to(self.service.accounts.get_home_dir(self.username)))

    def on_file_received(self, file: str) -> None:
        """Record what arrived, then let F-07 spoil it."""
        card = self.last_file
        digest = card.digest if card and card.name == file else ""
        self.meter.record("ftp_stored", path=self._card_path(file), size=Path(file).stat().st_size, sha256=digest, user=self.username)
        storage.spoil(self.meter, Path(file))
        if file.endswith(".fwa"):
            self.meter.lock_when("after_upload")

    def on_incomplete_file_received(self, file: str) -> None:
        """Record a transfer that broke off."""
        size = Path(file).stat().st_size if Path(file).exists() else 0
        self.meter.record("ftp_incomplete", path=self._card_path(file), size=size)


class FtpService:
    """The FTP port of one meter."""

    def __init__(self, meter: Meter, hub: FtpHub) -> None:
        self._meter = meter
        self._hub = hub
        self._server: Any = None
        self.clients: set[CardHandler] = set()
        self.accounts = Accounts(meter)
        self._handler = type(
            "MeterFtpHandler",
            (CardHandler,),
            {"meter": meter, "service": self, "authorizer": self.accounts, "timeout": int(meter.spec.ftp_idle)},
        )

    async def start(self, address: str, port: int) -> None:
        """Open the port."""
        if self._server is None:
            server = FTPServer((address, port), self._handler, ioloop=self._hub.ioloop, backlog=20)
            server.max_cons = 0
            self._server = server

    async def stop(self) -> None:
        """Close the port and cut every connection."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for client in list(self.clients):
            for channel in (client.data_channel, client):
                sock: Any = getattr(channel, "socket", None)
                with contextlib.suppress(OSError, AttributeError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.authenticated = False
            with contextlib.suppress(OSError):
                client.close()
        self.clients.clear()

    def session_over(self) -> None:
        """F-03: power goes once everything is staged and the client has left."""
        meter = self._meter
        if "F-03" not in meter.faults or meter.state != "idle" or not staged(meter):
            return
        fault = meter.take("F-03")
        if fault:
            meter.spawn(lambda: meter.power_cycle(fault["silence"]))


def staged(meter: Meter) -> bool:
    """Whether all three files of an upgrade are on the card."""
    root = meter.root
    return (
        (root / "www" / packages.TRIGGER_PAGE).is_file()
        and (root / "fw" / packages.CARD_FILE).is_file()
        and any(path.suffix == ".fwa" for path in (root / "fw").iterdir())
    )
