"""How far people agree with judges, and with each other, on the pairs that both have a word on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

import msgspec
import numpy as np

from factory.people.queue import Item, Label, Queue, Said, Word, majority
from judges.agreement.bootstrap import Resampling, Units, figure, ratio
from judges.agreement.figure import Figure, Ints, missing
from judges.agreement.pairs import preference_agreement
from judges.agreement.verdicts import cohen_kappa

PEOPLE = "people"  # most of them, where a pair has several labels
DATA = "chosen"  # what the data itself prefers, in a queue of preference pairs
CODES: dict[Word, int] = {"a": 0, "b": 1, "tie": 2}
OUTCOMES = np.array([1.0, 0.0, 0.5])  # of a, by code
MIRRORED = np.array([1, 0, 2])  # the codes with a and b exchanged
Words = Mapping[int, Word]  # by the number of the pair


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """Of `pairs` that both have a word on. `alike`: of those that both order, the share that they order alike.

    `kappa`: Cohen's over a, b and tie, each pair counted in both orders: which answer is called a is chance, and says
    nothing. Intervals are of resampled prompts.
    """

    one: str
    other: str
    pairs: int
    tied_by_one: int
    tied_by_other: int
    alike: Figure
    kappa: Figure


def agreements(
    queue: Queue, items: Sequence[Item], labels: Sequence[Label], said: Iterable[Said], how: Resampling
) -> list[Agreement]:
    """People with each judge, then people with each other."""
    people, judges = words_of_people(labels), words_of_judges(queue, items, said)
    sides = {PEOPLE: words_of_most(labels), **people} if len(people) > 1 else people
    prompts = _prompts(items)
    pairs = [((one, sides[one]), (other, judges[other])) for one in sides for other in judges]
    pairs += list(combinations(people.items(), 2))
    return [_agreement(one, other, prompts, how) for one, other in pairs]


def first_wins(labels: Iterable[Label], items: Sequence[Item], how: Resampling) -> Figure:
    """How often the answer shown first was preferred: 0.5 where the position plays no part."""
    chosen = [label for label in labels if label.choice in ("first", "second")]
    wins = np.array([label.choice == "first" for label in chosen], dtype=np.float64)
    prompts = _prompts(items)
    units = Units(prompt=np.array([prompts[label.item] for label in chosen], dtype=np.int64), of="pairs")
    return figure(ratio(wins, np.ones(len(chosen)), "no preference"), units, how)


def words_of_people(labels: Iterable[Label]) -> dict[str, dict[int, Word]]:
    """By person, sorted. Skips are no words."""
    found: dict[str, dict[int, Word]] = defaultdict(dict)
    for label in labels:
        if (word := label.word) is not None:
            found[label.person][label.item] = word
    return dict(sorted(found.items()))


def words_of_most(labels: Iterable[Label]) -> dict[int, Word]:
    votes: dict[int, list[Word]] = defaultdict(list)
    for label in labels:
        if (word := label.word) is not None:
            votes[label.item].append(word)
    return {item: word for item, words in votes.items() if (word := majority(words)) is not None}


def words_of_judges(queue: Queue, items: Iterable[Item], said: Iterable[Said]) -> dict[str, dict[int, Word]]:
    """A flip is a tie here, as it is in the judge's score; what is missing or unclear is no word."""
    found: dict[str, dict[int, Word]] = {judge.name: {} for judge in queue.judges}
    for one in said:
        word = "tie" if one.trouble == "flip" else one.word
        if word is not None:
            found[one.judge][one.item] = word
    if queue.kind == "preference":
        found[DATA] = {item.number: "a" for item in items}
    return found


def _agreement(
    one: tuple[str, Words], other: tuple[str, Words], prompts: Mapping[int, int], how: Resampling
) -> Agreement:
    shared = [item for item in one[1] if item in other[1]]
    codes = [np.array([CODES[words[item]] for item in shared], dtype=np.int64) for _, words in (one, other)]
    prompt = np.array([prompts[item] for item in shared], dtype=np.int64)
    return Agreement(
        one=one[0],
        other=other[0],
        pairs=len(shared),
        tied_by_one=int((codes[0] == CODES["tie"]).sum()),
        tied_by_other=int((codes[1] == CODES["tie"]).sum()),
        alike=_alike(codes, prompt, how),
        kappa=_kappa(codes, prompt, how),
    )


def _alike(codes: Sequence[Ints], prompt: Ints, how: Resampling) -> Figure:
    a, b = (OUTCOMES[code] for code in codes)
    ordered = int(((a != 0.5) & (b != 0.5)).sum())
    return figure(preference_agreement(a, b), Units(prompt=prompt, of="pairs", n=ordered), how)


def _kappa(codes: Sequence[Ints], prompt: Ints, how: Resampling) -> Figure:
    if not len(prompt):
        return missing("no pairs", "pairs")
    a, b = (np.concatenate([code, MIRRORED[code]]) for code in codes)
    return figure(cohen_kappa(a, b), Units(prompt=np.tile(prompt, 2), of="pairs", n=len(prompt)), how)


def _prompts(items: Iterable[Item]) -> dict[int, int]:
    """A number for the prompt of each pair: what is resampled."""
    numbers: dict[str, int] = {}
    return {item.number: numbers.setdefault(item.prompt_id, len(numbers)) for item in items}
