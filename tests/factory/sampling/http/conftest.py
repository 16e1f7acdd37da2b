from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from factory.sampling.openai import EndpointSettings, OpenAIEngine
from tests.factory.sampling.http.hostile_server import HostileServer, HostileSettings

Serve = Callable[..., Awaitable[HostileServer]]
Connect = Callable[..., Awaitable[OpenAIEngine]]


@pytest.fixture(autouse=True)
def _no_real_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start a hostile server: `await serve(cap=32)`."""
    servers = []

    async def start(**settings: Any) -> HostileServer:
        server = HostileServer(HostileSettings(**{"latency_s": 0.0, **settings}))
        await server.start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        await server.stop()


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """A started engine with short waits: `await connect(server, max_in_flight=4)`."""
    engines = []

    async def start(server: HostileServer, **settings: Any) -> OpenAIEngine:
        short = {"backoff_base_s": 0.01, "backoff_cap_s": 0.05, "row_deadline_s": 30.0}
        engine = OpenAIEngine(EndpointSettings(base_url=server.base_url, **{**short, **settings}))
        await engine.start()
        engines.append(engine)
        return engine

    yield start
    for engine in engines:
        await engine.close()
