"""Rows as lines of a list: how their texts begin, and their short columns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from factory.looking.filters import Filter, place_reader, value_text
from factory.looking.library import Library
from factory.looking.table import Table, read_rows
from factory.looking.texts import beginnings, is_messages
from schemas.arrow import ARROW_SCHEMAS
from schemas.columns import ROW_KEYS
from schemas.records import Judgement, Record, Rejection

BEGINNING = 300  # characters of what was asked, and of what was answered
SHORT = 80  # characters of a fact
AROUND = 80  # characters before and after a match
# Columns that say nothing at a glance; a sample shows them.
_LEFT_OUT = frozenset({"raw", "row", "metadata", "request_key", "seed", "engine", "licence", "source_id"})
_LEFT_OUT |= {"completion_id_chosen", "completion_id_rejected", "revision_chosen", "revision_rejected", "ci_high"}
_ANSWERS = ("completion", "chosen", "messages")
_SAID: dict[type[Record], str] = {Judgement: "reason", Rejection: "reason"}


class Snippet(msgspec.Struct, frozen=True, kw_only=True):
    """Where a searched text stands in a row, and what is around it."""

    where: str  # "completion[0].content"
    before: str
    match: str
    after: str


class RowLine(msgspec.Struct, frozen=True, kw_only=True):
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
    columns = _columns(table.record)
    batches = read_rows(library, table, numbers, columns)
    rows = [row for batch in batches for row in _cut(batch).to_pylist()]
    places = [one.column for one in filters if one.column.startswith("metadata.")]
    more = _more(library, table, numbers, text, places)
    return [
        _line(table.record, number, row, facts, snippet)
        for number, row, (facts, snippet) in zip(numbers, rows, more, strict=True)
    ]


def searched_columns(record: type[Record]) -> tuple[str, ...]:
    """Where a text is searched for: what was said, asked and found; not ids, and not the metadata."""
    schema = ARROW_SCHEMAS[record]
    texts = ("ground_truth", "reason", "row") if record is Rejection else ("ground_truth", "reason")
    return tuple(field.name for field in schema if is_messages(field.type) or field.name in texts)


def snippet_of(row: dict[str, Any], columns: Sequence[str], text: str) -> Snippet | None:
    """The first place of a row where the text stands, in any case."""
    wanted = re.compile(re.escape(text), re.IGNORECASE)
    for where, value in _texts(row, columns):
        if found := wanted.search(value):
            start, end = found.span()
            before, after = value[max(0, start - AROUND) : start], value[end : end + AROUND]
            return Snippet(where=where, before=before, match=found.group(), after=after)
    return None


def _columns(record: type[Record]) -> list[str]:
    """Of a line: all but lists of numbers and what is left out."""
    fields = [field for field in ARROW_SCHEMAS[record] if not pa.types.is_list(field.type) or is_messages(field.type)]
    return [field.name for field in fields if field.name not in _LEFT_OUT]


def _cut(batch: pa.RecordBatch) -> pa.RecordBatch:
    columns = [beginnings(column, BEGINNING) for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _more(
    library: Library, table: Table, numbers: Sequence[int], text: str, places: Sequence[str]
) -> Iterator[tuple[dict[str, str], Snippet | None]]:
    """What is shown because of the query: values of places, and where the text stands in the whole row."""
    columns = [*(searched_columns(table.record) if text else ()), *(["metadata"] if places else [])]
    if not columns:
        yield from (({}, None) for _ in numbers)
        return
    readers = {name: place_reader(name) for name in places}
    for batch in read_rows(library, table, numbers, columns):
        for place in range(batch.num_rows):  # one at a time: its texts are whole
            [row] = batch.slice(place, 1).to_pylist()
            facts = {name: _short_value(read(row["metadata"])) for name, read in readers.items()}
            yield facts, snippet_of(row, searched_columns(table.record), text) if text else None


def _short_value(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return "" if value is None else value_text(value)[:SHORT]


def _line(
    record: type[Record], number: int, row: dict[str, Any], facts: dict[str, str], snippet: Snippet | None
) -> RowLine:
    return RowLine(
        number=number,
        key=" ".join(row[name] for name in ROW_KEYS[record]),
        asked=_asked(row),
        answered=_answered(record, row),
        facts={**_facts(record, row), **facts},
        snippet=snippet,
    )


def _asked(row: dict[str, Any]) -> str:
    """The last thing that a user said."""
    turns = row.get("prompt") or row.get("messages") or []
    said = [turn["content"] for turn in turns if turn["role"] == "user"]
    return said[-1] if said else turns[0]["content"] if turns else ""


def _answered(record: type[Record], row: dict[str, Any]) -> str:
    if record in _SAID:
        return str(row[_SAID[record]] or "")
    turns: list[dict[str, str]] = next((row[name] for name in _ANSWERS if row.get(name)), [])
    return turns[-1]["content"] or turns[-1]["reasoning"] or "" if turns else ""


def _facts(record: type[Record], row: dict[str, Any]) -> dict[str, str]:
    hidden = {*ROW_KEYS[record][:1], _SAID.get(record, "")}
    short = {name: value for name, value in row.items() if not isinstance(value, list) and name not in hidden}
    return {name: _short(value) for name, value in short.items() if value is not None}


def _short(value: str | float) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)[:SHORT]


def _texts(row: dict[str, Any], columns: Sequence[str]) -> Iterator[tuple[str, str]]:
    for name in columns:
        value = row[name]
        if isinstance(value, str):
            yield name, value
        for place, turn in enumerate(value if isinstance(value, list) else ()):
            for part in ("content", "reasoning"):
                if turn[part] is not None:
                    yield f"{name}[{place}].{part}", turn[part]
