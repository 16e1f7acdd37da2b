"""Rows as lines of a list: how their texts begin, and their short columns."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise, repeat
from typing import Any

import msgspec
import pyarrow as pa

from factory.looking.filters import PLACE, Filter, place_reader, value_text
from factory.looking.library import Library
from factory.looking.table import Table, read_rows
from factory.looking.texts import beginnings, is_messages, part_of_turns, turn_starts
from schemas.arrow import ARROW_SCHEMAS
from schemas.columns import ROW_KEYS
from schemas.records import Judgement, Record, Rejection

BEGINNING = 300  # characters of what was asked, and of what was answered
SHORT = 80  # characters of a fact
AROUND = 80  # characters before and after a match
# Columns that say nothing at a glance; a sample shows them.
_LEFT_OUT = frozenset({"raw", "row", "metadata", "request_key", "seed", "engine", "licence", "source_id"})
_LEFT_OUT |= {"completion_id_chosen", "completion_id_rejected", "revision_chosen", "revision_rejected", "ci_high"}
_ASKED = ("prompt", "messages")
_ANSWERS = ("completion", "chosen", "messages")
_SAID: dict[type[Record], str] = {Judgement: "reason", Rejection: "reason"}


class Snippet(msgspec.Struct, frozen=True, kw_only=True):
    """Where a searched text stands in a row, and what is around it."""

    where: str  # "completion[0].content"
    before: str
    match: str
    after: str


class RowLine(msgspec.Struct, frozen=True):
    """One row of a list. `asked`, `answered`: how the texts begin. `facts`: its short columns, as text."""

    number: int  # from 0, in the order of the version
    key: str
    asked: str
    answered: str
    facts: dict[str, str]
    snippet: Snippet | None = None


def read_lines(
    library: Library, table: Table, numbers: Sequence[int], text: str, filters: Sequence[Filter]
) -> list[RowLine]:
    """`text`: what was searched for, to show where it stands. Places that were filtered by are facts."""
    places = [one.column for one in filters if one.column.startswith(PLACE)]
    ordered = sorted(numbers)
    batches = read_rows(library, table, ordered, _columns(table.record, text, places))
    read = (line for batch in batches for line in _lines(batch, table.record, text, places))
    lines = {number: RowLine(number, *line) for number, line in zip(ordered, read, strict=True)}
    return [lines[number] for number in numbers]


def searched_columns(record: type[Record]) -> tuple[str, ...]:
    """Where a text is searched for: what was said, asked and found; not ids, and not the metadata."""
    schema = ARROW_SCHEMAS[record]
    texts = ("ground_truth", "reason", "row") if record is Rejection else ("ground_truth", "reason")
    return tuple(field.name for field in schema if is_messages(field.type) or field.name in texts)


def snippet_of(row: pa.RecordBatch, record: type[Record], text: str) -> Snippet | None:
    """The first place of the only row of a batch where the text stands, in any case."""
    wanted = re.compile(re.escape(text), re.IGNORECASE)
    columns = searched_columns(record)
    for where, value in _texts(row.select(columns).to_pylist()[0], columns):
        if found := wanted.search(value):
            start, end = found.span()
            before, after = value[max(0, start - AROUND) : start], value[end : end + AROUND]
            return Snippet(where=where, before=before, match=found.group(), after=after)
    return None


def _columns(record: type[Record], text: str, places: Sequence[str]) -> list[str]:
    searched = searched_columns(record) if text else ()
    return [*dict.fromkeys([*_line_columns(record), *searched, *(["metadata"] if places else [])])]


@functools.cache
def _line_columns(record: type[Record]) -> tuple[str, ...]:
    """Ids, messages, what was said, and the facts."""
    messages = [field.name for field in ARROW_SCHEMAS[record] if is_messages(field.type)]
    return (*ROW_KEYS[record], *messages, *([_SAID[record]] if record in _SAID else []), *_fact_columns(record))


@functools.cache
def _fact_columns(record: type[Record]) -> tuple[str, ...]:
    """What is no list, and does not stand elsewhere in the line."""
    hidden = {*_LEFT_OUT, ROW_KEYS[record][0], _SAID.get(record)}
    return tuple(
        field.name for field in ARROW_SCHEMAS[record] if not pa.types.is_list(field.type) and field.name not in hidden
    )


def _lines(
    batch: pa.RecordBatch, record: type[Record], text: str, places: Sequence[str]
) -> Iterator[tuple[str, str, str, dict[str, str], Snippet | None]]:
    """A column at a time: of a row at a time most of a page's time would go into columns of one value."""
    facts, snippets = _facts(batch, record), _snippets(batch, record, text)
    if places:
        facts = [found | more for found, more in zip(facts, _placed(batch, places), strict=True)]
    return zip(_keys(batch, record), _asked(batch), _answered(batch, record), facts, snippets, strict=True)


