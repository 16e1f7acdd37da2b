"""Queues of pairs and people's labels, in the service's database. Every call is one short transaction."""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from msgspec.structs import astuple

from factory.jobs.database import Database
from factory.people.queue import (
    CHOICES,
    MOST_NOTE,
    Choice,
    Item,
    Label,
    Queue,
    Said,
    check_name,
    check_queue,
    check_text,
    first_shown,
)
from factory.people.tables import (
    ITEM,
    LABEL,
    QUEUE,
    SAID,
    TABLES,
    find_item,
    find_queue,
    insert,
    queue_row,
    select,
    to_queue,
)
from schemas.errors import ConflictError, DataError

LOOK_S = 600  # how long a pair is kept from others for a person who looks at it
NEXT = """
SELECT item.* FROM people_item AS item
WHERE item.queue = :queue AND item.decided IS NULL AND item.votes < :wanted
AND NOT EXISTS (
    SELECT 1 FROM people_label WHERE queue = item.queue AND item = item.number AND person = :person
)
AND item.votes + (
    SELECT count(*) FROM people_look AS look
    WHERE look.queue = item.queue AND look.item = item.number AND look.person <> :person AND look.until > :now
) < :wanted
ORDER BY item.number LIMIT 1
"""
COUNT_VOTES = """
UPDATE people_item SET votes = (
    SELECT count(*) FROM people_label WHERE queue = :queue AND item = :item AND choice <> 'skip'
) WHERE queue = :queue AND number = :item
"""
LOOK = """
INSERT INTO people_look (queue, person, item, since, until) VALUES (:queue, :person, :item, :now, :until)
ON CONFLICT (queue, person) DO UPDATE SET
    since = CASE WHEN item = excluded.item THEN since ELSE excluded.since END,
    item = excluded.item, until = excluded.until
"""


