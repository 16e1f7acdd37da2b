"""The engine `vllm`: servers of our own for a checkpoint, from vLLM's own interpreter, then spoken to as endpoints.

Requests go to the replica that has the fewest in flight. A server that died is started again, and what it had in flight
is asked anew; after `RESTARTS` deaths the run stops with the end of the server's log.
"""

from __future__ import annotations

import asyncio
import functools
import sys
from pathlib import Path

import msgspec

from factory.sampling.checkpoint import checkpoint_revision, open_checkpoint
from factory.sampling.endpoint import EndpointSettings
from factory.sampling.errors import RowError, RunError
from factory.sampling.payload import CAPABILITIES
from factory.sampling.types import Answer, Capability, EngineStats, SamplingParams
from factory.sampling.vllm_replica import Replica, added
from factory.sampling.vllm_server import ServerSettings, VLLMServer, context_of, find_installation
from schemas.manifest import ModelRef
from schemas.records import Message

TRIES = 4  # of one request, when servers die while they have it
SERVED_NAME = "policy"


class VLLMSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A checkpoint to serve, and the bounds of its requests (see `EndpointSettings`)."""

    checkpoint: str
    logs: Path
    role: str = "policy"
    python: str | None = None  # vLLM's interpreter; None: see `find_installation`
    replicas: int = 1
    dtype: str | None = None  # None: the checkpoint's own
    max_model_len: int | None = None
    tensor_parallel: int = 1
    gpu_memory_share: float = 0.9
    start_timeout_s: float = 900.0
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
        """Raises `RunError` when there is no vLLM or no whole checkpoint."""
        self._settings = settings
        self._installation = find_installation(settings.python)
        self._checkpoint = open_checkpoint(settings.checkpoint)
        self._context = context_of(_server_settings(settings))
        self._model: ModelRef | None = None
        self._replicas: list[Replica] = []
        self._watchers: list[asyncio.Task[None]] = []
        self._failure: RunError | None = None
        self._news = asyncio.Event()  # set while a replica is ready, or none will be again

    @property
    def model(self) -> ModelRef:
        if self._model is None:
            raise RuntimeError("the model is known after start()")
        return self._model

    @property
    def stats(self) -> EngineStats:
        """The sum over the replicas."""
        return functools.reduce(added, (replica.stats() for replica in self._replicas), EngineStats())

    async def start(self) -> None:
        settings = self._settings
        revision = await asyncio.to_thread(checkpoint_revision, settings.checkpoint)
        self._model = self._model_ref(revision)
        self._replicas = [self._make_replica(index, revision) for index in range(settings.replicas)]
        count = f"{settings.replicas} x " if settings.replicas > 1 else ""
        print(f"starting {count}vLLM {self._model.engine_version} for {settings.checkpoint}", file=sys.stderr)
        try:
            async with asyncio.TaskGroup() as group:
                for replica in self._replicas:
                    group.create_task(replica.start())
        except* RunError as errors:
            await self.close()
            raise _first(errors) from None
        self._tell()
        self._watchers = [asyncio.create_task(self._watch(replica)) for replica in self._replicas]

    async def sample(self, messages: list[Message], n: int, params: SamplingParams) -> list[Answer]:
        # vLLM ends an answer where the context does, but refuses to be asked for more than a whole context.
        params = msgspec.structs.replace(params, max_tokens=min(params.max_tokens, self._context))
        for _ in range(TRIES):
            await self._news.wait()
            if self._failure is not None:
                raise RunError(self._failure.kind, self._failure.reason)
            replica = min((one for one in self._replicas if one.is_ready), key=lambda one: one.load)
            answers = await replica.sample(messages, n, params)
            if answers is not None:
                return answers
        raise RowError("vllm_died", f"a server died {TRIES} times while it had this request")

    async def close(self) -> None:
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        self._fail(RunError("closed", "the engine is closed"))
        await asyncio.gather(*(replica.stop() for replica in self._replicas))

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
        server = VLLMServer(self._installation, _server_settings(self._settings), log)
        return Replica(server, _endpoint_settings(self._settings, revision))


def _server_settings(settings: VLLMSettings) -> ServerSettings:
    return ServerSettings(
        checkpoint=settings.checkpoint,
        served_name=SERVED_NAME,
        dtype=settings.dtype,
        max_model_len=settings.max_model_len,
        tensor_parallel=settings.tensor_parallel,
        gpu_memory_share=settings.gpu_memory_share,
        start_timeout_s=settings.start_timeout_s,
    )


def _endpoint_settings(settings: VLLMSettings, revision: str) -> EndpointSettings:
    each = max(1, settings.max_in_flight // settings.replicas)
    return EndpointSettings(
        base_url="",  # known once the server has a port
        model=SERVED_NAME,
        role=settings.role,
        engine="vllm",
        revision=revision,
        api_key_env="",
        flavour="vllm",
        max_in_flight=each,
        initial_in_flight=each,
        row_deadline_s=settings.row_deadline_s,
        idle_timeout_s=settings.answer_timeout_s,
        total_timeout_s=settings.answer_timeout_s,
    )


def _first(errors: BaseExceptionGroup[RunError]) -> RunError:
    error = errors.exceptions[0]
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return RunError(error.kind, error.reason)
