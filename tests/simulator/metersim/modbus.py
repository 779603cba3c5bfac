# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Modbus TCP: pymodbus does frames and sockets, the meter decides the answers."""

from __future__ import annotations

import asyncio
from typing import Any

from pymodbus.constants import ExcCodes
from pymodbus.exceptions import ModbusIOException
from pymodbus.pdu import ExceptionResponse, ModbusPDU
from pymodbus.pdu.mei_message import ReadDeviceInformationRequest, ReadDeviceInformationResponse
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, ReadHoldingRegistersResponse
from pymodbus.server import ModbusTcpServer
from pymodbus.server.requesthandler import ServerRequestHandler
from pymodbus.simulator import DataType, SimData, SimDevice

from metersim import registers
from metersim.meter import Meter

READ_LIMIT = 8
WRITES = (5, 6, 15, 16, 22, 23)
_NOTHING: list[SimDevice] = []


def _device() -> SimDevice:
    """pymodbus wants a device; ours never asks it, so one serves all meters."""
    if not _NOTHING:
        _NOTHING.append(SimDevice(1, simdata=[SimData(0, count=1, values=0, datatype=DataType.REGISTERS)]))
    return _NOTHING[0]


class Connection(ServerRequestHandler):
    """One client connection."""

    def __init__(self, owner: MeterServer) -> None:
        super().__init__(owner, None, None, None)  # type: ignore[no-untyped-call]
        self.meter: Meter = owner.meter

    def callback_connected(self) -> None:
        """Count and record the connection."""
        super().callback_connected()
        self.meter.connections += 1
        peer = self.transport.get_extra_info("peername") or ("?", 0)
        self.meter.record("modbus_connect", peer=peer[0])
        self.meter.journal.connections(self.meter.name, self.meter.connections)
        _watch_connections(self.meter)

    def callback_disconnected(self, exc: Exception | None) -> None:
        """Count it out."""
        super().callback_disconnected(exc)
        self.meter.connections = max(0, self.meter.connections - 1)

    def callback_data(self, data: bytes, addr: tuple[Any, ...] | None = None) -> int:
        """Answer every complete request in the buffer, in order."""
        used = 0
        while used < len(data):
            try:
                length, pdu = self.framer.handleFrame(data[used:], 0, 0)
            except ModbusIOException as exc:
                self._send(ExceptionResponse(exc.fcode or data[used + 7], ExcCodes.ILLEGAL_FUNCTION), exc.dev_id, exc.transaction_id)
                return len(data)
            if not length:
                break
            used += length
            if pdu is None:
                break
            answer = self.answer(pdu)
            if self.meter.latency:
                self.loop.call_later(self.meter.latency, self._send, answer, pdu.dev_id, pdu.transaction_id)
            else:
                self._send(answer, pdu.dev_id, pdu.transaction_id)
        return used

    def _send(self, pdu: ModbusPDU, unit: int, transaction: int) -> None:
        if not self.transport or self.transport.is_closing():
            return
        pdu.dev_id, pdu.transaction_id = unit, transaction
        self.transport.write(self.framer.buildFrame(pdu))  # type: ignore[attr-defined]

    def answer(self, pdu: ModbusPDU) -> ModbusPDU:
        """What the meter says to one request."""
        meter = self.meter
        if pdu.dev_id != meter.unit_id:
            return ExceptionResponse(pdu.function_code, ExcCodes.GATEWAY_NO_RESPONSE)
        if isinstance(pdu, ReadHoldingRegistersRequest) and pdu.function_code == 3:
            return _read(meter, pdu.address + 1, pdu.count)
        if isinstance(pdu, ReadDeviceInformationRequest):
            return _identify(meter, pdu.read_code, pdu.object_id)
        if pdu.function_code in WRITES:
            _note_write(meter, pdu)
        return ExceptionResponse(pdu.function_code, ExcCodes.ILLEGAL_FUNCTION)


def _watch_connections(meter: Meter) -> None:
    """A ninth reader makes a running upgrade fail (R-087)."""
    if meter.state == "upgrading" and meter.connections > READ_LIMIT:
        meter.record("violation", what="too_many_connections", connections=meter.connections)
        meter.job.spoiled = "connections"


