# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Modbus TCP: FC 3 and FC 43/14 over one connection, and in a class of its own FC 6.

Register numbers are the published ones, which count from 1; the number on the wire is one less. Nothing is tried
twice here. Only ``ModbusWriter`` writes, and only registers that it was given as writable.
"""

from __future__ import annotations

import asyncio
import logging
import platform
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

from ..base.errors import DependencyError, DeviceError
from ..base.target import Target
from ..catalogue import constants

try:
    from pymodbus.client import AsyncModbusTcpClient
    from pymodbus.exceptions import ModbusException
except ImportError:  # pragma: no cover - tested in an interpreter without it
    AsyncModbusTcpClient = None  # type: ignore[assignment,misc]

    class ModbusException(Exception):  # type: ignore[no-redef]
        """Stands in where the library is missing."""


for _name in ("pymodbus", "pymodbus.logging", "pymodbus_internal"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)  # what went wrong is told once, by the error raised here

IDENTIFICATION_TIMEOUT = 2.0  # seconds; a second source must not hold up the first
_MAX_IDENTIFICATION_ROUNDS = 4

EXCEPTIONS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "device failure",
    5: "acknowledge",
    6: "device busy",
    10: "gateway path unavailable",
    11: "gateway target does not respond",
}
_NO_SUCH_UNIT = frozenset({10, 11})


class RefusedError(DeviceError):
    """The meter answered with a Modbus exception: it is there, but does not serve this request."""

    def __init__(self, stage: str, code: int, what: str) -> None:
        self.code = code
        self.meaning = f"exception {code} ({EXCEPTIONS.get(code, 'not named by the standard')})"
        super().__init__(stage, "identity_unreadable", f"the meter refuses {what}: {self.meaning}")


class ModbusReader:
    """One connection to one meter. Use as an asynchronous context manager.

    Raises DeviceError (``transport_failed``) for silence, refusal of the connection and unintelligible answers,
    RefusedError for Modbus exceptions and DependencyError where pymodbus is missing.
    """

    def __init__(self, target: Target, stage: str = "read") -> None:
        if AsyncModbusTcpClient is None:
            raise DependencyError("pymodbus", platform.node() or "this host", "reading meters over Modbus TCP")
        self.target = target
        self.stage = stage
        self.requests = 0
        self._where = f"{target.host}:{target.ports['modbus']}"
        self._received = False
        self._lost = False
        self._deadline: asyncio.Timeout | None = None
        # The library's own time limit only has to be later than ours.
        limit = max(target.timeouts.connect, target.timeouts.read) + 1
        self._client = AsyncModbusTcpClient(
            target.host,
            port=target.ports["modbus"],
            timeout=limit,
            retries=0,
            reconnect_delay=0,
            trace_connect=self._on_connection,
            trace_packet=self._on_packet,
        )

    async def __aenter__(self) -> Self:
        seconds = self.target.timeouts.connect
        try:
            async with asyncio.timeout(seconds):
                connected = await self._client.connect()
        except TimeoutError:
            self._client.close()
            raise self._failure(f"{self._where} does not accept a connection within {seconds:g} s") from None
        except BaseException:
            self._client.close()
            raise
        if not connected:
            self._client.close()
            raise self._failure(f"{self._where} cannot be connected: refused, unreachable or unknown by name")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        self._client.close()

    async def registers(self, first: int, count: int) -> list[int]:
        """``count`` holding registers from register number ``first`` on (FC 3)."""
        if not 1 <= first <= 65536 - count + 1 or not 1 <= count <= constants.MODBUS_MAX_REGISTERS.number:
            raise ValueError(f"{count} registers from {first} on are not one request")
        what = f"registers {first}-{first + count - 1}"
        answer = await self._ask(
            lambda: self._client.read_holding_registers(first - 1, count=count, device_id=self.target.unit_id),
            self.target.timeouts.read,
            what,
        )
        values = getattr(answer, "registers", None)
        if not isinstance(values, list) or len(values) != count:
            raise self._failure(f"{self._where} answered {what} with an unintelligible message")
        return values

    async def identification(self) -> dict[int, bytes]:
        """The objects of FC 43/14, read code 1, with a short time limit."""
        objects: dict[int, bytes] = {}
        first = 0
        for _round in range(_MAX_IDENTIFICATION_ROUNDS):
            start = first
            answer = await self._ask(
                lambda start=start: self._client.read_device_information(read_code=1, object_id=start, device_id=self.target.unit_id),  # type: ignore[misc]
                min(self.target.timeouts.read, IDENTIFICATION_TIMEOUT),
                "the device identification",
            )
            for number, value in (getattr(answer, "information", None) or {}).items():
                objects[int(number)] = value if isinstance(value, bytes) else b""
            first = int(getattr(answer, "next_object_id", 0))
            if not getattr(answer, "more_follows", 0) or first <= start:
                break
        return objects

    # -- details ------------------------------------------------------------------------------------------------------

    async def _ask(self, request: Callable[[], Awaitable[Any]], seconds: float, what: str) -> Any:
        self.requests += 1
        self._received = False
        try:
            if self._lost:
                raise TimeoutError
            async with asyncio.timeout(seconds) as self._deadline:
                answer = await request()
        except TimeoutError:
            if self._lost:
                raise self._failure(f"{self._where} closed the connection while {what} was asked for") from None
            kind = "an unintelligible message" if self._received else "silence"
            raise self._failure(f"{self._where} answered {what} with {kind} for {seconds:g} s") from None
        except (ModbusException, OSError, ValueError) as exc:
            raise self._failure(f"{self._where} failed on {what}: {type(exc).__name__}") from None
        finally:
            self._deadline = None
        if answer.isError():
            raise self._refusal(int(getattr(answer, "exception_code", 0) or 0), what)
        return answer

    def _refusal(self, code: int, what: str) -> DeviceError:
        if code in _NO_SUCH_UNIT:
            return self._failure(f"{self._where} knows no unit {self.target.unit_id}: exception {code} ({EXCEPTIONS[code]})")
        return RefusedError(self.stage, code, what)

    def _failure(self, text: str) -> DeviceError:
        return DeviceError(self.stage, "transport_failed", text)

    def _on_connection(self, connected: bool) -> None:
        """Called by the library. A lost connection ends the present wait at once."""
        self._lost = not connected
        if self._lost and self._deadline is not None and not self._deadline.expired():
            self._deadline.reschedule(asyncio.get_running_loop().time())

    def _on_packet(self, sending: bool, data: bytes) -> bytes:
        if not sending:
            self._received = True
        return data


class ModbusWriter(ModbusReader):
    """A connection that may also write single registers, and of these only ``writable`` ones.

    A HEP meter gives no answer to a write on a register that it does not have (wire facts 6.3): silence after a write is
    ``write_unanswered`` and says nothing of the connection, which is not used again for it.
    """

    def __init__(self, target: Target, writable: frozenset[int], stage: str = "write") -> None:
        super().__init__(target, stage)
        self._writable = writable

    async def write(self, register: int, value: int) -> None:
        """One register (FC 6). Raises DeviceError (write_unanswered, transport_failed) and RefusedError."""
        if register not in self._writable or not 0 <= value <= 0xFFFF:
            raise ValueError(f"register {register} is not to be written")
        what = f"the write to register {register}"
        try:
            await self._ask(
                lambda: self._client.write_register(register - 1, value, device_id=self.target.unit_id), self.target.timeouts.read, what
            )
        except RefusedError:
            raise
        except DeviceError as error:
            if self._lost or self._received:
                raise
            raise DeviceError(self.stage, "write_unanswered", f"{self._where} gave no answer to {what}: {error.text}") from None
