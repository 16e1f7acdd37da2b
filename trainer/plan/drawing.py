"""How many prompts a run of reinforcement learning draws, as far as the data tell."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb
from operator import mul

import msgspec

from judges.rewards import ROW_VERIFIER
from trainer.rlvr import curriculum
from trainer.rlvr.tasks import Task
from trainer.rlvr_recipe import RewardTable, RlvrRecipe


class Draws(msgspec.Struct, frozen=True, kw_only=True):
    """`fewest`: where every group has a gradient. `likely`: by the pass rates of the data, for the policy that they are
    of; null where they do not tell, and `unknown` says why.
    """

    fewest: int
    likely: int | None = None
    gradient_share: float | None = None
    unknown: str | None = None


def draws_of(tasks: Sequence[Task], recipe: RlvrRecipe) -> Draws:
    fewest = recipe.max_steps * recipe.rollouts.prompts
    if not recipe.rollouts.only_with_gradient:
        return Draws(fewest=fewest, likely=fewest)
    n = recipe.rollouts.per_prompt
    if not _is_of_verdicts(recipe.reward):
        return Draws(fewest=fewest, unknown="the reward is not the verdict of each prompt's verifier alone")
    graded = min(task.n_graded for task in tasks)
    if graded < n:
        why = f"the data state {graded} answers" if graded else "the data state no pass rate"
        return Draws(fewest=fewest, unknown=f"{why} for some prompt, and a group has {n}")
    often = [curriculum.draw_chance(task.n_correct, task.n_graded, n) for task in tasks]
    weights = often if recipe.signal.curriculum else [1.0] * len(tasks)
    chances = [gradient_chance(task.n_correct, task.n_graded, n) for task in tasks]
    share = sum(map(mul, weights, chances)) / sum(weights)
    if not share:
        return Draws(fewest=fewest, gradient_share=0.0, unknown="by the pass rates of the data no group has a gradient")
    return Draws(fewest=fewest, likely=round(fewest / share), gradient_share=share)


def gradient_chance(correct: int, graded: int, n: int) -> float:
    """The chance that `n` answers are neither all correct nor all wrong, without bias from `graded` >= n others.

    Without bias over many prompts; of one prompt the curriculum is never so sure.
    The share of all choices of n among the graded that have both (as pass@k of Chen et al. 2021 is reckoned).
    """
    return 1 - (comb(correct, n) + comb(graded - correct, n)) / comb(graded, n)


def _is_of_verdicts(table: RewardTable) -> bool:
    plain = RewardTable()
    names = [part.get("judge") for part in table.parts if part.get("weight", 1.0)]
    others = (table.gate, table.penalties, table.no_end, table.control)
    thresholds = [part.get("threshold") for part in table.parts if part.get("judge") == ROW_VERIFIER]
    return (
        names == [ROW_VERIFIER]
        and thresholds == [1.0]
        and others == (plain.gate, plain.penalties, plain.no_end, plain.control)
    )
