"""The sampler and all that waits for it, in an event loop of its own thread: learning goes on beside it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

from torch import Tensor

from factory.sampling.types import UpdatableSampler
from trainer.rlvr.collecting import Batch, Collector, State
from trainer.rlvr.drawing import Draw
from trainer.rlvr.judging import RewardJudges
from trainer.rlvr.rollouts import Group

T = TypeVar("T")
Weights = Iterable[tuple[str, Tensor]]


class Service:
    """Use with `with`. All methods wait until they are done; the sampler does not."""

    def __init__(self, sampler: UpdatableSampler, judges: RewardJudges) -> None:
        """`judges`: their models are started first, and closed with the sampler."""
        self._sampler, self._judges = sampler, judges
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="rollouts", daemon=True)
        self._collector: Collector | None = None

    def __enter__(self) -> Service:
        self._thread.start()
        try:
            self._do(self._start())
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self._do(self._close())
        finally:
            self._end()

    def collect(self, make: Callable[[], Collector]) -> None:
        """Begin to collect batches, with the collector that `make` makes in the loop's thread."""
        self._collector = self._do(_called(make))

    def batch(self, version: int) -> Batch:
        """Raises TrainError and SamplingError as `Collector.batch` does."""
        return self._do(self._collecting.batch(version))

    def state(self) -> State:
        return self._do(_called(self._collecting.state))

    def groups(self, ask: Callable[[list[Draw]], list[Any]], draws: list[Draw]) -> list[Group]:
        """The groups of these draws, in order, beside whatever else is being sampled."""

        async def all_of() -> list[Group]:
            return list(await asyncio.gather(*ask(draws)))

        return self._do(all_of())

    def update(self, weights: Weights, version: int) -> None:
        """From its return on, every token is drawn from these weights. Raises SamplingError when it does not finish."""
        self._do(self._sampler.update(weights, version))

    @property
    def _collecting(self) -> Collector:
        assert self._collector is not None, "collect() first"
        return self._collector

    async def _start(self) -> None:
        await self._judges.start()
        try:
            await self._sampler.start()
        except BaseException:
            await self._judges.close()
            raise

    async def _close(self) -> None:
        try:
            if self._collector is not None:
                await self._collector.close()
            await self._judges.close()
        finally:
            await self._sampler.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _called(function: Callable[[], T]) -> T:
    return function()
