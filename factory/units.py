"""Units of work: ranges of input rows, each finished by one record that is created if absent.

<dataset>/_builds/<build_id>/build.json          what the build is: recipe, inputs, models
<dataset>/_builds/<build_id>/probe.json          what a look at a sample found, where the kind looks first
<dataset>/_builds/<build_id>/units/<unit>.json   a finished unit: its shards and its books
<dataset>/_builds/<build_id>/data|rejections/    its shards, until the version is committed
<dataset>/_builds/<build_id>/steps/              what steps over all rows made of them
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec

from pipelines.rows import RowResult
from schemas.canonical import canonical_json, short_hash
from schemas.errors import CorruptError, DataError
from schemas.folder import Folder
from schemas.local import LocalFolder
from schemas.locks import is_held
from schemas.manifest import InputRef, ModelRef, Shard, StageCount, Tokens
from schemas.records import Record, Rejection
from schemas.shards import ShardWriter

BUILDS = "_builds"
Kind = TypeVar("Kind")
MIN_UNIT_ROWS = 1024
MAX_UNITS = 512


class Unit(msgspec.Struct, frozen=True):
    """Input rows `start` to `stop`. Its id follows from the build and the range."""

    unit_id: str
    start: int
    stop: int


class UnitRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A finished unit."""

    unit_id: str
    start: int
    stop: int
    shards: list[Shard]
    rejections: list[Shard]
    counters: list[StageCount]
    tokens: Tokens
    licences: list[str]


class BuildRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a build is, written when it starts: a later start with another recipe is told the difference."""

    build_id: str
    kind: str
    recipe: dict[str, Any]
    inputs: list[InputRef]
    models: list[ModelRef]
    appends_to: str | None = None  # sha256 of the manifest of the version whose rows it takes over


class ProbeRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a look at a sample of the input found, and the tokens that it took and no row counts."""

    figures: dict[str, Any]
    lines: list[str]
    warnings: list[str]
    tokens: Tokens


