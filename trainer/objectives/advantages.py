"""How much better each rollout, or each of its tokens, was than expected. In numpy, before the batch is cut.

K rollouts of one group (the answers to one prompt), T sampled tokens of one rollout. Groups may be of any size: a
rollout that the judges abstained on is not among them.

Sources: GRPO, Shao et al. 2024, section 4.1.2; without the standard deviation, Dr. GRPO, Liu et al. 2025; leave one
out, RLOO, Ahmadian et al. 2024, section 3; generalised advantages, Schulman et al. 2015, equation 16; rewards of each
token and whitening, Ziegler et al. 2019, as in Tulu 3 (Lambert et al. 2024, section 6).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

GroupAdvantage = Literal["centred", "standard", "leave_one_out"]
Floats = npt.NDArray[np.float64]
_Numbers = npt.NDArray[np.floating[Any]]

STD_FLOOR = 1e-4  # added to a group's deviation: rewards that differ by next to nothing are not blown up
VARIANCE_FLOOR = 1e-8


def group_advantages(kind: GroupAdvantage, rewards_K: Sequence[float] | _Numbers) -> Floats:
    """The advantage (K,) of each rollout over its group.

    centred: reward - mean. standard: that over the sample's standard deviation (n - 1). leave_one_out: reward - mean of
    the others. They sum to 0, and are exactly 0 where all rewards are equal.
    """
    rewards: Floats = np.asarray(rewards_K, np.float64)
    if len(set(rewards.tolist())) < 2:
        return np.zeros_like(rewards)  # not so their difference from the mean, which is rounded
    centred_K: Floats = rewards - rewards.mean()
    if kind == "standard":
        centred_K /= rewards.std(ddof=1) + STD_FLOOR
    if kind == "leave_one_out":
        centred_K *= len(rewards) / (len(rewards) - 1)
    return centred_K


def token_rewards(reward: float, kl_T: _Numbers, weight: float) -> Floats:
    """The reward (T,) of each token: -weight x KL, and at the last one the rollout's reward, too.

    Their sum is what the whole rollout earns once it has paid for its KL. Raises ValueError when it has no tokens.
    """
    if not len(kl_T):
        raise ValueError("a rollout without tokens has nothing to reward")
    rewards_T: Floats = -weight * kl_T.astype(np.float64)
    rewards_T[-1] += reward
    return rewards_T


def gae(rewards_T: _Numbers, values_T: _Numbers, gamma: float, lam: float) -> tuple[Floats, Floats]:
    """Generalised advantages (T,), and the returns (T,) that values should foretell.

        A_t = r_t + gamma V_(t+1) - V_t + gamma lam A_(t+1)        return_t = A_t + V_t

    `values_T` are of the state before each token. After the last token nothing is to be earned, also where the length
    cut the rollout.
    """
    from scipy.signal import lfilter

    deltas_T: Floats = rewards_T.astype(np.float64) + gamma * np.append(values_T[1:], 0.0) - values_T
    advantages_T: Floats = lfilter([1.0], [1.0, -gamma * lam], deltas_T[::-1])[::-1].copy()
    return advantages_T, advantages_T + values_T


def whitened(rows: Sequence[Floats], counts: Sequence[bool]) -> list[Floats]:
    """The advantages (T,) of each rollout, shifted and scaled to mean 0 and variance 1 over the tokens that count."""
    counted = [row for row, is_counted in zip(rows, counts, strict=True) if is_counted]
    together = np.concatenate([np.zeros(0), *counted])
    if len(together) < 2:
        return [np.zeros_like(row) for row in rows]
    scale = np.sqrt(together.var(ddof=1) + VARIANCE_FLOOR)
    return [(row - together.mean()) / scale for row in rows]
