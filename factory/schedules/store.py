"""The schedules of a workspace and what became of their times, in the service's database."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from factory.jobs.command import title_of
from factory.jobs.database import Database
from factory.jobs.job import new_id
from factory.schedules.cron import Cron
from factory.schedules.firing import fire, is_decided
from factory.schedules.schedule import Firing, NewSchedule, Schedule, check_schedule
from factory.schedules.tables import (
    COLUMNS,
    FIELDS,
    TABLES,
    find_schedule,
    load_schedule,
    to_firing,
    to_row,
    to_schedule,
)

MOST_LISTED = 1000
HISTORY = """
SELECT firing.*, job.state AS job_state, job.made AS made FROM firing LEFT JOIN job ON job.id = firing.job_id
WHERE schedule_id = ? AND scheduled_for < ? ORDER BY scheduled_for DESC LIMIT ?
"""


class ScheduleStore(Database):
    """Safe to use from several threads; every call is one short transaction. `home`: the workspace."""

    tables = TABLES

    def __init__(self, home: Path, clock: Callable[[], float] = time.time) -> None:
        super().__init__(home)
        self.clock = clock

    def add(self, new: NewSchedule) -> Schedule:
        """Raises DataError: says which part of it is wrong."""
        now = self.clock()
        check_schedule(new, now)
        with self.transaction() as connection:
            id = new_id()
            while load_schedule(connection, id) is not None:
                id = new_id()
            schedule = _make(new, id, now)
            places = ",".join("?" * len(FIELDS))
            connection.execute(f"INSERT INTO schedule ({COLUMNS}) VALUES ({places})", to_row(schedule))
        return schedule

    def get(self, id: str) -> Schedule:
        """Raises NotFoundError."""
        with self.reading() as connection:
            return find_schedule(connection, id)

    def history(self, id: str, limit: int = 100, before: float = float("inf")) -> list[Firing]:
        """What became of its times, the latest first. `before`: only those of earlier times."""
        self.get(id)
        return [to_firing(row) for row in self.rows(HISTORY, id, before, max(0, min(limit, MOST_LISTED)))]

    def list(self) -> list[Schedule]:
        """Oldest first."""
        return [to_schedule(row) for row in self.rows(f"SELECT {COLUMNS} FROM schedule ORDER BY number")]

    def pause(self, id: str) -> Schedule:
        """Nothing fires any more. Jobs that are there go on."""
        with self.transaction() as connection:
            find_schedule(connection, id)
            connection.execute("UPDATE schedule SET state = 'paused' WHERE id = ?", (id,))
            return find_schedule(connection, id)

    def resume(self, id: str) -> Schedule:
        """Times that came during the pause are not missed, they are left out."""
        now = self.clock()
        with self.transaction() as connection:
            schedule = find_schedule(connection, id)
            if schedule.state == "paused":
                values = (now, schedule.times.next_after(now), id)
                connection.execute(
                    "UPDATE schedule SET state = 'active', checked = ?, next_at = ? WHERE id = ?", values
                )
            return find_schedule(connection, id)

    def run_now(self, id: str) -> Firing:
        """Fire between its times. Raises ConflictError where a job has not ended and the schedule's overlap is skip."""
        now = self.clock()
        with self.transaction() as connection:
            schedule = find_schedule(connection, id)
            return fire(connection, schedule, _free_time(connection, schedule, now), now, by_hand=True)

    def remove(self, id: str) -> Schedule:
        """With its history. Its jobs stay, and go on."""
        with self.transaction() as connection:
            schedule = find_schedule(connection, id)
            connection.execute("DELETE FROM firing WHERE schedule_id = ?", (id,))
            connection.execute("DELETE FROM schedule WHERE id = ?", (id,))
            return schedule


def _make(new: NewSchedule, id: str, now: float) -> Schedule:
    fields = msgspec.structs.asdict(new) | {"command": list(new.command), "title": new.title or title_of(new.command)}
    next_at = Cron(new.cron, new.zone).next_after(now)
    return Schedule(**fields, id=id, state="active", created=now, checked=now, next_at=next_at)


def _free_time(connection: sqlite3.Connection, schedule: Schedule, now: float) -> float:
    """Now, or some milliseconds later: no time of the schedule itself, which are whole minutes, and not decided yet."""
    milliseconds = round(now * 1000)
    while milliseconds % 60_000 == 0 or is_decided(connection, schedule, milliseconds / 1000):
        milliseconds += 1
    return milliseconds / 1000
