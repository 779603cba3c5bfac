# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""A file on its way to a meter: streamed, hashed while it is sent, and never completed when it is not the pinned one."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ..base.errors import DeviceError

_BLOCK = 1 << 18


class FileBody:
    """The body of one upload, as requests takes it: iterable, with a length known beforehand. Memory does not grow with the file.

    The last block is held back until the hash of all that was read is the pinned one; otherwise the request ends incomplete and
    DeviceError ``artifact_hash_mismatch`` is raised out of the iteration (R-040).
    """

    def __init__(
        self, path: Path, size: int, sha256: str, progress: Callable[[int], None], before: bytes = b"", after: bytes = b""
    ) -> None:
        self._path, self._size, self._sha256, self._progress = path, size, sha256, progress
        self._before, self._after = before, after

    def __len__(self) -> int:
        return len(self._before) + self._size + len(self._after)

    def __iter__(self) -> Iterator[bytes]:
        if self._before:
            yield self._before
        digest, held, read = hashlib.sha256(), b"", 0
        for block in self._blocks():
            digest.update(block)
            read += len(block)
            if held:
                yield held
                self._progress(len(held))
            held = block
        if read != self._size or digest.hexdigest() != self._sha256:
            raise DeviceError(
                "web_upload", "artifact_hash_mismatch", f"{self._path.name} changed since it was checked; it was not sent to the end"
            )
        yield held + self._after
        self._progress(len(held))

    def _blocks(self) -> Iterator[bytes]:
        try:
            with self._path.open("rb") as stream:
                while block := stream.read(_BLOCK):
                    yield block
        except OSError as error:
            raise DeviceError("web_upload", "artifact_missing", f"{self._path.name} cannot be read: {error.strerror}") from None


def multipart(fields: Mapping[str, str], field: str, name: str) -> tuple[str, bytes, bytes]:
    """(content type, bytes before the file, bytes after it) of a multipart form whose last part is the file (RFC 7578)."""
    boundary = f"gridops{secrets.token_hex(16)}"
    head = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(key)}"\r\n\r\n{value}\r\n'.encode()
        for key, value in fields.items()
    )
    head += (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(field)}"; filename="{_quoted(name)}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    return f"multipart/form-data; boundary={boundary}", head, f"\r\n--{boundary}--\r\n".encode()


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
