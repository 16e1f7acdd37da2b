"""The engine for every OpenAI-compatible endpoint: vLLM, SGLang, OpenAI and others, over one thin aiohttp client."""

from __future__ import annotations

import functools

from factory.sampling.connection import Connection, connect
from factory.sampling.endpoint import EndpointSettings, api_root
from factory.sampling.http_client import Reply
from factory.sampling.payload import CAPABILITIES, Dialect, encode_request
from factory.sampling.types import Answer, Capability, EngineStats, SamplingParams
from factory.sampling.wire import decode_chat, read_answers
from schemas.manifest import ModelRef
from schemas.records import Message

__all__ = ["EndpointSettings", "OpenAIEngine"]

API_OPENAI = "api.openai.com"


class OpenAIEngine:
    """A model behind `base_url`. See `types.Sampler` for what its methods promise."""

    def __init__(self, settings: EndpointSettings) -> None:
        self.settings = settings
        self._stats = EngineStats()
        self._live: _Live | None = None

    @property
    def model(self) -> ModelRef:
        return self._started().connection.model

    @property
    def capabilities(self) -> frozenset[Capability]:
        return CAPABILITIES[self._started().dialect.flavour]

    @property
    def stats(self) -> EngineStats:
        if self._live is not None:
            self._stats.limit = self._live.connection.gate.limiter.limit
        return self._stats

    async def start(self) -> None:
        self._live = _Live(self.settings, await connect(self.settings, self._stats))

    async def sample(self, messages: list[Message], n: int, params: SamplingParams) -> list[Answer]:
        live = self._started()
        body = encode_request(messages, n, params, live.dialect)
        return await live.connection.ask(body, functools.partial(live.read, n, params))

    async def close(self) -> None:
        if self._live is not None:
            await self._live.connection.client.close()

    def _started(self) -> _Live:
        if self._live is None:
            raise RuntimeError("call start() first")
        return self._live


class _Live:
    """What exists once the endpoint has been found."""

    def __init__(self, settings: EndpointSettings, connection: Connection) -> None:
        self.connection = connection
        self.dialect = Dialect(
            model=connection.served.model,
            flavour=connection.served.flavour,
            max_tokens_field="max_completion_tokens" if api_root(settings).host == API_OPENAI else "max_tokens",
        )

    def read(self, n: int, params: SamplingParams, reply: Reply) -> list[Answer]:
        chat = decode_chat(reply.body, params)
        if chat.error is not None and not chat.choices:
            raise self.connection.failures.from_error_in_200(reply.headers, reply.body)
        return read_answers(chat, n, params)
