"""Prompts of reasoning-gym's generated tasks. The same settings and seed give the same tasks."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from importlib.metadata import version
from typing import Any

from judges.base import JudgeError
from judges.reasoning_gym import Family, ReasoningGym, Task, family_names, make_family
from judges.registry import make_verifier
from pipelines.conversations import under_system_prompt
from pipelines.prompts_recipe import REASONING_GYM, PromptsRecipe
from pipelines.rows import rejection
from pipelines.to_prompt import STAGE, checked
from schemas.canonical import canonical_json, prompt_id, sha256_hex
from schemas.errors import DataError
from schemas.manifest import InputRef
from schemas.records import Message, Prompt, Rejection

PACKAGE = "reasoning-gym"


def family_name(recipe: PromptsRecipe) -> str:
    return recipe.source.removeprefix(REASONING_GYM)


def task_prompts(recipe: PromptsRecipe) -> Iterator[Prompt | Rejection]:
    """Tasks 0 to size-1 of the recipe's family.

    Raises:
        DataError: no such family, or settings that it does not take.
    """
    family = _open_family(recipe)
    verifier = make_verifier(recipe.verifier or ReasoningGym.name)
    for index in range(recipe.reasoning_gym.size):
        prompt = _prompt(recipe, verifier.name, family, index)
        usable = checked(prompt, verifier, f"{recipe.source} task {index}")
        yield usable if isinstance(usable, Rejection) else _own_answer_counts(usable)


def task_input(recipe: PromptsRecipe) -> InputRef:
    """What the tasks follow from: the family, its settings and the package's version."""
    table = recipe.reasoning_gym
    parts = [family_name(recipe), table.config, table.size, table.seed, version(PACKAGE)]
    return InputRef(name=f"{recipe.source} ({PACKAGE} {parts[-1]})", sha256=sha256_hex(canonical_json(parts)))


def _open_family(recipe: PromptsRecipe) -> Family:
    name, table = family_name(recipe), recipe.reasoning_gym
    known = family_names()
    if name not in known:
        nearest = get_close_matches(name, known, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(map(repr, nearest))}?" if nearest else f"known: {', '.join(known)}"
        raise DataError(f"{recipe.source}: reasoning-gym has no family {name!r}; {hint}")
    try:
        return make_family(name, {**table.config, "size": table.size, "seed": table.seed})
    except (TypeError, ValueError, AssertionError, AttributeError) as err:
        problem = str(err) or type(err).__name__
        raise DataError(f"{recipe.source}: its settings are refused: {problem}; correct reasoning_gym.config") from err


def _prompt(recipe: PromptsRecipe, verifier: str, family: Family, index: int) -> Prompt:
    entry: dict[str, Any] = family[index]
    messages = under_system_prompt([Message("user", entry["question"])], recipe.system_prompt)
    answer = entry["answer"]
    return Prompt(
        prompt_id=prompt_id(messages),
        prompt=messages,
        ground_truth=None if answer is None else str(answer),
        verifier=verifier,
        source=recipe.source,
        source_id=str(index),
        licence=recipe.licence,
        metadata=Task(family_name(recipe), recipe.reasoning_gym.config, entry).to_json(),
    )


def _own_answer_counts(prompt: Prompt) -> Prompt | Rejection:
    """Drops a task whose own answer its scorer does not take: nothing could solve it."""
    if prompt.ground_truth is None or prompt.verifier != ReasoningGym.name:
        return prompt
    try:
        verdict = ReasoningGym().verify(prompt, f"<answer>{prompt.ground_truth}</answer>")
    except JudgeError as err:
        return rejection(prompt.prompt_id, STAGE, err.kind, err.reason, row=prompt)
    if verdict.verdict == "correct":
        return prompt
    reason = f"{prompt.source} task {prompt.source_id}: its own answer does not count: {verdict.reason}"
    return rejection(prompt.prompt_id, STAGE, "own_answer_refused", reason, row=prompt)
