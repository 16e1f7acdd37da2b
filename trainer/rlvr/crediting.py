"""Rewards of a batch to an advantage for each sampled token, and for PPO the return that its value should foretell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from trainer.objectives.advantages import gae, group_advantages, token_rewards, whitened
from trainer.objectives.kl import kl_estimates
from trainer.rlvr.experience import Experience
from trainer.rlvr_recipe import RlvrRecipe, ValueTable

Floats = npt.NDArray[np.float64]


def credit(experience: Experience, counted: Sequence[bool], recipe: RlvrRecipe) -> None:
    """Adds the column `advantages`, and for PPO `returns`. Needs `values` for PPO, `old` and `reference` for a KL that
    is paid in the reward. `counted`: the rollouts that the loss counts.
    """
    kl = _paid_kl(experience, recipe)
    if recipe.policy.advantages == "gae":
        _credit_tokens(experience, kl, counted, recipe)
        return
    rewards = [
        row.reward - recipe.policy.kl_weight * float(paid.sum()) for row, paid in zip(experience.rows, kl, strict=True)
    ]
    found = np.zeros(len(rewards))
    for members in experience.members():
        found[members] = group_advantages(recipe.policy.advantages, [rewards[at] for at in members])
    experience.constant("advantages", found.tolist())


def _credit_tokens(experience: Experience, kl: list[Floats], counted: Sequence[bool], recipe: RlvrRecipe) -> None:
    table = recipe.value or ValueTable()
    advantages, returns = [], []
    for row, paid, values in zip(experience.rows, kl, experience.columns["values"], strict=True):
        rewards = token_rewards(row.reward, paid, recipe.policy.kl_weight)
        found, foretold = gae(rewards, values, table.gamma, table.lam)
        advantages.append(found)
        returns.append(foretold)
    if table.whiten:
        advantages = whitened(advantages, counted)
    experience.columns["advantages"] = [found.astype(np.float32) for found in advantages]
    experience.columns["returns"] = [found.astype(np.float32) for found in returns]


def _paid_kl(experience: Experience, recipe: RlvrRecipe) -> list[Floats]:
    """Of each token of each row (tokens,); zeros where no KL is paid in the reward."""
    policy = recipe.policy
    if policy.kl_in != "reward" or not policy.needs_reference:
        return [np.zeros(row.n_tokens) for row in experience.rows]
    pairs = zip(experience.columns["old"], experience.columns["reference"], strict=True)
    return [
        kl_estimates(policy.kl, torch.from_numpy(old), torch.from_numpy(reference)).double().numpy()
        for old, reference in pairs
    ]
