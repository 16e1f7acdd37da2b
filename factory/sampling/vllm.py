"""The engine `vllm`: servers of our own for a checkpoint, from vLLM's own interpreter, then spoken to as endpoints.

Requests go to the replica that has the fewest in flight. A server that died is started again, and what it had in flight
is asked anew; after `RESTARTS` deaths the run stops with the end of the server's log.

With a `version`, the weights can change while it runs (`types.UpdatableSampler`). The servers then have vLLM's routes
for development, on their loopback address and for us alone. The last weights are kept in this process, and a server
that is started again gets them before any request.
"""

from __future__ import annotations

import asyncio
import functools
import sys
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from factory.sampling.checkpoint import checkpoint_revision, open_checkpoint
from factory.sampling.errors import RowError, RunError, SamplingError
from factory.sampling.openai import OpenAIEngine
from factory.sampling.payload import CAPABILITIES
from factory.sampling.rendering import PromptRenderer
from factory.sampling.types import Answer, Capability, EngineStats, SamplingParams, Updated
from factory.sampling.vllm_replica import Endpoint, Replica, added
from factory.sampling.vllm_server import VLLMServer, context_of, find_installation
from factory.sampling.vllm_settings import VLLMSettings, endpoint_settings, server_settings
from factory.sampling.vllm_tokens import Prompts, TokensEngine
from factory.sampling.weights.held import ServerWeights
from factory.sampling.weights.updates import Updates
from schemas.manifest import ModelRef
from schemas.records import Message

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["VLLMEngine", "VLLMSettings", "vllm_available"]

T = TypeVar("T")
TRIES = 4  # of one request, when servers die while they have it


def vllm_available(python: str | None = None) -> str | None:
    """None where vLLM is installed, else the reason why it cannot be used."""
    try:
        find_installation(python)
    except RunError as err:
        return err.reason
    return None


