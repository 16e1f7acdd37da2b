"""Turns times that are due into jobs. Any number of schedulers may be at one workspace, and any of them be killed.

A time is decided in one transaction: its row in `firing`, its job and the schedule's `checked` are there together or
not at all, and a row that is there keeps every other scheduler from deciding it again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from factory.jobs.store import JobStore
from factory.schedules.due import PUT_BACK_S, decide
from factory.schedules.firing import fire, is_decided, note, start_waiting, unended_jobs
from factory.schedules.schedule import Firing
from factory.schedules.store import ScheduleStore
from factory.schedules.tables import load_schedule
from schemas.errors import ConflictError

DUE = "SELECT id FROM schedule WHERE state = 'active' AND (next_at <= ? OR checked > ?) ORDER BY next_at, number"
WAITING = """
SELECT DISTINCT schedule_id FROM firing JOIN schedule ON schedule.id = schedule_id
WHERE outcome = 'waiting' AND state = 'active'
"""


class Scheduler:
    """One thread at a time may call `step`. `clock`: seconds since 1970, UTC."""

    def __init__(self, home: Path, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.store = ScheduleStore(home, clock)
        self._jobs = JobStore(home)

    def __enter__(self) -> Scheduler:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.store.close()
        self._jobs.close()

    def step(self) -> list[Firing]:
        """Decide what is due, and start what waited. Call it every second or so."""
        now = self._clock()
        found: list[Firing] = []
        for row in self.store.rows(DUE, now, now + PUT_BACK_S):
            found += self._decide(row["id"], now)
        for row in self.store.rows(WAITING):
            found += self._start_waiting(row["schedule_id"], now)
        return found

    def _decide(self, id: str, now: float) -> list[Firing]:
        with self.store.transaction() as connection:
            schedule = load_schedule(connection, id)
            if schedule is None or schedule.state != "active":
                return []
            due = decide(schedule, now)
            if (due.checked, due.next_at) != (schedule.checked, schedule.next_at):
                values = (due.checked, due.next_at, id)
                connection.execute("UPDATE schedule SET checked = ?, next_at = ? WHERE id = ?", values)
            missed = [time for time in due.missed if not is_decided(connection, schedule, time)]
            to_fire = [time for time in due.fire if not is_decided(connection, schedule, time)]
            skipped = [note(connection, schedule, time, now, "skipped:missed") for time in missed]
            return skipped + [fire(connection, schedule, time, now) for time in to_fire]

    def _start_waiting(self, id: str, now: float) -> list[Firing]:
        with self.store.transaction() as connection:
            schedule = load_schedule(connection, id)
            if schedule is None or schedule.state != "active":
                return []
            started = start_waiting(connection, schedule, now)
            in_the_way = unended_jobs(connection, schedule) if schedule.overlap == "cancel-running" else []
        if started is not None:
            return [started]
        for job in in_the_way:
            self._cancel(job)
        return []

    def _cancel(self, job: str) -> None:
        try:
            self._jobs.cancel(job)
        except ConflictError:
            if not self._jobs.get(job).has_ended:  # else it came before us
                raise
