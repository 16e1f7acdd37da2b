"""The rows of an input whose prompts a dataset has nothing of yet.

A prompt is new until a row was made of it, or a rule of the recipe dropped what was. One that only failed is new again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.inputs import Item, VersionInput
from schemas.arrow import ARROW_SCHEMAS
from schemas.datasets import DatasetVersion
from schemas.manifest import Shard
from schemas.reading import read_batches
from schemas.records import Record, Rejection

PROMPT_ID = "prompt_id"


class NewRows:
    """An input without the prompts that `base` has. Its rows are numbered anew, in their order.

    Keeps eight bytes a row; while it is made, the ids of all prompts of both versions are in memory.
    """

    def __init__(self, source: VersionInput, base: DatasetVersion) -> None:
        """Raises CorruptError."""
        [version] = source.versions
        ids = _ids(version, version.manifest.shards, version.record)
        outcomes = _rejected(base)
        done = [_ids(base, base.manifest.shards, base.record), outcomes.filter(_is(outcomes, "dropped"))[PROMPT_ID]]
        failed = outcomes.filter(_is(outcomes, "failed"))[PROMPT_ID]
        is_new = ~_is_one_of(ids, pa.chunked_array([*done[0].chunks, *done[1].chunks], ids.type))
        self._source = source
        self._rows = np.flatnonzero(is_new)
        self.already = len(ids) - len(self._rows)  # rows of the input that are not new
        self.retried = int(np.count_nonzero(is_new & _is_one_of(ids, failed)))  # new rows that failed before
        self.what = source.what
        self.rows = len(self._rows)
        self.refs = source.refs
        self.versions = source.versions

    def read(self, start: int, stop: int) -> Iterator[tuple[int, Item]]:
        if start >= stop:
            return
        for row, item in self._source.read(int(self._rows[start]), int(self._rows[stop - 1]) + 1):
            place = int(np.searchsorted(self._rows, row))
            if self._rows[place] == row:
                yield place, item


def _ids(version: DatasetVersion, shards: Sequence[Shard], record: type[Record]) -> pa.ChunkedArray:
    batches = read_batches(version.folder, shards, record, columns=[PROMPT_ID])
    return pa.chunked_array([batch.column(0) for batch in batches], ARROW_SCHEMAS[record].field(PROMPT_ID).type)


def _rejected(version: DatasetVersion) -> pa.Table:
    columns = [PROMPT_ID, "outcome"]
    schema = pa.schema([ARROW_SCHEMAS[Rejection].field(name) for name in columns])
    batches = read_batches(version.folder, version.manifest.rejections, Rejection, columns=columns)
    return pa.Table.from_batches(list(batches), schema)


def _is(outcomes: pa.Table, outcome: str) -> pa.ChunkedArray:
    return pc.equal(outcomes["outcome"], outcome)


def _is_one_of(ids: pa.ChunkedArray, known: pa.ChunkedArray) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    found: np.ndarray[tuple[int], np.dtype[np.bool_]] = pc.is_in(ids, value_set=known.combine_chunks()).to_numpy()
    return found
