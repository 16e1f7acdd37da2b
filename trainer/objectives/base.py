"""What an objective is: a number to minimise, as sums over a micro-batch, and what each sum is divided by.

The divisor is the count over the whole optimiser step: all micro-batches of all ranks. A mean over each micro-batch
would make a token in a short batch weigh more (transformers had this wrong until its pull request 34191).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from torch import Tensor

# What is counted over an optimiser step.
Count = Literal["tokens", "chosen_tokens", "pairs", "rows", "rollouts"]


class Term(NamedTuple):
    """One part of a loss: the sum over this micro-batch, to be divided by the step's `per` and weighted."""

    total: Tensor  # ()
    per: Count
    weight: float = 1.0


class Measure(NamedTuple):
    """One thing to watch: the sum over this micro-batch, to be divided by the step's `per`."""

    total: Tensor  # ()
    per: Count


class Outcome(NamedTuple):
    terms: Mapping[str, Term]
    measures: Mapping[str, Measure]
