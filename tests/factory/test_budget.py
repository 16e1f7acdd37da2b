"""The budget never passes its limit, whatever the answers cost."""

import asyncio
import random

import pytest

from factory.budget import Budget, BudgetStop, most_tokens
from factory.prices import FREE, Price, price_table
from factory.sampling.types import Answer, SamplingParams
from schemas.records import Message

PARAMS = SamplingParams(max_tokens=100)
ASK = [Message("user", "hello")]


def answer(n: int) -> Answer:
    return Answer(text="", finish_reason="stop", n_prompt_tokens=5, n_completion_tokens=n)


def test_price_by_hand():
    assert Price(2.5, 10.0).usd(1_000_000, 100_000) == pytest.approx(3.5)


def test_the_recipe_goes_before_the_table_and_local_models_are_free():
    table = price_table({"mine": {"prompt": 1, "completion": 2}, "gpt-4o": {"prompt": 9, "completion": 9}})
    assert table.price("mine", "openai") == Price(1, 2)
    assert table.price("gpt-4o", "openai") == Price(9, 9)
    assert table.price("unheard-of", "openai") is None
    assert table.price("ckpt/sft", "vllm") == FREE


async def test_spending_stays_under_the_limit_and_comes_near_it():
    draw = random.Random(1)
    price = Price(1.0, 10.0)
    budget = Budget({"m": price}, limit=0.05)
    asked = 0

    async def ask() -> None:
        nonlocal asked
        async with budget.reserve("m", ASK, PARAMS) as reservation:
            await asyncio.sleep(0)
            assert budget.spent <= 0.05
            reservation.settle(answer(draw.randint(0, 100)))
            asked += 1

    outcomes = await asyncio.gather(*(ask() for _ in range(500)), return_exceptions=True)
    assert any(isinstance(one, BudgetStop) for one in outcomes)
    assert 0.05 - price.usd(most_tokens(ASK), 100) < budget.spent <= 0.05
    assert 30 < asked < 500


async def test_a_failed_request_gives_its_reservation_back():
    budget = Budget({"m": Price(1.0, 10.0)}, limit=0.0012)

    async def fail() -> None:
        async with budget.reserve("m", ASK, PARAMS):
            raise ValueError("no answer")

    for _ in range(10):
        with pytest.raises(ValueError, match="no answer"):
            await fail()
    assert budget.spent == 0


async def test_what_earlier_runs_spent_counts():
    budget = Budget({"m": Price(1.0, 10.0)}, limit=0.01, spent=0.0099)
    with pytest.raises(BudgetStop, match=r"\$0\.0099 of \$0\.0100"):
        async with budget.reserve("m", ASK, PARAMS):
            pass
