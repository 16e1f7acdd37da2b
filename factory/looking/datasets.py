"""The datasets of a workspace, and one version of one: where its rows come from, and what became of the others."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from factory.looking.library import Library, Ref
from factory.store.diff import RowChanges, diff_versions
from schemas.canonical import canonical_json
from schemas.datasets import DatasetVersion, versions
from schemas.errors import DataError, NotFoundError
from schemas.manifest import Cost, InputRef, Manifest, ModelRef, StageCount, Tokens
from schemas.shards import columns_of


class VersionLine(msgspec.Struct, frozen=True, kw_only=True):
    """One version, as a line of a list."""

    ref: str  # "pairs@v3"
    name: str
    version: int
    kind: str
    rows: int
    rejected: int
    bytes: int
    created_at: str  # UTC, ISO 8601
    parent: int | None
    tags: list[str]
    licences: list[str]
    tokens: Tokens
    cost: Cost
    models: list[str]  # "policy: ckpt/sft"


class DatasetLine(msgspec.Struct, frozen=True, kw_only=True):
    """One dataset, by its latest version. `problem`: why it cannot be read; `latest` is then None."""

    name: str
    versions: int
    tags: dict[str, int]
    latest: VersionLine | None
    problem: str | None = None


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that a stage lost for one reason. `share`: of the rows that came to the stage."""

    kind: str
    outcome: Literal["dropped", "failed"]
    rows: int
    share: float


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """A step of the funnel. `losses`: most rows first."""

    stage: str
    rows_in: int
    rows_out: int
    losses: list[Loss]
    noted: dict[str, int]


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """What the build read. `is_there`: this very version lies in the workspace, so that it can be linked."""

    ref: InputRef
    is_there: bool


class RecipeChange(msgspec.Struct, frozen=True, kw_only=True):
    """A dotted key whose value is another one than in the parent. JSON values as text; None: not set."""

    key: str
    before: str | None
    after: str | None


class ColumnType(msgspec.Struct, frozen=True):
    name: str
    type: str


class EvalSet(msgspec.Struct, frozen=True, kw_only=True):
    """What decontamination found of one evaluation set."""

    name: str
    items: int
    items_hit: int
    share: float
    rows_hit: int
    contaminated: bool


class VersionPage(msgspec.Struct, frozen=True, kw_only=True):
    """All that a manifest says. `lines`, `warnings`: what the build found out about its data, for people."""

    line: VersionLine
    location: str
    build_id: str
    sha256: str
    shards: int
    columns: list[ColumnType]
    stages: list[Stage]
    inputs: list[Input]
    models: list[ModelRef]
    recipe: dict[str, Any]
    changes: list[RecipeChange]
    lines: list[str]
    warnings: list[str]
    contamination: list[EvalSet]
    software: dict[str, str]


def list_datasets(library: Library) -> list[DatasetLine]:
    """All datasets, by name. A damaged one is listed with its problem."""
    return [line for name in library.names() if (line := _dataset(library, name)) is not None]


def list_versions(library: Library, name: str, *, before: int | None = None, limit: int = 50) -> list[VersionLine]:
    """The newest first, older than `before`. Raises NotFoundError, CorruptError."""
    folder = library.folder(name)
    numbers = [number for number in versions(folder) if before is None or number < before]
    tags = library.tags(folder)
    return [_line(name, library.manifest(folder, number), tags) for number in numbers[::-1][:limit]]


def version_line(library: Library, ref: Ref) -> VersionLine:
    """Raises DataError, NotFoundError, CorruptError."""
    version = library.version(ref)
    return _line(version.name, version.manifest, library.tags(library.folder(version.name)))


def version_page(library: Library, ref: Ref) -> VersionPage:
    """Raises DataError, NotFoundError, CorruptError."""
    version = library.version(ref)
    manifest = version.manifest
    report = manifest.report or {}
    return VersionPage(
        line=version_line(library, version),
        location=version.folder.location,
        build_id=manifest.build_id,
        sha256=manifest.sha256,
        shards=len(manifest.shards),
        columns=[ColumnType(name, kind) for name, kind in columns_of(manifest).items()],
        stages=[_stage(count) for count in manifest.counters],
        inputs=[Input(ref=one, is_there=_is_there(library, one)) for one in manifest.inputs],
        models=manifest.models,
        recipe=manifest.recipe,
        changes=_changes(library, version),
        lines=_texts(report.get("lines")),
        warnings=_texts(report.get("warnings")),
        contamination=_contamination(report),
        software=manifest.software,
    )


