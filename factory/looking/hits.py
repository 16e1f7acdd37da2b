"""What decontamination dropped, with the matching text on both sides."""

from __future__ import annotations

from typing import Any

import msgspec

from factory.looking.filters import Filter, make_check
from factory.looking.found import Found, find
from factory.looking.library import Library, Ref
from factory.looking.table import open_table, read_rows
from pipelines.decontaminate.hits import Hit as RowHit
from schemas.records import Rejection

STAGE = "decontaminate"
MOST = 100  # of one call
SECONDS = 1.0


class Hit(RowHit, frozen=True, kw_only=True):
    """A row that held an item of an evaluation set, with the matching text. `number`: of the rejection."""

    number: int
    prompt_id: str


class Hits(msgspec.Struct, frozen=True, kw_only=True):
    """`found`: dropped rows among the `searched` first of `of` rejections. A row may have several hits."""

    hits: list[Hit]
    found: int
    searched: int
    of: int


def contamination_hits(
    library: Library, ref: Ref, *, offset: int = 0, limit: int = 20, seconds: float = SECONDS
) -> Hits:
    """Of the rows that decontamination dropped, from the `offset`th on. Raises DataError and kin."""
    table = open_table(library, ref, "rejections")
    check = make_check(Rejection, Filter("stage", "is", STAGE))
    stop = offset + min(limit, MOST)
    found = find(library, (table.id, "hits"), Found(table, [check]), enough=stop, seconds=seconds, count=seconds)
    numbers = found.rows(offset, stop)
    batches = read_rows(library, table, numbers, ["prompt_id", "metadata"])
    rows = [row for batch in batches for row in batch.to_pylist()]
    hits = [hit for number, row in zip(numbers, rows, strict=True) for hit in _hits(number, row)]
    return Hits(hits=hits, found=found.count, searched=found.searched, of=table.rows)


class _Metadata(msgspec.Struct, frozen=True):
    hits: list[RowHit] = []


def _hits(number: int, row: dict[str, Any]) -> list[Hit]:
    """None of metadata that is not decontamination's own."""
    try:
        told = msgspec.json.decode(row["metadata"] or "{}", type=_Metadata)
    except (msgspec.MsgspecError, RecursionError):
        return []
    return [Hit(number=number, prompt_id=row["prompt_id"], **msgspec.structs.asdict(hit)) for hit in told.hits]
