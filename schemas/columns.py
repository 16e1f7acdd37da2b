"""Records to Arrow and back, a column at a time.

`pyarrow.Table.from_pylist` would fill missing keys with nulls and drop unknown ones without a word, and pyarrow checks
"not null" only when it writes. Here a value that does not fit is an error that names its row and its column.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import accumulate, chain, pairwise
from operator import attrgetter
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints

import msgspec
import pyarrow as pa

from schemas.arrow import ARROW_SCHEMAS
from schemas.errors import CorruptError, DataError
from schemas.records import Completion, Judgement, Message, PassRate, PreferencePair, Prompt, Record, Rejection, Trace

# What tells one row of a version from another.
ROW_KEYS: dict[type[Record], tuple[str, ...]] = {
    Prompt: ("prompt_id",),
    Completion: ("completion_id",),
    Trace: ("trace_id",),
    Judgement: ("completion_id", "judge"),
    PreferencePair: ("pair_id",),
    PassRate: ("prompt_id",),
    Rejection: ("prompt_id", "stage"),
}

_NOTHING: list[Any] = []
_CODES = {pa.int32(): "i", pa.float32(): "f"}  # how `array` names the numbers that lists hold


def to_batch(rows: Sequence[Record], record: type[Record]) -> pa.RecordBatch:
    """Rows of one record type as an Arrow batch in that type's schema.

    Raises:
        DataError: a value is missing, of another type, or text that is not Unicode; names the row and the column.
    """
    if set(map(type, rows)) - {record}:
        raise DataError(f"rows of {_type_names(rows)} in a shard of {record.__name__}: one shard holds one record type")
    schema = ARROW_SCHEMAS[record]
    return pa.RecordBatch.from_arrays([_column(rows, record, field) for field in schema], schema=schema)


def to_records(batch: pa.RecordBatch, record: type[Record]) -> list[Record]:
    """The rows of an Arrow batch that has the columns of `record`.

    Raises:
        CorruptError: a value that the record does not allow.
    """
    names = batch.schema.names
    columns = [_values(column) for column in batch.columns]
    rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    try:
        return msgspec.convert(rows, list[record])  # type: ignore[valid-type]
    except msgspec.ValidationError as err:
        raise CorruptError(f"{record.__name__}: {err}; the shard was not written by this project") from err


def row_name(row: Record) -> str:
    """A row, named for an error message."""
    keys = ROW_KEYS[type(row)]
    return f"{type(row).__name__} {', '.join(f'{key} {getattr(row, key)!r}' for key in keys)}"


def _column(rows: Sequence[Record], record: type[Record], field: pa.Field) -> pa.Array:
    values = list(map(attrgetter(field.name), rows))
    problem: Exception | str
    try:
        column = _to_array(values, field.type)
        problem = _problem(values, column, record, field)
    except (pa.ArrowException, TypeError, ValueError, OverflowError, AttributeError) as err:
        problem = err
    if problem:
        raise _refusal(rows, record, field) from (problem if isinstance(problem, Exception) else None)
    return column


def _problem(values: Sequence[Any], column: pa.Array, record: type[Record], field: pa.Field) -> str:
    if column.null_count and not field.nullable:
        return "it is null, and must not be"
    allowed = _CHOICES[record].get(field.name)
    if allowed and not allowed.issuperset(values):
        return f"it must be one of {', '.join(sorted(allowed))}"
    return ""


def _refusal(rows: Sequence[Record], record: type[Record], field: pa.Field) -> DataError:
    """The error for the first row whose value does not fit."""
    for row in rows:
        value = getattr(row, field.name)
        try:
            problem = _problem([value], _to_array([value], field.type), record, field)
        except UnicodeEncodeError:
            problem = "it holds a lone surrogate, which is not valid Unicode text"
        except (pa.ArrowException, TypeError, ValueError, OverflowError, AttributeError) as err:
            problem = str(err)
        if problem:
            return DataError(f"{row_name(row)}: column {field.name!r}: {problem}; drop or repair this row")
    return DataError(f"column {field.name!r}: the rows do not fit together; write fewer rows at once")


def _to_array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if not pa.types.is_list(kind):
        return _scalars(values, kind)
    filled = [_NOTHING if value is None else value for value in values] if None in values else values
    code = _CODES.get(kind.value_type)
    items = _numbers(filled, code, kind.value_type) if code else _messages([*chain(*filled)], kind.value_type)
    if items.null_count:
        raise TypeError("it holds a null")
    offsets = pa.array(accumulate(map(len, filled), initial=0), pa.int32())
    is_null = pa.array([value is None for value in values]) if None in values else None
    return pa.ListArray.from_arrays(offsets, items, type=kind, mask=is_null)


def _scalars(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_integer(kind) and any(issubclass(found, float) for found in set(map(type, values))):
        raise TypeError("a number with a fraction, not an integer")  # pyarrow would make 1 of 1.5, without a word
    return pa.array(values, kind)


def _numbers(lists: Sequence[list[Any]], code: str, kind: pa.DataType) -> pa.Array:
    """All lists end to end. Faster than `pa.array`, and refuses a null, and a fraction among integers."""
    items = array(code)
    for numbers in lists:
        items.fromlist(numbers)
    return pa.Array.from_buffers(kind, len(items), [None, pa.py_buffer(items)])


def _messages(turns: Sequence[Message], kind: pa.DataType) -> pa.Array:
    parts = [pa.array(list(map(attrgetter(field.name), turns)), field.type) for field in kind]
    for field, part in zip(kind, parts, strict=True):
        if part.null_count and not field.nullable:
            raise TypeError(f"a message without {field.name}")
    return pa.StructArray.from_arrays(parts, fields=list(kind))


def _values(column: pa.Array) -> list[Any]:
    """Python values, with `Message` for the structs: every struct in our schemas is one."""
    if not pa.types.is_list(column.type):
        return cast(list[Any], column.to_pylist())
    bounds = column.offsets.to_numpy()  # a batch may be a slice, so they need not begin at 0
    leaf = column.values.slice(bounds[0], bounds[-1] - bounds[0])
    items = _turns(leaf) if pa.types.is_struct(leaf.type) else leaf.to_numpy(zero_copy_only=False).tolist()
    lists: list[Any] = [items[start:end] for start, end in pairwise((bounds - bounds[0]).tolist())]
    if column.null_count:
        is_valid = column.is_valid().to_pylist()
        lists = [value if valid else None for value, valid in zip(lists, is_valid, strict=True)]
    return lists


def _turns(leaf: pa.StructArray) -> list[Message]:
    return [Message(*parts) for parts in zip(*(part.to_pylist() for part in leaf.flatten()), strict=True)]


def _choices(record: type[Record]) -> dict[str, frozenset[str]]:
    """The columns that hold one of a few words, with the words."""
    hints = get_type_hints(record)
    return {name: frozenset(get_args(hint)) for name, hint in hints.items() if get_origin(hint) is Literal}


def _type_names(rows: Sequence[Record]) -> str:
    return ", ".join(sorted({type(row).__name__ for row in rows}))


_CHOICES = {record: _choices(record) for record in ARROW_SCHEMAS}
