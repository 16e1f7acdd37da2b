"""The tables of people's labels in the service's database, and their rows."""

from __future__ import annotations

import sqlite3

import msgspec

from factory.people.queue import Item, JudgeRef, Label, Queue, Said
from schemas.errors import NotFoundError

QUEUE, ITEM, SAID, LABEL = (kind.__struct_fields__ for kind in (Queue, Item, Said, Label))
TABLES = (
    """
CREATE TABLE IF NOT EXISTS people_queue (
    name TEXT PRIMARY KEY,
    data TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    kind TEXT NOT NULL,
    rubric TEXT NOT NULL,
    votes INTEGER NOT NULL,
    seed INTEGER NOT NULL,
    pairs_per_prompt INTEGER,
    judges TEXT NOT NULL,
    is_routed INTEGER NOT NULL,
    "check" REAL NOT NULL,
    created REAL NOT NULL
) STRICT
""",
    """
CREATE TABLE IF NOT EXISTS people_item (
    queue TEXT NOT NULL,
    number INTEGER NOT NULL,
    row_a INTEGER NOT NULL,
    row_b INTEGER NOT NULL,
    prompt_id TEXT NOT NULL,
    completion_a TEXT NOT NULL,
    completion_b TEXT NOT NULL,
    reason TEXT NOT NULL,
    decided TEXT CHECK (decided IN ('a', 'b', 'tie')),
    votes INTEGER NOT NULL,
    PRIMARY KEY (queue, number)
) STRICT, WITHOUT ROWID
""",
    "CREATE INDEX IF NOT EXISTS people_item_votes ON people_item (queue, decided, votes)",  # all that is counted
    """
CREATE TABLE IF NOT EXISTS people_said (
    queue TEXT NOT NULL,
    judge TEXT NOT NULL,
    item INTEGER NOT NULL,
    word TEXT CHECK (word IN ('a', 'b', 'tie')),
    trouble TEXT,
    PRIMARY KEY (queue, judge, item)
) STRICT, WITHOUT ROWID
""",
    """
CREATE TABLE IF NOT EXISTS people_label (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL,
    item INTEGER NOT NULL,
    person TEXT NOT NULL,
    choice TEXT NOT NULL CHECK (choice IN ('first', 'second', 'tie', 'skip')),
    shown_first TEXT NOT NULL CHECK (shown_first IN ('a', 'b')),
    note TEXT NOT NULL,
    seconds REAL,
    time REAL NOT NULL,
    UNIQUE (queue, item, person)
) STRICT
""",
    # What a person is looking at: one pair, which is kept from others for a while.
    """
CREATE TABLE IF NOT EXISTS people_look (
    queue TEXT NOT NULL,
    person TEXT NOT NULL,
    item INTEGER NOT NULL,
    since REAL NOT NULL,
    until REAL NOT NULL,
    PRIMARY KEY (queue, person)
) STRICT, WITHOUT ROWID
""",
)


def insert(table: str, columns: tuple[str, ...]) -> str:
    return f"INSERT INTO {table} ({_names(columns)}) VALUES ({', '.join('?' * len(columns))})"


def select(table: str, columns: tuple[str, ...]) -> str:
    return f"SELECT {_names(columns)} FROM {table}"


def find_queue(connection: sqlite3.Connection, name: str) -> Queue:
    """Raises NotFoundError."""
    row = connection.execute(f"{select('people_queue', QUEUE)} WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise NotFoundError(f"there is no queue {name!r}; `factory people ls` lists them")
    return to_queue(row)


def find_item(connection: sqlite3.Connection, queue: str, number: int) -> Item:
    """Raises NotFoundError."""
    query = f"{select('people_item', ITEM)} WHERE queue = ? AND number = ?"
    row = connection.execute(query, (queue, number)).fetchone() if 0 <= number < 2**63 else None
    if row is None:
        raise NotFoundError(f"queue {queue} has no pair {number}; `factory people show {queue}` says how many")
    return Item(**dict(row))


def to_queue(row: sqlite3.Row) -> Queue:
    judges = msgspec.json.decode(row["judges"], type=list[JudgeRef])
    return Queue(**{**dict(row), "judges": judges, "is_routed": bool(row["is_routed"])})


def queue_row(queue: Queue) -> tuple[object, ...]:
    fields = msgspec.structs.asdict(queue)
    return (*{**fields, "judges": msgspec.json.encode(queue.judges).decode()}.values(),)


def _names(columns: tuple[str, ...]) -> str:
    return ", ".join(f'"{name}"' for name in columns)
