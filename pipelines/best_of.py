"""`factory build best-of`: rejection sampling. Of n answers to a prompt the best are kept, as training conversations.

By the recipe's judges, else by the prompt's verifier. Scores of all that were in the running stay with the row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field, model_validator

from factory.sampling.reasoning import split_reasoning
from pipelines.candidates import Candidates, ChoosingRecipe, get_candidates, whole
from pipelines.chance import same_text, turn
from pipelines.groups import PlacedGroup
from pipelines.rows import RowResult, StageTally, rejection
from pipelines.scores import ROUNDING, Scored, ScoredGroup, score_by_judges, score_by_verifier
from pipelines.tools import Tools
from schemas.metadata import with_metadata
from schemas.records import Message, Prompt, Rejection, Trace


class BestOfRecipe(ChoosingRecipe):
    """Defaults: the best one of eight at temperature 1, whatever a judge gives it, or right by the verifier."""

    kind: Literal["best-of"] = "best-of"
    n: int = Field(default=8, ge=1, le=4096)
    keep: int = Field(default=1, ge=1)  # of a prompt, at most
    min_score: float = Field(default=0.0, ge=0, le=1)  # 1 with a verifier, where it is not given
    template_opens_thinking: bool = False  # the chat template ends with <think>, so the answer starts inside

    @model_validator(mode="before")
    @classmethod
    def _verified_answers_are_right(cls, table: Any) -> Any:  # noqa: ANN401 - what TOML and flags gave
        if not isinstance(table, dict) or table.get("judge"):
            return table
        return {"min_score": 1.0, **table}


async def best_of_row(recipe: BestOfRecipe, tools: Tools, item: Prompt | PlacedGroup) -> RowResult:
    found = await whole(recipe, await get_candidates(recipe, tools, item))
    scored = await _score(tools, found)
    best, unkept = _best(recipe, found.prompt, scored.scored)
    return RowResult(
        rows=[_to_trace(recipe, found.prompt, one, scored.scored) for one in best],
        rejections=[*found.rejections, *scored.rejections, *unkept],
        stages=[*found.stages, *scored.stages, StageTally("best", 1, 1 if best else 0)],
        drawn=[*found.drawn, *scored.drawn],
        n_inputs=found.n_inputs,
    )


async def _score(tools: Tools, found: Candidates) -> ScoredGroup:
    if not found.completions:
        return ScoredGroup([], [], [], [])
    if tools.judges:
        return await score_by_judges(tools.judges, found.group)
    return await score_by_verifier(tools.verifiers.of(found.prompt), found.group)


def _best(recipe: BestOfRecipe, prompt: Prompt, scored: Sequence[Scored]) -> tuple[list[Scored], list[Rejection]]:
    """The best answers with different texts, ties by seed; or why there is none."""
    if not scored:
        return [], [rejection(prompt.prompt_id, "best", "no_answers", "no answer of the group has a score")]
    ranked = ranking(recipe.seed, scored)
    good = [one for one in ranked if one.score >= recipe.min_score - ROUNDING]
    if not good:
        reason = f"the best of {len(scored)} answers scores {ranked[0].score:.3g}, min_score is {recipe.min_score:.3g}"
        return [], [rejection(prompt.prompt_id, "best", "low_score", reason, row=ranked[0].completion)]
    kept: list[Scored] = []
    for one in good:
        if not any(same_text(one.completion, other.completion) for other in kept):
            kept.append(one)
    return kept[: recipe.keep], []


def ranking(seed: int, scored: Sequence[Scored]) -> list[Scored]:
    """The best first. Scores that differ by rounding only are equal."""
    return sorted(scored, key=lambda one: (-round(one.score, 9), turn(seed, "best", one.completion)))


def _to_trace(recipe: BestOfRecipe, prompt: Prompt, best: Scored, among: Sequence[Scored]) -> Trace:
    row = best.completion
    last, raw = row.completion[-1], None
    if last.reasoning is None:  # the endpoint did not divide it
        reasoning, text, _ = split_reasoning(last.content, recipe.template_opens_thinking)
        if reasoning is not None:
            last, raw = Message(last.role, text, reasoning), last.content
    ranked = ranking(recipe.seed, among)
    kept = {
        "rank": 1 + ranked.index(best),
        "score": best.score,
        "candidates": [one.figures() for one in ranked],
        "reasons": best.reasons(),
    }
    shared = {name: getattr(row, name) for name in Trace.__struct_fields__ if hasattr(row, name)}
    shared |= {"metadata": with_metadata(prompt, {"best_of": kept})}
    return Trace(trace_id=row.completion_id, messages=[*row.prompt, *row.completion[:-1], last], raw=raw, **shared)
