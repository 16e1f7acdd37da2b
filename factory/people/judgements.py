"""Comparisons as judgements: of each answer how often it won, as the judge `pairwise` says it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from factory.people.queue import SIDES, Item, Side, Word, other
from judges.llm.asking import graded
from judges.llm.pairwise import Result, count_results
from schemas.canonical import canonical_json
from schemas.records import Judgement

COUNTED = ("comparisons", "wins", "losses", "ties")  # no flips or splits: each pair is seen in one order


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison. `facts`: of both answers; `of_side`: of one of them."""

    item: Item
    word: Word
    note: str = ""
    facts: dict[str, Any] = {}
    of_side: dict[Side, dict[str, Any]] = {}


def judgements(judge: str, compared: Iterable[Compared]) -> Iterator[Judgement]:
    """One for each answer, in the order of the pairs: (wins + ties / 2) / comparisons.

    An answer that stands in several pairs has one judgement, as from a judge that compares all answers of a group.
    """
    found: dict[tuple[str, str], list[tuple[Compared, Side]]] = {}
    for one in compared:
        for side in SIDES:
            found.setdefault((one.item.prompt_id, _answer(one.item, side)), []).append((one, side))
    for (prompt_id, completion_id), sides in found.items():
        yield _judgement(judge, prompt_id, completion_id, sides)


def _judgement(judge: str, prompt_id: str, completion_id: str, sides: list[tuple[Compared, Side]]) -> Judgement:
    counts = count_results([_result(one.word, side) for one, side in sides])
    told = f"{counts['wins']} wins, {counts['ties']} ties, {counts['losses']} losses"
    notes = "; ".join(one.note for one, _ in sides if one.note)
    score = (counts["wins"] + counts["ties"] / 2) / counts["comparisons"]
    verdict = graded(score, f"{told}: {notes}" if notes else told)
    metadata = {**{name: counts[name] for name in COUNTED}, "against": [_against(one, side) for one, side in sides]}
    return Judgement(
        prompt_id=prompt_id,
        completion_id=completion_id,
        judge=judge,
        score=verdict.score,
        verdict=verdict.verdict,
        reason=verdict.reason,
        metadata=canonical_json(metadata).decode(),
    )


def _against(one: Compared, side: Side) -> dict[str, Any]:
    answer = {"completion_id": _answer(one.item, other(side)), "result": _result(one.word, side)}
    return {**answer, **one.facts, **one.of_side.get(side, {})}


def _answer(item: Item, side: Side) -> str:
    return item.completion_a if side == "a" else item.completion_b


def _result(word: Word, side: Side) -> Result:
    if word == "tie":
        return "tie"
    return "win" if word == side else "loss"
