"""Jobs as text for a terminal. Commands and errors may hold anything: what is not printable is shown escaped."""

from __future__ import annotations

import codecs
import shlex
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.table import Table

from factory.jobs.folder import LOG, job_folder
from factory.jobs.job import Job
from factory.jobs.progress import latest
from factory.jobs.store import JobStore
from factory.progress_log import ProgressLine
from factory.store.tables import plain_table
from schemas.visible import visible

FOLLOW_S = 0.5
_READ_BYTES = 65536


def job_table(home: Path, jobs: Sequence[Job]) -> Table:
    titles = ["job", "state", "what", "rows", "submitted (UTC)", "made, or why not"]
    return plain_table(titles, [_cells(home, job) for job in jobs])


def _cells(home: Path, job: Job) -> list[str]:
    came_of = visible(job.made or job.error or "")
    return [job.id, job.state, visible(job.title), _share(home, job), when(job.created), came_of]


def job_lines(home: Path, job: Job) -> Iterator[str]:
    """Everything there is to say of one job, a line a fact."""
    facts = {
        "job": f"{job.id}, {job.state}",
        "what": job.title,
        "command": shlex.join(job.command),
        "folder": job.folder,
        "from": job.source + (f", {job.slot}" if job.slot else ""),
        "submitted": when(job.created),
        "started": None if job.started is None else f"{when(job.started)}, attempt {job.attempts}",
        "ended": None if job.ended is None else when(job.ended),
        "exit code": None if job.exit_code is None else str(job.exit_code),
        "error": job.error,
        "cost": _cost(job),
        "made": job.made,
        "progress": _where(latest(home, job.id)),
        "log": str(job_folder(home, job.id) / LOG),
    }
    return (f"{name:<9}  {visible(fact)}" for name, fact in facts.items() if fact)


def when(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"


def _share(home: Path, job: Job) -> str:
    last = latest(home, job.id)
    return f"{last.done:,}/{last.rows:,}" if last else ""


def _cost(job: Job) -> str | None:
    spent = None if job.spent_usd is None else f"{job.spent_usd:.4f} USD spent"
    cap = None if job.max_cost_usd is None else f"{job.max_cost_usd:g} USD at most"
    return ", ".join(part for part in (spent, cap) if part) or None


def _where(last: ProgressLine | None) -> str | None:
    if last is None:
        return None
    left = "" if last.eta_s is None else f", {last.eta_s:.0f} s to go"
    made = f"{last.kept:,} rows, {last.rejected:,} rejected, {last.rows_per_s:.1f} {last.what}/s"
    return f"{last.done:,}/{last.rows:,} {last.what}, {made}, {last.in_flight} in flight{left}"


def log_text(store: JobStore, job: Job, *, follow: bool) -> Iterator[str]:
    """The log so far; with `follow` also what comes, until the job has ended or is paused."""
    path = job_folder(store.home, job.id) / LOG
    decoder = codecs.getincrementaldecoder("utf-8")("replace")  # a character may lie across two reads
    at = 0
    while True:
        is_over = not follow or store.get(job.id).state not in ("queued", "running", "pausing", "cancelling")
        data = _read(path, at)
        at += len(data)
        if data:
            yield visible(decoder.decode(data), keep="\n\t")
        elif is_over:
            return
        else:
            time.sleep(FOLLOW_S)


def _read(path: Path, at: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(at)
            return file.read(_READ_BYTES)
    except FileNotFoundError:
        return b""
