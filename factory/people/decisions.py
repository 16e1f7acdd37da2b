"""What was decided of each pair of a queue, and by whom."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec

from factory.people.queue import Item, Label, Queue, Side, Word, majority, other

Unable = Literal["unlabelled", "skipped"]


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """`word`: None where nobody could decide; `unable` says why. `votes`: of people, in the order of their names."""

    item: Item
    by: Literal["people", "judges"]
    word: Word | None
    votes: tuple[Word, ...] = ()
    unable: Unable | None = None

    def facts(self, queue: Queue) -> dict[str, Any]:
        """For the metadata of rows that rest on it."""
        said: dict[str, Any] = {"decided_by": self.by, "reason": self.item.reason, "queue": queue.name}
        return said if self.by == "people" else said | {"judges": [judge.name for judge in queue.judges]}

    def votes_of(self, side: Side) -> dict[str, Any]:
        """For the metadata of one of the two answers. Empty where judges decided."""
        if self.by == "judges":
            return {}
        counted = {"for": side, "against": other(side), "ties": "tie"}
        return {"votes": {name: self.votes.count(word) for name, word in counted.items()}}


def decide(items: Iterable[Item], labels: Iterable[Label]) -> list[Decision]:
    """Of every pair: the judges' word where they agree and people were not asked, else that of most people."""
    of_item: dict[int, list[Label]] = defaultdict(list)
    for label in labels:
        of_item[label.item].append(label)
    return [_decide(item, of_item.get(item.number, [])) for item in items]


def _decide(item: Item, labels: Sequence[Label]) -> Decision:
    if item.decided is not None:
        return Decision(item=item, by="judges", word=item.decided)
    votes = tuple(word for label in labels if (word := label.word) is not None)
    unable: Unable | None = None if votes else "skipped" if labels else "unlabelled"
    return Decision(item=item, by="people", word=majority(votes), votes=votes, unable=unable)
