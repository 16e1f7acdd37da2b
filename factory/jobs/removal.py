"""Jobs that have ended, taken out of the workspace: their rows, and their folders with logs and progress.

What they made stays, and so do the answers that they paid for. A row goes first: a folder without one is nobody's, and
goes with the next cleaning, should the process be killed in between.
"""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from factory.jobs.folder import ID, LOCK, job_folder
from factory.jobs.job import ENDED, Job
from factory.jobs.spending import DAY_S
from factory.jobs.store import COLUMNS, JobStore, find_job, to_job
from schemas.errors import ConflictError
from schemas.locks import is_held


def remove_jobs(store: JobStore, ids: Sequence[str]) -> list[Job]:
    """All of these, or none.

    Raises:
        NotFoundError: there is no such job.
        ConflictError: one has not ended, or what it spent counts for the limit of today.
    """
    now = time.time()
    with store.transaction() as connection:
        jobs = [find_job(connection, id) for id in dict.fromkeys(ids)]
        for job in jobs:
            _check(store.home, job, now)
        _delete(connection, jobs)
    _delete_folders(store.home, (job.id for job in jobs))
    return jobs


def clean_jobs(store: JobStore, older_s: float) -> list[Job]:
    """Those that ended as long ago or longer, but for what spent something today; and folders that are nobody's."""
    now = time.time()
    marks = ",".join("?" * len(ENDED))
    query = f"SELECT {COLUMNS} FROM job WHERE state IN ({marks}) AND ended <= ? ORDER BY number"
    with store.transaction() as connection:
        found = [to_job(row) for row in connection.execute(query, (*ENDED, now - older_s))]
        jobs = [job for job in found if not _counts_today(job, now) and not _is_ending(store.home, job)]
        _delete(connection, jobs)
        known = {row["id"] for row in connection.execute("SELECT id FROM job")}
        strays = _folders(store.home) - known  # while nobody can add a job
    _delete_folders(store.home, strays)
    return jobs


def _check(home: Path, job: Job, now: float) -> None:
    if not job.has_ended:
        raise ConflictError(f"job {job.id} is {job.state}; cancel it first, or wait for its end")
    if _counts_today(job, now):
        raise ConflictError(
            f"job {job.id} spent ${job.spent_usd:.2f}, which counts for today's limit; remove it tomorrow"
        )
    if _is_ending(home, job):
        raise ConflictError(f"job {job.id} is just ending; try again")


def _counts_today(job: Job, now: float) -> bool:
    """Days are of UTC, as those of the limit."""
    return bool(job.spent_usd) and (job.ended or now) >= now - now % DAY_S


def _is_ending(home: Path, job: Job) -> bool:
    """Its watching process has told the end, and has not gone yet."""
    return is_held(job_folder(home, job.id) / LOCK)


def _delete(connection: sqlite3.Connection, jobs: Iterable[Job]) -> None:
    connection.executemany("DELETE FROM job WHERE id = ?", [(job.id,) for job in jobs])


def _folders(home: Path) -> set[str]:
    place = home / ".factory" / "jobs"
    if not place.is_dir():
        return set()
    return {entry.name for entry in place.iterdir() if ID.fullmatch(entry.name) and not entry.is_symlink()}


def _delete_folders(home: Path, ids: Iterable[str]) -> None:
    for id in ids:
        folder = job_folder(home, id)
        if folder.exists():
            shutil.rmtree(folder)
