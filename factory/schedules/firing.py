"""A time of a schedule becomes a job, waits for one to end, or is left out. Inside a transaction of the caller's."""

from __future__ import annotations

import sqlite3

from factory.jobs.job import ENDED, NewJob
from factory.jobs.store import insert_job
from factory.schedules.schedule import Firing, Schedule, stamp
from schemas.errors import ConflictError

MOST_WAITING = 100  # of one schedule


def fire(
    connection: sqlite3.Connection, schedule: Schedule, time: float, now: float, *, by_hand: bool = False
) -> Firing:
    """Decide one time that was not decided yet.

    Raises:
        ConflictError: by hand, where a job has not ended and the schedule lets none overlap.
    """
    at_work = unended_jobs(connection, schedule)
    n_waiting = len(waiting(connection, schedule))
    if not at_work and not n_waiting:
        return note(connection, schedule, time, now, "fired", _start(connection, schedule, time))
    if schedule.overlap == "skip":
        if by_hand:
            raise ConflictError(f"job {at_work[0]} of this schedule has not ended; wait for it, or cancel it")
        return note(connection, schedule, time, now, "skipped:overlap")
    if schedule.overlap == "cancel-running":
        _supersede(connection, schedule, now)
    elif n_waiting >= MOST_WAITING:
        return note(connection, schedule, time, now, "skipped:full")
    return note(connection, schedule, time, now, "waiting")


def start_waiting(connection: sqlite3.Connection, schedule: Schedule, now: float) -> Firing | None:
    """Start the job of the time that has waited longest, if no other is at work."""
    times = waiting(connection, schedule)
    if not times or unended_jobs(connection, schedule):
        return None
    job = _start(connection, schedule, times[0])
    values = ("fired", now, job, schedule.id, times[0])
    connection.execute(
        "UPDATE firing SET outcome = ?, decided = ?, job_id = ? WHERE schedule_id = ? AND scheduled_for = ?", values
    )
    return Firing(
        schedule_id=schedule.id, scheduled_for=times[0], outcome="fired", decided=now, job_id=job, job_state="queued"
    )


def _supersede(connection: sqlite3.Connection, schedule: Schedule, now: float) -> None:
    """What waits gives way."""
    connection.execute(
        "UPDATE firing SET outcome = 'skipped:superseded', decided = ? WHERE schedule_id = ? AND outcome = 'waiting'",
        (now, schedule.id),
    )


def is_decided(connection: sqlite3.Connection, schedule: Schedule, time: float) -> bool:
    query = "SELECT 1 FROM firing WHERE schedule_id = ? AND scheduled_for = ?"
    return connection.execute(query, (schedule.id, time)).fetchone() is not None


def note(
    connection: sqlite3.Connection, schedule: Schedule, time: float, now: float, outcome: str, job: str | None = None
) -> Firing:
    """A time is decided once: a second row for it is refused by the table."""
    connection.execute(
        "INSERT INTO firing (schedule_id, scheduled_for, outcome, decided, job_id) VALUES (?, ?, ?, ?, ?)",
        (schedule.id, time, outcome, now, job),
    )
    return Firing(
        schedule_id=schedule.id,
        scheduled_for=time,
        outcome=outcome,
        decided=now,
        job_id=job,
        job_state="queued" if job else None,
    )


def unended_jobs(connection: sqlite3.Connection, schedule: Schedule) -> list[str]:
    """Ids, the oldest first. A paused job has not ended."""
    query = f"SELECT id FROM job WHERE source = ? AND state NOT IN ({','.join('?' * len(ENDED))}) ORDER BY number"
    return [row["id"] for row in connection.execute(query, (schedule.source, *ENDED))]


def waiting(connection: sqlite3.Connection, schedule: Schedule) -> list[float]:
    query = "SELECT scheduled_for FROM firing WHERE schedule_id = ? AND outcome = 'waiting' ORDER BY scheduled_for"
    return [row["scheduled_for"] for row in connection.execute(query, (schedule.id,))]


def _start(connection: sqlite3.Connection, schedule: Schedule, time: float) -> str:
    """The id of the job."""
    slot = stamp(time)
    new = NewJob(
        command=schedule.command,
        title=schedule.title,
        source=schedule.source,
        max_cost_usd=schedule.max_cost_usd,
        key=f"{schedule.source}:{slot}",
        slot=slot,
        folder=schedule.folder,
    )
    return insert_job(connection, new).id
