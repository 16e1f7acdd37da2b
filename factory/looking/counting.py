"""What is in each column of a table, counted in one pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Literal

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from factory.looking.distinct import Distinct, Duplicates
from factory.looking.places import PlacesCount
from factory.looking.table import Table
from factory.looking.tally import Numbers, Tally
from factory.looking.texts import (
    characters,
    entries,
    is_messages,
    is_number,
    message_characters,
    part_characters,
)
from schemas.arrow import ARROW_SCHEMAS
from schemas.records import Completion, Judgement, PassRate, PreferencePair, Prompt, Record, Trace

Shape = Literal["number", "category", "text", "messages", "list", "difference"]
MOST_VALUES = 1000  # different texts of a column that are told apart
TOP_VALUES = 30
CATEGORY = 100  # a column with fewer different texts is one of categories
LONG = 200  # characters: a column with a longer text is none
BATCHES = 16  # counted at once
BYTES = 32 * 2**20
METADATA_ROWS = 200_000  # of a larger version, about so many rows' metadata are read
# Rows that say the same, of each kind.
_SAME: dict[type[Record], dict[str, tuple[str, ...]]] = {
    Prompt: {"prompt": ("prompt",)},
    Completion: {"id": ("completion_id",), "answer": ("completion",), "prompt and answer": ("prompt", "completion")},
    Trace: {"id": ("trace_id",), "conversation": ("messages",)},
    PreferencePair: {"id": ("pair_id",), "prompt": ("prompt",), "pair": ("prompt", "chosen", "rejected")},
    PassRate: {"prompt": ("prompt",), "prompt and model": ("prompt", "model", "revision")},
    Judgement: {"answer and judge": ("completion_id", "judge")},
}


class Value(msgspec.Struct, frozen=True):
    text: str
    rows: int


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """`numbers`: of a number its values, of a text its characters, of messages the characters of all turns, of a list
    its entries, of a difference of two columns (which no query can name) its values. `turns`: how many messages.
    `values`: the most frequent of a category, and `distinct` of them all (None: more than are counted). `rows`: those
    that were looked at, of a place in the metadata a share of all."""

    name: str
    type: str
    shape: Shape
    missing: int
    empty: int  # texts without a character, lists without an entry
    rows: int
    not_finite: int = 0  # numbers that are infinite or none
    numbers: Numbers | None = None
    turns: Numbers | None = None
    values: list[Value] = []
    distinct: int | None = None
    reasoning: Numbers | None = None  # characters of thoughts in messages, of rows that have some


class Counted(msgspec.Struct, frozen=True):
    columns: list[Column]
    duplicates: list[Duplicates]


def count_table(table: Table, on_rows: Callable[[int], None]) -> Counted:
    """`on_rows` is told how many rows are done. Raises CorruptError."""
    schema = ARROW_SCHEMAS[table.record]
    counts = [ColumnCount(field) for field in schema]
    places = PlacesCount()
    distinct = [Distinct(what, names) for what, names in _SAME.get(table.record, {}).items()]
    gaps = _GapCount() if table.record is PreferencePair else None
    every, done = max(1, table.rows // METADATA_ROWS), 0
    for number, batch in enumerate(_batches(table, schema.names)):
        for count in counts:
            count.add(batch.column(count.name))
        for one in distinct:
            one.add(batch)
        if gaps is not None:
            gaps.add(batch)
        if "metadata" in schema.names and number % every == 0:
            places.add(batch.column("metadata"))
        done += batch.num_rows
        on_rows(done)
    columns = [*(count.column() for count in counts), *(gaps.columns() if gaps else ()), *_of_places(places)]
    return Counted(columns, [one.duplicates() for one in distinct])


class ColumnCount:
    """Of one column."""

    def __init__(self, field: pa.Field) -> None:
        self.name, self._type = field.name, field.type
        self._tally, self._turns, self._reasoning = Tally(), Tally(), Tally()
        self._values: Counter[str] | None = Counter() if pa.types.is_string(field.type) else None
        self._rows = self._missing = self._empty = 0

    def add(self, column: pa.Array) -> None:
        self._rows += len(column)
        self._missing += column.null_count
        there = column.drop_null() if column.null_count else column
        if is_number(self._type):
            self._tally.add(there.to_numpy(zero_copy_only=False))
        elif pa.types.is_string(self._type):
            self._add_lengths(characters(there))
            self._count_values(there)
        elif is_messages(self._type):
            self._add_lengths(message_characters(there), entries(there))
            self._turns.add(entries(there))
            thoughts = part_characters(there, "reasoning")
            self._reasoning.add(thoughts[thoughts > 0])
        else:
            self._add_lengths(entries(there))

    def column(self) -> Column:
        values = self._values
        return Column(
            name=self.name,
            type=str(self._type),
            shape=self._shape(),
            missing=self._missing,
            empty=self._empty,
            rows=self._rows,
            not_finite=self._tally.not_finite,
            numbers=self._tally.numbers(),
            turns=self._turns.numbers(),
            values=top_values(values) if values else [],
            distinct=None if values is None else len(values),
            reasoning=self._reasoning.numbers(),
        )

    def _shape(self) -> Shape:
        if is_number(self._type):
            return "number"
        if not pa.types.is_string(self._type):
            return "messages" if is_messages(self._type) else "list"
        return "text" if self._values is None or len(self._values) > CATEGORY else "category"

    def _add_lengths(self, lengths: np.ndarray[Any, Any], measured: np.ndarray[Any, Any] | None = None) -> None:
        self._tally.add(lengths)
        self._empty += int(((lengths if measured is None else measured) == 0).sum())

    def _count_values(self, column: pa.Array) -> None:
        if self._values is None or not len(column):
            return
        if pc.max(pc.utf8_length(column)).as_py() > LONG:
            self._values = None
            return
        found = pc.value_counts(column)
        if len(found) <= MOST_VALUES:
            self._values.update(dict(zip(found.field(0).to_pylist(), found.field(1).to_pylist(), strict=True)))
        if len(found) > MOST_VALUES or len(self._values) > MOST_VALUES:
            self._values = None


class _GapCount:
    """Of pairs: how much the chosen answer is longer, and how much better by its score."""

    def __init__(self) -> None:
        self._length, self._margin = Tally(), Tally()
        self._rows = self._unscored = 0

    def add(self, batch: pa.RecordBatch) -> None:
        chosen, rejected = (message_characters(batch.column(side)) for side in ("chosen", "rejected"))
        margin = pc.subtract(batch.column("score_chosen"), batch.column("score_rejected"))
        self._length.add(chosen - rejected)
        self._margin.add(margin.drop_null().to_numpy(zero_copy_only=False))
        self._rows += batch.num_rows
        self._unscored += margin.null_count

    def columns(self) -> list[Column]:
        parts = (
            ("chosen less rejected: characters", self._length, 0),
            ("chosen less rejected: score", self._margin, self._unscored),
        )
        return [
            Column(
                name=name,
                type="derived",
                shape="difference",
                missing=missing,
                empty=0,
                rows=self._rows,
                numbers=numbers,
            )
            for name, tally, missing in parts
            if (numbers := tally.numbers()) is not None
        ]


def top_values(values: Counter[str]) -> list[Value]:
    """The most frequent; of equally frequent ones those that come first in the alphabet."""
    ordered = sorted(values.items(), key=lambda one: (-one[1], one[0]))
    return [Value(text, rows) for text, rows in ordered[:TOP_VALUES]]


def _of_places(places: PlacesCount) -> Iterator[Column]:
    for name, place in places.found():
        values = place.values
        yield Column(
            name=f"metadata.{name}",
            type="json",
            shape="number" if place.is_number else "category" if values and len(values) <= CATEGORY else "text",
            missing=places.rows - place.rows,
            empty=0,
            rows=places.rows,
            numbers=place.tally.numbers(),
            values=top_values(values) if values else [],
            distinct=len(values) if values else None,
        )


def _batches(table: Table, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Larger ones than a scan gives: each counting has a price of its own."""
    held: list[pa.RecordBatch] = []
    for batch in table.scan(columns):
        held.append(batch)
        if len(held) == BATCHES or sum(one.nbytes for one in held) > BYTES:
            yield _joined(held)
            held = []
    if held:
        yield _joined(held)


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return pa.Table.from_batches(batches).combine_chunks().to_batches()[0]
