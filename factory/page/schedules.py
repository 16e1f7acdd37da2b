"""The page of schedules: when each comes next, and what became of its last times."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from factory.page.frame import Frame, render_page
from factory.page.runs import Choices
from factory.schedules.schedule import OVERLAPS, Firing, Schedule

SHOWN = 24  # of the last times, as squares


class ScheduleLine(msgspec.Struct, frozen=True, kw_only=True):
    """`history`: the latest first."""

    schedule: Schedule
    history: list[Firing]

    @property
    def command(self) -> str:
        return shlex.join(self.schedule.command)

    @property
    def next_local(self) -> str:
        """In the schedule's own zone."""
        found = self.schedule.next_at
        return "" if found is None else local_time(found, self.schedule.zone)


def local_time(epoch_s: float, zone: str) -> str:
    return datetime.fromtimestamp(epoch_s, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S %Z")


def look_of(firing: Firing) -> str:
    """A class of the style: how it went."""
    if firing.outcome.startswith("skipped"):
        return "skipped"
    if firing.job_id is not None and firing.job_state is None:
        return "gone"
    return firing.job_state or "queued"


def schedules_page(frame: Frame, lines: Sequence[ScheduleLine], choices: Choices) -> str:
    return render_page(
        "schedules.html",
        frame,
        "Schedules",
        "Schedules",
        lines=lines,
        choices=choices,
        overlaps=OVERLAPS,
        look_of=look_of,
        local_time=local_time,
        shown=SHOWN,
    )


def schedule_page(frame: Frame, line: ScheduleLine, upcoming: Sequence[float]) -> str:
    return render_page(
        "schedule.html",
        frame,
        "Schedules",
        line.schedule.title,
        line=line,
        schedule=line.schedule,
        upcoming=upcoming,
        look_of=look_of,
        local_time=local_time,
    )
