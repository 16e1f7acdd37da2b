"""`--max-cost`: money is reserved before a request leaves, so the limit is never passed, only approached."""

from __future__ import annotations

import asyncio
from types import TracebackType

from factory.prices import Price
from factory.sampling.types import Answer, SamplingParams
from schemas.records import Message

TEMPLATE_TOKENS = 64  # room for what a chat template adds


class BudgetStop(Exception):
    """The next request could cost more than what is left."""


def most_tokens(messages: list[Message]) -> int:
    """No tokenizer makes more tokens than there are bytes."""
    return TEMPLATE_TOKENS + sum(len(turn.content.encode("utf-8", "replace")) for turn in messages)


class Reservation:
    """What one request may cost, held until it is answered. Use with `async with`."""

    def __init__(self, budget: Budget, most: float, price: Price | None) -> None:
        self._budget = budget
        self._most = most
        self._price = price
        self._cost = 0.0

    async def __aenter__(self) -> Reservation:
        await self._budget.hold(self._most)
        return self

    def settle(self, answer: Answer) -> None:
        """Note what the answer did cost."""
        self._budget.count(answer)
        if self._price is not None:
            self._cost = self._price.usd(answer.n_prompt_tokens, answer.n_completion_tokens)

    async def __aexit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._budget.release(self._most, self._cost)


class Budget:
    """US dollars spent and reserved by one build, over all its runs.

    Args:
        prices: by model; None where the price is not known.
        limit: US dollars, or None for no limit.
        spent: what earlier runs of this build spent.
    """

    def __init__(self, prices: dict[str, Price | None], limit: float | None = None, spent: float = 0.0) -> None:
        self.limit = limit
        self.spent = spent
        self.prompt_tokens = self.completion_tokens = 0  # of answers that were asked for by this run
        self._prices = prices
        self._reserved = 0.0
        self._freed = asyncio.Event()

    def reserve(self, model: str, messages: list[Message], params: SamplingParams) -> Reservation:
        price = self._prices.get(model)
        most = 0.0
        if price is not None and self.limit is not None:
            most = price.usd(most_tokens(messages), params.max_tokens)
        return Reservation(self, most, price)

    @property
    def is_known(self) -> bool:
        """Whether all models have a price, so that what is spent is known."""
        return None not in self._prices.values()

    def count(self, answer: Answer) -> None:
        self.prompt_tokens += answer.n_prompt_tokens
        self.completion_tokens += answer.n_completion_tokens

    async def hold(self, most: float) -> None:
        """Wait until `most` fits under the limit. Raises `BudgetStop` when it cannot, whatever is given back."""
        if self.limit is None:
            return
        while self.spent + self._reserved + most > self.limit:
            if self._reserved == 0:
                raise BudgetStop(f"${self.spent:.4f} of ${self.limit:.4f} spent; the next request may cost ${most:.4f}")
            self._freed.clear()
            await self._freed.wait()
        self._reserved += most

    def release(self, most: float, cost: float) -> None:
        self.spent += cost
        if self.limit is not None:
            self._reserved -= most
            if self._reserved < 1e-12:  # only rounding is left
                self._reserved = 0.0
            self._freed.set()
