"""Where prompts come from: the recipe's `source` names a file, a dataset of the hub or families of generated tasks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from pipelines.jsonl import jsonl_rows, open_file
from pipelines.prompts_recipe import HUGGING_FACE, PromptsRecipe
from pipelines.source_rows import SourceRow
from pipelines.tables import HubSource, hub_revision, hub_rows, is_local, parquet_rows, parse_hub, shown_name
from pipelines.tasks import task_inputs, task_prompts
from pipelines.to_prompt import PromptMaker
from schemas.canonical import canonical_json, sha256_hex
from schemas.errors import DataError
from schemas.manifest import InputRef
from schemas.records import Prompt, Rejection

JSONL_SUFFIXES = (".jsonl", ".ndjson", ".json")
PARQUET_SUFFIXES = (".parquet",)
_CHUNK = 2**20


def source_prompts(recipe: PromptsRecipe) -> Iterator[Prompt | Rejection]:
    """One prompt or rejection for each row of the source, up to the recipe's `limit`.

    Raises:
        DataError: the source is not what the recipe says; names file, line and what to do.
    """
    return islice(_all_prompts(recipe), recipe.limit)


def _all_prompts(recipe: PromptsRecipe) -> Iterator[Prompt | Rejection]:
    if recipe.is_generated:
        return task_prompts(recipe)
    maker = PromptMaker(recipe, source_name(recipe))
    return map(maker.make, source_rows(recipe))


def source_rows(recipe: PromptsRecipe) -> Iterator[SourceRow]:
    """The rows of a file or of the hub, as they are."""
    if recipe.source.startswith(HUGGING_FACE):
        return hub_rows(_hub_source(recipe), recipe.columns())
    path = _file(recipe)
    if path.suffix in JSONL_SUFFIXES:
        return jsonl_rows(path)
    return parquet_rows(path, recipe.columns())


def source_name(recipe: PromptsRecipe) -> str:
    if recipe.source.startswith(HUGGING_FACE):
        return shown_name(_hub_source(recipe))
    return _file(recipe).name


def _hub_source(recipe: PromptsRecipe) -> HubSource:
    return parse_hub(recipe.source.removeprefix(HUGGING_FACE))


def _file(recipe: PromptsRecipe) -> Path:
    path = Path(recipe.source).expanduser()
    known = JSONL_SUFFIXES + PARQUET_SUFFIXES
    if path.suffix not in known:
        forms = f"a file that ends in {', '.join(known)}, hf:ORG/NAME or reasoning-gym:FAMILY"
        raise DataError(f"{recipe.source}: not a source that can be read; give {forms}")
    return path


def source_inputs(recipe: PromptsRecipe) -> list[InputRef]:
    """What the prompts are made of, by content: a manifest's `inputs`. Raises DataError when it is not there."""
    if recipe.is_generated:
        return task_inputs(recipe)
    if recipe.source.startswith(HUGGING_FACE):
        return [_hub_input(_hub_source(recipe))]
    path = _file(recipe)
    return [InputRef(name=path.name, sha256=_file_sha256(path))]


def _hub_input(source: HubSource) -> InputRef:
    if is_local(source):
        files = sorted(path for path in Path(source.name).rglob("*") if path.is_file())
        content = [[str(path.relative_to(source.name)), _file_sha256(path)] for path in files]
    else:
        content = [["revision", hub_revision(source) or ""]]
    parts = [shown_name(source), source.config, source.split, content]
    return InputRef(name=f"hf:{shown_name(source)}", sha256=sha256_hex(canonical_json(parts)))


def _file_sha256(path: Path) -> str:
    with open_file(path) as file:
        digest = hashlib.sha256()
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
