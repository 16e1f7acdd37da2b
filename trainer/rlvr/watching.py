"""The same prompts, again and again while the policy learns: how many it solves, and how far it has gone.

KL(policy || reference) of an answer is the sum over its tokens of log p - log q, on answers that the policy sampled;
the mean over answers is unbiased. Prompts and seeds are the same each time, so figures of two moments are paired.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from trainer.rlvr.experience import Experience
from trainer.rlvr.figures import rollout_figures
from trainer.rlvr.learning import Learner
from trainer.rlvr.rollouts import Group
from trainer.rlvr.spending import judge_figures, total_spent
from trainer.rlvr_recipe import RlvrRecipe


class Seen(msgspec.Struct, frozen=True):
    """`kl`: nats an answer; null where no reference is held. `reward`: null where no answer has one."""

    figures: dict[str, float]
    reward: float | None
    kl: float | None

    def is_within(self, recipe: RlvrRecipe) -> bool:
        return recipe.kl.budget is None or self.kl is None or self.kl <= recipe.kl.budget


def look(learner: Learner, groups: Sequence[Group], name: str) -> Seen:
    """The figures of watched groups, under `eval/NAME/`. Every rank must call it with the same groups."""
    found = rollout_figures(groups) | judge_figures(total_spent(group.spent for group in groups))
    kl = None
    if learner.reference is not None:
        kl, error = _divergence(learner, groups)
        found |= {"kl": kl, "kl_error": error}
    return Seen({f"eval/{name}/{key}": value for key, value in found.items()}, found.get("reward"), kl)


def _divergence(learner: Learner, groups: Sequence[Group]) -> tuple[float, float]:
    """Mean and standard error of the KL of an answer, both models by the trainer's own arithmetic."""
    assert learner.reference is not None
    experience = Experience(groups)
    ours = learner.score(learner.engine.module, experience)
    theirs = learner.score(learner.reference.module, experience)
    each = np.array([float((a.astype(np.float64) - b).sum()) for a, b in zip(ours, theirs, strict=True)])
    if not len(each):
        return 0.0, 0.0
    return float(each.mean()), float(each.std(ddof=1) / np.sqrt(len(each))) if len(each) > 1 else 0.0
