"""The `transformers` engine: answers drawn in this process, on the CPU or one GPU, with the model's exact log-probs."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import sys
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from factory.sampling.checkpoint import Checkpoint, checkpoint_revision, open_checkpoint
from factory.sampling.decode_thread import DecodeThread, Group
from factory.sampling.endings import Endings
from factory.sampling.errors import RowError, RunError
from factory.sampling.model_loading import check_attention, load_model
from factory.sampling.rendering import PromptRenderer
from factory.sampling.types import Answer, Capability, EngineStats, SampleRequest, SamplingParams, Updated
from factory.sampling.weights.staging import TensorKind, check_newer, stage
from schemas.manifest import ModelRef
from schemas.records import Message

if TYPE_CHECKING:
    from torch import Tensor

    from factory.sampling.decode import Decoder, Row

__all__ = ["TransformersEngine", "TransformersSettings", "load_model"]


class TransformersSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the model is and how much of it runs at once. None of it changes what an answer is drawn from.

    `version`: the policy version of the checkpoint's weights, where they can change; None: they never do.
    """

    checkpoint: str
    role: str = "policy"
    device: str = "auto"  # "cpu", "cuda", "cuda:1"; auto: the GPU where there is one
    dtype: str = "auto"  # "float32", "bfloat16", "float16"; auto: float32 on the CPU, the checkpoint's on a GPU
    max_rows: int = 256  # answers in the making at once
    max_context: int | None = None  # tokens of prompt and answer; None: the model's own limit
    cache_gib: float = 4.0  # keys and values of all rows
    prefill_tokens: int = 8192  # of prompts in one forward pass
    threads: int | None = None  # on the CPU; None: as torch is set
    version: int | None = None


