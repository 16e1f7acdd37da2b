"""One vLLM server with the endpoint that speaks to it: started again when it dies or falls silent."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from factory.sampling.errors import RunError
from factory.sampling.types import Answer, EngineStats, SamplingParams
from factory.sampling.vllm_server import VLLMServer
from factory.sampling.weights.held import ServerWeights
from factory.sampling.weights.routes import ServerGone
from schemas.records import Message

T = TypeVar("T")

RESTARTS = 3
WATCH_S = 0.5
HEALTH_EVERY_S = 10.0
SILENT = 6  # health checks in a row without an answer, each of up to ten seconds: a busy server is not a sick one


class Endpoint(Protocol):
    """What speaks to one server."""

    @property
    def stats(self) -> EngineStats: ...

    async def start(self) -> None: ...

    async def sample(self, messages: list[Message], n: int, params: SamplingParams) -> list[Answer]: ...

    async def close(self) -> None: ...


class Replica:
    """A server's life. `is_ready` is False while it is started again."""

    def __init__(
        self, server: VLLMServer, endpoint: Callable[[str], Endpoint], weights: ServerWeights | None = None
    ) -> None:
        """`endpoint` is given the base URL of a server that was just started. `weights` None: they never change."""
        self._server = server
        self._endpoint = endpoint
        self._weights = weights
        self._trouble: str | None = None  # that was not seen by looking at the server
        self._engine: Endpoint | None = None
        self._dead: list[Endpoint] = []  # to be closed
        self._requests: set[asyncio.Task[Any]] = set()
        self._deaths = 0
        self._past = EngineStats()  # of the servers that died

    @property
    def is_ready(self) -> bool:
        return self._engine is not None

    @property
    def load(self) -> int:
        """Requests that it has."""
        return len(self._requests)

    def stats(self) -> EngineStats:
        return self._past if self._engine is None else added(self._past, self._engine.stats)

    async def start(self) -> None:
        """Raises `RunError` when the server does not come up."""
        await self._server.start()
        self._trouble = None
        engine = self._endpoint(self._server.base_url)
        await engine.start()
        try:
            if self._weights is not None:
                await self._weights.restore()
        except BaseException:
            await engine.close()
            raise
        self._engine = engine  # with nothing awaited since: weights that come from now on are sent to it

    async def ask(self, work: Callable[[Endpoint], Coroutine[Any, Any, T]]) -> T | None:
        """What `work` returns, or None when the server died meanwhile."""
        if self._engine is None:
            return None
        request = asyncio.create_task(work(self._engine))
        self._requests.add(request)
        try:
            return await request
        except asyncio.CancelledError:
            if request.cancelled() and not _is_cancelled():
                return None
            request.cancel()
            raise
        finally:
            self._requests.discard(request)

    async def until_sick(self) -> str:
        """Wait until the server is dead or as good as dead. Returns what is wrong with it."""
        loop = asyncio.get_running_loop()
        silent, next_check = 0, loop.time() + HEALTH_EVERY_S
        while self._server.is_alive:
            await asyncio.sleep(WATCH_S)
            if self._trouble is not None:
                return self._trouble
            if loop.time() < next_check:
                continue
            status = await self._server.health()
            next_check = loop.time() + HEALTH_EVERY_S
            silent = silent + 1 if status is None else 0
            if status == 503:
                return "says that its engine is dead"
            if silent == SILENT:
                return f"has not answered {SILENT} health checks"
        return "ended"

    async def update(self, *, await_rows: bool) -> float:
        """Bring the latest weights to the server, unless it is being started: then it gets them there.

        One that dies of it, or that nobody knows the state of, is started again.

        Returns:
            For how many seconds it drew no token.

        Raises:
            RunError: it lives, and does not take them.
        """
        assert self._weights is not None
        if not self.is_ready:
            return 0.0
        try:
            return await self._weights.update(await_rows=await_rows)
        except ServerGone as err:
            self._part_with(f"broke off an update of its weights ({err})")
        except RunError as err:
            if err.kind == "vllm_timeout" or await self._server.health() == 200:
                raise
            self._part_with("died of an update of its weights")
        except asyncio.CancelledError:
            self._part_with("was left in an update of its weights")
            raise
        return 0.0

    def _part_with(self, trouble: str) -> None:
        """`until_sick` will tell it."""
        self._trouble = trouble
        self.give_up()

    def give_up(self) -> None:
        """Take no more requests; those that it has end with None."""
        if self._engine is not None:
            self._past = added(self._past, self._engine.stats)
            self._past.in_flight = self._past.limit = 0
            self._dead.append(self._engine)
        self._engine = None
        for request in self._requests:
            request.cancel()

    async def restart(self, trouble: str) -> None:
        """After `give_up`. Raises `RunError` when that was once too often."""
        self._deaths += 1
        tail = self._server.log_tail()
        await self.stop()
        if self._deaths > RESTARTS:
            raise RunError("vllm_died", f"a vLLM server {trouble}, after {RESTARTS} restarts; {tail}")
        print(f"a vLLM server {trouble}; starting it again ({self._deaths} of {RESTARTS})", file=sys.stderr)
        try:
            await self.start()
        except ServerGone as err:
            self._part_with(f"ended as its weights were restored ({err})")

    async def stop(self) -> None:
        self.give_up()
        while self._dead:
            await self._dead.pop().close()
        await self._server.stop()


def added(one: EngineStats, other: EngineStats) -> EngineStats:
    kinds = one.retried.keys() | other.retried.keys()
    return EngineStats(
        requests=one.requests + other.requests,
        answered=one.answered + other.answered,
        in_flight=one.in_flight + other.in_flight,
        limit=one.limit + other.limit,
        refused=one.refused + other.refused,
        retried={kind: one.retried.get(kind, 0) + other.retried.get(kind, 0) for kind in sorted(kinds)},
    )


def _is_cancelled() -> bool:
    """Was the task that runs now itself cancelled, and not only what it waited for?"""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
