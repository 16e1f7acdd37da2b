"""What judges said of the pairs of a queue, from versions of labels."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from factory.people.pairs import pinned
from factory.people.queue import Item, JudgeRef, Said, Trouble, Word
from schemas.datasets import DatasetVersion, open_version
from schemas.errors import DataError
from schemas.records import Judgement

Key = tuple[str, str]  # prompt_id, completion_id
WORDS: dict[str, Word] = {"win": "a", "loss": "b", "tie": "tie", "split": "tie"}
FLIP: Trouble = "flip"
NOTHING: dict[str, str] = {}


class Scored(msgspec.Struct, frozen=True):
    """A judge's row on one answer. `against`: what it says of this one beside others, by their completion_id.

    `flips`: comparisons in which the judge followed the position.
    """

    score: float | None
    against: dict[str, str]
    flips: int


Rows = Mapping[Key, Sequence[Scored]]


def read_judges(refs: Sequence[str], items: Sequence[Item], home: Path) -> tuple[list[JudgeRef], list[Said]]:
    """Each judge of these versions of labels, and its word on each pair.

    Raises:
        DataError: a version holds something else, is named twice, or says nothing of any pair.
    """
    wanted = {(item.prompt_id, answer) for item in items for answer in (item.completion_a, item.completion_b)}
    found: list[tuple[JudgeRef, Rows]] = []
    for ref in refs:
        version = open_version(ref, home)
        named = pinned(version, ref)
        if any(judge.ref == named for judge, _ in found):
            raise DataError(f"{named}: named twice; name each version of judgements once")
        for name, rows in sorted(_by_judge(version, wanted).items()):
            found.append((JudgeRef(name, name, named, version.manifest.sha256), rows))
    judges = _told_apart([judge for judge, _ in found])
    pairs = zip(judges, (rows for _, rows in found), strict=True)
    return judges, [said for judge, rows in pairs for said in _words(judge.name, rows, items)]


def word_on(rows: Rows, item: Item) -> tuple[Word | None, Trouble | None]:
    """The judge's word, or why there is none that counts.

    A comparison of just these two goes before their scores, which may rest on comparisons with others as well.
    """
    a, b = (rows.get((item.prompt_id, answer), ()) for answer in (item.completion_a, item.completion_b))
    compared = {row.against[item.completion_b] for row in a if item.completion_b in row.against}
    if compared:
        return _of_results(compared)
    scores = [{row.score for row in side if row.score is not None} for side in (a, b)]
    if not all(scores):
        return None, "missing"
    if any(len(side) > 1 for side in scores):
        return None, "unclear"
    if any(row.flips for row in (*a, *b)):
        return None, FLIP
    [[first], [second]] = scores
    return ("tie" if first == second else "a" if first > second else "b"), None


def _of_results(compared: Collection[str]) -> tuple[Word | None, Trouble | None]:
    if FLIP in compared:
        return None, FLIP
    words = {WORDS[result] for result in compared}
    return (words.pop(), None) if len(words) == 1 else (None, "unclear")


def _words(judge: str, rows: Rows, items: Iterable[Item]) -> Iterator[Said]:
    for item in items:
        word, trouble = word_on(rows, item)
        yield Said(judge, item.number, word, trouble)


def _by_judge(version: DatasetVersion, wanted: Collection[Key]) -> dict[str, dict[Key, list[Scored]]]:
    """Only of the answers that are wanted."""
    if version.record is not Judgement:
        raise DataError(f"{version.name}: holds {version.manifest.kind}, not labels; name versions of labels")
    found: dict[str, dict[Key, list[Scored]]] = defaultdict(lambda: defaultdict(list))
    for number, row in enumerate(version.records()):
        assert isinstance(row, Judgement)
        if (row.prompt_id, row.completion_id) in wanted:
            where = f"{version.name}@v{version.manifest.version} row {number}"
            found[row.judge][row.prompt_id, row.completion_id].append(_scored(row, where))
    if not found:
        raise DataError(f"{version.name}: judges none of these answers; were the same answers judged?")
    return {judge: dict(rows) for judge, rows in found.items()}


def _scored(row: Judgement, where: str) -> Scored:
    if row.metadata is None:
        return Scored(row.score, NOTHING, 0)
    try:
        metadata = msgspec.json.decode(row.metadata, type=dict[str, Any])
    except msgspec.MsgspecError as err:
        raise DataError(f"{where}: metadata is no JSON object: {err}") from err
    flips = metadata.get("flips", 0)
    return Scored(row.score, _against(metadata.get("against", [])), flips if type(flips) is int else 0)


def _against(rows: object) -> dict[str, str]:
    """Of metadata as `pairwise` writes it; what is of another form says nothing."""
    known = (*WORDS, FLIP)
    found = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return {str(row.get("completion_id")): row["result"] for row in found if row.get("result") in known}


def _told_apart(judges: Sequence[JudgeRef]) -> list[JudgeRef]:
    """One name, one judge: two versions may hold judgements of judges of one name."""
    times = Counter(judge.name for judge in judges)
    return [
        judge if times[judge.name] == 1 else msgspec.structs.replace(judge, name=f"{judge.name} in {judge.ref}")
        for judge in judges
    ]
