"""What a schedule is, and what one of its times became."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from itertools import pairwise
from typing import Literal, get_args

import msgspec

from factory.jobs.command import check_command
from factory.jobs.job import State as JobState
from factory.schedules.cron import Cron
from schemas.errors import DataError

State = Literal["active", "paused"]
Overlap = Literal["skip", "queue", "cancel-running"]
OVERLAPS: tuple[Overlap, ...] = get_args(Overlap)
MISFIRE = re.compile(r"skip|run-once|catch-up:([1-9][0-9]?)")
SPACING_LOOKED_AT = 50  # times


class NewSchedule(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants to have run, and when.

    Args:
        misfire: of times that passed while nobody looked: "skip", "run-once" (the last of them), or "catch-up:N" (the
            last N).
        overlap: of a time that comes while a job of the schedule has not ended: "skip" it, "queue" it until that has,
            or "cancel-running" ones and take their place.
        jitter_s: a job starts up to so many seconds late, always as many for the same schedule and time.
        folder: where relative paths of the command begin; None: where the runner was started.
    """

    cron: str
    command: Sequence[str]
    zone: str = "UTC"
    title: str = ""
    misfire: str = "run-once"
    overlap: str = "skip"
    jitter_s: int = 0
    max_cost_usd: float | None = None
    folder: str | None = None


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table `schedule`. Times are UTC, in seconds since 1970."""

    id: str
    title: str
    cron: str
    zone: str
    command: list[str]
    folder: str | None
    state: State
    misfire: str
    overlap: Overlap
    jitter_s: int
    max_cost_usd: float | None
    created: float
    checked: float  # times up to this one are decided
    next_at: float | None  # the first one that is not; jitter comes on top

    @property
    def source(self) -> str:
        """Of its jobs."""
        return f"schedule:{self.id}"

    @property
    def times(self) -> Cron:
        return Cron(self.cron, self.zone)

    @property
    def catches_up(self) -> int:
        """How many missed times are made up for."""
        match = MISFIRE.fullmatch(self.misfire)
        assert match is not None  # as it was checked
        return int(match[1]) if match[1] else int(self.misfire == "run-once")

    def starts_at(self, time: int) -> float:
        """The time with its jitter."""
        if not self.jitter_s:
            return time
        digest = blake2b(f"{self.id} {time}".encode(), digest_size=8).digest()
        return time + int.from_bytes(digest) / 2**64 * self.jitter_s


class Firing(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one time of a schedule.

    `outcome`: "fired" (there is a job), "waiting" (there will be when the one before has ended), "skipped:missed",
    "skipped:overlap", "skipped:superseded" (by a later time, before it could start) or "skipped:full".
    """

    schedule_id: str
    scheduled_for: float
    outcome: str
    decided: float  # when
    job_id: str | None = None
    job_state: JobState | None = None
    made: str | None = None  # by the job


def check_schedule(new: NewSchedule, now: float) -> None:
    """Raises DataError: says which part of it is wrong."""
    check_command(new.command, new.max_cost_usd)
    if not MISFIRE.fullmatch(new.misfire):
        raise DataError(f"misfire {new.misfire!r}: one of skip, run-once, catch-up:1 to catch-up:99")
    if new.overlap not in OVERLAPS:
        raise DataError(f"overlap {new.overlap!r}: one of {', '.join(OVERLAPS)}")
    if new.misfire.startswith("catch-up") and new.overlap != "queue":
        raise DataError(f"{new.misfire} starts one job after the other: it needs overlap queue")
    _check_jitter(new, Cron(new.cron, new.zone).upcoming(now, SPACING_LOOKED_AT))


def _check_jitter(new: NewSchedule, times: Sequence[int]) -> None:
    if not times:
        raise DataError(f"{new.cron!r}: no day matches it in 50 years")
    spacing = min((later - time for time, later in pairwise(times)), default=new.jitter_s + 1)
    if not 0 <= new.jitter_s < spacing:
        raise DataError(f"a jitter of {new.jitter_s} s: give less than the {spacing} s from one time to the next")


def stamp(seconds: float) -> str:
    """2026-03-29T01:00:00Z, with milliseconds where there are any."""
    moment = datetime.fromtimestamp(seconds, UTC)
    form = "milliseconds" if moment.microsecond else "seconds"
    return moment.replace(tzinfo=None).isoformat(timespec=form) + "Z"
