"""Reading shards: only the row groups that are asked for, one batch at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar, cast

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.arrow import ARROW_SCHEMAS
from schemas.columns import to_records
from schemas.errors import CorruptError
from schemas.folder import Folder
from schemas.manifest import Shard
from schemas.records import Record

R = TypeVar("R", bound=Record)
BATCH_ROWS = 1024


def read_records(
    folder: Folder, shards: Sequence[Shard], record: type[R], start: int = 0, stop: int | None = None
) -> Iterator[R]:
    """Rows `start` to `stop` of the shards, in order, one batch in memory.

    Raises:
        CorruptError: a shard is missing, cut short, or not of this record's schema.
    """
    kind = cast(type[Record], record)
    for batch in read_batches(folder, shards, kind, start=start, stop=stop):
        yield from cast(list[R], to_records(batch, kind))


def read_batches(
    folder: Folder,
    shards: Sequence[Shard],
    record: type[Record],
    *,
    columns: Sequence[str] | None = None,
    start: int = 0,
    stop: int | None = None,
) -> Iterator[pa.RecordBatch]:
    """As `read_records`, but Arrow batches of up to 1,024 rows, with only the chosen columns."""
    schema = _chosen(ARROW_SCHEMAS[record], columns)
    first = 0  # the number of the shard's first row
    for shard in shards:
        last = first + shard.rows
        wanted_to = last if stop is None else min(stop, last)
        if start < wanted_to and first < wanted_to:
            with open_shard(folder, shard) as file:
                yield from _rows(file, folder.where(shard.path), schema, (max(start, first) - first, wanted_to - first))
        first = last


@contextmanager
def open_shard(folder: Folder, shard: Shard) -> Iterator[pq.ParquetFile]:
    """The shard as a Parquet file, after the cheap checks: there, of the right size, with the right number of rows."""
    where = folder.where(shard.path)
    try:
        _must_equal(where, "bytes", folder.size(shard.path), shard.bytes)
        with folder.open_input(shard.path) as source:
            file = pq.ParquetFile(source)
            _must_equal(where, "rows", file.metadata.num_rows, shard.rows)
            yield file
    except FileNotFoundError as err:
        raise CorruptError(f"{where}: missing; {RESTORE}") from err
    except (pa.ArrowException, OSError) as err:
        if getattr(err, "errno", None):  # the disk or the network, not the bytes
            raise
        raise CorruptError(f"{where}: cannot be read ({err}); {RESTORE}") from err


def _must_equal(where: str, what: str, found: int, stated: int) -> None:
    if found != stated:
        raise CorruptError(f"{where}: {found} {what}, its manifest says {stated}; {RESTORE}")


RESTORE = "restore it from a copy, or build the version again"


def _rows(file: pq.ParquetFile, where: str, schema: pa.Schema, span: tuple[int, int]) -> Iterator[pa.RecordBatch]:
    """The rows `span[0]` to `span[1]` of one shard."""
    present = [name for name in schema.names if name in file.schema_arrow.names]
    for group, first, last in _groups(file):
        start, stop = max(span[0], first), min(span[1], last)
        at = first
        for batch in file.iter_batches(BATCH_ROWS, row_groups=[group], columns=present) if start < stop else ():
            low, high = max(start, at), min(stop, at + batch.num_rows)
            if low < high:
                yield _conformed(batch.slice(low - at, high - low), schema, where)
            at += batch.num_rows


def _groups(file: pq.ParquetFile) -> Iterator[tuple[int, int, int]]:
    """Each row group: its number, its first row, and the row after its last."""
    first = 0
    for group in range(file.metadata.num_row_groups):
        last = first + file.metadata.row_group(group).num_rows
        yield group, first, last
        first = last


def _conformed(batch: pa.RecordBatch, schema: pa.Schema, where: str) -> pa.RecordBatch:
    """The batch in today's schema. A shard written before an optional column was added gets nulls for it."""
    columns = [_conformed_column(batch, field, where) for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _conformed_column(batch: pa.RecordBatch, field: pa.Field, where: str) -> pa.Array:
    if field.name in batch.schema.names:
        column = batch.column(field.name)
        if column.type == field.type:
            return column
        raise CorruptError(f"{where}: column {field.name!r} is {column.type}, not {field.type}; {RESTORE}")
    if field.nullable:
        return pa.nulls(batch.num_rows, field.type)
    raise CorruptError(f"{where}: no column {field.name!r}; {RESTORE}")


def _chosen(schema: pa.Schema, columns: Sequence[str] | None) -> pa.Schema:
    return schema if columns is None else pa.schema([schema.field(name) for name in columns])
