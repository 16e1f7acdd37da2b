"""The answers of a row, and what judges said of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from factory.looking.turns import Text, Turn, cut, length_of, maybe_cut, read_metadata, to_turns
from schemas.records import Completion, Judgement, Message, PreferencePair, Record, Trace

MOST_JUDGED = 50  # of one answer


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What a judge or verifier said of an answer. `source`: where it stands: "metadata", or the version of labels."""

    judge: str
    score: float | None
    verdict: str | None
    reason: Text | None
    raw: Text | None = None
    source: str = "metadata"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One side of a row. `label`: "chosen", "rejected", "completion", "messages"."""

    label: str
    turns: list[Turn]
    characters: int
    tokens: int | None
    score: float | None = None
    model: str | None = None
    revision: str | None = None
    completion_id: str | None = None
    judged: list[Judged] = []


def answers_of(row: Record, characters: int) -> list[Answer]:
    """None for a row that holds no answer. `characters`: of each text that are shown."""
    make = _ANSWERS.get(type(row))
    return [] if make is None else make(row, characters)


def said_of(row: Record) -> list[list[Message]]:
    """The turns of each answer, whole, in the order of `answers_of`."""
    match row:
        case Completion():
            return [row.completion]
        case Trace():
            return [row.messages[-1:]]
        case PreferencePair():
            return [row.chosen, row.rejected]
    return []


def to_judged(row: Judgement, source: str, characters: int, below: str = "") -> Judged:
    """`below`: what the paths of its texts begin with, where they are of another row than the one that is shown."""
    return Judged(
        judge=row.judge,
        score=row.score,
        verdict=row.verdict,
        reason=cut(row.reason, f"{below}reason", characters),
        raw=maybe_cut(row.raw, f"{below}raw", characters),
        source=source,
    )


def _pair(row: PreferencePair, characters: int) -> list[Answer]:
    kept = _table(read_metadata(row.metadata), "preference")
    return [
        Answer(
            label=side,
            turns=to_turns(getattr(row, side), side, characters),
            characters=length_of(getattr(row, side)),
            tokens=getattr(row, f"n_{side}_tokens"),
            score=getattr(row, f"score_{side}"),
            model=getattr(row, f"model_{side}"),
            revision=getattr(row, f"revision_{side}"),
            completion_id=getattr(row, f"completion_id_{side}"),
            judged=_judged_side(kept, side, getattr(row, f"completion_id_{side}"), characters),
        )
        for side in ("chosen", "rejected")
    ]


def _completion(row: Completion, characters: int) -> list[Answer]:
    return [_sampled(row, row.completion, "completion", (0, characters), row.completion_id)]


def _trace(row: Trace, characters: int) -> list[Answer]:
    return [_sampled(row, row.messages[-1:], "messages", (len(row.messages) - 1, characters), row.trace_id)]


def _sampled(
    row: Completion | Trace, turns: Sequence[Message], column: str, cutting: tuple[int, int], completion_id: str
) -> Answer:
    """`cutting`: the place of the first turn in its column, and the characters of each text."""
    first, characters = cutting
    metadata = read_metadata(row.metadata)
    judged = [*_of_rollout(metadata, characters), *_of_best(metadata, completion_id, characters)]
    return Answer(
        label=column,
        turns=to_turns(turns, column, characters, first),
        characters=length_of(turns),
        tokens=row.n_completion_tokens,
        score=_number(_table(metadata, "rollout").get("reward", _table(metadata, "best_of").get("score"))),
        model=row.model,
        revision=row.revision,
        completion_id=completion_id,
        judged=judged[:MOST_JUDGED],
    )


def _judged_side(kept: dict[str, Any], side: str, completion_id: str, characters: int) -> list[Judged]:
    """Of a pair: each judge's score and reason."""
    reasons = _table(_table(kept, "reasons"), side)
    scores = _scores_of(kept, completion_id)
    place = f"metadata.preference.reasons.{side}"
    return _judges(scores, reasons, place, characters)


def _of_best(metadata: dict[str, Any], completion_id: str, characters: int) -> list[Judged]:
    kept = _table(metadata, "best_of")
    return _judges(_scores_of(kept, completion_id), _table(kept, "reasons"), "metadata.best_of.reasons", characters)


def _of_rollout(metadata: dict[str, Any], characters: int) -> list[Judged]:
    """The parts of its reward, with what LLM judges said; and the verifier's verdict."""
    kept = _table(metadata, "rollout")
    judged = _judges(_table(kept, "parts"), _table(kept, "said"), "metadata.rollout.said", characters)
    correct, reason = kept.get("correct"), kept.get("reason")
    if not isinstance(reason, str):
        return judged
    verdict = None if correct is None else "correct" if correct else "wrong"
    told = cut(reason, "metadata.rollout.reason", characters)
    return [Judged(judge="reward", score=_number(kept.get("reward")), verdict=verdict, reason=told), *judged]


def _judges(scores: dict[str, Any], reasons: dict[str, Any], place: str, characters: int) -> list[Judged]:
    names = [*dict.fromkeys([*scores, *reasons])][:MOST_JUDGED]
    return [
        Judged(
            judge=name,
            score=_number(scores.get(name)),
            verdict=None,
            reason=maybe_cut(_said(reasons.get(name)), f"{place}.{name}", characters),
        )
        for name in names
    ]


def _said(value: Any) -> str | None:  # noqa: ANN401 - any JSON value
    return value if isinstance(value, str) else None


def _scores_of(kept: dict[str, Any], completion_id: str) -> dict[str, Any]:
    """Each judge's score of one candidate."""
    candidates = kept.get("candidates")
    for one in candidates if isinstance(candidates, list) else ():
        if isinstance(one, dict) and one.get("completion_id") == completion_id:
            return _table(one, "scores")
    return {}


def _table(fields: dict[str, Any], name: str) -> dict[str, Any]:
    """What stands there, if it is an object: the metadata may be anybody's."""
    value = fields.get(name)
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> float | None:  # noqa: ANN401 - any JSON value
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


_ANSWERS: dict[type[Record], Callable[[Any, int], list[Answer]]] = {
    PreferencePair: _pair,
    Completion: _completion,
    Trace: _trace,
}
