"""Rows of a Parquet file and of a Hugging Face dataset, a batch in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.jsonl import open_file
from pipelines.source_rows import SourceRow, empty_source, need_columns
from schemas.errors import DataError

_BATCH_ROWS = 256


class HubSource(msgspec.Struct, frozen=True):
    """A dataset by its id on the Hugging Face hub, or the folder of one."""

    name: str
    revision: str | None
    config: str | None
    split: str


def parquet_rows(path: Path, columns: Sequence[str]) -> Iterator[SourceRow]:
    """The rows of `columns`, in order.

    Raises:
        DataError: no such file, not Parquet, a column that is not there, no rows, or text that is not UTF-8.
    """
    with open_file(path) as file:
        table = _open_parquet(file, path.name)
        need_columns(path.name, columns, table.schema_arrow.names)
        if table.metadata.num_rows == 0:
            raise empty_source(path.name)
        number = 0
        for batch in table.iter_batches(batch_size=_BATCH_ROWS, columns=list(columns)):
            for fields in _fields(batch, path.name, number):
                number += 1
                yield SourceRow(f"{path.name} row {number}", number, fields)


def _open_parquet(file: Any, name: str) -> pq.ParquetFile:  # noqa: ANN401 - a binary file
    try:
        return pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as err:
        raise DataError(f"{name}: not a Parquet file: {err}; check the file") from err


def _fields(batch: pa.RecordBatch, name: str, start: int) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = batch.to_pylist()
    except UnicodeDecodeError as err:
        where = f"{name} rows {start + 1} to {start + batch.num_rows}"
        raise DataError(f"{where}: text that is not UTF-8 (byte {err.start + 1}); write the file again") from err
    return rows


def parse_hub(text: str) -> HubSource:
    """`NAME[@REVISION][:CONFIG][:SPLIT]`; without a split, "train". Raises DataError."""
    name, *rest = text.split(":")
    if not name or len(rest) > 2:
        raise DataError(f"hf:{text}: write it as hf:ORG/NAME[@REVISION][:CONFIG][:SPLIT]")
    config, split = [*rest, "", ""][:2]
    name, _, revision = name.partition("@")
    return HubSource(name, revision or None, config or None, split or "train")


def hub_rows(source: HubSource, columns: Sequence[str]) -> Iterator[SourceRow]:
    """The rows of a dataset of the hub, streamed.

    Raises:
        DataError: it cannot be loaded, a column is not there, or there are no rows.
    """
    name = shown_name(source)
    number = 0
    for fields in _hub_stream(source):
        number += 1
        need_columns(f"{name} row {number}", columns, fields)
        yield SourceRow(f"{name} row {number}", number, fields)
    if number == 0:
        raise empty_source(name)


def shown_name(source: HubSource) -> str:
    """The dataset's id, or the last part of a folder's path: nobody else has that folder where it is here."""
    return Path(source.name).resolve().name if is_local(source) else source.name


def _hub_stream(source: HubSource) -> Iterator[dict[str, Any]]:
    from datasets import load_dataset

    revision = hub_revision(source)
    try:
        yield from load_dataset(source.name, source.config, split=source.split, revision=revision, streaming=True)
    except _hub_errors() as err:
        raise _not_loaded(source, err) from err


def _hub_errors() -> tuple[type[Exception], ...]:
    from datasets.exceptions import DatasetsError
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]  # httpx or requests, as it is built on

    return OSError, ValueError, DatasetsError, HTTPError


@lru_cache(maxsize=16)
def hub_revision(source: HubSource) -> str | None:
    """The commit that the source names now; None for a folder. Raises DataError when the hub cannot be asked."""
    if is_local(source):
        return None
    from huggingface_hub import HfApi

    try:
        sha = HfApi().dataset_info(source.name, revision=source.revision).sha
    except _hub_errors() as err:
        raise _not_loaded(source, err) from err
    if sha is None:
        raise DataError(f"hf:{source.name}: the hub names no commit for it; give one as hf:{source.name}@REVISION")
    return sha


def is_local(source: HubSource) -> bool:
    return Path(source.name).is_dir()


def _not_loaded(source: HubSource, err: Exception) -> DataError:
    first = (str(err).strip() or type(err).__name__).splitlines()[0]
    hint = "check the name, the network and HF_TOKEN"
    return DataError(f"hf:{source.name}: cannot be loaded: {first}; {hint}")