class VLLMEngine:
    """A `Sampler` on a checkpoint folder; with a `version` in its settings, an `UpdatableSampler`."""

    capabilities: frozenset[Capability] = CAPABILITIES["vllm"]

    def __init__(self, settings: VLLMSettings) -> None:
        """Raises `RunError` when there is no vLLM or no whole checkpoint, or none whose weights can change."""
        self._settings = settings
        self._installation = find_installation(settings.python)
        self._checkpoint = open_checkpoint(settings.checkpoint)
        self._context = context_of(server_settings(settings))
        version = settings.version
        self._updates = None if version is None else Updates(settings, self._installation, version)
        self._prompts: Prompts | None = None
        self._model: ModelRef | None = None
        self._replicas: list[Replica] = []
        self._watchers: list[asyncio.Task[None]] = []
        self._failure: RunError | None = None
        self._news = asyncio.Event()  # set while a replica is ready, or none will be again
        self._updating = asyncio.Lock()

    @property
    def model(self) -> ModelRef:
        if self._model is None:
            raise RuntimeError("the model is known after start()")
        return self._model

    @property
    def version(self) -> int:
        return self._updatable().policy.version

    @property
    def stats(self) -> EngineStats:
        """The sum over the replicas."""
        return functools.reduce(added, (replica.stats() for replica in self._replicas), EngineStats())

    async def start(self) -> None:
        settings = self._settings
        revision = await asyncio.to_thread(checkpoint_revision, settings.checkpoint)
        self._model = self._model_ref(revision)
        if self._updates is not None:
            renderer = await asyncio.to_thread(PromptRenderer, self._checkpoint.folder)
            self._prompts = Prompts(renderer, self._context)
        self._replicas = [self._make_replica(index, revision) for index in range(settings.replicas)]
        count = f"{settings.replicas} x " if settings.replicas > 1 else ""
        print(f"starting {count}vLLM {self._model.engine_version} for {settings.checkpoint}", file=sys.stderr)
        try:
            async with asyncio.TaskGroup() as group:
                for replica in self._replicas:
                    group.create_task(replica.start())
        except* SamplingError as errors:
            await self.close()
            raise _first(errors) from None
        self._tell()
        self._watchers = [asyncio.create_task(self._watch(replica)) for replica in self._replicas]

    async def sample(self, messages: list[Message], n: int, params: SamplingParams) -> list[Answer]:
        # vLLM ends an answer where the context does, but refuses to be asked for more than a whole context.
        params = msgspec.structs.replace(params, max_tokens=min(params.max_tokens, self._context))
        return await self._ask(lambda endpoint: endpoint.sample(messages, n, params))

    async def logprobs(self, token_ids: Sequence[int]) -> list[float]:
        """See `UpdatableSampler`. One server's; which one is not said."""
        self._updatable()

        def read(endpoint: Endpoint) -> Coroutine[Any, Any, list[float]]:
            assert isinstance(endpoint, TokensEngine)
            return endpoint.logprobs(token_ids)

        return await self._ask(read)

    async def update(self, weights: Iterable[tuple[str, Tensor]], version: int, *, await_rows: bool = False) -> Updated:
        """See `UpdatableSampler`. A server that is being started gets the weights before it takes requests."""
        updates = self._updatable()
        async with self._updating:
            began = time.monotonic()
            latest = await asyncio.to_thread(updates.read, weights, version)
            updates.policy.latest = latest
            paused_s = await self._send(await_rows=await_rows)
            self._model = self._model_ref(f"{self.model.revision.partition('+')[0]}+v{version}")
        seconds = time.monotonic() - began
        return Updated(
            version=version, tensors=len(latest.tensors), bytes=latest.bytes, seconds=seconds, paused_s=paused_s
        )

    async def close(self) -> None:
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        self._fail(RunError("closed", "the engine is closed"))
        await asyncio.gather(*(replica.stop() for replica in self._replicas))

    async def _ask(self, work: Callable[[Endpoint], Coroutine[Any, Any, T]]) -> T:
        """By the replica that has the least to do; by another one where its server dies of it."""
        for _ in range(TRIES):
            result = await (await self._ready()).ask(work)
            if result is not None:
                return result
        raise RowError("vllm_died", f"a server died {TRIES} times while it had this request")

    async def _ready(self) -> Replica:
        """The one with the least to do, once there is one. Raises `RunError` when there will be none."""
        while True:
            await self._news.wait()
            if self._failure is not None:
                raise RunError(self._failure.kind, self._failure.reason)
            ready = [replica for replica in self._replicas if replica.is_ready]
            if ready:
                return min(ready, key=lambda one: one.load)
            self._tell()  # an update has parted with one

    async def _send(self, *, await_rows: bool) -> float:
        """The latest weights to all replicas at once. A failure is the engine's: what its servers hold is not known."""
        try:
            async with asyncio.TaskGroup() as group:
                sent = [group.create_task(replica.update(await_rows=await_rows)) for replica in self._replicas]
        except* RunError as errors:
            failure = _first(errors)
            self._fail(failure)
            for replica in self._replicas:
                replica.give_up()
            raise failure from None
        return max((task.result() for task in sent), default=0.0)

    def _updatable(self) -> Updates:
        if self._updates is None:
            raise RunError("not_updatable", "this engine was made for weights that never change; give it a version")
        return self._updates

    async def _watch(self, replica: Replica) -> None:
        """Keep one replica alive, until it has died too often."""
        while self._failure is None:
            trouble = await replica.until_sick()
            replica.give_up()
            self._tell()
            try:
                await replica.restart(trouble)
            except RunError as err:
                self._fail(err)
            self._tell()

    def _fail(self, failure: RunError) -> None:
        self._failure = self._failure or failure
        self._tell()

    def _tell(self) -> None:
        if self._failure is not None or any(replica.is_ready for replica in self._replicas):
            self._news.set()
        else:
            self._news.clear()

    def _model_ref(self, revision: str) -> ModelRef:
        return ModelRef(
            role=self._settings.role,
            model=self._settings.checkpoint,
            revision=revision,
            engine="vllm",
            engine_version=self._installation.version + (" (cpu)" if self._installation.is_cpu else ""),
            chat_template_sha256=self._checkpoint.chat_template_sha256,
        )

    def _make_replica(self, index: int, revision: str) -> Replica:
        log = self._settings.logs / f"vllm-{index}.log"
        settings = server_settings(self._settings, index)
        if self._updates is None:
            server = VLLMServer(self._installation, settings, log)
            return Replica(server, lambda url: OpenAIEngine(endpoint_settings(self._settings, revision, url)))
        server = VLLMServer(self._installation, self._updates.told(settings), log)
        weights = self._updates.of(server)
        return Replica(server, lambda url: self._tokens_engine(revision, url, weights), weights)

    def _tokens_engine(self, revision: str, url: str, weights: ServerWeights) -> TokensEngine:
        assert self._prompts is not None
        return TokensEngine(endpoint_settings(self._settings, revision, url), self._prompts, weights.salt)


def _first(errors: BaseExceptionGroup[SamplingError]) -> RunError:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, SamplingError)
    return RunError(error.kind, error.reason)
