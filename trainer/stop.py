"""SIGTERM: what a cluster sends before it takes a machine back. What was done is kept, and the same command goes on."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any, NoReturn, TypeVar

from trainer.errors import TrainError

TERMINATED = 75  # the exit code
T = TypeVar("T")


class Stopped(TrainError):
    """SIGTERM came."""


class Terminations:
    """While `heeded`, SIGTERM raises `Stopped` at once; inside `postponed` it waits until somebody looks."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._waits = False
        self._cancel: Callable[[], object] | None = None
        self.received = False

    @contextmanager
    def heeded(self) -> Iterator[None]:
        before = signal.signal(signal.SIGTERM, self._receive)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    @contextmanager
    def postponed(self) -> Iterator[None]:
        """One that came meanwhile raises `Stopped` at the end."""
        self._waits = True
        try:
            yield
        finally:
            self._waits = False
        if self.received:
            self._stop()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """`asyncio.run`. The first SIGTERM cancels `work`, so that it can clear up; then it raises `Stopped`.

        An exception raised in the midst of an event loop would be lost in one of its callbacks.
        """
        with self.postponed():
            try:
                return asyncio.run(self._cancellable(work))
            except asyncio.CancelledError:
                self._stop()

    async def _cancellable(self, work: Coroutine[Any, Any, T]) -> T:
        task = asyncio.current_task()
        assert task is not None
        self._cancel = partial(asyncio.get_running_loop().call_soon_threadsafe, task.cancel)
        if self.received:
            self._cancel()
        try:
            return await work
        finally:
            self._cancel = None

    def _receive(self, number: int, frame: FrameType | None) -> None:
        is_first, self.received = not self.received, True
        if self._cancel is not None and is_first:
            self._cancel()
        elif not self._waits:
            self._stop()

    def _stop(self) -> NoReturn:
        raise Stopped(f"{self._name}: stopped by SIGTERM; the same command goes on")


def heeding_sigterm(name: str, run: Callable[[Terminations], int]) -> int:
    """The exit code of `run`, or that of a command that SIGTERM has stopped. `name`: what it makes, for the message."""
    terminations = Terminations(name)
    try:
        with terminations.heeded():
            return run(terminations)
    except Stopped as stop:
        print(stop, file=sys.stderr)
        return TERMINATED
