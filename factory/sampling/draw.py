"""Draws one token a row from logits. Shapes: B rows, V vocabulary, K kept candidates. Log-probs in nats.

The noise of a row comes from its own seed and step alone, so that a row draws the same token whoever it shares a
batch with. The log-prob of a token is the model's own, at temperature 1 and before top-k and top-p cut anything:
what vLLM states by default (`raw_logprobs`), and what a trainer's forward pass gives.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

ALL_TOKENS = 2**31 - 1  # a top_k that cuts nothing


@dataclass(frozen=True)
class DrawSettings:
    """One entry a row: how each draws. Temperature 0 takes the likeliest token."""

    temperature_B: Tensor  # float32, >= 0
    top_p_B: Tensor  # float32, in (0, 1]
    top_k_B: Tensor  # int64, >= 1; ALL_TOKENS cuts nothing
    seed_B: Tensor  # int64
    cuts_B: Tensor  # bool: rows with a top_k or a top_p
    any_cut: bool  # known to the host, so that no step waits for the device to learn it


def draw(logits_BV: Tensor, settings: DrawSettings, step_B: Tensor) -> tuple[Tensor, Tensor]:
    """One token a row (B,) and its log-prob (B,) in float32."""
    logits_BV = logits_BV.float()
    greedy_B = settings.temperature_B == 0
    heat_B = settings.temperature_B.masked_fill(greedy_B, 1.0)
    probs_BV = (logits_BV / heat_B[:, None]).softmax(-1)
    if settings.any_cut:
        cut_B = settings.cuts_B
        probs_BV[cut_B] = cut_tail(probs_BV[cut_B], settings.top_k_B[cut_B], settings.top_p_B[cut_B])
    token_B = invert(probs_BV, uniform(settings.seed_B, step_B))
    token_B = torch.where(greedy_B, logits_BV.argmax(-1), token_B)
    logprob_B = logits_BV.log_softmax(-1).gather(1, token_B[:, None])[:, 0]
    return token_B, logprob_B


def cut_tail(probs_BV: Tensor, top_k_B: Tensor, top_p_B: Tensor) -> Tensor:
    """Zero all but the k likeliest tokens, then all but the fewest whose share of the rest reaches p. Not rescaled."""
    sorted_BV, order_BV = probs_BV.sort(dim=-1, descending=True, stable=True)
    rank_V = torch.arange(sorted_BV.shape[1], device=probs_BV.device)
    sorted_BV = sorted_BV.masked_fill(rank_V >= top_k_B[:, None], 0.0)
    cumulative_BV = sorted_BV.double().cumsum(-1)
    before_BV = (cumulative_BV - sorted_BV) / cumulative_BV[:, -1:]
    sorted_BV = sorted_BV.masked_fill((before_BV >= top_p_B[:, None]) & (top_p_B[:, None] < 1), 0.0)
    return torch.zeros_like(probs_BV).scatter(1, order_BV, sorted_BV)


def invert(probs_BV: Tensor, uniform_B: Tensor) -> Tensor:
    """The token at which the cumulative probability passes `uniform_B` (in [0, 1)) of the whole."""
    cumulative_BV = probs_BV.double().cumsum(-1)
    target_B1 = uniform_B[:, None] * cumulative_BV[:, -1:]
    # Only NaN gets past the last token; the caller finds it in the log-prob.
    return torch.searchsorted(cumulative_BV, target_B1, right=True)[:, 0].clamp(max=probs_BV.shape[1] - 1)


def uniform(seed_B: Tensor, step_B: Tensor) -> Tensor:
    """Float64 in [0, 1) by splitmix64 of seed and step: no state, equal on every device."""
    mixed_B = _mix(_mix(seed_B + _GOLDEN) + step_B * _GOLDEN)
    return _shifted(mixed_B, 12).double() * 2.0**-52


_GOLDEN = 0x9E3779B97F4A7C15 - 2**64  # the constants of splitmix64, as signed 64-bit integers
_FIRST = 0xBF58476D1CE4E5B9 - 2**64
_SECOND = 0x94D049BB133111EB - 2**64


def _mix(x_B: Tensor) -> Tensor:
    x_B = (x_B ^ _shifted(x_B, 30)) * _FIRST
    x_B = (x_B ^ _shifted(x_B, 27)) * _SECOND
    return x_B ^ _shifted(x_B, 31)


def _shifted(x_B: Tensor, bits: int) -> Tensor:
    """Right shift that fills with zeros: int64 has no other unsigned form here."""
    shifted_B: Tensor = (x_B >> bits) & (2 ** (64 - bits) - 1)
    return shifted_B
