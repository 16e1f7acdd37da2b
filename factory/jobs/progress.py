"""How far a job is, as its build tells, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from factory.jobs.folder import PROGRESS, job_folder
from factory.jobs.job import Job
from factory.progress_log import ProgressLine, read_last, read_log
from schemas.errors import CorruptError


def progress(home: Path, id: str) -> list[ProgressLine]:
    """Oldest first, the past in larger steps than the present; none of commands that tell nothing.

    Raises NotFoundError for what can be no job's id, CorruptError for a file that is not what builds write.
    """
    return read_log(job_folder(home, id) / PROGRESS)


def latest(home: Path, id: str) -> ProgressLine | None:
    """The last line of `progress`, without reading the others."""
    return read_last(job_folder(home, id) / PROGRESS)


def training_metrics(job: Job) -> Path | None:
    """Where a training writes what it measures; None for other jobs."""
    if job.command[0] != "trainer" or job.out is None:
        return None
    out = Path(job.folder or "", job.out)
    return out.with_name(f"{out.name}.run") / "metrics.jsonl"


def spent_by(home: Path, id: str) -> float | None:
    """US dollars, by all attempts; None where the job tells none."""
    spent = _spent(_told(home, id))
    return sum(max(0.0, now - before) for before, now in pairwise(spent)) if spent else None


def spent_since(home: Path, id: str, since: float) -> float:
    """US dollars from that time on, where the job tells. At most a line's interval too many, never too few."""
    lines = _told(home, id)
    first = next((place for place, line in enumerate(lines) if line.time >= since), len(lines))
    return sum(max(0.0, now - before) for before, now in pairwise(_spent(lines[max(0, first - 1) :])))


def made_by(home: Path, job: Job) -> str | None:
    """The version or checkpoint that a job which is done has made; None where it made none."""
    if job.command[0] == "trainer":
        return job.out
    lines = _told(home, job.id)
    return lines[-1].made if lines else None


def _told(home: Path, id: str) -> Sequence[ProgressLine]:
    """A file that somebody broke must not hold up the job's end."""
    try:
        return progress(home, id)
    except CorruptError:
        return []


def _spent(lines: Sequence[ProgressLine]) -> list[float]:
    return [line.spent_usd for line in lines if line.spent_usd is not None]
