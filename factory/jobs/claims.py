"""Who may run a job: claimed by a runner, then taken by the process that watches over the command.

Each is one transaction, so of any number who try one succeeds. An attempt's number tells a late process that its job
was given to another meanwhile.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from factory.jobs.job import ACTIVE, Job, State
from factory.jobs.store import COLUMNS, find_job, to_job, update_job

LEASE_S = 60.0  # from a claim until the job is taken; after it anybody may claim it again
LOOKED_AT = 1000  # queued jobs, in the order in which they came

Room = Callable[[Job, Sequence[Job]], bool]  # a queued job and the active ones -> may it start


def claim(connection: sqlite3.Connection, owner: str, room: Room) -> Job | None:
    """The oldest queued job that there is room for, now the owner's to start. Inside a transaction."""
    active = list(_in_states(connection, ACTIVE, -1))
    for job in _in_states(connection, ("queued",), LOOKED_AT):
        if room(job, active):
            now = time.time()
            begun = {"state": "running", "started": now, "ended": None, "exit_code": None, "error": None}
            own = {"owner": owner, "lease": now + LEASE_S, "pid": None, "attempts": job.attempts + 1}
            return update_job(connection, job, {**begun, **own})
    return None


def take(connection: sqlite3.Connection, id: str, attempt: int, pid: int) -> Job | None:
    """The job, now watched over by process `pid`; None when this attempt is over or taken. Inside a transaction."""
    job = find_job(connection, id)
    if not job.is_active or job.attempts != attempt or job.pid is not None:
        return None
    return update_job(connection, job, {"pid": pid, "lease": None})


def end_attempt(connection: sqlite3.Connection, job: Job, changes: Mapping[str, object]) -> Job | None:
    """Note how an attempt ended; None when the job is no longer as `job` says. Inside a transaction."""
    found = find_job(connection, job.id)
    if (found.attempts, found.state, found.pid) != (job.attempts, job.state, job.pid):
        return None
    return update_job(connection, found, {"owner": None, "lease": None, "pid": None, **changes})


def _in_states(connection: sqlite3.Connection, states: Sequence[State], limit: int) -> Iterator[Job]:
    """Oldest first."""
    marks = ",".join("?" * len(states))
    query = f"SELECT {COLUMNS} FROM job WHERE state IN ({marks}) ORDER BY number LIMIT ?"
    return (to_job(row) for row in connection.execute(query, (*states, limit)))