class TransformersEngine:
    """A `Sampler` on a checkpoint folder; with a `version` in its settings, an `UpdatableSampler`.

    Seeds make answers repeat, whatever else is in the batch, but for the rounding of other batch sizes. With
    `sample_many`, the last bit repeats too.
    """

    capabilities: frozenset[Capability] = frozenset({"logprobs", "token_ids", "seed", "top_k", "continue"})

    def __init__(self, settings: TransformersSettings) -> None:
        self._settings = settings
        self.stats = EngineStats(limit=settings.max_rows)
        self._model: ModelRef | None = None
        self._thread: DecodeThread | None = None
        self._renderer: PromptRenderer
        self._context = 0
        self._most_positions = 0
        self._kinds: dict[str, TensorKind] = {}
        self._updating = asyncio.Lock()
        self._version = settings.version

    @property
    def model(self) -> ModelRef:
        if self._model is None:
            raise RuntimeError("the model is known after start()")
        return self._model

    @property
    def version(self) -> int:
        if self._version is None:
            raise RunError("not_updatable", "this engine was made for weights that never change; give it a version")
        return self._version

    async def start(self) -> None:
        await asyncio.to_thread(self._start)

    async def sample(self, messages: list[Message], n: int, params: SamplingParams) -> list[Answer]:
        [answers] = await self._sample([SampleRequest(messages, n, params)], alone=False)
        if isinstance(answers, RowError):
            raise answers
        return answers

    async def sample_many(self, requests: Sequence[SampleRequest]) -> list[list[Answer] | RowError]:
        """Answers to each request, or why there are none, in their order. The same requests with the same seeds give
        the same answers to the last bit, in any process with this torch and this number of threads: they have the
        engine to themselves, and enter it in their order. What else is asked meanwhile, updates too, waits.
        """
        return await self._sample(requests, alone=True)

    async def update(self, weights: Iterable[tuple[str, Tensor]], version: int, *, await_rows: bool = False) -> Updated:
        """See `UpdatableSampler`. Rows in the making keep the keys and values that the old weights gave them."""
        thread = self._running()
        async with self._updating:
            check_newer(version, self.version)
            began = time.monotonic()
            staged = await asyncio.to_thread(stage, weights, self._kinds)
            paused_s = await asyncio.wrap_future(
                thread.run(lambda decoder: _load(decoder, staged, version), when_idle=await_rows)
            )
            self._version = version
            revision = self.model.revision.partition("+")[0]
            self._model = msgspec.structs.replace(self.model, revision=f"{revision}+v{version}")
        n_bytes = sum(tensor.nbytes for tensor in staged.values())
        seconds = time.monotonic() - began
        return Updated(version=version, tensors=len(staged), bytes=n_bytes, seconds=seconds, paused_s=paused_s)

    async def logprobs(self, token_ids: Sequence[int]) -> list[float]:
        """See `UpdatableSampler`."""
        if not 2 <= len(token_ids) <= self._context:
            raise RowError("bad_length", f"log-probs of {len(token_ids)} tokens: give 2 to {self._context}")
        return await asyncio.wrap_future(self._running().run(lambda decoder: decoder.logprobs(token_ids)))

    async def close(self) -> None:
        if self._thread is not None:
            await asyncio.to_thread(self._thread.close)

    def _start(self) -> None:
        checkpoint = open_checkpoint(self._settings.checkpoint)
        _import_torch()
        from factory.sampling.decode import Limits

        self._renderer = PromptRenderer(checkpoint.folder)
        self._context = self._context_of(checkpoint)
        limits = Limits(
            rows=self._settings.max_rows,
            cache_bytes=int(self._settings.cache_gib * 2**30),
            prefill_tokens=self._settings.prefill_tokens,
        )
        self._thread = DecodeThread(lambda: self._load(checkpoint, limits), limits)
        self._thread.start()
        decoder = self._thread.ready.result()
        self._most_positions = decoder.most_positions
        self._kinds = decoder.kinds()
        self._model = ModelRef(
            role=self._settings.role,
            model=self._settings.checkpoint,
            revision=checkpoint_revision(checkpoint.folder),
            engine="transformers",
            engine_version=decoder.version,
            chat_template_sha256=checkpoint.chat_template_sha256,
        )

    def _load(self, checkpoint: Checkpoint, limits: Any) -> Decoder:  # noqa: ANN401 - `decode` is imported late
        """Runs in the decode thread, whose number of threads torch keeps apart from others'."""
        import torch

        from factory.sampling.decode import Decoder
        from factory.sampling.decode_attention import use_one_token_attention

        if self._settings.threads is not None:
            torch.set_num_threads(self._settings.threads)
        model = load_model(checkpoint, self._settings.device, self._settings.dtype)
        check_attention(model.config, self._context)
        if model.device.type == "cpu":
            use_one_token_attention(model)
        return Decoder(model, limits, Endings(model, self._renderer), self._settings.version or 0)

    def _running(self) -> DecodeThread:
        if self._thread is None:
            raise RuntimeError("start() the engine first")
        return self._thread

    async def _sample(self, requests: Sequence[SampleRequest], *, alone: bool) -> list[list[Answer] | RowError]:
        """In order. Raises `RunError`."""
        thread = self._running()
        for request in requests:
            self._check(request.params)
        self.stats.requests += len(requests)
        self.stats.in_flight += len(requests)
        try:
            groups = await asyncio.to_thread(self._groups, requests)
            asked = [group for group in groups if isinstance(group, Group) and group.rows]
            thread.submit(*asked, alone=alone)
            await asyncio.gather(*(asyncio.wrap_future(group.done) for group in asked))
        finally:
            self.stats.in_flight -= len(requests)
        self.stats.answered += sum(isinstance(group, Group) for group in groups)
        return [group if isinstance(group, RowError) else [self._answer(row) for row in group.rows] for group in groups]

    def _groups(self, requests: Sequence[SampleRequest]) -> list[Group | RowError]:
        groups: list[Group | RowError] = []
        for request in requests:
            try:
                prompt_ids = self._prompt_ids(request.messages, request.params)
                groups.append(Group(self._rows(prompt_ids, request.n, request.params)))
            except RowError as err:
                groups.append(err)
        return groups

    def _context_of(self, checkpoint: Checkpoint) -> int:
        """Tokens of prompt and answer together."""
        limits = [size for size in (checkpoint.context_length, self._settings.max_context) if size is not None]
        if not limits:
            name = f"checkpoint {checkpoint.folder}"
            raise RunError("bad_checkpoint", f"{name}: config.json has no max_position_embeddings; set max_context")
        return min(limits)

    def _check(self, params: SamplingParams) -> None:
        lacking = params.needs() - self.capabilities
        if lacking:
            raise RunError("unsupported", f"the transformers engine cannot do {', '.join(sorted(lacking))}; use vllm")

    def _prompt_ids(self, messages: list[Message], params: SamplingParams) -> list[int]:
        return self._renderer.prompt_ids(messages, params.chat_template_kwargs, continue_final=params.continue_final)

    def _rows(self, prompt_ids: list[int], n: int, params: SamplingParams) -> list[Row]:
        from factory.sampling.decode import Row

        room = self._context - len(prompt_ids)
        if room < 1:
            reason = f"the prompt has {len(prompt_ids)} tokens, the model takes {self._context} with the answer"
            raise RowError("context_too_long", reason)
        seed = params.seed if params.seed is not None else secrets.randbits(63)
        most = min(params.max_tokens, room)
        rows = [Row(prompt_ids, params, row_seed(seed, index), most) for index in range(n)]
        if rows and rows[0].positions > self._most_positions:
            reason = f"prompt and answer may come to {rows[0].positions} tokens, cache_gib holds {self._most_positions}"
            raise RowError("context_too_long", reason)
        return rows

    def _answer(self, row: Row) -> Answer:
        params = row.params
        return Answer(
            text=row.text,
            finish_reason=row.finish_reason or "",
            n_prompt_tokens=len(row.prompt_ids),
            n_completion_tokens=len(row.token_ids),
            prompt_token_ids=row.prompt_ids if params.token_ids else None,
            token_ids=row.token_ids if params.token_ids else None,
            logprobs=row.logprobs if params.logprobs else None,
            version_starts=None if self._version is None else row.version_starts,
        )


def _load(decoder: Decoder, weights: dict[str, Tensor], version: int) -> float:
    """Returns the seconds that it took."""
    began = time.monotonic()
    decoder.load(weights, version)
    return time.monotonic() - began


def row_seed(seed: int, index: int) -> int:
    """64 signed bits for sample `index` of a request."""
    digest = hashlib.sha256(f"{seed}/{index}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _import_torch() -> None:
    # Where others use the cores too, threads that spin while they wait for one another make a step 10 to 100 times
    # slower. libgomp reads this once, when torch is loaded.
    if "torch" not in sys.modules:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch  # noqa: F401
