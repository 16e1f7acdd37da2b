"""One vLLM server with the endpoint that speaks to it: started again when it dies or falls silent."""

from __future__ import annotations

import asyncio
import sys

import msgspec

from factory.sampling.endpoint import EndpointSettings
from factory.sampling.errors import RunError
from factory.sampling.openai import OpenAIEngine
from factory.sampling.types import Answer, EngineStats, SamplingParams
from factory.sampling.vllm_server import VLLMServer
from schemas.records import Message

RESTARTS = 3
WATCH_S = 0.5
HEALTH_EVERY_S = 10.0
SILENT = 6  # health checks in a row without an answer, each of up to ten seconds: a busy server is not a sick one


class Replica:
    """A server's life. `is_ready` is False while it is started again."""

    def __init__(self, server: VLLMServer, endpoint: EndpointSettings) -> None:
        self._server = server
        self._endpoint = endpoint
        self._engine: OpenAIEngine | None = None
        self._dead: list[OpenAIEngine] = []  # to be closed
        self._requests: set[asyncio.Task[list[Answer]]] = set()
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
        engine = OpenAIEngine(msgspec.structs.replace(self._endpoint, base_url=self._server.base_url))
        await engine.start()
        self._engine = engine

    async def sample(self, messages: list[Message], n: int, params: SamplingParams) -> list[Answer] | None:
        """The answers, or None when the server died meanwhile."""
        if self._engine is None:
            return None
        request = asyncio.create_task(self._engine.sample(messages, n, params))
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
        await self.start()

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
