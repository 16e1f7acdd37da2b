"""How many rows are there more than once, by 64-bit hashes of their columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

Hashes = npt.NDArray[np.uint64]
MOST_HASHES = 4_000_000  # that are held: 32 MB


class Duplicates(msgspec.Struct, frozen=True, kw_only=True):
    """Rows beyond the first that are equal in `what`. `is_estimate`: of many millions of rows a share was counted."""

    what: str
    rows: int
    share: float
    is_estimate: bool = False


class Distinct:
    """Two different rows look equal once in 10^19 pairs. Of more rows than are held, those whose hash ends in zeros
    are counted: all copies of a row or none."""

    def __init__(self, what: str, columns: Sequence[str]) -> None:
        self.what, self.columns = what, list(columns)
        self._parts: list[Hashes] = []
        self._held = self._rows = 0
        self._mask = np.uint64(0)

    def add(self, batch: pa.RecordBatch) -> None:
        hashes = hash_rows(batch, self.columns)
        self._rows += hashes.size
        self._hold(hashes[hashes & self._mask == 0])
        while self._held > MOST_HASHES:
            self._mask = self._mask << np.uint64(1) | np.uint64(1)
            parts, self._parts, self._held = self._parts, [], 0
            for part in parts:
                self._hold(part[part & self._mask == 0])

    def duplicates(self) -> Duplicates:
        distinct = np.unique(np.concatenate([np.empty(0, np.uint64), *self._parts])).size
        times = int(self._mask) + 1
        rows = min(self._rows, times * (self._held - distinct))
        return Duplicates(what=self.what, rows=rows, share=rows / max(1, self._rows), is_estimate=times > 1)

    def _hold(self, hashes: Hashes) -> None:
        self._parts.append(hashes)
        self._held += hashes.size


def hash_rows(batch: pa.RecordBatch, columns: Sequence[str]) -> Hashes:
    """One hash a row. The same values have the same hash in any batch of this process."""
    import polars as pl

    return pl.DataFrame(pl.from_arrow(batch.select(list(columns)))).hash_rows().to_numpy()
