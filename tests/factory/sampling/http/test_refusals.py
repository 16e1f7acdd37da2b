"""Errors that no second try helps: of one row, and of the whole run. And keys, which are in none of them."""

from __future__ import annotations

import asyncio
import traceback

import pytest

from factory.sampling.errors import RowError, RunError, SamplingError
from factory.sampling.types import SamplingParams
from schemas.records import Message

PARAMS = SamplingParams()
CANARY = "canary-7f3a9c2e51"
OPENAI_LIKE = "sk-proj-AbCdEf0123456789canary"


def ask(text: str = "hello") -> list[Message]:
    return [Message("user", text)]


async def error_of(engine, text: str = "hello") -> SamplingError:
    with pytest.raises(SamplingError) as caught:
        await engine.sample(ask(text), 1, PARAMS)
    return caught.value


async def test_one_bad_prompt_is_asked_once_and_the_others_finish(serve, connect):
    server = await serve()
    engine = await connect(server)
    texts = [f"question {number}{' POISON' if number % 10 == 0 else ''}" for number in range(50)]
    results = await asyncio.gather(*(engine.sample(ask(text), 1, PARAMS) for text in texts), return_exceptions=True)
    failed = [result for result in results if isinstance(result, RowError)]
    assert [err.kind for err in failed] == ["http_400"] * 5
    assert server.books.requests == 50
    assert engine.stats.answered == 45


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "invalid_request_error", "http_400"),
        (400, "context_length_exceeded", "context_too_long"),
        (400, "content_filter", "content_filter"),
        (413, "too_large", "http_413"),
        (422, "unprocessable", "http_422"),
    ],
)
async def test_a_refused_row_is_not_tried_again(status, code, kind, serve, connect):
    server = await serve(all_status=status, all_code=code)
    engine = await connect(server)
    err = await error_of(engine)
    assert isinstance(err, RowError)
    assert err.kind == kind
    assert f"{server.base_url} answered {status}: everything fails" in err.reason
    assert server.books.requests == 1


@pytest.mark.parametrize(
    ("status", "code", "kind", "advice"),
    [
        (401, "invalid_api_key", "key_refused", "MY_KEY"),
        (403, "forbidden", "forbidden", "MY_KEY"),
        (402, "payment_required", "quota", "credit"),
        (404, "model_not_found", "not_found", "base_url"),
        (400, "model_not_found", "not_found", "base_url"),
        (429, "insufficient_quota", "quota", "credit"),
        (429, "billing_hard_limit_reached", "quota", "credit"),
        (307, "moved", "redirect", "final address"),
        (501, "no", "not_found", "base_url"),
    ],
)
async def test_a_refused_run_stops_at_once_and_stays_stopped(status, code, kind, advice, serve, connect, monkeypatch):
    monkeypatch.setenv("MY_KEY", CANARY)
    server = await serve()
    engine = await connect(server, api_key_env="MY_KEY")
    server.settings = server.changed(all_status=status, all_code=code)
    err = await error_of(engine)
    assert isinstance(err, RunError)
    assert err.kind == kind
    assert advice in err.reason
    assert CANARY not in err.reason
    requests = server.books.requests
    again = await error_of(engine, "another row")
    assert isinstance(again, RunError)
    assert (again.kind, again.reason) == (err.kind, err.reason)
    assert server.books.requests == requests == 1


async def test_rows_that_wait_or_sleep_end_with_the_run(serve, connect):
    server = await serve(latency_s=0.2)
    long = {"backoff_base_s": 1e6, "backoff_cap_s": 1e6}
    engine = await connect(server, max_in_flight=2, initial_in_flight=2, row_deadline_s=9e9, **long)
    server.settings = server.changed(fault_rate=1.0, faults=("500",))
    sleeping = [asyncio.create_task(engine.sample(ask(f"sleeper {number}"), 1, PARAMS)) for number in range(4)]
    while server.books.requests < 4:  # noqa: ASYNC110 - the books have no event
        await asyncio.sleep(0.01)
    server.settings = server.changed(fault_rate=0.0)
    waiting = [asyncio.create_task(engine.sample(ask(f"waiter {number}"), 1, PARAMS)) for number in range(6)]
    await asyncio.sleep(0.05)
    server.settings = server.changed(all_status=401)
    results = await asyncio.gather(*sleeping, *waiting, return_exceptions=True)
    refused = [result for result in results if isinstance(result, RunError)]
    assert len(refused) >= 8  # the two that were in flight may have been answered
    assert {err.kind for err in refused} == {"key_refused"}
    assert len({id(err) for err in refused}) == len(refused)
    assert engine.stats.in_flight == 0


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 512 tokens. However, you requested 9000 tokens",
        "The prompt (total length 9000) is too long to fit into the model (context length 512).",
        "Input length (9000) exceeds model's maximum context length (512).",
        "The input (9000 tokens) is longer than the model's context length (512 tokens).",
        "prompt is too long: 250000 tokens > 200000 maximum",
    ],
)
async def test_a_prompt_that_is_too_long_is_recognised_by_its_message(message, serve, connect):
    server = await serve(all_status=400, all_code="BadRequestError", all_message=message)
    err = await error_of(await connect(server))
    assert err.kind == "context_too_long"


