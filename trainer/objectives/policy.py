"""The policy loss of RLVR: one function, of which GRPO, DAPO, Dr. GRPO, CISPO, RLOO, GSPO and PPO are settings.

S trained tokens of a micro-batch, flat, in document order; N documents, each of them one rollout. A rollout's tokens
lie anywhere in a packed row, so whatever is of a whole rollout is summed by document, never by row.

    loss       = -(sum over counted tokens of share x weight x surrogate) / divisor
    surrogate  clip       min(r A, clip(r, 1 - low, 1 + high) A)         PPO, Schulman et al. 2017, equation 7
               cispo      sg[clip(r, 1 - low, 1 + high)] A log p         MiniMax-M1 2025, equations 4 and 5
               reinforce  A log p                                        Williams 1992
    r          token      p / p_old
               sequence   the geometric mean of p / p_old over the rollout's counted tokens, with the gradient of each
                          token's own log-prob: GSPO, Zheng et al. 2025, equations 7 and 14. Where a rollout has one
                          advantage and one weight, the gradient is that of the plain mean.
    weight     min(p_old / p_sampler, cap), without gradient: truncated importance sampling, Yao et al. 2025; 0 where
               p_old / p_sampler is outside the mask: IcePop, Ling Team 2025
    share      1 by tokens (DAPO, Yu et al. 2025, equation 8), 1 / the rollout's counted tokens by rollouts (GRPO, Shao
               et al. 2024, equation 3), 1 / max_tokens by budget (Dr. GRPO, Liu et al. 2025)
    divisor    of the whole optimiser step: its counted tokens, or its rollouts with at least one. See `divisors`.

KL against the reference is a second term with the same shares; the sampler's weights do not touch it. With
`kl_by_ratio` each estimate is multiplied by p / p_old, whose gradient counts (DeepSeek-V3.2 2025, section 3.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from trainer.objectives.base import Count, Measure, Outcome, Term
from trainer.objectives.kl import kl_estimates, log_ratio
from trainer.rlvr_recipe import PolicyTable


class Sampled(NamedTuple):
    """What is known of the tokens (S,) before the update, in fp32, without gradients.

    advantages_S: how much better than expected
    sampler_S: log-probs that the sampler stated
    counts_S: bool. Others add nothing to any sum, whatever the rest says of them, and must not be in the divisors
    old_S: the trainer's own log-probs before the first update on this batch; None: the present ones
    reference_S: log-probs of the reference model; None where there is none
    """

    advantages_S: Tensor
    sampler_S: Tensor
    counts_S: Tensor
    old_S: Tensor | None = None
    reference_S: Tensor | None = None


class PolicyOutcome(NamedTuple):
    """Sums for the step; and without gradients, for histograms and maxima, of each token (S,):

    ratio_S: r, before it is clipped; importance_S: p_old / p_sampler, before cap and mask. Read them where it counts.
    """

    outcome: Outcome
    ratio_S: Tensor
    importance_S: Tensor


class _Tokens(NamedTuple):
    """The same tokens with those that do not count made harmless: every log-prob 0, advantage 0."""

    logprobs_S: Tensor
    known: Sampled
    old_S: Tensor


def divisors(counted_N: Sequence[int]) -> dict[str, int]:
    """What the terms of a step are divided by, from the number of counted tokens of each of its rollouts (all ranks).

    Rollouts without a counted token are in neither. Zero counts as one.
    """
    return {"tokens": max(1, sum(counted_N)), "rollouts": max(1, sum(count > 0 for count in counted_N))}


def policy_loss(
    table: PolicyTable,
    logprobs_S: Tensor,
    sampled: Sampled,
    document_S: Tensor,
    n_documents: int,
    max_tokens: int,
    entropy_S: Tensor | None = None,
) -> PolicyOutcome:
    """Terms and measures of a micro-batch. `max_tokens` is what a rollout may have, `entropy_S` is only measured."""
    tokens = _harmless(logprobs_S, sampled)
    counts_S = sampled.counts_S
    ratio_S = torch.exp(_log_ratio(table, tokens, document_S, n_documents))
    importance_S = torch.exp(log_ratio(tokens.old_S, tokens.known.sampler_S))
    share_S = _shares(table, counts_S.to(logprobs_S.dtype), document_S, n_documents, max_tokens)
    losses_S = -_surrogate(table, ratio_S, tokens) * importance_weights(table, importance_S)
    per: Count = "tokens" if table.divide_by == "tokens" else "rollouts"
    terms = {"policy": Term((share_S * losses_S).sum(), per)}
    if table.kl_weight and table.kl_in == "loss":
        terms["kl"] = Term((share_S * _kl(table, tokens)).sum(), per, table.kl_weight)
    found_S = _measured(table, tokens, ratio_S.detach(), importance_S)
    if entropy_S is not None:
        found_S["entropy"] = entropy_S
    measures = {name: Measure(torch.where(counts_S, each_S, 0).sum(), "tokens") for name, each_S in found_S.items()}
    return PolicyOutcome(Outcome(terms, measures), ratio_S.detach(), importance_S)


def importance_weights(table: PolicyTable, importance_S: Tensor) -> Tensor:
    """What each token's surrogate is multiplied by (S,), from p_old / p_sampler (S,)."""
    weights_S = torch.ones_like(importance_S)
    if table.importance_cap or table.importance_mask is not None:
        weights_S = importance_S
    if table.importance_cap:
        weights_S = weights_S.clamp(max=table.importance_cap)
    return torch.where(_outside(table, importance_S), 0, weights_S)


