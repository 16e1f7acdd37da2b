"""The rows of a version, or those that it rejected, and single ones of them read by their numbers.

A row group is decoded once and kept as a file of small blocks: after that a row costs what a few rows beside it cost.
"""

from __future__ import annotations

import bisect
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec
import pyarrow as pa

from factory.looking.blocks import FORMAT, pick, read_blocks, write_blocks
from factory.looking.library import Library, Ref
from schemas.arrow import ARROW_SCHEMAS
from schemas.columns import to_records
from schemas.datasets import DatasetVersion
from schemas.errors import NotFoundError, WriteError
from schemas.local import LocalFolder
from schemas.manifest import Shard
from schemas.reading import open_shard, read_batches
from schemas.records import Record, Rejection
from schemas.shards import schema_sha256

Part = Literal["rows", "rejections"]
AT_ONCE_BYTES = 4 * 2**20  # of rows that somebody holds


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """`id`: says all that its rows depend on. `starts`: the number of each shard's first row."""

    id: str
    folder: LocalFolder
    shards: Sequence[Shard]
    record: type[Record]
    starts: Sequence[int]
    rows: int

    def scan(self, columns: Sequence[str], start: int = 0) -> Iterator[pa.RecordBatch]:
        """Batches of up to 1,024 rows in order, from row `start` on. Raises CorruptError."""
        return read_batches(self.folder, self.shards, self.record, columns=columns, start=start)

    def is_in(self, number: int) -> bool:
        return 0 <= number < self.rows


def open_table(library: Library, ref: Ref, part: Part = "rows") -> Table:
    """Raises as `Library.version`."""
    return table_of(library.version(ref), part)


def table_of(version: DatasetVersion, part: Part = "rows") -> Table:
    assert isinstance(version.folder, LocalFolder)  # a library opens no others
    manifest = version.manifest
    shards = manifest.shards if part == "rows" else manifest.rejections
    starts = [0]
    for shard in shards:
        starts.append(starts[-1] + shard.rows)
    return Table(
        id=f"{manifest.sha256}/{part}/{version.folder.location}",
        folder=version.folder,
        shards=shards,
        record=version.record if part == "rows" else Rejection,
        starts=starts[:-1],
        rows=starts[-1],
    )


def read_row(library: Library, table: Table, number: int) -> Record:
    """Raises NotFoundError: no such row; CorruptError."""
    if not table.is_in(number):
        raise NotFoundError(f"{table.folder.location}: no row {number}; there are {table.rows:,}, from 0 on")
    [batch] = read_rows(library, table, [number])
    return to_records(batch, table.record)[0]


def read_rows(
    library: Library, table: Table, numbers: Sequence[int], columns: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """Rows whose numbers ascend, as batches that follow each other: one, but for rows that are very large.

    Raises:
        CorruptError: a shard is damaged.
    """
    joined: list[pa.RecordBatch] = []
    size = 0
    for group, places in _by_group(library, table, numbers):
        for batch in _from_group(library, table, group, places, columns):
            size += batch.get_total_buffer_size()
            if joined and size > AT_ONCE_BYTES:
                yield _join(joined)
                joined, size = [], batch.get_total_buffer_size()
            joined.append(batch)
    if joined:
        yield _join(joined)


def _join(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)


class _Group(msgspec.Struct, frozen=True):
    """A row group. `start`: its first row's number in the table."""

    shard: int
    number: int
    start: int
    rows: int


def _by_group(library: Library, table: Table, ordered: Sequence[int]) -> Iterator[tuple[_Group, list[int]]]:
    """Each row group that has some of these rows, and where they are in it."""
    begun = 0
    while begun < len(ordered):
        group = _group_of(library, table, ordered[begun])
        end = bisect.bisect_left(ordered, group.start + group.rows, begun)
        yield group, [number - group.start for number in ordered[begun:end]]
        begun = end


def _group_of(library: Library, table: Table, number: int) -> _Group:
    shard = bisect.bisect_right(table.starts, number) - 1
    starts = _group_starts(library, table, shard)
    group = bisect.bisect_right(starts, number - table.starts[shard]) - 1
    return _Group(shard, group, table.starts[shard] + starts[group], starts[group + 1] - starts[group])


def _group_starts(library: Library, table: Table, shard: int) -> list[int]:
    """The first row of each row group of a shard, and behind them the number of its rows."""

    def read() -> list[int]:
        starts = [0]
        with open_shard(table.folder, table.shards[shard]) as file:
            for group in range(file.metadata.num_row_groups):
                starts.append(starts[-1] + file.metadata.row_group(group).num_rows)
        return starts

    key = ("groups", table.folder.location, table.shards[shard].sha256)
    return library.memory.get(key, read, lambda starts: 100 + 40 * len(starts))


def _from_group(
    library: Library, table: Table, group: _Group, places: list[int], columns: Sequence[str] | None
) -> Iterator[pa.RecordBatch]:
    try:
        file = _group_file(library, table, group)
    except WriteError:  # a disk that is full or may not be written to: the row group is decoded each time
        whole = _decoded(table, group).combine_chunks().to_batches()[0]
        return iter([pick(whole if columns is None else whole.select(columns), places)])
    return read_blocks(file, ARROW_SCHEMAS[table.record], places, columns)


def _group_file(library: Library, table: Table, group: _Group) -> Path:
    """The row group as a file of small blocks, made where there is none: by one thread, should several want it."""
    kept, record = library.kept, table.record
    shard = table.shards[group.shard].sha256[:32]
    name = f"groups/{FORMAT}-{shard}-{record.__name__}-{_SCHEMAS[record]}-{group.number}"

    def find_or_write() -> Path:
        return kept.path(name) or kept.write(name, lambda place: write_blocks(place, _decoded(table, group)))

    return kept.path(name) or library.memory.get(name, find_or_write, lambda _: sys.maxsize)


def _decoded(table: Table, group: _Group) -> pa.Table:
    shard, start = table.shards[group.shard], group.start - table.starts[group.shard]
    return pa.Table.from_batches(
        read_batches(table.folder, [shard], table.record, start=start, stop=start + group.rows)
    )


# Of today's columns: what an older release kept is not read as theirs.
_SCHEMAS = {record: schema_sha256(record)[:8] for record in ARROW_SCHEMAS}