def row_changes(library: Library, before: str, after: str) -> RowChanges:
    """Rows added, removed and changed, by their key. Reads both versions whole, so call it in a job or a thread.

    Raises:
        DataError: the versions hold other kinds; and kin.
    """
    return diff_versions(library.version(before), library.version(after)).rows


def _dataset(library: Library, name: str) -> DatasetLine | None:
    """None for a folder that has no version yet."""
    try:
        folder = library.folder(name)
        numbers, tags = versions(folder), library.tags(folder)
        if not numbers:
            return None
        latest = _line(name, library.manifest(folder, numbers[-1]), tags)
    except (DataError, OSError) as err:
        return DatasetLine(name=name, versions=0, tags={}, latest=None, problem=str(err))
    return DatasetLine(name=name, versions=len(numbers), tags=tags, latest=latest)


def _line(name: str, manifest: Manifest, tags: dict[str, int]) -> VersionLine:
    return VersionLine(
        ref=f"{name}@v{manifest.version}",
        name=name,
        version=manifest.version,
        kind=manifest.kind,
        rows=manifest.rows,
        rejected=sum(shard.rows for shard in manifest.rejections),
        bytes=sum(shard.bytes for shard in manifest.shards),
        created_at=manifest.created_at,
        parent=manifest.parent,
        tags=[tag for tag, number in tags.items() if number == manifest.version],
        licences=manifest.licences,
        tokens=manifest.tokens,
        cost=manifest.cost,
        models=[f"{model.role}: {model.model}" for model in manifest.models],
    )


def _stage(count: StageCount) -> Stage:
    lost: list[tuple[Literal["dropped", "failed"], dict[str, int]]] = [
        ("dropped", count.dropped),
        ("failed", count.failed),
    ]
    losses = [
        Loss(kind=kind, outcome=outcome, rows=rows, share=rows / max(1, count.rows_in))
        for outcome, kinds in lost
        for kind, rows in kinds.items()
    ]
    return Stage(
        stage=count.stage,
        rows_in=count.rows_in,
        rows_out=count.rows_out,
        losses=sorted(losses, key=lambda loss: (-loss.rows, loss.kind)),
        noted=count.noted,
    )


def _is_there(library: Library, ref: InputRef) -> bool:
    """This very version, by its hash."""
    if ref.version is None:
        return False
    try:
        return library.version(f"{ref.name}@v{ref.version}").manifest.sha256 == ref.sha256
    except DataError:
        return False


def _changes(library: Library, version: DatasetVersion) -> list[RecipeChange]:
    """Beside the parent's recipe; none where there is no parent, or it is not there any more."""
    if version.manifest.parent is None:
        return []
    try:
        parent = library.version(f"{version.name}@v{version.manifest.parent}").manifest
    except NotFoundError:
        return []
    before, after = _flat(parent.recipe), _flat(version.manifest.recipe)
    keys = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    return [RecipeChange(key=key, before=before.get(key), after=after.get(key)) for key in keys]


def _flat(recipe: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested tables as dotted keys; values as JSON."""
    flat: dict[str, str] = {}
    for key, value in recipe.items():
        is_table = isinstance(value, dict) and value
        flat |= _flat(value, f"{prefix}{key}.") if is_table else {f"{prefix}{key}": canonical_json(value).decode()}
    return flat


def _texts(value: Any) -> list[str]:  # noqa: ANN401 - any JSON value
    return [str(line) for line in value] if isinstance(value, list) else []


def _contamination(report: dict[str, Any]) -> list[EvalSet]:
    """Of `factory decontaminate`, or of a build that did the same; empty where there was none."""
    told = report.get("decontaminate", report)
    try:
        return msgspec.convert(told.get("sets", []), list[EvalSet]) if isinstance(told, dict) else []
    except msgspec.ValidationError:
        return []
