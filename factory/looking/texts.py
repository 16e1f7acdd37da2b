"""Texts of Arrow columns, without making Python strings of them: lengths, matches, beginnings.

A column of messages is a list of (role, content, reasoning) for each row; what is said of a row holds of all its turns.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Mask = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]
MUCH = 2**18  # bytes of text
_TEXTS_OF_A_TURN = ("content", "reasoning")


def is_messages(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) and pa.types.is_struct(kind.value_type))


def is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def entries(column: pa.ListArray) -> Counts:
    """How many entries each row's list has; 0 for a null."""
    return _filled(pc.list_value_length(column))


def characters(column: pa.Array) -> Counts:
    """Of each row's text; 0 for a null."""
    return _filled(pc.utf8_length(column))


def message_characters(column: pa.ListArray) -> Counts:
    """Of all turns of each row, thoughts included."""
    return part_characters(column, "content") + part_characters(column, "reasoning")


def part_characters(column: pa.ListArray, part: str) -> Counts:
    """Of one field of all turns of each row."""
    return _sums(column, characters(part_of_turns(column, part)))


def holds(column: pa.Array, wanted: str) -> Mask:
    """Which rows have a text with `wanted` in it, in any case."""
    if not is_messages(column.type):
        return _true(pc.match_substring(column, wanted, ignore_case=True))
    found = np.zeros(len(column), bool)
    for part in _TEXTS_OF_A_TURN:
        matches = _true(pc.match_substring(part_of_turns(column, part), wanted, ignore_case=True))
        found |= _sums(column, matches.astype(np.int64)) > 0
    return found


def turn_starts(column: pa.ListArray) -> list[int]:
    """The place of each row's first turn among all turns, and behind them the number of turns."""
    bounds = column.offsets.to_numpy()
    return cast(list[int], (bounds - bounds[0]).tolist())


def beginnings(column: pa.StringArray, length: int) -> list[str | None]:
    """Of each text so many characters. Of much text they are cut before Python has to hold it."""
    if column.nbytes > MUCH:
        column = pc.utf8_slice_codeunits(column, 0, length)
    return [text if text is None else text[:length] for text in column.to_pylist()]


def part_of_turns(column: pa.ListArray, part: str) -> pa.Array:
    """One field of all turns of all rows, end to end."""
    bounds = column.offsets.to_numpy()  # a batch may be a slice, so they need not begin at 0
    leaf = column.values.slice(bounds[0], bounds[-1] - bounds[0])
    return leaf.flatten()[leaf.type.get_field_index(part)]


def _sums(column: pa.ListArray, values: Counts) -> Counts:
    """Over each row's turns."""
    bounds = column.offsets.to_numpy()
    up_to = np.concatenate([[0], np.cumsum(values)])
    return cast(Counts, np.diff(up_to[bounds - bounds[0]]))


def _filled(counts: pa.Array) -> Counts:
    return cast(Counts, counts.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64))


def _true(matches: pa.BooleanArray) -> Mask:
    return cast(Mask, matches.fill_null(False).to_numpy(zero_copy_only=False).astype(bool))
