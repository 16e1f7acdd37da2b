"""Write a version as one Parquet file in the columns of another trainer."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from factory.store.layouts import LAYOUTS, Layout, Row
from schemas.datasets import DatasetVersion
from schemas.errors import DataError
from schemas.features import with_features
from schemas.folder import TEMPORARY
from schemas.local import make_folders, sync_folder

FILE = "train.parquet"
ROWS_AT_ONCE = 1024


def export(version: DatasetVersion, layout: str, out: Path) -> Path:
    """Stream the version's rows into `out`/train.parquet and return its path.

    Raises:
        DataError: an unknown layout, a kind that it has no columns for, a row that it cannot hold, or the file exists.
        CorruptError: a shard is damaged.
    """
    schema, fill = _layout(layout, version.manifest.kind)
    target = out / FILE
    if target.exists():
        raise DataError(f"{target}: exists already; choose another --out or remove it")
    make_folders(out.absolute())
    unfinished = out / f"{TEMPORARY}{secrets.token_hex(8)}"
    rows = (fill(row, index) for index, row in enumerate(version.records()))
    try:
        _write(unfinished, with_features(schema), rows)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
    sync_folder(out)
    return target


def _layout(layout: str, kind: str) -> Layout:
    if layout not in LAYOUTS:
        raise DataError(f"--layout {layout}: unknown; there are: {', '.join(LAYOUTS)}")
    if kind not in LAYOUTS[layout]:
        fitting = [name for name, kinds in LAYOUTS.items() if kind in kinds]
        raise DataError(
            f"--layout {layout}: has no columns for {kind!r}, only for {', '.join(LAYOUTS[layout])}; "
            f"for {kind!r} there are: {', '.join(fitting) or 'none'}"
        )
    return LAYOUTS[layout][kind]


def _write(path: Path, schema: pa.Schema, rows: Iterator[Row]) -> None:
    with path.open("xb") as file:
        with pq.ParquetWriter(file, schema, compression="zstd", write_page_index=True) as writer:
            while chunk := list(islice(rows, ROWS_AT_ONCE)):
                writer.write_batch(_batch(chunk, schema))
        file.flush()
        os.fsync(file.fileno())


def _batch(rows: list[Row], schema: pa.Schema) -> pa.RecordBatch:
    columns = [pa.array([row[field.name] for row in rows], field.type) for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
