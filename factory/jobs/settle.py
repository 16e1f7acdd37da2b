"""What became of the jobs that are said to run. Anybody may look, and whoever looks first notes it."""

from __future__ import annotations

import signal
import time
from collections.abc import Collection
from pathlib import Path

import msgspec

from factory.jobs.claims import LEASE_S, end_attempt
from factory.jobs.folder import LOCK, Exit, job_folder, last_words, read_exit
from factory.jobs.job import ACTIVE, Job, State
from factory.jobs.owners import is_alive
from factory.jobs.progress import made_by, spent_by
from factory.jobs.store import MOST_LISTED, JobStore
from schemas.errors import CorruptError
from schemas.locks import is_held

TERMINATED = 75  # what our commands exit with when SIGTERM ended them where they can go on
ENDED_BY_OTHERS = (TERMINATED, -signal.SIGTERM, -signal.SIGKILL, -signal.SIGHUP)
SOON_S = 600.0  # an attempt that ran longer got somewhere

Attempt = tuple[str, int]  # a job's id and the number of the attempt


class Lost(msgspec.Struct, frozen=True):
    """The attempt's processes are gone, and none of them said how it ended."""


def settle(store: JobStore, max_lost: int, gone: Collection[Attempt] = ()) -> list[Job]:
    """Bring the table up to date. Gives the jobs whose attempt has ended.

    Args:
        max_lost: as in `Limits`.
        gone: attempts whose process ended under the caller's eyes.
    """
    active = store.list(ACTIVE, limit=MOST_LISTED)
    settled = [_settle_one(store, job, max_lost, (job.id, job.attempts) in gone) for job in reversed(active)]
    return [job for job in settled if job is not None]


def _settle_one(store: JobStore, job: Job, max_lost: int, is_gone: bool) -> Job | None:
    try:
        ending = find_ending(store.home, job, is_gone)
    except CorruptError as err:
        changes: dict[str, object] = {"state": "failed", "ended": time.time(), "error": str(err)}
    else:
        if ending is None:
            return None
        changes = outcome(store.home, job, ending, max_lost)
    with store.transaction() as connection:
        return end_attempt(connection, job, changes)


def find_ending(home: Path, job: Job, is_gone: bool = False) -> Exit | Lost | None:
    """How the job's attempt ended; None while it runs. Raises CorruptError."""
    folder = job_folder(home, job.id)
    if (ended := _exit_of(folder, job)) is not None:
        return ended
    if job.pid is None:
        return Lost() if is_gone or not _may_still_start(home, job) else None
    if is_held(folder / LOCK):
        return None
    return _exit_of(folder, job) or Lost()  # it may have been written since, before the lock was let go


def _exit_of(folder: Path, job: Job) -> Exit | None:
    ended = read_exit(folder)
    return ended if ended is not None and ended.attempt == job.attempts else None


def _may_still_start(home: Path, job: Job) -> bool:
    """It is claimed and not taken yet. A lease that ends too late is of a clock that was set back."""
    if job.owner is None or job.lease is None or not is_alive(home, job.owner):
        return False
    return 0 <= job.lease - time.time() <= LEASE_S


def outcome(home: Path, job: Job, ending: Exit | Lost, max_lost: int) -> dict[str, object]:
    """What the end of an attempt makes of its job."""
    code = ending.code if isinstance(ending, Exit) else None
    ended = ending.ended if isinstance(ending, Exit) else time.time()
    state = next_state(job.state, code)
    changes: dict[str, object] = {"exit_code": code, "spent_usd": spent_by(home, job.id), "state": state}
    if state == "queued":
        was_soon = ended - (job.started or 0.0) < SOON_S
        lost = job.lost + 1 if was_soon else 1
        if lost <= max_lost:
            return {**changes, "lost": lost}
        return {**changes, "state": "failed", "ended": ended, "error": f"killed {lost} times, each soon after it began"}
    if state == "failed":
        return {**changes, "ended": ended, "error": _error(home, job, code)}
    if state == "done":
        return {**changes, "ended": ended, "made": made_by(home, job)}
    return changes if state == "paused" else {**changes, "ended": ended}


def next_state(state: State, code: int | None) -> State:
    """`code`: None where the attempt was lost."""
    if code == 0:
        return "done"
    if state == "cancelling":
        return "cancelled"
    if code is None or code in ENDED_BY_OTHERS:
        return "paused" if state == "pausing" else "queued"
    return "failed"


def _error(home: Path, job: Job, code: int | None) -> str:
    if code is not None and code < 0:
        return f"ended by {signal.Signals(-code).name}"
    return last_words(job_folder(home, job.id)) or f"exit code {code}, without a word"
