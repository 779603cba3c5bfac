# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""FTP client for the documented copy steps (R-053…R-061), on the standard library's ftplib.

One session, closed before the trigger (R-061). Files stream in both directions; nothing is held in memory.
"""

from __future__ import annotations

import ftplib
import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from ..base.errors import DeviceError
from ..base.target import Credential, Target
from ..catalogue import ftp_files

_BLOCK = 1 << 18
_TEXT_LIMIT = 300
Progress = Callable[[int], None]


class _Client(ftplib.FTP):
    """Reads answers in any alphabet, and sends UTF-8; ftplib alone fails on the first byte that is not UTF-8 (F-37)."""

    def __init__(self, timeout: float) -> None:
        super().__init__(timeout=timeout, encoding="latin-1")  # which gives every byte a letter; _said turns it back

    def putline(self, line: str) -> None:
        super().putline(line.encode().decode("latin-1"))


class FtpSession:
    """A logged-in session; use as a context manager. Never tries a secret twice."""

    def __init__(self, target: Target, credential: Credential) -> None:
        self._target = target
        self._ftp = _Client(target.timeouts.connect)
        self._credential = credential

    def __enter__(self) -> FtpSession:
        self._connect()
        try:
            self._login()
        except DeviceError:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _connect(self) -> None:
        try:
            self._ftp.connect(self._target.host, self._target.ports["ftp"])
            if self._ftp.sock is not None:
                self._ftp.sock.settimeout(self._target.timeouts.read)
            self._ftp.timeout = self._target.timeouts.read
        except ConnectionRefusedError:
            raise DeviceError("ftp_connect", "ftp_server_disabled", "the FTP port is closed") from None
        except ftplib.Error as error:
            raise DeviceError("ftp_connect", "ftp_connect_failed", "the FTP server did not greet", _said(error)) from None
        except (OSError, EOFError) as error:
            raise DeviceError("ftp_connect", "ftp_connect_failed", _why(error)) from None

    def _login(self) -> None:
        try:
            self._ftp.login(self._credential.user, self._credential.password)
        except ftplib.error_perm as error:
            raise DeviceError("ftp_login", "ftp_auth_failed", "the FTP server refused the login", _said(error, self._credential)) from None
        except ftplib.Error as error:
            raise DeviceError(
                "ftp_login", "ftp_connect_failed", "the FTP server did not finish the login", _said(error, self._credential)
            ) from None
        except ValueError:
            raise DeviceError("ftp_login", "ftp_auth_failed", "FTP cannot carry a user name or password with a line break") from None
        except (OSError, EOFError) as error:
            raise DeviceError("ftp_login", "ftp_connect_failed", _why(error)) from None

    def close(self) -> None:
        """End the session, politely where the meter still listens."""
        try:
            self._ftp.quit()
        except (OSError, EOFError, ftplib.Error):
            self._ftp.close()

    def require_layout(self) -> None:
        """The two documented folders exist, or nothing is written (R-055)."""
        missing = [folder for folder in (ftp_files.FOLDER_FW, ftp_files.FOLDER_WWW) if not self._is_folder(folder)]
        if missing:
            raise DeviceError("ftp_login", "ftp_layout_unexpected", f"the FTP root has no folder {' and no folder '.join(missing)}")

    def _is_folder(self, folder: str) -> bool:
        try:
            self._ftp.cwd(f"/{folder}")
            self._ftp.cwd("/")
        except ftplib.error_perm:
            return False
        except (OSError, EOFError, ftplib.Error) as error:
            raise DeviceError("ftp_login", "transport_failed", _why(error)) from None
        return True

    def size(self, folder: str, name: str) -> int | None:
        """Bytes of a file on the meter; None when it does not exist or the meter does not tell."""
        try:
            self._ftp.voidcmd("TYPE I")
            return self._ftp.size(f"/{folder}/{name}")
        except ftplib.Error:
            return None
        except (OSError, EOFError) as error:
            raise DeviceError("copy", "transport_failed", _why(error)) from None

    def free_space(self) -> int | None:
        """Bytes free on the Ethernet card, where the server answers AVBL; None otherwise (R-060)."""
        try:
            answer = self._ftp.sendcmd("AVBL /")
        except ftplib.Error:
            return None
        except (OSError, EOFError) as error:
            raise DeviceError("ftp_login", "transport_failed", _why(error)) from None
        found = re.match(r"213\s+(\d+)\s*$", answer)
        return int(found[1]) if found else None

    def upload(self, source: Path, folder: str, name: str, sha256: str, progress: Progress) -> None:
        """Copy one file, replacing what is there (R-059), and compare the size the meter then tells.

        The hash is taken over the bytes that were really sent and must be the pinned one (R-040).
        """
        digest = hashlib.sha256()
        sent = 0

        def count(block: bytes) -> None:
            nonlocal sent
            digest.update(block)
            sent += len(block)
            progress(len(block))

        with _opened(source) as stream:
            try:
                self._ftp.storbinary(f"STOR /{folder}/{name}", stream, blocksize=_BLOCK, callback=count)
            except ftplib.Error as error:
                raise _refused(error, folder, name) from None
            except (OSError, EOFError) as error:
                refusal = self._refusal() if isinstance(error, ConnectionError) else None
                if refusal is not None:
                    raise _refused(refusal, folder, name) from None
                raise DeviceError("copy", "transport_failed", f"{name}: {_why(error)}") from None
        if digest.hexdigest() != sha256:
            raise DeviceError("copy", "artifact_hash_mismatch", f"{name} changed on disk while it was sent")
        told = self.size(folder, name)
        if told is not None and told != sent:
            raise DeviceError("copy", "upload_incomplete", f"{name}: {sent} bytes were sent, the meter has {told}")

    def _refusal(self) -> ftplib.Error | None:
        """Why the server cut the data connection, where it says so on the other one: a full card does (R-060)."""
        try:
            self._ftp.voidresp()
        except ftplib.Error as error:
            return error
        except (OSError, EOFError):
            pass
        return None

    def read_back(self, folder: str, name: str, sha256: str, progress: Progress) -> None:
        """Read a copied file back and compare its hash (R-057); a server that refuses reading raises upload_unreadable."""
        digest = hashlib.sha256()

        def count(block: bytes) -> None:
            digest.update(block)
            progress(len(block))

        try:
            self._ftp.retrbinary(f"RETR /{folder}/{name}", count, blocksize=_BLOCK)
        except ftplib.error_perm as error:
            raise DeviceError("copy", "upload_unreadable", f"{name} cannot be read back", _said(error)) from None
        except (OSError, EOFError, ftplib.Error) as error:
            raise DeviceError("copy", "transport_failed", f"{name}: {_why(error)}") from None
        if digest.hexdigest() != sha256:
            raise DeviceError("copy", "upload_incomplete", f"{name} reads back differently from what was sent")


def _opened(source: Path) -> BinaryIO:
    try:
        return source.open("rb")
    except OSError as error:
        raise DeviceError("copy", "artifact_missing", f"{source} cannot be read: {error.strerror}") from None


def _refused(error: ftplib.Error, folder: str, name: str) -> DeviceError:
    code = str(error)[:3]
    if code in ("452", "552"):
        return DeviceError("copy", "ftp_no_space", f"no room for {name} in {folder}", _said(error))
    if code in ("530", "532", "550", "553"):
        return DeviceError("copy", "role_insufficient", f"this account may not write {name} into {folder}", _said(error))
    return DeviceError("copy", "transport_failed", f"{name} was not accepted in {folder}", _said(error))


def _said(error: Exception, credential: Credential | None = None) -> str:
    text = " ".join(str(error).encode("latin-1", errors="replace").decode(errors="replace").split())[:_TEXT_LIMIT]
    if credential is not None and credential.password:
        text = text.replace(credential.password, "********")
    return text


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, EOFError):
        return "the meter closed the connection"
    return getattr(error, "strerror", None) or type(error).__name__
