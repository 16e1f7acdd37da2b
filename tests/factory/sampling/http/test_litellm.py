"""The litellm engine against a local endpoint."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from factory.sampling.errors import RowError, RunError
from factory.sampling.litellm import LiteLLMEngine, LiteLLMSettings
from factory.sampling.types import SamplingParams
from schemas.records import Message
from tests.factory.sampling.http.hostile_answers import answer_text
from tests.factory.sampling.http.hostile_server import HostileServer
from tests.factory.sampling.http.test_refusals import assert_free_of

pytest.importorskip("litellm", reason="litellm is an optional extra")
# litellm and what it imports warn at import and at its first answer; none of that is ours to change.
pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:pydantic"),
]
PARAMS = SamplingParams(seed=1)
CANARY = "canary-7f3a9c2e51"
Connect = Callable[..., Awaitable[LiteLLMEngine]]


def ask(text: str = "hello") -> list[Message]:
    return [Message("user", text)]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    engines = []

    async def start(server: HostileServer, **settings) -> LiteLLMEngine:
        short = {"backoff_base_s": 0.01, "backoff_cap_s": 0.05, "row_deadline_s": 30.0, "total_timeout_s": 5.0}
        named = {"model": "openai/hostile", "api_base": server.base_url}
        engine = LiteLLMEngine(LiteLLMSettings(**{**named, **short, **settings}))
        await engine.start()
        engines.append(engine)
        return engine

    yield start
    for engine in engines:
        await engine.close()


async def test_it_answers(serve, connect):
    server = await serve()
    engine = await connect(server)
    (answer,) = await engine.sample(ask(), 1, SamplingParams(seed=1, logprobs=True))
    (key,) = server.books.answers_by_key
    assert answer.text == answer_text(key, 0, 12)
    assert len(answer.logprobs) == answer.n_completion_tokens == 13
    assert answer.finish_reason == "stop"
    assert engine.capabilities >= {"logprobs", "seed", "json_schema"}
    assert engine.model.engine == "litellm"
    assert engine.model.revision == f"unpinned@{server.base_url}"


async def test_several_answers(serve, connect):
    engine = await connect(await serve())
    answers = await engine.sample(ask(), 3, PARAMS)
    assert len({answer.text for answer in answers}) == 3


async def test_faults_that_pass_are_survived_and_only_we_retry(serve, connect):
    faults = ("429", "429_wait", "500", "502", "503", "reset", "truncated_json", "wrong_schema", "empty_choices")
    server = await serve(fault_rate=0.3, faults=faults, wait_s=0.05)
    engine = await connect(server)
    await asyncio.gather(*(engine.sample(ask(f"question {number}"), 1, PARAMS) for number in range(60)))
    assert engine.stats.answered == server.books.answers == 60
    assert engine.stats.requests == server.books.requests
    assert engine.stats.refused == server.books.counts["429"] + server.books.counts["429_wait"]
    assert server.books.came_early == 0


async def test_a_hang_ends(serve, connect):
    server = await serve(fault_rate=1.0, faults=("hang",))
    engine = await connect(server, total_timeout_s=0.2, row_deadline_s=0.6)
    with pytest.raises(RowError) as caught:
        await engine.sample(ask(), 1, PARAMS)
    assert caught.value.kind == "deadline:timeout"
    assert engine.stats.in_flight == 0


@pytest.mark.parametrize(
    ("status", "code", "error", "kind"),
    [
        (400, "bad_request", RowError, "http_400"),
        (400, "context_length_exceeded", RowError, "context_too_long"),
        (400, "content_filter", RowError, "content_filter"),
        (422, "unprocessable", RowError, "http_422"),
        (401, "invalid_api_key", RunError, "key_refused"),
        (403, "forbidden", RunError, "forbidden"),
        (404, "model_not_found", RunError, "not_found"),
        (429, "insufficient_quota", RunError, "quota"),
    ],
)
async def test_refusals_have_the_same_classes_as_over_http(status, code, error, kind, serve, connect, monkeypatch):
    monkeypatch.setenv("MY_KEY", CANARY)
    server = await serve(all_status=status, all_code=code, echoes_headers=True)
    engine = await connect(server, api_key_env="MY_KEY")
    with pytest.raises(error) as caught:
        await engine.sample(ask(), 1, PARAMS)
    assert caught.value.kind == kind
    assert server.books.requests == 1
    assert_free_of(CANARY, caught.value)


async def test_the_cap_is_learnt(serve, connect):
    server = await serve(cap=8, latency_s=0.1)
    engine = await connect(server, max_in_flight=64, initial_in_flight=4)
    await asyncio.gather(*(engine.sample(ask(f"question {number}"), 1, PARAMS) for number in range(150)))
    assert engine.stats.answered == 150
    assert engine.stats.refused == server.books.counts["refused"] < 45


async def test_a_model_without_a_provider(serve, connect):
    with pytest.raises(RunError, match="write it as provider/model"):
        await connect(await serve(), model="nonsense")


async def test_a_missing_key_is_named(monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    with pytest.raises(RunError, match="ANTHROPIC_API_KEY"):
        await LiteLLMEngine(LiteLLMSettings(model="anthropic/claude-sonnet-4-5")).start()


async def test_what_litellm_cannot_pass_on_stops_the_run(serve, connect):
    engine = await connect(await serve())
    with pytest.raises(RunError, match="token_ids"):
        await engine.sample(ask(), 1, SamplingParams(token_ids=True))


def test_it_is_imported_only_when_it_starts_and_fetches_nothing():
    program = (
        "import sys, factory.sampling.litellm as engine; assert 'litellm' not in sys.modules;"
        "import socket; socket.socket.connect = lambda *a: sys.exit('it dialled out');"
        "socket.getaddrinfo = lambda *a, **k: sys.exit('it looked up a host');"
        "package = engine.load_litellm(); assert package.telemetry is False; print('quiet')"
    )
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, timeout=120
    )
    assert result.stdout.strip() == "quiet", result.stderr


def test_without_the_package_it_says_how_to_get_it():
    program = (
        "import sys; sys.modules['litellm'] = None\n"
        "from factory.sampling.litellm import load_litellm\n"
        "try: load_litellm()\n"
        "except Exception as err: print(type(err).__name__, err)"
    )
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, env=environment
    )
    assert result.stdout.strip() == (
        "RunError litellm is not installed; pip install synthetic-data-factory[litellm]"
    ), result.stderr
