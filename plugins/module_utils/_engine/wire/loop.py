# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The one way into asyncio: a loop of its own that prints nothing and loses no time limit of the caller.

Ansible ends a task that is out of time by an exception out of a signal handler. Raised in the middle of a callback of the loop
it would be swallowed there, and the task would go on for ever. So while the loop runs the signal only ends the work, and the
caller's handler is called when the loop is closed.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Coroutine
from types import FrameType
from typing import Any, Optional, TypeVar

T = TypeVar("T")


class _Alarm:
    """Stands in for the caller's SIGALRM handler while a loop runs; does nothing where there is none."""

    def __init__(self) -> None:
        self.raised = False
        here = threading.current_thread() is threading.main_thread()
        handler = signal.getsignal(signal.SIGALRM) if here else None
        self._handler = handler if callable(handler) else None
        self._loop: Optional[asyncio.AbstractEventLoop] = None  # noqa: UP045 - evaluated at run time
        self._task: Optional[asyncio.Task[Any]] = None  # noqa: UP045 - evaluated at run time

    def __enter__(self) -> _Alarm:
        if self._handler is not None:
            signal.signal(signal.SIGALRM, self._ring)
        return self

    def watch(self) -> None:
        """Called inside the loop, by the task that the signal ends."""
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        if self.raised:
            self._end()

    def _ring(self, dummy_number: int, dummy_frame: FrameType | None) -> None:
        self.raised = True
        self._end()

    def _end(self) -> None:
        if self._loop is not None and self._task is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._task.cancel)

    def __exit__(self, *dummy: object) -> None:
        if self._handler is None:
            return
        signal.signal(signal.SIGALRM, self._handler)
        if self.raised:
            self._handler(signal.SIGALRM, None)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` to its end. asyncio would log what a garbled answer breaks; an alarm of the caller ends the work early."""
    with _Alarm() as alarm:

        async def quiet() -> T:
            asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
            alarm.watch()
            return await work

        return asyncio.run(quiet())
