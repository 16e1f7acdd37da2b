"""The dataset versions that a run makes: where they go, checked before the run begins, and how they are committed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from schemas.arrow import RECORD_KINDS
from schemas.commit import DATASET_NAME, commit
from schemas.datasets import DatasetVersion, locate, read_manifest, versions
from schemas.errors import DataError
from schemas.folder import Folder
from schemas.local import LocalFolder
from schemas.locks import commits_allowed
from schemas.manifest import Cost, InputRef, Manifest, ModelRef, Shard, StageCount, Tokens
from schemas.recipes import recipe_sha256
from schemas.shards import schema_of, schema_sha256
from trainer.data.sources import Source
from trainer.errors import TrainError
from trainer.options import Options, open_sources
from trainer.rlvr_recipe import RlvrRecipe

BUILDS = "_builds"  # of a dataset's folder: what is not committed yet
# The end of the dataset's name -> its records.
KINDS = {"rollouts": "completions", "pass-rate": "pass-rate", "watched": "completions"}


class Target(msgspec.Struct, frozen=True):
    """A dataset that gets a version."""

    folder: Folder
    name: str
    kind: str


class Outputs(msgspec.Struct, frozen=True, kw_only=True):
    """What a run writes beside its checkpoint, and what all of it says of where it comes from.

    `held_out`: what else was read where prompts of `--eval` were asked, too.
    """

    rollouts: Target
    pass_rates: Target
    watched: Target
    inputs: list[InputRef]
    held_out: list[InputRef]
    recipe: dict[str, Any]
    software: dict[str, str]


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """What is particular to one version. `shards` lie in the dataset's folder."""

    build_id: str
    shards: list[Shard]
    inputs: Sequence[InputRef]
    models: Iterable[ModelRef]
    counters: list[StageCount]
    tokens: Tokens
    licences: list[str]
    cost: Cost = Cost(usd=0.0)


def plan_outputs(options: Options[RlvrRecipe], record: dict[str, Any]) -> Outputs:
    """`record`: the run's own.

    Raises:
        TrainError: the names that follow from --out or the recipe are no names of datasets.
        DataError: a dataset of that name holds something else.
    """
    stem = options.recipe.run.datasets or options.out.name
    rollouts, pass_rates, watched = (_target(stem, end, options) for end in KINDS)
    sources = open_sources(options)
    software = {**record["software"], "pyarrow": version("pyarrow")}
    return Outputs(
        rollouts=rollouts,
        pass_rates=pass_rates,
        watched=watched,
        inputs=_refs(sources.train),
        held_out=_refs(sources.held_out),
        recipe=record["recipe"],
        software=software,
    )


def commit_version(target: Target, outputs: Outputs, contents: Contents) -> Manifest:
    """Once: a build that was committed before is given as it is."""
    made = commit(target.folder, _draft(target, outputs, contents))
    _clear(target, contents.build_id)
    return made


def commit_files(target: Target, outputs: Outputs, contents: Contents, folder: LocalFolder) -> Manifest:
    """The same of shards that still lie in another folder: they stay there, as links where the disk has them."""
    with commits_allowed(target.folder):  # `gc` waits: it would take a linked shard for as old as it is
        shards = [_put(shard, folder, target, contents.build_id) for shard in contents.shards]
        return commit_version(target, outputs, msgspec.structs.replace(contents, shards=shards))


def ref_of(target: Target, made: Manifest) -> InputRef:
    return DatasetVersion(target.folder, made, target.name).ref


def working_folder(build_id: str) -> str:
    return f"{BUILDS}/{build_id}"


def _target(stem: str, end: str, options: Options[RlvrRecipe]) -> Target:
    name = f"{stem}-{end}"
    if not DATASET_NAME.fullmatch(name):
        raise TrainError(
            f"--out {options.out}: its {end} would be the dataset {name!r}, and a name must match "
            f"{DATASET_NAME.pattern}; set run.datasets to what comes before -{end}"
        )
    target = Target(locate(name, options.workspace), name, KINDS[end])
    numbers = versions(target.folder)
    kind = read_manifest(target.folder, numbers[-1]).kind if numbers else target.kind
    if kind != target.kind:
        raise DataError(
            f"{target.folder.location}: holds {kind}, and this run makes {target.kind}; "
            "set run.datasets to another name, or name another --out"
        )
    return target


def _refs(sources: Sequence[Source]) -> list[InputRef]:
    return list(dict.fromkeys(source.version.ref for source in sources))


def _put(shard: Shard, source: LocalFolder, target: Target, build_id: str) -> Shard:
    path = f"{working_folder(build_id)}/data/{Path(shard.path).name}"
    target.folder.put(source.path(shard.path), path)
    return msgspec.structs.replace(shard, path=path)


def _clear(target: Target, build_id: str) -> None:
    target.folder.delete_tree(working_folder(build_id))


def _draft(target: Target, outputs: Outputs, contents: Contents) -> Manifest:
    """But for its version, parent and seal, which the commit gives."""
    record = RECORD_KINDS[target.kind]
    return Manifest(
        name=target.name,
        version=0,
        kind=target.kind,
        build_id=contents.build_id,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        rows=sum(shard.rows for shard in contents.shards),
        schema=schema_of(record),
        schema_sha256=schema_sha256(record),
        shards=contents.shards,
        rejections=[],
        inputs=list(contents.inputs),
        models=list(dict.fromkeys(contents.models)),
        recipe=outputs.recipe,
        recipe_sha256=recipe_sha256(outputs.recipe),
        counters=contents.counters,
        tokens=contents.tokens,
        cost=contents.cost,
        licences=contents.licences,
        software=outputs.software,
    )
