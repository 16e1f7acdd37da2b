"""Rows in files of small blocks: what is read is what was written, and never much more than was asked for."""

import os
import random

import pyarrow as pa
import pytest

from factory.looking import table as tables
from factory.looking.blocks import BLOCK_BYTES, BLOCK_ROWS, read_blocks, write_blocks
from factory.looking.rows import Query, page
from factory.looking.table import open_table, read_rows
from schemas.arrow import ARROW_SCHEMAS
from schemas.records import Completion, Message
from schemas.shards import to_batch
from tests.factory.looking.workspace import library, version
from tests.schemas.rows import completion


def table_of(rows):
    return pa.Table.from_batches([to_batch(rows, Completion)])


def sized(number, characters):
    return completion(number, completion=[Message("assistant", "x" * characters, None)])


@pytest.mark.parametrize("characters", [0, 30, 3000, 2 * BLOCK_BYTES])
@pytest.mark.parametrize("rows", [1, BLOCK_ROWS, BLOCK_ROWS + 1, 200])
def test_rows_at_any_places_are_read(tmp_path, rows, characters):
    whole = table_of([sized(number, characters) for number in range(rows)])
    write_blocks(tmp_path / "blocks", whole)
    chance = random.Random(rows)
    for _ in range(5):
        places = sorted(chance.sample(range(rows), chance.randrange(1, rows + 1)))
        for columns in (None, ["completion_id", "completion"]):
            read = pa.Table.from_batches(read_blocks(tmp_path / "blocks", whole.schema, places, columns))
            assert read.equals((whole if columns is None else whole.select(columns)).take(places))


def test_of_a_file_only_the_blocks_that_are_asked_for_are_read(tmp_path, monkeypatch):
    write_blocks(tmp_path / "blocks", table_of([sized(number, 1000) for number in range(5000)]))
    read, pread = [], os.pread
    monkeypatch.setattr(os, "pread", lambda *asked: read.append(asked[1]) or pread(*asked))
    assert len([*read_blocks(tmp_path / "blocks", ARROW_SCHEMAS[Completion], [0, 2500, 4999], None)]) == 3
    assert sum(read) < 4 * BLOCK_BYTES < (tmp_path / "blocks").stat().st_size / 9


def test_very_large_rows_are_handed_on_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "AT_ONCE_BYTES", 100_000)
    rows = [sized(number, 40_000) for number in range(20)]
    version(tmp_path, "large", rows)
    shelf = library(tmp_path)
    table = open_table(shelf, "large")
    parts = [*read_rows(shelf, table, range(20))]
    assert max(part.num_rows for part in parts) <= 3 < len(parts)
    assert pa.Table.from_batches(parts).column("completion_id").to_pylist() == [row.completion_id for row in rows]
    shown = page(shelf, "large", Query(sort="-n_completion_tokens", limit=20)).rows
    assert {line.number: line.key for line in shown} == {number: row.completion_id for number, row in enumerate(rows)}
    assert {len(line.answered) for line in shown} == {300}


def test_of_no_rows_nothing_is_read(tmp_path):
    version(tmp_path, "one", [completion(0)])
    shelf = library(tmp_path)
    assert [*read_rows(shelf, open_table(shelf, "one"), [])] == []
    assert page(shelf, "one", Query(offset=5)).rows == []
