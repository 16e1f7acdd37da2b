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
    return _sums(column, characters(_leaf(column, part)))


def holds(column: pa.Array, wanted: str) -> Mask:
    """Which rows have a text with `wanted` in it, in any case."""
    if not is_messages(column.type):
        return _true(pc.match_substring(column, wanted, ignore_case=True))
    found = np.zeros(len(column), bool)
    for part in _TEXTS_OF_A_TURN:
        matches = _true(pc.match_substring(_leaf(column, part), wanted, ignore_case=True))
        found |= _sums(column, matches.astype(np.int64)) > 0
    return found


def beginnings(column: pa.Array, length: int) -> pa.Array:
    """The column with each text cut after so many characters."""
    if not is_messages(column.type):
        return pc.utf8_slice_codeunits(column, 0, length) if pa.types.is_string(column.type) else column
    bounds = column.offsets.to_numpy()
    leaf = column.values.slice(bounds[0], bounds[-1] - bounds[0])
    parts = [pc.utf8_slice_codeunits(part, 0, length) for part in leaf.flatten()]
    cut = pa.StructArray.from_arrays(parts, fields=list(column.type.value_type))
    return pa.ListArray.from_arrays(pa.array(bounds - bounds[0], pa.int32()), cut)


def _leaf(column: pa.ListArray, part: str) -> pa.Array:
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
