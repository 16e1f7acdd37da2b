"""New queues: of a version's pairs, and of those that judges do not agree on."""

from __future__ import annotations

import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import msgspec
from msgspec.structs import replace

from factory.people.pairs import in_drawn_order, pinned, read_pairs
from factory.people.queue import TROUBLES, Item, Queue, Reason, Said, Word, check_queue
from factory.people.said import read_judges
from factory.people.store import PeopleStore
from factory.sampling.request import derive_seed
from schemas.datasets import open_version
from schemas.errors import DataError


class NewQueue(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants to have labelled. `limit`: so many pairs, drawn by the seed. `check`: see `Queue`."""

    name: str
    data: str
    rubric: str = ""
    votes: int = 1
    seed: int = 0
    pairs_per_prompt: int | None = None
    limit: int | None = None
    judgements: Sequence[str] = ()
    check: float = 0.0


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """`reasons`: pairs by reason; `asked`: those that people see."""

    queue: Queue
    pairs: int
    asked: int
    reasons: dict[Reason, int]


def make_queue(store: PeopleStore, new: NewQueue) -> Made:
    """All pairs go to people. Judgements are only what their labels are compared with.

    Raises:
        DataError: says what is wrong with the data, a judgement or a number.
        ConflictError: there is a queue of this name.
    """
    if new.limit is not None and new.limit < 1:
        raise DataError(f"--limit {new.limit}: 1 or more")
    if new.check:
        raise DataError("a share to check is for routed queues; people see all pairs here")
    queue, items = _begin(store, new)
    queue, said = _with_judges(store, queue, items, new)
    return _add(store, queue, items, said)


def route(store: PeopleStore, new: NewQueue) -> Made:
    """People see the pairs on which the judges do not agree; on the others the judges' word stands. Raises as above."""
    if not new.judgements:
        raise DataError("give the judges' versions of labels with --judgements; without any there is nothing to route")
    if new.limit is not None:
        raise DataError("a routed queue holds all pairs of its data; leave out --limit")
    queue, items = _begin(store, new)
    queue, said = _with_judges(store, queue, items, new)
    queue = replace(queue, is_routed=True)
    return _add(store, queue, _routed(queue, items, said), said)


def reason_of(said: Iterable[Said]) -> tuple[Reason, Word | None]:
    """Why people are asked about a pair, or "agree" and the word of all judges.

    The trouble that comes first in this order counts: missing, unclear, flip, disagree, tie.
    """
    words, troubles = {one.word for one in said}, {one.trouble for one in said}
    for trouble in TROUBLES:
        if trouble in troubles:
            return trouble, None
    if {"a", "b"} <= words:
        return "disagree", None
    if len(words) > 1:
        return "tie", None
    return "agree", words.pop()


def _begin(store: PeopleStore, new: NewQueue) -> tuple[Queue, list[Item]]:
    version = open_version(new.data, store.home)
    queue = Queue(
        name=new.name,
        data=pinned(version, new.data),
        sha256=version.manifest.sha256,
        kind=version.manifest.kind,
        rubric=new.rubric.strip(),
        votes=new.votes,
        seed=new.seed,
        pairs_per_prompt=new.pairs_per_prompt,
        check=new.check,
        created=time.time(),
    )
    check_queue(queue)
    items = in_drawn_order(read_pairs(version, new.pairs_per_prompt, new.seed), new.seed, new.limit)
    if not items:
        raise DataError(f"{queue.data}: no two different answers to any prompt: there is nothing to compare")
    return queue, items


def _with_judges(store: PeopleStore, queue: Queue, items: Sequence[Item], new: NewQueue) -> tuple[Queue, list[Said]]:
    judges, said = read_judges(new.judgements, items, store.home)
    return replace(queue, judges=judges), said


def _routed(queue: Queue, items: Iterable[Item], said: Iterable[Said]) -> list[Item]:
    of_item: dict[int, list[Said]] = defaultdict(list)
    for one in said:
        of_item[one.item].append(one)
    return [_decided(queue, item, of_item[item.number]) for item in items]


def _decided(queue: Queue, item: Item, said: Sequence[Said]) -> Item:
    reason, word = reason_of(said)
    if reason == "agree" and _is_checked(queue, item):
        return replace(item, reason="check")
    return replace(item, reason=reason, decided=word)


def _is_checked(queue: Queue, item: Item) -> bool:
    """Drawn by the seed, whatever the judges say."""
    return (
        queue.check > 0
        and random.Random(derive_seed(queue.seed, "check", item.row_a, item.row_b)).random() < queue.check
    )


def _add(store: PeopleStore, queue: Queue, items: Sequence[Item], said: Sequence[Said]) -> Made:
    store.add(queue, items, said)
    counts = Counter(item.reason for item in items)
    return Made(
        queue=queue,
        pairs=len(items),
        asked=sum(item.decided is None for item in items),
        reasons=dict(counts.most_common()),
    )
