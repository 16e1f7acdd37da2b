"""The engine for a vLLM whose weights change: token ids in, token ids out, and the policy version of each token.

vLLM's chat route does not say which weights drew a token; `/inference/v1/generate` does (`--enable-scale-out`, vLLM
0.32 on). Its prompts are token ids, so they are rendered here, as the transformers engine does.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from factory.sampling.connection import Connection, connect
from factory.sampling.endpoint import EndpointSettings, api_root
from factory.sampling.errors import RowError, TransientError
from factory.sampling.http_client import Reply
from factory.sampling.payload import VLLM_NEUTRAL
from factory.sampling.types import Answer, EngineStats, SamplingParams
from factory.sampling.wire import ChatWire, ChoiceWire, LogprobsWire, NamedTokenWire, TurnWire, UsageWire, read_answers
from schemas.records import Message

if TYPE_CHECKING:
    from factory.sampling.rendering import PromptRenderer

_encode = msgspec.json.Encoder().encode


class SpanWire(msgspec.Struct):
    """Tokens from `start` to before `end` were drawn from weights that are labelled `version`."""

    version: str
    start: int
    end: int


class GeneratedWire(msgspec.Struct):
    index: int
    text: str
    token_ids: list[int]
    finish_reason: str
    logprobs: LogprobsWire[NamedTokenWire] | None = None
    weight_versions: list[SpanWire] | None = None


class LogprobWire(msgspec.Struct):
    logprob: float


class GenerateWire(msgspec.Struct):
    """One answer of /inference/v1/generate in `output_mode` "text"."""

    choices: list[GeneratedWire]
    usage: UsageWire
    prompt_logprobs: list[dict[str, LogprobWire] | None] | None = None


_generate = msgspec.json.Decoder(GenerateWire)


class Prompts(msgspec.Struct, frozen=True):
    """How messages become token ids, and how many tokens there may be with the answer."""

    renderer: PromptRenderer
    context: int


class TokensEngine:
    """What `OpenAIEngine` is for chat. `salt` keeps apart what different weights have read; None: nothing needs it."""

    def __init__(self, settings: EndpointSettings, prompts: Prompts, salt: Callable[[], str | None]) -> None:
        self._settings = settings
        self._prompts = prompts
        self._salt = salt
        self._stats = EngineStats()
        self._connection: Connection | None = None

    @property
    def stats(self) -> EngineStats:
        if self._connection is not None:
            self._stats.limit = self._connection.gate.limiter.limit
        return self._stats

    async def start(self) -> None:
        target = api_root(self._settings).parent / "inference" / "v1" / "generate"
        self._connection = await connect(self._settings, self._stats, target)

    async def sample(self, messages: list[Message], n: int, params: SamplingParams) -> list[Answer]:
        prompt_ids = await asyncio.to_thread(
            self._prompts.renderer.prompt_ids,
            messages,
            params.chat_template_kwargs,
            continue_final=params.continue_final,
        )
        room = self._room(prompt_ids)
        body = _encode(self._fields(prompt_ids, _sampling(n, params, room)))
        return await self._started().ask(body, functools.partial(_answers, n, params, prompt_ids))

    async def logprobs(self, token_ids: Sequence[int]) -> list[float]:
        """As `UpdatableSampler.logprobs`."""
        if len(token_ids) < 2:
            raise RowError("too_short", f"{len(token_ids)} tokens have no log-probs; give two at least")
        self._room(token_ids)
        found: list[float] = []

        def read(reply: Reply) -> list[Answer]:
            found[:] = _prompt_logprobs(reply, token_ids)
            return []

        sampling = {"temperature": 0.0, "max_tokens": 1, "prompt_logprobs": 0}
        await self._started().ask(_encode(self._fields(token_ids, sampling)), read)
        return found

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.client.close()

    def _started(self) -> Connection:
        if self._connection is None:
            raise RuntimeError("call start() first")
        return self._connection

    def _room(self, prompt_ids: Sequence[int]) -> int:
        room = self._prompts.context - len(prompt_ids)
        if room < 1:
            reason = f"the prompt has {len(prompt_ids)} tokens, the model takes {self._prompts.context} with the answer"
            raise RowError("context_too_long", reason)
        return room

    def _fields(self, prompt_ids: Sequence[int], sampling: dict[str, Any]) -> dict[str, Any]:
        fields = {
            "model": self._started().served.model,
            "token_ids": prompt_ids,
            "sampling_params": sampling,
            "output_mode": "text",
        }
        salt = self._salt()
        return fields if salt is None else fields | {"cache_salt": salt}


def _sampling(n: int, params: SamplingParams, room: int) -> dict[str, Any]:
    """vLLM's own sampling parameters."""
    fields: dict[str, Any] = {
        **VLLM_NEUTRAL,
        "n": n,
        "temperature": params.temperature,
        "top_p": params.top_p,
        "max_tokens": min(params.max_tokens, room),
    }
    optional = {
        "top_k": params.top_k,
        "stop": list(params.stop) or None,
        "seed": params.seed,
        "logprobs": params.top_logprobs if params.logprobs or params.top_logprobs else None,
        "structured_outputs": None if params.json_schema is None else {"json": params.json_schema},
    }
    return fields | {name: value for name, value in optional.items() if value is not None}


def _answers(n: int, params: SamplingParams, prompt_ids: list[int], reply: Reply) -> list[Answer]:
    """Raises `TransientError`, `RowError` as `read_answers`, and for an answer whose versions vLLM does not say."""
    generated = _decode(reply)
    chat = ChatWire(choices=[_choice(one) for one in generated.choices], usage=generated.usage)
    chat.prompt_token_ids = prompt_ids
    answers = read_answers(chat, n, params)
    spans = {one.index: one.weight_versions for one in generated.choices}
    return [
        msgspec.structs.replace(answer, version_starts=_starts(spans[index])) for index, answer in enumerate(answers)
    ]


def _decode(reply: Reply) -> GenerateWire:
    try:
        return _generate.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as err:
        reason = f"the answer has another shape than that of vLLM's /inference/v1/generate: {err}"
        raise TransientError("wrong_schema", reason) from None


def _choice(one: GeneratedWire) -> ChoiceWire[NamedTokenWire]:
    turn = TurnWire(content=one.text)
    return ChoiceWire(one.index, turn, one.finish_reason, logprobs=one.logprobs, token_ids=one.token_ids)


def _starts(spans: list[SpanWire] | None) -> list[tuple[int, int]]:
    if not spans or not all(span.version.isdecimal() for span in spans):
        raise TransientError("wrong_schema", "vLLM did not say which weights drew the answer - at `weight_versions`")
    return [(int(span.version), span.start) for span in spans]


def _prompt_logprobs(reply: Reply, token_ids: Sequence[int]) -> list[float]:
    found = _decode(reply).prompt_logprobs or []
    if len(found) != len(token_ids):
        reason = f"`prompt_logprobs` has {len(found)} entries for {len(token_ids)} tokens"
        raise TransientError("no_logprobs", reason)
    values = [(entry or {}).get(str(token)) for entry, token in zip(found[1:], token_ids[1:], strict=True)]
    if None in values:
        raise TransientError("no_logprobs", "`prompt_logprobs` lacks a token that was asked for")
    return [value.logprob for value in values if value is not None]
