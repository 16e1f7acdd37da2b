"""The engine `vllm`: servers of our own for a checkpoint, from vLLM's own interpreter, then spoken to as endpoints.

Requests go to the replica that has the fewest in flight. A server that died is started again, and what it had in flight
is asked anew; after `RESTARTS` deaths the run stops with the end of the server's log.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import msgspec

from factory.sampling.checkpoint import checkpoint_revision, open_checkpoint
from factory.sampling.endpoint import EndpointSettings
from factory.sampling.errors import RowError, RunError
from factory.sampling.openai import OpenAIEngine
from factory.sampling.payload import CAPABILITIES
from factory.sampling.types import Answer, Capability, EngineStats, SamplingParams
from factory.sampling.vllm_server import ServerSettings, VLLMServer, find_installation
from schemas.manifest import ModelRef
from schemas.records import Message

RESTARTS = 3
WATCH_S = 1.0
TRIES_AFTER_A_DEATH = RESTARTS + 1
SERVED_NAME = "policy"


class VLLMSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A checkpoint to serve, and the bounds of its requests (see `EndpointSettings`)."""

    checkpoint: str
    logs: Path
    role: str = "policy"
    python: str | None = None  # vLLM's interpreter; None: see `find_installation`
    replicas: int = 1
    dtype: str | None = None
    max_model_len: int | None = None
    tensor_parallel: int = 1
    max_in_flight: int = 256  # of all replicas together
    row_deadline_s: float = 3600.0
    answer_timeout_s: float = 1800.0


def vllm_available(python: str | None = None) -> str | None:
    """None where vLLM is installed, else the reason why it cannot be used."""
    try:
        find_installation(python)
    except RunError as err:
        return err.reason
    return None


class VLLMEngine:
    """A `Sampler` on a checkpoint folder."""

    capabilities: frozenset[Capability] = CAPABILITIES["vllm"]

    def __init__(self, settings: VLLMSettings) -> None:
        self._settings = settings
        self._installation = find_installation(settings.python)
        checkpoint = open_checkpoint(settings.checkpoint)
        self.model = ModelRef(
            role=settings.role,
            model=settings.checkpoint,
            revision=checkpoint_revision(settings.checkpoint),
            engine="vllm",
            engine_version=self._installation.version,
            chat_template_sha256=checkpoint.chat_template_sha256,
        )
        self._replicas = [self._make_replica(index) for index in range(settings.replicas)]
        self._watcher: asyncio.Task[None] | None = None
        self._failure: RunError | None = None
        self._changed = asyncio.Event()  # not set while a server is started again
        self._changed.set()

    def _make_replica(self, index: int) -> Replica:
        settings = self._settings
        server = ServerSettings(
            checkpoint=settings.checkpoint,
            served_name=SERVED_NAME,
            dtype=settings.dtype,
            max_model_len=settings.max_model_len,
            tensor_parallel=settings.tensor_parallel,
        )
        each = max(1, settings.max_in_flight // settings.replicas)
        endpoint = EndpointSettings(
            base_url="",  # known once the server has a port
            model=SERVED_NAME,
            role=settings.role,
            engine="vllm",
            revision=self.model.revision,
            api_key_env="",
            flavour="vllm",
            max_in_flight=each,
            initial_in_flight=each,
            row_deadline_s=settings.row_deadline_s,
            idle_timeout_s=settings.answer_timeout_s,
            total_timeout_s=settings.answer_timeout_s,
        )
        return Replica(VLLMServer(self._installation, server, settings.logs / f"vllm-{index}.log"), endpoint)

    @property
    def stats(self) -> EngineStats:
        """The sum over the replicas."""
        total = EngineStats()
        for one in (replica.stats() for replica in self._replicas):
            total.requests += one.requests
            total.answered += one.answered
            total.in_flight += one.in_flight
            total.limit += one.limit
            total.refused += one.refused
            for kind, count in one.retried.items():
                total.retried[kind] = total.retried.get(kind, 0) + count
        return total

    async def start(self) -> None:
        count = f"{len(self._replicas)} x " if len(self._replicas) > 1 else ""
        print(f"starting {count}vLLM {self._installation.version} for {self._settings.checkpoint}", file=sys.stderr)
        await asyncio.gather(*(replica.start() for replica in self._replicas))
        self._watcher = asyncio.create_task(self._watch())

    async def sample(self, messages: list[Message], n: int, params: SamplingParams) -> list[Answer]:
        for _ in range(TRIES_AFTER_A_DEATH):
            self._check()
            replica = min(self._replicas, key=lambda one: one.load)
            answers = await replica.sample(messages, n, params)
            if answers is not None:
                return answers
            await self._changed.wait()
        self._check()
        raise RowError("vllm_died", f"the server died {TRIES_AFTER_A_DEATH} times while it had this request")

    def _check(self) -> None:
        if self._failure is not None:
            raise RunError(self._failure.kind, self._failure.reason)

    async def _watch(self) -> None:
        """Start servers that died again, until one has died too often."""
        while True:
            await asyncio.sleep(WATCH_S)
            for replica in self._replicas:
                if replica.is_ready and not replica.server.is_alive:
                    self._changed.clear()
                    try:
                        await replica.restart()
                    except RunError as err:
                        self._failure = err
                        return
                    finally:
                        self._changed.set()

    async def close(self) -> None:
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
        await asyncio.gather(*(replica.stop() for replica in self._replicas))


class Replica:
    """One server and the endpoint that speaks to it. `load` is infinite while it is not ready."""

    def __init__(self, server: VLLMServer, endpoint: EndpointSettings) -> None:
        self.server = server
        self._endpoint = endpoint
        self._engine: OpenAIEngine | None = None
        self._requests: set[asyncio.Task[list[Answer]]] = set()
        self._deaths = 0

    @property
    def is_ready(self) -> bool:
        return self._engine is not None

    @property
    def load(self) -> float:
        return len(self._requests) if self.is_ready else float("inf")

    def stats(self) -> EngineStats:
        return EngineStats() if self._engine is None else self._engine.stats

    async def start(self) -> None:
        await self.server.start()
        engine = OpenAIEngine(msgspec.structs.replace(self._endpoint, base_url=self.server.base_url))
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

    async def restart(self) -> None:
        """Raises `RunError` when the server has died too often."""
        self._deaths += 1
        tail = self.server.log_tail()
        print(f"a vLLM server ended; starting it again ({self._deaths} of {RESTARTS})", file=sys.stderr)
        await self._let_go()
        if self._deaths > RESTARTS:
            raise RunError("vllm_died", f"a vLLM server ended {self._deaths} times; {tail}")
        await self.start()

    def give_up(self) -> None:
        for request in self._requests:
            request.cancel()

    async def _let_go(self) -> None:
        """Give up what the dead server had in flight, so that it is asked anew."""
        engine, self._engine = self._engine, None
        self.give_up()
        if engine is not None:
            await engine.close()
        await self.server.stop()

    async def stop(self) -> None:
        await self._let_go()


def _is_cancelled() -> bool:
    """Was the task that runs now itself cancelled, and not only what it waited for?"""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
