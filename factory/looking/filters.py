"""Filters of a query, made into checks on Arrow batches."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any, Literal, cast, get_args

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from factory.looking.texts import (
    Counts,
    Mask,
    characters,
    entries,
    holds,
    is_messages,
    is_number,
    message_characters,
)
from schemas.arrow import ARROW_SCHEMAS
from schemas.canonical import canonical_json
from schemas.errors import DataError
from schemas.records import Record

Operator = Literal["is", "not", "contains", "below", "above", "from", "upto", "shorter", "longer", "missing", "there"]
PLACE = "metadata."  # of a column that is a place in the metadata
_BOUNDS: tuple[Operator, ...] = ("below", "above", "from", "upto")
_NULLS: tuple[Operator, ...] = ("missing", "there")
_LENGTHS: tuple[Operator, ...] = ("shorter", "longer")
DEEPEST = 16  # names of a place
KEPT_READERS = 256  # each is a type of its own, which is slow to make
NO_VALUE = frozenset(_NULLS)
OPERATORS: tuple[Operator, ...] = get_args(Operator)


class Filter(msgspec.Struct, frozen=True):
    """`column`: a column, or a place in the metadata ("metadata.family"). `value` is empty for missing and there.

    "not" also finds rows without a value. Texts are searched in any case; lengths are in characters, of all turns.
    """

    column: str
    operator: Operator
    value: str = ""

    def __str__(self) -> str:
        """As it is written in a URL: "pass_rate:below:0.5"."""
        return f"{self.column}:{self.operator}" + ("" if self.operator in NO_VALUE else f":{self.value}")


class Check(msgspec.Struct, frozen=True):
    """`columns`: what a batch must have."""

    columns: tuple[str, ...]
    mask: Callable[[pa.RecordBatch], Mask]


def operators_of(kind: pa.DataType) -> tuple[Operator, ...]:
    """What can be asked of a column of this type."""
    if is_messages(kind):
        return ("contains", *_LENGTHS)
    if pa.types.is_list(kind):
        return (*_LENGTHS, *_NULLS)
    if is_number(kind):
        return ("is", "not", *_BOUNDS, *_NULLS)
    return ("is", "not", "contains", *_LENGTHS, *_NULLS)


def make_check(record: type[Record], wanted: Filter) -> Check:
    """Raises DataError: an unknown column, an operator that it does not have, a value that is no number."""
    if wanted.column.startswith(PLACE) and "metadata" in ARROW_SCHEMAS[record].names:
        return _place_check(wanted)
    kind = _type_of(record, wanted)
    if wanted.operator not in operators_of(kind):
        raise DataError(
            f"where={wanted}: {wanted.column} has no {wanted.operator!r}; it has {', '.join(operators_of(kind))}"
        )
    on_column = _on_column(kind, wanted)
    return Check((wanted.column,), lambda batch: on_column(batch.column(wanted.column)))


def text_check(columns: tuple[str, ...], text: str) -> Check:
    """Rows that hold the text in one of the columns."""

    def mask(batch: pa.RecordBatch) -> Mask:
        found = np.zeros(batch.num_rows, bool)
        for name in columns:
            found |= holds(batch.column(name), text)
        return found

    return Check(columns, mask)


def _type_of(record: type[Record], wanted: Filter) -> pa.DataType:
    schema = ARROW_SCHEMAS[record]
    if wanted.column not in schema.names:
        more = ", metadata.PLACE" if "metadata" in schema.names else ""
        raise DataError(f"where={wanted}: no column {wanted.column!r}; there are: {', '.join(schema.names)}{more}")
    return schema.field(wanted.column).type


def _on_column(kind: pa.DataType, wanted: Filter) -> Callable[[pa.Array], Mask]:
    match wanted.operator:
        case "missing":
            return lambda column: _mask(pc.is_null(column))
        case "there":
            return lambda column: _mask(pc.is_valid(column))
        case "contains":
            return lambda column: holds(column, wanted.value)
        case "shorter" | "longer":
            return _on_length(kind, wanted)
    return _on_number(kind, wanted) if is_number(kind) else _on_text(wanted)


def _on_text(wanted: Filter) -> Callable[[pa.Array], Mask]:
    if wanted.operator == "is":
        return lambda column: _mask(pc.equal(column, wanted.value))
    return lambda column: ~_mask(pc.equal(column, wanted.value))


def _on_length(kind: pa.DataType, wanted: Filter) -> Callable[[pa.Array], Mask]:
    bound = _number(wanted)
    measure: Callable[[pa.Array], Counts] = (
        message_characters if is_messages(kind) else entries if pa.types.is_list(kind) else characters
    )
    if wanted.operator == "shorter":
        return lambda column: (measure(column) < bound) & _mask(pc.is_valid(column))
    return lambda column: measure(column) > bound


_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "is": pc.equal,
    "below": pc.less,
    "above": pc.greater,
    "from": pc.greater_equal,
    "upto": pc.less_equal,
}


def _on_number(kind: pa.DataType, wanted: Filter) -> Callable[[pa.Array], Mask]:
    bound = _number(wanted)
    is_exact = pa.types.is_integer(kind) and isinstance(bound, int) and abs(bound) < 2**63
    wide = pa.int64() if is_exact else pa.float64()
    value = pa.scalar(bound if is_exact else float(bound), wide)
    compare = _COMPARE["is" if wanted.operator == "not" else wanted.operator]

    def mask(column: pa.Array) -> Mask:
        found = _mask(compare(column.cast(wide, safe=False), value))
        return ~found if wanted.operator == "not" else found

    return mask


def _number(wanted: Filter) -> int | float:
    """Raises DataError."""
    try:
        return int(wanted.value)
    except ValueError:
        pass
    try:
        value = float(wanted.value)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"where={wanted}: {wanted.value!r} is no number")
    return value


def _mask(values: pa.Array) -> Mask:
    return cast(Mask, values.fill_null(False).to_numpy(zero_copy_only=False).astype(bool))


def _place_check(wanted: Filter) -> Check:
    if wanted.operator in _LENGTHS:
        raise DataError(f"where={wanted}: a place in the metadata has no {wanted.operator!r}")
    read, matches = place_reader(wanted.column), _on_value(wanted)

    def mask(batch: pa.RecordBatch) -> Mask:
        found = (matches(read(text)) for text in batch.column("metadata").to_pylist())
        return np.fromiter(found, bool, batch.num_rows)

    return Check(("metadata",), mask)


@functools.lru_cache(KEPT_READERS)
def place_reader(column: str) -> Callable[[str | None], Any]:
    """What reads one place of a row's metadata: None where nothing stands there, or where it is no JSON object.

    All else in the metadata is passed over, not decoded. Raises DataError: a place that is too deep.
    """
    parts = column.removeprefix(PLACE).split(".")
    if len(parts) > DEEPEST:
        raise DataError(f"{column}: {len(parts)} names deep; up to {DEEPEST} are looked into")
    kind: Any = Any
    for part in reversed(parts):
        field = msgspec.field(name=part, default=None)
        kind = msgspec.defstruct("Place", [("value", kind if kind is Any else kind | None, field)])
    decode = msgspec.json.Decoder(kind).decode

    def read(metadata: str | None) -> Any:  # noqa: ANN401 - any JSON value
        try:
            value = decode(metadata or "{}")
        except (msgspec.MsgspecError, RecursionError):
            return None
        for _ in parts:
            if value is None:
                return None
            value = value.value
        return value

    return read


def value_text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """A JSON value as it is written in a filter: texts without their quotes."""
    return value if isinstance(value, str) else canonical_json(value).decode()


def _on_value(wanted: Filter) -> Callable[[Any], bool]:
    operator, text = wanted.operator, wanted.value
    if operator in _NULLS:
        return lambda value: (value is None) == (operator == "missing")
    if operator in _BOUNDS:
        bound = _number(wanted)
        return lambda value: _is_plain_number(value) and _within(value, operator, bound)
    if operator == "contains":
        folded = text.casefold()
        return lambda value: value is not None and folded in value_text(value).casefold()
    return lambda value: _is_equal(value, text) == (operator == "is")


def _is_equal(value: Any, text: str) -> bool:  # noqa: ANN401
    if not _is_plain_number(value):
        return value is not None and value_text(value) == text
    try:
        return bool(float(text) == value)
    except (ValueError, OverflowError):
        return False


def _is_plain_number(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, int | float) and not isinstance(value, bool)


def _within(value: float, operator: Operator, bound: float) -> bool:
    below, equal = value < bound, value == bound
    return {"below": below, "upto": below or equal, "above": not below and not equal, "from": not below}[operator]
