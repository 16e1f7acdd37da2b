"""The jobs of a workspace. Every call is one short transaction, whoever else is at the same database."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection, Mapping, Sequence

import msgspec

from factory.jobs.command import cap_of, check_command, out_of, title_of
from factory.jobs.database import Database
from factory.jobs.job import Job, NewJob, State, new_id
from schemas.errors import ConflictError, NotFoundError

FIELDS = Job.__struct_fields__
COLUMNS = ", ".join(FIELDS)
MAX_TITLE = 200
MOST_LISTED = 1000

# What each wish makes of a state. A state that is missing cannot be made to do so.
PAUSE: Mapping[State, State] = {
    "queued": "paused",
    "paused": "paused",
    "running": "pausing",
    "pausing": "pausing",
}
RESUME: Mapping[State, State] = {"paused": "queued", "queued": "queued", "running": "running"}
CANCEL: Mapping[State, State] = {
    "queued": "cancelled",
    "paused": "cancelled",
    "running": "cancelling",
    "pausing": "cancelling",
    "cancelling": "cancelling",
    "cancelled": "cancelled",
}
RETRY: Mapping[State, State] = {"failed": "queued", "cancelled": "queued"}


class JobStore(Database):
    """Safe to use from several threads. `home`: the workspace."""

    def submit(
        self,
        command: Sequence[str],
        *,
        title: str = "",
        source: str = "cli",
        max_cost_usd: float | None = None,
        key: str | None = None,
        folder: str | None = None,
    ) -> Job:
        """Queue a command. With a `key` that was submitted before, gives the job of then and queues nothing.

        Args:
            command: begins with "factory" or "trainer".
            max_cost_usd: a cap, which becomes the command's --max-cost.
            folder: where relative paths of the command begin; None: where the runner was started.

        Raises:
            DataError: this is no command for a job, or it cannot be held to a cap.
        """
        return self.add(
            NewJob(command=command, title=title, source=source, max_cost_usd=max_cost_usd, key=key, folder=folder)
        )

    def add(self, new: NewJob) -> Job:
        """As `submit`."""
        with self.transaction() as connection:
            return insert_job(connection, new)

    def get(self, id: str) -> Job:
        """Raises NotFoundError."""
        with self.reading() as connection:
            return find_job(connection, id)

    def since(self, time: float) -> list[Job]:
        """Jobs that were at work at that time or later, and all that have not ended."""
        query = f"SELECT {COLUMNS} FROM job WHERE started IS NOT NULL AND (ended IS NULL OR ended >= ?) ORDER BY number"
        return [to_job(row) for row in self.rows(query, time)]

    def list(self, states: Collection[State] | None = None, limit: int = 100, before: str | None = None) -> list[Job]:
        """Newest first. `before`: only jobs that are older than the one with this id."""
        where = ["1"]
        values: Sequence[object] = ()
        if states is not None:
            where.append(f"state IN ({','.join('?' * len(states))})")
            values = (*values, *states)
        if before is not None:
            where.append("number < (SELECT number FROM job WHERE id = ?)")
            values = (*values, before)
        query = f"SELECT {COLUMNS} FROM job WHERE {' AND '.join(where)} ORDER BY number DESC LIMIT ?"
        return [to_job(row) for row in self.rows(query, *values, max(0, min(limit, MOST_LISTED)))]

    def counts(self) -> dict[State, int]:
        """How many jobs are in each state that any is in."""
        return {row[0]: row[1] for row in self.rows("SELECT state, count(*) FROM job GROUP BY state")}

    def pause(self, id: str) -> Job:
        """Let it end where it can go on from, soon. Raises ConflictError when it has ended or is being cancelled."""
        return self._move(id, PAUSE, "cannot be paused")

    def resume(self, id: str) -> Job:
        """Queue a paused job again. Raises ConflictError while it is still pausing, and when it has ended."""
        return self._move(id, RESUME, "cannot be resumed")

    def cancel(self, id: str) -> Job:
        """End it for good. Raises ConflictError when it is done or has failed."""
        return self._move(id, CANCEL, "cannot be cancelled")

    def retry(self, id: str) -> Job:
        """Queue a job again that failed or was cancelled: it goes on where it was. Raises ConflictError for others."""
        return self._move(id, RETRY, "cannot be tried again")

    def _move(self, id: str, moves: Mapping[State, State], refusal: str) -> Job:
        with self.transaction() as connection:
            job = find_job(connection, id)
            state = moves.get(job.state)
            if state is None:
                raise ConflictError(f"job {id} is {job.state}: it {refusal}")
            if state == job.state:
                return job
            return update_job(connection, job, _changes(state))


def _changes(state: State) -> dict[str, object]:
    if state == "queued":
        return {"state": state, "ended": None, "exit_code": None, "error": None, "lost": 0}
    return {"state": state, "ended": time.time() if state == "cancelled" else None}


def insert_job(connection: sqlite3.Connection, new: NewJob) -> Job:
    """Queue a job inside a transaction that is the caller's (`database.writing`). As `JobStore.submit`."""
    check_command(new.command, new.max_cost_usd)
    if new.key is not None and (row := _row(connection, "key", new.key)) is not None:
        return to_job(row)
    job = Job(
        id=_free_id(connection),
        title=(new.title or title_of(new.command))[:MAX_TITLE],
        command=list(new.command),
        state="queued",
        source=new.source,
        created=time.time(),
        max_cost_usd=cap_of(new.command, new.max_cost_usd),
        out=out_of(new.command),
        key=new.key,
        slot=new.slot,
        folder=new.folder,
    )
    connection.execute(f"INSERT INTO job ({COLUMNS}) VALUES ({','.join('?' * len(FIELDS))})", to_row(job))
    return job


def find_job(connection: sqlite3.Connection, id: str) -> Job:
    row = _row(connection, "id", id)
    if row is None:
        raise NotFoundError(f"there is no job {id!r}; `factory jobs ls` lists them")
    return to_job(row)


def update_job(connection: sqlite3.Connection, job: Job, changes: Mapping[str, object]) -> Job:
    """Inside a transaction in which `job` was read."""
    names = ", ".join(f"{name} = ?" for name in changes)
    connection.execute(f"UPDATE job SET {names} WHERE id = ?", (*changes.values(), job.id))
    return msgspec.structs.replace(job, **changes)


def to_job(row: sqlite3.Row) -> Job:
    fields = {name: row[name] for name in FIELDS}
    return Job(**{**fields, "command": msgspec.json.decode(fields["command"], type=list[str])})


def to_row(job: Job) -> tuple[object, ...]:
    return tuple(
        msgspec.json.encode(job.command).decode() if name == "command" else getattr(job, name) for name in FIELDS
    )


def _row(connection: sqlite3.Connection, column: str, value: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = connection.execute(f"SELECT {COLUMNS} FROM job WHERE {column} = ?", (value,)).fetchone()
    return row


def _free_id(connection: sqlite3.Connection) -> str:
    while True:
        id = new_id()
        if _row(connection, "id", id) is None:
            return id