def cut(build_id: str, rows: int) -> list[Unit]:
    """Cut `rows` input rows into units. The cut depends on nothing else, so that every start finds the same units."""
    size = max(MIN_UNIT_ROWS, -(-rows // MAX_UNITS))
    ranges = [(start, min(start + size, rows)) for start in range(0, rows, size)]
    return [Unit(short_hash([build_id, start, stop]), start, stop) for start, stop in ranges]


class Books:
    """Sums of what a unit's rows did, stage by stage."""

    def __init__(self) -> None:
        self._order: list[str] = []
        self._in: dict[str, int] = {}
        self._out: dict[str, int] = {}
        self._dropped: dict[str, dict[str, int]] = {}
        self._failed: dict[str, dict[str, int]] = {}
        self._noted: dict[str, dict[str, int]] = {}
        self._tokens = {"prompt": 0, "completion": 0, "prompt_asked": 0, "completion_asked": 0}
        self.licences: set[str] = set()

    def _open(self, stage: str) -> None:
        if stage not in self._in:
            self._order.append(stage)
            self._in[stage] = self._out[stage] = 0
            self._dropped[stage], self._failed[stage], self._noted[stage] = {}, {}, {}

    def add(self, result: RowResult) -> None:
        for tally in result.stages:
            self._open(tally.stage)
            self._in[tally.stage] += tally.rows_in
            self._out[tally.stage] += tally.rows_out
            if tally.noted:
                self._noted[tally.stage] = _merged(self._noted[tally.stage], tally.noted)
        for rejection in result.rejections:
            self._open(rejection.stage)
            counts = self._dropped if rejection.outcome == "dropped" else self._failed
            counts[rejection.stage][rejection.kind] = counts[rejection.stage].get(rejection.kind, 0) + 1
        for drawn in result.drawn:
            self._tokens["prompt"] += drawn.answer.n_prompt_tokens
            self._tokens["completion"] += drawn.answer.n_completion_tokens
            if drawn.asked:
                self._tokens["prompt_asked"] += drawn.answer.n_prompt_tokens
                self._tokens["completion_asked"] += drawn.answer.n_completion_tokens
        self.licences.update(result.licences, (row.licence for row in result.rows if hasattr(row, "licence")))

    def counters(self) -> list[StageCount]:
        return [
            StageCount(
                stage=stage,
                rows_in=self._in[stage],
                rows_out=self._out[stage],
                dropped=dict(sorted(self._dropped[stage].items())),
                failed=dict(sorted(self._failed[stage].items())),
                noted=self._noted[stage],
            )
            for stage in self._order
        ]

    def tokens(self) -> Tokens:
        return Tokens(**self._tokens)


def add_counters(many: Iterable[list[StageCount]]) -> list[StageCount]:
    """Sum the books of several units, stage by stage."""
    total: dict[str, StageCount] = {}
    for counters in many:
        for count in counters:
            before = total.get(count.stage)
            total[count.stage] = count if before is None else _plus(before, count)
    return list(total.values())


def _plus(a: StageCount, b: StageCount) -> StageCount:
    return StageCount(
        stage=a.stage,
        rows_in=a.rows_in + b.rows_in,
        rows_out=a.rows_out + b.rows_out,
        dropped=_merged(a.dropped, b.dropped),
        failed=_merged(a.failed, b.failed),
        noted=_merged(a.noted, b.noted),
    )


def _merged(left: dict[str, int], right: dict[str, int]) -> dict[str, int]:
    return {kind: left.get(kind, 0) + right.get(kind, 0) for kind in sorted({*left, *right})}


class UnitStore:
    """The working files of one build inside its dataset's folder."""

    def __init__(self, folder: Folder, build_id: str) -> None:
        self.folder = folder
        self.build_id = build_id
        self.root = f"{BUILDS}/{build_id}"

    def _path(self, unit_id: str) -> str:
        return f"{self.root}/units/{unit_id}.json"

    def begin(self, record: BuildRecord) -> None:
        path = f"{self.root}/build.json"
        if not self.folder.exists(path):
            self.folder.replace(path, canonical_json(record))

    def finished(self, unit: Unit) -> UnitRecord | None:
        path = self._path(unit.unit_id)
        if not self.folder.exists(path):
            return None
        return _decode(self.folder.read_bytes(path), f"{self.folder.location}/{path}", UnitRecord)

    def finish(self, record: UnitRecord) -> None:
        """The unit's commit point. When another process finished it first, its record stands."""
        try:
            self.folder.create(self._path(record.unit_id), canonical_json(record))
        except FileExistsError:
            return

    def reopen(self, record: UnitRecord) -> None:
        self.folder.delete(self._path(record.unit_id))

    def probed(self) -> ProbeRecord | None:
        path = f"{self.root}/probe.json"
        if not self.folder.exists(path):
            return None
        return _decode(self.folder.read_bytes(path), f"{self.folder.location}/{path}", ProbeRecord)

    def keep_probe(self, record: ProbeRecord) -> None:
        """When another process looked first, what it found stands."""
        try:
            self.folder.create(f"{self.root}/probe.json", canonical_json(record))
        except FileExistsError:
            return

    def is_running(self) -> bool | None:
        """Is a process at work on this build? None on an object store, which cannot tell."""
        if not isinstance(self.folder, LocalFolder):
            return None
        return is_held(self.folder.path(f"{self.root}/lock"))

    def remove(self) -> None:
        """Clear the working files, the build's identity last."""
        paths = self.folder.list(self.root)
        for path in sorted(paths, key=lambda path: path.endswith("/build.json")):
            self.folder.delete(path)
        self.folder.delete_tree(self.root)


def unfinished_builds(folder: Folder) -> list[BuildRecord]:
    """Builds that were started in this dataset and not committed."""
    paths = [path for path in folder.list(BUILDS) if path.endswith("/build.json")]
    return [_decode(folder.read_bytes(path), f"{folder.location}/{path}", BuildRecord) for path in paths]


class UnitWriter:
    """Writes the rows of one unit. `finish` makes them durable and gives the unit's record.

    Args:
        part: where below the build's folder its shards go, with a "/" at its end.
    """

    def __init__(self, store: UnitStore, unit: Unit, record: type[Record], part: str = "") -> None:
        self.unit = unit
        self.books = Books()
        self._rows = ShardWriter(store.folder, f"{store.root}/{part}data", record, units=[unit.unit_id])
        self._rejections = ShardWriter(store.folder, f"{store.root}/{part}rejections", Rejection, units=[unit.unit_id])

    def write(self, results: list[RowResult]) -> None:
        rows = [row for result in results for row in result.rows]
        rejections = [rejection for result in results for rejection in result.rejections]
        if rows:
            self._rows.write(rows)
        if rejections:
            self._rejections.write(rejections)
        for result in results:
            self.books.add(result)

    def finish(self) -> UnitRecord:
        counters = self.books.counters()
        for count in counters:
            if not count.balances():
                raise DataError(f"unit {self.unit.unit_id}: stage {count.stage!r} does not balance: {count}")
        return UnitRecord(
            unit_id=self.unit.unit_id,
            start=self.unit.start,
            stop=self.unit.stop,
            shards=self._rows.close(),
            rejections=self._rejections.close(),
            counters=counters,
            tokens=self.books.tokens(),
            licences=sorted(self.books.licences),
        )

    def abort(self) -> None:
        self._rows.abort()
        self._rejections.abort()


def _decode(data: bytes, where: str, kind: type[Kind]) -> Kind:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.MsgspecError as err:
        raise CorruptError(f"{where}: not readable ({err}); remove it and run the build again") from err
