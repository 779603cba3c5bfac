# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The time limit of a task survives asyncio: core raises it out of a signal handler, wherever the process just is."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.loop import run


class OutOfTimeError(BaseException):
    """What core raises: no Exception, so that no clean-up code takes it for a fault of its own."""


@pytest.fixture
def alarm() -> Iterator[None]:
    def ring(*dummy: object) -> None:
        raise OutOfTimeError

    before = signal.signal(signal.SIGALRM, ring)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


async def in_a_callback() -> None:
    """The signal comes while the loop runs somebody's callback, which is where asyncio swallows it."""
    loop = asyncio.get_running_loop()
    loop.call_soon(lambda: signal.raise_signal(signal.SIGALRM))
    await asyncio.sleep(30)


async def in_the_coroutine() -> None:
    signal.raise_signal(signal.SIGALRM)
    await asyncio.sleep(30)


async def in_a_child() -> None:
    """A child task that takes everything for a fault of its own."""

    async def child() -> None:
        signal.raise_signal(signal.SIGALRM)
        await asyncio.sleep(30)

    await asyncio.gather(child(), return_exceptions=True)


async def while_it_waits() -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    await asyncio.sleep(30)


async def behind_a_limit() -> None:
    """A limit of our own around it does not take the cancellation for its own."""
    async with asyncio.timeout(30):
        await in_a_callback()


@pytest.mark.requirement("F-23")
@pytest.mark.parametrize("work", [in_a_callback, in_the_coroutine, in_a_child, while_it_waits, behind_a_limit])
def test_the_callers_alarm_is_never_lost(alarm: None, work: object) -> None:
    handler = signal.getsignal(signal.SIGALRM)
    with pytest.raises(OutOfTimeError):
        run(work())  # type: ignore[operator]
    assert signal.getsignal(signal.SIGALRM) is handler


def test_a_value_comes_back_and_the_handler_stays(alarm: None) -> None:
    async def value() -> int:
        return 7

    handler = signal.getsignal(signal.SIGALRM)
    assert run(value()) == 7
    assert signal.getsignal(signal.SIGALRM) is handler


def test_without_a_handler_nothing_is_touched() -> None:
    async def value() -> int:
        return 7

    assert not callable(signal.getsignal(signal.SIGALRM))
    assert run(value()) == 7
