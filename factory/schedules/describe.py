"""Schedules and what became of their times, as text for a terminal."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from rich.table import Table

from factory.schedules.schedule import Firing, Schedule
from factory.store.tables import plain_table
from schemas.visible import visible


def schedule_table(schedules: Sequence[Schedule], last: Sequence[Firing | None]) -> Table:
    """`last`: of each, what became of its latest time."""
    titles = ["schedule", "state", "what", "when", "next", "last"]
    return plain_table(titles, [_cells(one, firing) for one, firing in zip(schedules, last, strict=True)])


def _cells(schedule: Schedule, last: Firing | None) -> list[str]:
    next_at = "" if schedule.next_at is None or schedule.state == "paused" else local(schedule.next_at, schedule)
    became = "" if last is None else f"{local(last.scheduled_for, schedule)} {came_of(last)}"
    when = f"{schedule.cron} {schedule.zone}"
    return [schedule.id, schedule.state, visible(schedule.title), visible(when), next_at, became]


def schedule_lines(schedule: Schedule, upcoming: Sequence[int]) -> Iterator[str]:
    """What there is to say of one, a line a fact."""
    facts = {
        "schedule": f"{schedule.id}, {schedule.state}",
        "command": shlex.join(schedule.command),
        "folder": schedule.folder,
        "when": f"{schedule.cron} {schedule.zone}" + (f", up to {schedule.jitter_s} s later" * bool(schedule.jitter_s)),
        "missed": schedule.misfire,
        "overlap": schedule.overlap,
        "cost": None if schedule.max_cost_usd is None else f"{schedule.max_cost_usd:g} USD at most, each time",
        "next": ", ".join(local(time, schedule) for time in upcoming),
    }
    return (f"{name:<8}  {visible(fact)}" for name, fact in facts.items() if fact)


def firing_table(schedule: Schedule, firings: Sequence[Firing]) -> Table:
    rows = [
        [
            local(one.scheduled_for, schedule),
            one.outcome,
            one.job_id or "",
            one.job_state or "",
            visible(one.made or ""),
        ]
        for one in firings
    ]
    return plain_table(["time", "outcome", "job", "state", "made"], rows)


def came_of(firing: Firing) -> str:
    return visible(firing.made or firing.job_state or firing.outcome)


def local(seconds: float, schedule: Schedule) -> str:
    """With the offset: autumn has an hour twice."""
    return f"{datetime.fromtimestamp(seconds, UTC).astimezone(ZoneInfo(schedule.zone)):%Y-%m-%d %H:%M:%S%z}"
