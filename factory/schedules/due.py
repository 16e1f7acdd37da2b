"""Which times of a schedule are due, and what becomes of each. Nothing here touches the database."""

from __future__ import annotations

from itertools import takewhile

import msgspec

from factory.schedules.schedule import Schedule

LATE_S = 3600  # a time that is seen within an hour is late, not missed
NOTED = 100  # missed times of one gap
PUT_BACK_S = 60  # a clock that is behind by more than this was put back


class Due(msgspec.Struct, frozen=True):
    """Times to fire, times that were missed, and the schedule's `checked` and `next_at` from now on."""

    fire: list[int]
    missed: list[int]
    checked: float
    next_at: float | None


def decide(schedule: Schedule, now: float) -> Due:
    """What is due at `now`.

    Where the clock was put back, times are looked at again from `now` on; those that were decided stay as they are.
    """
    if now < schedule.checked - PUT_BACK_S:
        return Due([], [], now, schedule.times.next_after(now))
    times = schedule.times.between(schedule.checked, now, NOTED)
    due = list(takewhile(lambda time: schedule.starts_at(time) <= now, times))
    checked = due[-1] if due else schedule.checked
    fire = _to_fire(schedule, due, now)
    return Due(fire, due[: len(due) - len(fire)], checked, schedule.times.next_after(checked))


def _to_fire(schedule: Schedule, due: list[int], now: float) -> list[int]:
    """The last ones: one that comes in time, and as many missed ones as are made up for."""
    if not due:
        return []
    is_in_time = now - schedule.starts_at(due[-1]) <= LATE_S
    count = max(schedule.catches_up, int(is_in_time))
    return due[-count:] if count else []
