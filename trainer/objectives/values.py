"""PPO's value function: what is still to be earned from before each token on. S trained tokens, flat."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from trainer.objectives.base import Measure, Outcome, Term
from trainer.rlvr_recipe import ValueTable


class Foretold(NamedTuple):
    """What is known of the tokens (S,) before the update, in fp32: the values that the model gave then, the returns
    that it should have given, and which count (bool); others add nothing to any sum.
    """

    old_S: Tensor
    returns_S: Tensor
    counts_S: Tensor


def value_loss(table: ValueTable, values_S: Tensor, foretold: Foretold) -> Outcome:
    """Half the squared error over counted tokens; where a value has moved by more than `clip`, that of the clipped one
    if it is larger. PPO's implementations have it so (Engstrom et al. 2020, section 3), and Tulu 3.
    """
    old_S, returns_S, counts_S = foretold
    values_S = torch.where(counts_S, values_S, 0)
    old_S, returns_S = torch.where(counts_S, old_S, 0), torch.where(counts_S, returns_S, 0)
    errors_S = (values_S - returns_S) ** 2
    losses_S, clipped_S = errors_S, torch.zeros_like(counts_S)
    if table.clip:
        near_S = old_S + (values_S - old_S).clamp(-table.clip, table.clip)
        losses_S = torch.maximum(errors_S, (near_S - returns_S) ** 2)
        clipped_S = (losses_S > errors_S) & ((values_S - old_S).abs() > table.clip)  # the first alone: rounding, too
    measured = {"value/mean": values_S, "value/return": returns_S, "value/clipped": clipped_S.to(values_S.dtype)}
    measures = {name: Measure(each_S.detach().sum(), "tokens") for name, each_S in measured.items()}
    return Outcome({"value": Term(losses_S.sum() / 2, "tokens", table.weight)}, measures)


def explained_variance(values_S: npt.NDArray[np.float64], returns_S: npt.NDArray[np.float64]) -> float | None:
    """1 - var(return - value) / var(return) over a batch: 1 foretells all, 0 no more than a constant would.

    None where the returns do not vary.
    """
    varied = float(np.var(returns_S))
    return None if varied == 0 else 1 - float(np.var(returns_S - values_S)) / varied
