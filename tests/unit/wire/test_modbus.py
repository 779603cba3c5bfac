# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The Modbus reader against servers that misbehave. What a well-behaved one says is tested against real servers elsewhere."""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DependencyError, DeviceError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Target, Timeouts
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire import modbus
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.loop import run
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.modbus import ModbusReader, RefusedError
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.probe import probe, probe_all

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def frame(request: bytes, pdu: bytes) -> bytes:
    return request[:4] + struct.pack(">H", len(pdu) + 1) + request[6:7] + pdu


async def request_of(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(6)
    return head + await reader.readexactly(int.from_bytes(head[4:6], "big"))


def against(talk: Talk, work: Callable[[Target], Awaitable[Any]], read: float = 0.3) -> Any:
    """Run ``work`` against a server that does ``talk`` on each connection."""

    async def both() -> Any:
        async def safely(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await talk(reader, writer)
            except (asyncio.IncompleteReadError, ConnectionError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(safely, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            return await work(Target("m", "127.0.0.1", {"modbus": port}, 255, timeouts=Timeouts(2, read)))
        finally:
            server.close()

    return run(both())


async def read_one(target: Target) -> Any:
    async with ModbusReader(target) as reader:
        return await reader.registers(30, 2)


def answering(pdu: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = await request_of(reader)
            writer.write(frame(request, pdu))

    return talk


def failure(talk: Talk, **more: Any) -> DeviceError:
    with pytest.raises(DeviceError) as caught:
        against(talk, read_one, **more)
    return caught.value


def test_the_number_on_the_wire_is_one_less() -> None:
    seen: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await request_of(reader)
        seen.append(request)
        writer.write(frame(request, b"\x03\x04\x50\x4d\x35\x35"))

    assert against(talk, read_one) == [0x504D, 0x3535]
    assert seen[0][6:] == bytes([255, 3, 0, 29, 0, 2])


def test_nothing_is_asked_twice() -> None:
    seen = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            seen.append(await request_of(reader))

    assert failure(talk).reason == "transport_failed"
    assert len(seen) == 1


def test_silence_is_told_as_silence() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    assert "silence" in str(failure(talk))


def test_a_closed_connection_is_noticed_at_once() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)

    assert "closed the connection" in str(failure(talk, read=30))


@pytest.mark.requirement("F-37")
@pytest.mark.parametrize(
    "garbage",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n<html></html>",
        b"\x00" * 4000,
        bytes(range(256)) * 40,
        b"\x00\x01\x00\x00\x00\x03\xff\x63\x00",
        b"\x00\x01\x00\x00\x00\x05\xff\x03\x02\x50",
        b"\x00\x01\x00\x00\x00\x05\xff\x03\x02\x50\x4d",
        b"\x00\x01\x00\x00\x00\x04\xff\x2b\x0e\x01",
    ],
    ids=["html", "zeros", "long", "unknown-function", "short", "too-few-registers", "other-function"],
)
def test_garbage_is_a_transport_failure_and_prints_nothing(garbage: bytes, capfd: pytest.CaptureFixture[str], caplog: Any) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await request_of(reader)
        writer.write(garbage.replace(b"\x00\x01\x00\x00", request[:2] + b"\x00\x00", 1) if len(garbage) < 20 else garbage)
        await reader.read()

    error = failure(talk)
    assert error.reason == "transport_failed"
    assert "\n" not in str(error) and len(str(error)) < 200
    assert capfd.readouterr() == ("", "")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.requirement("F-40")
@pytest.mark.parametrize("code", [1, 2, 3, 4, 6])
def test_an_exception_is_a_refusal_with_its_code(code: int) -> None:
    error = failure(answering(bytes([0x83, code])))
    assert isinstance(error, RefusedError)
    assert error.code == code
    assert f"exception {code}" in error.meaning


@pytest.mark.parametrize("code", [10, 11])
def test_a_gateway_without_that_unit_is_a_transport_failure(code: int) -> None:
    error = failure(answering(bytes([0x83, code])))
    assert not isinstance(error, RefusedError)
    assert "knows no unit 255" in str(error)


def test_a_refused_connection_is_told() -> None:
    async def nobody(target: Target) -> Any:
        with pytest.raises(DeviceError, match="cannot be connected") as caught:
            await read_one(Target("m", "127.0.0.1", {"modbus": 1}, 255))
        return caught.value.reason

    assert against(answering(b""), nobody) == "transport_failed"


def test_a_connection_that_is_not_accepted_has_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(self: Any) -> bool:
        await asyncio.sleep(60)
        return True

    monkeypatch.setattr(modbus.AsyncModbusTcpClient, "connect", never)
    with pytest.raises(DeviceError, match=r"does not accept a connection within 0\.05 s"):
        run(read_one(Target("m", "127.0.0.1", {"modbus": 1}, 255, timeouts=Timeouts(0.05, 1))))  # type: ignore[arg-type]


@pytest.mark.parametrize(("first", "count"), [(0, 1), (1, 126), (1, 0), (65536, 2), (65536 - 5, 7)])
def test_what_is_not_one_request_is_refused_before_it_is_sent(first: int, count: int) -> None:
    async def ask(target: Target) -> None:
        async with ModbusReader(target) as reader:
            with pytest.raises(ValueError, match="are not one request"):
                await reader.registers(first, count)
            assert reader.requests == 0

    against(answering(b"\x83\x02"), ask)


def test_the_identification_follows_what_more_there_is() -> None:
    more = bytes([0x2B, 14, 1, 1, 0xFF, 1, 1, 0, 2]) + b"SE"  # more follows, from object 1 on
    last = bytes([0x2B, 14, 1, 1, 0, 0, 1, 1, 3]) + b"PM5"

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for pdu in (more, last):
            writer.write(frame(await request_of(reader), pdu))

    async def ask(target: Target) -> Any:
        async with ModbusReader(target) as reader:
            return await reader.identification()

    assert against(talk, ask) == {0: b"SE", 1: b"PM5"}


def test_a_missing_library_is_one_clear_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modbus, "AsyncModbusTcpClient", None)
    with pytest.raises(DependencyError, match=r"'pymodbus' is missing on .*Modbus TCP"):
        ModbusReader(Target("m", "127.0.0.1", {"modbus": 502}, 255))


def test_the_reader_has_no_way_to_write() -> None:
    assert not [name for name in dir(ModbusReader) if "write" in name]


def test_a_probe_sends_not_one_byte() -> None:
    received: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.read())

    async def work(target: Target) -> Any:
        states = await probe_all("127.0.0.1", {"http": target.ports["modbus"], "ftp": 1}, 2)
        await asyncio.sleep(0.05)
        return states

    assert against(talk, work) == {"http": "open", "ftp": "closed"}
    assert received == [b""]


def test_a_probe_that_gets_no_answer_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*dummy: Any) -> Any:
        await asyncio.sleep(60)

    async def no_way(*dummy: Any) -> Any:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(asyncio, "open_connection", never)
    assert run(probe("192.0.2.1", 80, 0.01)) == "no_answer"
    monkeypatch.setattr(asyncio, "open_connection", no_way)
    assert run(probe("192.0.2.1", 80, 1)) == "unknown"
