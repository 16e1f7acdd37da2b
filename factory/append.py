"""`--new-only`: what a build makes of new prompts is appended to the latest version of its dataset.

The version that results holds the shards of the one before and new ones. Its books, inputs, models and licences are
those of both; its cost, and the tokens asked for, are those of this build alone.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import msgspec

from factory.fold import Heading, fold
from factory.units import BuildRecord, UnitRecord, UnitStore
from pipelines.inputs import Input, VersionInput
from pipelines.new_rows import NewRows
from pipelines.recipe import BuildRecipe
from pipelines.registry import Pipeline
from schemas.arrow import kind_of
from schemas.commit import finish_commit
from schemas.datasets import DatasetVersion, read_manifest, versions
from schemas.errors import DataError
from schemas.folder import Folder
from schemas.manifest import Manifest, ModelRef, Shard, Tokens
from schemas.recipes import RecipeError, differences, resolved

T = TypeVar("T")
TOLD = 5  # differences
NOT_COMPARED = ("data", "limit")  # which prompts there are, not what is made of them


class Appending(msgspec.Struct, frozen=True):
    """What is new in the input of a build, and the version that its rows are appended to; None: there is none yet."""

    input: Input
    onto: Manifest | None
    folder: Folder

    @property
    def shards(self) -> list[Shard]:
        """The rows that are there already."""
        return [] if self.onto is None else self.onto.shards

    @property
    def sha256(self) -> str | None:
        return None if self.onto is None else self.onto.sha256

    def nothing_new(self) -> Manifest | None:
        """The version that stays the latest, where no row is new; says so."""
        if self.onto is None or self.input.rows:
            return None
        rows = sum(version.manifest.rows for version in self.input.versions)
        print(f"nothing new: {_name(self.onto)} has all {rows} {self.input.what}", file=sys.stderr)
        finish_commit(self.folder)
        return self.onto

    def bearing_failures(self, recipe: BuildRecipe) -> BuildRecipe:
        """The recipe. Where all that is new failed before, that it fails again is no reason to stop, and no error."""
        if not isinstance(self.input, NewRows) or self.input.retried < self.input.rows:
            return recipe
        return recipe.model_copy(update={"run": recipe.run.model_copy(update={"max_failed_share": 1.0})})

    def check_made_alike(self, identity: BuildRecord) -> None:
        """Raises RecipeError when other models made the version, or other files were read beside its data."""
        if self.onto is None:
            return
        known = {ref.sha256 for ref in (*self.onto.inputs, *self.input.refs)}
        changed = [f"{ref.name} is another" for ref in identity.inputs if ref.sha256 not in known]
        before, now = _models(self.onto.models), _models(identity.models)
        changed += [f"{model} had no part in it" for model in now if model not in before]
        changed += [f"{model} had" for model in before if model not in now]
        _refuse(self.onto, changed)

    def fold(self, store: UnitStore, records: Sequence[UnitRecord], heading: Heading) -> Manifest:
        """Commit the version that holds what is there and `records`; see `factory.fold`.

        Where `records` hold nothing but failures, what is there stays the latest version.
        """
        if self.onto is None:
            return fold(store, records, msgspec.structs.replace(heading, onto=0))
        if _made_nothing(records):
            print(f"{_name(self.onto)} stays: what failed before failed again", file=sys.stderr)
            store.remove()
            return self.onto
        return fold(store, [_as_unit(self.onto), *records], _heading_of_both(self.onto, heading, records))


def open_appending(kind: str, pipeline: Pipeline, recipe: BuildRecipe, source: Input, folder: Folder) -> Appending:
    """Find what is new.

    Raises:
        RecipeError: the rows of this kind do not tell what they were made of, or the latest version was made by
            another recipe: a manifest states one.
        DataError: the folder holds another kind of record.
    """
    if not pipeline.by_prompt:
        raise RecipeError(f"--new-only: rows of {kind} do not tell which prompt they were made of; leave it out")
    assert isinstance(source, VersionInput)  # whose rows have prompts
    numbers = versions(folder)
    if not numbers:
        return Appending(source, None, folder)
    latest = read_manifest(folder, numbers[-1])
    made = kind_of(pipeline.record)
    if latest.kind != made:
        raise DataError(f"{folder.location}: holds {latest.kind!r}, and this build makes {made!r}; use another --out")
    _refuse(latest, differences(_compared(latest.recipe), _compared(resolved(recipe))))
    return Appending(NewRows(source, DatasetVersion(folder, latest, latest.name)), latest, folder)


def _compared(recipe: dict[str, Any]) -> dict[str, Any]:
    """Without what follows from the engines of models: those are compared by their names."""
    table = {key: value for key, value in recipe.items() if key not in NOT_COMPARED}
    for key in ("policy", "pool"):
        table[key] = [{name: one[name] for name in one if name != "sampling"} for one in recipe.get(key, [])]
    return table


def _models(models: Sequence[ModelRef]) -> list[str]:
    return _once(f"the {one.role} {one.model} ({one.engine}, {one.revision})" for one in models)


def _refuse(latest: Manifest, changed: list[str]) -> None:
    if changed:
        more = f"; and {len(changed) - TOLD} more" if len(changed) > TOLD else ""
        raise RecipeError(
            f"--new-only: {_name(latest)} was made in another way: {'; '.join(changed[:TOLD])}{more}. "
            "Build once without it (no answer that is in the ledger is asked for again), or use another --out"
        )


def _name(manifest: Manifest) -> str:
    return f"{manifest.name}@v{manifest.version}"


def _made_nothing(records: Iterable[UnitRecord]) -> bool:
    """Whether there is neither a row nor one that a rule dropped."""
    return not any(record.shards or any(count.dropped for count in record.counters) for record in records)


def _as_unit(manifest: Manifest) -> UnitRecord:
    """The version as a unit that is finished. Its answers are used, and no longer asked for."""
    return UnitRecord(
        unit_id="",
        start=0,
        stop=0,
        shards=manifest.shards,
        rejections=manifest.rejections,
        counters=manifest.counters,
        tokens=Tokens(prompt=manifest.tokens.prompt, completion=manifest.tokens.completion),
        licences=manifest.licences,
    )


def _heading_of_both(before: Manifest, heading: Heading, records: Iterable[UnitRecord]) -> Heading:
    """`records`: what is appended."""
    rows = sum(shard.rows for record in records for shard in record.shards)
    told = heading.report or {"lines": [], "warnings": []}
    line = f"{rows:,} rows appended to the {before.rows:,} of v{before.version}"
    return msgspec.structs.replace(
        heading,
        onto=before.version,
        inputs=_once([*before.inputs, *heading.inputs]),
        models=_once([*before.models, *heading.models]),
        report={**told, "appended": {"to": before.version, "rows": rows}, "lines": [line, *told["lines"]]},
    )


def _once(many: Iterable[T]) -> list[T]:
    """In their order, without those that came before."""
    found: list[T] = []
    for one in many:
        if one not in found:
            found.append(one)
    return found
