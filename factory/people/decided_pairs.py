"""The pairs of a queue as preference pairs: chosen is what people, or the judges where they agree, prefer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from factory.one_pass import run_pass
from factory.people.collect import Collected, pair_books, read_queue, to_pass
from factory.people.decisions import Decision
from factory.people.queue import Queue, Side, Word
from factory.people.store import PeopleStore
from pipelines.groups import PlacedGroup, read_groups
from pipelines.preference.pairs import to_pair
from pipelines.rows import RowResult, StageTally, rejection
from schemas.errors import CorruptError
from schemas.manifest import Manifest
from schemas.records import Completion, PreferencePair


def collect_pairs(store: PeopleStore, name: str, out: str) -> Manifest:
    """Preference pairs in the order of the data. Ties are no pairs: they are dropped, and counted.

    Raises:
        NotFoundError: no such queue; CorruptError: its data is gone or another.
        NothingMade: no pair is decided.
    """
    found = read_queue(store, name)
    return run_pass(to_pass(found, "preference", out), lambda: _results(found))


def _results(found: Collected) -> Iterator[RowResult]:
    yield pair_books(found)
    decided = [decision for decision in found.decisions if decision.word is not None]
    decided.sort(key=lambda decision: (decision.item.row_a, decision.item.row_b))
    groups = read_groups(found.version, 0, found.version.manifest.rows)
    for decision, placed in _placed(decided, groups):
        yield _result(decision, placed, found.queue)


def _placed(decided: Sequence[Decision], groups: Iterator[PlacedGroup]) -> Iterator[tuple[Decision, PlacedGroup]]:
    """Each decision with the rows that it is of. Both in the order of the rows."""
    placed: PlacedGroup | None = None
    for decision in decided:
        while placed is None or placed.stop <= decision.item.row_a:
            placed = next(groups)
        yield decision, placed


def _result(decision: Decision, placed: PlacedGroup, queue: Queue) -> RowResult:
    item, prompt = decision.item, placed.group.prompt
    if decision.word == "tie":
        dropped = [rejection(item.prompt_id, "preference", "tie", f"pair {item.number} of {queue.name}: a tie")]
        return RowResult(rows=[], rejections=dropped, stages=[StageTally("preference", 1, 0)], n_inputs=0)
    chosen: Side = "a" if decision.word == "a" else "b"
    a, b = _sides(decision, placed)
    sides = (a, b) if chosen == "a" else (b, a)
    judge = "people" if decision.by == "people" else " and ".join(one.name for one in queue.judges)
    kept = decision.facts(queue) | decision.votes_of(chosen)
    row: PreferencePair = to_pair(prompt, sides, _scores(decision), judge, kept)
    return RowResult(rows=[row], rejections=[], stages=[StageTally("preference", 1, 1)], n_inputs=0)


def _sides(decision: Decision, placed: PlacedGroup) -> tuple[Completion, Completion]:
    """a and b."""
    item, answers = decision.item, placed.group.completions
    places = (0, 1) if item.row_a == item.row_b else (item.row_a - placed.start, item.row_b - placed.start)
    a, b = (answers[place] for place in places)
    if (a.completion_id, b.completion_id) != (item.completion_a, item.completion_b):
        raise CorruptError(f"row {item.row_a}: holds other answers than pair {item.number} of the queue")
    return a, b


def _scores(decision: Decision) -> tuple[float, float]:
    """Of chosen and rejected: the share of the votes, a tie being half a vote for either."""
    votes: Sequence[Word] = decision.votes or ("a",)
    won = max(votes.count("a"), votes.count("b")) + votes.count("tie") / 2
    return won / len(votes), 1 - won / len(votes)