class PeopleStore(Database):
    """Safe to use from several threads. `home`: the workspace."""

    tables = TABLES

    def __init__(self, home: Path, clock: Callable[[], float] = time.time) -> None:
        super().__init__(home)
        self.clock = clock

    def add(self, queue: Queue, items: Iterable[Item], said: Iterable[Said] = ()) -> None:
        """Raises DataError: a name or a number that cannot be; ConflictError: there is a queue of this name."""
        check_queue(queue)
        with self.transaction() as connection:
            if connection.execute("SELECT 1 FROM people_queue WHERE name = ?", (queue.name,)).fetchone():
                raise ConflictError(f"there is a queue {queue.name!r}; give the new one another name")
            connection.execute(insert("people_queue", QUEUE), queue_row(queue))
            for table, columns, values in (("people_item", ITEM, items), ("people_said", SAID, said)):
                rows = ((queue.name, *astuple(each)) for each in values)
                connection.executemany(insert(table, ("queue", *columns)), rows)

    def queues(self) -> list[Queue]:
        """Newest first."""
        return [to_queue(row) for row in self.rows(f"{select('people_queue', QUEUE)} ORDER BY created DESC, name")]

    def get(self, name: str) -> Queue:
        """Raises NotFoundError."""
        with self.reading() as connection:
            return find_queue(connection, name)

    def item(self, name: str, number: int) -> Item:
        """Raises NotFoundError."""
        with self.reading() as connection:
            find_queue(connection, name)
            return find_item(connection, name, number)

    def asked(self, name: str, number: int) -> Item:
        """A pair that people see. Raises NotFoundError, and ConflictError where the judges decided it."""
        item = self.item(name, number)
        _must_be_asked(item, name)
        return item

    def items(self, name: str) -> list[Item]:
        self.get(name)
        query = f"{select('people_item', ITEM)} WHERE queue = ? ORDER BY number"
        return [Item(**dict(row)) for row in self.rows(query, name)]

    def said(self, name: str) -> list[Said]:
        """By judge, then by pair."""
        query = f"{select('people_said', SAID)} WHERE queue = ? ORDER BY judge, item"
        return [Said(**dict(row)) for row in self.rows(query, name)]

    def labels(self, name: str) -> list[Label]:
        """By pair, then by person."""
        self.get(name)
        query = f"{select('people_label', LABEL)} WHERE queue = ? ORDER BY item, person"
        return [Label(**dict(row)) for row in self.rows(query, name)]

    def label_of(self, name: str, person: str, number: int) -> Label | None:
        query = f"{select('people_label', LABEL)} WHERE queue = ? AND person = ? AND item = ?"
        found = self.rows(query, name, person, number)
        return Label(**dict(found[0])) if found else None

    def next(self, name: str, person: str) -> Item | None:
        """The first pair that lacks votes, that this person has not labelled, and that others do not look at enough.

        It is kept from others for `LOOK_S` seconds, so that two people who begin together do not do the same work.
        """
        check_name("person", person)
        now = self.clock()
        with self.transaction() as connection:
            queue = find_queue(connection, name)
            asked = {"queue": name, "person": person, "wanted": queue.votes, "now": now, "until": now + LOOK_S}
            row = connection.execute(NEXT, asked).fetchone()
            if row is None:
                return None
            connection.execute(LOOK, {**asked, "item": row["number"]})
            return Item(**{field: row[field] for field in ITEM})

    def label(
        self, name: str, person: str, number: int, choice: Choice, *, note: str = "", seconds: float | None = None
    ) -> Label:
        """Say which answer is better, or change one's mind. `seconds`: by default since `next` gave the pair.

        Raises:
            DataError: a name, choice, note or number that cannot be.
            NotFoundError: no such queue or pair.
            ConflictError: the judges decided this pair, and people are not asked.
        """
        _check_label(person, choice, note, seconds)
        with self.transaction() as connection:
            queue, item = find_queue(connection, name), find_item(connection, name, number)
            _must_be_asked(item, name)
            now = self.clock()
            label = Label(
                item=number,
                person=person,
                choice=choice,
                shown_first=first_shown(queue.seed, number, person),
                note=note,
                seconds=_looked(connection, name, person, number, now) if seconds is None else seconds,
                time=now,
            )
            _forget(connection, name, person, number)
            connection.execute(insert("people_label", ("queue", *LABEL)), (name, *astuple(label)))
            connection.execute("DELETE FROM people_look WHERE queue = ? AND person = ?", (name, person))
            connection.execute(COUNT_VOTES, {"queue": name, "item": number})
        return label

    def undo(self, name: str, person: str) -> Label | None:
        """Take back what this person said last. None: there is nothing to take back."""
        check_name("person", person)
        with self.transaction() as connection:
            find_queue(connection, name)
            query = f"{select('people_label', LABEL)} WHERE queue = ? AND person = ? ORDER BY number DESC LIMIT 1"
            row = connection.execute(query, (name, person)).fetchone()
            if row is None:
                return None
            _forget(connection, name, person, row["item"])
            connection.execute(COUNT_VOTES, {"queue": name, "item": row["item"]})
            return Label(**dict(row))


def _must_be_asked(item: Item, name: str) -> None:
    if item.decided is not None:
        raise ConflictError(f"pair {item.number} of {name} is decided by the judges; people are not asked about it")


def _check_label(person: str, choice: Choice, note: str, seconds: float | None) -> None:
    check_name("person", person)
    check_text("note", note, MOST_NOTE)
    if choice not in CHOICES:
        raise DataError(f"choice {choice!r}: must be one of {', '.join(CHOICES)}")
    if seconds is not None and not (math.isfinite(seconds) and seconds >= 0):
        raise DataError(f"seconds {seconds}: must be a number, 0 or more")


def _looked(connection: sqlite3.Connection, name: str, person: str, number: int, now: float) -> float | None:
    """Seconds since this pair was given to this person."""
    query = "SELECT since FROM people_look WHERE queue = ? AND person = ? AND item = ?"
    row = connection.execute(query, (name, person, number)).fetchone()
    return None if row is None else max(0.0, now - row["since"])


def _forget(connection: sqlite3.Connection, name: str, person: str, number: int) -> None:
    """A label that is given anew is the last one."""
    connection.execute("DELETE FROM people_label WHERE queue = ? AND person = ? AND item = ?", (name, person, number))
