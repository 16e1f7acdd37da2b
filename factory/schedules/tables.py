"""The tables `schedule` and `firing`, and their rows."""

from __future__ import annotations

import sqlite3

import msgspec

from factory.schedules.schedule import Firing, Schedule
from schemas.errors import NotFoundError

FIELDS = Schedule.__struct_fields__
COLUMNS = ", ".join(FIELDS)
TABLES = (
    """
CREATE TABLE IF NOT EXISTS schedule (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    cron TEXT NOT NULL,
    zone TEXT NOT NULL,
    command TEXT NOT NULL,
    folder TEXT,
    state TEXT NOT NULL CHECK (state IN ('active', 'paused')),
    misfire TEXT NOT NULL,
    overlap TEXT NOT NULL CHECK (overlap IN ('skip', 'queue', 'cancel-running')),
    jitter_s INTEGER NOT NULL,
    max_cost_usd REAL,
    created REAL NOT NULL,
    checked REAL NOT NULL,
    next_at REAL
) STRICT
""",
    """
CREATE TABLE IF NOT EXISTS firing (
    schedule_id TEXT NOT NULL,
    scheduled_for REAL NOT NULL,
    outcome TEXT NOT NULL,
    decided REAL NOT NULL,
    job_id TEXT,
    UNIQUE (schedule_id, scheduled_for)
) STRICT
""",
    "CREATE INDEX IF NOT EXISTS firing_waiting ON firing (schedule_id) WHERE outcome = 'waiting'",
    "CREATE INDEX IF NOT EXISTS job_by_source ON job (source)",
)


def find_schedule(connection: sqlite3.Connection, id: str) -> Schedule:
    """Raises NotFoundError."""
    schedule = load_schedule(connection, id)
    if schedule is None:
        raise NotFoundError(f"there is no schedule {id!r}; `factory schedule ls` lists them")
    return schedule


def load_schedule(connection: sqlite3.Connection, id: str) -> Schedule | None:
    row = connection.execute(f"SELECT {COLUMNS} FROM schedule WHERE id = ?", (id,)).fetchone()
    return None if row is None else to_schedule(row)


def to_schedule(row: sqlite3.Row) -> Schedule:
    fields = {name: row[name] for name in FIELDS}
    return Schedule(**{**fields, "command": msgspec.json.decode(fields["command"], type=list[str])})


def to_row(schedule: Schedule) -> tuple[object, ...]:
    fields = msgspec.structs.asdict(schedule)
    return (*({**fields, "command": msgspec.json.encode(schedule.command).decode()}).values(),)


def to_firing(row: sqlite3.Row) -> Firing:
    return Firing(**{name: row[name] for name in Firing.__struct_fields__ if name in row.keys()})  # noqa: SIM118
