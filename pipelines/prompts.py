"""`factory build prompts`: a source's rows as prompts, each once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pipelines.dedupe import dedupe
from pipelines.prompts_recipe import PromptsRecipe
from pipelines.sources import source_inputs, source_prompts
from schemas.errors import DataError
from schemas.records import Prompt, Rejection

__all__ = ["PromptsRecipe", "build_prompts", "source_inputs"]


def build_prompts(recipe: PromptsRecipe) -> Iterator[Prompt | Rejection]:
    """One prompt or one rejection for each row of the source, in its order.

    Raises:
        DataError: the source is not what the recipe says (names file, line and what to do), or no row is a prompt.
    """
    made = source_prompts(recipe)
    new = dedupe(made, recipe.near_duplicates)
    return _some_prompt(new, recipe.source)


def _some_prompt(rows: Iterator[Prompt | Rejection], source: str) -> Iterator[Prompt | Rejection]:
    kinds: Counter[str] = Counter()
    for row in rows:
        kinds["prompt" if isinstance(row, Prompt) else row.kind] += 1
        yield row
    if kinds and not kinds["prompt"]:
        reasons = ", ".join(f"{kind}: {count}" for kind, count in kinds.most_common())
        raise DataError(f"{source}: none of its rows is a prompt ({reasons}); check the columns and the verifier")
