"""`factory jobs`: builds, trainings and evaluations in the background."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from factory.commands.as_json import print_json
from schemas.errors import DataError

if TYPE_CHECKING:
    from factory.jobs.job import Job
    from factory.jobs.limits import Limits
    from factory.jobs.runner import Runner
    from factory.jobs.store import JobStore

app = App(name="jobs", help="Builds, trainings and evaluations in the background, which outlive their starter.")

DONE, FAILED, TERMINATED, INTERRUPTED = 0, 1, 75, 130
Json = Annotated[bool, Parameter(negative="")]
Wish = Literal["pause", "resume", "cancel", "retry"]


@app.command
def submit(
    *command: Annotated[str, Parameter(allow_leading_hyphen=True)],
    title: str = "",
    max_cost: float | None = None,
    key: str | None = None,
    json: Json = False,
) -> None:
    """Queue a command: factory jobs submit -- factory build traces --data prompts ...

    Args:
        command: factory or trainer and their words, after --
        title: what the job is called in lists
        max_cost: US dollars that it may spend: the command's --max-cost
        key: submitting again with the same key gives the first job, and queues nothing
        json: print one JSON object on stdout
    """
    from factory.jobs.owners import any_alive

    with _store() as store:
        job = store.submit(command, title=title, max_cost_usd=max_cost, key=key, folder=str(Path.cwd()))
        _tell(job, json)
        if job.state == "queued" and not any_alive(store.home):
            print("nothing runs it yet: start `factory jobs run` or `factory serve`", file=sys.stderr)


@app.command
def ls(*, state: str | None = None, limit: int = 50, json: Json = False) -> None:
    """List jobs, newest first.

    Args:
        state: only those in this state: queued, running, pausing, paused, cancelling, done, failed or cancelled
        limit: how many
        json: print one JSON array on stdout
    """
    from factory.jobs.describe import job_table
    from factory.store.tables import print_out

    with _settled() as store:
        jobs = store.list(None if state is None else (_state(state),), limit=limit)
        if json:
            print_json(jobs)
        elif jobs:
            print_out(job_table(store.home, jobs))
        else:
            print("no jobs", file=sys.stderr)


@app.command
def show(id: str, *, json: Json = False) -> None:
    """Show a job: its command, where it stands, what it made or why not.

    Args:
        id: of the job
        json: print one JSON object on stdout, with its latest progress
    """
    import msgspec

    from factory.jobs.describe import job_lines
    from factory.jobs.progress import latest

    with _settled() as store:
        job = store.get(id)
        if json:
            print_json({**msgspec.to_builtins(job), "progress": latest(store.home, id)})
        else:
            print("\n".join(job_lines(store.home, job)))


@app.command
def log(id: str, *, follow: Annotated[bool, Parameter(negative="")] = False) -> None:
    """Print what a job printed.

    Args:
        id: of the job
        follow: go on until the job ends
    """
    from factory.jobs.describe import log_text

    with _settled() as store:
        for text in log_text(store, store.get(id), follow=follow):
            print(text, end="", flush=True)


@app.command
def pause(id: str, *, json: Json = False) -> None:
    """Let a job end where it can go on: a build finishes what is in flight.

    Args:
        id: of the job
        json: print one JSON object on stdout
    """
    _wish("pause", id, json)


@app.command
def resume(id: str, *, json: Json = False) -> None:
    """Queue a paused job again.

    Args:
        id: of the job
        json: print one JSON object on stdout
    """
    _wish("resume", id, json)


@app.command
def cancel(id: str, *, json: Json = False) -> None:
    """End a job for good. What it paid for stays in the ledger.

    Args:
        id: of the job
        json: print one JSON object on stdout
    """
    _wish("cancel", id, json)


@app.command
def retry(id: str, *, json: Json = False) -> None:
    """Queue a job again that failed or was cancelled: it goes on where it was.

    Args:
        id: of the job
        json: print one JSON object on stdout
    """
    _wish("retry", id, json)


@app.command
def rm(*ids: str, json: Json = False) -> None:
    """Remove jobs that have ended, with their logs: all of these, or none. What they made stays.

    Args:
        ids: of the jobs
        json: print one JSON array on stdout
    """
    from factory.jobs.removal import remove_jobs

    if not ids:
        raise DataError("name the jobs to remove; `factory jobs clean` removes all old ones")
    with _settled() as store:
        _tell_removed(remove_jobs(store, ids), json)


@app.command
def clean(*, older: str = "30d", json: Json = False) -> None:
    """Remove all jobs that ended long ago, with their logs. What they made stays.

    Args:
        older: how long ago: 90s, 30m, 1h, 2d
        json: print one JSON array on stdout
    """
    from factory.commands.durations import to_seconds
    from factory.jobs.removal import clean_jobs

    seconds = to_seconds("--older", older)
    with _settled() as store:
        _tell_removed(clean_jobs(store, seconds), json)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How much may run at once, and what it may cost."""

    max_running: int = 2
    "jobs at once"
    max_running_of: Annotated[list[str], Parameter(negative="", consume_multiple=False)] = field(default_factory=list)
    'of commands that begin so, for example trainer=1 or "factory build=4"; several times for several'
    max_cost_per_day: float | None = None
    "US dollars for all jobs since midnight UTC"

    def limits(self) -> Limits:
        from factory.jobs.limits import Limits

        return Limits(
            max_running=self.max_running,
            max_running_of=dict(_most_of(text) for text in self.max_running_of),
            max_cost_usd_per_day=self.max_cost_per_day,
        )


