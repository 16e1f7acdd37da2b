"""Folding: the finished units of a build become one version of a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec

from factory.units import ProbeRecord, UnitRecord, UnitStore, add_counters
from schemas.arrow import RECORD_KINDS
from schemas.commit import commit
from schemas.manifest import Cost, InputRef, Manifest, ModelRef, Tokens
from schemas.recipes import recipe_sha256
from schemas.shards import schema_of, schema_sha256

SOFTWARE = ("synthetic-data-factory", "pyarrow", "vllm", "transformers", "torch", "aiohttp")


class NothingMade(Exception):
    """Every row was dropped: there is no version to commit."""


class Heading(msgspec.Struct, frozen=True, kw_only=True):
    """What a manifest says of a build beside its rows."""

    name: str
    kind: str
    recipe: dict[str, Any]
    inputs: list[InputRef]
    models: list[ModelRef]
    cost: Cost
    probed: ProbeRecord | None = None
    report: dict[str, Any] | None = None
    onto: int | None = None  # the version that must be the latest, of a build that appends


def fold(store: UnitStore, records: Sequence[UnitRecord], heading: Heading) -> Manifest:
    """Commit the version that `records` make up, then clear the build's working files. Safe to repeat.

    Raises:
        NothingMade: no record holds a row.
    """
    draft = _draft(store.build_id, records, heading)
    if draft.rows == 0:
        raise NothingMade(f"{heading.name}: every row was dropped, nothing is published: {_losses(draft)}")
    manifest = commit(store.folder, draft, heading.onto)
    store.remove()
    return manifest


def _draft(build_id: str, records: Sequence[UnitRecord], heading: Heading) -> Manifest:
    """The manifest but for its version, parent and seal, which the commit gives."""
    shards = [shard for record in records for shard in record.shards]
    record_type = RECORD_KINDS[heading.kind]
    return Manifest(
        name=heading.name,
        version=0,
        kind=heading.kind,
        build_id=build_id,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        rows=sum(shard.rows for shard in shards),
        schema=schema_of(record_type),
        schema_sha256=schema_sha256(record_type),
        shards=shards,
        rejections=[shard for record in records for shard in record.rejections],
        inputs=heading.inputs,
        models=heading.models,
        recipe=heading.recipe,
        recipe_sha256=recipe_sha256(heading.recipe),
        counters=add_counters(record.counters for record in records),
        tokens=_sum_tokens([record.tokens for record in (*records, heading.probed) if record is not None]),
        cost=heading.cost,
        licences=sorted({licence for record in records for licence in record.licences}),
        software=software(),
        report=_report(heading),
    )


def _report(heading: Heading) -> dict[str, Any] | None:
    """What was found beforehand, and of the rows as a whole."""
    probed, told = heading.probed, heading.report
    found = None if probed is None else {**probed.figures, "lines": probed.lines, "warnings": probed.warnings}
    if found is None or told is None:
        return found or told
    both = {name: [*found[name], *told[name]] for name in ("lines", "warnings")}
    return {**found, **told, **both}


def _losses(draft: Manifest) -> str:
    lost = [
        f"{number} {kind} ({count.stage})"
        for count in draft.counters
        for kind, number in {**count.dropped, **count.failed}.items()
    ]
    return ", ".join(lost) or "the input has no rows"


def _sum_tokens(many: Sequence[Tokens]) -> Tokens:
    fields = Tokens.__struct_fields__
    return Tokens(**{field: sum(getattr(tokens, field) for tokens in many) for field in fields})


def software() -> dict[str, str]:
    """Versions of the packages that can change what is written."""
    found = {}
    for package in SOFTWARE:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue  # not installed, so not used
    return found