async def test_a_status_hidden_in_a_200_is_found(serve, connect):
    server = await serve()
    engine = await connect(server, row_deadline_s=0.5)
    server.pages["/v1/chat/completions"] = b'{"error": {"code": 402, "message": "no credits"}}'
    err = await error_of(engine)
    assert (type(err), err.kind) == (RunError, "quota")


@pytest.mark.parametrize("key", [CANARY, OPENAI_LIKE])
@pytest.mark.parametrize("status", [400, 401, 403, 429, 500, 503])
async def test_a_server_that_echoes_the_key_does_not_spread_it(key, status, serve, connect, monkeypatch):
    monkeypatch.setenv("MY_KEY", key)
    server = await serve(key=key)
    engine = await connect(server, api_key_env="MY_KEY", row_deadline_s=0.2)
    assert (await engine.sample(ask(), 1, PARAMS))[0].text  # the key is really sent
    server.settings = server.changed(all_status=status, echoes_headers=True)
    err = await error_of(engine)
    assert "[key]" in err.reason
    assert_free_of(key, err)


def assert_free_of(secret: str, err: BaseException) -> None:
    """Not in the error, nor in what a logger would print of it with all locals of its causes."""
    assert secret not in str(err)
    assert secret not in repr(err)
    assert secret not in "".join(traceback.format_exception(err))
    chained = [err.__cause__, None if err.__suppress_context__ else err.__context__]
    for link in chained:
        if link is not None:
            assert_free_of(secret, link)


async def test_a_refused_key_is_named_and_not_shown(serve, monkeypatch):
    from factory.sampling.openai import EndpointSettings, OpenAIEngine

    monkeypatch.setenv("MY_KEY", OPENAI_LIKE)
    server = await serve(key="another")
    engine = OpenAIEngine(EndpointSettings(base_url=server.base_url, api_key_env="MY_KEY"))
    with pytest.raises(RunError) as caught:
        await engine.start()
    assert caught.value.kind == "key_refused"
    assert "MY_KEY" in caught.value.reason
    assert_free_of(OPENAI_LIKE, caught.value)


async def test_the_key_of_the_environment_is_sent_by_default(serve, connect, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    server = await serve(key=CANARY)
    assert await (await connect(server)).sample(ask(), 1, PARAMS)


async def test_no_key_is_sent_when_none_is_wanted(serve, monkeypatch):
    from factory.sampling.openai import EndpointSettings, OpenAIEngine

    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    server = await serve(key=CANARY)
    engine = OpenAIEngine(EndpointSettings(base_url=server.base_url, api_key_env=""))
    with pytest.raises(RunError, match="Incorrect API key provided"):
        await engine.start()


@pytest.mark.parametrize("value", ["", "   "])
async def test_a_variable_that_is_not_set_is_named(value, serve, monkeypatch):
    from factory.sampling.openai import EndpointSettings, OpenAIEngine

    monkeypatch.setenv("MY_KEY", value)
    engine = OpenAIEngine(EndpointSettings(base_url="http://127.0.0.1:1/v1", api_key_env="MY_KEY"))
    with pytest.raises(RunError, match="MY_KEY is not set"):
        await engine.start()


async def test_a_key_that_would_break_the_header_is_refused(serve, monkeypatch):
    from factory.sampling.openai import EndpointSettings, OpenAIEngine

    monkeypatch.setenv("MY_KEY", "abc\r\nX-Evil: 1")
    engine = OpenAIEngine(EndpointSettings(base_url="http://127.0.0.1:1/v1", api_key_env="MY_KEY"))
    with pytest.raises(RunError, match="MY_KEY") as caught:
        await engine.start()
    assert "Evil" not in caught.value.reason


async def test_an_answer_that_holds_the_key_is_not_kept(serve, connect, monkeypatch):
    monkeypatch.setenv("MY_KEY", CANARY)
    server = await serve(key=CANARY, echoes_key_in_answer=True)
    err = await error_of(await connect(server, api_key_env="MY_KEY"))
    assert (type(err), err.kind) == (RowError, "echoed_key")
    assert_free_of(CANARY, err)


async def test_quoted_bodies_are_short(serve, connect):
    server = await serve(all_status=400, all_message="x" * 10_000)
    err = await error_of(await connect(server))
    assert len(err.reason) < 400
