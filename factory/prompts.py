"""`factory build prompts`: a source becomes a version in one pass. It costs nothing, so a killed pass starts over."""

from __future__ import annotations

from itertools import islice

from factory.fold import Heading, fold
from factory.lock import build_lock
from factory.recipes import resolved
from factory.store.commit import find_build, finish_commit
from factory.units import BuildRecord, Unit, UnitStore, UnitWriter
from factory.workspace import dataset_name, output_folder, workspace
from pipelines.prompts import PromptsRecipe, build_prompts, source_inputs
from pipelines.rows import RowResult, StageTally
from schemas.canonical import canonical_json, sha256_hex, short_hash
from schemas.manifest import Cost, Manifest
from schemas.records import Prompt, Rejection

STAGES = ("source", "dedupe")
WRITE_ROWS = 4096


def run_prompts(recipe: PromptsRecipe, out: str) -> Manifest:
    """Raises DataError naming file and line when the source is not what it must be; nothing is published then."""
    folder = output_folder(out, workspace())
    folder.require_create()
    inputs = source_inputs(recipe)
    table = resolved(recipe)
    build_id = sha256_hex(canonical_json(["prompts", table, inputs]))[:20]
    store = UnitStore(folder, build_id)
    if (manifest := find_build(folder, build_id)) is not None:
        finish_commit(folder)
        store.remove()
        return manifest
    with build_lock(folder, store.root, 0):
        store.begin(BuildRecord(build_id=build_id, kind="prompts", recipe=table, inputs=inputs, models=[]))
        unit = Unit(short_hash([build_id]), 0, 0)
        writer = UnitWriter(store, unit, Prompt)
        try:
            results = map(_result, build_prompts(recipe))
            while batch := list(islice(results, WRITE_ROWS)):
                writer.write(batch)
            record = writer.finish()
        finally:
            writer.abort()
        heading = Heading(
            name=dataset_name(folder), kind="prompts", recipe=table, inputs=inputs, models=[], cost=Cost(usd=0.0)
        )
        return fold(store, [record], heading)


def _result(item: Prompt | Rejection) -> RowResult:
    """One source row: through both stages, or rejected at one of them."""
    if isinstance(item, Prompt):
        return RowResult(rows=[item], rejections=[], stages=[StageTally(stage, 1, 1) for stage in STAGES])
    before = STAGES[: STAGES.index(item.stage)]
    passed = [StageTally(stage, 1, 1) for stage in before]
    return RowResult(rows=[], rejections=[item], stages=[*passed, StageTally(item.stage, 1, 0)])
