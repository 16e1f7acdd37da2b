"""Builds that ask no model: inputs become a version in one pass. It costs nothing, so a killed pass starts over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from factory.fold import Heading, fold
from factory.lock import build_lock
from factory.units import BuildRecord, Unit, UnitStore, UnitWriter
from factory.use import check_use
from factory.workspace import dataset_name, output_folder
from pipelines.rows import RowResult, in_batches
from pipelines.step_recipe import StepRecipe
from pipelines.terms.use import UseTable
from schemas.arrow import RECORD_KINDS
from schemas.canonical import canonical_json, sha256_hex, short_hash
from schemas.commit import find_build, finish_commit
from schemas.datasets import DatasetVersion, workspace
from schemas.manifest import Cost, InputRef, Manifest
from schemas.recipes import resolved


class Pass(msgspec.Struct, frozen=True, kw_only=True):
    """What a pass makes, and what its version's identity follows from."""

    kind: str  # of the version: a name in `schemas.arrow.RECORD_KINDS`
    step: str  # what is done: a part of the identity
    recipe: dict[str, Any]
    inputs: list[InputRef]
    out: str
    use: UseTable = UseTable()
    versions: Sequence[DatasetVersion] = ()  # what the use is checked against


def step_over(version: DatasetVersion, recipe: StepRecipe, out: str, more: Sequence[InputRef] = ()) -> Pass:
    """A step over one version. `more`: what it reads beside."""
    return Pass(
        kind=version.manifest.kind,
        step=recipe.kind,
        recipe=resolved(recipe),
        inputs=[version.ref, *more],
        out=out,
        use=recipe.use,
        versions=[version],
    )


def run_pass(
    plan: Pass,
    results: Callable[[], Iterator[RowResult]],
    report: Callable[[], dict[str, Any] | None] | None = None,
) -> Manifest:
    """The version that `results` make up, or the one that the same pass made before.

    Args:
        report: asked when all results are read: what the manifest tells of the rows as a whole.

    Raises:
        UseConflict: the declared use is forbidden by the terms of an input.
        NothingMade: no row came through.
        DataError: an input is not what it must be; nothing is published then.
    """
    check_use(plan.use, plan.versions)
    folder = output_folder(plan.out, workspace())
    folder.require_create()
    build_id = sha256_hex(canonical_json([plan.step, plan.recipe, plan.inputs]))[:20]
    store = UnitStore(folder, build_id)
    if (manifest := find_build(folder, build_id)) is not None:
        finish_commit(folder)
        store.remove()
        return manifest
    with build_lock(folder, store.root, 0):
        store.begin(BuildRecord(build_id=build_id, kind=plan.kind, recipe=plan.recipe, inputs=plan.inputs, models=[]))
        writer = UnitWriter(store, Unit(short_hash([build_id]), 0, 0), RECORD_KINDS[plan.kind])
        try:
            for batch in in_batches(results()):
                writer.write(batch)
            record = writer.finish()
        finally:
            writer.abort()
        heading = Heading(
            name=dataset_name(folder),
            kind=plan.kind,
            recipe=plan.recipe,
            inputs=plan.inputs,
            models=[],
            cost=Cost(usd=0.0),
            report=report() if report else None,
        )
        return fold(store, [record], heading)
