# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""A long fuzzing of what reads DLMS messages: ``python tests/tools/fuzz_dlms.py [--count 100000] [--seed 1]``.

Every decoder of the client gets ``count`` messages, bent or random, and must give a value or one DeviceError, within a second.
Then the simulated MCS301 gets a twentieth of that over its port, a third of it inside an association with a password and a third
under protection with good keys; it must still answer a good client, with no error of its own.
The tests run a small part of the same.
"""

from __future__ import annotations

import argparse
import random
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
for folder in ("unit/wire", "unit/wire/dlms", "simulator", "referees"):
    sys.path.insert(0, str(ROOT / folder))
SLOW = 1.0
SERVICES = frozenset({"get", "set", "action", "get-blocks", "set-blocks", "action-blocks", "multiple-references", "general-protection"})
#: Requests that a client sends, to be bent for the meter's side.
REQUESTS = [
    "601da109060760857405080101be10040e01000000065f1f040000fe1f04c8",
    "6036a1090607608574050801018a0207808b0760857405080201ac0a80083132333435363738be10040e01000000065f1f040000fe1f04c8",
    "c001c100010000600100ff0200",
    "c003c1020001000060010 0ff0200000800000100 00ff0200".replace(" ", ""),
    "c101c1001200002c0000ff050003 01".replace(" ", ""),
    "c301c1001200002c0000ff020102020600000000090401020304",
    "c304c1001200002c0000ff0200000000010 40202060".replace(" ", "") + "0",
    "db084752440000000001113000000001" + "aa" * 16,
    "c81e3001234567411312ff935a47566827c467bc7d825c3be4a77c3fcc056b6b",
    "6203800100",
]


def bent(pool: list[bytes], choice: random.Random) -> Iterator[bytes]:
    """Endless messages: half of them good ones with some octets changed, dropped, doubled or cut, half random."""
    while True:
        if choice.random() < 0.5:
            yield choice.randbytes(choice.randrange(0, 300))
            continue
        raw = bytearray(choice.choice(pool))
        for dummy in range(choice.randint(1, 4)):
            at = choice.randrange(len(raw) + 1)
            what = choice.randrange(4)
            if what == 0 and at < len(raw):
                raw[at] = choice.choice((0, 1, 0x7F, 0x80, 0x81, 0x82, 0x84, 0xFF, choice.randrange(256)))
            elif what == 1:
                del raw[at : at + choice.randint(1, 4)]
            elif what == 2:
                raw[at:at] = choice.randbytes(choice.randint(1, 6))
            else:
                raw[at:] = raw[at:] * 2
        yield bytes(raw[:4096])


def client(count: int, seed: int) -> int:
    """Messages tried; raises AssertionError with the message that broke a decoder."""
    from test_fuzz import DECODERS, GOOD, judged

    pool, tried = [bytes.fromhex(item) for item in GOOD], 0
    for name, decoder in DECODERS.items():
        messages = bent(pool, random.Random(f"{seed}/{name}"))
        for dummy in range(count):
            raw, begin = next(messages), time.perf_counter()
            _judge(judged, decoder, name, raw)
            if time.perf_counter() - begin > SLOW:
                raise AssertionError(f"{name} takes more than {SLOW:g} s for {raw.hex()}")
            tried += 1
        print(f"client: {name:10} {count} messages")
    return tried


def _judge(judged: Callable[..., None], decoder: Callable[[bytes], object], name: str, raw: bytes) -> None:
    try:
        judged(decoder, raw)
    except Exception as error:
        raise AssertionError(f"{name}: {type(error).__name__} for {raw.hex()}") from error


def meter(count: int, seed: int) -> int:
    """Messages sent to the simulated meter, each on a connection in one of four states."""
    from refereekit import IDENTIFIER, Bench, results

    from metersim.testing import Fleet

    entry = {"name": "q1", "model": "MCS301", "firmware": {0: "010200030001", 1: "020500010007"}, "dlms": {"connections": 3}}
    pool, choice = [bytes.fromhex(item) for item in REQUESTS], random.Random(seed)
    messages, inner = bent(pool, choice), bent([item for item in pool if item[0] in (0xC0, 0xC1, 0xC3)], choice)
    with tempfile.TemporaryDirectory() as scratch, Fleet({"clock_factor": 100, "meters": [entry]}, Path(scratch)) as fleet:
        bench = Bench(fleet, "q1")
        where = (bench.host["ansible_host"], bench.host["metering_ports"]["dlms"])
        first, errors = bench.meter.state()["counter"] + 1, []
        for number in range(count):
            with socket.create_connection(where, 5) as link:
                link.settimeout(5)
                raw, port = next(messages), choice.choice((16, 1, 2, 102, choice.randrange(65536)))
                if number % 3 == 1:
                    password(link, bench)
                    raw, port = next(inner), 1
                elif number % 3 == 2:
                    raw, port = keys(link, bench, first + 4 * number)(next(inner)), 1
                elif number % 2:
                    _send(link, 16, pool[0])
                _send(link, port, raw)
            if number % 500 == 499:  # the meter keeps only its last events
                errors += [event for event in bench.meter.events() if event["kind"] == "simulator_error"]
        found = results("gurux", bench.lls(IDENTIFIER))
        errors += [event for event in bench.meter.events() if event["kind"] == "simulator_error"]
        inside = sum(event["kind"] == "hls_done" for event in bench.meter.events())
        if errors or not all(item["ok"] for item in found):
            raise AssertionError(f"the simulated meter: {errors[:3]}, {found}")
    print(f"simulated meter: {count} messages, {inside} of them known to be inside HLS, and it still serves a good client")
    return count


def password(link: socket.socket, bench: Any) -> None:
    """An association with the good password."""
    from test_fuzz import acse

    secret = bench.keys["lls"].encode()
    initiate = acse.initiate_request(SERVICES, 1224)
    _send(link, 1, acse.aarq(context=1, mechanism=1, title=b"", secret=secret, user_information=initiate), 5)


def keys(link: socket.socket, bench: Any, counter: int) -> Callable[[bytes], bytes]:
    """An association by HLS-GMAC with good keys from ``counter`` on; what seals the next message."""
    from test_fuzz import acse, axdr, security
    from test_fuzz import apdu as requests

    title, guek, gak = (
        bytes.fromhex(item) for item in (bench.host["metering_dlms"]["system_title"], bench.keys["guek"], bench.keys["gak"])
    )
    made = security.Protection(guek, gak, title, 0x30, general=True)
    sealed = made.seal(acse.initiate_request(SERVICES, 1224), counter, general=False)
    asked = acse.aarq(context=3, mechanism=5, title=title, secret=bytes(range(16)), user_information=sealed)
    challenge = acse.parse_aare(_send(link, 1, asked, 5)[8:]).challenge
    proof = axdr.encode(axdr.octets(made.proof(challenge or b"", counter + 1)))
    _send(link, 1, made.seal(requests.action(1, requests.Method(15, "0-0:40.0.0.255", 1), proof), counter + 2), 5)
    return lambda raw: bytes(made.seal(raw, counter + 3))


def _send(link: socket.socket, port: int, apdu: bytes, wait: float = 0.02) -> bytes:
    """One message, and its answer, empty where there is none; a closed connection is an answer too."""
    try:
        link.sendall(b"\x00\x01" + port.to_bytes(2, "big") + b"\x00\x01" + len(apdu).to_bytes(2, "big") + apdu)
        link.settimeout(wait if apdu else 0)
        return link.recv(65536)
    except OSError:
        return b""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=100_000, help="messages for each decoder")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    begin = time.monotonic()
    tried = client(options.count, options.seed) + meter(max(1, options.count // 20), options.seed)
    print(f"fuzz: {tried} messages in {time.monotonic() - begin:.0f} s, no hang, no other error")
    return 0


if __name__ == "__main__":
    sys.exit(main())
