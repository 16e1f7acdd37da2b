"""The times of a cron expression in a time zone, as Debian's cron takes them.

Where neither minute nor hour begins with "*", a time is one of the local clock: one that spring leaves out comes right
after the gap, one that autumn has twice comes the first time. Else every minute that matches counts, as it goes by.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from difflib import get_close_matches
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from cronsim import CronSim, CronSimError

from schemas.errors import DataError

FIELDS = "minute hour day-of-month month day-of-week, for example '0 2 * * *'"
MAX_CHARS = 200
FOLD_S = 25 * 3600  # longer than any clock was put back


class Cron:
    """`expression`: five fields. `zone`: an IANA name. Times are whole seconds since 1970, UTC."""

    def __init__(self, expression: str, zone: str) -> None:
        """Raises DataError."""
        self.expression = expression
        self._zone = _open_zone(zone)
        if len(expression) > MAX_CHARS or len(expression.split()) != 5:
            raise DataError(f"{expression[:MAX_CHARS]!r}: not a cron expression; write five fields: {FIELDS}")
        try:
            CronSim(expression, datetime(2000, 1, 1))
        except CronSimError as err:
            raise DataError(f"{expression!r}: {str(err).lower()}; the fields are {FIELDS}") from err
        minute, hour = expression.split()[:2]
        self._is_local = not minute.startswith("*") and not hour.startswith("*")

    def between(self, after: float, until: float, limit: int) -> list[int]:
        """The last `limit` times after `after`, up to `until`, ascending."""
        found: list[int] = []
        for time in self._backwards(until):
            if time <= after or len(found) == limit:
                break
            found.append(time)
        return found[::-1]

    def next_after(self, after: float) -> int | None:
        """The first time after `after`; None where there is none for 50 years."""
        for time in self._forwards(after):
            # Where clocks change by half an hour the way back finds times that the way forth leaves out.
            if found := self.between(after, time, 1 + int(time - after) // 60):
                return found[0]
        return None

    def upcoming(self, after: float, count: int) -> list[int]:
        """The next `count` times."""
        found: list[int] = []
        while len(found) < count and (time := self.next_after(found[-1] if found else after)) is not None:
            found.append(time)
        return found

    def _forwards(self, after: float) -> Iterator[int]:
        for moment in CronSim(self.expression, self._local(math.floor(after))):
            if (time := int(moment.timestamp())) > after:
                yield time

    def _backwards(self, until: float) -> Iterator[int]:
        """From `until` into the past."""
        # A local clock does not tell the two hours of autumn apart, so the search starts after the second of them.
        start = math.floor(until) // 60 * 60 + (FOLD_S if self._is_local else 60)
        last = math.inf
        for moment in CronSim(self.expression, self._local(start), reverse=True):
            time = int(moment.timestamp())
            if time <= until and time < last:
                last = time
                yield time

    def _local(self, seconds: int) -> datetime:
        return datetime.fromtimestamp(seconds, UTC).astimezone(self._zone)


def _open_zone(zone: str) -> ZoneInfo:
    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as err:
        near = get_close_matches(zone, available_timezones(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else "write it as Europe/Berlin or UTC"
        raise DataError(f"{zone!r}: no such time zone; {hint}") from err