@app.command
def run(*, once: Annotated[bool, Parameter(negative="")] = False, bounds: Bounds | None = None) -> int:
    """Run queued jobs, in the foreground. Ctrl-C and SIGTERM end this command alone; its jobs run on.

    Args:
        once: end when nothing runs and nothing more may start; exit 1 if a job failed
    """
    from factory.jobs.runner import Runner
    from schemas.datasets import workspace

    with Runner(workspace(), (bounds or Bounds()).limits()) as runner:
        return run_until_told(runner, once)


def run_until_told(runner: Runner, once: bool) -> int:
    """The exit code of a runner in the foreground."""
    from factory.jobs.foreground import run as run_jobs

    with _told_to_stop() as heard:
        failed = run_jobs(runner, lambda: bool(heard), once=once)
    if heard:
        return TERMINATED if heard[0] == signal.SIGTERM else INTERRUPTED
    return FAILED if failed else DONE


@contextmanager
def _told_to_stop() -> Iterator[list[int]]:
    """The SIGTERM and Ctrl-C that came."""
    heard: list[int] = []
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, lambda number, _: heard.append(number)) for number in numbers}
    try:
        yield heard
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _most_of(text: str) -> tuple[str, int]:
    match = re.fullmatch(r"((?:factory|trainer)(?: [^=]+)?)=([0-9]+)", text)
    if match is None:
        raise DataError(f"--max-running-of {text}: write the first words of commands and a number, such as trainer=1")
    return match[1], int(match[2])


def _wish(wish: Wish, id: str, as_json: bool) -> None:
    with _settled() as store:
        wishes = {"pause": store.pause, "resume": store.resume, "cancel": store.cancel, "retry": store.retry}
        _tell(wishes[wish](id), as_json)


def _tell(job: Job, as_json: bool) -> None:
    if as_json:
        print_json(job)
    else:
        print(f"{job.id} {job.state}")


def _tell_removed(jobs: list[Job], as_json: bool) -> None:
    if as_json:
        print_json(jobs)
        return
    for job in jobs:
        print(f"{job.id} removed")
    print(f"{len(jobs)} removed", file=sys.stderr)


def _store() -> JobStore:
    from factory.jobs.store import JobStore
    from schemas.datasets import workspace

    return JobStore(workspace())


@contextmanager
def _settled() -> Iterator[JobStore]:
    """The jobs, brought up to date: perhaps no runner is there to do it."""
    from factory.jobs.limits import Limits
    from factory.jobs.settle import settle

    with _store() as store:
        settle(store, Limits().max_lost)
        yield store


def _state(text: str) -> Any:  # noqa: ANN401 - one of the literals
    from factory.jobs.job import STATES

    if text not in STATES:
        raise DataError(f"--state {text}: one of {', '.join(STATES)}")
    return text