def _snippets(batch: pa.RecordBatch, record: type[Record], text: str) -> Iterable[Snippet | None]:
    """Of one row after the other: their texts are whole."""
    if not text:
        return repeat(None, batch.num_rows)
    return (snippet_of(batch.slice(row, 1), record, text) for row in range(batch.num_rows))


def _keys(batch: pa.RecordBatch, record: type[Record]) -> list[str]:
    parts = [batch.column(name).to_pylist() for name in ROW_KEYS[record]]
    return parts[0] if len(parts) == 1 else [" ".join(row) for row in zip(*parts, strict=True)]


def _asked(batch: pa.RecordBatch) -> list[str]:
    """The last thing that a user said, else the first that was said."""
    column = _first_of(batch, _ASKED)
    if column is None:
        return [""] * batch.num_rows
    who = part_of_turns(column, "role").to_pylist()
    turns = [_last_user(who, start, end) for start, end in pairwise(turn_starts(column))]
    return _texts_of_turns(column, "content", turns)


def _last_user(who: Sequence[str], start: int, end: int) -> int | None:
    for turn in range(end - 1, start - 1, -1):
        if who[turn] == "user":
            return turn
    return start if end > start else None


def _answered(batch: pa.RecordBatch, record: type[Record]) -> list[str]:
    """The last turn's text, or its thoughts where it has none."""
    if record in _SAID:
        return [text or "" for text in beginnings(batch.column(_SAID[record]), BEGINNING)]
    column = _first_of(batch, _ANSWERS)
    if column is None:
        return [""] * batch.num_rows
    turns = [end - 1 if end > start else None for start, end in pairwise(turn_starts(column))]
    said = _texts_of_turns(column, "content", turns)
    if all(said):
        return said
    thoughts = _texts_of_turns(column, "reasoning", turns)
    return [text or thought for text, thought in zip(said, thoughts, strict=True)]


def _texts_of_turns(column: pa.ListArray, part: str, turns: Sequence[int | None]) -> list[str]:
    """How one field of these turns begins, by their places among all turns. Empty where there is none."""
    chosen = part_of_turns(column, part).take(pa.array(turns, pa.int64()))
    return [text or "" for text in beginnings(chosen, BEGINNING)]


def _first_of(batch: pa.RecordBatch, names: Sequence[str]) -> pa.ListArray | None:
    name = next((name for name in names if name in batch.schema.names), None)
    return None if name is None else batch.column(name)


def _facts(batch: pa.RecordBatch, record: type[Record]) -> list[dict[str, str]]:
    columns = {name: batch.column(name) for name in _fact_columns(record)}
    there = {name: _as_text(column) for name, column in columns.items() if column.null_count < batch.num_rows}
    rows = zip(*there.values(), strict=True) if there else [()] * batch.num_rows
    found = [dict(zip(there, row, strict=True)) for row in rows]
    if not any(columns[name].null_count for name in there):
        return found
    return [{name: value for name, value in row.items() if value is not None} for row in found]


def _as_text(column: pa.Array) -> list[Any]:
    """A text, or None, of each row."""
    if pa.types.is_string(column.type):
        return beginnings(column, SHORT)
    write = "{:.6g}".format if pa.types.is_floating(column.type) else str
    return [None if value is None else write(value) for value in column.to_pylist()]


def _placed(batch: pa.RecordBatch, places: Sequence[str]) -> Iterator[dict[str, str]]:
    """What stands at these places of each row's metadata, which is read one row at a time: it may be large."""
    readers = {name: place_reader(name) for name in places}
    for metadata in batch.column("metadata"):
        text = metadata.as_py()
        yield {name: _short_value(read(text)) for name, read in readers.items()}


def _short_value(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return "" if value is None else value_text(value)[:SHORT]


def _texts(row: dict[str, Any], columns: Sequence[str]) -> Iterator[tuple[str, str]]:
    for name in columns:
        value = row[name]
        if isinstance(value, str):
            yield name, value
        for place, turn in enumerate(value if isinstance(value, list) else ()):
            for part in ("content", "reasoning"):
                if turn[part] is not None:
                    yield f"{name}[{place}].{part}", turn[part]
