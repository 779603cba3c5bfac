# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The TCP wrapper: answers in pieces, deadlines, the end of a connection, much to send."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Target, Timeouts
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.dlms.transport import LostError, Wire

Peer = Callable[[socket.socket], None]


@pytest.fixture
def serve() -> Iterator[Callable[[Peer], Wire]]:
    sockets: list[socket.socket] = []
    wires: list[Wire] = []

    def start(peer: Peer, read: float = 0.3) -> Wire:
        server = socket.create_server(("127.0.0.1", 0))
        sockets.append(server)

        def run() -> None:
            connection = server.accept()[0]
            with connection:
                peer(connection)

        threading.Thread(target=run, daemon=True).start()
        wires.append(Wire(Target("m", "127.0.0.1", {"dlms": server.getsockname()[1]}, 1, Timeouts(5, read)), 16, 1, 1000))
        return wires[-1]

    yield start
    for item in (*wires, *sockets):
        item.close()


def test_an_answer_in_single_octets(serve):
    def peer(connection: socket.socket) -> None:
        assert connection.recv(100).hex() == "0001" + "0010" + "0001" + "0002" + "c001"
        for octet in bytes.fromhex("0001" + "0001" + "0010" + "0003" + "c40141"):
            connection.sendall(bytes((octet,)))
        connection.recv(1)

    assert serve(peer, read=5).exchange(b"\xc0\x01") == b"\xc4\x01\x41"


def test_silence_keeps_the_deadline_and_an_end_is_told_at_once(serve):
    over = threading.Event()
    wire = serve(lambda connection: bool(over.wait(5)))
    with pytest.raises(LostError, match=r"no answer within 0\.3 s") as caught:
        wire.exchange(b"\xc0")
    assert (caught.value.silent, caught.value.sent, caught.value.reason) == (True, True, "transport_failed")
    over.set()
    with pytest.raises(LostError) as caught:
        serve(lambda connection: bool(connection.recv(9)), read=5).exchange(b"\xc0")
    assert not caught.value.silent


def test_a_slow_drip_does_not_move_the_deadline(serve):
    over = threading.Event()

    def peer(connection: socket.socket) -> None:
        connection.recv(100)
        connection.sendall(bytes.fromhex("0001" + "0001" + "0010" + "0200"))
        while not over.wait(0.02):
            try:
                connection.sendall(b"\x00")
            except OSError:
                return

    with pytest.raises(LostError, match="no answer within"):
        serve(peer).exchange(b"\xc0")
    over.set()


def test_more_than_the_systems_buffers_hold(serve):
    received: list[int] = []

    def peer(connection: socket.socket) -> None:
        count = 0
        while count < 8 + 65_535:
            count += len(connection.recv(1 << 20))
        received.append(count)
        connection.sendall(bytes.fromhex("0001" + "0001" + "0010" + "0001" + "c4"))
        connection.recv(1)

    assert serve(peer, read=5).exchange(bytes(65_535)) == b"\xc4"
    assert received == [8 + 65_535]


def test_nothing_goes_out_after_the_end(serve):
    wire = serve(lambda connection: None)
    wire.close()
    wire.close()
    assert not wire.open
    with pytest.raises(LostError, match="not connected"):
        wire.send(b"\xc0")
    with pytest.raises(LostError, match="closed"):
        wire.receive(0.1)


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid"])
def test_who_cannot_be_connected(host):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(DeviceError) as caught:
        Wire(Target("m", host, {"dlms": port}, 1, Timeouts(1, 1)), 16, 1, 1000)
    assert (caught.value.stage, caught.value.reason) == ("connect", "transport_failed")
