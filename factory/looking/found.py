"""Which rows of a table a query finds: searched for in order, a bounded time at once, and remembered."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from factory.looking.filters import Check
from factory.looking.library import Library
from factory.looking.table import Table
from factory.looking.texts import Mask

Numbers = npt.NDArray[np.int64]
Keys = npt.NDArray[np.float64]
BYTES_A_ROW, BYTES_SORTED = 8, 24  # that is found


class Found:
    """The numbers of the rows that pass all `checks`, among the first `searched` of the table.

    Args:
        sort: a column of numbers to order them by; "-" before it for downwards. Rows without a number come last,
            equal ones in the order of the table.
    """

    def __init__(self, table: Table, checks: Sequence[Check], sort: str = "") -> None:
        self._table, self._checks = table, checks
        self._sort, self._is_downwards = sort.removeprefix("-"), sort.startswith("-")
        self._numbers: list[Numbers] = []
        self._keys: list[Keys] = []
        self._ordered: Numbers | None = None
        self._lock = threading.Lock()
        self.searched = 0
        self.count = 0

    @property
    def is_done(self) -> bool:
        return self.searched == self._table.rows

    @property
    def is_sorted(self) -> bool:
        return bool(self._sort)

    @property
    def size(self) -> int:
        """Of what is held, about, in bytes."""
        return 1024 + (BYTES_SORTED if self._sort else BYTES_A_ROW) * self.count

    def go_on(self, enough: int, seconds: float, count_seconds: float) -> None:
        """Search on, until all rows were looked at or the time is up.

        It ends earlier, after `count_seconds`, once `enough` rows are found; sorted ones are not known before the end.
        """
        started = time.monotonic()
        with self._lock:
            if self.is_done:
                return
            for batch in self._table.scan(self._columns(), self.searched):
                self._add(batch)
                took = time.monotonic() - started
                has_enough = self.count >= enough and not self._sort
                if took > seconds or (has_enough and took > count_seconds):
                    break

    def rows(self, start: int, stop: int) -> list[int]:
        """The numbers of those at these places of the order."""
        with self._lock:
            return cast(list[int], self._in_order()[start:stop].tolist())

    def place_of(self, number: int) -> int | None:
        """Where a row stands in the order; None: it is not among them, or not yet."""
        with self._lock:
            places = np.flatnonzero(self._in_order() == number)
            return int(places[0]) if places.size else None

    def _columns(self) -> list[str]:
        """Of no column at all nothing could be counted, so there is at least one."""
        wanted = [name for check in self._checks for name in check.columns]
        wanted += [self._sort] if self._sort else []
        return [*dict.fromkeys(wanted)]

    def _add(self, batch: pa.RecordBatch) -> None:
        passed: Mask = np.ones(batch.num_rows, bool)
        for check in self._checks:
            passed &= check.mask(batch)
        places = np.flatnonzero(passed)
        if places.size:
            self._numbers.append(places + self.searched)
            self.count += int(places.size)
            self._ordered = None
            if self._sort:
                self._keys.append(_keys(batch.column(self._sort))[places])
        self.searched += batch.num_rows

    def _in_order(self) -> Numbers:
        if self._ordered is None:
            self._ordered = numbers = np.concatenate([np.empty(0, np.int64), *self._numbers])
            self._numbers = [numbers]
            if self._sort:
                keys = np.concatenate([np.empty(0, np.float64), *self._keys])
                self._keys = [keys]
                order = np.argsort(-keys if self._is_downwards else keys, kind="stable")  # NaN, for null, comes last
                self._ordered = numbers[order]
        return self._ordered


def _keys(column: pa.Array) -> Keys:
    return cast(Keys, column.cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy(zero_copy_only=False))


def find(library: Library, key: tuple[str, ...], found: Found, *, enough: int, seconds: float, count: float) -> Found:
    """Go on with what is remembered under `key`, or begin with `found`; remember it."""
    whole_key = ("found", *key)
    known = library.memory.get(whole_key, lambda: found, lambda one: one.size)
    if not known.is_done and (known.count < enough or known.is_sorted or known is found):
        known.go_on(enough, seconds, count)
        library.memory.keep(whole_key, known, known.size)
    return known
