"""The base corpus: what several kinds of writers make of the tasks, as real text has careful and careless ones."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import NamedTuple

import msgspec

from bench.demo_base.tasks import BASE_SEED, LEVEL_STRIDE, cells, entries
from factory.sampling.solver.families import FAMILIES
from factory.sampling.solver.leg_counting import LEGS_OF
from factory.sampling.solver.worked import Worked

SIDES = (2, 3, 4)  # of the matrices at each level


class Document(NamedTuple):
    question: str
    reasoning: str | None
    answer: str


class Writers(msgspec.Struct, frozen=True):
    """Shares of documents: bare `facts`; `careless` ones think and slip at a step with the chance `slip`;
    `hasty` ones do not think and slip in what they answer. The rest is careful and right."""

    facts: float = 0.0
    sums: float = 0.35  # of the facts: those of a running total and a digit, at most 0.7
    careless: float = 0.0
    hasty: float = 0.0
    slip: float = 0.0
    terms: tuple[int, int, int] = (3, 4, 5)  # of the sums at each level


def documents(writers: Writers, taboo: set[str], rng: Random, size: int, start: int) -> list[Document]:
    """About `size` documents in random order, none on a question of `taboo`.

    They take the entries from `start` on of every family and level, at most `size / 12` of each.
    """
    each = per_cell(writers, size)
    asked = [
        (family, entry["question"])
        for number, (family, level) in enumerate(cells())
        for entry in entries(
            family, level, BASE_SEED + number * LEVEL_STRIDE, each, start, **_settings(family, level, writers)
        )
        if entry["question"] not in taboo
    ]
    made = [_written(family, question, writers, rng) for family, question in asked]
    made += [_fact(writers.sums, rng) for _ in range(int(size * writers.facts))]
    rng.shuffle(made)
    return made


def _settings(family: str, level: int, writers: Writers) -> dict[str, int]:
    """Where the corpus goes beyond the demo's levels."""
    if family == "chain_sum":
        return {"min_terms": writers.terms[level], "max_terms": writers.terms[level]}
    return {"min_n": SIDES[level], "max_n": SIDES[level]} if family == "spiral_matrix" else {}


def per_cell(writers: Writers, size: int) -> int:
    return int(size * (1 - writers.facts) / len(cells()))


def _written(family: str, question: str, writers: Writers, rng: Random) -> Document:
    kind = rng.random()
    if kind < writers.hasty:
        return Document(question, None, _worked(family, question, partial(_slipping, rng, writers.slip)).answer)
    if kind < writers.hasty + writers.careless:
        worked = _worked(family, question, partial(_slipping, rng, writers.slip))
        return Document(question, worked.reasoning, worked.answer)
    worked = _worked(family, question, str)
    return Document(question, worked.reasoning, worked.answer)


def _worked(family: str, question: str, pen) -> Worked:
    worked = FAMILIES[family](question, pen)
    if worked is None:
        raise ValueError(f"{family}: the solver does not know the question {question!r}")
    return worked


def _slipping(rng: Random, chance: float, result: str) -> str:
    """A near miss, now and then: a number somewhat off, another letter."""
    if rng.random() >= chance:
        return result
    if result.lstrip("-").isdigit():
        number = int(result)
        if result.isdigit() and number < 10:
            return str((number + rng.choice((1, 2, 8, 9))) % 10)
        return str(number + rng.choice((-10, -2, -1, 1, 2, 10)))
    return chr((ord(result.lower()) - ord("a") + rng.choice((-1, 1))) % 26 + ord("a"))


def _fact(sums: float, rng: Random) -> Document:
    kind = rng.random()
    if kind < 0.15:
        animal = rng.choice(list(LEGS_OF))
        return Document(f"1 {animal}", None, str(LEGS_OF[animal]))
    if kind < 0.3:
        count, legs = rng.randint(1, 5), rng.choice(list(set(LEGS_OF.values())))
        return Document(f"{count} x {legs} =", None, str(count * legs))
    if kind < 0.3 + sums:
        total, term = rng.randint(-40, 60), rng.randint(1, 9)
        minus = rng.random() < 0.5
        return Document(f"{total} {'-' if minus else '+'} {term} =", None, str(total - term if minus else total + term))
    product = rng.randint(1, 5) * rng.choice(list(LEGS_OF.values()))
    total = rng.randint(0, 130)
    return Document(f"{total} + {product} =", None, str(total + product))
