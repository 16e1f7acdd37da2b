"""What is measured of a batch of rollouts before anything is learnt from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from judges.penalties import repeated_share
from trainer.rlvr.collecting import Batch
from trainer.rlvr.rollouts import Group, Rollout

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
        "groups/no_gradient": no_gradient / max(1, batch.drawn),
        "rollouts/age": float(np.mean(ages)) if ages else 0.0,
        **left_out,
    }


def rollout_figures(groups: Sequence[Group]) -> dict[str, float]:
    """Rewards in all and by verifier, lengths, ends and repetition."""
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    rewards = [rollout.reward for rollout in rollouts if rollout.reward is not None]
    found = {
        "reward": _mean(rewards),
        "reward/std": float(np.std(rewards)) if rewards else 0.0,
        "rollouts/unrewarded": _mean([rollout.reward is None for rollout in rollouts]),
        "rollouts/tokens": _mean([len(rollout.ids) for rollout in rollouts]),
        "rollouts/tokens_correct": _mean([len(rollout.ids) for rollout in rollouts if rollout.correct]),
        "rollouts/tokens_wrong": _mean([len(rollout.ids) for rollout in rollouts if rollout.correct is False]),
        "rollouts/ended": _mean([not rollout.is_cut for rollout in rollouts]),
        "rollouts/repetition": _mean([repeated_share(rollout.ids, REPEATED) for rollout in rollouts]),
        "rollouts/sampler_entropy": _mean([-value for rollout in rollouts for value in rollout.logprobs]),
    }
    return {**found, **_by_verifier(groups), **_parts(rollouts)}


def _by_verifier(groups: Sequence[Group]) -> dict[str, float]:
    """The share of correct answers, of those with a verdict, for each verifier that prompts name."""
    correct: dict[str, list[float]] = {}
    for group in groups:
        verdicts = [float(one.correct) for one in group.rollouts if one.correct is not None]
        correct.setdefault(group.prompt.verifier or "none", []).extend(verdicts)
    return {f"correct/{name}": _mean(values) for name, values in correct.items() if values}


def _parts(rollouts: Sequence[Rollout]) -> dict[str, float]:
    """Each judge's own mean score, and what each penalty took."""
    names = sorted({name for rollout in rollouts for name in rollout.parts})
    values = {name: [part for one in rollouts if (part := one.parts.get(name)) is not None] for name in names}
    return {f"reward/{name}": _mean(found) for name, found in values.items() if found}


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return float(np.mean(found)) if found else 0.0
