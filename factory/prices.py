"""What providers charge, in US dollars a million tokens. The table is dated; a recipe's `[run.prices]` goes first."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import msgspec

LOCAL_ENGINES = frozenset({"vllm", "transformers", "replay", "solver"})


class Price(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """US dollars for a million prompt tokens and for a million completion tokens."""

    prompt: float
    completion: float

    def usd(self, n_prompt_tokens: int, n_completion_tokens: int) -> float:
        return (n_prompt_tokens * self.prompt + n_completion_tokens * self.completion) / 1e6


FREE = Price(0.0, 0.0)


class PriceTable(msgspec.Struct, frozen=True):
    """Prices by model name, and the day they were read."""

    date: str
    models: dict[str, Price]

    def price(self, model: str, engine: str) -> Price | None:
        """None: the table does not know the model, so its cost cannot be told."""
        if model in self.models:
            return self.models[model]
        return FREE if engine in LOCAL_ENGINES else None


@cache
def _shipped() -> PriceTable:
    return msgspec.convert(json.loads(files("factory").joinpath("prices.json").read_bytes()), PriceTable)


def price_table(overrides: Mapping[str, Mapping[str, float]]) -> PriceTable:
    """The shipped table with a recipe's own prices over it."""
    shipped = _shipped()
    own = {model: msgspec.convert(dict(price), Price) for model, price in overrides.items()}
    return PriceTable(shipped.date, {**shipped.models, **own})
