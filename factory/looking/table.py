"""The rows of a version, or those that it rejected, and single ones of them read by their numbers.

A row group is decoded once and kept as a file of Arrow batches of few rows, which is mapped and not read: after that
a row costs what its bytes cost, wherever it stands.
"""

from __future__ import annotations

import bisect
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Literal

import msgspec
import pyarrow as pa

from factory.looking.library import Library
from schemas.columns import to_records
from schemas.datasets import DatasetVersion
from schemas.errors import NotFoundError, WriteError
from schemas.local import LocalFolder
from schemas.manifest import Shard
from schemas.reading import open_shard, read_batches
from schemas.records import Record, Rejection

Part = Literal["rows", "rejections"]
BATCH_ROWS = 256
BATCH_BYTES = 2**20
_ROWS = b"batch_rows"


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


def open_table(library: Library, ref: str, part: Part = "rows") -> Table:
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
) -> list[pa.RecordBatch]:
    """Rows in the order of `numbers`, as batches that follow each other; each row group is opened once.

    Raises:
        CorruptError: a shard is damaged.
    """
    ordered = sorted(set(numbers))
    found: list[pa.RecordBatch] = []
    places = ((_group_of(library, table, number), number) for number in ordered)
    for group, members in groupby(places, key=lambda place: place[0]):
        offsets = [number - group.start for _, number in members]
        found += _from_group(library, table, group, offsets, columns)
    if ordered == list(numbers):
        return found
    at = {number: place for place, number in enumerate(ordered)}
    whole = pa.Table.from_batches(found).take(pa.array([at[number] for number in numbers]))
    return list(whole.combine_chunks().to_batches())


class _Group(msgspec.Struct, frozen=True):
    """A row group. `start`: its first row's number in the table."""

    shard: int
    number: int
    start: int
    rows: int


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
    library: Library, table: Table, group: _Group, offsets: Sequence[int], columns: Sequence[str] | None
) -> list[pa.RecordBatch]:
    try:
        path = _group_file(library, table, group)
    except WriteError:  # a disk that is full or may not be written to: the row group is decoded each time
        names = table.record.__struct_fields__ if columns is None else columns
        whole = pa.Table.from_batches(_decoded(table, group, names)).combine_chunks()
        return [_picked(whole.to_batches()[0], list(offsets))]
    with pa.memory_map(str(path)) as source:
        file = pa.ipc.open_file(source)
        per_batch = int(file.schema.metadata[_ROWS])
        found = []
        for number, members in groupby(offsets, key=lambda offset: offset // per_batch):
            batch = file.get_batch(number)
            chosen = batch if columns is None else batch.select(list(columns))
            found.append(_picked(chosen, [offset - number * per_batch for offset in members]))
        return found


def _picked(batch: pa.RecordBatch, places: list[int]) -> pa.RecordBatch:
    if places == list(range(places[0], places[-1] + 1)):
        return batch.slice(places[0], len(places))
    return batch.take(pa.array(places))


def _group_file(library: Library, table: Table, group: _Group) -> Path:
    """The row group as a file of small batches, made where there is none: by one thread, should several want it."""
    kept = library.kept
    name = f"groups/{table.shards[group.shard].sha256[:32]}-{table.record.__name__}-{group.number}.arrow"

    def find_or_write() -> Path:
        return kept.path(name) or kept.write(name, lambda place: _write_group(place, table, group))

    return kept.path(name) or library.memory.get(name, find_or_write, lambda _: sys.maxsize)


def _decoded(table: Table, group: _Group, columns: Sequence[str]) -> list[pa.RecordBatch]:
    shard, start = table.shards[group.shard], group.start - table.starts[group.shard]
    stop = start + group.rows
    return [*read_batches(table.folder, [shard], table.record, columns=columns, start=start, stop=stop)]


def _write_group(place: Path, table: Table, group: _Group) -> None:
    whole = pa.Table.from_batches(_decoded(table, group, table.record.__struct_fields__)).combine_chunks()
    per_batch = max(1, min(BATCH_ROWS, BATCH_BYTES * whole.num_rows // max(1, whole.nbytes)))
    schema = whole.schema.with_metadata({_ROWS: str(per_batch)})
    with pa.OSFile(str(place), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for batch in whole.replace_schema_metadata(schema.metadata).to_batches(per_batch):
            writer.write_batch(batch)
