"""What a source gives for each of its rows, and the complaints that every source shares."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

import msgspec

from schemas.errors import DataError


class SourceRow(msgspec.Struct, frozen=True):
    """One row as it was read. `where` names the file and line; `number` counts the rows from 1."""

    where: str
    number: int
    fields: dict[str, Any]


def need_columns(where: str, wanted: Iterable[str], there: Iterable[str]) -> None:
    """Raises DataError with the nearest name when a wanted column is not there."""
    known = list(there)
    for name in wanted:
        if name not in known:
            nearest = get_close_matches(name, known, n=1)
            hint = f"did you mean {nearest[0]!r}? " if nearest else ""
            raise DataError(f"{where}: no column {name!r}; {hint}columns: {', '.join(map(repr, known)) or 'none'}")


def empty_source(where: str) -> DataError:
    return DataError(f"{where}: there are no rows; give a source that has some")
