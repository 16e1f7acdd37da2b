"""Steps that look at all rows of a build together: dedupe, then decontaminate.

They compare rows across units, so where a build has units they are one pass over the units' shards, once all are
finished. It asks nobody, and starts over when it is killed. What it writes lies apart from the units' shards, which the
next start must find as they were.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec

from factory.evals import open_evals, refuse_contaminated
from factory.lock import build_lock
from factory.units import Unit, UnitRecord, UnitStore, UnitWriter
from pipelines.decontaminate.recipe import DecontaminateTable
from pipelines.decontaminate.step import Decontamination
from pipelines.dedupe import dedupe_results
from pipelines.dedupe_recipe import DedupeTable
from pipelines.row_text import PARTS
from pipelines.rows import RowResult, in_batches, then
from schemas.arrow import kind_of
from schemas.canonical import short_hash
from schemas.manifest import InputRef, Shard
from schemas.recipes import RecipeError
from schemas.records import Record
from schemas.shards import read_records

DEDUPE = "dedupe all"  # some kinds have a stage `dedupe` of their own, within one row of their input
PART = "steps"


class RowSteps:
    """The steps that a recipe names over rows of one kind. Their evaluation sets are read when this is made."""

    def __init__(
        self, dedupe: DedupeTable | None, decontaminate: DecontaminateTable | None, record: type[Record]
    ) -> None:
        """Raises RecipeError when such rows hold no text, DataError when an evaluation set is not there."""
        tables = {"dedupe": dedupe, "decontaminate": decontaminate}
        self.names = [name for name, table in tables.items() if table is not None]
        if self.names and record not in PARTS:
            raise RecipeError(f"[{self.names[0]}]: {kind_of(record)} hold no text to compare; leave the table out")
        self.record = record
        self._dedupe, self._rules = dedupe, decontaminate
        self._evals = [] if decontaminate is None else [open_evals(table) for table in decontaminate.against]
        self._search: Decontamination | None = None

    @property
    def compares_rows(self) -> bool:
        return self._dedupe is not None

    @property
    def refs(self) -> list[InputRef]:
        """What the steps read beside the rows: a part of what the build reads."""
        return [one.ref for one in self._evals]

    def results(self, rows: Iterable[Record], taken_over: int = 0) -> Iterator[RowResult]:
        """`taken_over`: so many rows come first that went through before; the others are compared with them.

        Raises:
            TooContaminated: at the end, where the recipe says so.
        """
        if self._rules is not None:
            self._search = Decontamination(self._rules, self._evals)
        yield from self._stepped(rows, taken_over, self._search)
        if self._search is not None and self._rules is not None and self._rules.action == "refuse":
            refuse_contaminated("this build", self._search.report())

    def _stepped(self, rows: Iterable[Record], taken_over: int, search: Decontamination | None) -> Iterator[RowResult]:
        if self._dedupe is None:
            return iter(()) if search is None else search.results(islice(rows, taken_over, None))
        results = islice(dedupe_results(self._dedupe, rows, DEDUPE), taken_over, None)  # one to a row
        return results if search is None else then(results, search.results)

    def report(self) -> dict[str, Any] | None:
        """What was found, for the manifest and as lines for people."""
        if self._search is None:
            return None
        report = self._search.report()
        return {"decontaminate": msgspec.to_builtins(report), "lines": report.lines, "warnings": []}


class Stepped(msgspec.Struct, frozen=True):
    """The records that make up the version, and what its manifest tells of the rows as a whole."""

    records: Sequence[UnitRecord]
    report: dict[str, Any] | None = None


def step_units(
    steps: RowSteps, store: UnitStore, records: Sequence[UnitRecord], taken_over: Sequence[Shard] = ()
) -> Stepped:
    """What the steps make of finished units: their books stay, their rows go through.

    Args:
        taken_over: shards of rows that went through before, with which the units' are compared.

    Raises:
        TooContaminated: nothing is published then.
        ConflictError: another process is at it.
    """
    if not steps.names:
        return Stepped(records)
    with build_lock(store.folder, store.root, PART):
        made = _pass(steps, store, records, taken_over if steps.compares_rows else [])
    units = [msgspec.structs.replace(record, shards=[], licences=[]) for record in records]
    return Stepped([*units, made], steps.report())


def _pass(steps: RowSteps, store: UnitStore, records: Sequence[UnitRecord], taken_over: Sequence[Shard]) -> UnitRecord:
    shards = [shard for record in records for shard in record.shards]
    n_rows = sum(shard.rows for shard in shards)
    print(f"{' and '.join(steps.names)}: {n_rows:,} rows", file=sys.stderr, flush=True)
    unit = Unit(short_hash([store.build_id, PART]), 0, n_rows)
    writer = UnitWriter(store, unit, steps.record, f"{PART}/")
    try:
        rows = read_records(store.folder, [*taken_over, *shards], steps.record)
        for batch in in_batches(steps.results(rows, sum(shard.rows for shard in taken_over))):
            writer.write(batch)
        return writer.finish()
    finally:
        writer.abort()
