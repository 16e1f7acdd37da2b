"""How far one policy is from another, estimated from tokens that the first sampled. S is the number of tokens; nats.

With d = log p - log q on a sample from p (Schulman, "Approximating KL divergence", 2020):
k1 = d, unbiased; k2 = d^2 / 2, biased; k3 = e^(-d) - 1 + d, unbiased and never below 0.

As a loss they differ otherwise than as a figure. On samples from p, the mean gradient of k1 is zero, that of k2 is the
gradient of KL(p || q), and that of k3 is the gradient of KL(q || p).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

KlEstimator = Literal["k1", "k2", "k3"]

# Of a log-ratio of two probabilities of one token. e^20 is beyond anything that could still be learnt from, and one
# such token would otherwise be the whole gradient, or infinite. Outside, a token has no gradient.
LIMIT = 20.0


def log_ratio(logprobs_S: Tensor, others_S: Tensor) -> Tensor:
    """log p - log q of each token (S,), at most 20 nats either way."""
    return (logprobs_S - others_S).clamp(-LIMIT, LIMIT)


def kl_estimates(kind: KlEstimator, logprobs_S: Tensor, others_S: Tensor) -> Tensor:
    """The estimate of KL(p || q) from each token (S,): its log-probs under p, which sampled it, and under q."""
    d_S = log_ratio(logprobs_S, others_S)
    if kind == "k1":
        return d_S
    if kind == "k2":
        return d_S**2 / 2
    return torch.expm1(-d_S) + d_S
