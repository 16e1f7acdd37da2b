"""`factory schedule`: commands that become jobs at the times of a cron expression."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from factory.commands.as_json import print_json
from factory.commands.jobs import Bounds, run_until_told
from schemas.errors import DataError

if TYPE_CHECKING:
    from factory.schedules.schedule import Firing, Schedule
    from factory.schedules.store import ScheduleStore

app = App(name="schedule", help="Builds and other work at the times of a cron expression, each time once.")

SHOWN = 3  # coming times
Json = Annotated[bool, Parameter(negative="")]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Build:
    """A build at each time. Without --whole it takes what is new and appends a version."""

    recipe: Path | None = None
    "TOML file with all settings, or the name of a recipe that comes with this project"
    data: str | None = None
    "what is read, for example prompts@latest"
    kind: str = "traces"
    "the kind of build: traces, completions, pass-rate, ..."
    out: str | None = None
    "the dataset to write (default: the kind's name)"
    set: Annotated[list[str], Parameter(name="--set", negative="")] = field(default_factory=list)
    "any setting of the recipe as KEY=VALUE"
    whole: Annotated[bool, Parameter(negative="")] = False
    "build all of the data, not only what has no row yet"


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class When:
    """What is done about times that cannot be kept."""

    zone: str = "UTC"
    "time zone of the cron expression, for example Europe/Berlin"
    misfire: str = "run-once"
    "times that passed while nothing ran: skip, run-once (the last of them), or catch-up:N (the last N)"
    overlap: str = "skip"
    "a time that comes while a job of this schedule has not ended: skip, queue, or cancel-running"
    jitter: int = 0
    "start up to so many seconds later: always as many for the same schedule and time"
    max_cost: float | None = None
    "US dollars that each job may spend"


@app.command
def add(
    cron: str,
    *command: Annotated[str, Parameter(allow_leading_hyphen=True)],
    build: Build | None = None,
    when: When | None = None,
    title: str = "",
    json: Json = False,
) -> None:
    """Add a schedule: factory schedule add "0 2 * * *" --recipe traces.toml --data prompts@latest

    Args:
        cron: minute, hour, day of month, month, day of week
        command: in place of a build: factory or trainer and their words, after --
        build: what is built
        when: what is done about times that cannot be kept
        title: what it is called in lists
        json: print one JSON object on stdout
    """
    from factory.schedules.build_words import ScheduledBuild
    from factory.schedules.schedule import NewSchedule

    build, when = build or Build(), when or When()
    if command and build != Build():
        raise DataError("give a build by its flags, or a command after --, not both")
    if not command and build == Build():
        raise DataError("say what is to be done: --recipe and --data of a build, or a command after --")
    scheduled = ScheduledBuild(
        kind=build.kind, recipe=build.recipe, data=build.data, out=build.out, settings=build.set, whole=build.whole
    )
    new = NewSchedule(
        cron=cron,
        command=command or scheduled.words(),
        zone=when.zone,
        title=title,
        misfire=when.misfire,
        overlap=when.overlap,
        jitter_s=when.jitter,
        max_cost_usd=when.max_cost,
        folder=str(Path.cwd()),
    )
    with _store() as store:
        _tell(store.add(new), json)
        _warn_where_nobody_looks(store)


@app.command
def ls(*, json: Json = False) -> None:
    """List schedules, with the next time and what became of the last one.

    Args:
        json: print one JSON array on stdout
    """
    from factory.schedules.describe import schedule_table
    from factory.store.tables import print_out

    with _store() as store:
        schedules = store.list()
        if json:
            print_json(schedules)
        elif schedules:
            print_out(schedule_table(schedules, [next(iter(store.history(one.id, 1)), None) for one in schedules]))
        else:
            print("no schedules", file=sys.stderr)


@app.command
def show(id: str, *, json: Json = False) -> None:
    """Show a schedule, and when it comes next.

    Args:
        id: of the schedule
        json: print one JSON object on stdout
    """
    with _store() as store:
        _tell(store.get(id), json)


@app.command
def pause(id: str, *, json: Json = False) -> None:
    """Let nothing fire any more. Jobs that are there go on.

    Args:
        id: of the schedule
        json: print one JSON object on stdout
    """
    with _store() as store:
        _tell(store.pause(id), json)


@app.command
def resume(id: str, *, json: Json = False) -> None:
    """Let it fire again. The times of the pause are left out.

    Args:
        id: of the schedule
        json: print one JSON object on stdout
    """
    with _store() as store:
        _tell(store.resume(id), json)


@app.command(name="run-now")
def run_now(id: str, *, json: Json = False) -> None:
    """Fire between its times.

    Args:
        id: of the schedule
        json: print one JSON object on stdout
    """
    with _store() as store:
        _tell_firing(store.run_now(id), json)
        _warn_where_nobody_looks(store)


@app.command
def rm(id: str, *, json: Json = False) -> None:
    """Remove a schedule with its history. Its jobs stay, and go on.

    Args:
        id: of the schedule
        json: print one JSON object on stdout
    """
    with _store() as store:
        schedule = store.remove(id)
        if json:
            print_json(schedule)
        else:
            print(f"{id} removed")


@app.command
def history(id: str, *, limit: int = 50, json: Json = False) -> None:
    """List what became of a schedule's times, the latest first.

    Args:
        id: of the schedule
        limit: how many
        json: print one JSON array on stdout
    """
    from factory.schedules.describe import firing_table
    from factory.store.tables import print_out

    with _store() as store:
        firings = store.history(id, limit)
        if json:
            print_json(firings)
        else:
            print_out(firing_table(store.get(id), firings))


@app.command
def run(*, once: Annotated[bool, Parameter(negative="")] = False, bounds: Bounds | None = None) -> int:
    """Fire what is due and run jobs, in the foreground. Ctrl-C and SIGTERM end this command alone; its jobs run on.

    Args:
        once: end when nothing is due, nothing runs and nothing more may start; exit 1 if a job failed
        bounds: how much may run at once
    """
    from factory.schedules.runner import ScheduledRunner
    from schemas.datasets import workspace

    with ScheduledRunner(workspace(), (bounds or Bounds()).limits()) as runner:
        return run_until_told(runner, once)


def _store() -> ScheduleStore:
    from factory.schedules.store import ScheduleStore
    from schemas.datasets import workspace

    return ScheduleStore(workspace())


def _warn_where_nobody_looks(store: ScheduleStore) -> None:
    from factory.jobs.owners import any_alive

    if not any_alive(store.home):
        print("nothing runs it yet: start `factory schedule run` or `factory serve`", file=sys.stderr)


def _tell(schedule: Schedule, as_json: bool) -> None:
    from factory.schedules.describe import schedule_lines

    if as_json:
        print_json(schedule)
        return
    after = schedule.checked if schedule.state == "active" else float("inf")
    upcoming = [] if schedule.state == "paused" else schedule.times.upcoming(after, SHOWN)
    print("\n".join(schedule_lines(schedule, upcoming)))


def _tell_firing(firing: Firing, as_json: bool) -> None:
    if as_json:
        print_json(firing)
    else:
        print(f"{firing.outcome} {firing.job_id or ''}".rstrip())