def _note_write(meter: Meter, pdu: ModbusPDU) -> None:
    register = getattr(pdu, "address", 0) + 1
    meter.record("modbus_write", function=pdu.function_code, register=register)
    if meter.state == "upgrading":
        meter.record("violation", what="modbus_write_during_upgrade", register=register)


def _read(meter: Meter, first: int, count: int) -> ModbusPDU:
    last = first + count - 1
    if meter.spec.log_reads:
        meter.record("modbus_read", register=first, count=count)
    if first <= registers.SEMAPHORE <= last:
        return _semaphore(meter, first, count)
    fault = meter.faults.get("F-40")
    if fault and any(low <= last and first <= high for low, high in fault["registers"]):
        return ExceptionResponse(3, ExcCodes.ILLEGAL_ADDRESS)
    values = registers.read(meter, first, count)
    if values is None:
        return ExceptionResponse(3, ExcCodes.ILLEGAL_ADDRESS)
    fault = meter.faults.get("F-37")
    if fault and fault["where"] in ("modbus", "all"):
        values = _garble(first, values)
    return ReadHoldingRegistersResponse(registers=values)


def _semaphore(meter: Meter, first: int, count: int) -> ModbusPDU:
    """Whoever reads 5680 takes the command semaphore for four minutes."""
    meter.record("semaphore_read", register=first, count=count)
    if count > 1 or meter.clock.now() < meter.semaphore_until:
        return ExceptionResponse(3, ExcCodes.ILLEGAL_ADDRESS)
    meter.semaphore_until = meter.clock.now() + 240
    return ReadHoldingRegistersResponse(registers=[0x2A17])


def _garble(first: int, values: list[int]) -> list[int]:
    """F-37: the strings are full of bytes that are no UTF-8."""
    return [0xC3FF ^ (number & 0x00F0) if 30 <= number < 90 else value for number, value in enumerate(values, first)]


def _identify(meter: Meter, code: int, first: int) -> ModbusPDU:
    if not meter.spec.fc43:
        return ExceptionResponse(0x2B, ExcCodes.ILLEGAL_FUNCTION)
    build = 1
    objects: dict[int, Any] = {0: "Schneider Electric", 1: f"METSE{meter.model}", 2: f"{meter.firmware_text}{build:02d}"}
    fault = meter.faults.get("F-37")
    if fault and fault["where"] in ("fc43", "all"):
        objects = {0: b"\xff\xfe\x80", 1: b"\x00\xc3\x28" * 20, 2: b"<html>"}
    if code == 4 and first in objects:
        chosen = {first: objects[first]}
    elif code == 1:
        chosen = objects
    else:
        return ExceptionResponse(0x2B, ExcCodes.ILLEGAL_ADDRESS if code == 4 else ExcCodes.ILLEGAL_VALUE)
    answer = ReadDeviceInformationResponse(read_code=code, information=chosen)
    answer.conformity = 0x81
    return answer


class MeterServer(ModbusTcpServer):
    """A pymodbus server that belongs to one meter."""

    def __init__(self, meter: Meter, address: str, port: int) -> None:
        super().__init__(_device(), address=(address, port))
        self.meter = meter

    def callback_new_connection(self) -> Connection:
        """One handler per client."""
        return Connection(self)

    async def listen(self) -> bool:
        """As the library's, but a port in use is an error and no log line."""
        self.is_closing = False
        self.is_listener = True
        self.transport = await self.call_create()
        return True


class ModbusService:
    """The Modbus port of one meter, opened and closed with it."""

    server_class: type[MeterServer] = MeterServer

    def __init__(self, meter: Any) -> None:
        self._meter = meter
        self._server: MeterServer | None = None

    async def start(self, address: str, port: int) -> None:
        """Open the port."""
        if self._server is None:
            server = self.server_class(self._meter, address, port)
            await server.listen()
            self._server = server

    async def stop(self) -> None:
        """Close the port and drop every client."""
        server, self._server = self._server, None
        if server is None:
            return
        for client in list(server.active_connections.values()):
            if client.transport:
                client.transport.abort()  # type: ignore[attr-defined]
        await server.shutdown()  # type: ignore[no-untyped-call]
        await asyncio.sleep(0)