def _outside(table: PolicyTable, importance_S: Tensor) -> Tensor:
    if table.importance_mask is None:
        return torch.zeros_like(importance_S, dtype=torch.bool)
    low, high = table.importance_mask
    return (importance_S < low) | (importance_S > high)


def _harmless(logprobs_S: Tensor, sampled: Sampled) -> _Tokens:
    """Masked before any arithmetic: a NaN times 0 would be a NaN, in the gradient too."""

    def counted(values_S: Tensor) -> Tensor:
        return torch.where(sampled.counts_S, values_S, 0)

    logprobs_S = counted(logprobs_S)
    known = Sampled(
        advantages_S=counted(sampled.advantages_S),
        sampler_S=counted(sampled.sampler_S),
        counts_S=sampled.counts_S,
        reference_S=None if sampled.reference_S is None else counted(sampled.reference_S),
    )
    old_S = logprobs_S.detach() if sampled.old_S is None else counted(sampled.old_S)
    return _Tokens(logprobs_S, known, old_S)


def _log_ratio(table: PolicyTable, tokens: _Tokens, document_S: Tensor, n_documents: int) -> Tensor:
    """log r (S,)."""
    ratio_S = log_ratio(tokens.logprobs_S, tokens.old_S)
    if table.ratio == "token":
        return ratio_S
    counts_N = _sums(tokens.known.counts_S.to(ratio_S.dtype), document_S, n_documents).clamp(min=1)
    means_N = _sums(ratio_S.detach(), document_S, n_documents) / counts_N
    return means_N[document_S] + tokens.logprobs_S - tokens.logprobs_S.detach()


def _surrogate(table: PolicyTable, ratio_S: Tensor, tokens: _Tokens) -> Tensor:
    """What is made larger (S,)."""
    advantages_S = tokens.known.advantages_S
    if table.loss == "reinforce":
        return advantages_S * tokens.logprobs_S
    clipped_S = ratio_S.clamp(1 - table.clip_low, 1 + table.clip_high)
    if table.loss == "cispo":
        return clipped_S.detach() * advantages_S * tokens.logprobs_S
    return torch.minimum(ratio_S * advantages_S, clipped_S * advantages_S)


def _kl(table: PolicyTable, tokens: _Tokens) -> Tensor:
    """Against the reference (S,), to be made smaller."""
    if tokens.known.reference_S is None:
        raise ValueError("policy.kl_weight needs the reference's log-probs")
    kl_S = kl_estimates(table.kl, tokens.logprobs_S, tokens.known.reference_S)
    return kl_S * torch.exp(log_ratio(tokens.logprobs_S, tokens.old_S)) if table.kl_by_ratio else kl_S


def _shares(table: PolicyTable, counts_S: Tensor, document_S: Tensor, n_documents: int, max_tokens: int) -> Tensor:
    """How much of its divisor's unit each token is (S,). `counts_S`: 1 where it counts, else 0."""
    if table.divide_by == "tokens":
        return counts_S
    if table.divide_by == "budget":
        return counts_S / max_tokens
    return counts_S / _sums(counts_S, document_S, n_documents).clamp(min=1)[document_S]


def _sums(values_S: Tensor, document_S: Tensor, n_documents: int) -> Tensor:
    """Of each document (N,)."""
    return torch.zeros(n_documents, dtype=values_S.dtype, device=values_S.device).index_add(0, document_S, values_S)


@torch.no_grad()
def _measured(table: PolicyTable, tokens: _Tokens, ratio_S: Tensor, importance_S: Tensor) -> dict[str, Tensor]:
    """What is watched, of each token (S,)."""
    new_S, old_S, sampler_S = tokens.logprobs_S, tokens.old_S, tokens.known.sampler_S
    found = {
        "policy/ratio": ratio_S,
        # Both directions of the KL of p_old and p, from samples of p_old.
        "policy/kl_k1": kl_estimates("k1", old_S, new_S),
        "policy/kl_k3": kl_estimates("k3", old_S, new_S),
        "sampler/importance": importance_weights(table, importance_S),
        "sampler/logprob_gap": (old_S - sampler_S).abs(),
        "sampler/prob_gap": (old_S.exp() - sampler_S.exp()).abs(),
        "sampler/kl_k3": kl_estimates("k3", sampler_S, old_S),
    }
    if table.importance_cap:
        found["sampler/capped"] = (importance_S > table.importance_cap).float()
    if table.importance_mask is not None:
        found["sampler/masked"] = _outside(table, importance_S).float()
    if tokens.known.reference_S is not None:
        found["reference/kl_k1"] = kl_estimates("k1", new_S, tokens.known.reference_S)
        found["reference/kl_k3"] = kl_estimates("k3", new_S, tokens.known.reference_S)
    return found | _clipped(table, ratio_S, tokens.known.advantages_S)


def _clipped(table: PolicyTable, ratio_S: Tensor, advantages_S: Tensor) -> dict[str, Tensor]:
    """Where the clip holds something back: for `clip` only in the direction that the advantage pushes."""
    if table.loss == "reinforce":
        return {}
    low_S, high_S = ratio_S < 1 - table.clip_low, ratio_S > 1 + table.clip_high
    if table.loss == "clip":
        low_S, high_S = low_S & (advantages_S < 0), high_S & (advantages_S > 0)
    return {"policy/clipped_low": low_S.float(), "policy/clipped_high": high_S.float()}
