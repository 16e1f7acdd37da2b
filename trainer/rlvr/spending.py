"""What LLM judges were asked, how it went and what it cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """Of one judge. `judged`, `abstained` and `failed` (by kind of error) count answers, one each; `requests` what its
    models were asked, tries that failed on the way left out. `usd` is null where a price is not known.
    """

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float | None = 0.0
    judged: int = 0
    abstained: int = 0
    failed: dict[str, int] = {}

    @property
    def answers(self) -> int:
        return self.judged + self.abstained + sum(self.failed.values())

    def __add__(self, other: Spent) -> Spent:
        kinds = self.failed.keys() | other.failed.keys()
        return Spent(
            requests=self.requests + other.requests,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            usd=None if self.usd is None or other.usd is None else self.usd + other.usd,
            judged=self.judged + other.judged,
            abstained=self.abstained + other.abstained,
            failed={kind: self.failed.get(kind, 0) + other.failed.get(kind, 0) for kind in sorted(kinds)},
        )


def total_spent(many: Iterable[Mapping[str, Spent]]) -> dict[str, Spent]:
    """By judge."""
    total: dict[str, Spent] = {}
    for spent in many:
        for name, one in spent.items():
            total[name] = total.get(name, Spent()) + one
    return dict(sorted(total.items()))


def judge_figures(spent: Mapping[str, Spent]) -> dict[str, float]:
    """`judge/NAME/...`: requests, tokens and US dollars; the shares of answers without a verdict."""
    found: dict[str, float] = {}
    for name, one in spent.items():
        figures = {
            "requests": float(one.requests),
            "prompt_tokens": float(one.prompt_tokens),
            "completion_tokens": float(one.completion_tokens),
            "abstained": one.abstained / max(1, one.answers),
            "failed": sum(one.failed.values()) / max(1, one.answers),
        }
        if one.usd is not None:
            figures["usd"] = one.usd
        found |= {f"judge/{name}/{key}": value for key, value in figures.items()}
    return found
