"""How far a queue is: pairs by reason, what people did, and how they agree with the judges."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from typing import cast

import msgspec

from factory.people.agreement import Agreement, agreements, first_wins
from factory.people.queue import REASONS, Item, Label, Queue, Reason, Word
from factory.people.shown import Shown
from factory.people.store import PeopleStore
from judges.agreement.bootstrap import Resampling
from judges.agreement.figure import Figure

HOW = Resampling(resamples=200)  # of figures that a page waits for
COUNTS = """
SELECT name,
    (SELECT count(*) FROM people_item WHERE queue = name) AS pairs,
    (SELECT count(*) FROM people_item WHERE queue = name AND decided IS NULL) AS asked,
    (SELECT count(*) FROM people_item WHERE queue = name AND decided IS NULL AND votes >= people_queue.votes) AS done,
    (SELECT count(*) FROM people_label WHERE queue = name) AS labels
FROM people_queue WHERE ? IS NULL OR name = ?
"""
MINE = "SELECT count(*) AS labels FROM people_label WHERE queue = ? AND person = ?"
MARK = """
SELECT max(number) AS newest, count(*) AS labels, (SELECT created FROM people_queue WHERE name = ?) AS created
FROM people_label WHERE queue = ?
"""


class QueueLine(msgspec.Struct, frozen=True, kw_only=True):
    """`pairs`: all; `asked`: those that people see; `done`: of these, those with as many votes as wanted."""

    queue: Queue
    pairs: int
    asked: int
    done: int
    labels: int


class Next(msgspec.Struct, frozen=True, kw_only=True):
    """`pair`: null where nothing is left for this person, or others look at it. `mine`: labels so far."""

    pair: Shown | None
    mine: int
    queue: QueueLine


class ReasonLine(msgspec.Struct, frozen=True, kw_only=True):
    """`done`: pairs with as many votes as wanted. `decided`: what the judges say of those that people do not see."""

    reason: Reason
    words: str
    pairs: int
    done: int
    decided: dict[Word, int]


class PersonLine(msgspec.Struct, frozen=True, kw_only=True):
    """`first_wins`: how often the answer shown first was preferred. `seconds`: the middle one of those known."""

    person: str
    labels: int
    ties: int
    skipped: int
    first_wins: Figure
    seconds: float | None


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    line: QueueLine
    reasons: list[ReasonLine]
    people: list[PersonLine]
    agreement: list[Agreement]


def queue_lines(store: PeopleStore) -> list[QueueLine]:
    """Newest first."""
    counts = {row["name"]: row for row in store.rows(COUNTS, None, None)}
    return [_counted(queue, counts[queue.name]) for queue in store.queues() if queue.name in counts]


def queue_line(store: PeopleStore, name: str) -> QueueLine:
    """Raises NotFoundError."""
    queue = store.get(name)
    return _counted(queue, store.rows(COUNTS, name, name)[0])


def mark(store: PeopleStore, name: str) -> tuple[int, int, float]:
    """Another one whenever a label of the queue has come, gone or changed, or the queue is another of its name."""
    row = store.rows(MARK, name, name)[0]
    return row["newest"] or 0, row["labels"], row["created"] or 0.0


def count_mine(store: PeopleStore, name: str, person: str) -> int:
    """Labels that this person has given, skips among them."""
    return cast(int, store.rows(MINE, name, person)[0]["labels"])


def overview(store: PeopleStore, name: str, how: Resampling = HOW) -> Overview:
    """Raises NotFoundError."""
    queue, items, labels = store.get(name), store.items(name), store.labels(name)
    return Overview(
        line=_line(queue, items, labels),
        reasons=_reasons(queue, items),
        people=[_person(person, labels, items, how) for person in sorted({label.person for label in labels})],
        agreement=agreements(queue, items, labels, store.said(name), how),
    )


def _counted(queue: Queue, row: sqlite3.Row) -> QueueLine:
    counts = {name: row[name] for name in ("pairs", "asked", "done", "labels")}
    return QueueLine(queue=queue, **counts)


def _line(queue: Queue, items: Sequence[Item], labels: Sequence[Label]) -> QueueLine:
    asked = [item for item in items if item.decided is None]
    done = sum(item.votes >= queue.votes for item in asked)
    return QueueLine(queue=queue, pairs=len(items), asked=len(asked), done=done, labels=len(labels))


def _reasons(queue: Queue, items: Sequence[Item]) -> list[ReasonLine]:
    found = []
    for reason, words in REASONS.items():
        mine = [item for item in items if item.reason == reason]
        done = sum(item.decided is None and item.votes >= queue.votes for item in mine)
        decided = Counter(item.decided for item in mine if item.decided is not None)
        if mine:
            found.append(ReasonLine(reason=reason, words=words, pairs=len(mine), done=done, decided=dict(decided)))
    return found


def _person(person: str, labels: Sequence[Label], items: Sequence[Item], how: Resampling) -> PersonLine:
    mine = [label for label in labels if label.person == person]
    times = sorted(label.seconds for label in mine if label.seconds is not None)
    return PersonLine(
        person=person,
        labels=len(mine),
        ties=sum(label.choice == "tie" for label in mine),
        skipped=sum(label.choice == "skip" for label in mine),
        first_wins=first_wins(mine, items, how),
        seconds=times[len(times) // 2] if times else None,
    )
