"""An endpoint that was found: its client, its gate, and the way that one request goes through both."""

from __future__ import annotations

import functools
from collections.abc import Callable

from yarl import URL

from factory.sampling.endpoint import EndpointSettings, api_root, name_of_key, read_key
from factory.sampling.errors import RowError, TransientError
from factory.sampling.failures import Failures
from factory.sampling.gates import gate_of
from factory.sampling.http_client import HttpClient, Reply
from factory.sampling.rate_headers import hold_seconds
from factory.sampling.redact import Redactor
from factory.sampling.retry import Retrier, RetryPolicy
from factory.sampling.served import Directory, Served
from factory.sampling.types import Answer, EngineStats
from schemas.manifest import ModelRef

Read = Callable[[Reply], list[Answer]]  # raises TransientError or RowError for a reply that is no answer


class Connection:
    """Made by `connect`."""

    def __init__(
        self, settings: EndpointSettings, client: HttpClient, served: Served, failures: Failures, stats: EngineStats
    ) -> None:
        root = api_root(settings)
        self.client = client
        self.failures = failures
        self.served = served
        self.model = ModelRef(
            role=settings.role,
            model=served.model,
            revision=settings.revision or f"unpinned@{root}",
            engine=settings.engine,
            engine_version=served.engine_version,
        )
        self.gate = gate_of(settings, served.model)
        policy = RetryPolicy(
            deadline_s=settings.row_deadline_s, base_s=settings.backoff_base_s, cap_s=settings.backoff_cap_s
        )
        self._retrier = Retrier(self.gate, policy, stats)

    async def ask(self, body: bytes, read: Read) -> list[Answer]:
        """Send `body` until `read` can read a reply to it. Raises `RowError` and `RunError`, as `Sampler.sample`."""
        return await self._retrier.run(functools.partial(self._attempt, body, read))

    async def _attempt(self, body: bytes, read: Read, seconds_left: float) -> list[Answer]:
        """One try."""
        try:
            reply = await self.client.post_chat(body, seconds_left)
            wait = hold_seconds(reply.headers)
            if wait is not None:
                self.gate.hold(wait)
            if reply.status != 200:
                raise self.failures.from_reply(reply.status, reply.headers, reply.body)
            return self.failures.without_key(read(reply))
        except (TransientError, RowError) as err:
            raise self.failures.named(err) from None


async def connect(settings: EndpointSettings, stats: EngineStats, target: URL | None = None) -> Connection:
    """Find the endpoint and its model. `target`: where requests go that are not chat. Raises `RunError`."""
    root = api_root(settings)
    key = read_key(settings)
    redactor = Redactor([key] if key else [])
    failures = Failures(str(root), name_of_key(settings, key), redactor)
    client = HttpClient(settings, root, key, target)
    try:
        served = await Directory(client, root, failures, redactor).find(settings)
    except BaseException:
        await client.close()
        raise
    return Connection(settings, client, served, failures, stats)
