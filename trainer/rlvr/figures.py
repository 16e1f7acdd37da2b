"""What is measured of a batch of rollouts before anything is learnt from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from judges.penalties import repeated_share
from trainer.rlvr.collecting import Batch
from trainer.rlvr.rollouts import Group, Rollout
from trainer.rlvr.spending import judge_figures

REPEATED = 4  # length of the n-grams of tokens whose repetition is counted


def batch_figures(batch: Batch, version: int) -> dict[str, float]:
    """Of the groups that are learnt from, and of what else was drawn for them."""
    left_out = {f"groups/{name.replace(' ', '_')}": float(count) for name, count in batch.left_out.items()}
    no_gradient = sum(count for name, count in batch.left_out.items() if name.startswith("all "))
    kept = sum(group.has_gradient for group in batch.groups)
    no_gradient += len(batch.groups) - kept
    ages = [version - group.version for group in batch.groups]
    return {
        **rollout_figures(batch.groups),
        "groups/drawn": float(batch.drawn),
        "groups/learnt": float(len(batch.groups)),
        "groups/passed_over": float(batch.passed_over),
        "groups/no_gradient": no_gradient / max(1, batch.drawn),
        "rollouts/age": float(np.mean(ages)) if ages else 0.0,
        **left_out,
        **judge_figures(batch.spent),
    }


def rollout_figures(groups: Sequence[Group]) -> dict[str, float]:
    """Rewards in all and by verifier, lengths, ends and repetition.

    What there is nothing to take a mean of is left out: where no rollout has a reward, there is no `reward`.
    """
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    rewards = [rollout.reward for rollout in rollouts if rollout.reward is not None]
    found: dict[str, list[float]] = {
        "reward": rewards,
        "rollouts/unrewarded": [rollout.reward is None for rollout in rollouts],
        "rollouts/tokens": [len(rollout.ids) for rollout in rollouts],
        "rollouts/tokens_correct": [len(rollout.ids) for rollout in rollouts if rollout.correct],
        "rollouts/tokens_wrong": [len(rollout.ids) for rollout in rollouts if rollout.correct is False],
        "rollouts/ended": [not rollout.is_cut for rollout in rollouts],
        "rollouts/repetition": [repeated_share(rollout.ids, REPEATED) for rollout in rollouts],
        "rollouts/sampler_entropy": [-value for rollout in rollouts for value in rollout.logprobs],
    }
    spread = {"reward/std": float(np.std(rewards))} if rewards else {}
    return {**_means({**found, **_by_verifier(groups), **_parts(rollouts)}), **spread}


def _by_verifier(groups: Sequence[Group]) -> dict[str, list[float]]:
    """For each verifier that prompts name, its verdicts: if correct, in any form, and the latter less the former."""
    found: dict[str, list[float]] = {}
    for group in groups:
        name = group.prompt.verifier or "none"
        for one in group.rollouts:
            if one.correct is not None:
                found.setdefault(f"correct/{name}", []).append(one.correct)
            if one.flex is not None:
                found.setdefault(f"flex/{name}", []).append(one.flex)
            if one.correct is not None and one.flex is not None:
                found.setdefault(f"gap/{name}", []).append(one.flex - one.correct)
    return found


def _parts(rollouts: Sequence[Rollout]) -> dict[str, list[float]]:
    """Each judge's own scores, and what each penalty took."""
    names = sorted({name for rollout in rollouts for name in rollout.parts})
    values = {name: [part for one in rollouts if (part := one.parts.get(name)) is not None] for name in names}
    return {f"reward/{name}": found for name, found in values.items()}


def _means(values: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {name: float(np.mean(found)) for name, found in values.items() if found}
