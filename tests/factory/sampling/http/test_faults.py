"""Every way of failing: transient ones are survived, lasting ones become a dead letter that says what happened."""

from __future__ import annotations

import asyncio

import pytest

from factory.sampling.errors import RowError
from factory.sampling.types import Answer, SamplingParams
from schemas.records import Message
from tests.factory.sampling.http.hostile_answers import answer_text
from tests.factory.sampling.http.hostile_settings import FAULTS

PARAMS = SamplingParams(max_tokens=16)
# What the engine calls each fault. Some faults show in more than one way.
KINDS = {
    "429_wait": {"rate_limited"},
    "429": {"rate_limited"},
    "429_absurd": {"rate_limited_absurd_wait"},
    "500": {"http_500"},
    "502": {"http_502"},
    "503": {"http_503"},
    "reset": {"reset"},
    "hang": {"idle_timeout"},
    "trickle": {"timeout"},
    "truncated_json": {"malformed_json"},
    "cut": {"truncated"},
    "wrong_schema": {"wrong_schema", "empty_choices"},
    "empty_choices": {"empty_choices"},
    "huge": {"answer_too_large"},
}
# Small bounds, so that a hang, a trickle and a huge body end soon.
BOUNDS = {"idle_timeout_s": 0.3, "total_timeout_s": 0.6, "max_answer_bytes": 100_000}
SMALL = {"huge_bytes": 1_000_000, "wait_s": 0.05}


def ask(text: str) -> list[Message]:
    return [Message("user", text)]


@pytest.mark.parametrize("fault", FAULTS)
async def test_rows_survive_a_fault_that_passes(fault, serve, connect):
    server = await serve(fault_rate=0.3, faults=(fault,), seed=5, **SMALL)
    engine = await connect(server, **BOUNDS)
    n_rows = 12

    async def row(number: int) -> Answer | RowError:
        try:
            return (await engine.sample(ask(f"question {number}"), 1, PARAMS))[0]
        except RowError as err:
            return err

    results = await asyncio.gather(*(row(number) for number in range(n_rows)))
    seen = set(engine.stats.retried)
    assert server.books.counts[fault] > 0
    assert seen == KINDS[fault] if len(KINDS[fault]) == 1 else seen <= KINDS[fault]
    lost = [result for result in results if isinstance(result, RowError)]
    if fault != "huge":  # two answers that are too large end the row
        assert lost == []
        assert sum(engine.stats.retried.values()) == server.books.counts[fault]
        assert engine.stats.answered == n_rows
    assert {err.kind for err in lost} <= {"answer_too_large"}
    assert engine.stats.in_flight == 0


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_that_stays_becomes_a_dead_letter(fault, serve, connect):
    server = await serve(fault_rate=1.0, faults=(fault,), **SMALL)
    engine = await connect(server, row_deadline_s=0.9, **BOUNDS)
    with pytest.raises(RowError) as caught:
        await engine.sample(ask("question"), 1, PARAMS)
    allowed = KINDS[fault] | {f"deadline:{kind}" for kind in KINDS[fault]}
    if fault in ("hang", "trickle"):  # whichever bound comes first
        allowed |= {"deadline:timeout"}
    if fault == "429_wait":  # near the deadline, a wait that outlives the row is not believed
        allowed |= {"deadline:rate_limited_absurd_wait"}
    assert caught.value.kind in allowed
    assert server.base_url in caught.value.reason
    assert "gave up after" in caught.value.reason
    assert engine.stats.in_flight == 0


async def test_thirty_percent_faults_of_all_kinds_lose_nothing(serve, connect):
    server = await serve(fault_rate=0.3, seed=1, latency_s=0.002, **SMALL)
    engine = await connect(server, **BOUNDS)
    n_rows = 300

    async def row(number: int) -> str:
        try:
            return (await engine.sample(ask(f"question {number}"), 1, PARAMS))[0].text
        except RowError as err:
            return f"dead letter: {err.kind}"

    texts = await asyncio.gather(*(row(number) for number in range(n_rows)))
    dead = [text for text in texts if text.startswith("dead letter")]
    assert set(dead) <= {"dead letter: answer_too_large"}
    assert len(dead) < 10
    assert server.books.answers == len(server.books.answers_by_key) == n_rows - len(dead)
    assert len(server.books.counts) == len(FAULTS)


async def test_the_answer_is_the_one_that_was_sent(serve, connect):
    server = await serve()
    engine = await connect(server)
    answer = (await engine.sample(ask("question 1"), 1, SamplingParams(seed=7)))[0]
    (key,) = server.books.answers_by_key
    assert answer.text == answer_text(key, 0, 12)
    assert answer.finish_reason == "stop"
    assert (answer.n_prompt_tokens, answer.n_completion_tokens) == (6, 13)


async def test_two_huge_answers_end_the_row(serve, connect):
    server = await serve(fault_rate=1.0, faults=("huge",), **SMALL)
    engine = await connect(server, **BOUNDS)
    with pytest.raises(RowError, match="larger than 100000 bytes") as caught:
        await engine.sample(ask("question"), 1, PARAMS)
    assert caught.value.kind == "answer_too_large"
    assert server.books.counts["huge"] == 2


async def test_a_broken_shape_is_not_paid_for_until_the_deadline(serve, connect):
    server = await serve(fault_rate=1.0, faults=("empty_choices",))
    engine = await connect(server)
    with pytest.raises(RowError, match="gave up after 5 such answers") as caught:
        await engine.sample(ask("question"), 1, PARAMS)
    assert caught.value.kind == "empty_choices"
    assert server.books.counts["empty_choices"] == 5
