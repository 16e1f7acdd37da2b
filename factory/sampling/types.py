"""What every engine takes and gives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec

from schemas.manifest import ModelRef
from schemas.records import Message

if TYPE_CHECKING:
    from torch import Tensor

Capability = Literal["logprobs", "token_ids", "seed", "json_schema", "top_k", "top_logprobs", "continue"]


class SamplingParams(msgspec.Struct, frozen=True, kw_only=True):
    """How to draw an answer. Every field can change the answer, so every field is in the request key."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int | None = None
    max_tokens: int = 1024
    stop: tuple[str, ...] = ()
    seed: int | None = None
    logprobs: bool = False  # of each sampled token, under the model itself: before temperature, top_p and top_k
    token_ids: bool = False
    top_logprobs: int = 0  # likeliest tokens to give at each position, with their log-probs
    json_schema: dict[str, Any] | None = None
    continue_final: bool = False  # go on with the last message, whoever's it is, instead of answering it
    chat_template_kwargs: dict[str, Any] = {}

    def needs(self) -> frozenset[Capability]:
        """What an engine must be able to do to serve this request."""
        wanted: dict[Capability, bool] = {
            "logprobs": self.logprobs,
            "token_ids": self.token_ids,
            "json_schema": self.json_schema is not None,
            "top_k": self.top_k is not None,
            "top_logprobs": self.top_logprobs > 0,
            "continue": self.continue_final,
        }
        return frozenset(name for name, is_wanted in wanted.items() if is_wanted)


class SampleRequest(msgspec.Struct, frozen=True):
    """What `Sampler.sample` is asked."""

    messages: list[Message]
    n: int
    params: SamplingParams


class AnswerToken(msgspec.Struct, frozen=True):
    """A sampled token and the likeliest ones in its place, likeliest first: natural logs of probabilities."""

    text: str
    logprob: float
    likeliest: list[tuple[str, float]]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a model said to one request. `logprobs` and `token_ids` have one entry per sampled token."""

    text: str
    reasoning: str | None = None  # where the endpoint divides it from the text itself
    finish_reason: str
    n_prompt_tokens: int
    n_completion_tokens: int
    prompt_token_ids: list[int] | None = None
    token_ids: list[int] | None = None
    logprobs: list[float] | None = None
    tokens: list[AnswerToken] | None = None  # where `top_logprobs` were asked for
    # (policy version, index of the first token drawn from it), in order; None: the weights never change
    version_starts: list[tuple[int, int]] | None = None

    @property
    def versions(self) -> tuple[int, int] | None:
        """The policy versions that the first and the last token were drawn from."""
        return (self.version_starts[0][0], self.version_starts[-1][0]) if self.version_starts else None


class EngineStats(msgspec.Struct, kw_only=True):
    """What an engine did so far; read by the progress line and written to the build's report."""

    requests: int = 0
    answered: int = 0
    in_flight: int = 0
    limit: int = 0  # requests that may be in flight now
    refused: int = 0  # 429
    retried: dict[str, int] = msgspec.field(default_factory=dict)  # by kind


class Sampler(Protocol):
    """A model that answers. Safe to call from many tasks at once; it paces itself.

    `sample` draws `n` answers. It retries what can be retried until the row's deadline, then raises
    `RowError`; it raises `RunError` when no row can succeed (see `factory.sampling.errors`).
    """

    @property
    def model(self) -> ModelRef: ...  # known after start()

    @property
    def capabilities(self) -> frozenset[Capability]: ...

    @property
    def stats(self) -> EngineStats: ...

    async def start(self) -> None:
        """Connect, check that the model is there, learn its revision. Raises `RunError`."""

    async def sample(self, messages: list[Message], n: int, params: SamplingParams) -> list[Answer]: ...

    async def close(self) -> None: ...


class Updated(msgspec.Struct, frozen=True, kw_only=True):
    """A change of weights. `paused_s`: how long no token was drawn, in the engine's slowest part."""

    version: int
    tensors: int
    bytes: int
    seconds: float
    paused_s: float


class UpdatableSampler(Sampler, Protocol):
    """A sampler whose weights can change while it runs. Its answers say which version each token was drawn from.

    `sampler.model.revision` names the version too, once the weights are no longer those of the checkpoint.
    """

    @property
    def version(self) -> int: ...

    async def update(self, weights: Iterable[tuple[str, Tensor]], version: int, *, await_rows: bool = False) -> Updated:
        """Take new weights. From its return on, every token is drawn from them.

        Args:
            weights: all of the model's, by the names that transformers saves them under; of tied ones the first alone.
                On any device, in any floating type. Read in another thread, each tensor copied as it comes.
            version: larger than the one before.
            await_rows: let the answers in the making end first. Else they go on, with the new weights.

        Raises:
            RunError: a name that is missing, unknown or given twice, or a tensor of another shape ("bad_weights", the
                old weights stay); or the engine did not take them, and can answer no more.
        """
        ...

    async def logprobs(self, token_ids: Sequence[int]) -> list[float]:
        """Natural log of each token's probability after those before it, from the second on: what a trainer's forward
        pass is to agree with. Raises `RowError` for fewer than two tokens or more than the context holds.
        """
        ...
