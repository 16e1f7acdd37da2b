"""What the jobs of a workspace have spent, as their builds tell."""

from __future__ import annotations

import functools
from pathlib import Path

from factory.jobs.folder import PROGRESS, job_folder
from factory.jobs.limits import Spending
from factory.jobs.progress import spent_by, spent_since
from factory.jobs.store import JobStore

DAY_S = 86_400.0
REMEMBERED = 4096  # files that were read


def spending_of_today(store: JobStore, now: float) -> Spending:
    """Since midnight UTC before `now`. Jobs that tell nothing, or whose prices are not known, count nothing."""
    midnight = now - now % DAY_S
    found = {job.id: _of_job(store.home, job.id, midnight) for job in store.since(midnight)}
    return Spending(sum(today for today, _ in found.values()), {id: in_all for id, (_, in_all) in found.items()})


def _of_job(home: Path, id: str, midnight: float) -> tuple[float, float]:
    """US dollars, since midnight and in all."""
    try:
        stat = (job_folder(home, id) / PROGRESS).stat()
    except FileNotFoundError:
        return 0.0, 0.0
    return _of_file(home, id, midnight, (stat.st_ino, stat.st_mtime_ns, stat.st_size))


@functools.lru_cache(REMEMBERED)
def _of_file(home: Path, id: str, midnight: float, _: tuple[int, int, int]) -> tuple[float, float]:
    """The last argument tells one state of the file from another: a file that did not change is not read again."""
    return spent_since(home, id, midnight), spent_by(home, id) or 0.0
